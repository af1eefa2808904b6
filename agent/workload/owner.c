// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "workload/owner.h"

/* What its controller adds to a CronJob's name: "-" and the minute for which the Job
 * was due, of 8 digits until 2160. */
#define DUE_DIGITS 8

size_t owner_cronjob_len(const struct names *n)
{
	size_t len, digits = 0;

	if (!n->owner || !n->owner_kind || strcmp(n->owner_kind, "Job"))
		return 0;
	len = strlen(n->owner);
	while (digits < len && isdigit((unsigned char)n->owner[len - 1 - digits]))
		digits++;
	if (digits != DUE_DIGITS || len < DUE_DIGITS + 2 ||
	    n->owner[len - DUE_DIGITS - 1] != '-')
		return 0;
	return len - DUE_DIGITS - 1;
}

bool owner_find(const struct names *n, struct owner *out)
{
	size_t cronjob = owner_cronjob_len(n);

	if (n->deployment)
		*out = (struct owner){ "Deployment", n->deployment,
				       strlen(n->deployment) };
	else if (cronjob)
		*out = (struct owner){ "CronJob", n->owner, cronjob };
	else if (n->owner && n->owner_kind && strcmp(n->owner_kind, "Node"))
		*out = (struct owner){ n->owner_kind, n->owner, strlen(n->owner) };
	else
		return false;
	return true;
}
