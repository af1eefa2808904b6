/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * OTLP base-2 exponential buckets of scale 3, in seconds, from nanoseconds.
 *
 * Bucket i of OTLP holds base^i < x <= base^(i+1) seconds, base = 2^(1/8). A cell
 * keeps a run of them: cell bucket 0 is the zero bucket, x <= 2^-20 s; cell bucket
 * n > 0 is OTLP's bucket n - 1 + BUCKET_OTLP_MIN; the last one ends at 128 s, and
 * what is longer is clamped into it (the caller counts that).
 *
 * Nanoseconds are no power of two of a second, so a value is first turned into
 * units of 2^-30 s: x = ns * 2^30 / 10^9 = ns + ns * 0.073741824. The factor is
 * 79179680.87 / 2^30; it is rounded DOWN on purpose. A value that is a whole number
 * of units then comes out one unit low, every other one is only truncated, and that
 * is just what an inclusive upper bound wants: w = ceil(x) - 1.
 *
 * Plain C, for both sides: the unit test runs these very lines.
 */
#ifndef BUCKETS_H
#define BUCKETS_H

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define BUCKET_SCALE	 3
#define BUCKET_PER_2	 8     /* buckets per power of two */
#define BUCKET_ZERO_LOG2 (-20) /* zero bucket: up to 2^-20 s */
#define BUCKET_MAX_LOG2	 7     /* the last bound: 2^7 s */
#define BUCKET_OTLP_MIN	 (BUCKET_ZERO_LOG2 * BUCKET_PER_2) /* OTLP index of n = 1 */
#define BUCKET_COUNT	 (1 + (BUCKET_MAX_LOG2 - BUCKET_ZERO_LOG2) * BUCKET_PER_2)
#define BUCKET_MAX_NS	 128000000000ULL

/* 2^(k/8) as 16-bit mantissas: (2^(k/8) - 1) * 65536, for k = 1 to 7. */
#define BUCKET_T1 5932
#define BUCKET_T2 12400
#define BUCKET_T3 19454
#define BUCKET_T4 27146
#define BUCKET_T5 35534
#define BUCKET_T6 44682
#define BUCKET_T7 54658

/*
 * 1 if a > b, else 0, for a and b below 2^63. BPF has no conditional set: a comparison
 * becomes a branch, and durations make branches that cannot be predicted. (Measured:
 * 20 of the 52 ns of a context switch went into them.)
 */
static __always_inline unsigned long long bucket_above(unsigned long long a,
						       unsigned long long b)
{
	return (b - a) >> 63;
}

/* The eighth of an octave that a 16-bit mantissa falls into: 0 to 7. */
static __always_inline unsigned int bucket_eighth(unsigned long long m)
{
	return bucket_above(m, BUCKET_T1 - 1) + bucket_above(m, BUCKET_T2 - 1) +
	       bucket_above(m, BUCKET_T3 - 1) + bucket_above(m, BUCKET_T4 - 1) +
	       bucket_above(m, BUCKET_T5 - 1) + bucket_above(m, BUCKET_T6 - 1) +
	       bucket_above(m, BUCKET_T7 - 1);
}

/*
 * The cell bucket of a duration in ns: 0 to BUCKET_COUNT - 1. The position of the
 * highest bit is found by halves: clang 14 does not survive __builtin_clzll here.
 */
static __always_inline unsigned int bucket_of(unsigned long long ns)
{
	unsigned long long w, high, e, s;

	if (ns > BUCKET_MAX_NS) /* the product below overflows at 233 s */
		return BUCKET_COUNT - 1;
	w = ns + ((ns * 79179680ULL) >> 30);
	high = w >> 10; /* 2^10 units are 2^-20 s */
	if (!high)
		return 0;
	e = bucket_above(high, 0xffff) << 4;
	high >>= e;
	s = bucket_above(high, 0xff) << 3;
	high >>= s;
	e += s;
	s = bucket_above(high, 0xf) << 2;
	high >>= s;
	e += s;
	s = bucket_above(high, 3) << 1;
	high >>= s;
	e += s + (high >> 1);
	/* e + 10 is the highest bit of w: the mantissa is the 16 bits that follow it */
	w = (w << 6) >> e;
	return 1 + e * BUCKET_PER_2 + bucket_eighth(w & 0xffff);
}

#endif
