/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two numbers differ by more than chance makes them: how likely a difference
 * like this, or a greater one, would be if nothing had changed (p). Pure functions.
 *
 * Counts of independent events vary as Poisson's law says. Real loads come in bursts:
 * the variance of their counts is several times that. This factor (dispersion, 1 at
 * least) is taken from how much the steps of each time differ from each other, singly
 * and several together, and all tests go by counts divided by it. Few steps tell it
 * badly, and so the tests of many events are Student's.
 */
#ifndef SIGNIFICANCE_H
#define SIGNIFICANCE_H

#include <stddef.h>
#include "metric/metric.h"

/*
 * Counts of a time, by steps, and what they are of: seconds, for a rate; or tries, for
 * a share (how many of all requests took longer than so much).
 */
struct counts {
	const double *count, *of;
	size_t steps;
};

struct variation {
	double dispersion;
	double freedom; /* values that it is taken from; INFINITY: it is known */
};

/* That of two times together. Where steps are few it is rather too great. */
struct variation significance_variation(const struct counts *a, const struct counts *b);
/* p of n1 and n2 in so many seconds, or of so many tries. */
double significance_rate(double n1, double of1, double n2, double of2,
			 struct variation v);
/* p of a value of Student's distribution, both sides. */
double significance_student(double t, double freedom);
/* The same of two times, with their own dispersion. */
double significance_counts(const struct counts *a, const struct counts *b);
/* Values that something had, step by step. */
struct levels {
	const double *value;
	size_t steps;
};

double significance_mean(const struct levels *l);
/*
 * p of the means of two times. Values of neighbouring steps are much alike, so there
 * are fewer independent ones than steps: of what drifts as it likes there are next to
 * none, and no p is small. 1 where there are fewer than LEVELS_LEAST steps.
 */
#define LEVELS_LEAST 8
double significance_levels(const struct levels *a, const struct levels *b);
/*
 * Which of many are to be believed, so that of these no more than a share `false_share`
 * is chance (Benjamini and Hochberg): those whose p is at most what this returns. p is
 * sorted, the least first.
 */
double significance_limit(const double *p, size_t count, double false_share);

#endif
