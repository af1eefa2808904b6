// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "sink/request.h"

#define EXACT  "exact "
#define DAY_MS 86400000ULL

bool request_is_exact(const char *line, uint64_t *ms)
{
	const char *number = line + strlen(EXACT);
	char *end;

	*ms = 0;
	if (strncmp(line, EXACT, strlen(EXACT)) != 0 ||
	    !isdigit((unsigned char)*number))
		return false;
	*ms = strtoull(number, &end, 10);
	if (*ms > DAY_MS)
		*ms = DAY_MS;
	return !*end;
}
