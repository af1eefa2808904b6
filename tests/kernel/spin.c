// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that want the CPU all the time, and know for how long they wanted it and
 * for how long they had it. The rest they waited.
 */
// libs: -lpthread
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "gate.h"

#define MAX_THREADS 64
#define STACK_BYTES 65536

/* 0: all sleep; n: the run of this number goes on. The threads sleep on it. */
static uint32_t run_number;
static uint64_t released_ns, deadline_ns;
static uint32_t running;
static uint64_t wanted_ns, had_ns;
static int threads;
static int pinned_to = -1;

static struct member {
	uint32_t seen;	   /* the run that it does not take part in any more */
	uint64_t since_ns; /* it was made then */
} members[MAX_THREADS];

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

/* Spins until the deadline and adds up what it wanted and what it had. */
static void spin(uint64_t since)
{
	uint64_t cpu = gate_clock(CLOCK_THREAD_CPUTIME_ID), now;

	do {
		for (int i = 0; i < 1000; i++)
			relax();
		now = gate_clock(CLOCK_MONOTONIC);
	} while (now < deadline_ns);
	cpu = gate_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
	__atomic_add_fetch(&had_ns, cpu, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&wanted_ns, gate_clock(CLOCK_MONOTONIC) - since,
			   __ATOMIC_SEQ_CST);
	if (__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST) == 0)
		futex_wake_all(&running);
}

static void *live(void *arg)
{
	struct member *self = arg;
	uint32_t seen = self->seen;

	for (;;) {
		uint32_t now = __atomic_load_n(&run_number, __ATOMIC_SEQ_CST);

		if (now == seen) {
			futex_wait(&run_number, seen);
			continue;
		}
		seen = now;
		spin(released_ns > self->since_ns ? released_ns : self->since_ns);
	}
	return NULL;
}

static void add_threads(long count, uint32_t seen)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(pinned_to >= 0 ? pinned_to : 0, &set);
	pthread_attr_init(&attr);
	if (pinned_to >= 0)
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (long i = 0; i < count; i++, threads++) {
		if (threads == MAX_THREADS)
			gate_die("threads");
		members[threads].seen = seen;
		members[threads].since_ns = gate_clock(CLOCK_MONOTONIC);
		if (pthread_create(&thread, &attr, live, &members[threads]))
			gate_die("pthread_create");
	}
}

static void start_run(long ms, int count)
{
	wanted_ns = had_ns = 0;
	running = count;
	released_ns = gate_clock(CLOCK_MONOTONIC);
	deadline_ns = released_ns + ms * 1000000;
	__atomic_add_fetch(&run_number, 1, __ATOMIC_SEQ_CST);
}

static void finish_run(void)
{
	uint32_t left;

	while ((left = __atomic_load_n(&running, __ATOMIC_SEQ_CST)))
		futex_wait(&running, left);
	gate_say("wanted=%llu had=%llu threads=%d", (unsigned long long)wanted_ns,
		 (unsigned long long)had_ns, threads);
}

/* "run MS": all threads spin for so long. */
static void run_run(const struct gate_command *self, const long *args)
{
	(void)self;
	start_run(args[0], threads);
	futex_wake_all(&run_number);
	finish_run();
}

/* "born K MS": K more threads, which are born spinning; the old ones sleep. */
static void run_born(const struct gate_command *self, const long *args)
{
	int old = threads;

	(void)self;
	if (old)
		gate_die("born");
	start_run(args[1], args[0]);
	add_threads(args[0], run_number - 1);
	finish_run();
}

/* "yield N": each thread would do; here the first one yields the CPU N times. */
static void run_yield(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long i = 0; i < args[0]; i++)
		sched_yield();
	gate_say("yields=%ld", args[0]);
}

/* "nap N": N sleeps of 200 us, so N voluntary switches. */
static void run_nap(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long i = 0; i < args[0]; i++)
		usleep(200);
	gate_say("naps=%ld", args[0]);
}

static const struct gate_command commands[] = {
	{ "run", run_run, NULL, 0 },
	{ "born", run_born, NULL, 0 },
	{ "yield", run_yield, NULL, 0 },
	{ "nap", run_nap, NULL, 0 },
};

/*
 * Keeps the first thread off that CPU, so that it wakes the others all at once; on one
 * CPU, so that nothing moves it: the kernel's run_delay of who is moved while it goes
 * to sleep has that sleep in it (Linux 6.12 and later).
 */
static void go_elsewhere(void)
{
	cpu_set_t set;
	int cpu = 0;

	if (pinned_to < 0 || sched_getaffinity(0, sizeof(set), &set))
		return;
	CPU_CLR(pinned_to, &set);
	if (!CPU_COUNT(&set))
		return;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* spin THREADS CPU: the threads are pinned to this CPU; -1 leaves them free. */
int main(int argc, char **argv)
{
	pinned_to = argc > 2 ? atoi(argv[2]) : -1;
	go_elsewhere();
	add_threads(argc > 1 ? atoi(argv[1]) : 0, 0);
	usleep(50000); /* until all of them sleep */
	return gate_loop(commands, COUNT(commands));
}
