// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/usage_parents.h"

/* One that fewer cgroups ask about is not read: that would cost what it may save. */
#define CHILDREN_MIN 8
#define ROUNDS_KEPT  8

struct parent {
	char *path; /* from the root on, "a/b" */
	uint64_t round;
	struct usage_marks marks, above;
	unsigned int asking,
	    asked; /* who is below it: in this round, in the one before */
};

struct usage_parents {
	int root;
	uint64_t round;
	struct parent *parents; /* sorted by path */
	size_t count, room;
};

struct usage_parents *usage_parents_new(int root)
{
	struct usage_parents *p = calloc(1, sizeof(*p));

	if (p) {
		p->root = root;
		p->round = 1; /* who is new has been looked at in none */
	}
	return p;
}

void usage_parents_round(struct usage_parents *p)
{
	size_t kept = 0;

	p->round++;
	for (size_t i = 0; i < p->count; i++) {
		struct parent *parent = &p->parents[i];

		if (p->round - parent->round > ROUNDS_KEPT) {
			free(parent->path);
			continue;
		}
		parent->asked = parent->asking;
		parent->asking = 0;
		p->parents[kept++] = *parent;
	}
	p->count = kept;
}

/* Where a path is among the parents, or would be. */
static size_t find(const struct usage_parents *p, const char *path, size_t len,
		   bool *found)
{
	size_t from = 0, to = p->count;

	*found = false;
	while (from < to && !*found) {
		size_t middle = (from + to) / 2;
		const char *other = p->parents[middle].path;
		int order = strncmp(path, other, len);

		if (!order && other[len])
			order = -1;
		*found = !order;
		if (order <= 0)
			to = middle;
		else
			from = middle + 1;
	}
	return to;
}

/* The parent of this path, from the root on; NULL: no memory. */
static struct parent *get(struct usage_parents *p, const char *path, size_t len)
{
	bool found;
	size_t at = find(p, path, len, &found);
	struct parent new = { 0 };

	if (found)
		return &p->parents[at];
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 64;
		struct parent *more = reallocarray(p->parents, room, sizeof(*more));

		if (!more)
			return NULL;
		p->parents = more;
		p->room = room;
	}
	new.path = strndup(path, len);
	if (!new.path)
		return NULL;
	memmove(&p->parents[at + 1], &p->parents[at], (p->count - at) * sizeof(new));
	p->parents[at] = new;
	p->count++;
	return &p->parents[at];
}

/* Reads what may have moved, by what the ones above have come to. */
static void read_parent(const struct usage_parents *p, struct parent *parent,
			const struct usage_marks *above)
{
	struct usage_reading now = { 0 };
	uint32_t files = usage_moved(above, &parent->above);
	int dir;

	parent->above = *above;
	if (!files)
		return;
	dir = openat(p->root, parent->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		usage_read_files(&(struct usage_source){ .dir = dir }, files, &now);
		close(dir);
	}
	if (files & 1U << USAGE_FILE_CPU_STAT)
		parent->marks.cpu_us = usage_mark(&now, USAGE_CPU_TIME);
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (files & 1U << (USAGE_FILE_PRESSURE + res))
			parent->marks.some[res] = usage_mark(&now, USAGE_SOME + res);
}

/* The length of a path without its last component; 0: only the root is above. */
static size_t parent_len(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	return len ? len - 1 : 0;
}

/* What the parent has come to, which may have to ask its own. */
static struct usage_marks look(struct usage_parents *p, const struct usage_round *round,
			       const char *path, size_t len)
{
	struct usage_marks above;
	struct parent *parent;

	len = parent_len(path, len);
	if (!len)
		return round->node;
	parent = get(p, path, len);
	if (parent && parent->round == p->round) {
		parent->asking++;
		return parent->marks;
	}
	above = look(p, round, path, len);
	parent = get(p, path, len); /* it may have moved */
	if (!parent)
		return above;
	parent->asking++;
	parent->round = p->round;
	if (parent->asked >= CHILDREN_MIN) {
		read_parent(p, parent, &above);
	} else {
		parent->marks = above;
		parent->above =
		    (struct usage_marks){ 0 }; /* to be read when it is first */
	}
	return parent->marks;
}

struct usage_marks usage_parents_look(struct usage_parents *p,
				      const struct usage_round *round, const char *path)
{
	return look(p, round, path + 1, strlen(path + 1));
}

void usage_parents_free(struct usage_parents *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->parents[i].path);
	free(p->parents);
	free(p);
}
