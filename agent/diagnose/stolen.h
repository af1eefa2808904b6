/* SPDX-License-Identifier: Apache-2.0 */
/* From which CPUs a hypervisor takes time. */
#ifndef DIAGNOSE_STOLEN_H
#define DIAGNOSE_STOLEN_H

#include "diagnose/rule.h"

/* Adds those that lose `least` (s per s) or more as evidence, the worst first: who is
 * bound to one of them is hit most. */
void stolen_see(const struct look *l, struct finding *f, double least);

#endif
