/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What init.bpf.c shares with init.c, in a map of one element. */
#ifndef INIT_H
#define INIT_H

#include <linux/types.h>

struct init_count {
	__u64 dev, ino; /* of the PID namespace whose PID 1 it is */
	__u64 switches; /* away from one of its threads */
};

#endif
