// SPDX-License-Identifier: Apache-2.0
/*
 * What probes need of a kernel, found in their objects: held against this kernel, and
 * against copies of its types in which some names are missing. What calls and reads
 * what is known from the sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "base/util.h"
#include "bpf/cell.h"
#include "kernel/fallbacks.h"
#include "kernel/kernel_btf.h"
#include "kernel/needs.h"
#include "kernel/probe.h"

#define VARIABLE "ASSAY_TEST_FALLBACKS"

/* What a probe lacks when these names are hidden; they are at the next call, too. */
static struct needs lacks(const char *names, enum probe_id probe)
{
	struct needs needs;

	if (names)
		setenv(VARIABLE, names, 1);
	else
		unsetenv(VARIABLE);
	assert_int_equal(probe_needs(&probe_descs[probe], &needs), 0);
	return needs;
}

/* The copy is made once in the life of a process: here one for each test. */
static int forget_types(void **state)
{
	kernel_btf_free();
	fallbacks_forget();
	return 0;
}

static int skip_without_types(void **state)
{
	return access("/sys/kernel/btf/vmlinux", R_OK);
}

/* Only the named probes lack exactly that. */
static void only(const char *hidden, const char *text, unsigned int probes)
{
	for (int i = 0; i < PROBE_COUNT; i++) {
		struct needs needs = lacks(hidden, i);
		const char *want = probes & 1U << i ? text : "";

		if (strcmp(needs.text, want))
			fail_msg("%s hidden: probe %s lacks '%s', want '%s'", hidden,
				 probe_descs[i].name, needs.text, want);
		assert_int_equal(needs.missing, !!*want);
	}
	forget_types(NULL);
}

static void nothing_is_missing_here(void **state)
{
	only(NULL, "", 0);
}

static void the_floor_has_all_that_is_needed(void **state)
{
	static const bool twice[PROBE_COUNT] = { [PROBE_SCHED] = true,
						 [PROBE_SYSCALL] = true,
						 [PROBE_TCP] = true,
						 [PROBE_DNS] = true };

	setenv(VARIABLE, "all", 1);
	assert_true(fallbacks_forced());
	for (int i = 0; i < PROBE_COUNT; i++)
		assert_int_equal(probe_is_plain(&probe_descs[i]), twice[i]);
	only("all", "", 0);
}

/* Does an object name functions or variables of the kernel? */
static bool names_symbols(const unsigned char *elf, const unsigned char *end)
{
	struct bpf_object *obj = bpf_object__open_mem(elf, (size_t)(end - elf), NULL);
	bool names;

	assert_non_null(obj);
	names = btf__find_by_name_kind(bpf_object__btf(obj), ".ksyms",
				       BTF_KIND_DATASEC) > 0;
	bpf_object__close(obj);
	return names;
}

/* One that names what a kernel does not have is not loaded there. */
static void what_the_floor_loads_names_nothing_that_came_later(void **state)
{
	assert_false(names_symbols(tasks_bpf_o, tasks_bpf_o_end));
	assert_false(names_symbols(rings_bpf_o, rings_bpf_o_end));
	assert_false(names_symbols(self_bpf_o, self_bpf_o_end));
	assert_false(names_symbols(node_bpf_o, node_bpf_o_end));
	for (int i = 0; i < PROBE_COUNT; i++) {
		const struct probe_desc *d = &probe_descs[i];

		assert_int_equal(names_symbols(d->elf, d->elf_end), !!d->plain);
		if (d->plain)
			assert_false(names_symbols(d->plain, d->plain_end));
	}
}

static void a_helper_is_named_for_who_calls_it(void **state)
{
	only("BPF_FUNC_task_pt_regs", "bpf_task_pt_regs",
	     1 << PROBE_SCHED | 1 << PROBE_SYSCALL);
	only("BPF_FUNC_sock_from_file", "bpf_sock_from_file", 1 << PROBE_TCP);
	only("BPF_FUNC_loop", "", 0); /* there is another way */
}

static void a_field_is_named_for_who_reads_it(void **state)
{
	only("disk", "request_queue.disk", 1 << PROBE_BLOCK);
	only("sk_cgrp_data", "sock.sk_cgrp_data.cgroup",
	     1 << PROBE_SYSCALL | 1 << PROBE_TCP | 1 << PROBE_DNS);
	only("run_delay", "task_struct.sched_info.run_delay", 1 << PROBE_SCHED);
}

static void what_is_asked_for_before_it_is_read_may_be_missing(void **state)
{
	only("sched_delayed,is_mptcp,diskseq,shared_tags,bi_blkg,_nfct", "", 0);
	only("throttled_clock_self_time,throttled_clock_pelt_time", "", 0);
	only("mptcp_sock,nf_conn,blkcg_gq", "", 0);
}

static void a_hook_is_named(void **state)
{
	only("btf_trace_mark_victim", "tracepoint mark_victim", 1 << PROBE_MEMORY);
	only("bpf_iter_task_file", "iterator task_file", 1 << PROBE_TCP);
	only("btf_trace_mm_vmscan_memcg_reclaim_begin", "", 0); /* optional */
}

static void more_than_there_is_room_for_is_counted(void **state)
{
	static const char names[] =
	    "btf_trace_sched_switch,btf_trace_task_newtask,"
	    "BPF_FUNC_ktime_get_ns,run_delay,pcount,last_queued,"
	    "nr_migrations,cfs_rq,cgroups,dfl_cgrp,tgid,on_rq";
	struct needs needs = lacks(names, PROBE_SCHED);

	assert_true(needs.missing >= 10);
	assert_in_range(strlen(needs.text), 60, sizeof(needs.text) - 1);
	assert_string_equal(needs.text + strlen(needs.text) - 10, ", and more");
}

static void what_is_no_object_is_refused(void **state)
{
	static const unsigned char text[] = "no object";
	struct needs needs;

	unsetenv(VARIABLE);
	assert_true(needs_find(text, text + sizeof(text), &needs) < 0);
	assert_true(needs_find(text, text, &needs) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_is_missing_here, forget_types),
		cmocka_unit_test_teardown(the_floor_has_all_that_is_needed,
					  forget_types),
		cmocka_unit_test(what_the_floor_loads_names_nothing_that_came_later),
		cmocka_unit_test_teardown(a_helper_is_named_for_who_calls_it,
					  forget_types),
		cmocka_unit_test_teardown(a_field_is_named_for_who_reads_it,
					  forget_types),
		cmocka_unit_test_teardown(
		    what_is_asked_for_before_it_is_read_may_be_missing, forget_types),
		cmocka_unit_test_teardown(a_hook_is_named, forget_types),
		cmocka_unit_test_teardown(more_than_there_is_room_for_is_counted,
					  forget_types),
		cmocka_unit_test(what_is_no_object_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (skip_without_types(NULL)) {
		printf("1..0 # SKIP this kernel has no types (BTF)\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
