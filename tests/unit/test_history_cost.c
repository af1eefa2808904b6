// SPDX-License-Identifier: Apache-2.0
/*
 * What a reading for the history costs whoever measures, with 250 workloads that use
 * all of their series: CPU time, and memory that stays.
 */
#include <malloc.h>
#include "base/util.h"
#include "kernel/plan.h"
#include "metric/metrics.h"
#include "otlp/otlp.h"
#include "reading/kept.h"
#include "reading/snapshot_impl.h"
#include "some_history.h"

#define MANY	 250
#define READINGS 30
#define ERRNOS	 6

static struct workload workloads[MANY];

static void bump_hist(struct sparse **h, unsigned int seed)
{
	if (!*h)
		*h = sparse_new(sizeof(uint32_t)); /* as snapshot.c does */
	assert_non_null(*h);
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t more[SPARSE_GROUP] = { 0 };

		more[(seed * 7 + i * 3) % SPARSE_GROUP] = 1 + seed % 5;
		assert_int_equal(sparse_sum_group(h, 5 + (seed + i) % 9 / 3, more), 0);
	}
	(*h)->sum_ns += 1000 * (1 + seed % 5);
}

/* Each of its series counts. */
static void live(struct workload *w, unsigned int k)
{
	for (unsigned int i = 0; i < SNAPSHOT_HISTS; i++)
		bump_hist(&w->hists[i], i + k);
	for (unsigned int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (unsigned int lane = 0; lane < LANES; lane++)
			w->counts[i][lane] += 1 + (i + lane + k) % 7;
	for (unsigned int i = 1; i <= ERRNOS; i++)
		totals_open(w, OPEN_SYSCALL_ERROR, i)->value += i;
	for (unsigned int i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "/pod/culprit%u", i);
		totals_culprit(w, name)->ns += 1000 + k;
	}
	w->usage.has = (1U << USAGE_COUNT) - 1;
	for (int v = 0; v < USAGE_COUNT; v++)
		w->usage.value[v] += 1 + v + k;
}

static void make_workloads(void)
{
	for (unsigned int i = 0; i < MANY; i++) {
		struct workload *w = &workloads[i];
		char path[64];

		memset(w, 0, sizeof(*w));
		snprintf(path, sizeof(path), "/kubepods/burstable/pod%u/%u", i, i);
		w->path = strdup(path);
		w->id.name = strdup(path);
		w->start_ns = BEGIN;
	}
}

static size_t points_made;
static size_t bytes_made;

/* As measure_history.c does. */
static void read_one(struct workload *w, struct points *p, struct otlp_encoder *e)
{
	struct point_group *g = points_group(p);
	struct workload made;

	assert_int_equal(kept_make(w, BEGIN, &made), 0);
	assert_true(kept_is_new(&made));
	points_attr(g, "container.id", w->path);
	assert_int_equal(metrics_add(g, &made, METRICS_READ), 0);
	assert_int_equal(points_merge(g), 0);
	points_made += g->count;
	assert_int_equal(otlp_add(e, p), 0);
	assert_int_equal(otlp_flush(e), 0);
	points_clear(p);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
}

static int pack(void *packer, struct otlp_batch *b)
{
	return history_packer_add(packer, b->bytes, b->len);
}

/* A reading of all of them; returns what it took, ms of CPU time. */
static double read_into(unsigned int k, struct history_reading *r)
{
	struct history_packer *packer = history_packer_new();
	struct otlp_encoder e = { .limit = SIZE_MAX, .take = pack, .arg = packer };
	struct points p = { .delta = true, .time_ns = BEGIN + k * STEP };
	double start;

	assert_non_null(packer);
	for (unsigned int i = 0; i < MANY; i++)
		live(&workloads[i], k + i);
	start = cpu_ms();
	for (unsigned int i = 0; i < MANY; i++)
		read_one(&workloads[i], &p, &e);
	points_fini(&p);
	assert_int_equal(otlp_end(&e, 0), 0);
	assert_int_equal(history_packer_end(packer, &r->bytes, &r->len, &r->size), 0);
	return cpu_ms() - start;
}

static double read_all(unsigned int k)
{
	struct history_reading r;
	double ms = read_into(k, &r);

	bytes_made = r.len;
	free(r.bytes);
	return ms;
}

#if defined(__SANITIZE_ADDRESS__)
#define LIMIT_MS 300 /* a sanitizer looks at each access */
#else
#define LIMIT_MS 30 /* other work may have the CPU's caches */
#endif
#define LIMIT_BYTES 16384 /* of a workload, with its own counts */

static int begin(void **state)
{
	points_made = 0;
	make_workloads();
	return 0;
}

static int end(void **state)
{
	for (unsigned int i = 0; i < MANY; i++) {
		struct workload *w = &workloads[i];

		kept_clear(w);
		totals_clear(w);
		free(w->id.name);
		free(w->path);
	}
	return 0;
}

static size_t heap_now(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* All that is counted is made points of, told, packed and noted, in little time. */
static void a_reading_of_250_busy_workloads_takes_some_ms(void **state)
{
	double least = 1e9;

	for (unsigned int k = 0; k < READINGS; k++) {
		double ms = read_all(k);

		least = ms < least ? ms : least;
	}
	print_message("%.2f ms of CPU time, %zu points a workload, %zu bytes packed\n",
		      least, points_made / READINGS / MANY, bytes_made);
	assert_true(points_made / READINGS / MANY > 70);
	assert_true(least < LIMIT_MS);
}

/* What a reading takes it gives back: the hundredth leaves no more than the tenth. */
static void readings_leave_no_memory_behind(void **state)
{
	size_t empty = heap_now(), early, late;

	for (unsigned int k = 0; k < 10; k++)
		read_all(k);
	early = heap_now();
	for (unsigned int k = 10; k < 100; k++)
		read_all(k);
	late = heap_now();
	print_message("%zu bytes a workload\n", (late - empty) / MANY);
#ifndef __SANITIZE_ADDRESS__ /* its malloc is another */
	assert_true(early > empty);
	assert_true((late - empty) / MANY < LIMIT_BYTES);
#endif
	/* what is noted grows by digits */
	assert_true(late < early + MANY * 400);
}

/* What the process has of a kind now, KiB: "VmRSS", or at most since reset_peak():
 * "VmHWM". */
static long memory_kib(const char *kind)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(kind);
	char line[256];
	long kib = -1;

	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, kind, len) && line[len] == ':')
			kib = strtol(line + len + 1, NULL, 10);
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

static void reset_peak(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");

	assert_non_null(f);
	fputs("5", f);
	fclose(f);
}

/* It is 10 MB, which are unpacked as they are merged: into one row, and in little
 * memory. */
static void a_minute_of_busy_workloads_becomes_one_row(void **state)
{
	struct some_file s;
	char cause[256];
	double ms, most = 0, least = 1e9;
	long more = 0;
	int64_t rows;

	some_file_init(&s, SIZE);
	for (unsigned int k = 0; k < 8; k++) {
		struct history_reading r = { .since_ns = BEGIN + k * STEP,
					     .until_ns = BEGIN + (k + 1) * STEP };
		long before;

		read_into(k, &r);
		malloc_trim(0);
		reset_peak();
		before = memory_kib("VmRSS");
		ms = cpu_ms();
		assert_int_equal(history_file_add(&s.f, &r, cause, sizeof(cause)), 0);
		ms = cpu_ms() - ms;
		most = ms > most ? ms : most;
		least = ms < least ? ms : least;
		if (memory_kib("VmHWM") - before > more)
			more = memory_kib("VmHWM") - before;
		free(r.bytes);
	}
	assert_int_equal(history_number(s.f.db, "SELECT count FROM minute", &rows), 0);
	print_message("%d readings of a minute, %.1f ms and %ld KiB at most for one, "
		      "%.2f ms where none is merged\n",
		      (int)rows, most, more, least);
	assert_int_equal(rows, 6);
#ifndef __SANITIZE_ADDRESS__
	assert_true(more < (long)(PLAN_MINUTE >> 10));
#endif
	some_file_fini(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reading_of_250_busy_workloads_takes_some_ms),
		TEST(readings_leave_no_memory_behind),
		TEST(a_minute_of_busy_workloads_becomes_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
