/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mark of an agent: a map that is told from all others by its form. Its name is the
 * node lock's, and max_entries is who made it: the process id in the initial PID
 * namespace. Only who may load programs like ours can create a map of this type.
 */
#ifndef NODE_H
#define NODE_H

#include <linux/types.h>

#define NODE_NAME	16 /* with the NUL; as BPF_OBJ_NAME_LEN */
#define NODE_MARK_TYPE	BPF_MAP_TYPE_LPM_TRIE
#define NODE_MARK_KEY	12 /* bytes: a form that nobody has by chance */
#define NODE_MARK_VALUE 13

struct node_found {
	__u32 id;   /* of the oldest mark; 0: there is none */
	__u32 tgid; /* who made it */
	__u32 self_tgid;
};

#endif
