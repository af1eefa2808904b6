// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include "base/number.h"

int number_read(const char *s, const char **end, uint64_t *out)
{
	unsigned long long n;
	char *e;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	n = strtoull(s, &e, 10);
	*end = e;
	if (errno)
		return -ERANGE;
	*out = n;
	return 0;
}

int number_parse(const char *s, uint64_t most, uint64_t *out)
{
	const char *end;
	uint64_t n;
	int err = number_read(s, &end, &n);

	if (err == -EINVAL || *end)
		return -EINVAL;
	if (err || n > most)
		return -ERANGE;
	*out = n;
	return 0;
}
