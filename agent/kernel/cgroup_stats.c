// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kernel/cgroup_stats.h"
#include "kernel/probes.h"
#include "kernel/walk.h"

struct cgroup_stats {
	struct bpf_object *obj;
	struct bpf_link *link;
	struct bpf_map *count_map; /* .bss: usage_count */
	struct usage_row *rows;	   /* mapped */
	size_t bytes;
	uint32_t max, count;
};

static int load(struct cgroup_stats *s)
{
	struct bpf_map *rows;
	int err;

	s->obj = bpf_object__open_mem(usage_bpf_o, usage_bpf_o_end - usage_bpf_o, NULL);
	if (!s->obj)
		return -errno;
	rows = bpf_object__find_map_by_name(s->obj, "usage_rows");
	bpf_object__for_each_map (s->count_map, s->obj)
		if (strstr(bpf_map__name(s->count_map), ".bss"))
			break;
	if (!rows || !s->count_map)
		return -ENOENT;
	err = bpf_map__set_max_entries(rows, s->max);
	if (!err)
		err = bpf_object__load(s->obj);
	if (err)
		return err;
	s->rows = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, bpf_map__fd(rows), 0);
	if (s->rows == MAP_FAILED) {
		s->rows = NULL;
		return -errno;
	}
	return 0;
}

static int attach(struct cgroup_stats *s, int root)
{
	union bpf_iter_link_info info = {
		.cgroup = { .order = BPF_CGROUP_ITER_DESCENDANTS_PRE,
			    .cgroup_fd = root },
	};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		    .link_info_len = sizeof(info));

	s->link =
	    bpf_program__attach_iter(bpf_object__next_program(s->obj, NULL), &opts);
	return s->link ? 0 : -errno;
}

int cgroup_stats_open(int root, uint32_t rows, struct cgroup_stats **out)
{
	struct cgroup_stats *s = calloc(1, sizeof(*s));
	long page = sysconf(_SC_PAGESIZE);
	int err;

	if (!s)
		return -ENOMEM;
	s->max = rows;
	s->bytes = (rows * sizeof(*s->rows) + page - 1) & ~(page - 1);
	err = load(s);
	if (!err)
		err = attach(s, root);
	if (err) {
		cgroup_stats_close(s);
		return err;
	}
	*out = s;
	return 0;
}

int cgroup_stats_read(struct cgroup_stats *s)
{
	uint32_t zero = 0, none = 0;
	int fd, err;

	s->count = 0;
	err = bpf_map__update_elem(s->count_map, &zero, sizeof(zero), &none,
				   sizeof(none), BPF_ANY);
	if (err)
		return err;
	fd = bpf_iter_create(bpf_link__fd(s->link));
	err = fd < 0 ? -errno : walk_read(fd);
	return err ? err
		   : bpf_map__lookup_elem(s->count_map, &zero, sizeof(zero), &s->count,
					  sizeof(s->count), 0);
}

const struct usage_row *cgroup_stats_rows(const struct cgroup_stats *s, size_t *count)
{
	*count = s->count < s->max ? s->count : s->max;
	return s->rows;
}

void cgroup_stats_close(struct cgroup_stats *s)
{
	if (!s)
		return;
	if (s->rows)
		munmap(s->rows, s->bytes);
	bpf_link__destroy(s->link);
	bpf_object__close(s->obj);
	free(s);
}
