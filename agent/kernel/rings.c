// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kernel/fallbacks.h"
#include "kernel/probe.h"
#include "kernel/rings.h"
#include "bpf/ring.h"

#define GRACE_US 20000

struct rings {
	int publish, next, drain; /* programs, -1: not loaded */
	int inner, outer;	  /* maps for rings_wait(), -1: there are none */
	struct cpu_list quiet;
};

/* A program's descriptor that outlives libbpf's object. */
static int keep(const struct bpf_object *obj, const char *name, int *fd)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	if (!prog)
		return -ENOENT;
	*fd = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? -errno : 0;
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

static int load_object(struct rings *r, struct bpf_object *obj, const struct cells *c,
		       const struct params *params)
{
	int err = probe_set_params(obj, params);

	if (!err)
		err = cells_reuse(c, obj);
	if (!err)
		err = bpf_object__load(obj);
	if (!err)
		err = keep(obj, "rings_publish", &r->publish);
	if (!err)
		err = keep(obj, "rings_next", &r->next);
	return err ? err : keep(obj, "rings_drain", &r->drain);
}

static int load(struct rings *r, const struct cells *c, const struct params *params)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "rings",
		    .btf_custom_path = fallbacks_btf());
	struct bpf_object *obj =
	    bpf_object__open_mem(rings_bpf_o, rings_bpf_o_end - rings_bpf_o, &opts);
	int err = obj ? load_object(r, obj, c, params) : -errno;

	bpf_object__close(obj);
	return err;
}

int rings_open(struct cells *c, const struct params *params)
{
	int err;

	c->rings = calloc(1, sizeof(*c->rings));
	if (!c->rings)
		return c->rings_error = -ENOMEM;
	c->rings->publish = c->rings->next = c->rings->drain = -1;
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

void rings_keep_quiet(struct cells *c, const struct cpu_list *quiet)
{
	if (c->rings)
		c->rings->quiet = *quiet;
}

int rings_drain(const struct cells *c, bool all)
{
	uint32_t cpus = c->plan.cpus, cpu = 0, found;
	int err = 0, one, left = 0;

	while (c->rings && cpu < cpus) {
		one = run(c->rings->next, cpu, cpus, &found);
		if (one)
			return err ? err : one;
		cpu = found & ~RINGS_IDLE;
		if (cpu >= cpus)
			break;
		if (all || found & RINGS_IDLE || !cpu_list_has(&c->rings->quiet, cpu))
			one = drain_one(c->rings->drain, cpu);
		else
			left = 1;
		cpu++;
		err = err ? err : one;
	}
	return err ? err : left;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void rings_close(struct cells *c)
{
	struct rings *r = c->rings;

	if (!r)
		return;
	close_fd(r->publish);
	close_fd(r->next);
	close_fd(r->drain);
	close_fd(r->outer);
	close_fd(r->inner);
	free(r);
	c->rings = NULL;
}
