/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass over all tasks (bpf/tasks.bpf.c): one for all probes that look at tasks
 * (probe_desc.tasks), each with its own maps.
 */
#ifndef TASKS_H
#define TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/cells.h"
#include "kernel/probe.h"

struct tasks {
	struct bpf_link *link; /* NULL: it could not be loaded, or nobody needs it */
	uint32_t parts;	       /* 1 << enum probe_id */
};

/*
 * Loads it with the parts of those of the probes (PROBE_COUNT of them) that are loaded,
 * and not attached yet; sets params->parts. -errno on failure; *t can be used after
 * that, too.
 */
int tasks_open(struct tasks *t, const struct probe *probes, const struct cells *c,
	       struct params *params);
/* The probes, 1 << enum probe_id each, that it is read for now. */
uint32_t tasks_parts(const struct tasks *t, const struct probe *probes);
/* Opens a pass for walk.h; -ENOENT: nobody needs one now; or -errno. */
int tasks_pass(const struct tasks *t, const struct probe *probes);
void tasks_close(struct tasks *t);
/*
 * Does a pass see the tasks of the whole node, and not of a PID namespace of the
 * agent's only? true also where that cannot be told.
 */
bool tasks_of_node(void);
#define TASKS_OWN_NAMESPACE                                                      \
	"a PID namespace of its own: tasks and sockets that are older than the " \
	"agent are not known, those of new tasks are (hostPID in Kubernetes, "   \
	"--pid=host elsewhere)"

#endif
