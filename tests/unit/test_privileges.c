// SPDX-License-Identifier: Apache-2.0
/*
 * Which capabilities are given up, by what is allowed without: in a child that runs as
 * root. And why bpf(2) is forbidden, by what is around the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/forbidden.h"
#include "kernel/privileges.h"

#define BIT(n) (1ULL << (n))

static uint64_t now(const char *set)
{
	char status[8192] = "";

	read_file("/proc/self/status", status, sizeof(status));
	return privileges_of(status, set);
}

/* A kernel that wants these for everything. */
static int wants(void *arg)
{
	uint64_t needed = *(uint64_t *)arg;

	return (now("\nCapEff:") & needed) == needed ? 0 : -EPERM;
}

/* In a child, with all of root's: what is kept when the kernel wants that. */
static void keeps(uint64_t wanted, uint64_t kept)
{
	struct privileges p;
	int status;
	pid_t pid;

	if (now("\nCapEff:") != now("\nCapBnd:") || geteuid())
		skip();
	pid = fork();
	if (!pid) {
		bool ok = !privileges_drop(&p, wants, &wanted) && p.kept == kept &&
			  now("\nCapPrm:") == kept && now("\nCapEff:") == kept &&
			  !now("\nCapInh:") && !now("\nCapAmb:") &&
			  now("\nCapBnd:") == kept && now("\nNoNewPrivs:") == 1;

		_exit(!ok);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void nothing_is_kept_that_nobody_wants(void **state)
{
	keeps(0, 0);
}

static void what_the_kernel_wants_for_each_call_is_kept(void **state)
{
	keeps(BIT(CAP_BPF), BIT(CAP_BPF));
	keeps(BIT(CAP_BPF) | BIT(CAP_PERFMON), BIT(CAP_BPF) | BIT(CAP_PERFMON));
	keeps(BIT(CAP_SYS_ADMIN), BIT(CAP_SYS_ADMIN));
}

static int never(void *arg)
{
	return -EACCES;
}

static int is_broken(void *arg)
{
	return -ENOMEM;
}

static void all_are_kept_where_no_set_is_enough(void **state)
{
	uint64_t all = now("\nCapPrm:");
	struct privileges p;
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(privileges_drop(&p, never, NULL) || p.kept != all ||
		      now("\nCapEff:") != all);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = fork(); /* what fails for another reason needs no capability */
	if (!pid)
		_exit(privileges_drop(&p, is_broken, NULL) || p.kept ||
		      now("\nCapEff:"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void capabilities_have_their_names(void **state)
{
	char text[64];

	privileges_names(0, text, sizeof(text));
	assert_string_equal(text, "none");
	privileges_names(BIT(CAP_BPF) | BIT(CAP_PERFMON), text, sizeof(text));
	assert_string_equal(text, "CAP_PERFMON, CAP_BPF");
	privileges_names(BIT(CAP_CHOWN) | BIT(63), text, sizeof(text));
	assert_string_equal(text, "CAP_CHOWN, capability 63");
	privileges_names(~0ULL, text, sizeof(text)); /* cut, and no more than that */
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_int_equal(
	    privileges_of("Name:\tx\nCapEff:\t000000c000000000\n", "\nCapEff:"),
	    BIT(CAP_BPF) | BIT(CAP_PERFMON));
	assert_int_equal(privileges_of("Name:\tx\n", "\nCapEff:"), 0);
}

static void who_forbids_bpf_is_named(void **state)
{
	static const struct {
		struct surroundings around;
		int err;
		const char *want;
	} cases[] = {
		{ { .in_user_namespace = true, .seccomp = 2, .nonsense = -EPERM },
		  -EPERM,
		  "user namespace" },
		{ { .seccomp = 2, .nonsense = -EPERM }, -EPERM, "seccomp refuses" },
		{ { .seccomp = 2, .nonsense = -ENOSYS }, -ENOSYS, "seccomp refuses" },
		{ { .nonsense = -ENOSYS }, -ENOSYS, "no bpf(2)" },
		{ { .nonsense = -EINVAL,
		    .label = "system_u:system_r:container_t:s0:c1,c2" },
		  -EACCES,
		  "SELinux refuses bpf(2) to system_u:system_r:container_t:s0:c1,c2" },
		{ { .seccomp = 2,
		    .nonsense = -EINVAL,
		    .label = "system_u:system_r:container_t:s0" },
		  -EACCES,
		  "SELinux" },
		{ { .nonsense = -EINVAL, .label = "docker-default (enforce)" },
		  -EPERM,
		  "AppArmor's profile docker-default (enforce)" },
		{ { .nonsense = -EINVAL,
		    .label = "unconfined",
		    .modules = "lockdown,capability,bpf" },
		  -EPERM,
		  "(lockdown,capability,bpf)" },
		{ { .nonsense = -EINVAL }, -EPERM, "unknown which there are" },
		{ { .nonsense = -EPERM }, -EPERM, "refuses bpf(2) as a whole" },
	};
	char text[400];

	for (size_t i = 0; i < COUNT(cases); i++) {
		forbidden_explain(&cases[i].around, cases[i].err, text, sizeof(text));
		if (!strstr(text, cases[i].want) || strchr(text, '\n'))
			fail_msg("case %zu: '%s', want '%s'", i, text, cases[i].want);
	}
}

static void what_is_around_this_process_is_seen(void **state)
{
	struct surroundings s;

	forbidden_look(&s);
	assert_true(s.nonsense < 0);
	assert_true(forbidden_is(-EPERM) && forbidden_is(-ENOSYS) &&
		    !forbidden_is(-EINVAL) && !forbidden_is(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_kept_that_nobody_wants),
		cmocka_unit_test(what_the_kernel_wants_for_each_call_is_kept),
		cmocka_unit_test(all_are_kept_where_no_set_is_enough),
		cmocka_unit_test(capabilities_have_their_names),
		cmocka_unit_test(who_forbids_bpf_is_named),
		cmocka_unit_test(what_is_around_this_process_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
