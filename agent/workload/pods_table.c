// SPDX-License-Identifier: Apache-2.0
/*
 * The pods and containers of one answer: added one by one, or taken from the answer
 * before, then put in order, then searched.
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
	return sizeof(*n) + OVERHEAD + size_of(n->namespace) + size_of(n->pod) +
	       size_of(n->owner_kind) + size_of(n->owner) + size_of(n->deployment) +
	       size_of(n->node) + size_of_pairs(n->labels, n->label_count) +
	       size_of_pairs(n->annotations, n->annotation_count);
}

static int leave_out(struct pods_table *t)
{
	t->left_out++;
	t->no_room++;
	return -ENOSPC;
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

	if (t->bytes + size + more * element > PODS_TABLE_MAX)
		return leave_out(t);
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
	int err;

	if (t->pod_count == PODS_MAX)
		err = leave_out(t);
	else
		err = make_room(t, (void **)&t->pods, sizeof(*t->pods), t->pod_count,
				&t->pod_room, size_of_pod(names));
	if (err) {
		names_free(names);
		return err;
	}
	*pod = t->pod_count;
	t->pods[t->pod_count++] = (struct pods_pod){
		.names = names,
		.container = t->container_count,
		.uid = t->uid_count,
	};
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
	int err;

	if (t->container_count == PODS_CONTAINERS)
		err = leave_out(t);
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

/* The end of what a pod has of containers, and of uids. */
static size_t end_of(const struct pods_table *t, size_t pod, bool uids)
{
	if (pod + 1 < t->pod_count)
		return uids ? t->pods[pod + 1].uid : t->pods[pod + 1].container;
	return uids ? t->uid_count : t->container_count;
}

static int copy_container(struct pods_table *t, const struct pods_container *from,
			  uint32_t pod)
{
	struct pods_container c = { .pod = pod, .restarts = from->restarts };

	strcpy(c.id, from->id);
	if (names_copy_text(&c.name, from->name) &&
	    names_copy_text(&c.image, from->image) &&
	    names_copy_text(&c.tag, from->tag) &&
	    names_copy_text(&c.digest, from->digest))
		return pods_table_container(t, &c);
	free_container(&c);
	return -ENOMEM;
}

/* What is of that pod beside its names. */
static int copy_rest(struct pods_table *t, uint32_t pod, const struct pods_table *from,
		     size_t other)
{
	size_t end = end_of(from, other, true);
	int err = 0;

	for (size_t i = from->pods[other].uid; i < end && err != -ENOMEM; i++)
		err = pods_table_uid(t, from->uids[i].uid, pod);
	end = end_of(from, other, false);
	for (size_t i = from->pods[other].container; i < end && err != -ENOMEM; i++)
		err = copy_container(t, &from->containers[i], pod);
	return err == -ENOMEM ? err : 0;
}

/* What an order goes by: the text of element i; of pods their marks. */
static int compare(const struct pods_table *t, const uint32_t *order, uint32_t i,
		   const void *key)
{
	if (order == t->containers_by)
		return strcmp(t->containers[i].id, key);
	if (order == t->uids_by)
		return strcmp(t->uids[i].uid, key);
	return t->pods[i].mark < *(uint64_t *)key    ? -1
	       : t->pods[i].mark == *(uint64_t *)key ? 0
						     : 1;
}

/* Where the element with this key is; -1: there is none. */
static ssize_t search(const struct pods_table *t, const uint32_t *order, size_t count,
		      const void *key)
{
	size_t from = 0;

	while (from < count) {
		size_t middle = from + (count - from) / 2;
		int c = compare(t, order, order[middle], key);

		if (!c)
			return order[middle];
		if (c < 0)
			from = middle + 1;
		else
			count = middle;
	}
	return -1;
}

int pods_table_take(struct pods_table *t, const struct pods_table *from, uint64_t mark)
{
	ssize_t other = search(from, from->pods_by, from->pod_count, &mark);
	size_t no_room = t->no_room;
	struct names *n;
	uint32_t pod;
	int err;

	if (other < 0)
		return -ENOENT;
	n = names_copy(from->pods[other].names);
	err = n ? pods_table_pod(t, n, &pod) : -ENOMEM;
	if (!err)
		err = copy_rest(t, pod, from, other);
	if (err)
		return err == -ENOSPC ? 0 : err;
	t->pods[pod].left_out = from->pods[other].left_out;
	t->left_out += t->pods[pod].left_out;
	if (t->no_room == no_room)
		t->pods[pod].mark = mark;
	return 0;
}

static int by_mark(const void *a, const void *b, void *table)
{
	const struct pods_table *t = table;

	return compare(t, t->pods_by, *(uint32_t *)a, &t->pods[*(uint32_t *)b].mark);
}

static int by_id(const void *a, const void *b, void *table)
{
	const struct pods_table *t = table;

	return compare(t, t->containers_by, *(uint32_t *)a,
		       t->containers[*(uint32_t *)b].id);
}

static int by_uid(const void *a, const void *b, void *table)
{
	const struct pods_table *t = table;

	return compare(t, t->uids_by, *(uint32_t *)a, t->uids[*(uint32_t *)b].uid);
}

static bool put_in_order(struct pods_table *t, uint32_t **order, size_t count,
			 int (*by)(const void *a, const void *b, void *table))
{
	*order = calloc(count + 1, sizeof(**order)); /* + 1: it is told from others */
	if (!*order)
		return false;
	for (size_t i = 0; i < count; i++)
		(*order)[i] = i;
	qsort_r(*order, count, sizeof(**order), by, t);
	return true;
}

int pods_table_sort(struct pods_table *t)
{
	return put_in_order(t, &t->pods_by, t->pod_count, by_mark) &&
		       put_in_order(t, &t->containers_by, t->container_count, by_id) &&
		       put_in_order(t, &t->uids_by, t->uid_count, by_uid)
		   ? 0
		   : -ENOMEM;
}

static const struct pods_container *find_container(const struct pods_table *t,
						   const char *id)
{
	ssize_t at = *id ? search(t, t->containers_by, t->container_count, id) : -1;

	return at < 0 ? NULL : &t->containers[at];
}

static const struct pods_uid *find_uid(const struct pods_table *t, const char *uid)
{
	ssize_t at = *uid ? search(t, t->uids_by, t->uid_count, uid) : -1;

	return at < 0 ? NULL : &t->uids[at];
}

enum pods_known pods_table_knows(const struct pods_table *t, const char *container,
				 const char *uid)
{
	const struct pods_uid *u;

	if (find_container(t, container))
		return PODS_CONTAINER;
	u = find_uid(t, uid);
	return !u ? PODS_NOTHING : t->pods[u->pod].names->whole ? PODS_WHOLE : PODS_POD;
}

int pods_table_find(const struct pods_table *t, const char *container, const char *uid,
		    struct names **out)
{
	const struct pods_container *c = find_container(t, container);
	const struct pods_uid *u = c ? NULL : find_uid(t, uid);
	struct names *n;

	if (!c && !u)
		return -ENOENT;
	n = names_copy(t->pods[c ? c->pod : u->pod].names);
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
		names_free(t->pods[i].names);
	for (size_t i = 0; i < t->container_count; i++)
		free_container(&t->containers[i]);
	free(t->pods);
	free(t->containers);
	free(t->uids);
	free(t->pods_by);
	free(t->containers_by);
	free(t->uids_by);
}
