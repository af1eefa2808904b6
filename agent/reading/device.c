// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "reading/device.h"

void device_name(const char *disk, char *buf, size_t len)
{
	unsigned int x, y, z;
	int end = 0;

	/* nvmeXcYnZ, the hidden device of one path, is nvmeXnZ to its users */
	if (sscanf(disk, "nvme%uc%un%u%n", &x, &y, &z, &end) == 3 && !disk[end])
		snprintf(buf, len, "nvme%un%u", x, z);
	else
		snprintf(buf, len, "%s", disk);
	for (; *buf; buf++)
		if (*buf == '/') /* as /sys has it */
			*buf = '!';
}
