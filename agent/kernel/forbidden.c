// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "kernel/forbidden.h"

#define FIRST_USER 0xEFFFFFFDU /* inode (include/linux/proc_ns.h) */
#define NONSENSE   0x7fff      /* no command of bpf(2), for long */

bool forbidden_is(int err)
{
	return err == -EPERM || err == -EACCES || err == -ENOSYS;
}

/* The rest of the line behind "KEY:" in /proc/self/status. */
static int number_of(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? atoi(line + strlen(key)) : 0;
}

static int call_nonsense(void)
{
	union bpf_attr attr = { 0 };

	return syscall(SYS_bpf, NONSENSE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

void forbidden_look(struct surroundings *s)
{
	char status[8192];
	struct stat st;

	memset(s, 0, sizeof(*s));
	s->in_user_namespace =
	    !stat("/proc/self/ns/user", &st) && st.st_ino != FIRST_USER;
	if (read_file("/proc/self/status", status, sizeof(status)) > 0)
		s->seccomp = number_of(status, "\nSeccomp:");
	s->nonsense = call_nonsense();
	if (read_file("/proc/self/attr/current", s->label, sizeof(s->label)) < 0)
		s->label[0] = '\0';
	if (read_file("/sys/kernel/security/lsm", s->modules, sizeof(s->modules)) < 0)
		s->modules[0] = '\0';
}

/* "system_u:system_r:container_t:s0:c1,c2"; AppArmor's have no such form. */
static bool is_selinux(const char *label)
{
	int colons = 0;

	for (; *label; label++)
		colons += *label == ':';
	return colons >= 3;
}

static bool is_apparmor(const char *label)
{
	return *label && strncmp(label, "unconfined", 10) && strcmp(label, "kernel") &&
	       !is_selinux(label);
}

void forbidden_explain(const struct surroundings *s, int err, char *buf, size_t len)
{
	if (s->in_user_namespace)
		snprintf(buf, len,
			 "capabilities of a user namespace are none for bpf(2): run in "
			 "the host's (in Kubernetes hostUsers: true)");
	else if (s->nonsense != -EINVAL && s->seccomp)
		snprintf(buf, len,
			 "seccomp refuses bpf(2): take a profile that allows it");
	else if (s->nonsense == -ENOSYS)
		snprintf(buf, len, "this kernel has no bpf(2)");
	else if (is_selinux(s->label))
		snprintf(buf, len,
			 "SELinux refuses bpf(2) to %s: take a type that may (ausearch "
			 "-m avc -c assay)",
			 s->label);
	else if (is_apparmor(s->label))
		snprintf(buf, len,
			 "AppArmor's profile %s refuses: it needs \"capability bpf, "
			 "capability perfmon,\"",
			 s->label);
	else if (s->nonsense != -EINVAL)
		snprintf(buf, len, "something refuses bpf(2) as a whole: %s",
			 strerror(-s->nonsense));
	else
		snprintf(
		    buf, len,
		    "seccomp or a security module (%s) refuses this use of bpf(2): "
		    "%s",
		    s->modules[0] ? s->modules : "unknown which there are",
		    strerror(-err));
}
