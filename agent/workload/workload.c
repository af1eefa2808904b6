// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/workload.h"

#define HOST_ROOT_ID 1

struct entry {
	uint64_t id;
	char *path; /* owned */
	uid_t owner;
	bool inner; /* it has cgroups below, or may have */
};

/* Where in the kernel's ring a new cgroup's name is, by id. */
struct ring_index {
	uint64_t head; /* the ring's when it was made */
	struct {
		uint64_t id; /* 0: free */
		uint32_t at;
	} places[2 * NAME_RING];
};

struct cgroups {
	char *root_path;
	int root; /* its directory */
	dev_t dev;
	uint64_t root_id;
	const struct cgroup_names *names;
	struct delegates *delegates;
	struct ring_index ring;
	struct entry *tree; /* the latest walk, from the root on */
	size_t count, room;
	uint32_t *by_id; /* places in tree + 1, 0: free; by a hash of the id */
	size_t by_id_room;
	bool walked;
	uint64_t *first; /* ids of the first walk, sorted */
	size_t first_count;
	char found[PATH_MAX]; /* the answer out of the ring */
};

/* The first place to look at for an id among a power of two of them. */
static size_t place_of(uint64_t id, size_t room)
{
	return (id * 0x9e3779b97f4a7c15ULL >> 32) & (room - 1);
}

static void forget_tree(struct cgroups *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->tree[i].path);
	g->count = 0;
}

/* path is "/", or the parent's and a name. What would be too long is left out. */
static int add_entry(struct cgroups *g, const char *parent, const char *name,
		     const struct stat *st)
{
	struct entry *e;

	if (strlen(parent) + 1 + strlen(name) >= PATH_MAX)
		return 0;
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 256;
		struct entry *p = reallocarray(g->tree, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		g->tree = p;
		g->room = room;
	}
	e = &g->tree[g->count];
	e->id = st->st_ino;
	e->owner = st->st_uid;
	/* a directory's links are those from its subdirectories, and two */
	e->inner = st->st_nlink != 2;
	if (asprintf(&e->path, "%s/%s", parent[1] ? parent : "", name) < 0)
		return -ENOMEM;
	g->count++;
	return 0;
}

static bool is_directory(int type)
{
	return type == DT_DIR || type == DT_UNKNOWN;
}

/* For those that no program has seen being made. */
static void note_delegate(struct cgroups *g, size_t above, const struct stat *st)
{
	if (g->delegates)
		delegates_note(g->delegates, st->st_ino, st->st_uid, g->tree[above].id,
			       g->tree[above].owner);
}

/*
 * Adds the cgroups directly below the i-th one. A cgroup's id is its directory's inode
 * number (fs/kernfs, 64-bit).
 */
static int read_below(struct cgroups *g, size_t i)
{
	const char *path = g->tree[i].path;
	int fd = openat(g->root, path[1] ? path + 1 : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct stat st;
	int err = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0; /* it is gone */
	}
	while (!err && (d = readdir(dir)))
		if (is_directory(d->d_type) && strcmp(d->d_name, ".") &&
		    strcmp(d->d_name, "..") &&
		    !fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISDIR(st.st_mode) && st.st_dev == g->dev) {
			err = add_entry(g, g->tree[i].path, d->d_name, &st);
			note_delegate(g, i, &st);
		}
	closedir(dir);
	return err;
}

static int index_tree(struct cgroups *g)
{
	size_t room = 512;

	while (room < 2 * g->count)
		room *= 2;
	if (room > g->by_id_room) {
		free(g->by_id);
		g->by_id_room = 0;
		g->by_id = malloc(room * sizeof(*g->by_id));
		if (!g->by_id)
			return -ENOMEM;
		g->by_id_room = room;
	}
	memset(g->by_id, 0, g->by_id_room * sizeof(*g->by_id));
	for (size_t i = 0; i < g->count; i++) {
		size_t at = place_of(g->tree[i].id, g->by_id_room);

		while (g->by_id[at])
			at = (at + 1) & (g->by_id_room - 1);
		g->by_id[at] = i + 1;
	}
	return 0;
}

/* Level by level: no more than one directory is open, however deep the tree is. */
static int walk(struct cgroups *g)
{
	struct stat st;
	int err;

	forget_tree(g);
	g->walked = true;
	if (fstat(g->root, &st))
		return -errno;
	err = add_entry(g, "/", "", &st);
	for (size_t i = 0; i < g->count && !err; i++)
		if (g->tree[i].inner)
			err = read_below(g, i);
	return index_tree(g) ?: err;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Keeps the ids of what is there now. */
static int remember(struct cgroups *g)
{
	int err = walk(g);

	if (err)
		return err;
	g->first = calloc(g->count + 1, sizeof(*g->first));
	if (!g->first)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++)
		g->first[i] = g->tree[i].id;
	g->first_count = g->count;
	qsort(g->first, g->count, sizeof(*g->first), compare_ids);
	return 0;
}

int cgroups_open(const char *root, const struct cells *c, struct cgroups **out)
{
	struct cgroups *g = calloc(1, sizeof(*g));
	struct stat st;
	int err;

	if (!g)
		return -ENOMEM;
	g->names = c->names;
	g->delegates = c->delegates;
	g->root_path = strdup(root);
	g->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!g->root_path)
		err = -ENOMEM;
	else if (g->root < 0 || fstat(g->root, &st))
		err = -errno;
	else
		err = 0;
	if (!err) {
		g->dev = st.st_dev;
		g->root_id = st.st_ino;
		err = remember(g);
	}
	if (err) {
		cgroups_close(g);
		return err;
	}
	*out = g;
	return 0;
}

static bool is_whole(const struct cgroups *g)
{
	return g->root_id == HOST_ROOT_ID;
}

static const char *find_entry(const struct cgroups *g, uint64_t id)
{
	if (!g->by_id_room)
		return NULL;
	for (size_t at = place_of(id, g->by_id_room); g->by_id[at];
	     at = (at + 1) & (g->by_id_room - 1)) {
		const struct entry *e = &g->tree[g->by_id[at] - 1];

		if (e->id == id)
			return e->path;
	}
	return NULL;
}

/* Lists what the ring holds, if it is not what it was. */
static void index_ring(struct cgroups *g)
{
	uint64_t head = __atomic_load_n(&g->names->head, __ATOMIC_ACQUIRE);
	const size_t room = COUNT(g->ring.places);

	if (head == g->ring.head)
		return;
	memset(g->ring.places, 0, sizeof(g->ring.places));
	g->ring.head = head;
	for (uint32_t i = 0; i < NAME_RING; i++) {
		const struct cgroup_name *n = &g->names->ring[i];
		uint64_t id = __atomic_load_n(&n->id, __ATOMIC_RELAXED);
		size_t at = place_of(id, room);

		if (__atomic_load_n(&n->seq, __ATOMIC_ACQUIRE) & 1)
			g->ring.head = head - 1; /* being written: look again */
		if (!id)
			continue;
		while (g->ring.places[at].id)
			at = (at + 1) & (room - 1);
		g->ring.places[at].id = id;
		g->ring.places[at].at = i;
	}
}

/* Copies an entry of the ring that the kernel may be writing: seq is odd meanwhile. */
static bool find_name(const struct cgroups *g, uint64_t id, struct cgroup_name *out)
{
	const size_t room = COUNT(g->ring.places);
	const struct cgroup_name *n;
	size_t at = place_of(id, room);
	uint64_t seq;

	while (g->ring.places[at].id && g->ring.places[at].id != id)
		at = (at + 1) & (room - 1);
	if (!g->ring.places[at].id)
		return false;
	n = &g->names->ring[g->ring.places[at].at];
	seq = __atomic_load_n(&n->seq, __ATOMIC_ACQUIRE);
	memcpy(out, n, sizeof(*out));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	out->path[sizeof(out->path) - 1] = '\0';
	return !(seq & 1) && n->seq == seq && out->id == id && out->path[0];
}

/* The beginning of a path, before *at in found; false: it is too long. */
static bool prepend(struct cgroups *g, char **at, const char *s, size_t len)
{
	if ((size_t)(*at - g->found) < len)
		return false;
	*at -= len;
	memcpy(*at, s, len);
	return true;
}

/*
 * The path out of the ring: whole, or a name below the parent's path, and so on. In a
 * cgroup namespace the kernel's whole paths are not those of the tree that we see.
 */
static const char *compose(struct cgroups *g, uint64_t id)
{
	char *at = g->found + sizeof(g->found) - 1;
	struct cgroup_name n;
	const char *above, *base;

	if (!g->names)
		return NULL;
	index_ring(g);
	*at = '\0';
	for (;;) {
		above = find_entry(g, id);
		if (above)
			return prepend(g, &at, above, above[1] ? strlen(above) : 0)
				   ? at
				   : NULL;
		if (!find_name(g, id, &n))
			return NULL;
		if (n.path[0] == '/' && is_whole(g))
			return prepend(g, &at, n.path, strlen(n.path)) ? at : NULL;
		base = strrchr(n.path, '/');
		base = base ? base + 1 : n.path;
		if (!prepend(g, &at, base, strlen(base)) || !prepend(g, &at, "/", 1))
			return NULL;
		id = n.parent;
	}
}

const char *cgroups_path(struct cgroups *g, uint64_t id)
{
	const char *path;

	if (id == OWNER_ROOT)
		return is_whole(g) ? "/" : NULL;
	path = find_entry(g, id) ?: compose(g, id);
	if (path || g->walked)
		return path;
	walk(g);
	return find_entry(g, id) ?: compose(g, id);
}

void cgroups_refresh(struct cgroups *g)
{
	g->walked = false;
}

bool cgroups_was_there(const struct cgroups *g, uint64_t id)
{
	return id == OWNER_ROOT || bsearch(&id, g->first, g->first_count,
					   sizeof(*g->first), compare_ids) != NULL;
}

size_t cgroups_first_count(const struct cgroups *g)
{
	return g->first_count;
}

uint64_t cgroups_first(const struct cgroups *g, size_t i)
{
	return g->first[i];
}

const char *cgroups_root(const struct cgroups *g)
{
	return g->root_path;
}

bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id)
{
	struct stat st;

	if (id == OWNER_ROOT)
		return true;
	if (!path)
		return !is_whole(g) || !g->walked || find_entry(g, id);
	return fstatat(g->root, path[1] ? path + 1 : ".", &st, 0) == 0 &&
	       st.st_ino == id;
}

void cgroups_close(struct cgroups *g)
{
	if (!g)
		return;
	forget_tree(g);
	free(g->tree);
	free(g->by_id);
	free(g->first);
	free(g->root_path);
	if (g->root >= 0)
		close(g->root);
	free(g);
}
