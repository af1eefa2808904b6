/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

/* Memory that is given back all at once; a zeroed struct is an empty arena. */
struct arena {
	struct block *blocks;
};

/* Zeroed memory that lives until the next reset. NULL: no memory. */
void *arena_get(struct arena *a, size_t size);
/* Takes everything back; one block stays for the next use. */
void arena_reset(struct arena *a);
/* Takes everything back and frees it. */
void arena_fini(struct arena *a);
/* The string itself when it is UTF-8, else a copy with its bad bytes as \xNN. */
char *arena_utf8(struct arena *a, const char *s);

#endif
