// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "kernel/privileges.h"

#define BIT(n) (1ULL << (n))

/* In the order of their numbers (include/uapi/linux/capability.h). */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

/* What may be needed for descriptors of BPF, the least first. */
static const uint64_t sets[] = { 0, BIT(CAP_BPF), BIT(CAP_BPF) | BIT(CAP_PERFMON),
				 BIT(CAP_SYS_ADMIN) };

_Static_assert(CAP_SYS_ADMIN == 21 && COUNT(names) == 41, "as the kernel has them");

/* Of this thread: those that are made later have the same. */
static int get(uint64_t *permitted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data))
		return -errno;
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

static int set(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		data[i].effective = effective >> 32 * i;
		data[i].permitted = permitted >> 32 * i;
	}
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

void privileges_raise(void)
{
	uint64_t permitted;

	if (!get(&permitted))
		set(permitted, permitted);
}

/* The least set of those it had that try() does with; all, if none does. */
static int find_needed(uint64_t had, int (*try)(void *), void *arg, uint64_t *needed)
{
	for (size_t i = 0; i < COUNT(sets); i++) {
		int err;

		if (sets[i] & ~had)
			continue;
		err = set(sets[i], had);
		if (err)
			return err;
		err = try(arg);
		*needed = sets[i];
		if (err != -EPERM && err != -EACCES)
			return 0;
	}
	*needed = had;
	return 0;
}

/* Needs CAP_SETPCAP; without, no_new_privs has to do. */
static void bound(uint64_t kept)
{
	for (int i = 0; i < 64; i++)
		if (!(kept & BIT(i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) &&
		    errno != EPERM)
			break; /* the kernel knows no more of them */
}

static bool dropped; /* threads that are made have no more than this one */

void privileges_drop_thread(void)
{
	if (!dropped)
		set(0, 0);
}

int privileges_drop(struct privileges *p, int (*try)(void *arg), void *arg)
{
	int err = get(&p->had);

	if (err)
		return err;
	err = find_needed(p->had, try, arg, &p->kept);
	if (err) {
		set(p->had, p->had);
		return err;
	}
	if (geteuid() != 0)
		p->kept |= p->had & BIT(CAP_DAC_READ_SEARCH);
	set(p->had, p->had); /* for CAP_SETPCAP */
	bound(p->kept);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* should it fail, the filter of system calls does, too, and that is told */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	err = set(p->kept, p->kept);
	dropped = !err;
	return err;
}

void privileges_names(uint64_t caps, char *buf, size_t len)
{
	size_t at = snprintf(buf, len, "%s", caps ? "" : "none");

	for (int i = 0; i < 64 && at < len; i++) {
		if (!(caps & BIT(i)))
			continue;
		at += snprintf(buf + at, len - at, at ? ", " : "");
		if (at < len && i < (int)COUNT(names))
			at += snprintf(buf + at, len - at, "%s", names[i]);
		else if (at < len)
			at += snprintf(buf + at, len - at, "capability %d", i);
	}
}

uint64_t privileges_of(const char *status, const char *set_name)
{
	const char *line = strstr(status, set_name);

	return line ? strtoull(line + strlen(set_name) + 1, NULL, 16) : 0;
}
