// SPDX-License-Identifier: Apache-2.0
/* What a history costs with many busy workloads: its time, and its size. */
#include "base/util.h"
#include "some_history.h"

#define MANY 250

static struct history_reading many(unsigned int k, unsigned int count)
{
	struct some list[MANY];

	for (unsigned int i = 0; i < count; i++)
		list[i] =
		    (struct some){ .workload = i,
				   .calls = 20 + (i * 2654435761u ^ k * 40503u) % 5000,
				   .memory = 1000000 + i * k,
				   .series = CLASSES };
	return some_reading(BEGIN + (k + 1) * STEP, k % 6 == 0, list, count);
}

#ifdef __SANITIZE_ADDRESS__
#define LIMIT_MS 500 /* a sanitizer looks at each access */
#else
#define LIMIT_MS 50
#endif
#define READINGS 360 /* of an hour */
#define MINUTES	 (23 * 60)

/* CPU time of adding n readings, ms each; the size of the last. */
static double fill(struct some_file *s, unsigned int n, unsigned int count)
{
	double ms = 0, start;
	char cause[256];

	for (unsigned int k = 0; k < n; k++) {
		struct history_reading r = many(k, count);

		start = cpu_ms();
		assert_int_equal(history_file_add(&s->f, &r, cause, sizeof(cause)), 0);
		ms += cpu_ms() - start;
		free(r.bytes);
	}
	return ms / n;
}

/* CPU time of looking at a reading, ms: where it is asked for, and what is before it.
 */
static double look_at(const struct some_file *s, unsigned int reading)
{
	struct history_span asked = { BEGIN + reading * STEP,
				      BEGIN + (reading + 1) * STEP, 0 },
			    got;
	struct history_reader *r;
	double start = cpu_ms();
	struct frame *f;
	char cause[256];

	assert_int_equal(history_reader_open(s->path, &r, cause, sizeof(cause)), 0);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), 0);
	start = cpu_ms() - start;
	assert_int_equal(f->count, MANY * (2 * CLASSES + 1));
	frame_free(f);
	history_reader_close(r);
	return start;
}

static void any_ten_seconds_of_250_workloads_are_read_in_50_ms(void **state)
{
	static const unsigned int at[] = { 1, 11, 100, 186, 301, READINGS - 1 };
	double ms, most = 0;
	struct some_file s;

	some_file_init(&s, SIZE);
	ms = fill(&s, READINGS, MANY);
	print_message("writing takes %.2f ms of CPU time a reading\n", ms);
	for (size_t i = 0; i < COUNT(at); i++) {
		ms = look_at(&s, at[i]);
		print_message("the 10 s of reading %u in %.1f ms\n", at[i], ms);
		most = ms > most ? ms : most;
	}
	some_file_fini(&s);
	assert_true(most < LIMIT_MS);
}

static void a_day_of_50_workloads_has_room(void **state)
{
	uint64_t bytes, oldest;
	struct some_file s;
	double ms, each;

	some_file_init(&s, SIZE);
	ms = fill(&s, 360 + 360, 50);
	history_file_measure(&s.f, &bytes, &oldest);
	each = (double)bytes / 480; /* 360 readings, and 60 minutes beside them */
	print_message("with 50 workloads: %.2f ms, %.1f KiB a reading and minute\n", ms,
		      each / 1024);
	some_file_fini(&s);
	assert_true(each * (READINGS + 60 + MINUTES) <= SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_ten_seconds_of_250_workloads_are_read_in_50_ms),
		cmocka_unit_test(a_day_of_50_workloads_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
