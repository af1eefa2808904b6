/* SPDX-License-Identifier: Apache-2.0 */
/* Whether numbers are what the truth says, by a table of checks. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stddef.h>
#include "otlp/frame.h"
#include "verify/actor.h"

#define JUDGE_TEXT 256

enum judge_result { JUDGE_OK, JUDGE_FAILED, JUDGE_SKIPPED };

extern const char *const judge_names[]; /* by enum judge_result */

struct judge_verdict {
	const char *kind, *what, *metric; /* static */
	enum judge_result result;
	char text[JUDGE_TEXT]; /* what was expected and found, or why it is skipped */
};

/* What there is to judge: the frame is the difference of two readings. */
struct judge_case {
	const struct actors *actors;
	const struct frame *frame;
};

/* How many verdicts there are. */
size_t judge_count(void);
/* Fills in the verdict of a check: number 0 to judge_count() - 1. */
void judge_check(const struct judge_case *c, size_t number, struct judge_verdict *v);

#endif
