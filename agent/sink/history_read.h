/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node remembers: readings that an agent has kept (history.h), by time. A file
 * is read by any number of processes while an agent writes it, also one that has been
 * copied from another machine.
 */
#ifndef HISTORY_READ_H
#define HISTORY_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "otlp/frame.h"

struct history_reader;

/* A piece of time, wall clock: from one reading to another. */
struct history_span {
	uint64_t since_ns, until_ns;
	uint64_t covered_ns; /* of what was got: without gaps */
};

/*
 * Opens the file at path for reading. It changes nothing that is kept. Returns 0 or
 * -errno with one line in cause: -ENOENT (no agent has kept anything there), -EINVAL
 * (not a history of assay's, or of a version that this program cannot read).
 */
int history_reader_open(const char *path, struct history_reader **out, char *cause,
			size_t len);
/* From when to when anything is kept. -ENODATA: nothing is. */
int history_reader_range(struct history_reader *r, struct history_span *out);
/* How many readings there are, merged ones too. */
size_t history_reader_count(const struct history_reader *r);
/*
 * What happened in a piece of time: sums and histograms are differences, gauges and
 * up-down sums the newest values in it. Kept steps are whole, so `got` says what the
 * numbers are of: all steps that lie in `asked`, and of those that lie there in part
 * the ones of which at least half does. The frame is the caller's. -ENODATA: nothing is
 * kept of then; cause says from when on there is.
 */
int history_reader_frame(struct history_reader *r, const struct history_span *asked,
			 struct frame **out, struct history_span *got, char *cause,
			 size_t len);
/*
 * The same in steps of step_ns, oldest first: fn is called once for each that something
 * is kept of, and may keep nothing of the frame. Ends at the first that does not return
 * 0, and returns that.
 */
typedef int (*history_step_fn)(void *arg, const struct frame *f,
			       const struct history_span *got);
int history_reader_each(struct history_reader *r, const struct history_span *asked,
			uint64_t step_ns, history_step_fn fn, void *arg, char *cause,
			size_t len);
/*
 * The same of each reading, where some of those looked at before are damaged: for such
 * a one and those of its minute there is one step of all of these, if they were added
 * up before, else f is NULL, and nobody knows what was in it.
 */
int history_reader_rows(struct history_reader *r, const struct history_span *asked,
			history_step_fn fn, void *arg, char *cause, size_t len);
/*
 * What is read from then on has these metrics only: names, NULL at the end, which are
 * borrowed; NULL: all of them. Workloads are all there: who has none of these metrics
 * has some other one.
 */
void history_reader_only(struct history_reader *r, const char *const *metrics);
/* What is noted of its node, as a terminal may see it: "host.name", "kernel.release",
 * "cpus". "": nothing. */
void history_reader_fact(struct history_reader *r, const char *key, char *out,
			 size_t len);
/* What history_save() has copied. */
struct history_copied {
	size_t readings, damaged; /* damaged: left out */
	size_t in_minutes;	  /* damaged: but their minutes were added up */
	bool more_damaged;	  /* nobody knows how many more are lost */
	bool facts_damaged;	  /* what is noted of the node is not there */
	struct history_span range;
	char host[256]; /* what the node is called, visible; "": nobody says */
};

/*
 * Copies the history at path into a new file, which is whole by itself, or is not
 * there: with the facts of its node, and now_ns as the time of the copy. -EEXIST; else
 * as history_reader_open().
 */
int history_save(const char *path, const char *to, uint64_t now_ns,
		 struct history_copied *out, char *cause, size_t len);
/* How many rows were unpacked so far: what looking back costs goes by that. */
size_t history_reader_unpacked(const struct history_reader *r);
/* How many readings could not be read so far, as they are damaged. */
size_t history_reader_damaged(const struct history_reader *r);

/* What of a time could not be read so far, and was left out. */
struct history_damage {
	size_t readings;
	uint64_t ns;  /* of the time */
	bool unknown; /* more of the file may be missing: of any time */
	bool facts;   /* what is noted of the node cannot be read */
};

void history_reader_damage(const struct history_reader *r,
			   const struct history_span *time, struct history_damage *out);
/* Closes; NULL is fine. */
void history_reader_close(struct history_reader *r);

#endif
