// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/random.h"
#include "reading/estimate.h"

void estimate_cut(struct window_span *w, uint32_t one_in)
{
	if (w->stands_ns / w->open_ns >= 2ULL * one_in)
		w->stands_ns = w->open_ns * 2 * one_in;
}

double estimate_weight(const struct window_span *w, double duration_ns)
{
	if (duration_ns * 2 > w->open_ns)
		return 0;
	return w->stands_ns / (w->open_ns - duration_ns);
}

uint64_t estimate_round(double x, uint64_t *random)
{
	double whole = floor(x);

	return (uint64_t)whole + (random_unit(random) < x - whole);
}

/* The variance of n events that count for `weight` each: of those that were not seen.
 */
static void note(struct estimate *e, uint64_t n, double weight)
{
	e->seen += n;
	e->noise += weight * (weight - 1) * n;
}

uint64_t estimate_count(uint64_t n, const struct window_span *w, struct estimate *e,
			uint64_t *random)
{
	double weight = estimate_weight(w, 0);

	note(e, n, weight);
	return estimate_round(n * weight, random);
}

/* The upper bound of a bucket, in ns. */
static double bound_of(int bucket)
{
	return exp2((double)(BUCKET_OTLP_MIN + bucket) / BUCKET_PER_2) * 1e9;
}

/* The mean duration in a bucket, if all are as likely there. */
static double middle_of(int bucket)
{
	return bucket ? (bound_of(bucket) + bound_of(bucket - 1)) / 2 : 0;
}

/* The sum of what is not in the zero bucket, if each is in the middle of its bucket. */
static double sum_by_middles(const uint64_t buckets[BUCKET_COUNT])
{
	double sum = 0;

	for (int i = 1; i < BUCKET_COUNT; i++)
		if (buckets[i])
			sum += buckets[i] * middle_of(i);
	return sum;
}

void estimate_hist(uint64_t buckets[BUCKET_COUNT], uint64_t *sum_ns, bool by_duration,
		   const struct window_span *w, struct estimate *e, uint64_t *random)
{
	double above = sum_by_middles(buckets), sum = 0;
	/* what the middles do not explain is the zero bucket's, as far as it can be */
	double zero = fmin(fmax(*sum_ns - above, 0), buckets[0] * bound_of(0));
	double scale = above > 0 ? fmax(*sum_ns - zero, 0) / above : 0;

	for (int i = 0; i < BUCKET_COUNT; i++) {
		uint64_t n = buckets[i];
		double weight;

		if (!n)
			continue;
		weight = estimate_weight(w, by_duration && i ? bound_of(i) : 0);
		if (weight > 0 && by_duration)
			weight = estimate_weight(w, middle_of(i));
		sum += weight * (i ? n * middle_of(i) * scale : zero);
		if (weight > 0)
			note(e, n, weight);
		buckets[i] = estimate_round(n * weight, random);
	}
	*sum_ns = (uint64_t)sum;
}

void estimate_end(struct estimate *e, const struct window_span *w)
{
	double rate = (double)e->seen / w->open_ns, step = rate - e->rate;
	double stands = w->stands_ns, seen_part = w->open_ns / stands;

	/*
	 * Two neighbours differ by twice the variance of one; what was seen is known.
	 * The first window in which there was anything has no neighbour.
	 */
	if (e->has_rate)
		e->change += step * step / 2 * stands * stands * (1 - seen_part);
	e->rate = (float)rate;
	e->has_rate = true;
	e->seen = 0;
}

void estimate_age(struct estimate *e, uint64_t since_ns)
{
	e->outstanding = e->rate * (float)since_ns;
}

void estimate_add(struct estimate *into, const struct estimate *e)
{
	into->noise += e->noise;
	into->change += e->change;
	into->rate += e->rate;
	into->outstanding += e->outstanding;
	into->seen += e->seen;
}

double estimate_error(double noise, double change, double outstanding)
{
	return sqrt(fmax(noise, change) + outstanding * outstanding);
}
