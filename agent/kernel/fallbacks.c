// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/btf.h>
#include "base/util.h"
#include "kernel/fallbacks.h"

#define VARIABLE "ASSAY_TEST_FALLBACKS"
#define TYPES	 "/sys/kernel/btf/vmlinux"

/* What came after 5.15 and is asked for by name. */
static const char after_floor[] =
    "BPF_FUNC_loop,BPF_FUNC_user_ringbuf_drain,bpf_rdonly_cast,shared_tags";

static const char *hidden(void)
{
	const char *names = getenv(VARIABLE);

	return names && *names ? names : NULL;
}

bool fallbacks_forced(void)
{
	return hidden() && !strcmp(hidden(), "all");
}

/* Makes another name of each of that name: it is in the strings once. */
static void hide(char *strings, size_t len, const char *name, size_t n)
{
	for (char *s = strings; s < strings + len; s += strlen(s) + 1)
		if (strlen(s) == n && !memcmp(s, name, n))
			s[0] = '-';
}

static void hide_all(char *types, size_t len)
{
	const struct btf_header *h = (void *)types;
	const char *names = fallbacks_forced() ? after_floor : hidden();

	if (len < sizeof(*h) || (uint64_t)h->hdr_len + h->str_off + h->str_len > len)
		return;
	while (*names) {
		size_t n = strcspn(names, ",");

		hide(types + h->hdr_len + h->str_off, h->str_len, names, n);
		names += n + (names[n] == ',');
	}
}

/* The kernel's types, ours to free; the file tells its size. */
static char *read_types(size_t *len)
{
	int fd = open(TYPES, O_RDONLY | O_CLOEXEC);
	char *types = NULL;
	struct stat st;

	*len = 0;
	if (fd >= 0 && !fstat(fd, &st))
		types = malloc(st.st_size + 1);
	while (types && *len < (size_t)st.st_size) {
		ssize_t n = read(fd, types + *len, st.st_size - *len);

		if (n <= 0)
			break;
		*len += n;
	}
	if (fd >= 0)
		close(fd);
	return types;
}

/* A file that nobody else sees; -1 when it cannot be had. */
static int make_copy(void)
{
	int fd = memfd_create("assay-types", MFD_CLOEXEC);
	size_t len;
	char *types = read_types(&len);

	if (types && fd >= 0) {
		types[len] = '\0';
		hide_all(types, len);
		for (size_t at = 0; at < len;) {
			ssize_t n = write(fd, types + at, len - at);

			if (n <= 0)
				break;
			at += n;
		}
	}
	free(types);
	return fd;
}

static int copy = -1;

const char *fallbacks_btf(void)
{
	static char path[32];

	if (!hidden())
		return NULL;
	if (copy < 0)
		copy = make_copy();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	return path;
}

void fallbacks_forget(void)
{
	if (copy >= 0)
		close(copy);
	copy = -1;
}
