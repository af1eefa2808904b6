/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metric tables, and points from workloads by them. A new metric is one row of
 * NAME_rows.c.
 */
#ifndef METRICS_H
#define METRICS_H

#include "metric/metric.h"
#include "reading/snapshot.h"

enum metric_source {
	FROM_HIST,	       /* a histogram signal: one point per value */
	FROM_LANE,	       /* lanes of a counter signal */
	FROM_OPEN,	       /* counters or histograms with an open attribute */
	FROM_OPEN_CONNECTIONS, /* opened + existing - closed */
	FROM_CULPRITS,	       /* whom tasks waited for */
	FROM_INFLIGHT,	       /* the oldest of what is under way */
	FROM_USAGE,	       /* files of the cgroup: one point per value */
};

#define METRIC_LANES 3

/* What points are made for: bits. */
enum metrics_use {
	METRICS_READ = 0,   /* somebody on the node: all that there is, as values */
	METRICS_EXPORT = 1, /* ends of series are told, few culprits have a name */
	METRICS_BASIC = 2,  /* only the series of --series basic */
};

/* Where a metric's points come from. */
struct metric_row {
	struct metric metric;
	enum metric_source source;
	/* enum signal; FROM_OPEN: the first enum open_signal, FROM_USAGE: usage_value
	 */
	unsigned int signal;
	/* attribute value of each value of the signal; NULL: the attribute is absent */
	const char *const *values;
	unsigned int value_count;
	/*
	 * --series basic: the same, where values of one name are one series; NULL: as
	 * they are. A metric that is a detail is not there at all.
	 */
	const char *const *basic;
	bool detail;
	bool local; /* for who is on the node: the socket, the history; no export */
	struct {
		unsigned int lane;
		const char *value; /* attribute of the lane; it comes last */
	} lanes[METRIC_LANES];
	unsigned int lane_count;
	/* FROM_OPEN: the text of an open value; buf: struct open_total.name */
	const char *(*open_name)(uint32_t attr, char *buf, size_t len);
	/* for the reference (docs/metrics.md) */
	const char *open_text;	 /* what the open values are */
	const char *signal_name; /* golden signal */
	const char *source_text; /* the kernel facts it rests on */
	const char *blind_text;	 /* what it does not see */
};

/* The values of assay.operation, by enum inflight. */
extern const char *const inflight_names[INFLIGHT_COUNT];

#define VALUES(names) .values = (names), .value_count = COUNT(names)

/* The rows of one subject, in NAME_rows.c. */
struct metric_table {
	const struct metric_row *rows;
	size_t count;
	size_t probe; /* that counts them; PROBE_COUNT: none does */
};

/*
 * All of them: the NAME of each NAME_rows.c, in the order of the reference; those that
 * read the files of a cgroup come last.
 */
#define METRIC_TABLES(X) \
	X(sched)         \
	X(syscall)       \
	X(tcp)           \
	X(dns)           \
	X(block)         \
	X(memory)        \
	X(inflight)      \
	X(cgroup)

#define METRIC_TABLE(name) extern const struct metric_table name##_rows;
METRIC_TABLES(METRIC_TABLE)
#undef METRIC_TABLE

extern const struct metric_table *const metric_tables[];
extern const size_t metric_table_count;

/* Adds the points of a workload: enum metrics_use. -ENOMEM. */
int metrics_add(struct point_group *g, struct workload *w, unsigned int use);
/* The probe whose windows make estimates of a row's numbers; PROBE_COUNT: none does. */
size_t metrics_windowed(const struct metric_row *r);
/* Where probes run in windows: what of a row's events is seen in these only? */
enum metrics_exactness { METRICS_EXACT, METRICS_PARTLY, METRICS_ESTIMATED };
enum metrics_exactness metrics_exactness(const struct metric_row *r);
/*
 * The probe that counts a metric, PROBE_COUNT: none does (the agent's own, too);
 * windowed: of what it counts in windows, if it runs in windows.
 */
size_t metrics_probe(const char *name, bool *windowed);
/* How many series of a workload the row has that are fixed, of all WORKLOAD_SETS. */
unsigned int metrics_sets(const struct metric_row *r);
/* Rows in all tables, at most. */
#define METRIC_ROWS 64

#endif
