// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "workload/cpu_limit.h"

double cpu_limit_parse(const char *text)
{
	unsigned long long quota, period;

	if (sscanf(text, "%llu %llu", &quota, &period) != 2 ||
	    !period) /* "max 100000" */
		return 0;
	return (double)quota / period;
}

int cpu_limit_read(const char *root, const char *path, struct cpu_limit *out)
{
	char at[4096], file[2 * 4096 + 16], text[64];

	*out = (struct cpu_limit){ 0 };
	if (strlen(path) >= sizeof(at))
		return -ENOENT;
	for (strcpy(at, path); strrchr(at, '/'); *strrchr(at, '/') = '\0') {
		double cpus;

		snprintf(file, sizeof(file), "%s%s/cpu.max", root, at);
		cpus =
		    read_file(file, text, sizeof(text)) > 0 ? cpu_limit_parse(text) : 0;
		if (cpus <= 0 || (out->cpus > 0 && out->cpus <= cpus))
			continue;
		out->cpus = cpus;
		snprintf(out->path, sizeof(out->path), "%s", at);
	}
	return out->cpus > 0 ? 0 : -ENOENT;
}
