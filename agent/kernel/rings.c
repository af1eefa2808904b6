// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kernel/fallbacks.h"
#include "kernel/probe.h"
#include "kernel/rings.h"

#define GRACE_US 20000

struct rings {
	struct bpf_object *obj;
	int publish, next, drain; /* programs */
	int inner, outer;	  /* maps for rings_wait(), -1: there are none */
};

static int find(const struct rings *r, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(r->obj, name);

	return prog ? bpf_program__fd(prog) : -ENOENT;
}

/* An array of arrays, of no use but to have the kernel wait: see rings_wait(). */
static void open_wait(struct rings *r)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	r->inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wait_inner", sizeof(uint32_t),
				  sizeof(uint32_t), 1, NULL);
	opts.inner_map_fd = r->inner;
	r->outer = r->inner < 0
		       ? -1
		       : bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "wait",
					sizeof(uint32_t), sizeof(uint32_t), 1, &opts);
}

/* What a CPU's ring of calls holds at first: when the first run is timed. */
static int begin(const struct cells *c)
{
	struct call_ring calls = { .untimed = { RUNS_TIMED, RUNS_TIMED } };
	struct sched_ring switches = { .untimed = RUNS_TIMED };
	int err = 0;

	for (uint32_t i = 0; i < c->plan.cpus && !err; i++) {
		err = bpf_map_update_elem(c->fds[MAP_CALL_RINGS], &i, &calls, BPF_ANY);
		if (!err)
			err = bpf_map_update_elem(c->fds[MAP_SCHED_RINGS], &i,
						  &switches, BPF_ANY);
	}
	return err;
}

static int load(struct rings *r, const struct cells *c, const struct params *params)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "rings",
		    .btf_custom_path = fallbacks_btf());
	int err;

	r->obj =
	    bpf_object__open_mem(rings_bpf_o, rings_bpf_o_end - rings_bpf_o, &opts);
	err = r->obj ? probe_set_params(r->obj, params) : -errno;
	if (!err)
		err = cells_reuse(c, r->obj);
	if (!err)
		err = bpf_object__load(r->obj);
	if (err)
		return err;
	r->publish = find(r, "rings_publish");
	r->next = find(r, "rings_next");
	r->drain = find(r, "rings_drain");
	return r->publish < 0 || r->next < 0 || r->drain < 0 ? -ENOENT : 0;
}

int rings_open(struct cells *c, const struct params *params)
{
	int err;

	c->rings = calloc(1, sizeof(*c->rings));
	if (!c->rings)
		return c->rings_error = -ENOMEM;
	open_wait(c->rings);
	err = load(c->rings, c, params);
	if (!err)
		err = begin(c);
	if (err)
		rings_close(c);
	c->rings_error = err;
	return err;
}

/* Runs a program here; result: NULL, or what it returned. */
static int run(int fd, uint64_t first, uint64_t second, uint32_t *result)
{
	uint64_t args[2] = { first, second };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args,
		    .ctx_size_in = sizeof(args));
	int err = bpf_prog_test_run_opts(fd, &opts);

	if (!err && result)
		*result = opts.retval;
	return err;
}

int rings_publish(struct cells *c)
{
	uint32_t zero = 0;
	int err = bpf_map_update_elem(c->fds[MAP_TUNES], &zero, &c->tunes, BPF_ANY);

	if (err || !c->rings)
		return err;
	return run(c->rings->publish, c->plan.cpus, 0, NULL);
}

/*
 * A grace period of RCU, in which tracing programs run: the kernel waits for one when
 * an array of maps gets another map (maybe_wait_bpf_programs()). membarrier(2) does the
 * same, but where there are CPUs without a tick (nohz_full). Without both, a time has
 * to do in which no program of ours is still running.
 */
void rings_wait(const struct cells *c)
{
	uint32_t zero = 0;

	if (c->rings && c->rings->outer >= 0 &&
	    !bpf_map_update_elem(c->rings->outer, &zero, &c->rings->inner, BPF_ANY))
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(GRACE_US);
}

/*
 * Replays what one CPU wrote down: there, in an interrupt. A CPU that is offline writes
 * nothing, so that it can be done from here.
 */
static int drain_one(int fd, uint32_t cpu)
{
	uint64_t args[1] = { cpu };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args,
		    .ctx_size_in = sizeof(args), .cpu = cpu,
		    .flags = BPF_F_TEST_RUN_ON_CPU);
	int err = bpf_prog_test_run_opts(fd, &opts);

	return err == -ENXIO ? run(fd, cpu, 0, NULL) : err;
}

int rings_drain(const struct cells *c)
{
	uint32_t cpus = c->plan.cpus, cpu = 0;
	int err = 0, one;

	while (c->rings && cpu < cpus) {
		one = run(c->rings->next, cpu, cpus, &cpu);
		if (one)
			return err ? err : one;
		if (cpu >= cpus)
			break;
		one = drain_one(c->rings->drain, cpu++);
		err = err ? err : one;
	}
	return err;
}

void rings_close(struct cells *c)
{
	if (!c->rings)
		return;
	bpf_object__close(c->rings->obj);
	if (c->rings->outer >= 0)
		close(c->rings->outer);
	if (c->rings->inner >= 0)
		close(c->rings->inner);
	free(c->rings);
	c->rings = NULL;
}
