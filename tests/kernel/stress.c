// SPDX-License-Identifier: Apache-2.0
// libs: -lpthread
/*
 * Many system calls under hard conditions. Every call is getsockopt, of class socket,
 * which nothing else here makes; it is noted in shared memory before and after.
 *
 * pinned N        two threads make N/2 calls each, as fast as they can
 * storm W MS      W workers for MS milliseconds: they call, fork children that call,
 * and execve themselves from a thread that is not the leader, while they are killed at
 * random and started again
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "gate.h"

#define WORKERS_MAX 16

/* What happened; each word is only ever added to, atomically. */
struct truth {
	uint64_t started, done, forks, execs, kills;
};

static struct {
	struct truth *truth;
	int shared; /* the memfd behind it, kept over execve */
	int sock;
	long calls;
} with;

static void add(uint64_t *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

static void call(void)
{
	int type;
	socklen_t len = sizeof(type);

	syscall(SYS_getsockopt, with.sock, SOL_SOCKET, SO_TYPE, &type, &len);
}

static void noted_call(void)
{
	add(&with.truth->started);
	call();
	add(&with.truth->done);
}

static void *call_many(void *arg)
{
	for (long i = 0; i < with.calls; i++)
		call();
	return NULL;
}

static void run_pinned(const struct gate_command *self, const long *args)
{
	pthread_t other;

	with.calls = args[0] / 2;
	if (pthread_create(&other, NULL, call_many, NULL))
		gate_die("pthread_create");
	call_many(NULL);
	pthread_join(other, NULL);
	gate_say("calls=%ld", 2 * with.calls);
}

static void *become_new(void *arg)
{
	char shared[16];

	snprintf(shared, sizeof(shared), "%d", with.shared);
	add(&with.truth->execs);
	execl("/proc/self/exe", "stress", "worker", shared, NULL);
	_exit(4);
}

/* A child that calls and ends; the kernel reaps it for us. */
static void have_child(void)
{
	pid_t pid = fork();

	if (pid > 0)
		add(&with.truth->forks);
	if (pid)
		return;
	for (int i = 0; i < 50; i++)
		noted_call();
	_exit(0);
}

/* Never returns: it is killed, or becomes another one. */
static void work(unsigned int seed)
{
	pthread_t thread;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		for (int i = 0; i < 200; i++)
			noted_call();
		switch (rand_r(&seed) % 8) {
		case 0:
			have_child();
			break;
		case 1:
			if (pthread_create(&thread, NULL, become_new, NULL) == 0)
				pause();
			break;
		}
	}
}

static void map_shared(int fd)
{
	with.shared = fd;
	with.truth = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (with.truth == MAP_FAILED)
		gate_die("mmap");
	add(&with.truth->started); /* it is of class socket too */
	with.sock = socket(AF_UNIX, SOCK_DGRAM, 0);
	add(&with.truth->done);
	if (with.sock < 0)
		gate_die("socket");
}

static pid_t start_worker(unsigned int seed)
{
	pid_t pid = fork();

	if (pid < 0)
		gate_die("fork");
	if (!pid) {
		setpgid(0, 0);
		work(seed);
	}
	setpgid(pid, pid);
	return pid;
}

/* A worker with all its children: they have its process group. */
static void kill_worker(pid_t pid)
{
	add(&with.truth->kills);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void run_storm(const struct gate_command *self, const long *args)
{
	uint64_t end = gate_clock(CLOCK_MONOTONIC) + args[1] * 1000000;
	long n = args[0] < WORKERS_MAX ? args[0] : WORKERS_MAX;
	pid_t pids[WORKERS_MAX];
	unsigned int seed = 1;

	memset(with.truth, 0, sizeof(*with.truth));
	for (long i = 0; i < n; i++)
		pids[i] = start_worker(rand_r(&seed));
	while (gate_clock(CLOCK_MONOTONIC) < end) {
		long i = rand_r(&seed) % n;

		usleep(rand_r(&seed) % 5000);
		kill_worker(pids[i]);
		pids[i] = start_worker(rand_r(&seed));
	}
	for (long i = 0; i < n; i++)
		kill_worker(pids[i]);
	usleep(200000); /* until the last child is gone */
	gate_say("started=%lu done=%lu forks=%lu execs=%lu kills=%lu",
		 with.truth->started, with.truth->done, with.truth->forks,
		 with.truth->execs, with.truth->kills);
}

static const struct gate_command commands[] = {
	{ "pinned", run_pinned },
	{ "storm", run_storm },
};

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "worker")) {
		map_shared(atoi(argv[2]));
		work(getpid());
	}
	with.shared = memfd_create("truth", 0);
	if (ftruncate(with.shared, 4096))
		gate_die("ftruncate");
	map_shared(with.shared);
	return gate_loop(commands, COUNT(commands));
}
