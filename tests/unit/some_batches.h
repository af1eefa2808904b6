/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of differences as chance makes them: series come, stay away, and come again.
 */
#ifndef SOME_BATCHES_H
#define SOME_BATCHES_H

#include "fake_frame.h"
#include "base/util.h"

static const struct metric calls = { "test.calls", "{call}", "Calls.", METRIC_SUM,
				     .attrs = { "class", "error.type" } };
static const struct metric seconds = { "test.seconds", "s",
				       "Seconds.",     METRIC_SUM,
				       .real = true,   .attrs = { "class" } };
static const struct metric took = { "test.took", "s", "Time.", METRIC_HISTOGRAM,
				    .attrs = { "class" } };
static const struct metric memory = { "test.memory", "By", "Memory.", METRIC_UPDOWN };
static const struct metric age = { "test.age",	 "s",	       "Age.",
				   METRIC_GAUGE, .real = true, .attrs = { "class" } };
static const struct metric attached = { "assay.probe.attached", "", "", METRIC_GAUGE,
					.attrs = { "assay.probe", "assay.state" } };
static const char *const classes[] = { "a", "bb", "caf\303\251", "", "e" };

static uint64_t seed;

static inline uint64_t random_below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static inline const struct sparse *random_hist(void)
{
	struct hist h = { 0 };

	for (uint64_t n = 1 + random_below(9); n--;) {
		uint64_t b =
		    random_below(3) ? 40 + random_below(9) : random_below(BUCKET_COUNT);

		h.buckets[b] += 1 + random_below(300);
		h.sum_ns += random_below(1ULL << 40);
	}
	return sparse_of(&h);
}

static inline struct point *add_point(struct point_group *g, const struct metric *m,
				      uint64_t now)
{
	struct point *p = points_add(g, m);

	p->start_ns = m->kind == METRIC_GAUGE ? 0 : now - 10 * SECOND;
	p->values[0] = m->attrs[0] ? classes[random_below(COUNT(classes))] : NULL;
	if (m->real)
		p->d = (double)random_below(1000) / 8; /* sums of these are exact */
	else
		p->u = random_below(1000);
	return p;
}

/* Some series of a workload, each of them once. */
static inline void add_some(struct point_group *g, uint64_t now)
{
	static const struct metric *const all[] = { &memory, &seconds, &calls,
						    &took,   &age,     &calls,
						    &calls,  &took,    &seconds };

	for (size_t i = 0; i < COUNT(all); i++) {
		struct point *p;

		if (!random_below(3))
			continue;
		p = add_point(g, all[i], now);
		if (p->metric == &calls && random_below(2))
			p->values[1] = "ENOENT";
		p->overflow = !random_below(7);
		if (p->metric == &took)
			p->hist = random_hist();
		if (p->metric->kind != METRIC_GAUGE && !random_below(4))
			p->error = (struct metric_error){ 1 + random_below(9),
							  random_below(9), -3.5 };
		for (size_t k = 0; k + 1 < g->count; k++)
			if (g->points[k].metric == p->metric &&
			    g->points[k].overflow == p->overflow &&
			    g->points[k].values[0] == p->values[0] &&
			    g->points[k].values[1] == p->values[1]) {
				g->count--;
				break;
			}
	}
}

static inline void name_group(struct point_group *g, unsigned int i)
{
	points_attr(g, "host.name", "node-of-test");
	points_attr(g, "process.linux.cgroup", points_text(g, "/pod%u", i));
	points_attr_number(g, "number", i);
	points_attr_list(g, "list", i % 2 ? "one" : "other");
}

struct batch {
	uint8_t *bytes;
	size_t len;
};

static inline struct batch encoded(struct points *p)
{
	struct batch b;

	assert_int_equal(encode_all(p, &b.bytes, &b.len), 0);
	points_fini(p);
	return b;
}

/* The k-th: some workloads, in nearly the same order, and what states probes are in. */
static inline struct batch random_batch(unsigned int k)
{
	struct points p = { .delta = true, .time_ns = (100 + 10 * k) * SECOND };
	struct point_group *g;

	for (unsigned int i = 0; i < 9; i++) {
		if (!random_below(4))
			continue;
		g = points_group(&p);
		name_group(g, (i + (random_below(5) == 0)) % 9);
		add_some(g, p.time_ns);
	}
	g = points_group(&p);
	points_attr(g, "service.name", "assay");
	if (random_below(2)) {
		struct point *s = points_add(g, &attached);

		s->values[0] = "tcp";
		s->values[1] = random_below(2) ? "off" : "attached";
		s->u = 1;
	}
	return encoded(&p);
}

#endif
