/* SPDX-License-Identifier: Apache-2.0 */
/* Which workloads of a frame a person means who writes a name, or a part of one. */
#ifndef PICK_H
#define PICK_H

#include <stdbool.h>
#include <stddef.h>
#include "otlp/frame.h"

/*
 * Fills out with the resources of at most max workloads that text means, in the frame's
 * order, and returns how many there are, which may be more. Whoever has text as its
 * whole name, pod's name or cgroup path hides all others; else it is those in whose
 * name, or cgroup path, it stands ("*" and "?" as in file names). A name is also what
 * tables show of it (text_copy()). NULL means all.
 */
size_t pick_workloads(const struct frame *f, const char *text,
		      const struct frame_attrs **out, size_t max);
/*
 * The same of metrics, by the tables that exports are made by: fills out with the names
 * of at most max that text means, and returns how many there are. The whole name, also
 * without its "assay.", hides those in which text stands only. Only histograms, if only
 * they will do.
 */
size_t pick_metrics(const char *text, bool histograms, const char **out, size_t max);

/* The workload that the kernel's own threads are; NULL: they did nothing. */
const struct frame_attrs *pick_kernel(const struct frame *f);
/* The workload whose cgroup path it is; NULL: nobody's. */
const struct frame_attrs *pick_cgroup(const struct frame *f, const char *path);
/* What the workload of a cgroup path is called: in the frame, else by its path. */
void pick_name(const struct frame *f, const char *path, char *out, size_t len);
/* The one workload whose path ends like this; NULL: there is none, or several. */
const struct frame_attrs *pick_end(const struct frame *f, const char *end);

#endif
