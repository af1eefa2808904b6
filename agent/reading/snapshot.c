// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "base/log.h"
#include "base/random.h"
#include "base/util.h"
#include "kernel/rings.h"
#include "reading/device.h"
#include "reading/peers.h"
#include "reading/snapshot_impl.h"

#define QUIET_NS 60000000000ULL

int snapshot_open(struct cells *c, struct cgroups *g, struct snapshot **out)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->cells = c;
	s->cgroups = g;
	snapshot_send_culprits(s, CULPRITS_SENT, UINT64_MAX);
	s->open_ns = s->time_ns = now_boot_ns();
	s->reaped.free = c->plan.slots - SLOT_FIRST;
	s->random = random_seed();
	s->slots = calloc(c->plan.slots, sizeof(*s->slots));
	s->seen_hists = calloc(c->plan.hists, sizeof(*s->seen_hists));
	s->seen_counts = calloc(c->plan.counts, sizeof(*s->seen_counts));
	s->seen_blocks =
	    calloc(c->plan.slots * c->plan.sched_shards, sizeof(*s->seen_blocks));
	s->seen_peers = calloc(c->plan.peer_rows + 1, sizeof(*s->seen_peers));
	if (!s->slots || !s->seen_hists || !s->seen_counts || !s->seen_blocks ||
	    !s->seen_peers || owners_open(s)) {
		snapshot_close(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

/*
 * Adds what eight buckets of a cell grew by. Each word of the kernel's is read once;
 * one that changes meanwhile is simply the next reading's. -ENOMEM: so are these.
 */
static int add_group(const volatile uint32_t *now, unsigned int group, unsigned int n,
		     struct sparse **seen, struct sparse **into)
{
	static const uint32_t none[SPARSE_GROUP];
	uint32_t value[SPARSE_GROUP] = { 0 }, more[SPARSE_GROUP], *before;

	for (unsigned int i = 0; i < n; i++)
		value[i] = now[i];
	before = sparse_find(*seen, group);
	if (memcmp(value, before ? before : none, sizeof(value)) == 0)
		return 0;
	before = sparse_make(seen, group);
	if (!before)
		return -ENOMEM;
	for (unsigned int i = 0; i < SPARSE_GROUP; i++)
		more[i] = value[i] - before[i]; /* folds wraps */
	if (sparse_sum_group(into, group, more))
		return -ENOMEM;
	memcpy(before, value, sizeof(value));
	return 0;
}

/*
 * Whether there is such a cell, which may be read from now on, and what is kept of it
 * and of its total. -ENOMEM.
 */
static int find_hist(struct snapshot *s, uint32_t n, struct sparse **into)
{
	struct sparse **seen;

	if (!n || n >= s->cells->plan.hists)
		return -ENOENT;
	if (parts_use(&s->cells->hist_parts, n))
		return -ENOMEM;
	seen = &s->seen_hists[n];
	if (!*into)
		*into = sparse_new(sizeof(uint32_t)); /* see sparse_sum() */
	if (!*seen)
		*seen = sparse_new(sizeof(uint32_t));
	return *into && *seen ? 0 : -ENOMEM;
}

/* Adds what a cell grew by. */
static int add_hist(struct snapshot *s, uint32_t n, struct sparse **into)
{
	const volatile struct hist_cell *now;
	int err = find_hist(s, n, into);
	struct sparse **seen;
	uint64_t sum;

	if (err)
		return err == -ENOENT ? 0 : err;
	now = &s->cells->hists[n];
	seen = &s->seen_hists[n];
	for (unsigned int g = 0; g < SPARSE_GROUPS; g++) {
		unsigned int first = g * SPARSE_GROUP, left = BUCKET_COUNT - first;

		err |= add_group(&now->buckets[first], g,
				 left < SPARSE_GROUP ? left : SPARSE_GROUP, seen, into);
	}
	sum = now->sum_ns;
	(*into)->sum_ns += sum - (*seen)->sum_ns;
	(*seen)->sum_ns = sum;
	return err;
}

/* The same of a signal that may be counted in windows. */
static int add_fixed(struct snapshot *s, uint32_t n, enum signal signal,
		     unsigned int value, struct workload *w)
{
	struct sparse **into = &w->hists[snapshot_index(signal, value)];
	const struct window_rule *r = windows_rule(signal);
	struct window *win = r ? &s->windows[r->probe] : NULL;
	struct estimate *e;
	int err;

	if (!win || win->use == WINDOW_READ)
		return add_hist(s, n, into);
	if (win->use == WINDOW_OPEN)
		return 0;
	err = find_hist(s, n, into);
	if (err)
		return err == -ENOENT ? 0 : err;
	e = windows_estimate(w, r, value);
	return e ? windows_add_hist(s, n, r->by_duration, &win->span, e, into)
		 : -ENOMEM;
}

/* What lanes of a counter cell do: a window's, if they are in `mask`. */
struct lane_use {
	uint32_t mask;
	const struct window *win;
	struct estimate *estimate;
};

/* What a lane grew by, or that it waits for the end of a window. */
static uint64_t grown(struct snapshot *s, const struct lane_use *use, int lane,
		      uint64_t now, __u64 *seen)
{
	uint64_t more = now - *seen;

	if (use->mask & 1U << lane && use->win->use == WINDOW_OPEN)
		return 0;
	*seen = now;
	if (more && use->mask & 1U << lane && use->win->use == WINDOW_ENDS)
		return estimate_count(more, &use->win->span, use->estimate, &s->random);
	return more;
}

static int add_count(struct snapshot *s, uint32_t n, const struct lane_use *use,
		     uint64_t lanes[], int lane_count)
{
	const volatile struct count_cell *now;
	struct count_cell *seen;

	if (!n || n >= s->cells->plan.counts)
		return 0;
	now = &s->cells->counts[n];
	if (!s->seen_counts[n])
		s->seen_counts[n] = calloc(1, sizeof(**s->seen_counts));
	seen = s->seen_counts[n];
	if (!seen)
		return -ENOMEM;
	for (int i = 0; i < lane_count; i++)
		lanes[i] += grown(s, use, i, now->lane[i], &seen->lane[i]);
	return 0;
}

static int add_lanes(struct snapshot *s, uint32_t n, enum signal signal,
		     unsigned int value, struct workload *w)
{
	const struct window_rule *r = windows_rule(signal);
	struct lane_use use = { 0 };

	if (r) {
		use = (struct lane_use){ r->lanes, &s->windows[r->probe] };
		if (use.win->use == WINDOW_ENDS)
			use.estimate = windows_estimate(w, r, value);
		if (use.win->use == WINDOW_ENDS && !use.estimate)
			return -ENOMEM;
	}
	return add_count(s, n, &use, w->counts[snapshot_index(signal, value)], LANES);
}

static int read_row(struct snapshot *s, uint32_t slot, struct workload *w)
{
	const volatile struct series_row *row = &s->cells->rows[slot];
	int err = 0;

	for (size_t sig = 0; sig < SIGNAL_COUNT; sig++) {
		const struct signal_desc *d = &signal_descs[sig];

		for (uint32_t i = 0; i < d->values * d->shards; i++) {
			uint32_t cell = row->cell[d->first + i];

			if (d->pool == POOL_HIST)
				err |= add_fixed(s, cell, sig, i / d->shards, w);
			else
				err |= add_lanes(s, cell, sig, i / d->shards, w);
		}
	}
	return err ? -ENOMEM : 0;
}

/* Lists the hash of open values anew; only needed when it has changed. */
static int list_opens(struct snapshot *s)
{
	uint32_t gen = __atomic_load_n(&s->cells->control->open_gen, __ATOMIC_ACQUIRE);
	uint32_t max = s->cells->plan.opens, steps = 0;
	int fd = s->cells->fds[MAP_OPENS];
	struct open_key *prev = NULL, key;

	if (gen == s->open_gen)
		return 0;
	if (!s->opens)
		s->opens = calloc(max, sizeof(*s->opens));
	if (!s->opens)
		return -ENOMEM;
	s->open_count = 0;
	while (s->open_count < max && steps++ < 2 * max &&
	       bpf_map_get_next_key(fd, prev, &key) == 0) {
		struct open_cell *o = &s->opens[s->open_count];

		o->key = key;
		if (bpf_map_lookup_elem(fd, &key, &o->cell) == 0)
			s->open_count++;
		prev = &o->key;
	}
	s->open_gen = gen;
	return 0;
}

static int add_open(struct snapshot *s, struct workload *w, const struct open_cell *o)
{
	struct open_total *t = totals_open(w, o->key.signal, o->key.attr);
	struct lane_use use = { .win = windows_of_open(s, o->key.signal) };

	if (!t)
		return -ENOMEM;
	use.mask = use.win != NULL;
	if (use.win && use.win->use == WINDOW_ENDS && !t->estimate)
		t->estimate = calloc(1, sizeof(*t->estimate));
	if (use.win && use.win->use == WINDOW_ENDS && !t->estimate)
		return -ENOMEM;
	use.estimate = t->estimate;
	if (o->key.signal >= OPEN_BLOCK_OPERATION && o->key.attr < DISKS)
		device_name(s->cells->disk_names[o->key.attr].text, t->name,
			    sizeof(t->name));
	if (cells_open_pool(o->key.signal) == POOL_HIST)
		return add_hist(s, o->cell, &t->hist);
	return add_count(s, o->cell, &use, &t->value, 1);
}

/* As cells: what was added since we last looked belongs to the owners of now. */
static int read_block(struct snapshot *s, uint32_t n, struct workload *w)
{
	const volatile struct sched_block *now = &s->cells->sched_blocks[n];
	uint64_t *lanes = w->counts[snapshot_index(SIGNAL_SCHED_COUNT, 0)];
	struct block_seen *seen = s->seen_blocks[n];

	if (!seen)
		seen = s->seen_blocks[n] = calloc(1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (int i = 0; i < SCHED_LANES; i++) {
		uint64_t value = now->lane[i];

		lanes[i] += value - seen->lane[i];
		seen->lane[i] = value;
	}
	return culprits_read(s, n, w);
}

static int read_blocks(struct snapshot *s, uint32_t slot, struct workload *w)
{
	uint32_t shards = s->cells->plan.sched_shards;
	int err = 0;

	for (uint32_t i = 0; i < shards; i++)
		err |= read_block(s, slot * shards + i, w);
	return err;
}

/*
 * Whether quiet CPUs are interrupted, too: when slots are needed, or one that is gone
 * has waited long enough to be told of.
 */
static bool may_disturb(const struct snapshot *s, uint64_t now)
{
	return s->disturbs || snapshot_is_pressed(s) ||
	       (s->quiet_ns && s->reaped.quarantined && now - s->quiet_ns > QUIET_NS);
}

/*
 * Has all records of before this moment in the cells, but those of quiet CPUs. Their
 * slots are not freed then; when slots are needed, nobody is quiet.
 */
static void catch_up(struct snapshot *s)
{
	int err = s->unpublished ? reap_publish(s) : 0;
	uint64_t now = now_mono_ns();

	if (!err)
		err = rings_drain(s->cells, may_disturb(s, now));
	if (err <= 0)
		s->quiet_ns = 0;
	else if (!s->quiet_ns)
		s->quiet_ns = now;
	if (err < 0) /* they stay where they are, and are the next reading's */
		log_warn(err, "what CPUs have only written down so far");
	s->behind = err != 0 || windows_wait(s);
}

void snapshot_disturb(struct snapshot *s)
{
	s->disturbs = true;
}

int snapshot_read(struct snapshot *s)
{
	uint64_t now = now_mono_ns();
	int err = 0;

	catch_up(s);
	for (size_t i = 0; i < s->count; i++)
		inflight_forget(s, s->workloads[i]);

	s->last_ns = s->time_ns;
	s->time_ns = now_boot_ns();
	s->claims = __atomic_load_n(&s->cells->control->claims, __ATOMIC_RELAXED);
	s->names = __atomic_load_n(&s->cells->names->head, __ATOMIC_RELAXED);
	cgroups_refresh(s->cgroups);
	for (uint32_t i = 0; i < s->cells->plan.slots; i++) {
		struct workload *w = counts_of(owners_find(s, i));

		if (!w)
			continue;
		err |= read_row(s, i, w);
		err |= read_blocks(s, i, w);
		err |= peers_read(s, i, w);
		inflight_read(s, i, w);
	}
	inflight_took(s, now);
	for (size_t i = 0; i < s->count; i++)
		inflight_age(s, s->workloads[i]);
	err |= list_opens(s);
	for (size_t i = 0; i < s->open_count; i++) {
		struct workload *w = counts_of(owners_find(s, s->opens[i].key.slot));

		if (w)
			err |= add_open(s, w, &s->opens[i]);
	}
	windows_note(s);
	return err ? -ENOMEM : 0;
}

struct workload **snapshot_workloads(struct snapshot *s, size_t *count,
				     uint64_t *time_ns)
{
	*count = s->count;
	*time_ns = s->time_ns;
	return s->workloads;
}

uint32_t snapshot_slots(const struct snapshot *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->cells->plan.slots; i++)
		n += s->slots[i].state != SLOT_EMPTY;
	return n;
}

uint32_t snapshot_opens(const struct snapshot *s)
{
	return s->open_count;
}

void snapshot_close(struct snapshot *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		totals_free(s->workloads[i]);
	for (size_t i = 0; i < s->group_count; i++)
		totals_free(s->groups[i]);
	free(s->groups);
	totals_free(s->retired);
	free(s->workloads);
	path_index_fini(&s->paths);
	instances_fini(&s->instances);
	if (s->seen_hists)
		for (uint32_t i = 0; i < s->cells->plan.hists; i++)
			free(s->seen_hists[i]);
	if (s->seen_counts)
		for (uint32_t i = 0; i < s->cells->plan.counts; i++)
			free(s->seen_counts[i]);
	if (s->seen_blocks)
		for (uint32_t i = 0;
		     i < s->cells->plan.slots * s->cells->plan.sched_shards; i++)
			free(s->seen_blocks[i]);
	free(s->seen_blocks);
	free(s->seen_hists);
	free(s->seen_counts);
	free(s->opens);
	for (uint32_t i = 0; s->seen_peers && i < s->cells->plan.peer_rows; i++)
		free(s->seen_peers[i]);
	free(s->seen_peers);
	free(s->slots);
	free(s);
}
