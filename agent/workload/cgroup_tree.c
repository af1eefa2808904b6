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
#include "bpf/delegates.h"
#include "workload/cgroup_tree.h"

#define GONE_MAX     1024  /* this many, at least, are kept */
#define NAMELESS_MAX 65536 /* without events nobody says that they are gone */

/* The first entry to look at for an id among a power of two of them. */
static size_t entry_of(uint64_t id, size_t room)
{
	return (id * 0x9e3779b97f4a7c15ULL >> 32) & (room - 1);
}

static void index_entry(struct cgroup_tree *t, size_t i)
{
	size_t at = entry_of(t->entries[i].id, t->by_id_room);

	while (t->by_id[at])
		at = (at + 1) & (t->by_id_room - 1);
	t->by_id[at] = i + 1;
}

/* Lists all entries anew, with room for as many again. */
static int index_all(struct cgroup_tree *t)
{
	size_t room = 512;
	uint32_t *p;

	while (room < 4 * (t->count + 1))
		room *= 2;
	p = calloc(room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	free(t->by_id);
	t->by_id = p;
	t->by_id_room = room;
	for (size_t i = 0; i < t->count; i++)
		index_entry(t, i);
	return 0;
}

static int make_room(struct cgroup_tree *t)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 256;
		struct cgroup_entry *p = reallocarray(t->entries, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		t->entries = p;
		t->room = room;
	}
	return 2 * (t->count + 1) > t->by_id_room ? index_all(t) : 0;
}

/* One that is known gets a path, if it has none; takes the path over. */
static void add_path(struct cgroup_tree *t, struct cgroup_entry *known, char *path)
{
	if (known->path || !path) {
		free(path);
		return;
	}
	known->path = path;
	t->nameless--;
}

/* Takes the path over. */
static int add(struct cgroup_tree *t, struct cgroup_entry e)
{
	struct cgroup_entry *known = cgroup_tree_find(t, e.id);

	if (known) {
		add_path(t, known, e.path);
		return 0;
	}
	if (make_room(t)) {
		free(e.path);
		return -ENOMEM;
	}
	t->entries[t->count] = e;
	t->gone += e.gone_turn != 0;
	t->nameless += !e.path;
	index_entry(t, t->count++);
	return 0;
}

struct cgroup_entry *cgroup_tree_find(const struct cgroup_tree *t, uint64_t id)
{
	if (!t->by_id_room)
		return NULL;
	for (size_t at = entry_of(id, t->by_id_room); t->by_id[at];
	     at = (at + 1) & (t->by_id_room - 1)) {
		struct cgroup_entry *e = &t->entries[t->by_id[at] - 1];

		if (e->id == id)
			return e;
	}
	return NULL;
}

int cgroup_tree_add(struct cgroup_tree *t, uint64_t id, const char *path)
{
	struct cgroup_entry e = { .id = id, .path = path ? strdup(path) : NULL };

	return path && !e.path ? -ENOMEM : add(t, e);
}

/* A path of its own: the parent's and a name. *out is NULL if it would be too long. */
static int join(const char *parent, const char *name, char **out)
{
	*out = NULL;
	if (strlen(parent) + 1 + strlen(name) >= PATH_MAX)
		return 0;
	return asprintf(out, "%s/%s", parent[1] ? parent : "", name) < 0 ? -ENOMEM : 0;
}

int cgroup_tree_add_below(struct cgroup_tree *t, uint64_t id, uint64_t parent,
			  const char *name)
{
	const struct cgroup_entry *above = cgroup_tree_find(t, parent);
	struct cgroup_entry e = { .id = id };

	if (above && above->path && name[0] && join(above->path, name, &e.path))
		return -ENOMEM;
	return add(t, e);
}

void cgroup_tree_remove(struct cgroup_tree *t, struct cgroup_entry *e)
{
	t->gone += !e->gone_turn;
	e->gone_turn = e->gone_turn ?: t->turn + 1;
}

static bool is_directory(int type)
{
	return type == DT_DIR || type == DT_UNKNOWN;
}

/* A directory that was found, below the i-th one. */
static int found(struct cgroup_tree *t, size_t i, const char *name,
		 const struct stat *st, struct delegates *delegates)
{
	/* a directory's links are those from its subdirectories, and two */
	struct cgroup_entry e = { .id = st->st_ino,
				  .owner = st->st_uid,
				  .inner = st->st_nlink != 2 };
	const struct cgroup_entry *above = &t->entries[i];

	if (delegates) /* for those that no program has seen being made */
		delegates_note(delegates, e.id, e.owner, above->id, above->owner);
	if (join(above->path, name, &e.path))
		return -ENOMEM;
	return e.path ? add(t, e) : 0;
}

/*
 * Adds the cgroups directly below the i-th one. A cgroup's id is its directory's inode
 * number (fs/kernfs, 64-bit). Each directory is asked for its links and its owner: what
 * that costs is a fifth of reading one that has nothing below.
 */
static int read_below(struct cgroup_tree *t, size_t i, int root, dev_t dev,
		      struct delegates *delegates)
{
	const char *path = t->entries[i].path;
	int fd = openat(root, path[1] ? path + 1 : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
	struct dirent *d;
	struct stat st;
	int err = 0;

	if (!dir) {
		err = scarce ? -errno : 0; /* else it is gone */
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (d = readdir(dir)))
		if (is_directory(d->d_type) && strcmp(d->d_name, ".") &&
		    strcmp(d->d_name, "..") &&
		    !fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISDIR(st.st_mode) && st.st_dev == dev)
			err = found(t, i, d->d_name, &st, delegates);
	closedir(dir);
	return err;
}

int cgroup_tree_read(struct cgroup_tree *t, int root, struct delegates *delegates)
{
	struct cgroup_entry e = { .inner = true };
	struct stat st;
	int err;

	if (fstat(root, &st))
		return -errno;
	e.id = st.st_ino;
	e.owner = st.st_uid;
	e.path = strdup("/");
	err = e.path ? add(t, e) : -ENOMEM;
	for (size_t i = 0; i < t->count && !err; i++)
		if (t->entries[i].inner)
			err = read_below(t, i, root, st.st_dev, delegates);
	return err;
}

int cgroup_tree_inherit(struct cgroup_tree *t, struct cgroup_tree *from)
{
	int err = 0;

	t->turn = from->turn;
	for (size_t i = 0; i < from->count && !err; i++) {
		struct cgroup_entry *e = &from->entries[i];

		if (cgroup_tree_find(t, e->id))
			continue;
		if (e->path && !e->gone_turn) /* no longer found */
			e->gone_turn = t->turn + 1;
		err = add(t, *e);
		e->path = NULL;
	}
	cgroup_tree_fini(from);
	return err;
}

/* Keeps those that are not to be forgotten. */
static void forget(struct cgroup_tree *t, bool nameless)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct cgroup_entry *e = &t->entries[i];

		if ((e->gone_turn && e->gone_turn < t->turn) ||
		    (nameless && !e->path)) {
			t->gone -= e->gone_turn != 0;
			t->nameless -= !e->path;
			free(e->path);
		} else {
			t->entries[kept++] = *e;
		}
	}
	t->count = kept;
}

int cgroup_tree_turn(struct cgroup_tree *t)
{
	bool nameless = t->nameless > NAMELESS_MAX;

	t->turn++;
	if (!nameless && (t->gone < GONE_MAX || t->gone < t->count / 2))
		return 0;
	forget(t, nameless);
	return index_all(t);
}

void cgroup_tree_fini(struct cgroup_tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->entries[i].path);
	free(t->entries);
	free(t->by_id);
	*t = (struct cgroup_tree){ 0 };
}
