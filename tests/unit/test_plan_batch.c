// SPDX-License-Identifier: Apache-2.0
/*
 * What exports of busy workloads take while they wait is what the plan has for them: as
 * it is measured here, of workloads that use all that the plan lets a busy one have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/util.h"
#include "cmd/option_rows.h"
#include "kernel/plan.h"
#include "metric/metrics.h"
#include "reading/snapshot_impl.h"
#include "reading/sparse.h"
#include "sink/export_http.h"

#define MANY 256 /* of 1024 slots, by default */

static uint64_t seed = 1;

static uint32_t some(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % below;
}

/* As wide as the plan has them in the mean. */
static void fill_hist(struct sparse **h)
{
	unsigned int first = some(SPARSE_GROUPS - PLAN_OCTAVES);

	*h = sparse_new(sizeof(uint32_t));
	assert_non_null(*h);
	for (unsigned int i = 0; i < PLAN_OCTAVES; i++) {
		uint32_t more[SPARSE_GROUP];

		for (unsigned int k = 0; k < SPARSE_GROUP; k++)
			more[k] = some(4) ? some(2000) : 0;
		assert_int_equal(sparse_sum_group(h, first + i, more), 0);
	}
	(*h)->sum_ns = some(1 << 30) * 1000ULL;
}

/* Two errnos of each class of calls; a disk that is read, written and flushed. */
static void fill_opens(struct workload *w)
{
	for (uint32_t signal = 0; signal < OPEN_HIST; signal++)
		for (uint32_t at = 1; at <= 2; at++)
			totals_open(w, signal, at)->value = 1 + some(100000);
	for (uint32_t way = 0; way < 3; way++)
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t signal = k ? OPEN_BLOCK_DEVICE : OPEN_BLOCK_OPERATION;
			struct open_total *t = totals_open(w, signal + way, 1);

			snprintf(t->name, sizeof(t->name), "nvme0n1");
			fill_hist(&t->hist);
		}
}

/* Of the sleeps in calls, of which the plan has four classes in the mean. */
static int first_blocked(void)
{
	int n = 0;

	for (int i = 0; i < SIGNAL_BLOCKED; i++)
		n += signal_descs[i].pool == POOL_HIST ? signal_descs[i].values : 0;
	return n;
}

static void fill(struct workload *w)
{
	char name[80];

	for (int i = 0; i < SNAPSHOT_HISTS; i++)
		if (i < first_blocked() || i >= first_blocked() + BLOCKED_CLASSES - 4)
			fill_hist(&w->hists[i]);
	for (int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			w->counts[i][k] = 1 + some(1 << 30);
	fill_opens(w);
	for (int i = 0; i < CULPRITS_SENT + 1; i++) {
		snprintf(name, sizeof(name), "shop/web-%08x-%04x/nginx-%u",
			 some(1 << 30), some(65536), i);
		totals_culprit(w, name)->ns = 1000 + some(1 << 30);
	}
	w->inflight_seen = (1U << INFLIGHT_COUNT) - 1;
	w->usage.has = (1U << USAGE_COUNT) - 1;
	for (int i = 0; i < USAGE_COUNT; i++)
		w->usage.value[i] = some(1 << 30);
}

/* A container's names, as long as they are. */
static void name_it(struct point_group *g, char *id, size_t len)
{
	snprintf(id, len, "%08x%08x%08x%08x%08x%08x%08x%08x", some(1 << 30),
		 some(1 << 30), some(1 << 30), some(1 << 30), some(1 << 30),
		 some(1 << 30), some(1 << 30), some(1 << 30));
	points_attr(g, "service.name", "front");
	points_attr(g, "service.namespace", "store");
	points_attr(g, "service.instance.id", id);
	points_attr(g, "host.name", "node-of-test.example.com");
	points_attr(g, "host.id", id + 32);
	points_attr(g, "k8s.node.name", "node-of-test.example.com");
	points_attr(g, "k8s.namespace.name", "shop");
	points_attr(g, "k8s.pod.name", "web-7d9f4bc6d8-x2x9z");
	points_attr(g, "k8s.pod.uid", id + 28);
	points_attr(g, "k8s.container.name", "nginx");
	points_attr(g, "k8s.deployment.name", "web");
	points_attr(g, "k8s.replicaset.name", "web-7d9f4bc6d8");
	points_attr(g, "container.id", id);
	points_attr(g, "container.image.name", "registry.example.com/shop/nginx");
	points_attr(g, "process.linux.cgroup", id);
}

struct taken {
	struct http *http;
	size_t waits, hand, points; /* waits: in all; hand: the largest request */
};

/* As the exporter keeps it. */
static int take(void *arg, struct otlp_batch *b)
{
	struct taken *t = arg;
	uint8_t *body;
	size_t len;

	assert_int_equal(http_body(t->http, b->bytes, b->len, &body, &len), 0);
	free(body);
	t->waits += len;
	t->points += b->points;
	if (b->len > t->hand)
		t->hand = b->len;
	return 0;
}

static void add_one(int i, unsigned int use, struct points *p, struct otlp_encoder *e)
{
	struct workload *w = calloc(1, sizeof(*w));
	struct point_group *g = points_group(p);
	char id[80];

	w->serial = i + 1;
	w->start_ns = 1;
	fill(w);
	name_it(g, id, sizeof(id));
	assert_int_equal(metrics_add(g, w, use), 0);
	assert_int_equal(points_merge(g), 0);
	assert_int_equal(otlp_add(e, p), 0);
	points_clear(p);
	totals_free(w);
}

/* Bytes for each workload: of a snapshot that waits, of one that is made, and of the
 * request in hand. */
static size_t bytes_of_each(unsigned int use, bool gzip)
{
	struct export_opts o = { .url = "http://127.0.0.1:1/", .gzip = gzip };
	struct taken t = { 0 };
	struct otlp_encoder e = { .take = take, .arg = &t };
	struct points p = { .number = 1, .time_ns = 5 };

	assert_int_equal(http_open(&o, &t.http), 0);
	for (int i = 0; i < MANY; i++)
		add_one(i, METRICS_EXPORT | use, &p, &e);
	points_fini(&p);
	assert_int_equal(otlp_end(&e, 0), 0);
	http_close(t.http);
	assert_in_range(t.points / MANY, 50, 150);
	return (2 * t.waits + t.hand) / MANY;
}

/* The plan of who says so. */
static void plan_by(char *compression, char *series, char *export, struct cells_plan *p)
{
	char *argv[] = { "--export-compression",
			 compression,
			 "--series",
			 series,
			 "--export",
			 export,
			 "--memory",
			 "1024MiB" };
	char cause[200];
	struct options o;

	options_init(&o, &option_table);
	assert_int_equal(
	    options_args(&o, CMD_ALL, COUNT(argv), argv, cause, sizeof(cause)), 0);
	assert_int_equal(cells_plan(&o, p), 0);
}

#define URL "https://collector.example.com:4318/v1/metrics"

static void what_waits_is_in_the_plan(void **state)
{
	struct cells_plan p;

	for (int all = 0; all < 2; all++)
		for (int raw = 0; raw < 2; raw++) {
			size_t taken = bytes_of_each(all ? 0 : METRICS_BASIC, !raw);

			plan_by(raw ? "none" : "gzip", all ? "all" : "basic", URL, &p);
			/* and no more than half again */
			assert_in_range(p.batch, taken, taken * 3 / 2);
		}
}

static void what_does_not_wait_is_not(void **state)
{
	struct cells_plan raw, file, none;

	plan_by("none", "basic", URL, &raw);
	plan_by("none", "basic", "file:/tmp/x", &file);
	plan_by("none", "basic", "none", &none);
	assert_int_equal(file.batch, PLAN_BATCH);
	assert_int_equal(none.batch, PLAN_BATCH);
	/* and the plan is the larger by it */
	assert_int_equal(raw.bytes[PART_AGENT] - file.bytes[PART_AGENT],
			 raw.busy * (PLAN_BATCH_RAW - PLAN_BATCH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_in_the_plan),
		cmocka_unit_test(what_does_not_wait_is_not),
	};

	return cmocka_run_group_tests_name("plan_batch", tests, NULL, NULL);
}
