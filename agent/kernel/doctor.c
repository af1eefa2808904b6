// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "base/util.h"
#include "kernel/doctor.h"
#include "kernel/forbidden.h"
#include "kernel/kernel_btf.h"
#include "kernel/privileges.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* Instructions by hand: enough to try, and no compiler is needed on the node. */
#define INSN(c, d, s, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .imm = (i) })
#define INSN_RETURN_0 INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0)
#define INSN_EXIT     INSN(BPF_JMP | BPF_EXIT, 0, 0, 0)
#define INSN_CALL(fn) INSN(BPF_JMP | BPF_CALL, 0, 0, fn)

static int try_btf(void)
{
	return access(BTF_PATH, R_OK) ? -ENOTSUP : 0;
}

/* The BTF id of what a tracing program attaches to; searched in vmlinux only. */
static int find_btf_id(const char *hook, enum bpf_attach_type type)
{
	bool iter = type == BPF_TRACE_ITER;
	char name[128];
	int id;

	if (!kernel_btf())
		return -ENOTSUP;
	snprintf(name, sizeof(name), "%s%s", iter ? "bpf_iter_" : "btf_trace_", hook);
	id = btf__find_by_name_kind(kernel_btf(), name,
				    iter ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF);
	return id > 0 ? id : -ENOTSUP;
}

/* Loads a tracing program; what the verifier says goes to log. */
static int load(const char *hook, enum bpf_attach_type type,
		const struct bpf_insn *insns, size_t count, char *log, size_t len)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type,
		    .log_buf = log, .log_size = len, .log_level = log ? 1 : 0);
	int id = find_btf_id(hook, type), fd;

	if (id < 0)
		return id;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "assay_try", "GPL", insns, count,
			   &opts);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int load_empty(const char *hook, enum bpf_attach_type type)
{
	const struct bpf_insn insns[] = { INSN_RETURN_0, INSN_EXIT };
	int err = load(hook, type, insns, COUNT(insns), NULL, 0);

	return err == -EINVAL ? -ENOTSUP : err;
}

static int try_raw_tracepoint(void)
{
	return load_empty("sched_switch", BPF_TRACE_RAW_TP);
}

static int try_iterator(void)
{
	int err = load_empty("task", BPF_TRACE_ITER);

	return err ? err : load_empty("task_file", BPF_TRACE_ITER);
}

/*
 * An atomic operation that returns what was there (5.12; on arm64 5.18): all tables and
 * pools are shared by means of such.
 */
static int try_fetch(void)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 1),
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = 10,
		  .src_reg = 1,
		  .off = -8 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW,
		  .dst_reg = 10,
		  .src_reg = 1,
		  .off = -8,
		  .imm = BPF_ADD | BPF_FETCH },
		INSN_RETURN_0,
		INSN_EXIT,
	};
	int err = load("sched_switch", BPF_TRACE_RAW_TP, insns, COUNT(insns), NULL, 0);

	return err == -EINVAL ? -ENOTSUP : err;
}

/*
 * Calls a helper with no arguments, which the verifier never likes; but about one that
 * does not exist for tracing programs it says something else (as libbpf's own probing,
 * which does not do tracing programs).
 */
static int try_helper(enum bpf_func_id helper)
{
	const struct bpf_insn insns[] = { INSN_CALL(helper), INSN_RETURN_0, INSN_EXIT };
	char log[4096] = "";
	int err = load("sched_switch", BPF_TRACE_RAW_TP, insns, COUNT(insns), log,
		       sizeof(log));

	if (!err || err == -EPERM || err == -ENOTSUP)
		return err;
	if (strstr(log, "invalid func ") || strstr(log, "unknown func ") ||
	    strstr(log, "cannot use helper"))
		return -ENOTSUP;
	return log[0] ? 0 : err;
}

static int try_mapped_array(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "assay_try", 4, 8, 1, &opts);
	int err = 0;
	void *mem;

	if (fd < 0)
		return errno == EINVAL ? -ENOTSUP : -errno;
	mem = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	if (mem == MAP_FAILED)
		err = -errno;
	else
		munmap(mem, sysconf(_SC_PAGESIZE));
	close(fd);
	return err;
}

const struct doctor_feature doctor_features[] = {
	{ "BTF in " BTF_PATH " (CONFIG_DEBUG_INFO_BTF)", try_btf },
	{ "raw tracepoints with BTF", try_raw_tracepoint },
	{ "iterators over tasks and files", try_iterator },
	{ "memory-mapped arrays", try_mapped_array },
	{ "atomic operations that return a value", try_fetch },
};

const size_t doctor_feature_count = COUNT(doctor_features);

int doctor_try(const struct doctor_feature *feature)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int err = feature->try();

	libbpf_set_print(print);
	return err;
}

bool doctor_locked_down(void)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	bool locked =
	    !try_raw_tracepoint() && try_helper(BPF_FUNC_probe_read_kernel) == -ENOTSUP;

	libbpf_set_print(print);
	return locked;
}

int doctor_caps(const char *status, char *cause, size_t len)
{
	const char *line = strstr(status, "\nCapEff:");
	uint64_t caps = line ? strtoull(line + 8, NULL, 16) : 0;
	bool bpf = caps & 1ULL << CAP_BPF, perfmon = caps & 1ULL << CAP_PERFMON;

	if (caps & 1ULL << CAP_SYS_ADMIN || (bpf && perfmon))
		return 0;
	snprintf(cause, len, "not enough privilege: %s%s%s missing (or CAP_SYS_ADMIN)",
		 bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ",
		 perfmon ? " is"
		 : bpf	 ? "CAP_PERFMON is"
			 : "CAP_PERFMON are");
	return -EPERM;
}

/* Says why a feature cannot be had; -ENOTSUP has a line of its own. */
static int explain(const struct doctor_feature *feature, int err, char *cause,
		   size_t len)
{
	struct surroundings around;
	char why[400];

	if (!forbidden_is(err)) {
		snprintf(cause, len, "%s: %s", feature->name, strerror(-err));
		return err;
	}
	forbidden_look(&around);
	forbidden_explain(&around, err, why, sizeof(why));
	snprintf(cause, len, "the capabilities are there, but %s", why);
	return err;
}

/* All that the kernel lacks, in one line. */
static int try_features(char *cause, size_t len)
{
	struct utsname u;
	size_t at = 0;

	for (size_t i = 0; i < doctor_feature_count; i++) {
		int err = doctor_try(&doctor_features[i]);

		if (err && err != -ENOTSUP && !at)
			return explain(&doctor_features[i], err, cause, len);
		if (err != -ENOTSUP || at >= len)
			continue;
		uname(&u);
		if (!at)
			at = snprintf(cause, len, "this kernel (%s) lacks %s",
				      u.release, doctor_features[i].name);
		else
			at += snprintf(cause + at, len - at, ", %s",
				       doctor_features[i].name);
	}
	return at ? -ENOTSUP : 0;
}

int doctor_require(char *cause, size_t len)
{
	char status[8192];
	int err;

	err = read_file("/proc/self/status", status, sizeof(status));
	if (err < 0) {
		snprintf(cause, len, "/proc/self/status: %s", strerror(-err));
		return err;
	}
	err = doctor_caps(status, cause, len);
	return err ? err : try_features(cause, len);
}

/* In a thread of its own: what it gives up stays given up. arg: program, then result.
 */
static void *link_without(void *arg)
{
	int *fd = arg, link;

	privileges_drop_thread();
	link = bpf_link_create(*fd, 0, BPF_TRACE_ITER, NULL);
	*fd = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	return NULL;
}

int doctor_may_link(void)
{
	const struct bpf_insn insns[] = { INSN_RETURN_0, INSN_EXIT };
	int fd = load("task", BPF_TRACE_ITER, insns, COUNT(insns), NULL, 0), result;
	pthread_t thread;
	int err;

	if (fd < 0)
		return fd;
	result = fd;
	err = -pthread_create(&thread, NULL, link_without, &result);
	if (!err)
		err = -pthread_join(thread, NULL);
	close(fd);
	return err ? err : result;
}
