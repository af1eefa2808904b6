// SPDX-License-Identifier: Apache-2.0
#include <sys/random.h>
#include "base/random.h"
#include "base/util.h"

uint64_t random_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	return now_mono_ns();
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15ULL;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return z ^ (z >> 31);
}

double random_unit(uint64_t *state)
{
	return (random_next(state) >> 11) * 0x1p-53;
}
