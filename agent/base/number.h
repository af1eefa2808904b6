/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole decimal numbers of people, variables, peers and files of others. Strict: no
 * sign, no space, and what is too large is said to be, never another number.
 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdint.h>

/* The one at s; *end is what follows. -EINVAL: none begins there; -ERANGE: too large.
 */
int number_read(const char *s, const char **end, uint64_t *out);
/* A text that is one and nothing else, up to most. */
int number_parse(const char *s, uint64_t most, uint64_t *out);

#endif
