// SPDX-License-Identifier: Apache-2.0
/*
 * held OBJECT: says "ready", and at a line on stdin what the threads named "assay" have
 * read(2) since (OBJECT is held.bpf.c): how often, and the reads that held a CPU for
 * longest. "main" is the process' first thread: its loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "held.h"

#define SHOWN 12

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct bpf_object *open_object(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	struct bpf_map *map;
	long nr = SYS_read;

	if (!obj)
		die(path);
	bpf_object__for_each_map (map, obj) {
		const char *section = strchr(bpf_map__name(map), '.');

		if (section && !strcmp(section, ".rodata") &&
		    bpf_map__set_initial_value(map, &nr, sizeof(nr)))
			die("parameters");
	}
	if (bpf_object__load(obj))
		die("load");
	bpf_object__for_each_program (prog, obj)
		if (!bpf_program__attach(prog))
			die("attach");
	return obj;
}

static int longest_first(const void *a, const void *b)
{
	const struct held_read *x = a, *y = b;

	return x->cpu_us < y->cpu_us ? 1 : x->cpu_us > y->cpu_us ? -1 : 0;
}

static size_t get(struct bpf_object *obj, struct held_read *all)
{
	int fd = bpf_object__find_map_fd_by_name(obj, "reads");
	size_t n = 0;

	for (__u32 i = 0; i < HELD_READS; i++)
		if (!bpf_map_lookup_elem(fd, &i, &all[n]) && all[n].began_ns)
			n++;
	return n;
}

static void sum_up(const struct held_read *all, size_t n, int main)
{
	unsigned long reads = 0, cpu = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		if ((int)all[i].main != main)
			continue;
		reads++;
		cpu += all[i].cpu_us;
		if (all[i].cpu_us > most)
			most = all[i].cpu_us;
	}
	printf("%s: reads=%lu cpu_us=%lu longest_us=%lu\n", main ? "main" : "other",
	       reads, cpu, most);
}

int main(int argc, char **argv)
{
	static struct held_read all[HELD_READS];
	struct bpf_object *obj = argc == 2 ? open_object(argv[1]) : NULL;
	char line[64];
	size_t n;

	if (!obj)
		die("held OBJECT");
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	n = get(obj, all);
	sum_up(all, n, 1);
	sum_up(all, n, 0);
	qsort(all, n, sizeof(*all), longest_first);
	for (size_t i = 0; i < n && i < SHOWN; i++)
		printf("  %s at %.3f ms: cpu %u us, wall %u us, result %d\n",
		       all[i].main ? "main " : "other", all[i].began_ns / 1e6 / 1,
		       all[i].cpu_us, all[i].wall_us, all[i].result);
	return 0;
}
