// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/util.h"
#include "workload/process.h"

#define KTHREAD	  0x00200000UL /* PF_KTHREAD, include/linux/sched.h */
#define FLAGS	  9	       /* which field of stat(5) has them */
#define HOST_NS	  0xEFFFFFFBU  /* PROC_CGROUP_INIT_INO, include/linux/proc_ns.h */
#define DEPTH	  64	       /* of cgroups */
#define PROCS	  "/cgroup.procs"
#define STAT_MOST 1024

/* The name is in brackets, and may have any of these characters itself. */
static bool is_of_kernel(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (int field = 2; at && field < FLAGS; field++)
		at = strchr(at + 1, ' ');
	return at && strtoul(at, NULL, 10) & KTHREAD;
}

/* Of v2; the others are hierarchies of v1. */
static int path_of(char *text, char *out, size_t len)
{
	char *line = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;

	line = line ? strchr(line, '/') : NULL;
	if (!line)
		return -ENOENT;
	line[strcspn(line, "\n")] = '\0';
	snprintf(out, len, "%s", line);
	return 0;
}

int process_find(const char *proc, long pid, struct process *out)
{
	char path[PATH_MAX], text[2 * PROCESS_PATH];
	struct stat ns;

	*out = (struct process){ 0 };
	snprintf(path, sizeof(path), "%s/%ld/stat", proc, pid);
	if (read_file(path, text, STAT_MOST) < 0)
		return -ESRCH;
	out->is_kernel = is_of_kernel(text);
	snprintf(path, sizeof(path), "%s/self/ns/cgroup", proc);
	out->is_whole = stat(path, &ns) || ns.st_ino == HOST_NS;
	snprintf(path, sizeof(path), "%s/%ld/cgroup", proc, pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return -ESRCH;
	return path_of(text, out->path, sizeof(out->path));
}

/* Is it in the cgroup of this directory? Who has more depth than we look at is not. */
static bool has_process(const char *dir, long pid)
{
	char path[PATH_MAX + sizeof(PROCS)];
	long one;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s" PROCS, dir);
	f = fopen(path, "re");
	while (f && !found && fscanf(f, "%ld", &one) == 1)
		found = one == pid;
	if (f)
		fclose(f);
	return found;
}

/* dir has the path of a cgroup, and then that of the one below it with the process. */
static bool search_below(char dir[PATH_MAX], long pid, int depth)
{
	size_t len = strlen(dir);
	struct dirent *entry;
	bool found = has_process(dir, pid);
	DIR *list = found || !depth ? NULL : opendir(dir);

	while (list && !found && (entry = readdir(list))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, "..") ||
		    len + strlen(entry->d_name) + 2 > PATH_MAX)
			continue;
		snprintf(dir + len, PATH_MAX - len, "/%s", entry->d_name);
		found = search_below(dir, pid, depth - 1);
		if (!found)
			dir[len] = '\0';
	}
	if (list)
		closedir(list);
	return found;
}

bool process_search(const char *root, long pid, char *out, size_t len)
{
	char dir[PATH_MAX];
	size_t at = strlen(root);

	snprintf(dir, sizeof(dir), "%s", root);
	if (!search_below(dir, pid, DEPTH))
		return false;
	snprintf(out, len, "%s", dir[at] ? dir + at : "/");
	return true;
}
