// SPDX-License-Identifier: Apache-2.0
#include "reading/snapshot.h"
#include "reading/workload_usage.h"
#include "workload/usage.h"

/* Cgroups whose memory.stat a pass reads: so many, or one of so many. */
#define FAULTS_READ 64
#define FAULTS_PART 16

void workload_usage_files(struct snapshot *s, struct usage_reader *r)
{
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;

	workloads = snapshot_workloads(s, &count, &time_ns);
	for (size_t i = 0; i < count; i++)
		if (workloads[i]->path && !workloads[i]->gone)
			usage_read(r, workloads[i]->path, &workloads[i]->usage);
}

static struct usage *find_usage(void *arg, const char *path)
{
	struct workload *w = snapshot_find(arg, path);

	return w && !w->gone ? &w->usage : NULL;
}

/*
 * Major faults are in memory.stat only, whose reading costs more than all else of a
 * cgroup: a few are read, in turn.
 */
static void read_faults(struct usage_reader *r, struct workload **workloads,
			size_t count, size_t *next)
{
	size_t part = count / FAULTS_PART,
	       left = part > FAULTS_READ ? part : FAULTS_READ;

	for (size_t i = 0; i < count && left; i++) {
		struct workload *w = workloads[(*next)++ % count];

		if (w->path && !w->gone)
			left -= usage_read_faults(r, w->path, &w->usage);
	}
	if (count)
		*next %= count;
}

void workload_usage_pass(struct snapshot *s, struct usage_reader *r, size_t *next)
{
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;

	if (!usage_pass(r, find_usage, s)) {
		workload_usage_files(s, r);
		return;
	}
	workloads = snapshot_workloads(s, &count, &time_ns);
	for (size_t i = 0; i < count; i++) {
		struct workload *w = workloads[i];

		if (w->path && !w->gone && !usage_passed(r, w->path, &w->usage))
			usage_read(r, w->path, &w->usage);
	}
	read_faults(r, workloads, count, next);
}
