// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "metric/self_node.h"

const struct metric node_cpu_time = {
	"system.cpu.time",
	"s",
	"What the node's CPUs did; steal: the hypervisor let others run.",
	METRIC_SUM,
	.real = true,
	.attrs = { "cpu.mode" },
};
const struct metric node_cpu_steal = {
	"assay.cpu.steal.time",
	"s",
	"The same of single CPUs from which some was taken; in reports, not in exports.",
	METRIC_SUM,
	.real = true,
	.attrs = { "cpu.logical_number" },
};
const struct metric node_cpu_count = {
	"system.cpu.logical.count",
	"{cpu}",
	"CPUs that are online.",
	METRIC_UPDOWN,
};
const struct metric node_memory = {
	"system.memory.limit",
	"By",
	"Memory of the node.",
	METRIC_UPDOWN,
};
const struct metric node_memory_available = {
	"system.linux.memory.available",
	"By",
	"Memory that can be had without swapping.",
	METRIC_UPDOWN,
};

bool self_is_of_node(const char *name)
{
	static const struct metric *const of_node[] = {
		&node_cpu_time, &node_cpu_steal,	&node_cpu_count,
		&node_memory,	&node_memory_available,
	};

	for (size_t i = 0; i < COUNT(of_node); i++)
		if (!strcmp(of_node[i]->name, name))
			return true;
	return false;
}

static const char *const modes[] = {
	[CPU_USER] = "user",   [CPU_NICE] = "nice",	[CPU_SYSTEM] = "system",
	[CPU_IDLE] = "idle",   [CPU_IOWAIT] = "iowait", [CPU_INTERRUPT] = "interrupt",
	[CPU_STEAL] = "steal",
};

_Static_assert(COUNT(modes) == CPU_MODES, "one name for each");

int self_add_node(struct point_group *g, const struct node_usage *u, uint64_t start_ns,
		  bool each_cpu)
{
	int err = 0;

	for (int i = 0; i < CPU_MODES && !err; i++)
		err = points_add_d(g, &node_cpu_time, modes[i], start_ns,
				   u->ns[i] * 1e-9);
	for (uint32_t cpu = 0; each_cpu && cpu < u->known && !err; cpu++)
		if (u->stolen_ns[cpu])
			err =
			    points_add_d(g, &node_cpu_steal, points_text(g, "%u", cpu),
					 start_ns, u->stolen_ns[cpu] * 1e-9);
	if (!err)
		err = points_add_u(g, &node_cpu_count, NULL, start_ns, u->cpus);
	if (!err && u->memory)
		err = points_add_u(g, &node_memory, NULL, start_ns, u->memory);
	if (!err && u->memory_available)
		err = points_add_u(g, &node_memory_available, NULL, start_ns,
				   u->memory_available);
	return err;
}
