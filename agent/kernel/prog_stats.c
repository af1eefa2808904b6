// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "kernel/probes.h"
#include "kernel/prog_stats.h"

#define PROGRAMS_MOST 256 /* that a process holds */

int prog_stats_on(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

/* The program that has this name, which the kernel cuts; variants have longer ones. */
static int find_program(const char *name)
{
	int found = -1;
	size_t most = 0;

	for (int i = 0; i < PROGRAM_COUNT; i++) {
		size_t n = strnlen(programs[i].name, BPF_OBJ_NAME_LEN - 1);

		if (n > most && !strncmp(programs[i].name, name, n)) {
			most = n;
			found = i;
		}
	}
	return found;
}

static void add(uint32_t id, struct prog_stats *out)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id), program;

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		program = find_program(info.name);
		if (program >= 0) {
			out->runs[program] += info.run_cnt;
			out->ns[program] += info.run_time_ns;
		}
	}
	close(fd);
}

/* The id in a descriptor's file; 0: it is of no program. */
static uint32_t id_of(const char *path)
{
	char text[1024], *at;

	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, "prog_id:");
	return at ? strtoul(at + strlen("prog_id:"), NULL, 10) : 0;
}

int prog_stats_read(pid_t pid, struct prog_stats *out)
{
	uint32_t ids[PROGRAMS_MOST], id;
	size_t count = 0, i;
	char path[64 + 256];
	struct dirent *e;
	DIR *d;

	*out = (struct prog_stats){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d)) && count < PROGRAMS_MOST) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, e->d_name);
		id = *e->d_name == '.' ? 0 : id_of(path);
		for (i = 0; i < count && ids[i] != id; i++)
			;
		if (id && i == count)
			ids[count++] = id; /* a link has its program's, too */
	}
	closedir(d);
	for (i = 0; i < count; i++)
		add(ids[i], out);
	return count ? 0 : -ENOENT;
}
