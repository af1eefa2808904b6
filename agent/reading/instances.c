// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/instances.h"
#include "reading/path_index.h"
#include "reading/snapshot.h"

int instances_clear(struct instances *x, size_t count)
{
	size_t room = 64;

	while (room < 4 * count)
		room *= 2;
	x->count = 0;
	if (room <= x->room) {
		memset(x->entries, 0, x->room * sizeof(*x->entries));
		return 0;
	}
	instances_fini(x);
	x->entries = calloc(room, sizeof(*x->entries));
	if (!x->entries)
		return -ENOMEM;
	x->room = room;
	return 0;
}

/* One that had another instance may stand there yet: nobody is to meet it twice. */
static void put(struct instances *x, struct workload *w)
{
	size_t at = path_hash(w->instance) & (x->room - 1);

	for (; x->entries[at]; at = (at + 1) & (x->room - 1))
		if (x->entries[at] == w)
			return;
	x->entries[at] = w;
	x->count++;
}

static int grow(struct instances *x)
{
	struct instances more = { NULL };
	int err = instances_clear(&more, x->room ? x->room : 16);

	if (err)
		return err;
	for (size_t i = 0; i < x->room; i++)
		if (x->entries[i])
			put(&more, x->entries[i]);
	instances_fini(x);
	*x = more;
	return 0;
}

int instances_add(struct instances *x, struct workload *w)
{
	if (2 * (x->count + 1) > x->room && grow(x))
		return -ENOMEM;
	put(x, w);
	return 0;
}

struct workload *instances_next(const struct instances *x, const char *instance,
				size_t *at)
{
	size_t first = x->room ? path_hash(instance) & (x->room - 1) : 0;

	while (*at < x->room) {
		struct workload *w = x->entries[(first + *at) & (x->room - 1)];

		if (!w)
			return NULL;
		++*at;
		if (w->instance && !strcmp(w->instance, instance))
			return w;
	}
	return NULL;
}

void instances_fini(struct instances *x)
{
	free(x->entries);
	*x = (struct instances){ NULL };
}
