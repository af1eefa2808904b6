/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All clocks of the process, set by the test that includes this: the agent asks for
 * times by clock_gettime(), and a program's own function of that name comes before the
 * library's.
 */
#ifndef FAKE_CLOCK_H
#define FAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define FAKE_SECOND 1000000000ULL

static uint64_t fake_now_ns = 1000 * FAKE_SECOND;
static uint64_t fake_step_ns; /* that passes from one look at a clock to the next */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	fake_now_ns += fake_step_ns;
	t->tv_sec = fake_now_ns / FAKE_SECOND;
	t->tv_nsec = fake_now_ns % FAKE_SECOND;
	return 0;
}

#endif
