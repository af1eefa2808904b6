/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups by their ids, with their names: read from the directories, or added. Paths
 * are put together when they are asked for: a user who makes cgroups makes long ones.
 */
#ifndef CGROUP_TREE_H
#define CGROUP_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct delegates;

struct cgroup_entry {
	uint64_t id;
	uint64_t parent; /* below which its name is; 0: that is a whole path */
	char *name;	 /* owned; NULL: it has no path in this tree */
	size_t len;	 /* bytes of its path */
	uid_t owner;	 /* of those that read() found */
	bool inner;	 /* the same: it has cgroups below, or may have */
	uint64_t
	    asked; /* without a path: walks so far when it was asked for; 0: never */
	uint64_t gone_turn; /* 0: it is there; else since which cgroup_tree_turn() */
};

/* Zeroed is empty. */
struct cgroup_tree {
	struct cgroup_entry *entries;
	size_t count, room;
	uint32_t *by_id; /* numbers in entries + 1, 0: free; by a hash of the id */
	size_t by_id_room;
	size_t gone, nameless; /* entries that are */
	size_t closed;	       /* directories that we may not read */
	uint64_t turn;
};

/*
 * Reads a whole tree into an empty one, from the directory `root` on: the directories
 * that have others below (each file's type is in its directory entry, only directories
 * are looked at), level by level, no more than one of them open. A path that would be
 * longer than 4095 bytes is left out. delegates: for note of owners, or NULL. -ENOMEM
 * or -errno.
 */
int cgroup_tree_read(struct cgroup_tree *t, int root, struct delegates *delegates);
/*
 * Adds one by its path, which is copied; NULL: none. One that is known already gets the
 * path if it has none. -ENOMEM.
 */
int cgroup_tree_add(struct cgroup_tree *t, uint64_t id, const char *path);
/* The same with its path below another one's, or none if that has none. -ENOMEM. */
int cgroup_tree_add_below(struct cgroup_tree *t, uint64_t id, uint64_t parent,
			  const char *name);
/* NULL: not known. Good until the tree changes. */
struct cgroup_entry *cgroup_tree_find(const struct cgroup_tree *t, uint64_t id);
/*
 * Puts the path of an entry of this tree together, somewhere in buf; NULL: it has none.
 */
const char *cgroup_tree_path(const struct cgroup_tree *t, const struct cgroup_entry *e,
			     char buf[PATH_MAX]);
/* It was removed. Its name stays for a while: what happened there is yet to be read. */
void cgroup_tree_remove(struct cgroup_tree *t, struct cgroup_entry *e);
/*
 * Moves what `from` knows and this one, which was read from `root`, does not over from
 * it, and empties it: names of those that are gone by now, or below a closed directory,
 * and ids without a name.
 */
int cgroup_tree_inherit(struct cgroup_tree *t, struct cgroup_tree *from, int root);
/*
 * A reading begins. When there are many, forgets those that were gone when the one
 * before it began. -ENOMEM.
 */
int cgroup_tree_turn(struct cgroup_tree *t);
void cgroup_tree_fini(struct cgroup_tree *t);

#endif
