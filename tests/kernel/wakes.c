// SPDX-License-Identifier: Apache-2.0
/*
 * Truth about waits: attaches wakes.bpf.c and tells what it has added up.
 *
 *   of ID  of the cgroup with this number (of the inode of its directory), since it was
 *          asked for first
 */
// libs: -lbpf
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "gate.h"
#include "wakes.h"

static int groups;

static void say(const struct wakes *w)
{
	gate_say("clear=%llu clear_ns=%llu moved=%llu moved_ns=%llu half=%llu "
		 "half_ns=%llu longest_ns=%llu moves=%llu unseen=%llu",
		 w->count[WAKES_CLEAR], w->ns[WAKES_CLEAR], w->count[WAKES_MOVED],
		 w->ns[WAKES_MOVED], w->count[WAKES_HALF], w->ns[WAKES_HALF],
		 w->longest, w->moves, w->unseen);
}

static void run_of(const struct gate_command *self, const long *args)
{
	struct wakes found = { 0 };
	__u64 key = args[0];

	(void)self;
	if (bpf_map_update_elem(groups, &key, &found, BPF_NOEXIST) && errno != EEXIST)
		gate_die("update");
	if (bpf_map_lookup_elem(groups, &key, &found))
		gate_die("lookup");
	say(&found);
}

static const struct gate_command commands[] = {
	{ "of", run_of, NULL, 0 },
};

static void attach(const char *program)
{
	struct bpf_object *object;
	char path[512];
	struct bpf_program *prog;

	snprintf(path, sizeof(path), "%s.bpf.o", program);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	object = bpf_object__open_file(path, NULL);
	if (!object || bpf_object__load(object))
		gate_die("load");
	bpf_object__for_each_program (prog, object)
		if (!bpf_program__attach(prog)) /* kept until this process ends */
			gate_die("attach");
	groups = bpf_object__find_map_fd_by_name(object, "groups");
}

int main(int argc, char **argv)
{
	(void)argc;
	attach(argv[0]);
	return gate_loop(commands, COUNT(commands));
}
