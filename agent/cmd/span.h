/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which time a command looks at: --at, --since, --until and --last look into what the
 * node has kept (--history), or a copy of it (--from); without them it is now: a
 * running agent is asked, or the command measures by itself, for --duration.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "otlp/frame.h"
#include "sink/history_read.h"
#include "view/report.h"

struct options;
struct source;

struct span {
	bool live;
	struct history_span time; /* when it is not live, */
	const char *const *only;  /* and then history_reader_only() */
	const char *of; /* before what is said of it: "baseline: "; NULL: nothing */
};

/*
 * What the options say, at wall-clock time now_ns. -EINVAL with one line in cause, as
 * for a time that cannot be read, one to come, or two that contradict each other.
 */
int span_of(const struct options *o, uint64_t now_ns, struct span *out, char *cause,
	    size_t len);
/* Nothing of the past is asked for. */
bool span_is_live(const struct options *o);
/*
 * A moment as users write it: "2026-11-27T03:12:00Z", the same without seconds, zone
 * (then it is local) or date (then it is the latest such moment), "10m" for that
 * long ago, or "now", in ns of the wall clock. -EINVAL.
 */
int span_moment(const char *text, uint64_t now_ns, uint64_t *out_ns);
/*
 * The same of an end: a time without a date is the first from since_ns on (0: the
 * latest one). It may be to come.
 */
int span_moment_after(const char *text, uint64_t since_ns, uint64_t now_ns,
		      uint64_t *out_ns);

/*
 * From one moment to another, as users write it: "02:00..03:00", "10m..now". -EINVAL;
 * -ERANGE: the end is yet to come.
 */
int span_pair(const char *text, uint64_t now_ns, struct history_span *out);
/*
 * What relative times count from: now, or with --from the end of the copy. 0 or -errno
 * with one line in cause.
 */
int span_now(const struct options *o, uint64_t *now_ns, char *cause, size_t len);

struct taken {
	struct frame *frame; /* sums are differences; to be freed */
	double duration_s;   /* what the numbers are of, without gaps */
	struct history_span time;
	struct history_span kept; /* from_history: how far one can look back */
	struct report_host host;
	bool from_agent, from_history; /* neither: measured by the command itself */
};

/*
 * Takes the numbers of a span, from src when it is live. Returns 0 or -errno with one
 * line in cause.
 */
int span_take(struct source *src, const struct span *span, struct taken *out,
	      char *cause, size_t len);
/*
 * Says which probes were off for a part of a time that was looked back into, as when
 * they cost too much: else it would seem that nothing happened. of: as in struct span.
 */
void span_say_uncounted(const char *of, const struct frame *f, double covered_s);
/*
 * Says what of a time that was looked at is damaged, and in no number: so far. And
 * whether it is known what there was.
 */
void span_say_damaged(const char *of, const struct history_reader *r,
		      const struct history_span *time);
/* The first half of it, of a time; and the second, of the whole file. */
void span_say_left_out(const char *of, const struct history_reader *r,
		       const struct history_span *time);
void span_say_unknown(const char *of, const struct history_reader *r,
		      const struct history_span *time);
/*
 * Opens the history that the options name: --from, else --history. As
 * history_reader_open().
 */
int span_history(const struct options *o, struct history_reader **out, char *cause,
		 size_t len);

/* How far back one can look: "the history goes from ... to ...". */
void span_describe_range(const struct history_span *kept, char *text, size_t len);
/*
 * What was looked at, and that, in one line without its end: for people who look back.
 */
void span_describe(const struct history_span *time, const struct history_span *kept,
		   char *text, size_t len);

#endif
