// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs that do nothing: what it costs to have any program on a hook.
 *
 * The hook of each is chosen at load time (bpf.c), so that the floor of a
 * measurement has exactly the hooks of what is measured. Attached as often as
 * a load asks for: as hot as the hook.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EMPTY(n)                               \
	SEC("tp_btf") int empty_##n(void *ctx) \
	{                                      \
		return 0;                      \
	}

EMPTY(0)
EMPTY(1)
EMPTY(2)
EMPTY(3)
EMPTY(4)
EMPTY(5)
EMPTY(6)
EMPTY(7)
EMPTY(8)
EMPTY(9)
EMPTY(10)
EMPTY(11)
EMPTY(12)
EMPTY(13)
EMPTY(14)
EMPTY(15)
