// SPDX-License-Identifier: Apache-2.0
/*
 * Two directories of the kubelet's whose entries tell names: /var/log/containers, with
 * a link for each container, and /var/log/pods, with a directory for each pod. One is
 * read when it has changed, and looked at once a second at most.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/names_impl.h"

#define ENTRIES_MAX 16384 /* the kubelet's limit is some hundreds of pods */
#define REREAD_NS   1000000000ULL
/* A change so soon after the one before may have the same time. */
#define TICK_NS 100000000ULL

static void forget(struct names_dir *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->names[i]);
	d->count = 0;
}

void names_dir_clear(struct names_dir *d)
{
	forget(d);
	free(d->names);
	*d = (struct names_dir){ 0 };
}

static int add(struct names_dir *d, const char *name)
{
	if (d->count == ENTRIES_MAX)
		return 0;
	if (d->count == d->room) {
		size_t room = d->room ? 2 * d->room : 64;
		char **more = reallocarray(d->names, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->names = more;
		d->room = room;
	}
	d->names[d->count] = strdup(name);
	return d->names[d->count] ? (d->count++, 0) : -ENOMEM;
}

/* Reads all entries; the descriptor is closed. */
static int read_all(struct names_dir *d, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int err = 0;

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	forget(d);
	while (!err && (e = readdir(dir)))
		err = *e->d_name == '.' ? 0 : add(d, e->d_name);
	closedir(dir);
	return err;
}

int names_dir_read(struct names_dir *d, const char *root, const char *path)
{
	uint64_t now = now_mono_ns(), changed_ns;
	struct stat st;
	int fd, err;

	if (d->read_ns && now - d->read_ns < REREAD_NS)
		return 0;
	d->read_ns = now;
	fd = open_below(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		forget(d);
		d->changed = (struct timespec){ 0 };
		return fd;
	}
	if (fstat(fd, &st) || !memcmp(&st.st_mtim, &d->changed, sizeof(d->changed))) {
		close(fd);
		return 0;
	}
	err = read_all(d, fd);
	changed_ns = st.st_mtim.tv_sec * 1000000000ULL + st.st_mtim.tv_nsec;
	d->changed = st.st_mtim;
	if (err || now_wall_ns() - changed_ns < TICK_NS)
		d->changed = (struct timespec){ 0 };
	return err;
}
