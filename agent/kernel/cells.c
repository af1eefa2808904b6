// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/options.h"
#include "base/util.h"
#include "kernel/cells.h"

#define MIN_CELLS     256 /* the overflow slot's own, and some */
#define HASH_OVERHEAD 64  /* of an element of a preallocated hash, and its bucket */
/* Task storage for sched and syscall: 735 bytes in all were measured for a thread that
 * has it. */
#define THREAD_BYTES 735

/* Accepted by others than their listener's cgroup, and silent since: few at a time. */
#define ACCEPTS 2048

#define INFLIGHT_NS 10000000ULL	  /* what takes less is no news */
#define TIMEOUT_NS  5000000000ULL /* resolv.conf(5): timeout */

static const struct {
	const char *name;
	uint32_t value_size;
	bool mapped;
} maps[MAP_COUNT_] = {
	[MAP_OWNERS] = { "owners", sizeof(uint64_t), true },
	[MAP_ROWS] = { "rows", sizeof(struct series_row), true },
	[MAP_HISTS] = { "hists", sizeof(struct hist_cell), true },
	[MAP_COUNTS] = { "counts", sizeof(struct count_cell), true },
	[MAP_FREE_HISTS] = { "free_hists", sizeof(uint64_t), true },
	[MAP_FREE_COUNTS] = { "free_counts", sizeof(uint64_t), true },
	/* a section of the objects: kernel programs use it without a look-up */
	[MAP_CONTROL] = { ".data.control", sizeof(struct control), true },
	[MAP_INFLIGHTS] = { "inflights", sizeof(struct inflight_row), true },
	[MAP_DELEGATES] = { "delegates", sizeof(struct delegates), true },
	[MAP_TUNES] = { ".data.tunes", sizeof(struct tunes), false },
	[MAP_SCHED_BLOCKS] = { "sched_blocks", sizeof(struct sched_block), true },
	[MAP_SCHED_RINGS] = { "sched_rings", sizeof(struct sched_ring), false },
	[MAP_CALL_RINGS] = { "call_rings", sizeof(struct call_ring), false },
	[MAP_CGROUP_RING] = { "cgroup_ring", sizeof(struct cgroup_names), true },
	[MAP_CPUS] = { "cpus", sizeof(struct cpu_state), false },
	[MAP_OPENS] = { "opens", sizeof(uint32_t), false },
	[MAP_ACCEPTS] = { "accepts", sizeof(struct accepted), false },
	[MAP_DISK_NAMES] = { "disk_names", sizeof(struct disk_name), true },
	[MAP_DNS_GATES] = { "dns_gates", sizeof(struct dns_gate), false },
	[MAP_DNS_QUERIES] = { "dns_queries", sizeof(struct dns_query), false },
	[MAP_DNS_SHARES] = { "dns_shares", sizeof(uint32_t), false },
	[MAP_DNS_ANSWERS] = { "dns_answers", sizeof(struct dns_answered), false },
};

/* An array element's step is its value rounded up to 8 (kernel/bpf/arraymap.c). */
static size_t step_of(enum cells_map m)
{
	return (maps[m].value_size + 7) & ~7UL;
}

_Static_assert(sizeof(struct series_row) % 8 == 0, "indexed as a C array");

static uint32_t entries_of(const struct cells_plan *p, enum cells_map m)
{
	switch (m) {
	case MAP_OWNERS:
	case MAP_ROWS:
	case MAP_INFLIGHTS:
	case MAP_DNS_SHARES:
		return p->slots;
	case MAP_SCHED_BLOCKS:
		return p->slots * p->sched_shards;
	case MAP_HISTS:
	case MAP_FREE_HISTS:
		return p->hists;
	case MAP_COUNTS:
	case MAP_FREE_COUNTS:
		return p->counts;
	case MAP_OPENS:
		return p->opens;
	case MAP_CPUS:
	case MAP_SCHED_RINGS:
	case MAP_CALL_RINGS:
		return p->cpus;
	case MAP_DISK_NAMES:
		return DISKS;
	case MAP_DNS_GATES:
		return p->cpus + 1;
	case MAP_ACCEPTS:
		return ACCEPTS;
	case MAP_DNS_QUERIES:
		return p->queries;
	case MAP_DNS_ANSWERS:
		return 1 << DNS_ANSWERED_LOG2;
	default:
		return 1;
	}
}

static void sum_up(struct cells_plan *p)
{
	p->slot_bytes = p->slots * (step_of(MAP_OWNERS) + step_of(MAP_ROWS) +
				    step_of(MAP_INFLIGHTS) + step_of(MAP_DNS_SHARES) +
				    p->sched_shards * step_of(MAP_SCHED_BLOCKS));
	p->hist_bytes = p->hists * (step_of(MAP_HISTS) + step_of(MAP_FREE_HISTS));
	p->count_bytes = p->counts * (step_of(MAP_COUNTS) + step_of(MAP_FREE_COUNTS));
	p->open_bytes = p->opens * (sizeof(struct open_key) + 8 + HASH_OVERHEAD);
	p->query_bytes = p->queries * (sizeof(struct dns_key) +
				       step_of(MAP_DNS_QUERIES) + HASH_OVERHEAD);
	p->fixed_bytes =
	    step_of(MAP_CONTROL) + step_of(MAP_CGROUP_RING) + step_of(MAP_DELEGATES) +
	    (p->cpus + 1) * step_of(MAP_DNS_GATES) +
	    DISKS * (2 * step_of(MAP_DISK_NAMES) + 8 + HASH_OVERHEAD) +
	    (1 << DNS_ANSWERED_LOG2) * step_of(MAP_DNS_ANSWERS) +
	    p->cpus * (step_of(MAP_CPUS) + step_of(MAP_SCHED_RINGS) +
		       step_of(MAP_CALL_RINGS)) +
	    THREADS * (sizeof(struct thread) + sizeof(struct call)) +
	    CONNS * sizeof(struct tcp_conn) +
	    ACCEPTS * (sizeof(uint64_t) + step_of(MAP_ACCEPTS) + HASH_OVERHEAD);
	p->total = p->slot_bytes + p->hist_bytes + p->count_bytes + p->open_bytes +
		   p->query_bytes + p->fixed_bytes;
}

int cells_plan_for(uint64_t slots, uint64_t memory, uint32_t cpus,
		   struct cells_plan *plan)
{
	uint32_t shards = cpus < SHARDS_MAX ? cpus : SHARDS_MAX, per_slot = 2;

	while (per_slot < shards * 4) /* powers of two: the free lists are rings */
		per_slot *= 2;
	*plan = (struct cells_plan){
		.cpus = cpus,
		.sched_shards = shards,
		.slots = slots,
		.hists = slots * per_slot,
		.counts = slots * 16,
		.opens = slots * 8,
		.queries = slots * 8,
		.limit = memory,
		.thread_bytes = THREAD_BYTES,
	};
	for (;;) {
		sum_up(plan);
		if (plan->total <= memory)
			return 0;
		if (plan->hists > MIN_CELLS)
			plan->hists /= 2;
		else if (plan->counts > MIN_CELLS)
			plan->counts /= 2;
		else if (plan->opens > MIN_CELLS)
			plan->opens /= 2;
		else if (plan->queries > MIN_CELLS)
			plan->queries /= 2;
		else
			return -ENOSPC;
	}
}

int cells_plan(const struct options *o, struct cells_plan *plan)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	return cells_plan_for(o->slots, o->memory, cpus, plan);
}

static int create(struct cells *c, enum cells_map m)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	enum bpf_map_type type = BPF_MAP_TYPE_ARRAY;
	uint32_t key_size = sizeof(uint32_t), entries = entries_of(&c->plan, m);
	long page = sysconf(_SC_PAGESIZE);

	if (m == MAP_OPENS || m == MAP_DNS_QUERIES) {
		type = BPF_MAP_TYPE_HASH;
		key_size =
		    m == MAP_OPENS ? sizeof(struct open_key) : sizeof(struct dns_key);
	}
	if (m == MAP_ACCEPTS) {
		type = BPF_MAP_TYPE_LRU_HASH; /* what is pushed out does no harm */
		key_size = sizeof(uint64_t);
	}
	opts.map_flags = maps[m].mapped ? BPF_F_MMAPABLE : 0;
	c->fds[m] = bpf_map_create(type, maps[m].name, key_size, maps[m].value_size,
				   entries, &opts);
	if (c->fds[m] < 0)
		return -errno;
	if (!maps[m].mapped)
		return 0;
	c->mem_len[m] = (step_of(m) * entries + page - 1) & ~(page - 1);
	c->mem[m] =
	    mmap(NULL, c->mem_len[m], PROT_READ | PROT_WRITE, MAP_SHARED, c->fds[m], 0);
	if (c->mem[m] == MAP_FAILED) {
		c->mem[m] = NULL;
		return -errno;
	}
	return 0;
}

/* Tells each CPU its shard: neighbours share one. */
static int set_shards(struct cells *c)
{
	uint32_t shards = c->plan.cpus < SHARDS_MAX ? c->plan.cpus : SHARDS_MAX;
	struct cpu_state *state = calloc(1, sizeof(*state));
	int err = state ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < c->plan.cpus && !err; i++) {
		state->shard = (uint64_t)i * shards / c->plan.cpus;
		err = bpf_map_update_elem(c->fds[MAP_CPUS], &i, state, BPF_ANY);
	}
	free(state);
	return err;
}

enum pool cells_open_pool(uint32_t signal)
{
	return signal >= OPEN_HIST ? POOL_HIST : POOL_COUNT;
}

/* What a user has not changed: everything measured, nothing sampled. */
static void set_tunes(struct tunes *tunes)
{
	for (int i = 0; i < PROBE_COUNT; i++)
		tunes->tune[i] = (struct tune){
			.enabled = 1,
			.inflight_ns = INFLIGHT_NS,
			.timeout_ns = TIMEOUT_NS,
		};
}

/* The cells that overflow needs when a pool is empty: all of them, made beforehand. */
static int make_overflow(struct cells *c)
{
	static const struct {
		enum pool pool;
		uint32_t first, last;
	} signals[] = {
#define SIGNAL_ROW(name, pool, values, shards) \
	{ POOL_##pool, SERIES_##name, SERIES_##name##_LAST },
		SIGNALS(SIGNAL_ROW)
	};
	struct series_row *row = &c->rows[SLOT_OVERFLOW];
	uint32_t next[POOLS] = { 1, 1 },
		 size[POOLS] = { c->plan.hists, c->plan.counts };
	struct open_key key = { .slot = SLOT_OVERFLOW, .attr = OPEN_OTHER };
	int err;

	for (size_t s = 0; s < COUNT(signals); s++)
		for (uint32_t i = signals[s].first; i <= signals[s].last; i++)
			row->cell[i] = next[signals[s].pool]++;
	for (key.signal = 0; key.signal < OPEN_COUNT; key.signal++) {
		enum pool pool = cells_open_pool(key.signal);

		err =
		    bpf_map_update_elem(c->fds[MAP_OPENS], &key, &next[pool], BPF_ANY);
		if (err)
			return err;
		next[pool]++;
	}
	c->control->open_gen = 1;
	for (int pool = 0; pool < POOLS; pool++)
		for (uint32_t i = next[pool]; i < size[pool]; i++)
			cells_free(c, pool, i);
	return 0;
}

int cells_open(const struct cells_plan *plan, struct cells *c)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->plan = *plan;
	for (int m = 0; m < MAP_COUNT_; m++)
		c->fds[m] = -1;
	for (int m = 0; m < MAP_COUNT_; m++) {
		err = create(c, m);
		if (err)
			goto fail;
	}
	c->owners = c->mem[MAP_OWNERS];
	c->rows = c->mem[MAP_ROWS];
	c->hists = c->mem[MAP_HISTS];
	c->counts = c->mem[MAP_COUNTS];
	c->free_cells[POOL_HIST] = c->mem[MAP_FREE_HISTS];
	c->free_cells[POOL_COUNT] = c->mem[MAP_FREE_COUNTS];
	c->control = c->mem[MAP_CONTROL];
	c->names = c->mem[MAP_CGROUP_RING];
	c->disk_names = c->mem[MAP_DISK_NAMES];
	for (uint32_t slot = 0; slot < SLOT_FIRST; slot++)
		c->owners[slot] = OWNER_RESERVED;
	c->inflights = c->mem[MAP_INFLIGHTS];
	c->delegates = c->mem[MAP_DELEGATES];
	c->sched_blocks = c->mem[MAP_SCHED_BLOCKS];
	set_tunes(&c->tunes);
	c->tunes.own_shards = plan->cpus <= SHARDS_MAX;
	err = set_shards(c);
	if (!err)
		err = make_overflow(c);
	if (!err)
		return 0;
fail:
	cells_close(c);
	return err;
}

int cells_reuse(const struct cells *c, struct bpf_object *obj)
{
	for (int m = 0; m < MAP_COUNT_; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, maps[m].name);
		int err = map ? bpf_map__reuse_fd(map, c->fds[m]) : 0;

		if (err)
			return err;
	}
	return 0;
}

void cells_free(struct cells *c, enum pool pool, uint32_t cell)
{
	uint32_t size = pool == POOL_HIST ? c->plan.hists : c->plan.counts;

	c->free_cells[pool][c->free_end[pool]++ & (size - 1)] = cell;
	free_list_give(&c->control->free_lists[pool]);
}

static void add_runs(struct cells_runs *sum, const struct runs *runs)
{
	sum->count += runs->count;
	sum->ns += runs->ns;
}

/* What programs have counted in places of their own, on one CPU. */
static int add_own_runs(const struct cells *c, uint32_t cpu, struct cells_runs *runs)
{
	uint32_t gate_at = cpu + 1;
	struct call_ring calls;
	struct dns_gate gate;
	int err = bpf_map_lookup_elem(c->fds[MAP_CALL_RINGS], &cpu, &calls);

	if (!err)
		err = bpf_map_lookup_elem(c->fds[MAP_DNS_GATES], &gate_at, &gate);
	if (err)
		return err;
	add_runs(&runs[PROGRAM_syscall_enter], &calls.runs[0]);
	add_runs(&runs[PROGRAM_syscall_exit], &calls.runs[1]);
	add_runs(&runs[PROGRAM_dns_packet_in], &gate.runs);
	return 0;
}

int cells_runs(const struct cells *c, struct cells_runs *runs)
{
	struct cpu_state *state = malloc(sizeof(*state));
	int err = state ? 0 : -ENOMEM;

	memset(runs, 0, PROGRAM_COUNT * sizeof(*runs));
	for (uint32_t i = 0; i < c->plan.cpus && !err; i++) {
		err = bpf_map_lookup_elem(c->fds[MAP_CPUS], &i, state);
		for (int p = 0; p < PROGRAM_COUNT && !err; p++)
			add_runs(&runs[p], &state->runs[p]);
		if (!err)
			err = add_own_runs(c, i, runs);
	}
	free(state);
	return err;
}

uint32_t cells_queries(const struct cells *c)
{
	uint32_t first = 0;
	struct dns_gate gate;

	if (bpf_map_lookup_elem(c->fds[MAP_DNS_GATES], &first, &gate))
		return 0;
	return gate.waiting;
}

void cells_close(struct cells *c)
{
	for (int m = 0; m < MAP_COUNT_; m++) {
		if (c->mem[m])
			munmap(c->mem[m], c->mem_len[m]);
		if (c->fds[m] >= 0)
			close(c->fds[m]);
		c->mem[m] = NULL;
		c->fds[m] = -1;
	}
}
