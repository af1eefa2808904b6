/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs that somebody has set apart, which no reading is to interrupt. */
#ifndef QUIET_H
#define QUIET_H

#include "base/cpu_list.h"

#define QUIET_ISOLATED "isolated"
#define QUIET_NONE     "none"

/* Whether the option --quiet-cpus may be this: 0 or -EINVAL. */
int quiet_check(const char *text);
/*
 * The CPUs that the option means. "isolated": those that the kernel was told to keep
 * other work away from, isolcpus= and nohz_full= (/sys/devices/system/cpu/isolated and
 * nohz_full: Documentation/ABI/testing/sysfs-devices-system-cpu).
 */
void quiet_find(const char *text, struct cpu_list *quiet);

#endif
