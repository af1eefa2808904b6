// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include "base/number.h"
#include "sink/request.h"

#define EXACT  "exact "
#define DAY_MS 86400000ULL

bool request_is_exact(const char *line, uint64_t *ms)
{
	int err;

	*ms = 0;
	if (strncmp(line, EXACT, strlen(EXACT)) != 0)
		return false;
	err = number_parse(line + strlen(EXACT), DAY_MS, ms);
	if (err == -ERANGE)
		*ms = DAY_MS;
	return err != -EINVAL;
}
