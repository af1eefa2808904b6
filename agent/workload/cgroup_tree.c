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

/* One that is known gets the name of e, if it has none; takes it over. */
static void add_name(struct cgroup_tree *t, struct cgroup_entry *known,
		     const struct cgroup_entry *e)
{
	if (known->name || !e->name) {
		free(e->name);
		return;
	}
	known->name = e->name;
	known->parent = e->parent;
	known->len = e->len;
	t->nameless--;
}

/* Takes the name over. */
static int add(struct cgroup_tree *t, struct cgroup_entry e)
{
	struct cgroup_entry *known = cgroup_tree_find(t, e.id);

	if (known) {
		add_name(t, known, &e);
		return 0;
	}
	if (make_room(t)) {
		free(e.name);
		return -ENOMEM;
	}
	t->entries[t->count] = e;
	t->gone += e.gone_turn != 0;
	t->nameless += !e.name;
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

/* From the end on: each name is put before what is below it. */
const char *cgroup_tree_path(const struct cgroup_tree *t, const struct cgroup_entry *e,
			     char buf[PATH_MAX])
{
	size_t at = e->len;

	buf[at] = '\0';
	while (e && e->name) {
		size_t n = strlen(e->name);

		if (n > at)
			return NULL;
		at -= n;
		memcpy(buf + at, e->name, n);
		if (!e->parent)
			return at ? NULL : buf;
		if (!at)
			return NULL;
		buf[--at] = '/';
		e = cgroup_tree_find(t, e->parent);
	}
	return NULL;
}

/* A name that is a path; NULL: none. */
static int name_whole(struct cgroup_entry *e, const char *path)
{
	e->name = path ? strdup(path) : NULL;
	e->len = path ? strlen(path) : 0;
	return path && !e->name ? -ENOMEM : 0;
}

int cgroup_tree_add(struct cgroup_tree *t, uint64_t id, const char *path)
{
	struct cgroup_entry e = { .id = id };

	return name_whole(&e, path) ?: add(t, e);
}

/* A name below another one's, or none if its path would be too long. */
static int name_below(struct cgroup_entry *e, const struct cgroup_entry *above,
		      const char *name)
{
	bool top = above->len == 1; /* the root's path is all of "/" */
	size_t len = (top ? 0 : above->len) + 1 + strlen(name);

	if (len >= PATH_MAX)
		return 0;
	if (asprintf(&e->name, "%s%s", top ? "/" : "", name) < 0) {
		e->name = NULL;
		return -ENOMEM;
	}
	e->parent = top ? 0 : above->id;
	e->len = len;
	return 0;
}

int cgroup_tree_add_below(struct cgroup_tree *t, uint64_t id, uint64_t parent,
			  const char *name)
{
	const struct cgroup_entry *above = cgroup_tree_find(t, parent);
	struct cgroup_entry e = { .id = id };

	if (above && above->name && name[0] && name_below(&e, above, name))
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
	if (name_below(&e, above, name))
		return -ENOMEM;
	return e.name ? add(t, e) : 0;
}

/* The directory of the i-th one, -1: none. */
static int open_entry(const struct cgroup_tree *t, size_t i, int root)
{
	char buf[PATH_MAX];
	const char *path = cgroup_tree_path(t, &t->entries[i], buf);

	errno = ENOENT;
	return path ? openat(root, path[1] ? path + 1 : ".",
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		    : -1;
}

/*
 * Adds the cgroups directly below the i-th one. A cgroup's id is its directory's inode
 * number (fs/kernfs, 64-bit). Each directory is asked for its links and its owner: what
 * that costs is a fifth of reading one that has nothing below.
 */
static int read_below(struct cgroup_tree *t, size_t i, int root, dev_t dev,
		      struct delegates *delegates)
{
	int fd = open_entry(t, i, root);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool scarce = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
	struct dirent *d;
	struct stat st;
	int err = 0;

	if (!dir) {
		t->closed += errno == EACCES;
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
	err = name_whole(&e, "/") ?: add(t, e);
	for (size_t i = 0; i < t->count && !err; i++)
		if (t->entries[i].inner)
			err = read_below(t, i, root, st.st_dev, delegates);
	return err;
}

/*
 * May one that was not found be there all the same? The owner of a cgroup can close its
 * directory to an agent without capabilities.
 */
static bool is_closed(const struct cgroup_tree *t, const struct cgroup_entry *e,
		      int root)
{
	char buf[PATH_MAX];
	const char *path = t->closed ? cgroup_tree_path(t, e, buf) : NULL;
	struct stat st;

	return path && path[1] && fstatat(root, path + 1, &st, AT_SYMLINK_NOFOLLOW) &&
	       errno == EACCES;
}

int cgroup_tree_inherit(struct cgroup_tree *t, struct cgroup_tree *from, int root)
{
	int err = 0;

	t->turn = from->turn;
	for (size_t i = 0; i < from->count && !err; i++) {
		struct cgroup_entry *e = &from->entries[i];
		bool known_gone = !e->name || e->gone_turn;

		if (cgroup_tree_find(t, e->id))
			continue;
		err = add(t, *e);
		e->name = NULL;
		e = err ? NULL : cgroup_tree_find(t, e->id);
		if (e && !known_gone && !is_closed(t, e, root))
			cgroup_tree_remove(t, e); /* no longer found */
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
		    (nameless && !e->name)) {
			t->gone -= e->gone_turn != 0;
			t->nameless -= !e->name;
			free(e->name);
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
		free(t->entries[i].name);
	free(t->entries);
	free(t->by_id);
	*t = (struct cgroup_tree){ 0 };
}
