// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "kernel/quiet.h"

#define CPUS "/sys/devices/system/cpu/"

int quiet_check(const char *text)
{
	struct cpu_list l = { 0 };

	if (!strcmp(text, QUIET_ISOLATED) || !strcmp(text, QUIET_NONE))
		return 0;
	return cpu_list_parse(text, &l);
}

/* A kernel without that has no such file, or something there that is no list. */
static void add_file(const char *path, struct cpu_list *l)
{
	char text[CPU_LIST_MAX];
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	if (fgets(text, sizeof(text), f))
		cpu_list_parse(text, l);
	fclose(f);
}

void quiet_find(const char *text, struct cpu_list *quiet)
{
	*quiet = (struct cpu_list){ 0 };
	if (!strcmp(text, QUIET_NONE))
		return;
	if (strcmp(text, QUIET_ISOLATED) != 0) {
		cpu_list_parse(text, quiet);
		return;
	}
	add_file(CPUS "isolated", quiet);
	add_file(CPUS "nohz_full", quiet);
}
