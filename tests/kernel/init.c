// SPDX-License-Identifier: Apache-2.0
/*
 * What BPF is told of PID 1: attaches init.bpf.c.
 *
 *   switches  away from a thread of PID 1, since the start
 */
// libs: -lbpf
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "gate.h"
#include "init.h"

static int counts;

static void run_switches(const struct gate_command *self, const long *args)
{
	struct init_count count;
	__u32 zero = 0;

	(void)self;
	(void)args;
	if (bpf_map_lookup_elem(counts, &zero, &count))
		gate_die("lookup");
	gate_say("switches=%llu", count.switches);
}

static const struct gate_command commands[] = {
	{ "switches", run_switches, NULL, 0 },
};

static void attach(const char *program)
{
	struct init_count count = { 0 };
	struct bpf_object *object;
	struct bpf_program *prog;
	struct stat namespace;
	__u32 zero = 0;
	char path[512];

	snprintf(path, sizeof(path), "%s.bpf.o", program);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object))
		gate_die("load");
	counts = bpf_object__find_map_fd_by_name(object, "counts");
	if (stat("/proc/self/ns/pid", &namespace))
		gate_die("stat");
	/* the kernel's own numbers of devices, in which a minor one has 20 bits */
	count.dev = (__u64)major(namespace.st_dev) << 20 | minor(namespace.st_dev);
	count.ino = namespace.st_ino;
	if (bpf_map_update_elem(counts, &zero, &count, BPF_ANY))
		gate_die("update");
	prog = bpf_object__next_program(object, NULL);
	if (!bpf_program__attach(prog)) /* kept until this process ends */
		gate_die("attach");
}

int main(int argc, char **argv)
{
	(void)argc;
	attach(argv[0]);
	return gate_loop(commands, COUNT(commands));
}
