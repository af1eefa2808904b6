/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Memory that is given back all at once; a zeroed struct is an empty arena. */
struct arena {
	struct block *blocks;
	size_t taken, limit; /* bytes; no limit: 0 */
	bool full;	     /* something did not fit into the limit */
};

/* Zeroed memory that lives until the next reset. NULL: no memory, or the limit. */
void *arena_get(struct arena *a, size_t size);
/* Takes everything back; one block stays for the next use. */
void arena_reset(struct arena *a);
/* Takes everything back and frees it. */
void arena_fini(struct arena *a);
/* Takes over what another one holds, which is empty then; and its limit. */
void arena_adopt(struct arena *a, struct arena *from);
/* The string itself when it may go out as it is, else a copy by text_escape. */
char *arena_utf8(struct arena *a, const char *s);

#endif
