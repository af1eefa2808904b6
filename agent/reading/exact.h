/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For how long the agent measures exactly, whatever that costs, because somebody looks:
 * EXACT_ONCE_MS at a time, EXACT_HOUR_MS in any hour. Pure: the caller says what time
 * it is.
 */
#ifndef EXACT_H
#define EXACT_H

#include <stdbool.h>
#include <stdint.h>

#define EXACT_ONCE_MS 60000
#define EXACT_HOUR_MS 360000
#define EXACT_MINUTES 61 /* an hour, and the minute that it began in */

struct exact {
	uint64_t until_ms; /* monotonic; 0: never asked */
	uint32_t used_ms[EXACT_MINUTES];
	uint64_t minute; /* the one that used_ms[minute % EXACT_MINUTES] is of */
};

/*
 * Somebody wants to measure for so long from now_ms (monotonic clock, any start).
 * Returns for how long they may: less, or 0, when the time is used up. Time that is
 * exact already is used once, however many ask.
 */
uint64_t exact_ask(struct exact *e, uint64_t now_ms, uint64_t want_ms);
/* Whether somebody may measure exactly now. */
bool exact_is_on(const struct exact *e, uint64_t now_ms);

#endif
