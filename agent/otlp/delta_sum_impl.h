/* SPDX-License-Identifier: Apache-2.0 */
/* What the files delta_*.c have in common, and nobody else knows. */
#ifndef DELTA_SUM_IMPL_H
#define DELTA_SUM_IMPL_H

#include "otlp/delta_sum.h"
#include "otlp/scan.h"

/* One series. Batches have numbers, from 1 on. */
struct sum_series {
	struct sum_series *next; /* of its metric */
	struct sum_metric *metric;
	struct scan raw;	  /* fields of its attributes, without the error */
	struct frame_attrs attrs; /* of DELTA_FRAME */
	uint64_t seen;		  /* the latest batch that has it; 0: none */
	uint64_t start_ns;
	struct metric_error error;
	bool real;
	uint16_t first, end; /* of buckets that have anything: from .. to before */
	union {
		uint64_t i;
		double d;
		struct hist *hist;
	};
};

/* A metric of one resource. In lists, `at` is behind what was met last. */
struct sum_metric {
	struct sum_metric *next; /* of its resource */
	struct scan name, unit;	 /* copies, with a 0 behind them */
	enum metric_kind kind;
	bool is_state; /* see frame_is_state() */
	struct sum_series *first, *last, *at;
};

struct sum_resource {
	struct sum_resource *next;
	struct scan raw; /* the message */
	uint64_t hash;
	struct frame_attrs attrs; /* of DELTA_FRAME */
	struct sum_metric *first, *last, *at;
	uint64_t seen;	  /* as of a series */
	uint64_t before;  /* 0: it was added; else: in the so-manieth batch before */
	uint64_t time_ns; /* of its newest point */
	size_t series;
};

/* What a batch has of one series, before it is added; NULL: of its resource. */
struct met {
	struct sum_series *series;
	struct sum_resource *resource;
	uint64_t start_ns, time_ns;
	union {
		uint64_t i; /* of a histogram: its sum, ns */
		double d;
	};
	uint64_t zero;	     /* of a histogram: the count of its bucket 0 */
	struct scan buckets; /* the others */
	const struct metric_error *error; /* NULL: it is exact */
};

struct delta_sum {
	enum delta_use use;
	const char *const *only;
	struct arena arena;
	struct arena scratch; /* for the batch in hand */
	struct sum_resource **table;
	size_t room; /* of the table, a power of 2 */
	size_t resources;
	struct sum_resource *first, *last, *at;
	uint64_t batch;	  /* the number of the latest */
	uint64_t since;	  /* the latest one before this beginning */
	uint64_t carried; /* the first one that tells how things were; 0: none does */
	uint64_t states;  /* the latest one with states of probes */
	uint64_t before;  /* how many were of the time before */
	uint64_t time_ns;
	uint64_t steps; /* that looking for series may take yet, in this batch */
	struct met *met;
	size_t met_count, met_room;
	/* what has series, and those, in a frame's order, when there were so many */
	struct sum_resource **sorted;
	struct sum_series **order;
	size_t sorted_count, sorted_series;
	size_t series;
};

/* Copies bytes into the sum, with a 0 behind them. at NULL: no memory. */
struct scan delta_copy(struct delta_sum *s, struct scan from);
/* Looks through a batch: s->met is what it has. -EINVAL, -ENOMEM. */
int delta_parse(struct delta_sum *s, struct scan in);
/* What of the sum knows a resource, a metric, a series; a new one if need be. -ENOMEM,
 * -EINVAL. */
int delta_find_resource(struct delta_sum *s, struct scan raw,
			struct sum_resource **out);
int delta_find_metric(struct delta_sum *s, struct sum_resource *r, struct scan name,
		      struct scan unit, enum metric_kind kind, struct sum_metric **out);
int delta_find_series(struct delta_sum *s, struct sum_resource *r, struct sum_metric *m,
		      struct scan raw, bool real, struct sum_series **out);
/*
 * Adds the buckets of a field `positive` to `into`, or counts them if that is NULL;
 * first and end become those that are among them. -EINVAL.
 */
int delta_buckets(struct scan in, uint64_t *into, uint64_t *count, uint16_t *first,
		  uint16_t *end);
/* What a histogram has besides its buckets: of the shape that all of ours have. */
struct delta_shape {
	uint64_t count, scale;
	double sum, threshold;
	struct scan negative;
};
/* Is it of that shape, and are its buckets and its count one? Sets m->i. -EINVAL. */
int delta_check_hist(enum delta_use use, const struct delta_shape *h, struct met *m);
/*
 * Is that point just as our encoder makes one of this series? Then what it has is in m;
 * else m is undefined. m is zeroed before.
 */
bool delta_expected_number(struct scan in, const struct sum_series *t, struct met *m);
bool delta_expected_hist(enum delta_use use, struct scan in, const struct sum_series *t,
			 struct met *m);
/*
 * How many batches before the sum is what is told of a resource; 0: it is of the sum;
 * UINT64_MAX: nothing is told.
 */
uint64_t delta_before(const struct delta_sum *s, const struct sum_resource *r);
/* Is there anything in it to be told? */
bool delta_is_told(const struct delta_sum *s, const struct sum_resource *r,
		   const struct sum_series *t);

#endif
