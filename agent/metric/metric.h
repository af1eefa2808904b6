/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we export: the metric table, and points in memory.
 *
 * One direction: snapshot.c adds cells up into workloads, metrics.c makes points of
 * them by the table, otlp.c makes bytes of the points. The command line reads those
 * same bytes back (frame.c), so it shows what the backend gets.
 */
#ifndef METRIC_H
#define METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/buckets.h"

struct sparse;

#define METRIC_ATTRS 3

enum metric_kind {
	METRIC_HISTOGRAM, /* exponential histogram of seconds */
	METRIC_SUM,	  /* monotonic, cumulative */
	METRIC_UPDOWN,	  /* a sum that goes down too */
	METRIC_GAUGE,
};

/* What the outside sees of a metric; rows of the tables in metric_rows.c and self.c. */
struct metric {
	const char *name, *unit, *help;
	enum metric_kind kind;
	bool real; /* the value is a double, else a uint64_t */
	const char *attrs[METRIC_ATTRS + 1]; /* keys, NULL at the end */
};

/* A histogram: cell buckets of buckets.h. The count is the sum of the buckets. */
struct hist {
	uint64_t sum_ns;
	uint64_t buckets[BUCKET_COUNT];
};

uint64_t hist_count(const struct hist *h);

/*
 * Some metrics, as bits of a hash of where they are: one that is none of them may seem
 * to be. For whom that costs time alone: points of one metric mostly follow one
 * another, and who knows that none came elsewhere need not look for them.
 */
struct metric_set {
	uint64_t bits[8];
};

static inline unsigned int metric_set_at(const struct metric *m)
{
	return (unsigned int)((uintptr_t)m * 0x9e3779b97f4a7c15ULL >> 55);
}

static inline bool metric_set_may_have(const struct metric_set *s,
				       const struct metric *m)
{
	unsigned int at = metric_set_at(m);

	return s->bits[at / 64] >> at % 64 & 1;
}

static inline void metric_set_add(struct metric_set *s, const struct metric *m)
{
	unsigned int at = metric_set_at(m);

	s->bits[at / 64] |= 1ULL << at % 64;
}

/*
 * How far an estimate may be off: variances of which the larger one counts, and events
 * that no window has seen yet (reading/estimate.h). All 0: it is exact. Only who asks
 * at the socket is told.
 */
struct metric_error {
	double noise, change, outstanding;
};

/* That of both together. */
static inline void metric_error_add(struct metric_error *into,
				    const struct metric_error *e)
{
	into->noise += e->noise;
	into->change += e->change;
	into->outstanding += e->outstanding;
}

/* In place of an attribute's value: there is no such series (struct metric_row.basic).
 */
extern const char metric_left_out[];

/* The attribute of a point that has it, as three numbers with commas between. */
#define METRIC_ERROR_KEY "assay.estimate"

/* One point. Strings are borrowed; values[i] belongs to metric->attrs[i], NULL: absent.
 */
struct point {
	const struct metric *metric;
	const char *values[METRIC_ATTRS];
	uint64_t start_ns; /* boot time; 0 for gauges */
	bool ended;	   /* the series is over: reported once more, without a value */
	bool overflow;	   /* it carries otel.metric.overflow = true */
	bool lasting;	   /* its values are of the tables: they stay where they are */
	uint8_t row;	   /* the metric's number among those of workloads */
	uint8_t *set;	   /* enum set_state, the workload's; NULL: of no interest */
	struct metric_error error;
	union {
		const struct sparse *hist; /* of any width */
		uint64_t u;
		double d;
	};
};

enum attr_kind {
	ATTR_TEXT,
	ATTR_NUMBER, /* of a resource only */
	ATTR_LIST,   /* a list of one string; of a resource only */
};

/* One attribute. */
struct attr {
	const char *key, *value;
	enum attr_kind kind;
	int64_t number; /* ATTR_NUMBER: in the place of value */
};

/* The points of one resource: a workload, or the agent itself. */
struct point_group {
	struct attr *attrs;
	size_t attr_count, attr_room;
	char **texts; /* strings of its own, see points_text() */
	size_t text_count, text_room;
	bool incomplete;	  /* there was no memory for an attribute */
	const struct attr *extra; /* more of them, borrowed: those of every group */
	size_t extra_count;
	uint64_t earlier_ns; /* its points are of so long before the reading */
	bool overflow;	     /* every point carries otel.metric.overflow = true */
	bool unlimited;	     /* its sets are not counted, see metric/cap.h */
	uint64_t serial;     /* grows from group to group, see struct otlp_batch */
	struct point *points;
	size_t count, room;
	struct sparse **merged; /* histograms of its own, see points_merge() */
	size_t merged_count, merged_room;
};

/* All that one export says. */
struct points {
	uint64_t time_ns; /* boot time of the reading */
	int64_t wall_ns;  /* what makes a wall time of a boot time (wall.h) */
	uint64_t number;  /* of the export; 0: it is none */
	bool delta;	  /* sums and histograms are what came since their starts */
	struct point_group *groups;
	size_t count, room;
};

/* A new group; the pointer holds until the next call. NULL: no memory. */
struct point_group *points_group(struct points *p);
/* A new point of a group, zeroed but for the metric. NULL: no memory. */
struct point *points_add(struct point_group *g, const struct metric *m);
/*
 * A point of a metric with at most one attribute, whose value lives as long as the
 * points do (NULL: absent); start_ns is 0 for gauges. -ENOMEM.
 */
int points_add_u(struct point_group *g, const struct metric *m, const char *value,
		 uint64_t start_ns, uint64_t n);
int points_add_d(struct point_group *g, const struct metric *m, const char *value,
		 uint64_t start_ns, double d);
/*
 * Adds an attribute to the resource; no effect when value is NULL or empty. Without
 * memory the group is incomplete, which who encodes it looks at.
 */
void points_attr(struct point_group *g, const char *key, const char *value);
void points_attr_number(struct point_group *g, const char *key, int64_t number);
/* The same as a list with this as its only member. */
void points_attr_list(struct point_group *g, const char *key, const char *value);
/* Has the resource this attribute? The ones of every group count, too. */
bool points_has_attr(const struct point_group *g, const char *key);
/*
 * Makes a string that lives as long as the group's points, for points_attr(). NULL: no
 * memory, and the group is incomplete.
 */
const char *points_text(struct point_group *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * Makes one point of those that have the same metric and attributes: two values can
 * have one name (errnos without a name, devices behind one another), and a backend
 * takes one of two such points, or refuses both. Sums and histograms add up, of gauges
 * the largest stays. Call it when all points of a group are there. -ENOMEM.
 */
int points_merge(struct point_group *g);
/* Forgets all groups; what is said of all points stays. */
void points_clear(struct points *p);
/* Frees what points_group and points_add made. */
void points_fini(struct points *p);

#endif
