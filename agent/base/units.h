/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for people: two or three digits and a unit; and moments. All return `out`. */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

#define UNITS_LEN 16

/* "<1us" for 0, else "38ns", "340us", "1.2ms", "12s". */
const char *units_seconds(char out[UNITS_LEN], double s);
/* How old something is: "340us", "12s", "12m30s", "3h25m", "12d4h". */
const char *units_age(char out[UNITS_LEN], double s);
/* "0.6/s", "3.4k/s". */
const char *units_rate(char out[UNITS_LEN], double per_second);
/* "17", "3.4k". */
const char *units_count(char out[UNITS_LEN], double n);
/* "1.2 MiB/s". */
const char *units_bytes_rate(char out[UNITS_LEN], double per_second);
/* "1.2 MiB". */
const char *units_bytes(char out[UNITS_LEN], double n);
/* A moment, in ns of the wall clock, in UTC: "2026-11-27T22:47:21Z" (RFC 3339). */
#define UNITS_TIME_LEN 32
const char *units_time(char out[UNITS_TIME_LEN], uint64_t ns);

#endif
