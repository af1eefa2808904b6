/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export read back: what the command line shows is what the backend gets.
 *
 * A frame owns everything that is reached from it. Its series are sorted by resource,
 * then metric name, then attributes, so the series of one workload stand together and
 * their `resource` pointers are equal.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "metric/metric.h"

/* Attributes sorted by key; values that are no strings are written out ("true"). */
struct frame_attrs {
	struct attr *list;
	size_t count;
};

struct frame_series {
	const struct frame_attrs *resource;
	const char *name, *unit, *help;
	enum metric_kind kind;
	bool real; /* sums and gauges: d, else i */
	struct frame_attrs attrs;
	uint64_t start_ns; /* wall clock; 0 for gauges */
	struct metric_error error;
	union {
		struct hist *hist;
		int64_t i;
		double d;
	};
};

struct frame {
	uint64_t time_ns; /* wall clock of the newest point */
	struct frame_series *series;
	size_t count;
	size_t room;	    /* of series; 0: count */
	bool delta;	    /* sums and histograms are differences */
	struct arena arena; /* holds all this */
};

/*
 * Decodes one ExportMetricsServiceRequest, or several one after the other (which is
 * the same by protobuf's rules). The frame is the caller's to free. Returns -EINVAL
 * for bytes that are none of ours (so are names that are no UTF-8, and numbers that are
 * none), -EMSGSIZE for what takes far more memory than what an agent says, -ENOMEM.
 */
int frame_decode(const uint8_t *bytes, size_t len, struct frame **out);
/* The same of a batch whose sums and histograms are differences (points.delta). */
int frame_decode_delta(const uint8_t *bytes, size_t len, struct frame **out);
/* An empty frame of differences, that takes at most so many bytes. NULL: no memory. */
struct frame *frame_new(size_t limit);
/* Frees a frame; NULL is fine. */
void frame_free(struct frame *f);
/*
 * Makes all names and texts such as a terminal may see them (text_copy): for what is
 * printed for people, and nothing else. -ENOMEM.
 */
int frame_make_visible(struct frame *f);

/* The value of an attribute, or NULL. */
const char *frame_attr(const struct frame_attrs *a, const char *key);
/* Of a resource: assay.workload.kind, .name and process.linux.cgroup; "" if absent. */
const char *frame_kind(const struct frame_attrs *resource);
const char *frame_name(const struct frame_attrs *resource);
const char *frame_cgroup(const struct frame_attrs *resource);

/* Has it a series of this resource (of another frame)? */
bool frame_has(const struct frame *f, const struct frame_attrs *resource);
/* The series of this frame with the key of that one (of another frame), or NULL. */
struct frame_series *frame_find(const struct frame *f, const struct frame_series *key);
/*
 * The same of several keys in a frame's order, each behind the one before: it is looked
 * for from there on. The cursor is zeroed at first.
 */
struct frame_cursor {
	size_t at;
	const struct frame_attrs *a, *b; /* resources that are known to be the same */
};
struct frame_series *frame_find_next(const struct frame *f, struct frame_cursor *c,
				     const struct frame_series *key);
/*
 * Turns `after` into what happened between the two frames: histograms and sums become
 * differences; a series that is new, began later or went back counts from zero. Gauges
 * and up-down sums stay as they are. Times stay too.
 */
void frame_subtract(struct frame *after, const struct frame *before);

/*
 * Adds what happened in one series to another: its error, its counts if it is a
 * histogram, and an earlier start. The value of one that is none stays. Both are of one
 * kind.
 */
void frame_series_add(struct frame_series *into, const struct frame_series *s);
/*
 * Adds the differences of a later time: histograms and sums add up, with their errors;
 * of gauges and up-down sums the later value stays. Nothing of `from` is kept. -ENOMEM,
 * -EMSGSIZE: the frame would take more than it may, and has a part of it.
 */
int frame_add(struct frame *into, const struct frame *from);

#endif
