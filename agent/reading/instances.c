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

/* Whoever is there under this hash already, of before it had another, is not put twice.
 */
static void put(struct instances *x, uint64_t hash, struct workload *w)
{
	size_t at = hash & (x->room - 1);

	for (; x->entries[at].workload; at = (at + 1) & (x->room - 1))
		if (x->entries[at].workload == w && x->entries[at].hash == hash)
			return;
	x->entries[at] = (struct instance_entry){ hash, w };
	x->count++;
}

static int grow(struct instances *x)
{
	struct instances more = { NULL };
	int err = instances_clear(&more, x->room ? x->room : 16);

	if (err)
		return err;
	for (size_t i = 0; i < x->room; i++)
		if (x->entries[i].workload)
			put(&more, x->entries[i].hash, x->entries[i].workload);
	instances_fini(x);
	*x = more;
	return 0;
}

int instances_add(struct instances *x, struct workload *w)
{
	if (2 * (x->count + 1) > x->room && grow(x))
		return -ENOMEM;
	put(x, path_hash(w->instance), w);
	return 0;
}

struct workload *instances_next(const struct instances *x, const char *instance,
				size_t *at)
{
	uint64_t hash = path_hash(instance);

	while (*at < x->room) {
		const struct instance_entry *e =
		    &x->entries[(hash + *at) & (x->room - 1)];

		if (!e->workload)
			return NULL;
		++*at;
		if (e->hash == hash && e->workload->instance &&
		    !strcmp(e->workload->instance, instance))
			return e->workload;
	}
	return NULL;
}

void instances_fini(struct instances *x)
{
	free(x->entries);
	*x = (struct instances){ NULL };
}
