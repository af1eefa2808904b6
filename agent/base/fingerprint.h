/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number by which a text is known again: a polynomial of its bytes, at a point that
 * nobody else knows. So who may choose texts cannot make two that share a number; two
 * of up to 1 MiB do by a chance of 2^-43.
 */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* A point, by chance. -errno. */
int fingerprint_key(uint64_t *key);
/* Never 0. */
uint64_t fingerprint(uint64_t key, const char *text, size_t len);

#endif
