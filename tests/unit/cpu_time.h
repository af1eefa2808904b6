/* SPDX-License-Identifier: Apache-2.0 */
/* What a test measures itself by. */
#ifndef CPU_TIME_H
#define CPU_TIME_H

#include <time.h>

/* The CPU time of this process so far, ms. */
static inline double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

#endif
