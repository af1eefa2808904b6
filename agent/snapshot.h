/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds the kernel's cells up into workloads, in 64 bits.
 *
 * Cells are never zeroed, neither by us nor by the kernel: for each we keep what it
 * was when we last looked, and add the difference to the workload that owns it now.
 * So the 32-bit buckets may wrap, and a cell may go to another owner, and no event is
 * lost or counted twice.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "cells.h"
#include "metric.h"
#include "usage.h"
#include "workload.h"

/* Values of all histogram, and of all counter signals: shards are folded. */
#define SNAPSHOT_HISTS	24
#define SNAPSHOT_COUNTS 8

struct open_total {
	uint32_t signal, attr; /* enum open_signal; errno, device or OPEN_OTHER */
	uint64_t value;
	struct hist *hist; /* of the signals from OPEN_HIST on, else NULL */
	char name[32];	   /* room for metrics.c to write the value's name */
};

#define CULPRIT_NAMES 32 /* per workload; the rest is _OTHER */

/* For how long somebody had the CPU that the workload's tasks waited for. */
struct culprit_total {
	char *name;	   /* its cgroup path, or the name of a workload without one */
	uint64_t start_ns; /* wall clock; 0: the workload's */
	uint64_t ns;
};

struct workload {
	struct workload_id id;
	char *path;	   /* cgroup v2 path, NULL when it has none */
	char *instance;	   /* service.instance.id, made by resource.c */
	uint64_t start_ns; /* wall clock: when its series begin */
	bool gone;	   /* its slots are free again: export once more, then drop */
	bool told;	   /* it was in an export */
	struct hist *hists[SNAPSHOT_HISTS]; /* NULL: no event yet */
	uint64_t counts[SNAPSHOT_COUNTS][LANES];
	struct open_total *opens;
	size_t open_count;
	struct culprit_total culprits[CULPRIT_NAMES + 1];
	size_t culprit_count;
	uint64_t inflight_ns[INFLIGHT_COUNT]; /* 0: nothing under way */
	struct usage usage;		      /* from the files of its cgroup */
};

struct snapshot;

/* The cells and cgroups are borrowed. */
int snapshot_open(struct cells *c, struct cgroups *g, struct snapshot **out);
/* Reads all cells. -ENOMEM: some differences wait for the next reading. */
int snapshot_read(struct snapshot *s);
/* Forgets what was under way: call before the walks that note it anew. */
void snapshot_clear_inflight(struct snapshot *s);
/*
 * Looks for cgroups that are gone: their slots go into quarantine; those that were in
 * quarantine at the last call are freed with their cells. Call after snapshot_read().
 * When there are too many workloads, those that are gone and were never exported are
 * added to the overflow. -errno: the kernel side could not be told.
 */
int snapshot_reap(struct snapshot *s);
/*
 * Have so many cgroups come since the latest reading that the next ones may find no
 * slot, or lose their names? Then read and reap before it is due.
 */
bool snapshot_is_pressed(const struct snapshot *s);
/*
 * Call after an export, before snapshot_reap(): all workloads are told now, and those
 * that are gone are dropped, also as culprits. Culprits that matter get places.
 */
void snapshot_drop(struct snapshot *s);
/* The workloads, and the wall clock of the latest reading. */
struct workload **snapshot_workloads(struct snapshot *s, size_t *count,
				     uint64_t *time_ns);
/* Slots in use now. */
uint32_t snapshot_slots(const struct snapshot *s);
void snapshot_close(struct snapshot *s);

/* Where a signal's value v is in hists[] or counts[]. */
size_t snapshot_index(enum signal signal, unsigned int v);
/* How many values a signal has. */
unsigned int snapshot_values(enum signal signal);

#endif
