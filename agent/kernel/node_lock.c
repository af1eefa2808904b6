// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf/node.h"
#include "kernel/doctor.h"
#include "kernel/node_lock.h"
#include "kernel/probe.h"
#include "kernel/walk.h"

struct node_lock {
	struct bpf_object *obj;
	struct bpf_link *link;
	struct bpf_map *found, *name;
	int mark;
	uint32_t id; /* of our mark; the kernel gives ids in order */
};

/* The variables of the program: .bss and .rodata. */
static struct bpf_map *find_map(struct bpf_object *obj, const char *suffix)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, obj)
		if (strstr(bpf_map__name(map), suffix))
			return map;
	return NULL;
}

static int load(struct node_lock *l, const char *name)
{
	char padded[NODE_NAME] = "";
	struct bpf_program *prog;
	int err;

	l->obj = bpf_object__open_mem(node_bpf_o, node_bpf_o_end - node_bpf_o, NULL);
	if (!l->obj)
		return -errno;
	prog = bpf_object__next_program(l->obj, NULL);
	l->found = find_map(l->obj, ".bss");
	l->name = find_map(l->obj, ".rodata");
	if (!prog || !l->found || !l->name)
		return -ENOENT;
	memcpy(padded, name, strnlen(name, NODE_NAME - 1));
	err = bpf_map__set_initial_value(l->name, padded, sizeof(padded));
	if (!err)
		err = bpf_object__load(l->obj);
	if (err)
		return err;
	l->link = bpf_program__attach_iter(prog, NULL);
	return l->link ? 0 : -errno;
}

/* Looks at all maps of the kernel. */
static int look(const struct node_lock *l, struct node_found *found)
{
	uint32_t zero = 0;
	int fd, err;

	memset(found, 0, sizeof(*found));
	err = bpf_map__update_elem(l->found, &zero, sizeof(zero), found, sizeof(*found),
				   BPF_ANY);
	if (!err) {
		fd = bpf_iter_create(bpf_link__fd(l->link));
		err = fd < 0 ? -errno : walk_read(fd);
	}
	if (!err)
		err = bpf_map__lookup_elem(l->found, &zero, sizeof(zero), found,
					   sizeof(*found), 0);
	return err;
}

static int make_mark(struct node_lock *l, const char *name, uint32_t tgid)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	l->mark = bpf_map_create(NODE_MARK_TYPE, name, NODE_MARK_KEY, NODE_MARK_VALUE,
				 tgid, &opts);
	if (l->mark < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(l->mark, &info, &len))
		return -errno;
	l->id = info.id;
	return 0;
}

/* Nobody comes before the oldest: the mark is all that is needed from then on. */
static void stop_looking(struct node_lock *l)
{
	bpf_link__destroy(l->link);
	bpf_object__close(l->obj);
	l->link = NULL;
	l->obj = NULL;
}

int node_lock_open(const char *name, struct node_lock **out, char *cause, size_t len)
{
	struct node_lock *l = calloc(1, sizeof(*l));
	struct node_found found;
	int err = -ENOMEM;

	if (l) {
		l->mark = -1;
		probe_init();
		err = load(l, name);
		if (!err)
			err = look(l, &found);
		if (!err)
			err = make_mark(l, name, found.self_tgid);
	}
	if (err) {
		/* what is missing for this is missing for all */
		if (!doctor_require(cause, len))
			snprintf(cause, len, "cannot mark this node as measured: %s",
				 strerror(-err));
		node_lock_close(l);
		return err;
	}
	*out = l;
	return 0;
}

int node_lock_try(struct node_lock *l, uint32_t *pid)
{
	struct node_found found;
	int err = look(l, &found);

	if (err)
		return err;
	*pid = found.tgid;
	if (found.id != l->id)
		return 0;
	stop_looking(l);
	return 1;
}

void node_lock_close(struct node_lock *l)
{
	if (!l)
		return;
	stop_looking(l);
	if (l->mark >= 0)
		close(l->mark);
	free(l);
}
