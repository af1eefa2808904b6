// SPDX-License-Identifier: Apache-2.0
/*
 * Fails in as many ways as have a series: a seccomp filter answers some calls with the
 * errno that their first argument is. "fail": one call of four classes with each.
 */
#include <sys/syscall.h>
#include "filter.h"

#define FIRST 20 /* ENOTDIR: from here on all are errors to whoever counts them */
#define LAST  35

static const int calls[] = { SYS_getsid, SYS_mlock, SYS_umount2, SYS_chdir };

/* Those calls fail with what is their first argument; all others are made. */
static void install(void)
{
	struct sock_filter f[COUNT(calls) + 2 * (LAST + 1) + 8];
	unsigned short n = 0;

	f[n++] = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < COUNT(calls); i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      calls[i], COUNT(calls) - i, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)LOAD(args[0]);
	for (int err = FIRST; err <= LAST; err++) {
		f[n++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, err, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, FAIL(err));
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter_install(f, n);
}

static void run_fail(const struct gate_command *self, const long *args)
{
	long failed = 0;

	(void)self;
	(void)args;
	for (long err = FIRST; err <= LAST; err++)
		for (size_t i = 0; i < COUNT(calls); i++)
			failed += syscall(calls[i], err, 0) == -1 && errno == err;
	gate_say("failed=%ld", failed);
}

static const struct gate_command commands[] = {
	{ "fail", run_fail, NULL, 0 },
};

int main(void)
{
	install();
	return gate_loop(commands, COUNT(commands));
}
