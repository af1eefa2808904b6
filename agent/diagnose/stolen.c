// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "diagnose/stolen.h"

#define TOLD 3 /* CPUs */
#define CPU  "cpu.logical_number"

/* What was taken of the CPU that a series is of, s per s; 0: of none. */
static double taken_of(const struct facts *node, const struct frame_series *s)
{
	const char *metric = inputs[IN_NODE_STEAL_WORST].metric;

	return strcmp(s->name, metric) || !frame_attr(&s->attrs, CPU)
		   ? 0
		   : facts_series(s) / facts_time(node, metric);
}

/* The same before; NAN: there is no baseline. What lost nothing is not told of. */
static double taken_before(const struct look *l, const char *cpu)
{
	const struct facts *before = l->node_before;

	if (!before)
		return NAN;
	for (size_t i = before->first; i < before->end; i++) {
		const struct frame_series *s = &before->frame->series[i];

		if (taken_of(before, s) > 0 && !strcmp(frame_attr(&s->attrs, CPU), cpu))
			return taken_of(before, s);
	}
	return 0;
}

/* Does x come after y? By what was taken, then by their order. */
static bool is_after(const struct facts *node, const struct frame_series *x,
		     const struct frame_series *y)
{
	double a = taken_of(node, x), b = y ? taken_of(node, y) : INFINITY;

	return a < b || (a == b && x > y);
}

/* The CPU that lost most, of those after another one (NULL: of all); NULL: none. */
static const struct frame_series *next_of(const struct facts *node,
					  const struct frame_series *last, double least)
{
	const struct frame_series *most = NULL;

	for (size_t i = node->first; i < node->end; i++) {
		const struct frame_series *s = &node->frame->series[i];

		if (taken_of(node, s) >= least && is_after(node, s, last) &&
		    (!most || is_after(node, most, s)))
			most = s;
	}
	return most;
}

void stolen_see(const struct look *l, struct finding *f, double least)
{
	const struct frame_series *s = NULL;

	for (size_t i = 0; i < TOLD && (s = next_of(l->node, s, least)); i++) {
		struct evidence *e =
		    see_own(f, IN_NODE_STEAL_WORST, "was taken of the CPU", "1",
			    taken_of(l->node, s), UNBOUND);

		e->key = CPU;
		e->value = frame_attr(&s->attrs, CPU);
		e->stat = "rate";
		e->baseline = taken_before(l, e->value);
		name_evidence(e, e->value);
	}
}
