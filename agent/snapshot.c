// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "snapshot.h"
#include "util.h"

/* The fixed signals as the kernel lays them out in a row, and where we fold them to. */
static const struct signal_desc {
	enum pool pool;
	uint32_t first, values, shards;
} signals[] = {
#define SIGNAL_DESC(name, pool, values, shards) \
	[SIGNAL_##name] = { POOL_##pool, SERIES_##name, values, shards },
	SIGNALS(SIGNAL_DESC)
};

#define SIGNAL_HISTS(name, pool, values, shards) \
	+((POOL_##pool == POOL_HIST) ? (values) : 0)
#define SIGNAL_COUNTS(name, pool, values, shards) \
	+((POOL_##pool == POOL_COUNT) ? (values) : 0)
_Static_assert(SIGNALS(SIGNAL_HISTS) <= SNAPSHOT_HISTS, "room for all histograms");
_Static_assert(SIGNALS(SIGNAL_COUNTS) <= SNAPSHOT_COUNTS, "room for all counters");

#define CULPRIT_OTHER "_OTHER"

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_QUARANTINE };

struct slot {
	uint64_t owner;
	enum slot_state state;
	bool freed; /* by this reap */
	struct workload *workload;
};

struct open_cell {
	struct open_key key;
	uint32_t cell;
};

struct snapshot {
	struct cells *cells;
	struct cgroups *cgroups;
	struct slot *slots;
	struct hist_cell **seen_hists; /* by cell number: what we added so far */
	struct count_cell **seen_counts;
	struct sched_block **seen_blocks; /* by number */
	struct open_cell *opens;
	size_t open_count;
	uint32_t open_gen;
	struct workload **workloads;
	size_t count, room;
	uint64_t open_ns, last_ns; /* when we began; the reading before this one */
	uint64_t time_ns;
	uint32_t claims; /* control.claims and names.head at the latest reading */
	uint64_t names;
};

unsigned int snapshot_values(enum signal signal)
{
	return signals[signal].values;
}

size_t snapshot_index(enum signal signal, unsigned int v)
{
	size_t at = v;

	for (int i = 0; i < (int)signal; i++)
		if (signals[i].pool == signals[signal].pool)
			at += signals[i].values;
	return at;
}

static void workload_free(struct workload *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		free(w->hists[i]);
	for (size_t i = 0; i < w->open_count; i++)
		free(w->opens[i].hist);
	for (size_t i = 0; i < w->culprit_count; i++)
		free(w->culprits[i].name);
	free(w->opens);
	free(w->path);
	free(w->instance);
	free(w);
}

static struct workload *add_workload(struct snapshot *s, const struct workload_id *id,
				     const char *path)
{
	struct workload *w;

	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct workload **p = reallocarray(s->workloads, room, sizeof(*p));

		if (!p)
			return NULL;
		s->workloads = p;
		s->room = room;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->id = *id;
	w->start_ns = s->time_ns;
	w->path = path ? strdup(path) : NULL;
	if (path && !w->path) {
		workload_free(w);
		return NULL;
	}
	s->workloads[s->count++] = w;
	return w;
}

/*
 * The workload of a path: two slots (or cgroup ids) of one path are one workload. All
 * that a new one has happened since the reading before this; but of a cgroup that was
 * there when we began, the usage since then counts.
 */
static struct workload *find_workload(struct snapshot *s, const char *path,
				      uint64_t cgroup)
{
	struct workload_id id;
	struct workload *w;

	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (strcmp(s->workloads[i]->path, path) == 0) {
			s->workloads[i]->gone = false;
			return s->workloads[i];
		}
	workload_identify(path, &id);
	w = add_workload(s, &id, path);
	if (w)
		w->start_ns =
		    cgroups_was_there(s->cgroups, cgroup) ? s->open_ns : s->last_ns;
	return w;
}

/* The first workloads stand for the slots with a fixed meaning, in their order. */
static int add_fixed(struct snapshot *s)
{
	static const struct workload_id ids[] = {
		[SLOT_OVERFLOW] = { .kind = WORKLOAD_OVERFLOW, .name = "overflow" },
		[SLOT_KERNEL] = { .kind = WORKLOAD_KERNEL, .name = "kernel" },
		[SLOT_UNKNOWN] = { .kind = WORKLOAD_UNKNOWN, .name = "unknown" },
	};

	for (size_t i = 0; i < COUNT(ids); i++) {
		struct workload *w = add_workload(s, &ids[i], NULL);

		if (!w)
			return -ENOMEM;
		s->slots[i] = (struct slot){ .owner = OWNER_RESERVED,
					     .state = SLOT_LIVE,
					     .workload = w };
	}
	return 0;
}

int snapshot_open(struct cells *c, struct cgroups *g, struct snapshot **out)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->cells = c;
	s->cgroups = g;
	s->open_ns = s->time_ns = now_wall_ns();
	s->slots = calloc(c->plan.slots, sizeof(*s->slots));
	s->seen_hists = calloc(c->plan.hists, sizeof(*s->seen_hists));
	s->seen_counts = calloc(c->plan.counts, sizeof(*s->seen_counts));
	s->seen_blocks =
	    calloc(c->plan.slots * c->plan.sched_shards, sizeof(*s->seen_blocks));
	if (!s->slots || !s->seen_hists || !s->seen_counts || !s->seen_blocks ||
	    add_fixed(s)) {
		snapshot_close(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

/*
 * Adds what a cell grew by. Both sides are read once per word; a word that the kernel
 * changes meanwhile is simply the next reading's.
 */
static int add_hist(struct snapshot *s, uint32_t n, struct hist **into)
{
	const volatile struct hist_cell *now;
	struct hist_cell *seen;
	struct hist *h;

	if (!n || n >= s->cells->plan.hists)
		return 0;
	now = &s->cells->hists[n];
	if (!*into)
		*into = calloc(1, sizeof(**into));
	if (!s->seen_hists[n])
		s->seen_hists[n] = calloc(1, sizeof(**s->seen_hists));
	h = *into;
	seen = s->seen_hists[n];
	if (!h || !seen)
		return -ENOMEM;
	for (int i = 0; i < BUCKET_COUNT; i++) {
		uint32_t value = now->buckets[i];

		h->buckets[i] += (uint32_t)(value - seen->buckets[i]); /* folds wraps */
		seen->buckets[i] = value;
	}
	uint64_t sum = now->sum_ns;

	h->sum_ns += sum - seen->sum_ns;
	seen->sum_ns = sum;
	return 0;
}

static int add_count(struct snapshot *s, uint32_t n, uint64_t lanes[], int lane_count)
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
	for (int i = 0; i < lane_count; i++) {
		uint64_t value = now->lane[i];

		lanes[i] += value - seen->lane[i];
		seen->lane[i] = value;
	}
	return 0;
}

static int read_row(struct snapshot *s, uint32_t slot, struct workload *w)
{
	const volatile struct series_row *row = &s->cells->rows[slot];
	int err = 0;

	for (size_t sig = 0; sig < COUNT(signals); sig++) {
		const struct signal_desc *d = &signals[sig];

		for (uint32_t i = 0; i < d->values * d->shards; i++) {
			size_t at = snapshot_index(sig, i / d->shards);
			uint32_t cell = row->cell[d->first + i];

			if (d->pool == POOL_HIST)
				err |= add_hist(s, cell, &w->hists[at]);
			else
				err |= add_count(s, cell, w->counts[at], LANES);
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

/* The workload's total of an open value, made when it is new. */
static struct open_total *find_open(struct workload *w, uint32_t signal, uint32_t attr)
{
	struct open_total *t;

	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == signal && w->opens[i].attr == attr)
			return &w->opens[i];
	t = reallocarray(w->opens, w->open_count + 1, sizeof(*t));
	if (!t)
		return NULL;
	w->opens = t;
	t = &w->opens[w->open_count++];
	*t = (struct open_total){ .signal = signal, .attr = attr };
	return t;
}

static int add_open(struct snapshot *s, struct workload *w, const struct open_cell *o)
{
	struct open_total *t = find_open(w, o->key.signal, o->key.attr);

	if (!t)
		return -ENOMEM;
	if (cells_open_pool(o->key.signal) == POOL_HIST)
		return add_hist(s, o->cell, &t->hist);
	return add_count(s, o->cell, &t->value, 1);
}

/*
 * Who owns a slot now. One that cannot be named counts in `unknown`, and is asked for
 * again at the next reading; what was counted there stays there.
 */
static struct workload *owner_of(struct snapshot *s, uint32_t i)
{
	struct slot *slot = &s->slots[i];
	const char *path;
	uint64_t owner;

	if (i < SLOT_FIRST || slot->state == SLOT_QUARANTINE)
		return slot->workload;
	owner = __atomic_load_n(&s->cells->owners[i], __ATOMIC_ACQUIRE);
	if (owner < OWNER_FIRST_ID)
		return NULL;
	if (slot->state == SLOT_LIVE && slot->owner == owner && slot->workload)
		return slot->workload;
	slot->owner = owner;
	slot->state = SLOT_LIVE;
	path = cgroups_path(s->cgroups, owner);
	slot->workload = path ? find_workload(s, path, owner) : NULL;
	return slot->workload ? slot->workload : s->workloads[SLOT_UNKNOWN];
}

/* The entry of a culprit; when there are too many, that of all further ones. */
static struct culprit_total *find_culprit(struct workload *w, const char *name)
{
	struct culprit_total *c;

	for (size_t i = 0; i < w->culprit_count; i++)
		if (!strcmp(w->culprits[i].name, name))
			return &w->culprits[i];
	if (w->culprit_count >= CULPRIT_NAMES && strcmp(name, CULPRIT_OTHER))
		return find_culprit(w, CULPRIT_OTHER);
	c = &w->culprits[w->culprit_count];
	c->name = strdup(name);
	if (!c->name)
		return NULL;
	c->ns = 0;
	w->culprit_count++;
	return c;
}

static const char *culprit_name(struct snapshot *s, uint32_t key)
{
	struct workload *w;

	if (!key)
		return CULPRIT_OTHER;
	if (key == CULPRIT_IDLE + 1)
		return "idle";
	w = key <= s->cells->plan.slots ? owner_of(s, key - 1) : NULL;
	if (!w)
		w = s->workloads[SLOT_UNKNOWN];
	return w->path ? w->path : w->id.name;
}

/* As cells: what was added since we last looked belongs to the owners of now. */
static int read_block(struct snapshot *s, uint32_t n, struct workload *w)
{
	const volatile struct sched_block *now = &s->cells->sched_blocks[n];
	uint64_t *lanes = w->counts[snapshot_index(SIGNAL_SCHED_COUNT, 0)];
	struct sched_block *seen = s->seen_blocks[n];

	if (!seen)
		seen = s->seen_blocks[n] = calloc(1, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	for (int i = 0; i < LANES; i++) {
		uint64_t value = now->lane[i];

		lanes[i] += value - seen->lane[i];
		seen->lane[i] = value;
	}
	for (int i = 0; i <= CULPRITS; i++) {
		uint32_t key = i < CULPRITS ? now->key[i] : 0;
		uint64_t ns = now->ns[i];
		struct culprit_total *c;

		if (ns == seen->ns[i])
			continue;
		c = find_culprit(w, culprit_name(s, key));
		if (!c)
			return -ENOMEM;
		c->ns += ns - seen->ns[i];
		seen->ns[i] = ns;
	}
	return 0;
}

static int read_blocks(struct snapshot *s, uint32_t slot, struct workload *w)
{
	uint32_t shards = s->cells->plan.sched_shards;
	int err = 0;

	for (uint32_t i = 0; i < shards; i++)
		err |= read_block(s, slot * shards + i, w);
	return err;
}

void snapshot_clear_inflight(struct snapshot *s)
{
	memset(s->cells->inflights, 0,
	       s->cells->plan.slots * sizeof(*s->cells->inflights));
}

/* What is under way is of this moment: the oldest in all slots of the workload. */
static void read_inflight(struct snapshot *s, uint32_t slot, struct workload *w)
{
	const volatile struct inflight_row *row = &s->cells->inflights[slot];

	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (row->age[i] > w->inflight_ns[i])
			w->inflight_ns[i] = row->age[i];
}

int snapshot_read(struct snapshot *s)
{
	int err = 0;

	for (size_t i = 0; i < s->count; i++)
		memset(s->workloads[i]->inflight_ns, 0,
		       sizeof(s->workloads[i]->inflight_ns));

	s->last_ns = s->time_ns;
	s->time_ns = now_wall_ns();
	s->claims = __atomic_load_n(&s->cells->control->claims, __ATOMIC_RELAXED);
	s->names = __atomic_load_n(&s->cells->names->head, __ATOMIC_RELAXED);
	cgroups_refresh(s->cgroups);
	for (uint32_t i = 0; i < s->cells->plan.slots; i++) {
		struct workload *w = owner_of(s, i);

		if (!w)
			continue;
		err |= read_row(s, i, w);
		err |= read_blocks(s, i, w);
		read_inflight(s, i, w);
	}
	err |= list_opens(s);
	for (size_t i = 0; i < s->open_count; i++) {
		struct workload *w = owner_of(s, s->opens[i].key.slot);

		if (w)
			err |= add_open(s, w, &s->opens[i]);
	}
	return err ? -ENOMEM : 0;
}

/*
 * Frees the places that the slots which are free now have as culprits and as victims.
 * Their times stay, as cells do: only the difference counts.
 */
static void free_culprits(struct snapshot *s)
{
	uint32_t shards = s->cells->plan.sched_shards, slots = s->cells->plan.slots;

	for (uint32_t i = 0; i < slots * shards; i++) {
		uint32_t *key = s->cells->sched_blocks[i].key;

		for (int k = 0; k < CULPRITS; k++) {
			uint32_t slot = key[k] - 1;

			if (key[k] && (s->slots[i / shards].freed ||
				       (slot < slots && s->slots[slot].freed)))
				key[k] = 0;
		}
	}
}

/* Gives a slot and its cells back. The caller has read them for the last time. */
static void free_slot(struct snapshot *s, uint32_t i)
{
	struct series_row *row = &s->cells->rows[i];

	for (size_t sig = 0; sig < COUNT(signals); sig++)
		for (uint32_t k = 0; k < signals[sig].values * signals[sig].shards;
		     k++) {
			uint32_t *cell = &row->cell[signals[sig].first + k];

			if (*cell)
				cells_free(s->cells, signals[sig].pool, *cell);
			*cell = 0;
		}
	for (size_t k = 0; k < s->open_count; k++) {
		struct open_cell *o = &s->opens[k];

		if (o->key.slot != i)
			continue;
		if (bpf_map_delete_elem(s->cells->fds[MAP_OPENS], &o->key) == 0)
			cells_free(s->cells, cells_open_pool(o->key.signal), o->cell);
		s->open_gen = 0; /* list them anew */
	}
	memset(row->open_used, 0, sizeof(row->open_used));
	__atomic_store_n(&s->cells->owners[i], OWNER_FREE, __ATOMIC_RELEASE);
	s->slots[i] = (struct slot){ .freed = true };
}

/* Is this workload without any slot now? */
static bool is_gone(const struct snapshot *s, const struct workload *w)
{
	for (uint32_t i = 0; i < s->cells->plan.slots; i++)
		if (s->slots[i].workload == w)
			return false;
	return true;
}

/*
 * Takes a slot from its owner. Events that are on their way still land in its cells; so
 * it is read once more before it becomes free. Later ones of the same cgroup find a
 * slot anew.
 */
static void quarantine(struct snapshot *s, uint32_t i)
{
	s->slots[i].state = SLOT_QUARANTINE;
	__atomic_store_n(&s->cells->owners[i], OWNER_RESERVED, __ATOMIC_RELEASE);
}

static void add_to_hist(struct hist **into, const struct hist *h)
{
	if (!h)
		return;
	if (!*into)
		*into = calloc(1, sizeof(**into));
	if (!*into)
		return;
	(*into)->sum_ns += h->sum_ns;
	for (int i = 0; i < BUCKET_COUNT; i++)
		(*into)->buckets[i] += h->buckets[i];
}

/* Adds all that w counted to another workload. */
static void fold(struct workload *into, const struct workload *w)
{
	for (int i = 0; i < SNAPSHOT_HISTS; i++)
		add_to_hist(&into->hists[i], w->hists[i]);
	for (int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			into->counts[i][k] += w->counts[i][k];
	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t =
		    find_open(into, w->opens[i].signal, w->opens[i].attr);

		if (!t)
			continue;
		t->value += w->opens[i].value;
		add_to_hist(&t->hist, w->opens[i].hist);
	}
	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = find_culprit(into, w->culprits[i].name);

		if (c)
			c->ns += w->culprits[i].ns;
	}
}

/*
 * Keeps the number of workloads bounded when many come and go between two exports.
 * What was exported must stay until it was exported once more.
 */
static void fold_gone(struct snapshot *s)
{
	size_t kept = SLOT_FIRST;

	if (s->count <= 2 * (size_t)s->cells->plan.slots)
		return;
	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		if (w->gone && !w->told) {
			fold(s->workloads[SLOT_OVERFLOW], w);
			workload_free(w);
		} else {
			s->workloads[kept++] = w;
		}
	}
	s->count = kept;
}

/*
 * Waits until no program runs any more that saw a slot before it went into quarantine,
 * so that the next reading sees all of its events: membarrier(2) waits for a grace
 * period of RCU, in which tracing programs run. Where the kernel does not have it
 * (nohz_full), the time until the next reading has to do.
 */
static void wait_for_programs(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/* Whether the slot changed hands. */
static bool reap_slot(struct snapshot *s, uint32_t i)
{
	struct slot *slot = &s->slots[i];
	struct workload *w = slot->workload;

	if (slot->state == SLOT_QUARANTINE) {
		free_slot(s, i);
		if (w && is_gone(s, w))
			w->gone = true;
		return true;
	}
	if (slot->state != SLOT_LIVE ||
	    (w && cgroups_exists(s->cgroups, w->path, slot->owner)))
		return false;
	if (!w) /* never named, and not there any more: nobody to ask */
		slot->workload = s->workloads[SLOT_UNKNOWN];
	quarantine(s, i);
	return true;
}

int snapshot_reap(struct snapshot *s)
{
	bool changed = false;
	int err;

	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++)
		changed |= reap_slot(s, i);
	if (!changed)
		return 0;
	s->cells->tunes.free_gen++; /* what programs keep of slots is out of date */
	err = cells_tell(s->cells);
	free_culprits(s);
	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++)
		s->slots[i].freed = false;
	fold_gone(s);
	wait_for_programs();
	return err;
}

bool snapshot_is_pressed(const struct snapshot *s)
{
	uint32_t claims = __atomic_load_n(&s->cells->control->claims, __ATOMIC_RELAXED);
	uint64_t names = __atomic_load_n(&s->cells->names->head, __ATOMIC_RELAXED);

	return claims - s->claims > s->cells->plan.slots / 8 ||
	       names - s->names > NAME_RING / 4;
}

void snapshot_drop(struct snapshot *s)
{
	size_t kept = SLOT_FIRST;

	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		w->told = true;
		if (w->gone)
			workload_free(w);
		else
			s->workloads[kept++] = w;
	}
	s->count = kept;
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

void snapshot_close(struct snapshot *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		workload_free(s->workloads[i]);
	free(s->workloads);
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
	free(s->slots);
	free(s);
}
