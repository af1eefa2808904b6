// SPDX-License-Identifier: Apache-2.0
// libs: -lbpf
/*
 * cells PID: where all cells of that agent's pools are, read from its maps in a moment
 * in which none was taken or given back. In words KEY=VALUE: size (cells that can be
 * given), used (in a row or the hash), left (in the free lists), spare (kept by CPUs),
 * twice (in two entries), moved (1: there was no such moment in 100 readings).
 */
#include <bpf/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bpf/cell.h"

#define POOL_BITS 20

static const struct {
	enum pool pool;
	int first, last; /* words in a row */
} signals[] = {
#define SIGNAL_ROW(name, pool, values, shards) \
	{ POOL_##pool, SERIES_##name, SERIES_##name##_LAST },
	SIGNALS(SIGNAL_ROW)
};

static __u8 seen[POOLS][1 << POOL_BITS];
static unsigned int used, left, spare, twice;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool is_held_by(int pid, unsigned int id)
{
	char path[300], line[256];
	bool found = false;
	unsigned int map;
	FILE *f;

	for (int fd = 0; fd < 256 && !found; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "map_id: %u", &map) == 1 && map == id)
				found = true;
		if (f)
			fclose(f);
	}
	return found;
}

/* The map of this name that the agent created itself, and how many entries it has. */
static int search(int pid, const char *name, unsigned int *entries)
{
	struct bpf_map_info info;
	unsigned int id = 0, len;
	int fd;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    !strcmp(info.name, name) && is_held_by(pid, id)) {
			*entries = info.max_entries;
			return fd;
		}
		if (fd >= 0)
			close(fd);
	}
	die(name);
	return -1;
}

/* The same, searched for once: between two readings little time may pass. */
static int find(int pid, const char *name, unsigned int *entries)
{
	static struct {
		const char *name;
		unsigned int entries;
		int fd;
	} known[8];
	int i = 0;

	while (known[i].name && strcmp(known[i].name, name))
		i++;
	if (!known[i].name) {
		known[i].fd = search(pid, name, &known[i].entries);
		known[i].name = name;
	}
	*entries = known[i].entries;
	return known[i].fd;
}

static void note(enum pool pool, __u32 cell, unsigned int *where)
{
	if (!cell)
		return;
	++*where;
	twice += seen[pool][cell & ((1 << POOL_BITS) - 1)]++ > 0;
}

static void read_rows(int pid)
{
	unsigned int n;
	int fd = find(pid, "rows", &n);
	struct series_row row;

	for (__u32 i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(fd, &i, &row))
			die("rows");
		for (int s = 0; s < SIGNAL_COUNT; s++)
			for (int k = signals[s].first; k <= signals[s].last; k++)
				note(signals[s].pool, row.cell[k], &used);
	}
}

static void read_opens(int pid)
{
	struct open_key key, *before = NULL;
	unsigned int n;
	int fd = find(pid, "opens", &n);
	__u32 cell;

	while (!bpf_map_get_next_key(fd, before, &key)) {
		if (bpf_map_lookup_elem(fd, &key, &cell))
			die("opens");
		note(key.signal >= OPEN_HIST ? POOL_HIST : POOL_COUNT, cell, &used);
		before = &key;
	}
}

static void read_spares(int pid)
{
	static struct cpu_state cpu;
	unsigned int n;
	int fd = find(pid, "cpus", &n);

	for (__u32 i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(fd, &i, &cpu))
			die("cpus");
		for (int k = 0; k < POOLS * SPARES; k++)
			note(k / SPARES, cpu.spare[k / SPARES][k % SPARES], &spare);
	}
}

static struct free_list list_of(int pid, enum pool pool)
{
	struct control control;
	__u32 zero = 0;
	unsigned int n;
	int fd = find(pid, ".data.control", &n);

	if (bpf_map_lookup_elem(fd, &zero, &control))
		die("control");
	return control.free_lists[pool];
}

static unsigned int read_list(int pid, enum pool pool, struct free_list list)
{
	__u32 at;
	unsigned int n;
	int fd = find(pid, pool == POOL_HIST ? "free_hists" : "free_counts", &n);
	__u64 cell;

	for (__s32 i = 0; i < list.left; i++) {
		at = (list.next + i) % n;
		if (bpf_map_lookup_elem(fd, &at, &cell))
			die("free list");
		note(pool, cell, &left);
	}
	return n - 1; /* cell 0 is none */
}

/* Reads all entries; whether no cell was taken or given back meanwhile. */
static bool read_all(int pid, unsigned int *size)
{
	struct free_list before[POOLS], after;
	bool still = true;

	memset(seen, 0, sizeof(seen));
	used = left = spare = twice = *size = 0;
	for (int pool = 0; pool < POOLS; pool++)
		before[pool] = list_of(pid, pool);
	for (int pool = 0; pool < POOLS; pool++)
		*size += read_list(pid, pool, before[pool]);
	read_rows(pid);
	read_opens(pid);
	read_spares(pid);
	for (int pool = 0; pool < POOLS; pool++) {
		after = list_of(pid, pool);
		still &=
		    after.next == before[pool].next && after.left == before[pool].left;
	}
	return still;
}

int main(int argc, char **argv)
{
	unsigned int size = 0;
	int pid = argc == 2 ? atoi(argv[1]) : 0;
	bool still = false;

	if (!pid)
		return 2;
	read_all(pid, &size); /* finds the maps */
	for (int i = 0; i < 100 && !still; i++)
		still = read_all(pid, &size);
	printf("size=%u used=%u left=%u spare=%u twice=%u moved=%d\n", size, used, left,
	       spare, twice, !still);
	return 0;
}
