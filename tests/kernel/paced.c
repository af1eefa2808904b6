// SPDX-License-Identifier: Apache-2.0
/*
 * Calls at a steady pace, so that whoever looks at some of the time can tell of all.
 * Its counts can be read while it works: three numbers of 64 bits in the file that is
 * its argument: calls, errors, naps.
 */
// libs: -lpthread
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "gate.h"

#define MS	1000000ULL
#define NAPPERS 64

static struct {
	_Atomic uint64_t calls, errors, naps;
} * counts;

static void sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void call(long calls, long errors)
{
	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
	for (long i = 0; i < errors; i++)
		if (open("/nonexistent/file", O_RDONLY) >= 0)
			gate_die("open");
	counts->calls += calls;
	counts->errors += errors;
}

/* "pace MS CALLS ERRORS PERIOD ON": so many in each ms; with a period only in the first
 * ON ms of it. */
static void run_pace(const struct gate_command *self, const long *args)
{
	uint64_t began = gate_clock(CLOCK_MONOTONIC);

	for (long ms = 0; ms < args[0]; ms++) {
		sleep_until(began + ms * MS);
		if (!args[3] || ms % args[3] < args[4])
			call(args[1], args[2]);
	}
	gate_say("calls=%llu errors=%llu", (unsigned long long)counts->calls,
		 (unsigned long long)counts->errors);
}

static struct {
	uint64_t end;
	long ms;
} naps;

static void *napper(void *arg)
{
	struct timespec t = { .tv_sec = naps.ms / 1000,
			      .tv_nsec = naps.ms % 1000 * MS };

	while (gate_clock(CLOCK_MONOTONIC) < naps.end) {
		nanosleep(&t, NULL);
		counts->naps++;
	}
	return NULL;
}

/* "naps MS NAP THREADS": each sleeps for NAP ms again and again. */
static void run_naps(const struct gate_command *self, const long *args)
{
	pthread_t threads[NAPPERS];
	long count = args[2];

	if (count < 1 || count > NAPPERS)
		gate_die("threads");
	naps.end = gate_clock(CLOCK_MONOTONIC) + args[0] * MS;
	naps.ms = args[1];
	for (long i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, napper, NULL))
			gate_die("pthread_create");
		sleep_until(gate_clock(CLOCK_MONOTONIC) + naps.ms * MS / count);
	}
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	gate_say("naps=%llu", (unsigned long long)counts->naps);
}

/*
 * "gaps MS CPU OVER": looks at the clock all the time, before all others on that CPU,
 * but for a tenth of it: what goes without being asked keeps it from that. How often
 * longer than OVER us, and how long at most, ns.
 */
static void run_gaps(const struct gate_command *self, const long *args)
{
	struct sched_param first = { .sched_priority = 50 }, last = { 0 };
	uint64_t now, before, end, turn, over = args[2] * 1000, most = 0, found = 0;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(args[1], &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) ||
	    sched_setscheduler(0, SCHED_FIFO, &first))
		gate_die("sched_setscheduler");
	before = gate_clock(CLOCK_MONOTONIC);
	end = before + args[0] * MS;
	turn = before + 90 * MS;
	while (before < end) {
		if (before > turn) {
			sleep_until(turn + 10 * MS);
			before = gate_clock(CLOCK_MONOTONIC);
			turn = before + 90 * MS;
		}
		now = gate_clock(CLOCK_MONOTONIC);
		if (now - before > most)
			most = now - before;
		found += now - before > over;
		before = now;
	}
	sched_setscheduler(0, SCHED_OTHER, &last);
	gate_say("gaps=%llu most=%llu", (unsigned long long)found,
		 (unsigned long long)most);
}

int main(int argc, char **argv)
{
	static const struct gate_command commands[] = {
		{ "pace", run_pace },
		{ "naps", run_naps },
		{ "gaps", run_gaps },
	};
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;

	if (fd < 0 || ftruncate(fd, sizeof(*counts)))
		gate_die("file");
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		gate_die("mmap");
	return gate_loop(commands, COUNT(commands));
}
