// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "view/significance.h"

#define EXACT_MOST                                                        \
	60 /* events together, below which the law of great numbers fails \
	    */
/*
 * Dispersion, where there are too few steps to tell: that of events which come ten at a
 * time, at a rate that may be another by a third in the next time.
 */
#define UNKNOWN	      10.0
#define UNKNOWN_SHARE 0.1
#define FREEDOM_MANY  200 /* from here on Student's distribution is the normal one */
#define BLOCK	      4	  /* steps that are one, to see what varies slowly */
#define TAIL	      0.99
#define STILL	      0.001 /* share of itself by which what stands still may be off */

/* Sum of squares of how far blocks of steps are off, of what Poisson's law expects. */
static double squares(const struct counts *c, size_t block, double *freedom)
{
	double all = 0, of = 0, sum = 0;
	size_t blocks = 0;

	for (size_t i = 0; i < c->steps; i++) {
		all += c->count[i];
		of += c->of[i];
	}
	if (!(all > 0) || !(of > 0))
		return 0;
	for (size_t i = 0; i + block <= c->steps; i += block) {
		double n = 0, part = 0, expected;

		for (size_t k = i; k < i + block; k++) {
			n += c->count[k];
			part += c->of[k];
		}
		expected = all * part / of;
		if (!(expected > 0))
			continue;
		sum += (n - expected) * (n - expected) / expected;
		blocks++;
	}
	if (blocks < 2)
		return 0;
	*freedom += (double)(blocks - 1);
	return sum;
}

static double dispersion_of(const struct counts *a, const struct counts *b,
			    size_t block, double *freedom)
{
	double sum = 0;

	*freedom = 0;
	sum += squares(a, block, freedom);
	sum += squares(b, block, freedom);
	if (*freedom < 2)
		return -1;
	/* a variance of few values may well be too small */
	return sum / *freedom * (1 + 2 / sqrt(*freedom));
}

static double sum_of(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum;
}

struct variation significance_variation(const struct counts *a, const struct counts *b)
{
	struct variation v;
	double single = dispersion_of(a, b, 1, &v.freedom), of_blocks;
	double blocks = dispersion_of(a, b, BLOCK, &of_blocks);

	if (single < 0) {
		v.dispersion = UNKNOWN + UNKNOWN_SHARE * (sum_of(a->count, a->steps) +
							  sum_of(b->count, b->steps));
		v.freedom = INFINITY;
		return v;
	}
	v.dispersion = fmax(1, fmax(single, blocks));
	return v;
}

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* How likely it is that of n events, each with chance p, k or more (or fewer) come. */
static double binomial(double n, double k, double p, int up)
{
	double sum = 0;

	for (double i = up ? k : 0; i <= (up ? n : k); i++)
		sum += exp(log_choose(n, i) + i * log(p) + (n - i) * log1p(-p));
	return sum;
}

/* Both sides of the normal distribution. */
static double both_sides(double z)
{
	return erfc(fabs(z) / sqrt(2));
}

/* The series of Abramowitz and Stegun 26.7.3 and 26.7.4: 1 - p, of whole freedoms. */
double significance_student(double t, double freedom)
{
	double angle = atan(fabs(t) / sqrt(freedom)), cosine = cos(angle), term,
	       sum = 0;
	int n, odd;

	if (freedom >= FREEDOM_MANY)
		return both_sides(t);
	n = (int)freedom;
	odd = n % 2;
	term = odd ? cosine : 1;
	for (int i = odd + 2; i <= n; i += 2) {
		sum += term;
		term *= cosine * cosine * (i - 1) / i;
	}
	sum *= sin(angle);
	return fmax(0, 1 - (odd ? 2 / M_PI * (angle + sum) : sum));
}

double significance_rate(double n1, double of1, double n2, double of2,
			 struct variation v)
{
	double a = n1 / v.dispersion, b = n2 / v.dispersion, n, p, less, more;

	if (!(of1 > 0) || !(of2 > 0) || n1 + n2 <= 0)
		return 1;
	/* given how many there are together, how many are in the second time? */
	p = of2 / (of1 + of2);
	if (a + b >= EXACT_MOST)
		return significance_student(
		    (b - (a + b) * p) / sqrt((a + b) * p * (1 - p)), v.freedom);
	a = floor(a + 0.5);
	b = floor(b + 0.5);
	n = a + b;
	if (n < 1)
		return 1;
	less = binomial(n, b, p, 0);
	more = binomial(n, b, p, 1);
	return fmin(1, 2 * fmin(less, more));
}

double significance_counts(const struct counts *a, const struct counts *b)
{
	return significance_rate(sum_of(a->count, a->steps), sum_of(a->of, a->steps),
				 sum_of(b->count, b->steps), sum_of(b->of, b->steps),
				 significance_variation(a, b));
}

double significance_mean(const struct levels *l)
{
	return l->steps ? sum_of(l->value, l->steps) / (double)l->steps : 0;
}

/* What is known of a mean: its variance, and by how many independent values. */
struct known_mean {
	double mean, variance, values;
};

/*
 * Neighbours that are alike (their correlation r) make of n values n (1 - r) / (1 + r).
 * Few values show too small an r: by (1 + 3 r) / n (Kendall 1954), give or take
 * 1 / sqrt(n): it is taken to be as great as that allows.
 */
static struct known_mean know_mean(const struct levels *l)
{
	struct known_mean k = { .mean = significance_mean(l) };
	double n = (double)l->steps, squares = 0, products = 0, r, alike, least;

	for (size_t i = 0; i < l->steps; i++) {
		double off = l->value[i] - k.mean;

		squares += off * off;
		if (i)
			products += off * (l->value[i - 1] - k.mean);
	}
	r = squares > 0 ? products / squares : 0;
	r = fmin(fmax(r + (1 + 3 * r) / n + 1 / sqrt(n), 0), 0.99);
	if (!(squares > 0)) /* it does not move at all */
		r = 0;
	k.values = fmax(n * (1 - r) / (1 + r), 1);
	least = fabs(k.mean) * STILL;
	/* what is much alike does not show in a few steps how far it goes */
	alike = fmax(1 - (n / k.values - 1) / (n - 1), 0.05);
	k.variance = (squares / (n - 1) / alike + least * least) / k.values;
	return k;
}

double significance_levels(const struct levels *a, const struct levels *b)
{
	struct known_mean x, y;
	double freedom, variance;

	if (a->steps < LEVELS_LEAST || b->steps < LEVELS_LEAST)
		return 1;
	x = know_mean(a);
	y = know_mean(b);
	freedom = floor(fmin(x.values, y.values) - 1); /* Welch's is never less */
	variance = x.variance + y.variance;
	if (!(variance > 0) || freedom < 1)
		return 1;
	return significance_student((x.mean - y.mean) / sqrt(variance), freedom);
}

double significance_limit(const double *p, size_t count, double false_share)
{
	for (size_t i = count; i > 0; i--)
		if (p[i - 1] <= false_share * (double)i / (double)count)
			return p[i - 1];
	return -1;
}
