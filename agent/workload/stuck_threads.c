// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "base/text.h"
#include "base/util.h"
#include "bpf/syscall.h"
#include "syscall_table.h"
#include "workload/stuck_threads.h"

struct sleeper {
	long tid;
	char state; /* of /proc/TID/stat */
	char command[32];
};

/* 'S' or 'D' in /proc/TID/stat, behind the name, which may have anything in it. */
static bool is_asleep(struct sleeper *s)
{
	char path[64], text[512], *name, *end;

	snprintf(path, sizeof(path), "/proc/%ld/stat", s->tid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return false; /* it has ended */
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || end[1] != ' ' || (end[2] != 'D' && end[2] != 'S'))
		return false;
	s->state = end[2];
	*end = '\0';
	text_copy(s->command, sizeof(s->command), name + 1, SIZE_MAX);
	return true;
}

/* The call that it is in, and its first argument; -1: none, or it cannot be read. */
static int call_of(const struct sleeper *s, unsigned long *arg)
{
	char path[64], text[256];
	int number = -1;

	*arg = 0;
	snprintf(path, sizeof(path), "/proc/%ld/syscall", s->tid);
	if (read_file(path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%d %lx", &number, arg) < 1)
		return -1;
	return number;
}

static bool is_file(const struct sleeper *s, unsigned long fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%lu", s->tid, fd);
	return !stat(path, &st) &&
	       (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode));
}

/* enum call_class; CALL_CLASSES: not known. */
static unsigned int class_of(const struct sleeper *s, int number, unsigned long arg)
{
	unsigned int info =
	    number >= 0 && number < CALLS_MAX ? calls_native[number] : 0;

	if (info & CALL_BY_FD)
		return is_file(s, arg) ? CALL_FILE : CALL_CLASSES;
	return info ? CALL_CLASS(info) : CALL_CLASSES;
}

static void describe(const struct sleeper *s, int number, struct sleepers *out)
{
	char path[64], text[256], *name;

	*out->call = *out->wchan = '\0';
	memcpy(out->command, s->command, sizeof(out->command));
	name = number < 0 ? NULL
			  : seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	if (name)
		snprintf(out->call, sizeof(out->call), "%s", name);
	free(name);
	snprintf(path, sizeof(path), "/proc/%ld/wchan", s->tid);
	if (read_file(path, text, sizeof(text)) > 0 && strcmp(text, "0"))
		snprintf(out->wchan, sizeof(out->wchan), "%.47s", text);
}

static void add(const struct sleeper *s, int number, struct sleepers *out)
{
	bool sure = s->state == 'D';

	if (!out->count++ || (sure && !out->uninterruptible))
		describe(s, number, out);
	out->uninterruptible += sure;
	out->locks += !sure && number == SYS_flock;
}

static void look_at(long tid, struct stuck_threads *out)
{
	struct sleeper s = { .tid = tid };
	unsigned int class;
	unsigned long arg;
	int number;

	if (!is_asleep(&s))
		return;
	number = call_of(&s, &arg);
	class = class_of(&s, number, arg);
	add(&s, number, &out->asleep);
	if (class < CALL_CLASSES)
		add(&s, number, &out->of[class]);
}

int stuck_threads_read(const char *cgroup_dir, struct stuck_threads *out)
{
	char path[4352];
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
		if (!err)
			look_at(tid, out);
	}
	fclose(f);
	return err;
}
