// SPDX-License-Identifier: Apache-2.0
/*
 * longest OBJECT SECONDS: how long each switch spends in the programs on sched_switch
 * that are attached between "ready" and a line on stdin, for so long from then on, by
 * OBJECT (longest.bpf.c): "runs=N p50=NS p99=NS p999=NS max=NS". A percentile is the
 * end of its step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "longest.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void attach(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	if (!prog || !bpf_program__attach(prog))
		die(name);
}

static void add_up(struct bpf_object *obj, struct longest *sum)
{
	int cpus = libbpf_num_possible_cpus(), fd, zero = 0;
	struct longest *all = calloc(cpus, sizeof(*all));

	fd = bpf_object__find_map_fd_by_name(obj, "times");
	if (!all || bpf_map_lookup_elem(fd, &zero, all))
		die("times");
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (int i = 0; i < LONGEST_STEPS; i++)
			sum->runs[i] += all[cpu].runs[i];
		if (all[cpu].most > sum->most)
			sum->most = all[cpu].most;
	}
	free(all);
}

static unsigned long long percentile(const struct longest *sum, double all, double part)
{
	double seen = 0;

	for (int i = 0; i < LONGEST_STEPS - 1; i++) {
		seen += sum->runs[i];
		if (seen >= all * part)
			return (i + 1) * LONGEST_STEP;
	}
	return sum->most;
}

int main(int argc, char **argv)
{
	static struct longest sum;
	struct bpf_object *obj =
	    argc == 3 ? bpf_object__open_file(argv[1], NULL) : NULL;
	char line[64];
	double all = 0;

	if (!obj || bpf_object__load(obj))
		die("longest OBJECT SECONDS");
	attach(obj, "longest_begin");
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	attach(obj, "longest_end");
	sleep(atoi(argv[2]));
	add_up(obj, &sum);
	for (int i = 0; i < LONGEST_STEPS; i++)
		all += sum.runs[i];
	printf("runs=%.0f p50=%llu p99=%llu p999=%llu max=%llu\n", all,
	       percentile(&sum, all, 0.5), percentile(&sum, all, 0.99),
	       percentile(&sum, all, 0.999), (unsigned long long)sum.most);
	return 0;
}
