/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of a running probe (struct tune of bpf/cell.h), as words:
 * "PROBE KEY=VALUE KEY=VALUE". The command `assay tune` and the agent's socket speak
 * them; both parse strictly, with the same function.
 */
#ifndef TUNE_H
#define TUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "kernel/probe.h"

/* The parameters of a probe; a bit each, for probe_desc.tunes. */
enum tune_key {
	TUNE_ENABLED = 1,
	TUNE_SAMPLE = 2,
	TUNE_INFLIGHT = 4,
	TUNE_TIMEOUT = 8,
	TUNE_DUTY = 16,
	TUNE_WINDOW = 32,
};

#define TUNE_OFF_REASON "switched off by assay tune"

#define TUNE_ALL (-1) /* in place of a probe */

struct tune_change {
	int probe;	   /* enum probe_id or TUNE_ALL: nothing changes then */
	unsigned int keys; /* which of the values are set */
	bool enabled;
	uint32_t sample_log2;
	uint64_t inflight_ns, timeout_ns;
	uint32_t one_in;    /* for measure_set_duty(): tune_apply() leaves it alone */
	uint64_t window_ns; /* how long windows are */
};

/*
 * Parses the words, one space between two; NULL means all probes. Returns 0 or
 * -EINVAL with one line in cause that says what is wrong and what is allowed.
 */
int tune_parse(const char *words, struct tune_change *change, char *cause, size_t len);

/* The number that each probe was last switched on with, or its latest window had: none
 * is used twice. */
struct tuner {
	uint32_t latest[PROBE_COUNT];
};

/* The next number of a probe: for tune.enabled, or for a window. Never 0. */
uint32_t tune_number(struct tuner *t, const struct tunes *tunes, size_t probe);

/*
 * Changes the parameters of a probe while it runs; all or nothing. -ENODEV, with one
 * line in cause: the probe is not loaded.
 */
int tune_apply(struct tuner *t, const struct tune_change *change, struct tunes *tunes,
	       struct probe *probes, char *cause, size_t len);
/* Prints a line for the probe, or for each of them (TUNE_ALL). */
void tune_print(FILE *f, int probe, const struct tunes *tunes,
		const struct probe *probes);

#endif
