// SPDX-License-Identifier: Apache-2.0
/* Who is in an export, and when: names that come in time, late or never. */
#include <limits.h>
#include "fake_node.h"
#include "base/util.h"
#include "workload/names_impl.h"

#define ID(c)	  c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define A	  ID("a0")
#define B	  ID("b1")
#define PAUSE	  ID("c2")
#define POD_NAME  "/kubepods/pod379560a2cb47f9b13c810328ff2bade1"
#define POD2_NAME "/kubepods/pod00000000cb47f9b13c810328ff2bade1"
#define HOLD	  (5 * FAKE_SECOND)

/* A node, and the directories that were made on it. */
struct held {
	struct node n;
	bool last; /* no export follows */
	struct {
		char path[PATH_MAX];
		uint64_t id;
	} made[256];
	size_t made_count;
};

static int setup(void **state)
{
	struct held *h = calloc(1, sizeof(*h));

	node_open(&h->n, 16);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct held *h = *state;

	node_close(&h->n);
	free(h);
	return 0;
}

/* As resource.c: by the names, then with the container's id behind. */
static int again(void *arg, struct workload *w)
{
	char *longer;

	assert_true(asprintf(&longer, "%s:%.12s", w->instance, w->id.container_id) > 0);
	free(w->instance);
	w->instance = longer;
	++*(int *)arg;
	return 0;
}

static void name_instances(struct node *n)
{
	for (size_t i = SLOT_FIRST; i < n->s->count; i++) {
		struct workload *w = n->s->workloads[i];
		const struct names *names = w->names;

		if (!names || w->instance)
			continue;
		assert_true(asprintf(&w->instance, "%s.%s.%s", names->namespace,
				     names->pod,
				     names->container ? names->container : "") > 0);
	}
}

/* What an export is made of. Returns how many were given up now. */
static int settle(struct held *h)
{
	int others = 0;
	struct hold_rules rules = { HOLD, h->last, again, &others };
	int given_up;

	assert_int_equal(snapshot_reap(h->n.s), 0);
	name_instances(&h->n);
	given_up = snapshot_settle(h->n.s, &rules);
	assert_true(given_up >= 0);
	return given_up;
}

/* What the export says of `unknown`. */
static uint64_t unknown(struct held *h)
{
	struct workload *all, *w;
	uint64_t kills;

	assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
	w = all ? all : h->n.s->workloads[SLOT_UNKNOWN];
	assert_int_equal(w->id.kind, WORKLOAD_UNKNOWN);
	kills = kills_of(w);
	snapshot_free_workload(all);
	return kills;
}

/* The sum over all series that the export has. */
static uint64_t exported(struct held *h)
{
	struct snapshot *s = h->n.s;
	uint64_t sum = unknown(h);

	for (size_t i = 0; i < s->count; i++)
		if (i != SLOT_UNKNOWN && !s->workloads[i]->held)
			sum += kills_of(s->workloads[i]);
	return sum;
}

/* The export arrives, or does not; who is in it is settled. */
static void send(struct held *h, bool arrives)
{
	struct snapshot *s = h->n.s;
	uint64_t number = snapshot_export(s);

	for (size_t i = 0; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		if (!w->held && kills_of(w))
			w->settled = true;
		else if (!w->held)
			w->ending.over = w->gone;
	}
	if (arrives)
		snapshot_accepted(s, number, 0, UINT64_MAX);
	snapshot_drop(s);
}

/* Reads after a second, and exports. */
static void export(struct held *h)
{
	node_read(&h->n);
	settle(h);
	send(h, true);
}

/* The cgroup of a path, made with all that it is in. */
static uint64_t make(struct held *h, const char *path)
{
	const char *last = strrchr(path, '/');
	struct cgroup_names *names = h->n.cells.names;
	char above[PATH_MAX];
	uint64_t parent, id;

	if (last == path) {
		parent = h->n.root_id;
	} else {
		snprintf(above, sizeof(above), "%.*s", (int)(last - path), path);
		parent = make(h, above);
	}
	for (size_t i = 0; i < h->made_count; i++)
		if (!strcmp(h->made[i].path, path))
			return h->made[i].id;
	id = node_mkdir(&h->n, last + 1);
	names->ring[(names->head - 1) % NAME_RING].parent = parent;
	assert_true(h->made_count < COUNT(h->made));
	snprintf(h->made[h->made_count].path, PATH_MAX, "%s", path);
	h->made[h->made_count++].id = id;
	return id;
}

/* The cgroup of a container, that has `more` events. */
static uint64_t begin(struct held *h, const char *path, uint64_t more)
{
	uint64_t id = make(h, path);

	node_kills(&h->n, node_slot(&h->n, id), more);
	return id;
}

static void more(struct held *h, uint64_t id, uint64_t events)
{
	node_kills(&h->n, node_slot(&h->n, id), events);
}

static void end(struct held *h, uint64_t id)
{
	node_rmdir(&h->n, id);
	cgroups_refresh(h->n.cgroups);
	snapshot_quarantine(h->n.s);
}

static struct names *names_like(const char *pod, const char *container)
{
	struct names *n = names_new();

	n->namespace = strdup("shop");
	n->pod = strdup(pod);
	n->container = container ? strdup(container) : NULL;
	n->image = container ? strdup("app") : NULL;
	n->sandbox = !container;
	n->restarts = 2;
	return n;
}

static struct workload *name(struct held *h, const char *path, const char *container)
{
	struct workload *w = node_workload(&h->n, path);

	assert_int_equal(snapshot_take_names(h->n.s, w, names_like("web-0", container)),
			 0);
	return w;
}

static void one_with_a_name_is_in_the_next_export(void **state)
{
	struct held *h = *state;
	struct workload *w;

	begin(h, POD_NAME "/" A, 7);
	node_read(&h->n);
	w = name(h, POD_NAME "/" A, "nginx");
	assert_int_equal(settle(h), 0);
	assert_false(w->held);
	assert_int_equal(exported(h), 7);
	assert_int_equal(unknown(h), 0);
	send(h, true);
	assert_true(w->settled);
	assert_string_equal(w->id.name, "shop/web-0/nginx");
}

static void a_name_that_comes_in_time_has_all_that_was_counted(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7), start;
	struct workload *w;

	export(h);
	w = node_workload(&h->n, POD_NAME "/" A);
	start = w->start_ns;
	assert_true(w->held);
	assert_int_equal(exported(h), 0);
	more(h, id, 5);
	export(h);
	assert_true(w->held);
	name(h, POD_NAME "/" A, "nginx");
	node_read(&h->n);
	settle(h);
	assert_false(w->held);
	assert_int_equal(kills_of(w), 12);
	assert_int_equal(unknown(h), 0);
	assert_int_equal(w->start_ns, start);
}

static void a_name_that_comes_late_begins_at_zero(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *w;
	int given_up = 0;

	for (int i = 0; i < 6; i++) {
		node_read(&h->n);
		given_up += settle(h);
		assert_int_equal(exported(h), i < 5 ? 0 : 7);
		send(h, true);
	}
	assert_int_equal(given_up, 1);
	w = node_workload(&h->n, POD_NAME "/" A);
	assert_true(w->held && w->unnamed);
	/* who asks at the socket sees it all the same, and nothing in `unknown` */
	assert_int_equal(kills_of(w), 7);
	assert_int_equal(kills_of(h->n.s->workloads[SLOT_UNKNOWN]), 0);
	more(h, id, 3);
	node_read(&h->n);
	assert_int_equal(settle(h), 0); /* it was told */
	assert_int_equal(unknown(h), 10);
	send(h, true);
	more(h, id, 100);
	node_read(&h->n);
	name(h, POD_NAME "/" A, "nginx");
	settle(h);
	assert_false(w->held || w->unnamed);
	assert_int_equal(kills_of(w), 0);
	assert_int_equal(w->start_ns, h->n.s->time_ns);
	assert_int_equal(unknown(h), 110);
	send(h, true);
	more(h, id, 9);
	node_read(&h->n);
	settle(h);
	assert_int_equal(kills_of(w), 9);
	assert_int_equal(unknown(h), 110);
	send(h, true);
	end(h, id);
	for (int i = 0; i < 4; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	assert_int_equal(unknown(h), 110);
}

static void one_that_is_gone_without_a_name_is_unknown_for_good(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);

	node_read(&h->n);
	end(h, id);
	node_read(&h->n);
	settle(h);
	assert_int_equal(unknown(h), 7);
	send(h, false); /* `unknown` says it again */
	assert_null(node_find(&h->n, POD_NAME "/" A));
	export(h);
	assert_int_equal(exported(h), 7);
}

static void the_last_export_holds_nothing_back(void **state)
{
	struct held *h = *state;

	begin(h, POD_NAME "/" A, 7);
	node_read(&h->n);
	settle(h);
	assert_int_equal(exported(h), 0);
	h->last = true;
	settle(h);
	assert_int_equal(unknown(h), 7);
	assert_int_equal(exported(h), 7);
}

static void only_who_may_yet_get_a_name_is_held_back(void **state)
{
	static const char *const paths[] = {
		"/docker/" A,	    "/system.slice/docker-" B ".scope",
		"/lxc.payload.web", "/system.slice/nginx.service",
		"/kubepods.slice",  "/job",
	};
	struct held *h = *state;

	for (size_t i = 0; i < COUNT(paths); i++)
		begin(h, paths[i], 1);
	begin(h, POD_NAME, 1);
	begin(h, POD_NAME "/" A "/inner", 1);
	node_read(&h->n);
	settle(h);
	for (size_t i = SLOT_FIRST; i < h->n.s->count; i++) {
		struct workload *w = h->n.s->workloads[i];

		assert_int_equal(w->held, w->id.pod_uid[0] != '\0');
	}
	assert_int_equal(exported(h), COUNT(paths));
}

static void
a_restarted_container_waits_for_the_last_values_of_the_one_before(void **state)
{
	struct held *h = *state;
	struct workload *old, *new;
	uint64_t id = begin(h, POD_NAME "/" A, 7);

	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	settle(h);
	send(h, true);
	end(h, id);
	begin(h, POD_NAME "/" B, 1);
	node_read(&h->n);
	new = name(h, POD_NAME "/" B, "nginx");
	for (int i = 0; i < 3; i++) { /* nobody takes them */
		settle(h);
		assert_true(old->gone && !old->held && !old->successors);
		assert_true(new->held);
		send(h, false);
		node_read(&h->n);
	}
	settle(h);
	assert_true(new->held);
	send(h, true);
	assert_true(old->ending.last);
	node_read(&h->n);
	settle(h); /* this one has the end of the one, and the other */
	assert_false(new->held);
	assert_int_equal(old->successors, 1);
	assert_int_equal(new->successors, 0);
	assert_string_equal(new->instance, "shop.web-0.nginx");
	send(h, false);
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	assert_int_equal(old->successors, 1); /* as long as it is told of */
	send(h, true);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	assert_int_equal(exported(h), 1);
}

/* At the end of the agent all is told in its order. */
static void a_chain_of_restarts_ends_in_order(void **state)
{
	static const char *const ids[] = { A, B, PAUSE };
	struct workload *w[COUNT(ids)];
	struct held *h = *state;
	char path[200];

	for (size_t i = 0; i < COUNT(ids); i++) {
		uint64_t id;

		snprintf(path, sizeof(path), POD_NAME "/%s", ids[i]);
		id = begin(h, path, 1 + i);
		node_read(&h->n);
		w[i] = name(h, path, "nginx");
		if (i + 1 < COUNT(ids))
			end(h, id);
		node_read(&h->n);
	}
	settle(h);
	assert_true(!w[0]->held && w[1]->held && w[2]->held);
	h->last = true;
	settle(h);
	assert_int_equal(exported(h), 6);
	for (size_t i = 0; i < COUNT(ids); i++)
		assert_int_equal(w[i]->successors, COUNT(ids) - 1 - i);
}

static void two_that_are_there_at_once_are_told_apart(void **state)
{
	struct workload *old, *new, *other;
	struct held *h = *state;

	begin(h, POD_NAME "/" A, 1);
	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	settle(h);
	send(h, true);
	begin(h, POD2_NAME "/" B, 1); /* the pod, made anew */
	begin(h, POD_NAME "/" PAUSE, 1);
	node_read(&h->n);
	new = name(h, POD2_NAME "/" B, "nginx");
	other = name(h, POD_NAME "/" PAUSE, "nginx"); /* an annotation says so */
	settle(h);
	assert_false(other->held);
	assert_string_equal(other->instance, "shop.web-0.nginx:c2c2c2c2c2c2");
	for (int i = 0; i < 4; i++) {
		assert_true(new->held); /* perhaps the other one ends */
		send(h, true);
		node_read(&h->n);
		settle(h);
	}
	send(h, true);
	node_read(&h->n);
	settle(h);
	assert_false(new->held || old->held);
	assert_string_equal(new->instance, "shop.web-0.nginx:b1b1b1b1b1b1");
	assert_string_equal(old->instance, "shop.web-0.nginx");
	assert_int_equal(exported(h), 3);
}

static void what_is_open_stays_its_own_when_it_gets_a_name(void **state)
{
	struct held *h = *state;
	uint64_t id = make(h, POD_NAME "/" A);
	uint32_t slot = node_slot(&h->n, id);
	size_t at = snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT);
	struct workload *w, *all;
	const uint64_t *lane;

	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_OPENED, 5);
	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_CLOSED, 2);
	for (int i = 0; i < 6; i++)
		export(h);
	w = name(h, POD_NAME "/" A, "nginx");
	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_CLOSED, 1);
	node_read(&h->n);
	lane = w->counts[at];
	assert_int_equal(lane[CONN_OPENED], 0);
	assert_int_equal(lane[CONN_EXISTING] - lane[CONN_CLOSED], 2);
	assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
	lane = all->counts[at];
	assert_int_equal(lane[CONN_OPENED], 5);
	assert_int_equal(lane[CONN_OPENED] - lane[CONN_CLOSED], 0);
	snapshot_free_workload(all);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_with_a_name_is_in_the_next_export),
		TEST(a_name_that_comes_in_time_has_all_that_was_counted),
		TEST(a_name_that_comes_late_begins_at_zero),
		TEST(one_that_is_gone_without_a_name_is_unknown_for_good),
		TEST(the_last_export_holds_nothing_back),
		TEST(only_who_may_yet_get_a_name_is_held_back),
		TEST(a_restarted_container_waits_for_the_last_values_of_the_one_before),
		TEST(a_chain_of_restarts_ends_in_order),
		TEST(two_that_are_there_at_once_are_told_apart),
		TEST(what_is_open_stays_its_own_when_it_gets_a_name),
		TEST(usage_of_a_late_name_begins_at_zero),
		TEST(a_sandbox_counts_for_its_pod),
		TEST(a_pod_is_gone_with_its_sandbox),
		TEST(a_sandbox_outside_of_a_pods_cgroup_is_the_pod),
		TEST(a_pod_is_called_as_its_containers_say),
		TEST(names_are_looked_for_less_and_less),
		TEST(more_than_may_be_kept_goes_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
