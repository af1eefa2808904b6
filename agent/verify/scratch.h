/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of our own, below the root of the tree, for as long as a command runs. Their
 * directory is locked while its command lives, so what one left behind that was killed
 * is known, whatever its process id.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SCRATCH_PREFIX "assay-verify-"

struct scratch {
	char path[PATH_MAX / 2]; /* of the directory; stays when that is gone */
	bool made;
	int lock;
	unsigned int leftovers; /* of commands that were killed: removed */
};

/*
 * Makes a directory for our groups below root, and removes what others left there.
 * -errno with one line in cause.
 */
int scratch_open(struct scratch *s, const char *root, char *cause, size_t len);
/* Makes a group of this name. -errno. */
int scratch_group(struct scratch *s, const char *name);
/* Moves the calling process into it, with all that it forks. -errno. */
int scratch_enter(const struct scratch *s, const char *name);
/* Whether requests to disks are counted for our groups: they have the controller io. */
bool scratch_has_io(const struct scratch *s);
/* What a cgroup path of ours ends with: "/assay-verify-7/NAME". */
void scratch_suffix(const struct scratch *s, const char *name, char *out, size_t len);
/*
 * Kills what is still in the groups and removes them. -errno: something is left, and
 * the next command removes it. Fine without scratch_open().
 */
int scratch_close(struct scratch *s);

#endif
