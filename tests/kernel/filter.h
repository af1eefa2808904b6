/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp filter of a load's own: its words, and how it is put in place. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include "gate.h"

#define FAIL(err) (SECCOMP_RET_ERRNO | (err))
#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static inline void filter_install(struct sock_filter *filter, unsigned short count)
{
	struct sock_fprog prog = { count, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		gate_die("seccomp");
}

#endif
