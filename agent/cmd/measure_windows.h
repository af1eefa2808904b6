/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes that run in windows: what is dear of them is attached for a while, then gone
 * for a while, and what is counted meanwhile stands for all (reading/estimate.h).
 */
#ifndef MEASURE_WINDOWS_H
#define MEASURE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct measure;

/*
 * Has a probe run in windows: attached 1/one_in of the time, up to 64. 1: always; what
 * the gap before it stands for takes one window more, see measure_is_exact(). 0: off,
 * by who is not the user. Windows begin at once. 0 or -errno: -ENODEV it is not
 * attached, -EINVAL no such share, -EOPNOTSUPP it cannot run in windows (here).
 */
int measure_set_duty(struct measure *m, size_t probe, uint32_t one_in);
/* What it is now: 1, 2, ... 64; 0: off, as above. */
uint32_t measure_duty(const struct measure *m, size_t probe);
/* Whether from now on all is counted, and nothing is an estimate. */
bool measure_is_exact(const struct measure *m);
/*
 * Opens and closes the windows that are due. Returns for how many ms there is nothing
 * more to do.
 */
int measure_windows(struct measure *m);
/* Ends the windows that are open: what they have seen is in the next reading. */
void measure_end_windows(struct measure *m);

/*
 * How long there is no window, at random: uniform from 0 to twice the mean, so that in
 * the long run each moment is as likely in one as any other, whatever period the load
 * has. ns.
 */
uint64_t window_gap(uint64_t window_ns, uint32_t one_in, uint64_t *random);

#endif
