// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/stuck_threads.h"

/* 'D' in /proc/TID/stat, behind the name, which may have anything in it. */
static bool is_uninterruptible(long tid, char *command, size_t len)
{
	char path[64], text[512], *name, *end;

	snprintf(path, sizeof(path), "/proc/%ld/stat", tid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return false; /* it has ended */
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || end[1] != ' ' || end[2] != 'D')
		return false;
	*end = '\0';
	text_copy(command, len, name + 1, SIZE_MAX); /* it may have anything in it */
	return true;
}

static void describe(long tid, struct stuck_threads *out)
{
	char path[64], text[256], *name;
	int number;

	snprintf(path, sizeof(path), "/proc/%ld/syscall", tid);
	if (read_file(path, text, sizeof(text)) > 0 &&
	    sscanf(text, "%d", &number) == 1) {
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
		if (name)
			snprintf(out->call, sizeof(out->call), "%s", name);
		free(name);
	}
	snprintf(path, sizeof(path), "/proc/%ld/wchan", tid);
	if (read_file(path, text, sizeof(text)) > 0 && strcmp(text, "0"))
		snprintf(out->wchan, sizeof(out->wchan), "%.47s", text);
}

int stuck_threads_read(const char *cgroup_dir, struct stuck_threads *out)
{
	char path[4352], command[32];
	FILE *f;
	long tid;
	int err = 0;

	*out = (struct stuck_threads){ 0 };
	snprintf(path, sizeof(path), "%.4095s/cgroup.threads", cgroup_dir);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && fscanf(f, "%ld", &tid) == 1) {
		if (tid <= 0)
			err = -ESRCH; /* of another pid namespace */
		out->all++;
		if (err || !is_uninterruptible(tid, command, sizeof(command)))
			continue;
		if (!out->count++) {
			memcpy(out->command, command, sizeof(out->command));
			describe(tid, out);
		}
	}
	fclose(f);
	return err;
}
