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
#include "kernel/fallbacks.h"

#define INFLIGHT_NS 10000000ULL	  /* what takes less is no news */
#define TIMEOUT_NS  5000000000ULL /* resolv.conf(5): timeout */

static int create(struct cells *c, enum cells_map m)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	const struct map_desc *d = &map_descs[m];
	enum bpf_map_type type = d->lru	       ? BPF_MAP_TYPE_LRU_HASH
				 : d->key_size ? BPF_MAP_TYPE_HASH
					       : BPF_MAP_TYPE_ARRAY;
	uint32_t entries = plan_entries(&c->plan, m);
	long page = sysconf(_SC_PAGESIZE);

	opts.map_flags = d->mapped ? BPF_F_MMAPABLE : 0;
	c->fds[m] =
	    bpf_map_create(type, d->name, d->key_size ? d->key_size : sizeof(uint32_t),
			   d->value_size, entries, &opts);
	if (c->fds[m] < 0)
		return -errno;
	if (!d->mapped)
		return 0;
	if (m ==
	    MAP_HISTS) /* most of all the memory; of few workloads few are in use */
		return parts_open(&c->hist_parts, c->fds[m], d->value_size, entries,
				  (void **)&c->hists);
	c->mem_len[m] = (plan_step(m) * entries + page - 1) & ~(page - 1);
	c->mem[m] =
	    mmap(NULL, c->mem_len[m], PROT_READ | PROT_WRITE, MAP_SHARED, c->fds[m], 0);
	if (c->mem[m] == MAP_FAILED) {
		c->mem[m] = NULL;
		return -errno;
	}
	return 0;
}

/*
 * Tells each CPU its shard: neighbours share one. All fallbacks forced, each run does
 * without the caches, as if it were inside another one.
 */
static int set_shards(struct cells *c)
{
	uint32_t shards = c->plan.cpus < SHARDS_MAX ? c->plan.cpus : SHARDS_MAX;
	struct cpu_state *state = calloc(1, sizeof(*state));
	int err = state ? 0 : -ENOMEM;

	for (int i = 0; i < CPU_CACHES && !err; i++)
		state->cache_users[i] = fallbacks_forced();
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
	for (int i = 0; i < PROBE_COUNT; i++) {
		tunes->tune[i] = (struct tune){
			.enabled = 1,
			.inflight_ns = INFLIGHT_NS,
			.timeout_ns = TIMEOUT_NS,
		};
		tunes->window[i] = 1;
	}
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
	for (int m = 0; m < MAPS_SHARED; m++)
		c->fds[m] = -1;
	for (int m = 0; m < MAPS_SHARED; m++) {
		err = create(c, m);
		if (err)
			goto fail;
	}
	c->owners = c->mem[MAP_OWNERS];
	c->rows = c->mem[MAP_ROWS];
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
	c->tunes.own_blocked = plan->cpus <= BLOCKED_SHARDS;
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
	for (int m = 0; m < MAPS_ALL; m++) {
		struct bpf_map *map =
		    bpf_object__find_map_by_name(obj, map_descs[m].name);
		int err = 0;

		if (map && m < MAPS_SHARED)
			err = bpf_map__reuse_fd(map, c->fds[m]);
		else if (map)
			err = bpf_map__set_max_entries(map, plan_entries(&c->plan, m));
		if (err)
			return err;
	}
	return 0;
}

bool cells_shares(const char *name)
{
	for (int m = 0; m < MAPS_SHARED; m++)
		if (!strcmp(map_descs[m].name, name))
			return true;
	return false;
}

void cells_free(struct cells *c, enum pool pool, uint32_t cell)
{
	uint32_t size = pool == POOL_HIST ? c->plan.hists : c->plan.counts;

	if (pool == POOL_HIST)
		parts_leave(&c->hist_parts, cell);
	c->free_cells[pool][c->free_end[pool]++ % size] = cell;
	free_list_give(&c->control->free_lists[pool]);
}

static void add_runs(struct cells_runs *sum, const struct runs *runs)
{
	sum->count += runs->count;
	sum->ns += runs->ns;
}

/* What programs have counted in words of their own, on one CPU. */
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

int cells_count_cpu(const struct cells *c, uint32_t cpu, struct cpu_state *room,
		    struct cells_runs runs[PROGRAM_COUNT])
{
	int err = bpf_map_lookup_elem(c->fds[MAP_CPUS], &cpu, room);

	if (err)
		return err;
	for (int p = 0; p < PROGRAM_COUNT; p++)
		runs[p] = (struct cells_runs){ room->runs[p].count, room->runs[p].ns };
	return add_own_runs(c, cpu, runs);
}

int cells_count(const struct cells *c, struct cells_counted *sum)
{
	struct cpu_state *state = malloc(sizeof(*state));
	int err = state ? 0 : -ENOMEM;

	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < c->plan.cpus && !err; i++) {
		struct cells_runs runs[PROGRAM_COUNT];

		err = cells_count_cpu(c, i, state, runs);
		for (int p = 0; p < PROGRAM_COUNT && !err; p++) {
			sum->runs[p].count += runs[p].count;
			sum->runs[p].ns += runs[p].ns;
		}
		for (int t = 0; t < TABLES && !err; t++)
			sum->taken[t] += state->taken[t];
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

uint32_t cells_peer_rows(const struct cells *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->plan.slots; i++)
		n += __atomic_load_n(&c->rows[i].peer_row, __ATOMIC_RELAXED) != 0;
	return n;
}

void cells_close(struct cells *c)
{
	parts_close(&c->hist_parts);
	for (int m = 0; m < MAPS_SHARED; m++) {
		if (c->mem[m])
			munmap(c->mem[m], c->mem_len[m]);
		if (c->fds[m] >= 0)
			close(c->fds[m]);
		c->mem[m] = NULL;
		c->fds[m] = -1;
	}
}
