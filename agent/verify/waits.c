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
#include "verify/stage.h"

#define TURNS	     10
#define TURN_NS	     4000000ULL
#define CLOCKS_AGREE 20		  /* to a part of so many */
#define HOG_CPU_NS   160000000ULL /* no more than that */

static volatile uint32_t *done;

void waits_prepare(const struct actor_stage *s)
{
	cpu_set_t set;

	done = &s->truths->waits_done;
	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		stage_skip(s, "it cannot be kept on one CPU", 0);
}

/*
 * As the scheduler's policy for batches has it, whatever we were started with: who
 * wakes up in a batch leaves the CPU to who has it, so it waits each time; and a hog
 * that is only to run when nobody else does would never make it wait.
 */
static void work_in_batch(void)
{
	struct sched_param none = { 0 };

	sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Until the other one is done. */
void waits_hog(const struct actor_stage *s)
{
	uint64_t end;

	work_in_batch();
	end = truth_cpu_ns() + HOG_CPU_NS;

	while (!*done && truth_cpu_ns() < end)
		;
}

void waits_work(const struct actor_stage *s)
{
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	struct truth *asleep = &s->truths->of[TRUTH_WAITS_ASLEEP],
		     *all = &s->truths->of[TRUTH_WAITS_ALL];
	struct truth_look first, last, before, after;
	uint64_t ran, gone;

	work_in_batch();
	truth_look_before(&first, schedstat);
	for (int i = 0; i < TURNS; i++) {
		truth_spin(TURN_NS);
		sched_yield(); /* its turn is over now, and not in the looks */
		truth_look_before(&before, schedstat);
		truth_nap(TURN_NS);
		truth_look_after(&after, schedstat);
		truth_add_sleep(asleep, &before, &after);
	}
	truth_look_after(&last, schedstat);
	*done = 1;
	close(schedstat);
	ran = last.cpu_ns - first.cpu_ns;
	s->truths->wanted_ns = last.inner_ns - first.inner_ns;
	s->truths->ran_ns = ran;
	s->truths->delayed_ns = last.delayed_ns - first.delayed_ns;
	/* the clocks of the CPU and the wall do not agree to the ns */
	gone = s->truths->wanted_ns - ran - ran / CLOCKS_AGREE;
	all->least_ns = gone < s->truths->wanted_ns ? gone : 0;
	all->most_ns = last.outer_ns - first.outer_ns - ran + ran / CLOCKS_AGREE;
	if (gone < asleep->most_ns + TURN_NS)
		stage_skip(s, "the hog hardly got the CPU: nobody waited", 0);
}
