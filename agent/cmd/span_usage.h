/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time, pressure and quota of a short time in the past. The agent reads the files
 * they are from once in a minute, and what it finds is of all the time since it last
 * did; so a reading of 10 s has none of it, or that of a minute.
 */
#ifndef SPAN_USAGE_H
#define SPAN_USAGE_H

#include "cmd/span.h"

/*
 * Gives each workload of a short time what it used in it, as far as it was read: its
 * share of what was found when its files were read next. A longer time stays as it is.
 * 0 or -errno with one line in cause.
 */
int span_usage(struct history_reader *r, struct taken *t, char *cause, size_t len);

/* In shorter steps such numbers are not known. */
#define SPAN_USAGE_NS 60000000000ULL

#endif
