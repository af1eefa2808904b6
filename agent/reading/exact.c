// SPDX-License-Identifier: Apache-2.0
#include "reading/exact.h"

#define MINUTE_MS 60000

/* Forgets what is over an hour old. */
static void move_on(struct exact *e, uint64_t minute)
{
	if (minute - e->minute >= EXACT_MINUTES)
		e->minute = minute - EXACT_MINUTES;
	while (e->minute < minute)
		e->used_ms[++e->minute % EXACT_MINUTES] = 0;
}

static uint64_t used(const struct exact *e)
{
	uint64_t sum = 0;

	for (int i = 0; i < EXACT_MINUTES; i++)
		sum += e->used_ms[i];
	return sum;
}

/*
 * All of what is given is put down for this minute: its end is in the next one at the
 * latest, so it is forgotten a minute early at most, and the minute more that is kept
 * makes up for that.
 */
uint64_t exact_ask(struct exact *e, uint64_t now_ms, uint64_t want_ms)
{
	uint64_t end, left, already = exact_is_on(e, now_ms) ? e->until_ms : now_ms;

	move_on(e, now_ms / MINUTE_MS);
	end = now_ms + (want_ms < EXACT_ONCE_MS ? want_ms : EXACT_ONCE_MS);
	left = used(e) < EXACT_HOUR_MS ? EXACT_HOUR_MS - used(e) : 0;
	if (end > already + left)
		end = already + left;
	if (end > already) {
		e->used_ms[e->minute % EXACT_MINUTES] += end - already;
		e->until_ms = end;
	}
	return end - now_ms;
}

bool exact_is_on(const struct exact *e, uint64_t now_ms)
{
	return now_ms < e->until_ms;
}
