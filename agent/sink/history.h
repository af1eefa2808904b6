/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps readings in a file on the node: an SQLite file of at most so many bytes, which
 * one thread of its own writes. Each reading is a batch of differences (points.delta),
 * compressed; after an hour they are merged to minutes, and the oldest go when the size
 * is reached. What is in the file survives a kill of the agent at any moment.
 *
 * Whoever measures hands over bytes and never waits for a disk. A file that cannot be
 * written is no failure: it is said once, and tried again with each reading. What could
 * not be written is kept for then; only a file that is not ours, and the end, lose it.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metric/history_stats.h"

struct history;

/* What a file says of its node: for who reads a copy elsewhere. */
struct history_fact {
	const char *key;
	char value[256];
};

/* One reading. Times are of the wall clock, as that was at `until`. */
struct history_reading {
	uint8_t *bytes; /* of a packer; NULL: nothing happened */
	size_t len;
	size_t size; /* of what was packed */
	uint64_t since_ns, until_ns;
	bool whole; /* it has all workloads, also those with nothing new */
};

/* Packs the batch of a reading, a piece at a time. */
struct history_packer;

/* NULL: no memory. */
struct history_packer *history_packer_new(void);
/* 0 or -ENOMEM. */
int history_packer_add(struct history_packer *p, const uint8_t *bytes, size_t len);
/* Frees it, and gives the bytes, to be freed; size: of what was added. -ENOMEM. */
int history_packer_end(struct history_packer *p, uint8_t **bytes, size_t *len,
		       size_t *size);
/* NULL is fine. */
void history_packer_free(struct history_packer *p);

#define HISTORY_SIZE_MIN (8ULL << 20)

/*
 * Makes the directory of path, if need be: with the privileges that there are, before
 * history_start(). Where it cannot be made, that is said, and tried again with each
 * reading, as with a file that cannot be written. The facts are copied. Returns 0 or
 * -errno with one line in cause.
 */
int history_open(const char *path, uint64_t size, const struct history_fact *facts,
		 size_t count, struct history **out, char *cause, size_t len);
/* Begins the thread, which opens the file. 0 or -errno. */
int history_start(struct history *h);
/*
 * Whether a reading is taken now, or within ms; else its writer is behind, or cannot
 * write, which is counted, and the next reading has it, too. What could not be written
 * is tried again.
 */
bool history_is_ready(struct history *h, unsigned int ms);
/* One reading could not be made, or will have no next one: it is counted as lost. */
void history_lose(struct history *h, const char *why);
/* Hands over a reading, with its bytes, after history_is_ready(). */
void history_put(struct history *h, struct history_reading *r);
void history_get_stats(struct history *h, struct history_stats *out);
/* Waits until what was put is written, for ms at most, and closes. NULL is fine. */
void history_close(struct history *h, unsigned int ms);

#endif
