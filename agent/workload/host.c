// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/host.h"
#include "workload/identity.h"

#define ID_DIGITS 32

/* Inodes of the first namespaces: include/linux/proc_ns.h, the same on all kernels. */
#define FIRST_UTS    0xeffffffeU
#define FIRST_PID    0xeffffffcU
#define FIRST_CGROUP 0xeffffffbU

static bool is_first(const char *path, uint64_t inode)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == inode;
}

/* Is the cgroup that we run in a container's, or has it a namespace of its own? */
static bool is_contained(void)
{
	char text[8192], *line;
	struct workload_id id;
	bool contained = false;

	if (!is_first("/proc/self/ns/pid", FIRST_PID) ||
	    !is_first("/proc/self/ns/cgroup", FIRST_CGROUP) ||
	    getenv("KUBERNETES_SERVICE_HOST"))
		return true;
	if (read_file("/proc/self/cgroup", text, sizeof(text)) < 0)
		return false;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *path = strchr(line, '/');

		if (!path || workload_identify(path, &id))
			continue;
		contained |= id.kind == WORKLOAD_CONTAINER;
		workload_id_fini(&id);
	}
	return contained;
}

/* Boards whose maker did not set a UUID. */
static bool is_nobodys(const char *id)
{
	return strspn(id, "0") == ID_DIGITS || strspn(id, "f") == ID_DIGITS ||
	       !strcmp(id, "03000200040005000006000700080009");
}

int host_parse_id(const char *text, char *id, size_t len)
{
	size_t n = 0;

	for (; *text && *text != '\n'; text++) {
		if (*text == '-')
			continue;
		if (!isxdigit((unsigned char)*text) || n == ID_DIGITS || n + 1 >= len)
			return -EINVAL;
		id[n++] = tolower((unsigned char)*text);
	}
	id[n] = '\0';
	return n == ID_DIGITS && !is_nobodys(id) ? 0 : -EINVAL;
}

/* Reads a file of the node whose root is there; "": our own. */
static int read_of(const char *root, const char *file, char *text, size_t len)
{
	return *root ? read_file_below(root, file, text, len)
		     : read_file(file, text, len);
}

/* Takes the id out of a file below root. */
static bool take_id(struct host *h, const char *root, const char *file,
		    const char *from)
{
	char text[HOST_WORD];

	if (read_of(root, file, text, sizeof(text)) <= 0 ||
	    host_parse_id(text, h->id, sizeof(h->id)))
		return false;
	h->id_from = from;
	return true;
}

static bool find_id(struct host *h, const char *root)
{
	if (root && (take_id(h, root, "/etc/machine-id", "--host-root") ||
		     take_id(h, root, "/var/lib/dbus/machine-id", "--host-root")))
		return true;
	if (is_first("/proc/self/ns/pid", FIRST_PID) &&
	    take_id(h, "/proc/1/root", "/etc/machine-id",
		    "/etc/machine-id of process 1"))
		return true;
	if (!is_contained() &&
	    (take_id(h, "", "/etc/machine-id", "/etc/machine-id") ||
	     take_id(h, "", "/var/lib/dbus/machine-id", "/var/lib/dbus/machine-id")))
		return true;
	if (take_id(h, "", "/sys/class/dmi/id/product_uuid",
		    "/sys/class/dmi/id/product_uuid"))
		return true;
	h->fleeting = true;
	return take_id(h, "", "/proc/sys/kernel/random/boot_id",
		       "the kernel's boot id");
}

/* The first line of /etc/hostname below root. */
static bool take_name(struct host *h, const char *root, const char *from)
{
	if (read_of(root, "/etc/hostname", h->name, sizeof(h->name)) <= 0)
		return false;
	h->name[strcspn(h->name, " \t\n")] = '\0';
	h->name_from = from;
	return h->name[0];
}

static void find_name(struct host *h, const char *root)
{
	if (!is_first("/proc/self/ns/uts", FIRST_UTS)) {
		if (root && take_name(h, root, "--host-root"))
			return;
		if (is_first("/proc/self/ns/pid", FIRST_PID) &&
		    take_name(h, "/proc/1/root", "/etc/hostname of process 1"))
			return;
	}
	h->name_from = "the host name";
	if (gethostname(h->name, sizeof(h->name) - 1) || !h->name[0])
		snprintf(h->name, sizeof(h->name), "localhost");
}

bool host_is_word(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 127)
			return false;
	return n && n < HOST_WORD && text_is_utf8(s);
}

static int take_wish(const char *key, const char *wish, char *out, size_t len,
		     char *cause, size_t cause_len)
{
	if (!host_is_word(wish)) {
		snprintf(
		    cause, cause_len,
		    "%s '%.64s': must be 1 to %d characters (UTF-8) without spaces",
		    key, wish, HOST_WORD - 1);
		return -EINVAL;
	}
	snprintf(out, len, "%s", wish);
	return 0;
}

int host_find(const struct host_wish *wish, struct host *h, char *cause, size_t len)
{
	struct stat st;
	int err = 0;

	memset(h, 0, sizeof(*h));
	if (wish->root && (stat(wish->root, &st) || !S_ISDIR(st.st_mode))) {
		snprintf(cause, len, "--host-root %.200s: must be a directory",
			 wish->root);
		return -EINVAL;
	}
	if (wish->name) {
		h->name_from = "the user";
		err = take_wish("host.name", wish->name, h->name, sizeof(h->name),
				cause, len);
	} else {
		find_name(h, wish->root);
	}
	if (err)
		return err;
	if (wish->id) {
		h->id_from = "the user";
		return take_wish("host.id", wish->id, h->id, sizeof(h->id), cause, len);
	}
	if (!find_id(h, wish->root)) {
		snprintf(h->id, sizeof(h->id), "%.127s", h->name);
		h->id_from = "the host name";
	}
	return 0;
}
