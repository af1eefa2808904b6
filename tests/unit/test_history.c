// SPDX-License-Identifier: Apache-2.0
/* What is kept, is read: whole, also what lies beside what is damaged. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "some_history.h"

#define MIB (1ULL << 20)

static struct some_file file;

static int begin(void **state)
{
	some_file_init(&file, SIZE);
	return 0;
}

static int end(void **state)
{
	some_file_fini(&file);
	return 0;
}

/* Readings of 10 s, the first one from BEGIN on, each with so many calls. */
static void add_readings(unsigned int first, unsigned int n, uint64_t calls)
{
	for (unsigned int k = first; k < first + n; k++)
		some_add(&file, BEGIN + (k + 1) * STEP, k % 6 == 0,
			 &(struct some){ .workload = 1,
					 .calls = calls,
					 .memory = 1000 + k,
					 .noise = 4,
					 .series = 2 },
			 1);
}

static struct history_reader *open_reader(const char *path)
{
	struct history_reader *r;
	char cause[256];

	if (history_reader_open(path, &r, cause, sizeof(cause)))
		fail_msg("%s", cause);
	return r;
}

static const struct frame_series *find(const struct frame *f, const char *name,
				       const char *class)
{
	for (size_t i = 0; i < f->count; i++) {
		const char *value = frame_attr(&f->series[i].attrs, "class");

		if (!strcmp(f->series[i].name, name) &&
		    (class ? value && !strcmp(value, class) : !value))
			return &f->series[i];
	}
	fail_msg("no %s", name);
	return NULL;
}

/* The calls of class a in a span; got_s: what the numbers are of. */
static int64_t calls_in(const char *path, uint64_t since, uint64_t until, double *got_s,
			size_t *damaged)
{
	struct history_reader *r = open_reader(path);
	struct history_span asked = { since, until, 0 }, got;
	struct frame *f;
	char cause[256];
	int64_t calls;

	if (history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)))
		fail_msg("%s", cause);
	calls = find(f, "test.calls", "a")->i;
	if (got_s)
		*got_s = got.covered_ns * 1e-9;
	if (damaged)
		*damaged = history_reader_damaged(r);
	frame_free(f);
	history_reader_close(r);
	return calls;
}

static void a_span_is_the_sum_of_its_readings(void **state)
{
	struct history_span asked = { BEGIN + 2 * STEP, BEGIN + 8 * STEP, 0 }, got;
	const struct frame_series *s;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	add_readings(0, 12, 100);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), 0);
	assert_int_equal(got.since_ns, asked.since_ns);
	assert_int_equal(got.until_ns, asked.until_ns);
	assert_int_equal(got.covered_ns, 6 * STEP);
	s = find(f, "test.calls", "a");
	assert_int_equal(s->i, 600);
	assert_true(s->error.noise == 24);
	assert_int_equal(find(f, "test.calls", "b")->i, 606);
	s = find(f, "test.time", "b");
	assert_int_equal(hist_count(s->hist), 606);
	assert_int_equal(find(f, "test.memory", NULL)->i, 1007);
	frame_free(f);
	history_reader_close(r);
	/* less than half of a reading does not count, half of it does */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 4 * NS, BEGIN + 24 * NS, NULL, NULL), 200);
	/* within one it is that one */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 4 * NS, BEGIN + 4 * NS + 1, NULL, NULL), 100);
}

static void nothing_is_kept_of_a_time_before(void **state)
{
	struct history_span asked = { BEGIN - STEP, BEGIN, 0 }, got;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	add_readings(0, 1, 5);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), -ENODATA);
	assert_string_equal(cause,
			    "nothing is kept of that time: the history goes from "
			    "2023-11-14T22:14:00Z to 2023-11-14T22:14:10Z");
	history_reader_close(r);
}

/* Who had nothing new is told as it was. */
static void what_did_not_change_is_as_it_was(void **state)
{
	struct some both[] = {
		{ .workload = 1, .calls = 5, .memory = 10, .series = 1 },
		{ .workload = 2, .calls = 7, .memory = 70, .series = 1 }
	};
	struct history_span asked = { BEGIN + 2 * STEP, BEGIN + 3 * STEP, 0 }, got;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	some_add(&file, BEGIN + STEP, true, both, 2);
	both[1].memory = 80;
	some_add(&file, BEGIN + 2 * STEP, false, &both[1], 1);
	some_add(&file, BEGIN + 3 * STEP, false, both, 1);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), 0);
	assert_int_equal(f->count, 4);
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		bool second = !strcmp(frame_name(s->resource), "workload-2");

		if (second)
			assert_string_equal(s->name, "test.memory");
		if (!strcmp(s->name, "test.memory"))
			assert_int_equal(s->i, second ? 80 : 10);
	}
	frame_free(f);
	history_reader_close(r);
}

static int64_t count(const char *what)
{
	char sql[200];
	int64_t n;

	snprintf(sql, sizeof(sql), "SELECT %s FROM reading", what);
	assert_int_equal(history_number(file.f.db, sql, &n), 0);
	return n;
}

static void an_hour_later_readings_are_minutes(void **state)
{
	double got_s;

	add_readings(0, 2 * 360, 10);
	assert_int_equal(count("sum(merged)"), 60);
	assert_int_equal(count("count(*) - sum(merged)"), 360);
	assert_int_equal(count("sum(until - since) / 1000000000"), 7200);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 720 * STEP, &got_s, NULL),
			 7200);
	assert_true(got_s == 7200);
	/* a minute, which is one step by now; and ten seconds of the last hour */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 600 * NS, BEGIN + 660 * NS, &got_s, NULL), 60);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 600 * NS, BEGIN + 610 * NS, &got_s, NULL), 60);
	assert_true(got_s == 60);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 500 * STEP, BEGIN + 501 * STEP, &got_s, NULL),
	    10);
}

static int add_up(void *sum, const struct frame *f, const struct history_span *got)
{
	int64_t *all = sum;

	all[0] += find(f, "test.calls", "a")->i;
	all[1]++;
	all[2] += (int64_t)(got->covered_ns / NS);
	return 0;
}

static void steps_have_each_reading_once(void **state)
{
	struct history_span asked = { BEGIN - 1000 * NS, BEGIN + 900 * STEP, 0 };
	struct history_reader *r;
	char cause[256];

	add_readings(0, 2 * 360, 10);
	r = open_reader(file.path);
	for (uint64_t step = 7; step < 2000; step = step * 3 + 1) {
		int64_t all[3] = { 0 };

		assert_int_equal(history_reader_each(r, &asked, step * NS, add_up, all,
						     cause, sizeof(cause)),
				 0);
		assert_int_equal(all[0], 7200);
		assert_int_equal(all[2], 7200);
		if (step == 1498)
			assert_int_equal(all[1], 6);
	}
	history_reader_close(r);
}

static void the_oldest_goes_when_the_size_is_reached(void **state)
{
	uint64_t bytes, oldest, most = 0;
	struct some list[40];

	file.f.size = HISTORY_SIZE_MIN;
	for (unsigned int k = 0; k < 800; k++) {
		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		some_add(&file, BEGIN + (k + 1) * STEP, true, list, 40);
		history_file_measure(&file.f, &bytes, &oldest);
		most = bytes > most ? bytes : most;
	}
	assert_true(most <= HISTORY_SIZE_MIN);
	assert_true(most > HISTORY_SIZE_MIN / 2);
	assert_true(oldest > BEGIN);
	assert_int_equal(count("max(until) / 1000000000"), BEGIN / NS + 8000);
	assert_int_equal(count("count(*) = 0"), 0);
}

/* A smaller size than before: the file follows, bit by bit. */
static void a_smaller_size_shrinks_the_file(void **state)
{
	uint64_t bytes, oldest;
	struct some list[40];

	for (unsigned int k = 0; k < 500; k++) {
		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		if (k == 450)
			file.f.size = HISTORY_SIZE_MIN;
		some_add(&file, BEGIN + (k + 1) * STEP, true, list, 40);
	}
	history_file_close(&file.f);
	history_file_measure(&file.f, &bytes, &oldest);
	assert_true(bytes <= HISTORY_SIZE_MIN);
}

static int look(const char *path, char *cause, size_t len)
{
	struct history_reader *r = NULL;
	int err = history_reader_open(path, &r, cause, len);

	history_reader_close(r);
	return err;
}

static void write_at(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void what_is_no_history_is_left_alone(void **state)
{
	char text[] =
	    "this is a letter of somebody's, which is no data base at all, and "
	    "which is longer than the header of one would be",
	     cause[256], back[sizeof(text)];
	struct history_reading r = { .since_ns = 1, .until_ns = 2 };
	int fd;

	assert_int_equal(look(file.path, cause, sizeof(cause)), -ENOENT);
	assert_non_null(strstr(cause, "no agent has kept anything there"));
	write_at(file.path, 0, text, sizeof(text));
	assert_int_equal(look(file.path, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, ": it is no history of assay's"));
	assert_int_equal(history_file_add(&file.f, &r, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, ": it is no history of assay's"));
	fd = open(file.path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(back));
	close(fd);
	assert_memory_equal(back, text, sizeof(text));
}

static void another_version_is_said_and_left_alone(void **state)
{
	static const unsigned char version[4] = { 0, 0, 0, 9 };
	struct history_reading r = { .since_ns = 1, .until_ns = 2 };
	char cause[256];

	add_readings(0, 1, 5);
	history_file_close(&file.f);
	write_at(file.path, 60, version, sizeof(version));
	assert_int_equal(look(file.path, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "of another version of assay (its format is 9, "
				      "this program's is 1)"));
	assert_int_equal(history_file_add(&file.f, &r, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "of another version"));
}

/* Every page in turn: all but what lies on it is there, and an agent goes on. */
static void only_what_is_damaged_is_lost(void **state)
{
	char copy[160], junk[4096], cause[256], command[400];
	unsigned int worst = 0, pages;
	struct stat st;

	memset(junk, 0xa5, sizeof(junk));
	add_readings(0, 60, 100);
	history_file_close(&file.f);
	assert_int_equal(stat(file.path, &st), 0);
	pages = (unsigned int)(st.st_size / 4096);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	for (unsigned int i = 1; i < pages; i++) {
		struct history_reader *r = NULL;
		struct history_span asked = { BEGIN, BEGIN + 60 * STEP, 0 }, got;
		struct frame *f;

		snprintf(command, sizeof(command), "cp %s %s", file.path, copy);
		assert_int_equal(system(command), 0);
		write_at(copy, i * 4096, junk, sizeof(junk));
		if (history_reader_open(copy, &r, cause, sizeof(cause)))
			continue; /* the tables' own page: nothing can be read */
		if (!history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause))) {
			unsigned int lost = 60 - (unsigned int)(got.covered_ns / STEP);

			worst = lost > worst ? lost : worst;
			frame_free(f);
		}
		history_reader_close(r);
	}
	print_message("%u pages: at most %u of 60 readings are lost\n", pages, worst);
	assert_true(worst && worst <= 20);
}

static void a_damaged_file_is_set_aside_with_the_rest_kept(void **state)
{
	char junk[4096], damaged[160];
	struct stat st;

	memset(junk, 0xa5, sizeof(junk));
	add_readings(0, 60, 100);
	history_file_close(&file.f);
	write_at(file.path, 2 * 4096, junk, sizeof(junk)); /* the table's root, or so */
	add_readings(60, 3, 100);
	assert_non_null(strstr(file.f.note, "was damaged: it is now"));
	snprintf(damaged, sizeof(damaged), "%s.damaged", file.path);
	assert_int_equal(stat(damaged, &st), 0);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 60 * STEP, BEGIN + 63 * STEP, NULL, NULL), 300);
}

static void a_copy_is_whole_by_itself_and_readable_by_all(void **state)
{
	struct history_copied copied;
	char copy[160], cause[256];
	double got_s;

	add_readings(0, 30, 100);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	assert_int_equal(copied.readings, 30);
	assert_int_equal(copied.damaged, 0);
	assert_string_equal(copied.host, "node-of-test");
	assert_int_equal(copied.range.until_ns, BEGIN + 30 * STEP);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)),
	    -EEXIST);
	some_file_fini(&file);
	some_file_init(&file, SIZE);
	rename(copy, file.path);
	assert_int_equal(chmod(file.path, 0400), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 30 * STEP, &got_s, NULL),
			 0 + 3000);
}

static void one_agent_writes_at_a_time(void **state)
{
	struct history_file other;
	struct history_reading r = some_reading(BEGIN + STEP, true, NULL, 0);
	char cause[256];

	add_readings(0, 1, 5);
	other = file.f;
	other.db = NULL;
	other.lock = -1;
	assert_int_equal(history_file_add(&other, &r, cause, sizeof(cause)),
			 -EWOULDBLOCK);
	assert_non_null(strstr(cause, "another agent writes it"));
	history_file_close(&file.f);
	assert_int_equal(history_file_add(&other, &r, cause, sizeof(cause)), 0);
	history_file_close(&other);
	free(r.bytes);
}

/* The file is taken away while it is written: the next reading makes another one. */
static void a_file_that_is_gone_is_made_anew(void **state)
{
	add_readings(0, 2, 5);
	unlink(file.path);
	add_readings(2, 2, 5);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 9 * STEP, NULL, NULL), 10);
}

/* In a mount namespace of its own; false: this machine does not let us. */
static bool mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return !mount("assay-test", file.dir, "tmpfs", 0, options);
}

static void a_full_disk_is_said_and_survived(void **state)
{
	struct some list[40];
	char cause[256];
	int err = 0;

	if (!mount_small("size=512k"))
		skip();
	for (unsigned int k = 0; k < 200 && !err; k++) {
		struct history_reading r;

		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		r = some_reading(BEGIN + (k + 1) * STEP, true, list, 40);
		err = history_file_add(&file.f, &r, cause, sizeof(cause));
		free(r.bytes);
	}
	assert_int_equal(err, -ENOSPC);
	assert_non_null(strstr(cause, "No space left on device"));
	/* what was kept can be read, and there is room again: it goes on */
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + STEP, NULL, NULL), 100);
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT, "size=8m"), 0);
	add_readings(500, 1, 5);
	history_file_close(&file.f);
	umount2(file.dir, MNT_DETACH);
}

static void a_read_only_directory_is_said(void **state)
{
	struct history_reading r = some_reading(BEGIN + STEP, true, NULL, 0);
	char cause[256];

	if (!mount_small("size=2m"))
		skip();
	add_readings(0, 3, 100);
	history_file_close(&file.f);
	assert_int_equal(mount(NULL, file.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_true(history_file_add(&file.f, &r, cause, sizeof(cause)) < 0);
	assert_non_null(strstr(cause, "Read-only file system"));
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 3 * STEP, NULL, NULL), 300);
	umount2(file.dir, MNT_DETACH);
	free(r.bytes);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_is_the_sum_of_its_readings),
		TEST(nothing_is_kept_of_a_time_before),
		TEST(what_did_not_change_is_as_it_was),
		TEST(an_hour_later_readings_are_minutes),
		TEST(steps_have_each_reading_once),
		TEST(the_oldest_goes_when_the_size_is_reached),
		TEST(a_smaller_size_shrinks_the_file),
		TEST(what_is_no_history_is_left_alone),
		TEST(another_version_is_said_and_left_alone),
		TEST(only_what_is_damaged_is_lost),
		TEST(a_damaged_file_is_set_aside_with_the_rest_kept),
		TEST(a_copy_is_whole_by_itself_and_readable_by_all),
		TEST(one_agent_writes_at_a_time),
		TEST(a_file_that_is_gone_is_made_anew),
		TEST(a_full_disk_is_said_and_survived),
		TEST(a_read_only_directory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
