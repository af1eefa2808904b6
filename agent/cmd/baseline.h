/* SPDX-License-Identifier: Apache-2.0 */
/* What a piece of time is compared with: --baseline, else the hour before it. */
#ifndef BASELINE_H
#define BASELINE_H

#include "cmd/span.h"

struct baseline {
	struct taken taken; /* its frame: to be freed; NULL: there is none */
	char cause[512];    /* then why */
};

/*
 * Takes it from the history: without --baseline the hour before the time looked at,
 * without its last five minutes, which may be part of the incident. 0 also when there
 * is none; -EINVAL: --baseline makes no sense, and cause says why.
 */
int baseline_take(const struct options *o, const struct history_span *looked_at,
		  struct baseline *out);
/* What is asked for, also without a history. 0 or -EINVAL with one line in cause. */
int baseline_span(const char *text, const struct history_span *looked_at,
		  uint64_t now_ns, struct history_span *out, char *cause, size_t len);

#endif
