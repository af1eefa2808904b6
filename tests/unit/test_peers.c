// SPDX-License-Identifier: Apache-2.0
/* Peers as the kernel counts them in rows of slots, and the totals made of them. */
#include <arpa/inet.h>
#include "fake_node.h"
#include "metric/metrics.h"
#include "reading/kept.h"
#include "reading/peers.h"

static struct node node;
static struct peer_row row;
static const uint32_t row_number = 2;

static struct peer some_peer(unsigned int n, uint16_t port)
{
	return (
	    struct peer){ .tag = n << 2 | 2,
			  .port = htons(port),
			  .address = { 0, 0, htonl(0xffff), htonl(0x0a000000 + n) } };
}

static struct peer some_server(unsigned int n)
{
	struct peer p = some_peer(n, 53);

	p.tag |= PEER_IS_DNS;
	return p;
}

/* What the kernel's row of the slot is by now; an event told of it. */
static void put_row(uint32_t slot)
{
	bpf_map_update_elem(node.cells.fds[MAP_PEERS], &row_number, &row, 0);
	node.cells.rows[slot].peer_row = row_number + 1;
	node.cells.rows[slot].peers++;
}

/* As peer_take() does it: what the one before had is a part of the rest. */
static void take_place(unsigned int at, struct peer p)
{
	struct peer *was = &row.peer[at];
	bool dns = was->tag & PEER_IS_DNS;

	for (int i = 0; i < (dns ? PEER_DNS_LANES : PEER_LANES); i++)
		row.rest[i + (dns ? PEER_LANES : 0)] += was->count[i];
	*was = p;
}

static uint32_t begin(struct workload **w)
{
	uint32_t slot;

	memset(&row, 0, sizeof(row));
	node_open(&node, 16);
	slot = node_slot(&node, node_mkdir(&node, "shop"));
	node_read(&node);
	*w = node.s->slots[slot].workload;
	assert_non_null(*w);
	return slot;
}

/* The total of a lane with a peer; NULL: of all of them. */
static uint64_t total(const struct workload *w, uint32_t signal, const char *name)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == signal &&
		    (!name ||
		     !strcmp(name, w->opens[i].attr == OPEN_OTHER ? "_OTHER"
								  : w->opens[i].name)))
			sum += w->opens[i].value;
	return sum;
}

static void each_peer_has_what_was_counted_for_it(void **state)
{
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	const uint32_t refused = OPEN_TCP_PEER + PEER_REFUSED;
	const uint32_t timeout = OPEN_DNS_PEER + PEER_DNS_TIMEOUT;
	struct workload *w;
	uint32_t slot = begin(&w);

	row.peer[5] = some_peer(7, 5432);
	row.peer[5].count[PEER_RETRANSMITS] = UINT32_MAX - 9;
	put_row(slot);
	node_read(&node);
	row.peer[5].count[PEER_RETRANSMITS] += 30; /* wraps */
	row.peer[6] = some_peer(8, 80);
	row.peer[6].count[PEER_REFUSED] = 3;
	row.peer[7] = some_server(10);
	row.peer[7].count[PEER_DNS_TIMEOUT] = 4;
	row.peer[0] = some_peer(9, 0);
	row.peer[0].count[PEER_RETRANSMITS] = 5;
	row.rest[PEER_RETRANSMITS] = 2;
	row.rest[PEER_LANES + PEER_DNS_TIMEOUT] = 6;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "10.0.0.7:5432"), UINT32_MAX - 9 + 30ULL);
	assert_int_equal(total(w, again, "10.0.0.9"), 5);
	assert_int_equal(total(w, again, "_OTHER"), 2);
	assert_int_equal(total(w, refused, "10.0.0.8:80"), 3);
	assert_int_equal(total(w, refused, NULL), 3);
	assert_int_equal(total(w, timeout, "10.0.0.10:53"), 4);
	assert_int_equal(total(w, timeout, "_OTHER"), 6);
	node_read(&node); /* nothing new */
	assert_int_equal(total(w, again, NULL), UINT32_MAX - 9 + 37ULL);
	node_close(&node);
}

static void who_loses_its_place_is_told_once(void **state)
{
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	const uint32_t failed = OPEN_DNS_PEER + PEER_DNS_FAILED;
	struct workload *w;
	uint32_t slot = begin(&w);

	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_RETRANSMITS] = 10;
	put_row(slot);
	node_read(&node);
	row.peer[5].count[PEER_RETRANSMITS] += 4; /* nobody reads these by its name */
	take_place(5, some_peer(2, 80));
	row.peer[5].count[PEER_RETRANSMITS] = 1;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "10.0.0.1:80"), 10);
	assert_int_equal(total(w, again, "10.0.0.2:80"), 1);
	assert_int_equal(total(w, again, "_OTHER"), 4);
	/* just changing hands, its counts in the rest already */
	take_place(5, (struct peer){ .tag = PEER_BUSY });
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, NULL), 15);
	row.peer[5] = some_server(3);
	row.peer[5].count[PEER_DNS_FAILED] = 2;
	bpf_map_update_elem(node.cells.fds[MAP_PEERS], &row_number, &row, 0);
	node_read(&node); /* without another event */
	assert_int_equal(total(w, again, NULL), 15);
	assert_int_equal(total(w, failed, "10.0.0.3:53"), 2);
	take_place(5, some_peer(1, 80));
	row.peer[5].count[PEER_RETRANSMITS] = 3;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "10.0.0.1:80"), 13);
	assert_int_equal(total(w, again, "_OTHER"), 4);
	assert_int_equal(total(w, failed, NULL), 2);
	node_close(&node);
}

/* The kernel's copy of a row is of no one moment. */
static void a_row_that_was_copied_while_it_changed_is_right_later(void **state)
{
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	struct workload *w;
	uint32_t slot = begin(&w);

	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_RETRANSMITS] = 10;
	put_row(slot);
	node_read(&node);
	row.peer[5] = some_peer(2, 80); /* the rest was copied before it had 10 more */
	row.peer[5].count[PEER_RETRANSMITS] = 1;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "_OTHER"), 0);
	row.rest[PEER_RETRANSMITS] = 10 + 3;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "_OTHER"), 3);
	assert_int_equal(total(w, again, NULL), 14);
	node_close(&node);
}

/* What a hook counts that is there in windows only stands for the gap before, too. */
static void what_is_counted_in_windows_is_weighted(void **state)
{
	const struct window_span span = { .stands_ns = 8000000000,
					  .open_ns = 500000000 };
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	const uint32_t far = OPEN_TCP_PEER + PEER_FAR;
	const uint32_t slower = OPEN_TCP_PEER + PEER_SLOWER;
	const uint32_t failed = OPEN_DNS_PEER + PEER_DNS_FAILED;
	struct workload *w;
	uint32_t slot = begin(&w);

	snapshot_windows_begin(node.s, PROBE_TCP, 0);
	snapshot_window_opens(node.s, PROBE_TCP);
	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_RETRANSMITS] = 10; /* this hook stays */
	row.peer[5].count[PEER_FAR] = 5;
	row.peer[5].count[PEER_SLOWER] = 4;
	row.rest[PEER_FAR] = 3;
	row.peer[6] = some_server(2);
	row.peer[6].count[PEER_DNS_FAILED] = 7; /* of a probe that has no windows */
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, again, "10.0.0.1:80"), 10);
	assert_int_equal(total(w, failed, NULL), 7);
	assert_int_equal(total(w, far, NULL), 0); /* not before the window has ended */
	/* no event came since */
	assert_int_equal(snapshot_window_ends(node.s, PROBE_TCP, &span, 1, false), 0);
	assert_int_equal(total(w, far, "10.0.0.1:80"), 5 * 16);
	assert_int_equal(total(w, far, "_OTHER"), 3 * 16);
	/* of 100 ms: they must begin in the first 400 ms */
	assert_int_equal(total(w, slower, NULL), 4 * 20);
	assert_int_equal(total(w, again, NULL), 10);
	assert_int_equal(total(w, failed, NULL), 7);
	node_read(&node); /* nothing new */
	assert_int_equal(total(w, far, NULL), 8 * 16);
	snapshot_windows_over(node.s, PROBE_TCP);
	row.peer[5].count[PEER_FAR]++;
	put_row(slot);
	node_read(&node);
	assert_int_equal(total(w, far, "10.0.0.1:80"), 5 * 16 + 1);
	node_close(&node);
}

static void the_next_owner_of_a_slot_has_none_of_them(void **state)
{
	struct workload *w;
	uint32_t slot = begin(&w), key;
	struct peer_row now;

	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_REFUSED] = 10;
	row.rest[PEER_REFUSED] = 5;
	put_row(slot);
	node_rmdir(&node, node.last_id);
	node_read_and_reap(&node);
	node_read_and_reap(&node);
	assert_int_equal(total(w, OPEN_TCP_PEER + PEER_REFUSED, NULL), 15);
	assert_int_equal(
	    bpf_map_lookup_elem(node.cells.fds[MAP_PEERS], &row_number, &now), 0);
	memset(&row, 0, sizeof(row));
	assert_memory_equal(&now, &row, sizeof(row));
	assert_null(node.s->seen_peers[row_number]);
	assert_int_equal(node.cells.rows[slot].peers, 0);
	assert_int_equal(node.cells.rows[slot].peer_row, 0);
	key = node_slot(&node, node_mkdir(&node, "next"));
	assert_int_equal(key, slot);
	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_REFUSED] = 2;
	put_row(slot);
	node_read(&node);
	assert_int_equal(
	    total(node.s->slots[slot].workload, OPEN_TCP_PEER + PEER_REFUSED, NULL), 2);
	node_close(&node);
}

/* Peers come and go for long: those that grew last are there, the sum is all. */
static void totals_are_bounded_and_the_history_misses_none(void **state)
{
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	uint64_t told = 0;
	struct workload *w, made;
	uint32_t slot = begin(&w);
	size_t named = 0;

	for (unsigned int n = 0; n < 4 * PEERS_KEPT; n++) {
		take_place(5, some_peer(n, 80));
		row.peer[5].count[PEER_RETRANSMITS] = 3;
		put_row(slot);
		node_read(&node);
		if (n % 3)
			continue; /* the history reads more rarely */
		assert_int_equal(kept_make(w, 0, &made), 0);
		told += total(&made, again, NULL);
		assert_int_equal(kept_note(w, &made), 0);
		kept_free(&made);
	}
	assert_int_equal(kept_make(w, 0, &made), 0);
	told += total(&made, again, NULL);
	kept_free(&made);
	assert_int_equal(told, 3 * 4 * PEERS_KEPT);
	for (size_t i = 0; i < w->open_count; i++)
		named += is_peer_total(&w->opens[i]) && w->opens[i].attr != OPEN_OTHER;
	assert_int_equal(named, PEERS_KEPT);
	assert_int_equal(total(w, again, "10.0.0.0:80"), 0);
	assert_int_equal(total(w, again, "10.0.0.191:80"), 3);
	node_close(&node);
}

/* So that who takes up thousands of workloads that are gone has no peer of each. */
static void peers_of_one_are_not_those_of_another(void **state)
{
	const uint32_t again = OPEN_TCP_PEER + PEER_RETRANSMITS;
	struct workload *w, made, *into;
	uint32_t slot = begin(&w);

	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_RETRANSMITS] = 10;
	put_row(slot);
	node_read(&node);
	assert_int_equal(kept_make(w, 0, &made), 0);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
	row.peer[5].count[PEER_RETRANSMITS] = 14;
	put_row(slot);
	node_read(&node);
	into = node.s->workloads[SLOT_OVERFLOW];
	assert_int_equal(totals_fold(into, w, true), 0);
	assert_int_equal(total(into, again, "_OTHER"), 14);
	assert_int_equal(total(into, again, NULL), 14);
	assert_int_equal(kept_make(into, 0, &made), 0);
	assert_int_equal(total(&made, again, NULL), 4); /* the history has the others */
	kept_free(&made);
	node_close(&node);
}

static size_t points_of(struct workload *w, unsigned int use, const char *metric)
{
	struct points p = { 0 };
	size_t n = 0;

	assert_int_equal(metrics_add(points_group(&p), w, use), 0);
	for (size_t i = 0; i < p.groups[0].count; i++) {
		const struct point *pt = &p.groups[0].points[i];

		if (strcmp(pt->metric->name, metric))
			continue;
		n++;
		assert_string_equal(pt->values[0], "refused");
		assert_string_equal(pt->values[1], "10.0.0.1:80");
		assert_int_equal(pt->u, 10);
	}
	points_fini(&p);
	return n;
}

static void no_export_has_them(void **state)
{
	static const char metric[] = "assay.tcp.peer.events";
	struct workload *w;
	uint32_t slot = begin(&w);

	row.peer[5] = some_peer(1, 80);
	row.peer[5].count[PEER_REFUSED] = 10;
	put_row(slot);
	node_read(&node);
	assert_int_equal(points_of(w, METRICS_READ, metric), 1);
	assert_int_equal(points_of(w, METRICS_EXPORT, metric), 0);
	assert_int_equal(points_of(w, METRICS_EXPORT | METRICS_BASIC, metric), 0);
	node_close(&node);
}

static void assert_text(const char *address, uint16_t port, const char *want)
{
	struct peer p = { .port = htons(port) };
	char text[OPEN_NAME_LEN];

	assert_int_equal(inet_pton(AF_INET6, address, p.address), 1);
	peer_text(&p, text, sizeof(text));
	assert_string_equal(text, want);
}

static void addresses_are_written_as_people_do(void **state)
{
	assert_text("::ffff:10.0.3.7", 5432, "10.0.3.7:5432");
	assert_text("::ffff:10.0.3.7", 0, "10.0.3.7");
	assert_text("2001:db8::1", 443, "[2001:db8::1]:443");
	assert_text("2001:db8::1", 0, "2001:db8::1");
	assert_text("::1", 53, "[::1]:53");
	assert_text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_peer_has_what_was_counted_for_it),
		cmocka_unit_test(who_loses_its_place_is_told_once),
		cmocka_unit_test(a_row_that_was_copied_while_it_changed_is_right_later),
		cmocka_unit_test(what_is_counted_in_windows_is_weighted),
		cmocka_unit_test(the_next_owner_of_a_slot_has_none_of_them),
		cmocka_unit_test(totals_are_bounded_and_the_history_misses_none),
		cmocka_unit_test(peers_of_one_are_not_those_of_another),
		cmocka_unit_test(no_export_has_them),
		cmocka_unit_test(addresses_are_written_as_people_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
