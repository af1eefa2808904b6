/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that need not be secret: a state of 64 bits, the caller's. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* A state that nobody can tell beforehand: of the kernel's, or of its clock. */
uint64_t random_seed(void);
/* The next number, of all 64 bits. */
uint64_t random_next(uint64_t *state);
/* The same as a fraction: 0 <= x < 1. */
double random_unit(uint64_t *state);

#endif
