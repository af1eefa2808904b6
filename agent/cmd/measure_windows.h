/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the time a probe is attached, as who governs says. */
#ifndef MEASURE_WINDOWS_H
#define MEASURE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct measure;

/*
 * Has a probe run in windows: attached 1/one_in of the time, up to 64. 1: always; 0:
 * off, by who is not the user. 0 or -errno: -ENODEV it is not attached, -EOPNOTSUPP it
 * cannot run in windows (here).
 */
int measure_set_duty(struct measure *m, size_t probe, uint32_t one_in);
/* What it is now: 1, 2, ... 64; 0: off, as above. */
uint32_t measure_duty(const struct measure *m, size_t probe);
/* Whether all its hooks are there now, also those that come and go with windows. */
bool measure_is_open(const struct measure *m, size_t probe);

#endif
