// SPDX-License-Identifier: Apache-2.0
/*
 * Waits for a CPU: one that works and naps by turns, on a CPU that a hog wants all the
 * time, for a quarter of a second. It waits in the middle of its work and behind its
 * naps; what it waited is neither work nor sleep, so the three are all of its time.
 */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/actor.h"

#define TURNS	   10
#define TURN_NS	   4000000ULL
#define HOG_CPU_NS 160000000ULL /* no more than that */

static volatile uint32_t *done;

void waits_prepare(const struct actor_stage *s)
{
	cpu_set_t set;

	done = &s->truths->waits_done;
	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		actor_skip(s, ACTOR_VICTIM, "it cannot be kept on one CPU", 0);
}

/* Until the other one is done. */
void waits_hog(const struct actor_stage *s)
{
	uint64_t end = truth_cpu_ns() + HOG_CPU_NS;

	while (!*done && truth_cpu_ns() < end)
		;
}

void waits_work(const struct actor_stage *s)
{
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	struct truth_sched first = { 0 }, before = { 0 }, after = { 0 };
	struct truth *asleep = &s->truths->of[TRUTH_WAITS_ASLEEP];
	uint64_t began = now_mono_ns(), began_cpu = truth_cpu_ns();

	truth_sched_read(schedstat, &first);
	for (int i = 0; i < TURNS; i++) {
		uint64_t wall, cpu, delay;

		truth_spin(TURN_NS);
		truth_sched_read(schedstat, &before);
		cpu = truth_cpu_ns();
		wall = now_mono_ns();
		truth_nap(TURN_NS);
		wall = now_mono_ns() - wall;
		cpu = truth_cpu_ns() - cpu;
		truth_sched_read(schedstat, &after);
		delay = after.delayed_ns - before.delayed_ns;
		wall -= cpu < wall ? cpu : wall;
		wall -= delay < wall ? delay : wall;
		truth_add(asleep, wall, wall);
	}
	s->truths->wanted_ns = now_mono_ns() - began;
	s->truths->ran_ns = truth_cpu_ns() - began_cpu;
	s->truths->delayed_ns = after.delayed_ns - first.delayed_ns;
	*done = 1;
	close(schedstat);
	/* who is kept waiting on its way to sleep may find that its time is over */
	asleep->fewer = TURNS / 3;
}
