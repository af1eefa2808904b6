// SPDX-License-Identifier: Apache-2.0
/*
 * The links of a probe: made when it is switched on, taken away when it is switched
 * off. All that takes is its descriptors, so it can be done without capabilities.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kernel/probe.h"
#include "kernel/walk.h"

/* A descriptor that outlives libbpf's object. */
static int duplicate(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return own < 0 ? -errno : own;
}

/* Whether a program of this name does the work of one of another probe's. */
static bool is_shared(const struct probe *p, const char *name)
{
	for (size_t i = 0; i < probe_desc_count; i++) {
		const struct probe_cover *c = &probe_descs[i].cover;

		if (c->program && &probe_descs[c->by] == p->desc &&
		    !strcmp(c->program_by, name))
			return true;
	}
	return false;
}

static enum program_use use_of(const struct probe *p, const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);
	const char *name = bpf_program__name(prog), *end = strrchr(name, '_');
	bool iterates = !strncmp(section, "iter", 4);

	if (end && !strcmp(end, "_forget"))
		return USE_FORGET;
	if (end && !strcmp(end, "_walk"))
		return iterates ? USE_WALK : USE_RUN;
	if (iterates)
		return strcmp(section, "iter/task_file") ? USE_ITER : USE_ITER_FILES;
	return is_shared(p, name) ? USE_SHARED : USE_HOOK;
}

static int keep_program(struct probe *p, const struct bpf_program *prog)
{
	struct probe_program *own = &p->programs[p->program_count];

	if (p->program_count == PROBE_PROGRAMS)
		return -E2BIG;
	own->fd = duplicate(bpf_program__fd(prog));
	if (own->fd < 0)
		return own->fd;
	own->link = -1;
	own->use = use_of(p, prog);
	own->windowed = probe_is_windowed(p->desc, bpf_program__name(prog));
	p->program_count++;
	return 0;
}

static int keep_map(struct probe *p, const struct bpf_map *map)
{
	int own;

	if (p->map_count == PROBE_MAPS)
		return -E2BIG;
	own = duplicate(bpf_map__fd(map));
	if (own < 0)
		return own;
	p->maps[p->map_count++] = own;
	return 0;
}

int probe_keep(struct probe *p)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_program (prog, p->obj)
		if (!err && bpf_program__fd(prog) >= 0)
			err = keep_program(p, prog);
	bpf_object__for_each_map (map, p->obj)
		if (!err && bpf_map__fd(map) >= 0 && !cells_shares(bpf_map__name(map)))
			err = keep_map(p, map);
	if (err)
		return err;
	bpf_object__close(p->obj);
	p->obj = NULL;
	return 0;
}

/* A link of a program; -errno. */
static int make_link(int program, enum bpf_attach_type type)
{
	int link = bpf_link_create(program, 0, type, NULL);

	return link < 0 ? -errno : link;
}

static int link_one(struct probe *p, struct probe_program *prog)
{
	bool iterates = prog->use == USE_WALK;
	int err;

	if (prog->link >= 0 || prog->use == USE_RUN || prog->use == USE_FORGET)
		return 0;
	if (prog->use == USE_ITER || prog->use == USE_ITER_FILES) {
		err = walk_program(prog->fd,
				   prog->use == USE_ITER ? walk_read : walk_run);
		if (err != -ETIMEDOUT && err != -EBUSY)
			return err;
		p->interrupted++; /* what it did not show is met at its first event */
		return 0;
	}
	err = make_link(prog->fd, iterates ? BPF_TRACE_ITER : BPF_TRACE_RAW_TP);
	if (err < 0)
		return err;
	prog->link = err;
	return 0;
}

int probe_link(struct probe *p)
{
	bool had_shared = false;
	int err = 0;

	p->interrupted = 0;
	for (size_t i = 0; i < p->program_count; i++)
		if (p->programs[i].use == USE_SHARED)
			had_shared |= p->programs[i].link >= 0;
	for (size_t i = 0; i < p->program_count && !err; i++)
		err = link_one(p, &p->programs[i]);
	if (err)
		probe_unlink(p, !had_shared);
	return err;
}

int probe_link_shared(struct probe *p)
{
	int err = 0;

	for (size_t i = 0; i < p->program_count && !err; i++)
		if (p->programs[i].use == USE_SHARED)
			err = link_one(p, &p->programs[i]);
	return err;
}

int probe_link_windowed(struct probe *p)
{
	int err = 0;

	for (size_t i = 0; i < p->program_count && !err; i++)
		if (p->programs[i].windowed)
			err = link_one(p, &p->programs[i]);
	return err;
}

/* What was attached last, which needs what was before it, goes first. */
static void unlink_some(struct probe *p, bool shared, bool windowed)
{
	for (size_t i = p->program_count; i-- > 0;) {
		struct probe_program *prog = &p->programs[i];

		if (prog->link < 0 || (prog->use == USE_SHARED && !shared) ||
		    (windowed && !prog->windowed))
			continue;
		close(prog->link);
		prog->link = -1;
	}
}

void probe_unlink(struct probe *p, bool shared)
{
	unlink_some(p, shared, false);
}

void probe_unlink_windowed(struct probe *p, bool shared)
{
	unlink_some(p, shared, true);
}

/*
 * Asks for a link that there cannot be, of a program for a hook as an iterator: what
 * refuses it is the kernel's look at the program (EINVAL), if it comes to that.
 */
bool probe_may_link(const struct probe *p)
{
	for (size_t i = 0; i < p->program_count; i++) {
		int link;

		if (p->programs[i].use != USE_HOOK)
			continue;
		link = make_link(p->programs[i].fd, BPF_TRACE_ITER);
		if (link >= 0)
			close(link);
		return link >= 0 || link == -EINVAL;
	}
	return false;
}

/* The program that is for this; -1: there is none. */
static int find_program(const struct probe *p, enum program_use use)
{
	for (size_t i = 0; i < p->program_count; i++)
		if (p->programs[i].use == use)
			return p->programs[i].fd;
	return -1;
}

static int run_program(const struct probe *p, enum program_use use)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = find_program(p, use);

	return fd < 0 ? -ENOENT : bpf_prog_test_run_opts(fd, &opts);
}

int probe_forget(const struct probe *p)
{
	int err = run_program(p, USE_FORGET);

	return err == -ENOENT ? 0 : err;
}

static bool may_walk(const struct probe *p)
{
	return p->state == PROBE_ATTACHED ||
	       (p->state == PROBE_OFF && p->desc->walk_off);
}

int probe_walk_open(const struct probe *p)
{
	int fd;

	for (size_t i = 0; i < p->program_count; i++) {
		if (p->programs[i].use != USE_WALK || p->programs[i].link < 0 ||
		    !may_walk(p))
			continue;
		fd = bpf_iter_create(p->programs[i].link);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

int probe_walk_run(const struct probe *p)
{
	return may_walk(p) ? run_program(p, USE_RUN) : -ENOENT;
}

uint64_t probe_recursion_misses(const struct probe *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->program_count; i++) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (!bpf_obj_get_info_by_fd(p->programs[i].fd, &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}
