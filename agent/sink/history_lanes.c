// SPDX-License-Identifier: Apache-2.0
/*
 * Several large readings into one, side by side: each is unpacked a workload at a time.
 * The agent tells workloads in one order, but not all of them in each reading: so there
 * is a leader (the one that is whole), whose order all go by. Who is not in that is put
 * aside; if others stand in another order, they cannot be merged so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum.h"
#include "sink/history_impl.h"

#define ASIDE_MOST (1UL << 20) /* bytes of who is not in the leader */
#define FNV_START  14695981039346656037ULL
#define FNV_PRIME  1099511628211ULL
#define NOWHERE	   SIZE_MAX

/* Where each workload of the leader stands. */
struct order {
	struct place {
		uint64_t hash;
		size_t at; /* from 1 on; 0: no place */
	} * places;
	size_t room, count; /* room: a power of 2 */
};

struct lane {
	struct history_stream stream;
	struct history_piece head;
	size_t at; /* of its head in the order; NOWHERE: it is not in it */
	bool ended;
};

struct lanes {
	struct lane list[HISTORY_LANES];
	size_t count, leader;
	struct order order;
	struct history_pieces aside; /* copies */
	size_t aside_bytes;
	struct delta_sum *sum;
	struct wire out;
};

static uint64_t hash_of(const struct history_piece *p)
{
	uint64_t h = FNV_START;

	for (size_t i = 0; i < p->resource_len; i++)
		h = (h ^ p->resource[i]) * FNV_PRIME;
	return h;
}

static struct place *place_of(const struct order *o, uint64_t hash)
{
	size_t i = hash & (o->room - 1);

	while (o->places[i].at && o->places[i].hash != hash)
		i = (i + 1) & (o->room - 1);
	return &o->places[i];
}

static int grow(struct order *o)
{
	struct order more = { .room = o->room ? 2 * o->room : 256, .count = o->count };

	more.places = calloc(more.room, sizeof(*more.places));
	if (!more.places)
		return -ENOMEM;
	for (size_t i = 0; i < o->room; i++)
		if (o->places[i].at)
			*place_of(&more, o->places[i].hash) = o->places[i];
	free(o->places);
	*o = more;
	return 0;
}

/* Looks through the leader once, before it leads. */
static int find_order(struct order *o, const struct history_source *leader)
{
	struct history_stream s;
	struct history_piece piece;
	int err = history_stream_open(&s, leader), n;

	while (!err && (n = history_stream_next(&s, &piece)) != 0) {
		struct place *p = NULL;

		err = n < 0 ? n : 2 * (o->count + 1) > o->room ? grow(o) : 0;
		if (!err)
			p = place_of(o, hash_of(&piece));
		if (p && p->at)
			err = -EAGAIN; /* one is twice in it */
		else if (p)
			*p = (struct place){ hash_of(&piece), ++o->count };
	}
	history_stream_close(&s);
	return err;
}

static int next(const struct lanes *l, struct lane *lane)
{
	int n = history_stream_next(&lane->stream, &lane->head);
	struct place *p;

	lane->ended = n == 0;
	if (n <= 0)
		return n;
	p = place_of(&l->order, hash_of(&lane->head));
	lane->at = p->at ? p->at : NOWHERE;
	return 0;
}

/* A copy, as its lane goes on; by time, then in their order. */
static int put_aside(struct lanes *l, const struct lane *lane)
{
	struct history_piece copy = lane->head;
	uint8_t *bytes;
	int err;

	l->aside_bytes += copy.len;
	if (l->aside_bytes > ASIDE_MOST)
		return -EAGAIN;
	bytes = malloc(copy.len);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, copy.bytes, copy.len);
	copy.resource = bytes + (copy.resource - copy.bytes);
	copy.bytes = bytes;
	copy.number = (size_t)(lane - l->list) << 32 | l->aside.count;
	err = history_pieces_put(&l->aside, &copy);
	if (err)
		free(bytes);
	return err;
}

/* To its next workload that is in the order. */
static int skip(struct lanes *l, struct lane *lane)
{
	int err = 0;

	while (!err && !lane->ended && lane->at == NOWHERE) {
		err = put_aside(l, lane);
		if (!err)
			err = next(l, lane);
	}
	return err;
}

static bool is_same(const struct history_piece *a, const struct history_piece *b)
{
	return a->resource_len == b->resource_len &&
	       !memcmp(a->resource, b->resource, a->resource_len);
}

/* The workload at a place of the order, of all lanes that have it. */
static int merge_one(struct lanes *l, size_t at, struct history_packer *to)
{
	const struct history_piece *key = &l->list[l->leader].head;
	struct history_piece list[HISTORY_LANES];
	struct lane *from[HISTORY_LANES];
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < l->count && !err; i++) {
		struct lane *lane = &l->list[i];

		err = skip(l, lane);
		if (err || lane->ended || lane->at > at)
			continue;
		if (lane->at < at || !is_same(&lane->head, key))
			return -EAGAIN; /* they are in another order */
		list[n] = lane->head;
		from[n++] = lane;
	}
	if (!err)
		err = history_merge_workload(l->sum, list, n, &l->out);
	if (!err)
		err = history_packer_add(to, l->out.bytes, l->out.len);
	for (size_t i = 0; i < n && !err; i++)
		err = next(l, from[i]);
	return err;
}

static int begin(struct lanes *l, const struct history_source *list)
{
	int err = find_order(&l->order, &list[l->leader]);

	if (!err && !l->order.count)
		err = -EAGAIN;
	l->sum = history_merge_new();
	if (!err && !l->sum)
		err = -ENOMEM;
	for (size_t i = 0; i < l->count && !err; i++) {
		struct lane *lane = &l->list[i];

		err = history_stream_open(&lane->stream, &list[i]);
		if (!err)
			err = next(l, lane);
	}
	return err;
}

static void end(struct lanes *l)
{
	for (size_t i = 0; i < l->count; i++)
		history_stream_close(&l->list[i].stream);
	for (size_t i = 0; i < l->aside.count; i++)
		free((void *)l->aside.list[i].bytes);
	history_pieces_fini(&l->aside);
	free(l->order.places);
	delta_sum_free(l->sum);
	free(l->out.bytes);
}

int history_merge_lanes(const struct history_source *list, size_t count, size_t leader,
			struct history_packer *to)
{
	struct lanes l = { .count = count, .leader = leader };
	int err = begin(&l, list);

	for (size_t at = 1; at <= l.order.count && !err; at++)
		err = merge_one(&l, at, to);
	for (size_t i = 0; i < count && !err; i++) {
		err = skip(&l, &l.list[i]);
		if (!err && !l.list[i].ended)
			err = -EAGAIN;
	}
	if (!err)
		err = history_merge_pieces(l.sum, &l.aside, &l.out, to);
	end(&l);
	return err;
}
