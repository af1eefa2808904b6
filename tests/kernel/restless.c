// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that run for a moment and sleep for a while, beside others that always want a
 * CPU, so that the scheduler has something to balance. Every other sleeper is also told
 * which CPU to be on, at any moment.
 */
// libs: -lpthread
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "gate.h"

#define MAX_THREADS 64
#define STACK_BYTES 65536

static uint32_t run_number, running;
static uint64_t deadline_ns;
static int sleepers, hogs, cpu_count;
static pid_t tids[MAX_THREADS];

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* A number of its own for each caller: xorshift. */
static uint32_t random_of(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void work(uint64_t until)
{
	while (gate_clock(CLOCK_MONOTONIC) < until)
		for (int i = 0; i < 100; i++)
			relax();
}

/* Mostly short sleeps, now and then one that would be a wait nobody has. */
static long sleep_of(uint32_t *seed)
{
	uint32_t kind = random_of(seed) % 16;

	if (!kind)
		return 300000 + random_of(seed) % 700000;
	return kind < 4 ? 10000 + random_of(seed) % 30000
			: 100 + random_of(seed) % 3000;
}

static void live(int number, uint32_t *seed)
{
	uint64_t now = gate_clock(CLOCK_MONOTONIC);

	if (number >= sleepers) {
		work(deadline_ns);
		return;
	}
	for (; now < deadline_ns; now = gate_clock(CLOCK_MONOTONIC)) {
		work(now + 50000 + random_of(seed) % 3000000);
		usleep(sleep_of(seed));
	}
}

static void *member(void *arg)
{
	int number = (intptr_t)arg;
	uint32_t seen = 0, seed = 2463534242U + number;

	tids[number] = syscall(SYS_gettid);
	for (;; seen++) {
		while (__atomic_load_n(&run_number, __ATOMIC_SEQ_CST) == seen)
			futex(&run_number, FUTEX_WAIT_PRIVATE, seen);
		live(number, &seed);
		if (__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST) == 0)
			futex(&running, FUTEX_WAKE_PRIVATE, 1);
	}
	return NULL;
}

/* Sends every other sleeper to and fro until the deadline; returns how often. */
static long meddle(void)
{
	uint32_t seed = 88172645;
	cpu_set_t set;
	long moves = 0;

	for (; gate_clock(CLOCK_MONOTONIC) < deadline_ns; moves++) {
		CPU_ZERO(&set);
		CPU_SET(random_of(&seed) % cpu_count, &set);
		sched_setaffinity(tids[random_of(&seed) % sleepers & ~1], sizeof(set),
				  &set);
		usleep(200 + random_of(&seed) % 500);
	}
	return moves;
}

/* "run MS" */
static void run_run(const struct gate_command *self, const long *args)
{
	uint32_t left;
	long moves;

	(void)self;
	running = sleepers + hogs;
	deadline_ns = gate_clock(CLOCK_MONOTONIC) + args[0] * 1000000;
	__atomic_add_fetch(&run_number, 1, __ATOMIC_SEQ_CST);
	futex(&run_number, FUTEX_WAKE_PRIVATE, MAX_THREADS);
	moves = meddle();
	while ((left = __atomic_load_n(&running, __ATOMIC_SEQ_CST)))
		futex(&running, FUTEX_WAIT_PRIVATE, left);
	gate_say("moves=%ld", moves);
}

static const struct gate_command commands[] = {
	{ "run", run_run, NULL, 0 },
};

/* restless SLEEPERS HOGS */
int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t thread;

	sleepers = argc > 1 ? atoi(argv[1]) : 0;
	hogs = argc > 2 ? atoi(argv[2]) : 0;
	cpu_count = sysconf(_SC_NPROCESSORS_ONLN);
	if (sleepers < 1 || sleepers + hogs > MAX_THREADS)
		gate_die("restless SLEEPERS HOGS");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (intptr_t i = 0; i < sleepers + hogs; i++)
		if (pthread_create(&thread, &attr, member, (void *)i))
			gate_die("pthread_create");
	usleep(50000); /* until all of them sleep */
	return gate_loop(commands, COUNT(commands));
}
