// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "workload/cgroup_root.h"

#define ROOT_INODE 1 /* of the v2 hierarchy: fs/kernfs gives it the first id */

static bool is_v2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static bool is_whole(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == ROOT_INODE;
}

/* The mounted trees: the first that is the host's, or else the first. */
static int search(struct cgroup_root *root, bool look)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;
	struct mntent *m;

	if (!f)
		return -errno;
	root->pure = true;
	while ((m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup") == 0)
			root->pure = false;
		/* another mount may have covered it */
		if (!look || strcmp(m->mnt_type, "cgroup2") || !is_v2(m->mnt_dir) ||
		    (found && (root->whole || !is_whole(m->mnt_dir))))
			continue;
		snprintf(root->path, sizeof(root->path), "%s", m->mnt_dir);
		root->whole = is_whole(m->mnt_dir);
		found = true;
	}
	endmntent(f);
	return found || !look ? 0 : -ENOENT;
}

static int check(const char *wanted, struct cgroup_root *root, char *cause, size_t len)
{
	struct statfs fs;

	if (!realpath(wanted, root->path) || statfs(root->path, &fs)) {
		snprintf(cause, len, "--cgroup-root %.200s: %s", wanted,
			 strerror(errno));
		return -EINVAL;
	}
	if (fs.f_type != CGROUP2_SUPER_MAGIC) {
		snprintf(cause, len,
			 "--cgroup-root %.200s: %s: give the directory where the type "
			 "cgroup2 is mounted",
			 wanted,
			 fs.f_type == CGROUP_SUPER_MAGIC
			     ? "this is a tree of cgroup v1"
			     : "no cgroup v2 tree is mounted there");
		return -EINVAL;
	}
	root->whole = is_whole(root->path);
	if (!root->whole) {
		snprintf(cause, len,
			 "--cgroup-root %.200s: not the root of the host's tree, but a "
			 "part of it (or a container's own): mount the host's "
			 "/sys/fs/cgroup here and give that",
			 wanted);
		return -EINVAL;
	}
	return 0;
}

int cgroup_root_find(const char *wanted, struct cgroup_root *root, char *cause,
		     size_t len)
{
	int err = search(root, !wanted);

	if (err) {
		snprintf(
		    cause, len, "no cgroup v2 tree is mounted%s%s (see --cgroup-root)",
		    err == -ENOENT ? "" : ": ", err == -ENOENT ? "" : strerror(-err));
		return err;
	}
	return wanted ? check(wanted, root, cause, len) : 0;
}
