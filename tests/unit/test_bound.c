// SPDX-License-Identifier: Apache-2.0
/* The bound of series holds on a node that is full, and is not far above what there is.
 */
#include "fake_node.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/exports_cost.h"
#include "workload/group.h"
#include "cmd/option_rows.h"
#include "encode.h"
#include "kernel/plan.h"
#include "metric/bound.h"
#include "metric/cap.h"
#include "otlp/frame.h"
#include "workload/max_pods.h"

#define ERRNOS 1100 /* numbers, all that have a name among them */
#ifdef __SANITIZE_ADDRESS__
#define EXPORTS 1 /* each takes most of a minute then */
#else
#define EXPORTS 3
#endif

static void put_one(struct sparse **h)
{
	uint64_t *buckets;

	if (!*h)
		*h = sparse_new(sizeof(uint64_t));
	buckets = sparse_make(h, 3);
	assert_non_null(buckets);
	buckets[1]++;
}

/* So many at most: what makes room for one more each time is slow under a sanitizer. */
#define OPENS (OPEN_COUNT * (ERRNOS + DISKS + 2))

/* As totals_open() makes it; that would look for each of thousands before. */
static struct open_total *add_open(struct workload *w, uint32_t signal, uint32_t attr)
{
	assert_true(w->open_count < OPENS);
	w->opens[w->open_count] = (struct open_total){ .signal = signal, .attr = attr };
	return &w->opens[w->open_count++];
}

static void fill_opens(struct workload *w)
{
	assert_int_equal(w->open_count, 0);
	free(w->opens);
	w->opens = calloc(OPENS, sizeof(*w->opens));
	assert_non_null(w->opens);
	for (uint32_t signal = 0; signal < OPEN_COUNT; signal++) {
		bool hist = signal >= OPEN_HIST;

		for (uint32_t at = 0; at <= (hist ? DISKS : ERRNOS); at++) {
			uint32_t attr = at ? at - hist : OPEN_OTHER;
			struct open_total *t = add_open(w, signal, attr);

			if (!hist) {
				t->value = 1;
				continue;
			}
			snprintf(t->name, sizeof(t->name), "sd%u", attr);
			put_one(&t->hist);
		}
		if (signal == OPEN_CONNECT_ERROR)
			add_open(w, signal, CONNECT_ABORTED)->value = 1;
	}
}

/* All that a workload may have. */
static void fill(struct workload *w)
{
	char name[24];

	for (int i = 0; i < SNAPSHOT_HISTS; i++)
		put_one(&w->hists[i]);
	for (int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			w->counts[i][k] += 5;
	fill_opens(w);
	for (int i = 0; i < 40; i++) { /* all of them are gone */
		snprintf(name, sizeof(name), "/gone%d", i);
		totals_culprit(w, name)->ns += 1000 + i;
	}
	w->inflight_seen = (1U << INFLIGHT_COUNT) - 1;
	memset(w->inflight_ns, 0, sizeof(w->inflight_ns)); /* none is unknown */
	w->usage.has = (1U << USAGE_COUNT) - 1;
	for (int i = 0; i < USAGE_COUNT; i++)
		w->usage.value[i] = 1;
}

/* As many workloads as there may be: those that live, and as many that do not. */
static size_t fill_node(struct node *n)
{
	uint64_t ids[NODE_SLOTS];
	char name[24];
	size_t count;

	for (int round = 0; n->s->count < 2 * NODE_SLOTS; round++) {
		int i = 0;

		for (; i < NODE_SLOTS - SLOT_FIRST; i++) {
			snprintf(name, sizeof(name), "r%d-%d", round, i);
			ids[i] = node_mkdir(n, name);
			node_kills(n, node_slot(n, ids[i]), 1);
		}
		node_read_and_reap(n);
		if (n->s->count >= 2 * NODE_SLOTS)
			break;
		while (i)
			node_rmdir(n, ids[--i]);
		for (i = 0; i < 3; i++)
			node_read_and_reap(n);
		assert_true(round < 10);
	}
	snapshot_make_room(n->s);
	count = n->s->count;
	for (size_t i = 0; i < count; i++)
		fill(n->s->workloads[i]);
	return count;
}

/* The points of an export, as a receiver counts them. */
static size_t points_of_export(struct node *n, const struct series_rules *r,
			       struct series_cap *cap)
{
	unsigned int use = METRICS_EXPORT | (r->basic ? METRICS_BASIC : 0);
	struct points points = { .number = snapshot_export(n->s), .time_ns = 5 };
	struct frame *f;
	uint8_t *bytes;
	size_t len, count = 0;

	cap_begin(cap);
	for (size_t i = 0; i < n->s->count; i++) {
		struct point_group *g = points_group(&points);

		points_attr(g, "service.instance.id", "x");
		g->unlimited = i == SLOT_OVERFLOW || i == SLOT_UNKNOWN;
		assert_int_equal(metrics_add(g, n->s->workloads[i], use), 0);
		assert_int_equal(points_merge(g), 0);
		assert_int_equal(cap_take(cap, g), 0);
		assert_int_equal(encode_all(&points, &bytes, &len), 0);
		assert_int_equal(frame_decode(bytes, len, &f), 0);
		count += f->count;
		frame_free(f);
		free(bytes);
		points_clear(&points);
	}
	cap_end(cap);
	points_fini(&points);
	return count;
}

static void assert_bound(struct node *n, const struct series_rules *r, double tight)
{
	struct series_cap cap = { .most = r->per_metric };
	size_t count, got;
	uint64_t most;

	snapshot_send_culprits(n->s, r->culprits, r->per_metric);
	count = fill_node(n);
	most = series_bound(r, count);
	assert_true(count <= 2 * NODE_SLOTS && count > NODE_SLOTS);
	for (int i = 0; i < EXPORTS; i++) { /* it does not grow */
		got = points_of_export(n, r, &cap);
		if (got > most || got < tight * most)
			fail_msg("%zu series of %zu workloads, at most %ju", got, count,
				 (uintmax_t)most);
	}
}

static void a_full_node_has_what_the_bound_says(void **state)
{
	assert_bound(*state, &(struct series_rules){ false, 5, 1000000 }, 1);
}

static void so_it_has_with_basic_series(void **state)
{
	assert_bound(*state, &(struct series_rules){ true, 5, 1000000 }, 1);
}

static void and_without_names_of_culprits(void **state)
{
	assert_bound(*state, &(struct series_rules){ true, 0, 1000000 }, 1);
}

static void and_with_few_sets_for_each_metric(void **state)
{
	assert_bound(*state, &(struct series_rules){ true, 5, 50 }, 0.5);
}

static void a_small_limit_bounds_large_nodes(void **state)
{
	struct series_rules r = { true, 5, 2000 };
	uint64_t one = series_bound(&r, 1), many = series_bound(&r, 4096);

	assert_true(many < 4096 * one / 20);
	r.per_metric = 1;
	assert_true(series_bound(&r, 4096) < 4096 * 40 + 2 * one);
	assert_true(series_typical(&r) == 25);
}

/* The line that people read. */
static void what_it_costs_is_one_line(void **state)
{
	struct cells_plan plan = { .slots = 1024 };
	struct options o;
	char text[400];

	options_init(&o, &option_table);
	o.host_root = "/nonexistent";
	exports_cost(&o, &plan, text, sizeof(text));
	assert_non_null(
	    strstr(text, "about 2609 series for 100 workloads, 25 for each"));
	assert_non_null(
	    strstr(text, ": 357 KiB an export, 64 KiB by gzip, 90 MiB sent"));
	assert_null(strchr(text, '\n'));
	o.max_pods = 110;
	o.export_compression = COMPRESSION_NONE;
	o.export_interval_ms = 10000;
	exports_cost(&o, &plan, text, sizeof(text));
	assert_non_null(strstr(text, "about 5484 series with 110 pods (--max-pods)"));
	assert_non_null(strstr(text, "6.2 GiB sent a day"));
	o.group_by = GROUP_POD;
	exports_cost(&o, &plan, text, sizeof(text));
	assert_non_null(strstr(text, "about 4109 series with 110 pods (--max-pods), "));
	o.group_by = GROUP_OWNER;
	o.exclude = "namespace=kube-system";
	exports_cost(&o, &plan, text, sizeof(text));
	assert_non_null(strstr(text,
			       "about 4109 series with 110 pods (--max-pods, each "
			       "with its own owner), fewer by what is excluded"));
	o.group_by = GROUP_CONTAINER;
	plan.slots = 64;
	exports_cost(&o, &plan, text, sizeof(text));
	assert_non_null(strstr(text, "about 1709 series"));
}

static void the_kubelet_says_how_many_pods(void **state)
{
	static const struct {
		const char *text;
		uint32_t pods;
	} files[] = {
		{ "kind: KubeletConfiguration\nmaxPods: 250\nport: 1\n", 250 },
		{ "maxPods: 58", 58 },
		{ "{\n  \"maxPods\": 17,\n  \"port\": 1\n}\n", 17 },
		{ "maxPods:\n", MAX_PODS_DEFAULT },
		{ "maxPodsOfNobody: 3\n", MAX_PODS_DEFAULT },
		{ "podsPerCore: 3\n# maxPods: 4\n", MAX_PODS_DEFAULT },
		{ "maxPods: 99999999999999999999\n", MAX_PODS_DEFAULT },
		{ "maxPods: -3\n", MAX_PODS_DEFAULT },
		{ "", MAX_PODS_DEFAULT },
	};
	char dir[] = "/tmp/assay-pods-XXXXXX", path[64], command[128];
	FILE *f;

	for (size_t i = 0; i < COUNT(files); i++)
		assert_int_equal(max_pods_parse(files[i].text), files[i].pods);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(max_pods_find(dir), 0);
	snprintf(command, sizeof(command), "mkdir -p %s/var/lib/kubelet", dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s" MAX_PODS_FILE, dir);
	f = fopen(path, "w");
	fputs(files[0].text, f);
	fclose(f);
	assert_int_equal(max_pods_find(dir), 250);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(a_full_node_has_what_the_bound_says),
		NODE_TEST(so_it_has_with_basic_series),
		NODE_TEST(and_without_names_of_culprits),
		NODE_TEST(and_with_few_sets_for_each_metric),
		cmocka_unit_test(a_small_limit_bounds_large_nodes),
		cmocka_unit_test(what_it_costs_is_one_line),
		cmocka_unit_test(the_kubelet_says_how_many_pods),
	};

	return cmocka_run_group_tests_name("bound", tests, NULL, NULL);
}
