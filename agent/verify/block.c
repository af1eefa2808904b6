// SPDX-License-Identifier: Apache-2.0
/*
 * Writes and reads past the page cache, of a file without a name on the first file
 * system that allows it and has a disk of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/stage.h"

#define BLOCK 4096
#define TIMES 16
#define DEPTH 8 /* of disks upon disks: LVM on LUKS on ... */

static const char *const directories[] = { "/var/tmp", "/tmp", "/var/lib", "/root" };
static int file = -1;
static char *block;

/* The last part of a path, cut off it. */
static const char *cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return "";
	*slash = '\0';
	return slash + 1;
}

/* The only disk below a disk; "": there is none, or several. */
static void only_slave(const char *dir, char *name, size_t len)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%.2000s/slaves", dir);
	d = opendir(path);
	*name = '\0';
	while (d && (e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		if (*name) {
			*name = '\0';
			break;
		}
		snprintf(name, len, "%s", e->d_name);
	}
	if (d)
		closedir(d);
}

/* The disk whose requests those of a device are; "": it has none, or several. */
static void find_disk(dev_t device, char *name, size_t len)
{
	char path[PATH_MAX], real[PATH_MAX], slave[NAME_MAX + 1];

	*name = '\0';
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device),
		 minor(device));
	for (int i = 0; i < DEPTH && realpath(path, real); i++) {
		const char *found;

		snprintf(path, sizeof(path), "%.2000s/partition", real);
		if (!access(path, F_OK))
			cut_name(real);
		only_slave(real, slave, sizeof(slave));
		if (*slave) {
			snprintf(path, sizeof(path), "/sys/class/block/%s", slave);
			continue;
		}
		snprintf(path, sizeof(path), "%.2000s/queue/scheduler", real);
		if (access(path, F_OK)) /* a dm or md without one below */
			return;
		found = cut_name(real);
		if (strlen(found) < len)
			strcpy(name, found);
		return;
	}
}

/* A file in a directory, without a name; -1: not here. */
static int try_directory(const char *dir, char *disk, size_t len)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/assay-verify.XXXXXX", dir);
	fd = mkostemp(path, O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -1;
	unlink(path);
	if (!fstat(fd, &st))
		find_disk(st.st_dev, disk, len);
	if (*disk)
		return fd;
	close(fd);
	return -1;
}

/* So many at once: 0 or -errno. */
static int write_all(void)
{
	for (int i = 0; i < TIMES; i++)
		if (pwrite(file, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			return -errno;
	return 0;
}

void block_prepare(const struct actor_stage *s)
{
	struct truths *t = s->truths;

	for (size_t i = 0; i < COUNT(directories) && file < 0; i++)
		file = try_directory(directories[i], t->disk, sizeof(t->disk));
	if (file < 0) {
		stage_skip(
		    s,
		    "no file system here allows O_DIRECT and has one disk of its "
		    "own (looked in /var/tmp, /tmp, /var/lib, /root)",
		    0);
		return;
	}
	block = aligned_alloc(BLOCK, BLOCK);
	if (!block || write_all() || fsync(file))
		stage_skip(s, "a file to write to", block ? -errno : -ENOMEM);
	else
		memset(block, 'a', BLOCK);
}

void block_work(const struct actor_stage *s)
{
	struct truth *of = s->truths->of;
	int err = 0;

	if (file < 0)
		return;
	for (int i = 0; i < TIMES && !err; i++) {
		uint64_t began = now_mono_ns();

		if (pwrite(file, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			err = -errno;
		else
			truth_add(&of[TRUTH_BLOCK_WRITES], 0, now_mono_ns() - began);
		began = now_mono_ns();
		if (!err && pread(file, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			err = -errno;
		else if (!err)
			truth_add(&of[TRUTH_BLOCK_READS], 0, now_mono_ns() - began);
	}
	if (err)
		stage_skip(s, "a read or write with O_DIRECT", err);
	/* the file system may write something of its own meanwhile */
	of[TRUTH_BLOCK_WRITES].more = TIMES;
}
