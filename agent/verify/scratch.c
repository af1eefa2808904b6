// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/scratch.h"
#include "verify/truth.h"

#define TRIES	 100
#define PAUSE_NS 20000000 /* who is killed has to run for it */

/* Kills all processes of a group. */
static void kill_all(const char *dir)
{
	char path[PATH_MAX];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid > 0 && pid != getpid())
			kill(pid, SIGKILL);
	fclose(f);
}

static int remove_group(const char *dir)
{
	for (int i = 0; i < TRIES; i++) {
		if (!rmdir(dir) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		kill_all(dir);
		truth_nap(PAUSE_NS);
	}
	return -errno;
}

/* A directory and the groups in it. */
static int remove_tree(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		if (e->d_type != DT_DIR || *e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		remove_group(path);
	}
	closedir(d);
	return remove_group(dir);
}

/* Opens and locks it; -EWOULDBLOCK: its command lives. */
static int lock_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void remove_leftovers(struct scratch *s, const char *root)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(root);
	int lock;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, SCRATCH_PREFIX, strlen(SCRATCH_PREFIX)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, e->d_name);
		lock = lock_dir(path);
		if (lock < 0)
			continue;
		if (!remove_tree(path))
			s->leftovers++;
		close(lock);
	}
	if (d)
		closedir(d);
}

int scratch_open(struct scratch *s, const char *root, char *cause, size_t len)
{
	int err;

	*s = (struct scratch){ .lock = -1 };
	remove_leftovers(s, root);
	snprintf(s->path, sizeof(s->path), "%.1500s/" SCRATCH_PREFIX "%d", root,
		 getpid());
	err = mkdir(s->path, 0755) ? -errno : 0;
	if (!err) {
		s->lock = lock_dir(s->path);
		s->made = s->lock >= 0;
		if (s->made)
			return 0;
		err = s->lock;
	}
	snprintf(
	    cause, len,
	    "%.200s: %s: events are made in a cgroup of their own: run it as root on "
	    "the node, where the cgroup tree can be written (see --cgroup-root)",
	    s->path, strerror(-err));
	return err;
}

int scratch_group(struct scratch *s, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	return mkdir(path, 0755) ? -errno : 0;
}

int scratch_enter(const struct scratch *s, const char *name)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s/cgroup.procs", s->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return err;
}

bool scratch_has_io(const struct scratch *s)
{
	char path[PATH_MAX], text[256];
	int n;

	snprintf(path, sizeof(path), "%s/cgroup.controllers", s->path);
	n = read_file(path, text + 1, sizeof(text) - 2);
	if (n <= 0)
		return false;
	/* our groups have what the directory gives on: nothing; it counts for them */
	text[0] = ' ';
	strcat(text, " ");
	return strstr(text, " io ");
}

void scratch_suffix(const struct scratch *s, const char *name, char *out, size_t len)
{
	const char *slash = strrchr(s->path, '/');

	snprintf(out, len, "%s%s%s", slash ? slash : "", *name ? "/" : "", name);
}

int scratch_close(struct scratch *s)
{
	int err = s->made ? remove_tree(s->path) : 0;

	if (s->made)
		close(s->lock);
	s->made = false;
	return err;
}
