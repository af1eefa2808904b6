// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "device.h"

/* nvmeXcYnZ, the hidden device of one path, is nvmeXnZ to its users. */
static void merge_paths(char *name)
{
	unsigned int x, y, z;
	int end = 0;

	if (sscanf(name, "nvme%uc%un%u%n", &x, &y, &z, &end) == 3 && !name[end])
		sprintf(name, "nvme%un%u", x, z); /* shorter than before */
}

const char *device_name(unsigned int major, unsigned int minor, char *buf, size_t len)
{
	char link[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(buf, len, "%u:%u", major, minor);
	snprintf(link, sizeof(link), "/sys/dev/block/%s", buf);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return buf;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(buf, len, "%s", base ? base + 1 : target);
	merge_paths(buf);
	return buf;
}
