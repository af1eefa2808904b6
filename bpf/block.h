/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the block probe shares with the agent: directions, names of disks, what is kept
 * of a cgroup and disk.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <linux/types.h>

enum block_direction {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_OTHER,
	BLOCK_DIRECTIONS,
};
_Static_assert(BLOCK_DIRECTIONS == 5, "enum open_signal has room for them");

/* Flags of a block request that we read: NAME, its mask before 6.11, 0: there was none.
 * Since then they are enumerators, some kernels' without a type's name. */
#define REQUEST_FLAGS(X)     \
	X(FLUSH_SEQ, 1 << 4) \
	X(IO_STAT, 1 << 13)  \
	X(STATS, 1 << 17)    \
	X(ZONE_WRITE_PLUGGING, 0)

#define REQUEST_FLAG_ENUM(name, old) RQF_##name,
enum request_flag { REQUEST_FLAGS(REQUEST_FLAG_ENUM) RQF_COUNT };
#undef REQUEST_FLAG_ENUM

/*
 * The names of disks, by numbers that stand for them in the keys of cells: kept, as a
 * disk may be gone when its cells are read, and its device number another one's.
 */
#define DISKS	      512 /* further ones are OPEN_OTHER */
#define DISK_NAME_LEN 32  /* include/linux/blkdev.h */
struct disk_name {
	char text[DISK_NAME_LEN];
};

/*
 * The latest cgroups and devices of block requests, with their cells: one place instead
 * of three hash look-ups.
 */
#define BLOCK_CACHE_LOG2 6
struct block_slot {
	__u64 id;
	__u64 disk; /* its sequence number: what comes after it is another one */
	__u32 name; /* its number in disk_names */
	__u32 direction;
	__u32 gen; /* tunes.free_gen: no slot changed hands since */
	__u32 slot;
	__u32 operation; /* cell, 0: not looked up */
	__u32 device;	 /* cell */
};

#endif
