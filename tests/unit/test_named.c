// SPDX-License-Identifier: Apache-2.0
/* What names make of a workload: late ones, pods and their sandboxes, how often they
 * are looked for. */
#include "fake_hold.h"

static void usage_of_a_late_name_begins_at_zero(void **state)
{
	struct held *h = *state;
	struct workload *w, *all;

	begin(h, POD_NAME "/" A, 1);
	for (int i = 0; i < 6; i++)
		export(h);
	w = node_workload(&h->n, POD_NAME "/" A);
	w->usage.base[USAGE_CPU_TIME] = 100;
	w->usage.before[USAGE_CPU_TIME] = 5;
	w->usage.value[USAGE_CPU_TIME] = 25; /* 120 was read */
	w->usage.value[USAGE_MEMORY] = 4096;
	w->usage.has = 1U << USAGE_CPU_TIME | 1U << USAGE_MEMORY;
	for (int i = 0; i < 2; i++) { /* before it has a name, and after */
		assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
		assert_int_equal(all->usage.value[USAGE_CPU_TIME], 25);
		assert_int_equal(all->usage.has, 1U << USAGE_CPU_TIME);
		snapshot_free_workload(all);
		if (!i)
			name(h, POD_NAME "/" A, "nginx");
	}
	assert_int_equal(w->usage.value[USAGE_CPU_TIME], 0);
	assert_int_equal(w->usage.before[USAGE_CPU_TIME], 0);
	assert_int_equal(w->usage.base[USAGE_CPU_TIME], 120);
}

/* What the kubelet says of a container that it does not list. */
static struct names *of_pod_alone(bool whole, uint64_t told_ns)
{
	struct names *n = names_like("web-0", NULL);

	n->sandbox = false;
	n->awaited = true;
	n->whole = whole;
	n->told_ns = told_ns;
	return n;
}

static bool is_sandbox(struct held *h, const char *path, struct names *n, uint64_t now)
{
	bool found;

	snapshot_find_sandbox(h->n.s, node_workload(&h->n, path), n, now);
	found = n->sandbox;
	assert_int_equal(n->awaited, !found);
	names_free(n);
	return found;
}

/* It was seen first at a reading, and ten more readings were a second apart. */
static void whom_the_kubelet_never_lists_is_the_sandbox(void **state)
{
	struct held *h = *state;
	uint64_t now = 1000 * FAKE_SECOND;

	make(h, POD_NAME);
	begin(h, POD_NAME "/" PAUSE, 7);
	for (int i = 0; i < 11; i++)
		node_read(&h->n);
	/* asked too soon after it came; a container of the pod has no id yet */
	assert_false(is_sandbox(h, POD_NAME "/" PAUSE,
				of_pod_alone(true, now - 5 * FAKE_SECOND), now));
	assert_false(is_sandbox(h, POD_NAME "/" PAUSE, of_pod_alone(false, now), now));
	assert_true(is_sandbox(h, POD_NAME "/" PAUSE, of_pod_alone(true, now), now));
	/* when that is known, another one is a container that was started again */
	name(h, POD_NAME "/" PAUSE, NULL);
	begin(h, POD_NAME "/" A, 7);
	for (int i = 0; i < 11; i++)
		node_read(&h->n);
	assert_false(is_sandbox(h, POD_NAME "/" A, of_pod_alone(true, now), now));
}

static void a_sandbox_counts_for_its_pod(void **state)
{
	struct held *h = *state;
	uint64_t pod = make(h, POD_NAME);
	uint64_t pause = begin(h, POD_NAME "/" PAUSE, 7), second;
	struct workload *w, *p;

	node_read(&h->n);
	assert_null(node_find(&h->n, POD_NAME));
	w = name(h, POD_NAME "/" PAUSE, NULL);
	p = node_workload(&h->n, POD_NAME);
	assert_ptr_equal(w->into, p);
	assert_int_equal(p->id.kind, WORKLOAD_POD);
	assert_string_equal(p->id.name, "shop/web-0");
	assert_null(p->names->container);
	assert_false(p->names->sandbox);
	assert_int_equal(p->names->restarts, -1);
	assert_int_equal(p->start_ns, w->start_ns);
	assert_int_equal(p->sandbox, w->serial);
	more(h, pause, 5);
	more(h, pod, 1); /* its own slot */
	node_read(&h->n);
	assert_int_equal(kills_of(p), 13);
	assert_int_equal(kills_of(w), 0);
	settle(h);
	assert_true(w->held && !p->held);
	assert_int_equal(exported(h), 13);
	send(h, true);
	end(h, pause); /* the pod has another one */
	second = begin(h, POD_NAME "/" B, 100);
	export(h);
	name(h, POD_NAME "/" B, NULL);
	export(h);
	assert_null(node_find(&h->n, POD_NAME "/" PAUSE));
	assert_false(p->gone);
	assert_int_equal(kills_of(p), 113);
	end(h, second);
	end(h, pod);
	for (int i = 0; i < 4; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME));
	assert_int_equal(h->n.s->count, SLOT_FIRST);
}

/* One whose cgroup had no event of its own goes with its sandbox. */
static void a_pod_is_gone_with_its_sandbox(void **state)
{
	struct held *h = *state;
	uint64_t pause = begin(h, POD_NAME "/crio-" PAUSE ".scope/container", 7);
	struct workload *p;

	node_read(&h->n);
	name(h, POD_NAME "/crio-" PAUSE ".scope/container", NULL);
	p = node_workload(&h->n, POD_NAME);
	export(h);
	assert_false(p->gone);
	end(h, pause);
	node_read(&h->n);
	settle(h);
	assert_true(p->gone);
	assert_int_equal(exported(h), 7);
	send(h, true);
	for (int i = 0; i < 3; i++)
		export(h);
	assert_int_equal(h->n.s->count, SLOT_FIRST);
}

static void a_sandbox_outside_of_a_pods_cgroup_is_the_pod(void **state)
{
	struct held *h = *state;
	struct workload *w;

	begin(h, "/k8s.io/" PAUSE, 7);
	node_read(&h->n);
	w = name(h, "/k8s.io/" PAUSE, NULL);
	assert_null(w->into);
	assert_string_equal(w->id.name, "shop/web-0");
	settle(h);
	assert_int_equal(exported(h), 7);
}

static void a_pod_is_called_as_its_containers_say(void **state)
{
	struct held *h = *state;
	struct names *names;
	struct workload *p;

	begin(h, POD_NAME, 1);
	begin(h, POD_NAME "/" A, 1);
	begin(h, POD2_NAME "/" B, 1);
	node_read(&h->n);
	p = node_workload(&h->n, POD_NAME);
	name(h, POD2_NAME "/" B, "nginx");
	assert_int_equal(snapshot_pod_names(h->n.s, p, &names), -ENOENT);
	name(h, POD_NAME "/" A, "nginx");
	assert_int_equal(snapshot_pod_names(h->n.s, p, &names), 0);
	assert_null(names->container);
	assert_null(names->image);
	assert_int_equal(names->restarts, -1);
	assert_int_equal(snapshot_take_names(h->n.s, p, names), 0);
	assert_string_equal(p->id.name, "shop/web-0");
}

/* As often as a reading of each second asks. */
static int asked(struct held *h, struct workload *w, int seconds)
{
	int n = 0;

	for (int i = 0; i < seconds; i++) {
		n += snapshot_asks_names(h->n.s, w, 30 * FAKE_SECOND);
		node_read(&h->n);
	}
	return n;
}

static void names_are_looked_for_less_and_less(void **state)
{
	struct held *h = *state;
	struct workload *w;

	begin(h, POD_NAME "/" A, 1);
	begin(h, "/job", 1);
	node_read(&h->n);
	w = node_workload(&h->n, POD_NAME "/" A);
	assert_int_equal(asked(h, node_workload(&h->n, "/job"), 3), 0);
	fake_now_ns = w->seen_ns;
	assert_int_equal(snapshot_read(h->n.s), 0);
	assert_int_equal(asked(h, w, 1), 1);
	assert_int_equal(asked(h, w, 29), 7); /* after 1, 3, 7, 12, 17, 22, 27 s */
	assert_in_range(asked(h, w, 250), 3, 5);
	assert_true(w->look_wait_ms >= 160000);
	w->settled = true;
	assert_int_equal(asked(h, w, 10), 0);
}

static void more_than_may_be_kept_goes_where_it_belongs(void **state)
{
	struct held *h = *state;
	uint64_t sum = 0;

	for (int i = 0; i < 100; i++) { /* no export in between: 16 slots */
		char path[200];
		uint64_t id;

		snprintf(path, sizeof(path), POD_NAME "/%064x", i);
		id = begin(h, path, 1 + i);
		sum += 1 + i;
		node_read(&h->n);
		end(h, id);
		node_read_and_reap(&h->n);
		node_read_and_reap(&h->n);
	}
	assert_true(h->n.s->count <= 32);
	settle(h);
	assert_int_equal(unknown(h), sum);
	assert_int_equal(exported(h), sum);
	assert_int_equal(snapshot_folded(h->n.s), 0);
}

static void all_that_a_sandbox_does_is_the_pods(void **state)
{
	size_t at = snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT);
	struct held *h = *state;
	uint64_t pause = begin(h, POD_NAME "/" PAUSE, 1), victim = begin(h, "/job", 1);
	uint32_t slot = node_slot(&h->n, pause);
	struct sched_block *block =
	    &h->n.cells.sched_blocks[node_slot(&h->n, victim) * NODE_SHARDS];
	struct workload *p;

	node_read(&h->n);
	name(h, POD_NAME "/" PAUSE, NULL);
	p = node_workload(&h->n, POD_NAME);
	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_OPENED, 2);
	h->n.cells.counts[node_open_cell(&h->n, slot, OPEN_CONNECT_ERROR, 13)].lane[0] =
	    4;
	block->key[0] = slot + 1;
	block->ns[0] = 9;
	node_read(&h->n);
	assert_int_equal(totals_open(p, OPEN_CONNECT_ERROR, 13)->value, 4);
	assert_string_equal(node_workload(&h->n, "/job")->culprits[0].name, POD_NAME);
	end(h, pause);
	while (node_find(&h->n, POD_NAME "/" PAUSE))
		export(h);
	node_count(&h->n, node_slot(&h->n, pause), SIGNAL_TCP_CONN, TCP_CLIENT, 0,
		   CONN_CLOSED, 1); /* late */
	node_read(&h->n);
	assert_int_equal(p->counts[at][CONN_OPENED], 2);
	assert_int_equal(p->counts[at][CONN_CLOSED], 1);
}

static void a_pod_with_a_second_sandbox_is_there(void **state)
{
	struct held *h = *state;
	uint64_t first = begin(h, POD_NAME "/" PAUSE, 1);
	struct workload *p, *second;

	begin(h, POD_NAME "/" B, 2);
	node_read(&h->n);
	name(h, POD_NAME "/" PAUSE, NULL);
	second = name(h, POD_NAME "/" B, NULL);
	p = node_workload(&h->n, POD_NAME);
	assert_int_equal(p->sandbox, second->serial);
	end(h, first);
	for (int i = 0; i < 3; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME "/" PAUSE));
	assert_false(p->gone);
	assert_int_equal(kills_of(p), 3);
	p->gone = p->ending.over = true; /* whatever made it go first */
	snapshot_drop(h->n.s);
	assert_null(node_find(&h->n, POD_NAME));
	assert_null(second->into);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(usage_of_a_late_name_begins_at_zero),
		TEST(whom_the_kubelet_never_lists_is_the_sandbox),
		TEST(a_sandbox_counts_for_its_pod),
		TEST(a_pod_is_gone_with_its_sandbox),
		TEST(a_sandbox_outside_of_a_pods_cgroup_is_the_pod),
		TEST(a_pod_is_called_as_its_containers_say),
		TEST(names_are_looked_for_less_and_less),
		TEST(more_than_may_be_kept_goes_where_it_belongs),
		TEST(all_that_a_sandbox_does_is_the_pods),
		TEST(a_pod_with_a_second_sandbox_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
