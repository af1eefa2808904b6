// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kernel/fallbacks.h"
#include "kernel/tasks.h"

#define INITIAL_NAMESPACE 0xeffffffcU /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

bool tasks_of_node(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_NAMESPACE;
}

/* The probes with a part that are in this state. */
static uint32_t in_state(const struct probe *probes, enum probe_state state)
{
	uint32_t parts = 0;

	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (probe_descs[i].tasks && probes[i].state == state)
			parts |= 1U << i;
	return parts;
}

/* The map of this name that one of the probes has made, NULL: none has. */
static struct bpf_map *find_map(const struct probe *probes, uint32_t parts,
				const char *name)
{
	struct bpf_map *map = NULL;

	for (size_t i = 0; i < PROBE_COUNT && !map; i++)
		if (parts & 1U << i)
			map = bpf_object__find_map_by_name(probes[i].obj, name);
	return map;
}

/*
 * Takes the maps that probes have made for themselves. Into those of a probe that is
 * not loaded nobody looks.
 */
static int share_maps(struct bpf_object *obj, const struct probe *probes,
		      uint32_t parts)
{
	struct bpf_map *map, *theirs;
	int err = 0;

	bpf_object__for_each_map (map, obj) {
		if (bpf_map__is_internal(map) || bpf_map__fd(map) >= 0)
			continue; /* its own, or everybody's */
		theirs = find_map(probes, parts, bpf_map__name(map));
		err = theirs ? bpf_map__reuse_fd(map, bpf_map__fd(theirs))
			     : bpf_map__set_max_entries(map, 1);
		if (err)
			break;
	}
	return err;
}

/* What is attached lives in the kernel, without libbpf's object. */
static int load_object(struct tasks *t, struct bpf_object *obj,
		       const struct probe *probes, const struct cells *c,
		       const struct params *params)
{
	struct bpf_program *prog = bpf_object__next_program(obj, NULL);
	int err = probe_set_params(obj, params);

	if (!err)
		err = cells_reuse(c, obj);
	if (!err)
		err = share_maps(obj, probes, t->parts);
	if (!err)
		err = bpf_object__load(obj);
	if (err)
		return err;
	t->link = bpf_program__attach_iter(prog, NULL);
	return t->link ? 0 : -errno;
}

static int load(struct tasks *t, const struct probe *probes, const struct cells *c,
		const struct params *params)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "tasks",
		    .btf_custom_path = fallbacks_btf());
	struct bpf_object *obj =
	    bpf_object__open_mem(tasks_bpf_o, tasks_bpf_o_end - tasks_bpf_o, &opts);
	int err = obj ? load_object(t, obj, probes, c, params) : -errno;

	bpf_object__close(obj);
	return err;
}

int tasks_open(struct tasks *t, const struct probe *probes, const struct cells *c,
	       struct params *params)
{
	int err;

	*t = (struct tasks){ .parts = in_state(probes, PROBE_LOADED) };
	params->parts = t->parts;
	if (!t->parts)
		return 0;
	err = load(t, probes, c, params);
	if (err)
		tasks_close(t);
	return err;
}

uint32_t tasks_parts(const struct tasks *t, const struct probe *probes)
{
	return t->parts & in_state(probes, PROBE_ATTACHED);
}

int tasks_pass(const struct tasks *t, const struct probe *probes)
{
	int fd;

	if (!tasks_parts(t, probes))
		return -ENOENT;
	fd = bpf_iter_create(bpf_link__fd(t->link));
	return fd < 0 ? -errno : fd;
}

void tasks_close(struct tasks *t)
{
	bpf_link__destroy(t->link); /* NULL is fine */
	memset(t, 0, sizeof(*t));
}
