// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/fingerprint.h"

#define PRIME ((1ULL << 61) - 1)
#define WORD  7 /* bytes of a coefficient, which is less than the prime */

int fingerprint_key(uint64_t *key)
{
	if (getrandom(key, sizeof(*key), 0) != sizeof(*key))
		return errno ? -errno : -EIO;
	*key = *key % (PRIME - 1) + 1;
	return 0;
}

/* sum * key + more */
static uint64_t add(uint64_t sum, uint64_t key, uint64_t more)
{
	unsigned __int128 product = (unsigned __int128)sum * key + more;
	uint64_t n = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);

	return n >= PRIME ? n - PRIME : n;
}

uint64_t fingerprint(uint64_t key, const char *text, size_t len)
{
	uint64_t sum = len, word = 0;

	for (; len >= WORD; text += WORD, len -= WORD) {
		memcpy(&word, text, WORD);
		sum = add(sum, key, word);
	}
	word = 0;
	memcpy(&word, text, len);
	sum = add(sum, key, word);
	return sum ? sum : PRIME;
}
