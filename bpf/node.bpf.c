// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who measures this node? Every agent holds a mark, a map of no use but to be seen
 * (agent/kernel/node_lock.c). An iterator goes over the maps of the whole kernel,
 * whatever namespaces their owners are in, from the lowest id on: the first mark is the
 * oldest.
 */
#include "kernel.bpf.h"
#include "node.h"

const volatile char node_name[NODE_NAME];

struct node_found node_found;

SEC("iter/bpf_map")
int node_find(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *map = ctx->map;

	node_found.self_tgid = bpf_get_current_pid_tgid() >> 32;
	if (!map || node_found.id || map->map_type != NODE_MARK_TYPE ||
	    map->key_size != NODE_MARK_KEY || map->value_size != NODE_MARK_VALUE)
		return 0;
	for (int i = 0; i < NODE_NAME; i++)
		if (map->name[i] != node_name[i])
			return 0;
	node_found.id = map->id;
	node_found.tgid = map->max_entries;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
