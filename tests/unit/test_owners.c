// SPDX-License-Identifier: Apache-2.0
/* The registry: whose a slot is from reading to reading, and who somebody was. */
#include "fake_node.h"
#include "base/util.h"

static uint64_t calls_of(const struct workload *w, enum call_class class)
{
	const struct sparse *h = w->hists[snapshot_index(SIGNAL_SYSCALL, class)];

	return h ? sparse_count(h) : 0;
}

static uint64_t conns_of(const struct workload *w, enum conn_lane lane)
{
	return w->counts[snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT)][lane];
}

static void conns(struct node *n, uint32_t slot, enum conn_lane lane, uint64_t more)
{
	node_count(n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, lane, more);
}

/* Its cgroup goes, and two readings later its slot is free. */
static void end(struct node *n, uint64_t id)
{
	node_rmdir(n, id);
	node_read_and_reap(n);
	node_read_and_reap(n);
}

/* The next owner has the slot, and even the cells, with what the first one counted. */
static void a_slot_that_changes_hands_counts_for_each_owner_once(void **state)
{
	struct node *n = *state;
	const size_t kills = signal_descs[SIGNAL_MEMORY_COUNT].first,
		     calls = signal_descs[SIGNAL_SYSCALL].first;
	uint64_t a = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, a), count_cell, hist_cell;
	struct series_row *row = &n->cells.rows[slot];

	node_kills(n, slot, 5);
	node_observe(n, slot, SIGNAL_SYSCALL, CALL_FILE, 0, 1000);
	node_read_and_reap(n);
	assert_int_equal(snapshot_slots(n->s), SLOT_FIRST + 1);
	count_cell = row->cell[kills];
	hist_cell = row->cell[calls];
	node_rmdir(n, a);
	node_kills(n, slot, 20); /* before anybody has seen that it is gone */
	node_read_and_reap(n);
	assert_int_equal(n->cells.owners[slot], OWNER_RESERVED);
	node_kills(n, slot, 100); /* on its way meanwhile */
	node_read_and_reap(n);
	assert_int_equal(n->cells.owners[slot], OWNER_FREE);
	assert_int_equal(snapshot_slots(n->s), SLOT_FIRST);
	assert_int_equal(kills_of(node_workload(n, "/a")), 125);

	assert_int_equal(node_slot(n, node_mkdir(n, "b")), slot);
	node_take_cell(n, POOL_COUNT, count_cell);
	node_take_cell(n, POOL_HIST, hist_cell);
	row->cell[kills] = count_cell;
	row->cell[calls] = hist_cell;
	node_kills(n, slot, 3000);
	node_observe(n, slot, SIGNAL_SYSCALL, CALL_FILE, 0, 1000);
	for (int i = 0; i < 3; i++) { /* once, how often we look */
		node_read_and_reap(n);
		assert_int_equal(kills_of(node_workload(n, "/a")), 125);
		assert_int_equal(kills_of(node_workload(n, "/b")), 3000);
		assert_int_equal(calls_of(node_workload(n, "/a"), CALL_FILE), 1);
		assert_int_equal(calls_of(node_workload(n, "/b"), CALL_FILE), 1);
	}
	assert_true(node_workload(n, "/a")->gone);
	assert_false(node_workload(n, "/b")->gone);
}

static void late_events_of_who_is_gone_are_told_with_its_end(void **state)
{
	struct node *n = *state;
	uint64_t a = node_mkdir(n, "a");
	struct workload *w;
	uint32_t slot;

	node_kills(n, node_slot(n, a), 1);
	node_read_and_reap(n);
	end(n, a);
	w = node_workload(n, "/a");
	assert_true(w->gone);
	slot = node_slot(n, node_mkdir(n, "b"));
	node_kills(n, slot, 10);
	assert_int_not_equal(node_slot(n, a), slot);
	node_kills(n, node_slot(n, a), 100);
	node_read(n);
	assert_ptr_equal(node_workload(n, "/a"), w);
	assert_true(w->gone);
	assert_int_equal(kills_of(w), 101);
	assert_int_equal(kills_of(node_workload(n, "/b")), 10);
	node_export(n, true); /* its last values, so far */
	node_kills(n, node_slot(n, a), 1000);
	node_read_and_reap(n);
	node_export(n, true); /* others */
	assert_ptr_equal(node_workload(n, "/a"), w);
	assert_int_equal(kills_of(w), 1101);
	node_read_and_reap(n);
	node_export(n, true);
	assert_true(w->ending.last);
	node_read_and_reap(n);
	node_export(n, true);
	assert_null(node_find(n, "/a"));
}

/* A pod's container that starts again under its old name, while the old one ends. */
static void a_path_that_is_made_again_is_the_same_workload(void **state)
{
	struct node *n = *state;
	uint64_t old = node_mkdir(n, "a"), new;
	uint32_t slot = node_slot(n, old);
	struct workload *w;
	uint64_t start;

	node_kills(n, slot, 1);
	node_read_and_reap(n);
	w = node_workload(n, "/a");
	start = w->start_ns;
	node_rmdir(n, old);
	new = node_mkdir(n, "a");
	assert_int_not_equal(node_slot(n, new), slot);
	node_kills(n, slot, 10);
	node_kills(n, node_slot(n, new), 100);
	for (int i = 0; i < 3; i++) {
		node_read_and_reap(n);
		assert_int_equal(kills_of(node_workload(n, "/a")), 111);
		assert_false(w->gone); /* the old slot's end is not its own */
	}
	assert_int_equal(n->cells.owners[slot], OWNER_FREE);
	end(n, new);
	assert_true(w->gone);
	node_kills(n, node_slot(n, node_mkdir(n, "a")), 1000);
	node_read_and_reap(n);
	assert_ptr_equal(node_workload(n, "/a"), w); /* its end was not reported yet */
	assert_false(w->gone);
	assert_int_equal(kills_of(w), 1111);
	assert_int_equal(w->start_ns, start);
}

static void a_path_made_again_after_its_end_begins_anew(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a"), serial, before;
	struct workload *w;

	node_kills(n, node_slot(n, id), 7);
	node_read_and_reap(n);
	serial = node_workload(n, "/a")->serial;
	end(n, id);
	node_export(n, true);
	node_export(n, true);
	assert_null(node_find(n, "/a"));
	before = fake_now_ns;
	node_kills(n, node_slot(n, node_mkdir(n, "a")), 2);
	node_read(n);
	w = node_workload(n, "/a");
	assert_int_equal(kills_of(w), 2);
	assert_true(w->serial > serial);
	assert_int_equal(w->start_ns, before); /* the reading before: all came since */
}

static void series_begin_when_their_first_event_could_be(void **state)
{
	struct node *n = *state;
	uint64_t opened = fake_now_ns, before;
	struct workload *w;

	for (int i = 0; i < SLOT_FIRST; i++)
		assert_int_equal(n->s->workloads[i]->start_ns, opened);
	node_read(n);
	node_read(n);
	before = fake_now_ns;
	node_kills(n, node_slot(n, n->root_id), 1); /* quiet so far, but there */
	node_kills(n, node_slot(n, node_mkdir(n, "new")), 1);
	node_read(n);
	assert_int_equal(node_workload(n, "/")->start_ns, opened);
	w = node_workload(n, "/new");
	assert_int_equal(w->start_ns, before);
	node_read(n);
	assert_int_equal(w->start_ns, before);
}

static void what_has_no_name_yet_is_unknown_and_stays_there(void **state)
{
	struct node *n = *state;
	uint64_t id = n->last_id + 1; /* the event that names it is on its way */
	const struct workload *unknown = n->s->workloads[SLOT_UNKNOWN];
	uint32_t slot = node_slot(n, id);

	node_kills(n, slot, 4);
	node_read_and_reap(n);
	assert_int_equal(kills_of(unknown), 4);
	assert_int_equal(n->s->count, SLOT_FIRST);
	assert_int_equal(node_mkdir(n, "slow"), id);
	node_kills(n, slot, 20);
	node_read_and_reap(n);
	assert_int_equal(kills_of(unknown), 4);
	assert_int_equal(kills_of(node_workload(n, "/slow")), 20);
	assert_int_equal(n->cells.control->lost[PROBE_CGROUP][LOSS_UNNAMED], 0);
}

static void a_cgroup_that_goes_without_a_name_is_reported_once(void **state)
{
	struct node *n = *state;
	uint64_t id = ++n->last_id;
	uint32_t slot = node_slot(n, id);
	const struct workload *unknown = n->s->workloads[SLOT_UNKNOWN];
	const __u64 *lost = &n->cells.control->lost[PROBE_CGROUP][LOSS_UNNAMED];

	node_kills(n, slot, 4);
	node_read_and_reap(n);
	assert_int_equal(*lost, 0);
	assert_int_equal(n->cells.owners[slot], id); /* it may be there */
	node_rmdir(n, id);
	node_read_and_reap(n);
	assert_int_equal(*lost, 1);
	node_kills(n, slot, 20);
	node_read_and_reap(n);
	assert_int_equal(n->cells.owners[slot], OWNER_FREE);
	node_read_and_reap(n);
	assert_int_equal(*lost, 1);
	assert_int_equal(kills_of(unknown), 24);
	assert_false(unknown->gone);
}

static void slots_with_a_fixed_meaning_are_nobody_elses(void **state)
{
	static const struct {
		uint32_t slot;
		enum workload_kind kind;
		const char *name;
	} fixed[] = {
		{ SLOT_OVERFLOW, WORKLOAD_OVERFLOW, "overflow" },
		{ SLOT_KERNEL, WORKLOAD_KERNEL, "kernel" },
		{ SLOT_UNKNOWN, WORKLOAD_UNKNOWN, "unknown" },
	};
	struct node *n = *state;

	_Static_assert(COUNT(fixed) == SLOT_FIRST, "all of them");
	for (uint64_t round = 1; round < 4; round++) {
		for (size_t i = 0; i < COUNT(fixed); i++)
			node_kills(n, fixed[i].slot, i + 1);
		node_read_and_reap(n);
		node_export(n, true);
		for (size_t i = 0; i < COUNT(fixed); i++) {
			const struct workload *w = n->s->workloads[fixed[i].slot];

			assert_int_equal(w->id.kind, fixed[i].kind);
			assert_string_equal(w->id.name, fixed[i].name);
			assert_int_equal(kills_of(w), round * (i + 1));
			assert_false(w->gone || w->path);
			assert_int_equal(n->cells.owners[fixed[i].slot],
					 OWNER_RESERVED);
		}
	}
}

/* Who finds no slot counts in the overflow, and is somebody when there is one. */
static void beyond_the_slots_there_is_the_overflow(void **state)
{
	struct node *n = *state;
	const int slots = NODE_SLOTS - SLOT_FIRST;
	uint64_t ids[NODE_SLOTS], late;
	char name[16], path[16];

	for (int i = 0; i < slots; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		ids[i] = node_mkdir(n, name);
		node_kills(n, node_slot(n, ids[i]), i + 1);
	}
	late = node_mkdir(n, "late");
	assert_int_equal(node_slot(n, late), SLOT_OVERFLOW);
	node_kills(n, SLOT_OVERFLOW, 100);
	node_read_and_reap(n);
	for (int i = 0; i < slots; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		assert_int_equal(kills_of(node_workload(n, path)), i + 1);
	}
	assert_int_equal(kills_of(n->s->workloads[SLOT_OVERFLOW]), 100);
	assert_null(node_find(n, "/late"));
	assert_false(snapshot_is_pressed(n->s)); /* nobody has missed one since */
	assert_int_equal(node_slot(n, late), SLOT_OVERFLOW);
	fake_now_ns += FAKE_SECOND + 1;
	assert_true(snapshot_is_pressed(n->s));
	end(n, ids[2]);
	node_kills(n, node_slot(n, late), 1000);
	node_read_and_reap(n);
	assert_int_equal(kills_of(node_workload(n, "/late")), 1000);
	assert_int_equal(kills_of(node_workload(n, "/c2")), 3);
	assert_int_equal(kills_of(n->s->workloads[SLOT_OVERFLOW]), 100);
}

/* Two CPUs that claim at once may take two slots. */
static void two_slots_of_a_cgroup_are_one_workload(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a");
	uint32_t one = node_slot(n, id), two = one + 1;

	n->cells.owners[two] = id;
	node_kills(n, one, 1);
	node_kills(n, two, 10);
	node_read_and_reap(n);
	assert_int_equal(kills_of(node_workload(n, "/a")), 11);
	end(n, id);
	assert_true(node_workload(n, "/a")->gone);
	assert_int_equal(n->cells.owners[one], OWNER_FREE);
	assert_int_equal(n->cells.owners[two], OWNER_FREE);
}

/* Orphans: closed by the kernel long after the process and its cgroup have gone. */
static void a_connection_ends_where_it_began(void **state)
{
	struct node *n = *state;
	const struct workload *unknown = n->s->workloads[SLOT_UNKNOWN], *again;
	uint64_t id = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, id);

	conns(n, slot, CONN_OPENED, 4);
	conns(n, slot, CONN_EXISTING, 1);
	conns(n, slot, CONN_CLOSED, 2);
	node_read_and_reap(n);
	end(n, id);
	conns(n, node_slot(n, id), CONN_CLOSED, 1); /* while it is kept */
	node_read_and_reap(n);
	assert_int_equal(conns_of(node_workload(n, "/a"), CONN_CLOSED), 3);
	node_read_and_reap(n);
	node_export(n, true);
	node_export(n, true);
	assert_null(node_find(n, "/a"));
	/* from now on the two that are open are nobody's */
	assert_int_equal(conns_of(unknown, CONN_EXISTING), 2);
	conns(n, node_slot(n, node_mkdir(n, "a")), CONN_OPENED, 1);
	conns(n, node_slot(n, id), CONN_CLOSED, 2);
	node_read_and_reap(n);
	again = node_workload(n, "/a"); /* another, that has closed nothing */
	assert_int_equal(conns_of(again, CONN_OPENED), 1);
	assert_int_equal(conns_of(again, CONN_CLOSED), 0);
	assert_int_equal(conns_of(unknown, CONN_CLOSED), 2);
	/* and the slot that they had is free again */
	node_read_and_reap(n);
	node_read_and_reap(n);
	assert_int_equal(snapshot_slots(n->s), SLOT_FIRST + 1);
}

/* Jobs that come and go, more than can be kept while no export arrives. */
static void run_jobs(struct node *n, int rounds)
{
	uint64_t ids[NODE_SLOTS - SLOT_FIRST];
	char name[32];

	for (int r = 0; r < rounds; r++) {
		for (size_t i = 0; i < COUNT(ids); i++) {
			snprintf(name, sizeof(name), "job%d-%zu", r, i);
			ids[i] = node_mkdir(n, name);
			node_kills(n, node_slot(n, ids[i]), 1);
		}
		node_read_and_reap(n);
		for (size_t i = 0; i < COUNT(ids); i++)
			node_rmdir(n, ids[i]);
		node_read_and_reap(n);
		node_read_and_reap(n);
	}
}

static void connections_of_who_was_folded_are_the_overflows(void **state)
{
	struct node *n = *state;
	const struct workload *overflow = n->s->workloads[SLOT_OVERFLOW];
	uint64_t id = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, id);

	conns(n, slot, CONN_OPENED, 3);
	node_read_and_reap(n);
	end(n, id);
	run_jobs(n, 3);
	assert_null(node_find(n, "/a"));
	assert_true(snapshot_folded(n->s) > 0);
	assert_int_equal(conns_of(overflow, CONN_OPENED), 3);
	conns(n, node_slot(n, id), CONN_CLOSED, 3);
	node_read(n);
	assert_int_equal(conns_of(overflow, CONN_CLOSED), 3);
	assert_int_equal(conns_of(overflow, CONN_EXISTING), 0);
	assert_int_equal(conns_of(n->s->workloads[SLOT_UNKNOWN], CONN_EXISTING), 0);
	assert_int_equal(conns_of(n->s->workloads[SLOT_UNKNOWN], CONN_CLOSED), 0);
	assert_null(node_find(n, "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(a_slot_that_changes_hands_counts_for_each_owner_once),
		NODE_TEST(late_events_of_who_is_gone_are_told_with_its_end),
		NODE_TEST(a_path_that_is_made_again_is_the_same_workload),
		NODE_TEST(a_path_made_again_after_its_end_begins_anew),
		NODE_TEST(series_begin_when_their_first_event_could_be),
		NODE_TEST(what_has_no_name_yet_is_unknown_and_stays_there),
		NODE_TEST(a_cgroup_that_goes_without_a_name_is_reported_once),
		NODE_TEST(slots_with_a_fixed_meaning_are_nobody_elses),
		NODE_TEST(beyond_the_slots_there_is_the_overflow),
		NODE_TEST(two_slots_of_a_cgroup_are_one_workload),
		NODE_TEST(a_connection_ends_where_it_began),
		NODE_TEST(connections_of_who_was_folded_are_the_overflows),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
