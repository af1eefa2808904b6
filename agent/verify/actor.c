// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/actor.h"

#define ROUNDS	   5
#define PATIENCE_S 20 /* an actor's, of a busy machine */
#define PAUSE_NS   2000000

volatile int actors_interrupted;

/* --- in the actor --- */

/* A word is 'w': come back to the gate, or 'g': work. */
static void live(const struct actor_row *row, const struct actor_stage *s, int in,
		 int out)
{
	int schedstat = -1;

	if (row->waited)
		schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	for (;;) {
		struct truth_look before, after;
		char word;

		if (row->waited) /* looks are calls: nobody else makes them */
			truth_look_before(&before, schedstat);
		if (read(in, &word, 1) != 1)
			_exit(0);
		if (row->waited)
			truth_look_after(&after, schedstat);
		if (word == 'g' && row->waited)
			row->waited(s, &before, &after);
		if (word == 'g')
			row->work(s);
		if (write(out, &word, 1) != 1)
			_exit(0);
	}
}

static void be(struct actors *a, enum actor_id id, int in, int out)
{
	const struct actor_row *row = &actor_rows[id];
	struct actor_stage s = { row, a->truths, a->scratch, a->cpu };
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* who started us ends us */
	err = scratch_enter(a->scratch, row->name);
	if (err)
		stage_skip(&s, "it cannot be moved into its cgroup", err);
	row->prepare(&s);
	live(row, &s, in, out);
}

/* --- in the command --- */

static int start(struct actors *a, enum actor_id id)
{
	struct actor *actor = &a->of[id];
	int to[2], from[2], err = scratch_group(a->scratch, actor_rows[id].name);
	char path[64];

	if (err)
		return err;
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -errno;
	actor->to = to[1];
	actor->from = from[0];
	actor->pid = fork();
	if (!actor->pid)
		be(a, id, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	if (actor->pid < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", actor->pid);
	actor->schedstat = open(path, O_RDONLY | O_CLOEXEC);
	return 0;
}

/* Waits for its word. -ETIMEDOUT, -EINTR, -EPIPE: it is dead. */
static int hear(struct actor *actor)
{
	uint64_t end = now_mono_ns() + PATIENCE_S * 1000000000ULL;
	struct pollfd p = { .fd = actor->from, .events = POLLIN };
	char word;

	while (!actors_interrupted && now_mono_ns() < end)
		if (poll(&p, 1, 100) == 1)
			return read(actor->from, &word, 1) == 1 ? 0 : -EPIPE;
	return actors_interrupted ? -EINTR : -ETIMEDOUT;
}

static int tell(struct actor *actor, char word)
{
	return write(actor->to, &word, 1) == 1 ? 0 : -errno;
}

/* Whether its first thread sleeps, at its gate. */
static bool is_asleep(const struct actor *actor)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", actor->pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return true;
	end = strrchr(text, ')');
	return end && end[1] && end[2] == 'S';
}

static void wait_asleep(const struct actors *a)
{
	for (int id = 0; id < ACTOR_COUNT; id++)
		for (int i = 0; i < 500 && !is_asleep(&a->of[id]); i++)
			truth_nap(PAUSE_NS);
}

/* The CPU to work on: the last one that we may be on. */
static void choose_cpu(struct actors *a)
{
	cpu_set_t set;

	a->cpu = 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			a->cpu = cpu;
}

int actors_start(struct actors *a, struct scratch *s, char *cause, size_t len)
{
	int err = 0;

	memset(a, 0, sizeof(*a));
	a->scratch = s;
	choose_cpu(a);
	a->truths = mmap(NULL, sizeof(*a->truths), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->truths == MAP_FAILED) {
		a->truths = NULL;
		err = -ENOMEM;
	}
	if (!err) {
		a->truths->grain_ns = truth_grain();
		a->truths->emulated = truth_is_emulated();
	}
	for (int id = 0; id < ACTOR_COUNT && !err; id++)
		err = start(a, id);
	if (!err)
		err = actors_settle(a);
	if (err)
		snprintf(cause, len, "the processes that make events: %s",
			 err == -EINTR ? "interrupted" : strerror(-err));
	return err;
}

int actors_settle(struct actors *a)
{
	for (int id = 0; id < ACTOR_COUNT; id++) {
		int err = tell(&a->of[id], 'w');

		if (!err)
			err = hear(&a->of[id]);
		if (err)
			return err;
	}
	wait_asleep(a);
	return 0;
}

/*
 * How often PID 1 was given a CPU. There are machines where BPF is not told of switches
 * to it: there a sleep or wait of who ran before it may be missing.
 */
static uint64_t init_runs(void)
{
	DIR *d = opendir("/proc/1/task");
	unsigned long long runs, sum = 0;
	char path[300], text[100];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/1/task/%s/schedstat", e->d_name);
		if (*e->d_name != '.' && read_file(path, text, sizeof(text)) > 0 &&
		    sscanf(text, "%*u %*u %llu", &runs) == 1)
			sum += runs;
	}
	if (d)
		closedir(d);
	return sum;
}

void actors_begin(struct actors *a)
{
	a->init_runs = init_runs();
	for (int id = 0; id < ACTOR_COUNT; id++) {
		struct actor *actor = &a->of[id];

		truth_sched_read(actor->schedstat, &actor->before);
	}
}

static void lose(struct actors *a, enum actor_id id, int err)
{
	struct actor_stage s = { &actor_rows[id], a->truths };

	a->of[id].failed = true;
	stage_skip(&s, "who makes the events did not come back", err);
}

/* One round: all of it are told to go, then all are waited for. */
static int work(struct actors *a, unsigned int round)
{
	uint64_t runs = init_runs();
	int err = 0;

	for (int id = 0; id < ACTOR_COUNT; id++)
		if (actor_rows[id].round == round && tell(&a->of[id], 'g'))
			a->of[id].failed = true;
	for (int id = 0; id < ACTOR_COUNT; id++) {
		if (actor_rows[id].round != round)
			continue;
		err = a->of[id].failed ? -EPIPE : hear(&a->of[id]);
		if (err == -EINTR)
			return err;
		if (err)
			lose(a, id, err);
	}
	wait_asleep(a);
	runs = init_runs() - runs;
	for (int id = 0; id < ACTOR_COUNT; id++)
		if (actor_rows[id].round == round)
			a->of[id].init_runs = runs;
	return 0;
}

int actors_work(struct actors *a)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		int err = work(a, round);

		if (err)
			return err;
	}
	return 0;
}

void actors_end(struct actors *a)
{
	wait_asleep(a);
	a->init_runs = init_runs() - a->init_runs;
	for (int id = 0; id < ACTOR_COUNT; id++) {
		struct actor *actor = &a->of[id];

		truth_sched_read(actor->schedstat, &actor->after);
	}
}

void actors_end_all(struct actors *a)
{
	for (int id = 0; id < ACTOR_COUNT; id++) {
		struct actor *actor = &a->of[id];

		if (actor->pid > 0) {
			kill(actor->pid, SIGKILL);
			waitpid(actor->pid, NULL, 0);
		}
		if (actor->to > 0)
			close(actor->to);
		if (actor->from > 0)
			close(actor->from);
		if (actor->schedstat > 0)
			close(actor->schedstat);
	}
}

void actors_forget(struct actors *a)
{
	if (a->truths)
		munmap(a->truths, sizeof(*a->truths));
	a->truths = NULL;
}
