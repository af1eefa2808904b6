// SPDX-License-Identifier: Apache-2.0
/* The pods and containers of one answer: added one by one, then sorted, then searched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "workload/pods_impl.h"

#define OVERHEAD 16 /* bytes of an allocation beside its own */

static size_t size_of(const char *s)
{
	return s ? strlen(s) + 1 + OVERHEAD : 0;
}

static size_t size_of_pairs(const struct name_pair *pairs, size_t count)
{
	size_t size = count * sizeof(*pairs);

	for (size_t i = 0; i < count; i++)
		size += size_of(pairs[i].key) + size_of(pairs[i].value);
	return size;
}

static size_t size_of_pod(const struct names *n)
{
	return sizeof(n) + sizeof(*n) + OVERHEAD + size_of(n->namespace) +
	       size_of(n->pod) + size_of(n->owner_kind) + size_of(n->owner) +
	       size_of(n->deployment) + size_of(n->node) +
	       size_of_pairs(n->labels, n->label_count) +
	       size_of_pairs(n->annotations, n->annotation_count);
}

/*
 * Room for one more in an array that doubles, whose bytes count at once. -ENOSPC: the
 * table has no room for that and `size` bytes beside.
 */
static int make_room(struct pods_table *t, void **array, size_t element, size_t count,
		     size_t *room, size_t size)
{
	size_t more = count < *room ? 0 : *room ? *room : 32;
	void *p = *array;

	if (t->bytes + size + more * element > PODS_TABLE_MAX) {
		t->left_out++;
		return -ENOSPC;
	}
	if (more) {
		p = reallocarray(p, *room + more, element);
		if (!p)
			return -ENOMEM;
		*array = p;
		*room += more;
	}
	t->bytes += size + more * element;
	return 0;
}

int pods_table_pod(struct pods_table *t, struct names *names, uint32_t *pod)
{
	int err = -ENOSPC;

	if (t->pod_count == PODS_MAX)
		t->left_out++;
	else
		err = make_room(t, (void **)&t->pods, sizeof(*t->pods), t->pod_count,
				&t->pod_room, size_of_pod(names));
	if (err) {
		names_free(names);
		return err;
	}
	*pod = t->pod_count;
	t->pods[t->pod_count++] = names;
	return 0;
}

int pods_table_uid(struct pods_table *t, const char *uid, uint32_t pod)
{
	int err = make_room(t, (void **)&t->uids, sizeof(*t->uids), t->uid_count,
			    &t->uid_room, 0);
	struct pods_uid *u;

	if (err)
		return err;
	u = &t->uids[t->uid_count++];
	strcpy(u->uid, uid);
	u->pod = pod;
	return 0;
}

static void free_container(struct pods_container *c)
{
	free(c->name);
	free(c->image);
	free(c->tag);
	free(c->digest);
}

int pods_table_container(struct pods_table *t, struct pods_container *c)
{
	int err = -ENOSPC;

	if (t->container_count == PODS_CONTAINERS)
		t->left_out++;
	else
		err = make_room(t, (void **)&t->containers, sizeof(*c),
				t->container_count, &t->container_room,
				size_of(c->name) + size_of(c->image) + size_of(c->tag) +
				    size_of(c->digest));
	if (err) {
		free_container(c);
		return err;
	}
	t->containers[t->container_count++] = *c;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct pods_container *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static int by_uid(const void *a, const void *b)
{
	const struct pods_uid *x = a, *y = b;

	return strcmp(x->uid, y->uid);
}

void pods_table_sort(struct pods_table *t)
{
	if (t->container_count)
		qsort(t->containers, t->container_count, sizeof(*t->containers), by_id);
	if (t->uid_count)
		qsort(t->uids, t->uid_count, sizeof(*t->uids), by_uid);
}

static const struct pods_container *find_container(const struct pods_table *t,
						   const char *id)
{
	struct pods_container key = { 0 };

	if (!*id || strlen(id) > CONTAINER_ID_LEN || !t->container_count)
		return NULL;
	strcpy(key.id, id);
	return bsearch(&key, t->containers, t->container_count, sizeof(key), by_id);
}

static const struct pods_uid *find_uid(const struct pods_table *t, const char *uid)
{
	struct pods_uid key = { 0 };

	if (!*uid || strlen(uid) > POD_UID_LEN || !t->uid_count)
		return NULL;
	strcpy(key.uid, uid);
	return bsearch(&key, t->uids, t->uid_count, sizeof(key), by_uid);
}

int pods_table_find(const struct pods_table *t, const char *container, const char *uid,
		    struct names **out)
{
	const struct pods_container *c = find_container(t, container);
	const struct pods_uid *u = c ? NULL : find_uid(t, uid);
	struct names *n;

	if (!c && !u)
		return -ENOENT;
	n = names_copy(t->pods[c ? c->pod : u->pod]);
	if (!n)
		return -ENOMEM;
	if (c) {
		n->restarts = c->restarts;
		if (!names_copy_text(&n->container, c->name) ||
		    !names_copy_text(&n->image, c->image) ||
		    !names_copy_text(&n->tag, c->tag) ||
		    !names_copy_text(&n->digest, c->digest)) {
			names_free(n);
			return -ENOMEM;
		}
	}
	*out = n;
	return 0;
}

void pods_table_fini(struct pods_table *t)
{
	for (size_t i = 0; i < t->pod_count; i++)
		names_free(t->pods[i]);
	for (size_t i = 0; i < t->container_count; i++)
		free_container(&t->containers[i]);
	free(t->pods);
	free(t->containers);
	free(t->uids);
}
