/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capabilities of this process, and how they are given up: descriptors of maps,
 * programs and links are all that measuring needs, once they are there. What still
 * needs one is found by trying.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>

#ifndef CAP_PERFMON /* headers before Linux 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

/* Capabilities, a bit for each by its number. */
struct privileges {
	uint64_t had, kept;
};

/*
 * Gives up, for good and for all threads that are made later, every capability that
 * try() does without, also as what a child could get (ambient, inheritable, bounding
 * set, no_new_privs). try() does what the process will have to do, and returns -EPERM
 * or -EACCES when it may not; before Linux 5.19 bpf(2) wants CAP_BPF for everything
 * (kernel.unprivileged_bpf_disabled). An agent that is not root keeps
 * CAP_DAC_READ_SEARCH: who gave it that wants it to read what only root may read.
 * Returns 0 or -errno: then they are as before, as far as known.
 */
int privileges_drop(struct privileges *p, int (*try)(void *arg), void *arg);

/*
 * Makes all that this process is permitted effective. A file whose capabilities are
 * permitted only (cap_bpf,cap_perfmon=p) is executed also where one of them cannot be
 * had: then the program says so, instead of a runtime "operation not permitted"
 * (capabilities(7), "Safety checking for capability-dumb binaries").
 */
void privileges_raise(void);

/* The capabilities of this thread alone, which needs none: it may outlive a drop. */
void privileges_drop_thread(void);

/* "CAP_BPF, CAP_PERFMON", or "none". */
void privileges_names(uint64_t caps, char *buf, size_t len);

/*
 * A set of capabilities ("CapEff") as a text like that of /proc/PID/status has it; 0 if
 * it is not there.
 */
uint64_t privileges_of(const char *status, const char *set);

#endif
