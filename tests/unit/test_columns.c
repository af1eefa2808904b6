// SPDX-License-Identifier: Apache-2.0
/* What the columns of a report say of a workload whose numbers are known. */
#include "base/util.h"
#include "some_workloads.h"
#include "view/columns.h"
#include "view/counted.h"

/* For how much of the time probes counted; NULL: all of it. */
static const struct counted_shares *counted;

static struct cell get(const struct frame *f, const char *name, const char *key)
{
	const struct column *c = column_find(key, strlen(key));
	static char text[256]; /* until the next call */
	struct cell cell = { 0 };

	assert_non_null(c);
	for (size_t i = 0; i < f->count; i = report_group_end(f, i)) {
		struct block b;

		if (strcmp(frame_name(f->series[i].resource), name))
			continue;
		assert_int_equal(
		    report_block(&b, f, i, report_group_end(f, i), counted), 0);
		column_get(c, &b, 2, &cell);
		if (cell.text) /* it may be a part of the block */
			cell.text = strcpy(text, cell.text);
		free(b.items);
		return cell;
	}
	fail_msg("no workload %s", name);
	return cell;
}

/* The frame is of 2 s. Texts: what people read. */
static const struct {
	const char *key, *text;
	double number;
} shop[] = {
	/* some_workloads.h: 90 responses of 1 ms, 10 of 64 ms; no file call counts */
	{ "name", "shop/web-7d9f-abcde/nginx", 0 },
	{ "p50", "1.0ms", 1.0196e-3 },
	{ "p90", "33ms", (1.0196e-3 + 65.26e-3) / 2 },
	{ "p99", "65ms", 65.26e-3 },
	{ "of", "server", 0 },
	{ "served", "50/s", 50 },
	/* 6 refused, 2 SERVFAIL, 4 ENOSPC, 2 retransmits: ENOENT and NXDOMAIN not */
	{ "errors", "7/s", 7 },
	{ "worst", "ENOSPC", 0 },
	{ "failed", "502/s", 502 },
	{ "calls", "20/s", 20 },
	/* 4 s of contention in 2 s, a quarter of it behind itself; 1 s of quota */
	{ "others", "1.50", 1.5 },
	{ "itself", "0.50", 0.5 },
	{ "quota", "0.50", 0.5 },
	{ "waiting", "2.50", 2.5 },
	{ "wait_p99", "1.9s", 1.915 },
	/* 0.5 s in files, 0.5 s in faults; 20 s in wait are not slow */
	{ "blocked", "0.50", 0.5 },
	{ "full", "75%", 0.75 },
	{ "full_of", "memory", 0 },
	{ "stuck", "12m34s", 754 },
	{ "stuck_on", "block", 0 },
	{ "cpu", "0.25", 0.25 },
	{ "memory", "96 MiB", 96 << 20 },
	{ "receive", "2.0 MiB/s", 2 << 20 },
	{ "transmit", "512 B/s", 512 },
	{ "retransmits", "1/s", 1 },
	{ "rtt_p99", "255us", 254.9e-6 },
	{ "dns_p99", "4.1ms", 4.08e-3 },
	{ "block_p99", "8.2ms", 8.16e-3 },
	{ "kind", "container", 0 },
	{ "namespace", "shop", 0 },
	{ "pod", "web-7d9f-abcde", 0 },
	{ "container", "nginx", 0 },
	{ "owner", "web", 0 },
	{ "image", "nginx:1", 0 },
	{ "source", "kubelet", 0 },
	{ "cgroup", "/kubepods/pod1/c1", 0 },
};

static void every_column_says_what_was_counted(void **state)
{
	struct frame *f = some_workloads();

	assert_int_equal(COUNT(shop), column_count);
	for (size_t i = 0; i < COUNT(shop); i++) {
		const struct column *c = column_find(shop[i].key, strlen(shop[i].key));
		struct cell cell = get(f, "shop/web-7d9f-abcde/nginx", shop[i].key);
		char text[UNITS_LEN];

		if (strcmp(column_text(c, &cell, text), shop[i].text))
			fail_msg("%s: '%s', not '%s'", c->key,
				 column_text(c, &cell, text), shop[i].text);
		/* durations: the geometric middle of their bucket, 2^((2n+1)/16) s */
		if (!(cell.number >= shop[i].number * 0.999 &&
		      cell.number <= shop[i].number * 1.001))
			fail_msg("%s: %g, not %g", c->key, cell.number, shop[i].number);
		assert_false(cell.estimated);
	}
	frame_free(f);
}

/* Looking back: rates are of the time in which a probe counted; times stay. */
static void what_was_not_counted_all_the_time(void **state)
{
	static const struct {
		const char *key;
		double times;
	} rows[] = { { "others", 2 },  { "itself", 2 },	 { "quota", 2 },
		     { "waiting", 2 }, { "blocked", 2 }, { "served", 4 },
		     { "receive", 4 }, { "cpu", 1 },	 { "calls", 1 },
		     { "p50", 1 },     { "full", 1 },	 { "memory", 1 } };
	struct frame *f = some_workloads();
	struct counted_shares shares;

	for (size_t i = 0; i < COUNTED_METERS; i++)
		shares.of[i] = 1;
	shares.of[2 * PROBE_SCHED] = 0.5;
	shares.of[2 * PROBE_TCP] = shares.of[2 * PROBE_TCP + 1] = 0.25;
	for (size_t i = 0; i < COUNT(rows); i++) {
		double all = get(f, "shop/web-7d9f-abcde/nginx", rows[i].key).number, n;

		counted = &shares;
		n = get(f, "shop/web-7d9f-abcde/nginx", rows[i].key).number;
		counted = NULL;
		if (!(all > 0 && n >= all * rows[i].times * 0.999 &&
		      n <= all * rows[i].times * 1.001))
			fail_msg("%s: %g, not %g", rows[i].key, n, all * rows[i].times);
	}
	frame_free(f);
}

static void what_a_workload_has_not_is_not_there(void **state)
{
	static const char *const none[] = { "worst",	 "quota", "others",   "blocked",
					    "stuck",	 "full",  "rtt_p99",  "owner",
					    "namespace", "image", "stuck_on", "served",
					    "p99",	 "of" };
	struct frame *f = some_workloads();
	char text[UNITS_LEN];

	for (size_t i = 0; i < COUNT(none); i++) {
		struct cell cell = get(f, "cron.service", none[i]);

		assert_string_equal(
		    column_text(column_find(none[i], strlen(none[i])), &cell, text),
		    "-");
	}
	frame_free(f);
}

static void latency_is_of_what_it_serves(void **state)
{
	struct frame *f = some_workloads();

	assert_string_equal(get(f, "shop/web-7d9f-abcde/sidecar", "of").text, "client");
	assert_string_equal(get(f, "backup.service", "of").text, "files");
	frame_free(f);
}

static void estimates_are_marked(void **state)
{
	struct frame *f = some_workloads();
	struct cell number = get(f, "backup.service", "calls");
	struct cell p99 = get(f, "backup.service", "p99");
	char text[UNITS_LEN];

	assert_string_equal(column_text(column_find("calls", 5), &number, text),
			    "~2/s");
	assert_true(p99.estimated);
	assert_false(get(f, "backup.service", "errors").estimated);
	frame_free(f);
}

#define SUM(name, ...) static const struct metric name = { __VA_ARGS__ }

SUM(peers, "assay.tcp.peer.events", "{event}", "", METRIC_SUM,
    .attrs = { "assay.peer.event", "assay.peer" });
SUM(servers, "assay.dns.server.events", "{event}", "", METRIC_SUM,
    .attrs = { "assay.peer.event", "assay.peer" });
SUM(resets, "assay.tcp.resets", "{reset}", "", METRIC_SUM,
    .attrs = { "network.io.direction" });
SUM(unanswered, "assay.tcp.response.errors", "{error}", "", METRIC_SUM,
    .attrs = { "assay.tcp.role", "error.type" });
SUM(syns, "assay.tcp.connect.retransmits", "{segment}", "", METRIC_SUM);
SUM(disk, "assay.block.errors", "{error}", "", METRIC_SUM, .attrs = { "error.type" });

#undef SUM

/* What went wrong with a workload in 2 s, and what its row says. */
struct wrong {
	const char *what;
	struct {
		const struct metric *m;
		const char *a, *b;
		uint64_t count;
	} series[6];
	double each_s;
	const char *worst;
};

static const struct wrong wrongs[] = {
	{ "300 connects refused: each was one reset, one failed call, one of a peer's",
	  { { &refused, "ECONNREFUSED", NULL, 300 },
	    { &failed, "socket", "ECONNREFUSED", 300 },
	    { &resets, "receive", NULL, 300 },
	    { &peers, "refused", "10.0.0.1:80", 300 } },
	  150,
	  "ECONNREFUSED" },
	{ "resets beyond those of refused connects are errors of their own",
	  { { &refused, "ECONNREFUSED", NULL, 20 }, { &resets, "receive", NULL, 50 } },
	  25,
	  "ECONNREFUSED" },
	{ "of what a firewall refuses there is no reset",
	  { { &refused, "ECONNREFUSED", NULL, 20 } },
	  10,
	  "ECONNREFUSED" },
	{ "a connect that timed out is no reset",
	  { { &refused, "ETIMEDOUT", NULL, 20 }, { &resets, "transmit", NULL, 20 } },
	  20,
	  "ETIMEDOUT" },
	{ "requests that a reset left without an answer, at both ends",
	  { { &unanswered, "client", "reset", 50 },
	    { &unanswered, "server", "closed", 50 },
	    { &resets, "receive", NULL, 50 },
	    { &resets, "transmit", NULL, 50 },
	    { &peers, "unanswered", "10.0.0.1:80", 50 } },
	  50,
	  "reset" },
	{ "SYNs that were sent again are retransmits",
	  { { &retransmits, NULL, NULL, 10 }, { &syns, NULL, NULL, 6 } },
	  5,
	  "retransmits" },
	{ "reads that failed, in the disk and as calls; others as calls only",
	  { { &disk, "EIO", NULL, 8 },
	    { &failed, "file", "EIO", 6 },
	    { &failed, "memory", "EIO", 6 },
	    { &failed, "file", "ENOSPC", 2 },
	    { &disk, "ETIMEDOUT", NULL, 4 } },
	  9,
	  "EIO" },
	{ "answers that were slow are no errors",
	  { { &peers, "slow", "10.0.0.1:80", 40 },
	    { &peers, "far", "10.0.0.1:80", 40 },
	    { &servers, "slow", "10.0.0.2:53", 40 } },
	  0,
	  "" },
};

static void what_failed_once_is_one_error(void **state)
{
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		const struct wrong *w = &wrongs[i];
		struct points p = { 0 };
		struct point_group *g = some_container(&p, "wrong", "c", "/c");
		struct cell errors, worst;
		struct frame *f;

		for (size_t n = 0; n < COUNT(w->series) && w->series[n].m; n++)
			add_sum(g, w->series[n].m, w->series[n].a, w->series[n].b, NULL,
				w->series[n].count);
		f = to_frame(&p);
		errors = get(f, "wrong", "errors");
		worst = get(f, "wrong", "worst");
		if (errors.number < w->each_s * 0.999 ||
		    errors.number > w->each_s * 1.001 || !errors.there)
			fail_msg("%s: %g/s, not %g", w->what, errors.number, w->each_s);
		if (strcmp(worst.text ? worst.text : "", w->worst))
			fail_msg("%s: %s, not %s", w->what, worst.text, w->worst);
		frame_free(f);
	}
}

static void keys_are_found_whole(void **state)
{
	char list[512], small[8];

	assert_null(column_find("p9", 2));
	assert_null(column_find("p999", 4));
	assert_null(column_find("", 0));
	assert_ptr_equal(column_find("p99>1", 3), column_find("p99", 3));
	for (size_t i = 0; i < column_count; i++) {
		assert_ptr_equal(column_find(columns[i].key, strlen(columns[i].key)),
				 &columns[i]);
		assert_ptr_equal(
		    column_find(columns[i].heading, strlen(columns[i].heading)),
		    &columns[i]);
	}
	column_list(list, sizeof(list));
	assert_has(list, "name, p50, p99, of, ");
	assert_has(list, ", image, source, cgroup");
	column_list(small, sizeof(small));
	assert_string_equal(small, "name, p");
}

static void what_is_more_comes_first_and_nothing_last(void **state)
{
	const struct column *p99 = column_find("p99", 3), *pod = column_find("pod", 3);
	struct cell none = { .text = "" }, small = { true, false, 1, "a" };
	struct cell large = { true, false, 2, "b" };

	assert_true(column_compare(p99, &large, &small) < 0);
	assert_true(column_compare(p99, &small, &large) > 0);
	assert_true(column_compare(p99, &small, &none) < 0);
	assert_true(column_compare(p99, &none, &small) > 0);
	assert_int_equal(column_compare(p99, &small, &small), 0);
	assert_true(column_compare(pod, &small, &large) < 0);
	assert_true(column_compare(pod, &none, &small) > 0);
	assert_true(column_compare(pod, &small, &none) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_column_says_what_was_counted),
		cmocka_unit_test(what_was_not_counted_all_the_time),
		cmocka_unit_test(what_a_workload_has_not_is_not_there),
		cmocka_unit_test(latency_is_of_what_it_serves),
		cmocka_unit_test(estimates_are_marked),
		cmocka_unit_test(what_failed_once_is_one_error),
		cmocka_unit_test(keys_are_found_whole),
		cmocka_unit_test(what_is_more_comes_first_and_nothing_last),
	};

	return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
