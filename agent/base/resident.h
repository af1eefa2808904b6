/* SPDX-License-Identifier: Apache-2.0 */
/* What of our memory is resident. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Gives back what has served its time, when the start is over: what malloc has free,
 * and pages of the program and its libraries that nobody wrote to (code that relocates,
 * loads and verifies, the BPF objects). Those that are needed again come from the page
 * cache. Where somebody has written into a mapping, as a breakpoint is, it stays whole.
 * No other thread may unmap a file meanwhile, as dlclose() does.
 */
void resident_trim(void);
/*
 * The same while other threads run, and only of the libraries that speak TLS: nobody
 * unmaps those. For whoever speaks it seldom: 0.1 ms of CPU, or 2 where only smaps
 * tells who wrote where. heap: also what malloc has free, which takes 0.5 ms.
 */
void resident_trim_tls(bool heap);

/*
 * The same of libraries that are mapped as long as the program runs, and seldom used,
 * by parts of their paths: "/libNAME.so", NULL at the end.
 */
void resident_trim_libraries(const char *const *names);

/* Bytes that malloc has given and that were not freed, in all threads. */
uint64_t heap_used(void);

#endif
