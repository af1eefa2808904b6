/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a kernel is made to look older. What a program of ours does without is
 * decided by the kernel's types (BTF); with ASSAY_TEST_FALLBACKS in the environment we
 * go by a copy of them in which some names are others: "all" are those that Linux 5.15,
 * the oldest that we promise to run on, does not have; or a list of names, with commas
 * between.
 */
#ifndef FALLBACKS_H
#define FALLBACKS_H

#include <stdbool.h>

/* Whether all fallbacks are to be taken: also those that are for no type's sake. */
bool fallbacks_forced(void);

/* Where the copy of the kernel's types is; NULL: the kernel's own are to be used. */
const char *fallbacks_btf(void);

/* Forgets the copy: the next one is made by what the variable says then. */
void fallbacks_forget(void);

#endif
