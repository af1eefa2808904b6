/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of `assay doctor` have in common: a line for each thing. */
#ifndef DOCTOR_IMPL_H
#define DOCTOR_IMPL_H

#include "base/log.h"
#include "base/options.h"

enum verdict { OK, WARN, FAIL };

/* Prints one line: verdict, name, text. Returns 1 for FAIL. */
int doctor_say(enum verdict verdict, const char *name, const char *fmt, ...)
    PRINTF(3, 4);

/* What the kernel has; lockdown. 1: something that we need is missing. */
int doctor_check_kernel(const struct options *o);
int doctor_check_lockdown(const struct options *o);
/* The kubelet, if options say that it is asked: it is, once. */
int doctor_check_kubelet(const struct options *o);
/* Which CPUs readings leave alone. Nothing, if there is none. */
int doctor_check_quiet(const struct options *o);
/* What is kept on the node, or where it will be. */
int doctor_check_history(const struct options *o);
/* The probes: of a running agent, or loaded for it. */
int doctor_check_probes(const struct options *o);
/* What the agent that runs has kept of its privileges. Nothing, if there is none. */
int doctor_check_privileges(const struct options *o);

#endif
