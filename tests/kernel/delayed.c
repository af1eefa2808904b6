// SPDX-License-Identifier: Apache-2.0
/*
 * Sleepers that are moved to another CPU just after they went to sleep, when the
 * scheduler still has them on its queue because they had more than their share:
 * delayed dequeue, Linux 6.12 and later. Beside each of them a thread of the same
 * process wants the CPU, so that there is a share to be above of.
 *
 *   round MS    one such sleep of so many ms; moved on the way
 *   still       one that goes on; the answer comes while it sleeps
 *   over        ends it
 *   nap MS      a sleep that nobody meddles with
 */
// libs: -lpthread
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "gate.h"

#define GAP_NS	   500000 /* who misses so much of the time was not on the CPU */
#define LONGEST_NS 300000000
#define SETTLED_NS 30000 /* the way from the last word to the switch */

static uint32_t order, done, asleep, stop, waked;
static long sleep_ns;
static int meddle, cpus[2];
static pid_t sleeper;

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void wait_until(uint32_t *word, uint32_t value)
{
	uint32_t now;

	while ((now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) < value)
		futex(word, FUTEX_WAIT_PRIVATE, now);
}

static void advance(uint32_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
	futex(word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

static void pin(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		gate_die("sched_setaffinity");
}

/* Wants the CPU while a sleeper is at its work. */
static void *rival(void *arg)
{
	uint32_t turn = 0;

	(void)arg;
	pin(0, cpus[0]);
	for (;;) {
		wait_until(&order, ++turn);
		while (__atomic_load_n(&stop, __ATOMIC_SEQ_CST) < turn)
			relax();
	}
	return NULL;
}

/*
 * Runs for most of a turn, as far as the one before it tells how long a turn is: beyond
 * the middle it has had more than its share.
 */
static void take_too_much(void)
{
	uint64_t began = gate_clock(CLOCK_MONOTONIC), last = began, now;
	uint64_t turn = began, length = 0;
	int turns = 0;

	for (;; last = now) {
		now = gate_clock(CLOCK_MONOTONIC);
		if (now - last > GAP_NS) {
			length = last - turn;
			turn = now;
			turns++;
		}
		if ((turns > 1 && now - turn > length * 4 / 5) ||
		    now - began > LONGEST_NS)
			return;
	}
}

static void *sleep_in_turns(void *arg)
{
	struct timespec t;

	(void)arg;
	sleeper = syscall(SYS_gettid);
	pin(0, cpus[0]);
	advance(&done);
	for (uint32_t turn = 1;; turn++) {
		wait_until(&order, turn);
		t.tv_sec = sleep_ns / 1000000000;
		t.tv_nsec = sleep_ns % 1000000000;
		if (meddle)
			take_too_much();
		__atomic_store_n(&asleep, turn, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &waked, FUTEX_WAIT_PRIVATE, waked,
			sleep_ns ? &t : NULL, NULL, 0);
		if (meddle)
			pin(0, cpus[0]);
		advance(&done);
	}
	return NULL;
}

/* Begins a turn; it is the number of it. */
static uint32_t begin(long ms, int with)
{
	uint32_t turn = order + 1;
	uint64_t since;

	sleep_ns = ms * 1000000;
	meddle = with;
	if (!with)
		__atomic_store_n(&stop, turn, __ATOMIC_SEQ_CST);
	advance(&order);
	if (!with)
		return turn;
	while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < turn)
		relax();
	since = gate_clock(CLOCK_MONOTONIC);
	while (gate_clock(CLOCK_MONOTONIC) - since < SETTLED_NS)
		relax();
	pin(sleeper, cpus[1]);
	__atomic_store_n(&stop, turn, __ATOMIC_SEQ_CST);
	return turn;
}

static void run_round(const struct gate_command *self, const long *args)
{
	(void)self;
	wait_until(&done, begin(args[0], 1) + 1);
	gate_say("slept=1");
}

static void run_still(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	begin(0, 1);
	gate_say("asleep=1");
}

static void run_over(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	advance(&waked);
	wait_until(&done, order + 1);
	gate_say("slept=1");
}

static void run_nap(const struct gate_command *self, const long *args)
{
	(void)self;
	wait_until(&done, begin(args[0], 0) + 1);
	gate_say("slept=1");
}

static const struct gate_command commands[] = {
	{ "round", run_round, NULL, 0 },
	{ "still", run_still, NULL, 0 },
	{ "over", run_over, NULL, 0 },
	{ "nap", run_nap, NULL, 0 },
};

/* delayed FROM TO: the CPU that the sleeper begins on, and the one it is moved to. */
int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 3)
		gate_die("delayed FROM TO");
	cpus[0] = atoi(argv[1]);
	cpus[1] = atoi(argv[2]);
	pin(0, cpus[1]);
	if (pthread_create(&thread, NULL, rival, NULL) ||
	    pthread_create(&thread, NULL, sleep_in_turns, NULL))
		gate_die("pthread_create");
	wait_until(&done, 1);
	return gate_loop(commands, COUNT(commands));
}
