// SPDX-License-Identifier: Apache-2.0
/*
 * Containers that do everything that assay has a series for, below the directory of the
 * first argument. One process that goes from cgroup to cgroup stands for them: what is
 * counted is counted for the cgroup that it is in.
 *
 * busy N CPUS STEP   N cgroups that stay, each of them on every STEP-th of CPUS CPUs:
 *                    a call of each class, a wait for the CPU, a connection to itself
 *                    with a request and its answer; then once two errors of each class,
 *                    a connect that is refused, and a lookup with each answer
 * again              the same cgroups once more, whoever counts there
 * throttle           the same cgroups, with a quota that is used up on each of the CPUs
 * disk               the same, each with a read and a write of /dev/nvme0n1
 * drop               removes them
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "gate.h"

#define SPINS  3000000 /* ns that two threads want one CPU, at most */
#define RCODES 6

static struct {
	const char *base;
	char *page;
	long filled, cpus, step;
	int listener, dns;
	struct sockaddr_in at, refused, resolver;
	uint64_t want_until;
	atomic_int turn; /* threads that have begun to want the CPU */
} with;

static void path_of(char *path, size_t len, long i, const char *file)
{
	snprintf(path, len, "%s/c%ld%s", with.base, i, file);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		gate_die(path);
	close(fd);
}

static void enter(long i)
{
	char path[512];

	path_of(path, sizeof(path), i, "/cgroup.procs");
	write_file(path, "0");
}

static void leave(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/own/cgroup.procs", with.base);
	write_file(path, "0");
}

static void go_to(long cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		gate_die("sched_setaffinity");
}

/* A call of each class that succeeds. */
static void call_each(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int none = 0, pair[2];

	if (syscall(SYS_faccessat, AT_FDCWD, "/", F_OK) ||
	    syscall(SYS_getsockname, with.dns, &a, &len) || syscall(SYS_pipe2, pair, 0))
		gate_die("call");
	close(pair[0]);
	close(pair[1]);
	syscall(SYS_mprotect, with.page, 4096, PROT_READ);
	syscall(SYS_getppid);
	syscall(SYS_futex, &none, 1 /* FUTEX_WAKE */, 0, NULL, NULL, 0);
	syscall(SYS_ppoll, NULL, 0, &(struct timespec){ 0 }, NULL, 0);
	syscall(SYS_uname, with.page + 4096);
}

/* Two errors of each class. */
static void fail_each(void)
{
	syscall(SYS_faccessat, AT_FDCWD, "/none", F_OK);
	syscall(SYS_faccessat, -1, "none", F_OK);
	syscall(SYS_getsockname, -1, NULL, NULL);
	syscall(SYS_getsockname, with.dns, NULL, NULL);
	syscall(SYS_pipe2, NULL, 0);
	syscall(SYS_pipe2, NULL, -1);
	syscall(SYS_mprotect, with.page + 1, 4096, PROT_READ);
	syscall(SYS_mprotect, with.page + (1UL << 40), 4096, PROT_READ);
	syscall(SYS_futex, NULL, -1, 0, NULL, NULL, 0);
	syscall(SYS_futex, 8, 0, 0, NULL, NULL, 0);
	syscall(SYS_ppoll, 8, 1, NULL, NULL, 0);
	syscall(SYS_ppoll, NULL, 0, &(struct timespec){ -1, 0 }, NULL, 0);
	syscall(SYS_getpgid, 1 << 30);
	syscall(SYS_kill, getpid(), 999);
	syscall(SYS_uname, 8);
	syscall(SYS_sethostname, NULL, -1);
}

/* Wants this CPU until the other has wanted it, too, and for so many ns. */
static void want(void)
{
	with.turn++;
	while (with.turn < 2 || gate_clock(CLOCK_MONOTONIC) < with.want_until)
		sched_yield();
}

static void *want_too(void *arg)
{
	(void)arg;
	want();
	return NULL;
}

/* Two threads on this CPU, one of which waits while the other has it. */
static void contend(uint64_t ns)
{
	pthread_t other;

	with.turn = 0;
	with.want_until = gate_clock(CLOCK_MONOTONIC) + ns;
	if (pthread_create(&other, NULL, want_too, NULL))
		gate_die("pthread_create");
	want();
	pthread_join(other, NULL);
}

/* A connection of which both ends are ours: a request, its answer, the end. */
static void talk(void)
{
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	char byte = 'x';

	if (connect(client, (struct sockaddr *)&with.at, sizeof(with.at)))
		gate_die("connect");
	server = accept(with.listener, NULL, NULL);
	if (server < 0 || write(client, &byte, 1) != 1 || read(server, &byte, 1) != 1 ||
	    write(server, &byte, 1) != 1 || read(client, &byte, 1) != 1)
		gate_die("talk");
	close(client);
	if (read(server, &byte, 1))
		gate_die("end");
	close(server);
}

static void be_refused(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!connect(fd, (struct sockaddr *)&with.refused, sizeof(with.refused)) ||
	    errno != ECONNREFUSED)
		gate_die("refused");
	close(fd);
}

/* A lookup for each response code, answered by ourselves. */
static void look_up(void)
{
	unsigned char query[] = { 0, 0, 1,   0,	  0,   1,   0, 0, 0, 0, 0,
				  0, 4, 'b', 'u', 's', 'y', 0, 0, 1, 0, 1 };
	unsigned char got[64];
	struct sockaddr_in from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (int code = 0; code < RCODES; code++) {
		socklen_t len = sizeof(from);

		query[1] = code;
		query[2] = 1;
		query[3] = 0;
		if (sendto(fd, query, sizeof(query), 0,
			   (struct sockaddr *)&with.resolver,
			   sizeof(with.resolver)) < 0 ||
		    recvfrom(with.dns, got, sizeof(got), 0, (struct sockaddr *)&from,
			     &len) != sizeof(query))
			gate_die("query");
		got[2] = 0x81;
		got[3] = 0x80 | code;
		if (sendto(with.dns, got, sizeof(query), 0, (struct sockaddr *)&from,
			   len) < 0 ||
		    recv(fd, got, sizeof(got), 0) != sizeof(query))
			gate_die("answer");
	}
	close(fd);
}

/* A listener of this cgroup: a socket is whose it was made by. */
static void listen_here(void)
{
	socklen_t len = sizeof(with.at);

	with.at.sin_family = AF_INET;
	with.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	with.at.sin_port = 0;
	with.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(with.listener, (struct sockaddr *)&with.at, len) ||
	    listen(with.listener, 10) ||
	    getsockname(with.listener, (struct sockaddr *)&with.at, &len))
		gate_die("listen");
}

static void live(void)
{
	listen_here();
	for (long cpu = 0; cpu < with.cpus; cpu += with.step) {
		go_to(cpu);
		call_each();
		contend(0);
		talk();
	}
	close(with.listener);
	fail_each();
	be_refused();
	look_up();
}

/* Goes to each cgroup, lives there, and comes back. */
static void in_each(void (*work)(long i))
{
	for (long i = 0; i < with.filled; i++) {
		work(i);
		leave();
	}
	gate_say("cgroups=%ld", with.filled);
}

static void run_busy(const struct gate_command *self, const long *args)
{
	char path[512];

	(void)self;
	with.cpus = args[1];
	with.step = args[2];
	for (with.filled = 0; with.filled < args[0]; with.filled++) {
		path_of(path, sizeof(path), with.filled, "");
		if (mkdir(path, 0755))
			gate_die("mkdir");
		enter(with.filled);
		live();
		leave();
	}
	gate_say("cgroups=%ld", with.filled);
}

static void live_again(long i)
{
	enter(i);
	live();
}

static void run_again(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	in_each(live_again);
}

/* A quota of 1 ms in 2: what wants the CPU for longer waits for the next one. */
static void be_throttled(long i)
{
	char path[512];

	path_of(path, sizeof(path), i, "/cpu.max");
	write_file(path, "1000 2000");
	enter(i);
	for (long cpu = 0; cpu < with.cpus; cpu += with.step) {
		go_to(cpu);
		contend(3 * SPINS);
	}
	write_file(path, "max 2000");
}

static void run_throttle(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	in_each(be_throttled);
}

static void use_disk(long i)
{
	int fd = open("/dev/nvme0n1", O_RDWR | O_DIRECT);
	char *page = with.page + 4096;

	enter(i);
	if (fd < 0 || pread(fd, page, 4096, 4096 * i) != 4096 ||
	    pwrite(fd, page, 4096, 4096 * i) != 4096)
		gate_die("nvme0n1");
	close(fd);
}

static void run_disk(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	in_each(use_disk);
}

static void run_drop(const struct gate_command *self, const long *args)
{
	char path[512];

	(void)self;
	(void)args;
	while (with.filled > 0) {
		path_of(path, sizeof(path), --with.filled, "");
		for (int tries = 0; rmdir(path); tries++) {
			if (errno != EBUSY || tries == 10000)
				gate_die("rmdir");
			usleep(1000);
		}
	}
	gate_say("cgroups=0");
}

/* Who answers lookups, and an address where nobody listens. */
static void open_sockets(void)
{
	socklen_t len = sizeof(with.refused);
	int closed = socket(AF_INET, SOCK_STREAM, 0);

	with.refused.sin_family = AF_INET;
	with.refused.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	with.resolver = with.refused;
	with.resolver.sin_port = htons(53);
	with.resolver.sin_addr.s_addr = inet_addr("127.77.0.53");
	with.dns = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(with.dns, (struct sockaddr *)&with.resolver, len) ||
	    bind(closed, (struct sockaddr *)&with.refused, len) ||
	    getsockname(closed, (struct sockaddr *)&with.refused, &len))
		gate_die("bind");
}

static const struct gate_command commands[] = {
	{ "busy", run_busy, NULL, 0 },	       { "again", run_again, NULL, 0 },
	{ "throttle", run_throttle, NULL, 0 }, { "disk", run_disk, NULL, 0 },
	{ "drop", run_drop, NULL, 0 },
};

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	with.base = argv[1];
	with.page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (with.page == MAP_FAILED || mprotect(with.page, 4096, PROT_READ))
		gate_die("mmap");
	open_sockets();
	return gate_loop(commands, COUNT(commands));
}
