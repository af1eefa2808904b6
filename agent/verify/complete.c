// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "verify/complete.h"
#include "verify/found.h"

#define BLAME_SLACK 0.15 /* by whom a wait was is right on average */
#define LONGEST	    4	 /* means: of a wait */
#define NO_CGROUP   "requests count for a cgroup above ours: it has no controller io"

void complete_look(struct complete_disk *d, const struct actors *a, int number)
{
	unsigned long long reads;
	char line[256], name[64];
	FILE *f = fopen("/proc/diskstats", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %63s %llu", name, &reads) == 2 &&
		    !strcmp(name, a->truths->disk))
			d->reads[number] = reads;
	if (f)
		fclose(f);
}

/*
 * What others may be blamed with who had the CPU for so many ns: a wait is blamed on
 * one that had the CPU in it, so what they had, and four standard deviations.
 */
static double others_share(const struct actor *victim, double others)
{
	double waits = victim->after.runs - victim->before.runs;
	double delayed = victim->after.delayed_ns - victim->before.delayed_ns;

	return waits > 0 ? others + 4 * sqrt(others * LONGEST * delayed / waits) : 0;
}

/* As often as the kernel gave it a CPU it had waited before, however shortly. */
static void complete_waits(struct actors *a)
{
	const struct actor *victim = &a->of[ACTOR_VICTIM], *hog = &a->of[ACTOR_HOG];
	struct truth *waits = &a->truths->of[TRUTH_WAITS],
		     *blamed = &a->truths->of[TRUTH_WAITS_CULPRITS];
	uint64_t delayed = victim->after.delayed_ns - victim->before.delayed_ns;
	uint64_t had = hog->after.ran_ns - hog->before.ran_ns + a->truths->ran_ns;
	double others = a->truths->wanted_ns > had ? a->truths->wanted_ns - had : 0;
	double least = delayed * (1 - BLAME_SLACK) - others_share(victim, others);

	truth_count(waits, victim->after.runs - victim->before.runs, delayed);
	waits->least_ns = delayed;
	blamed->least_ns = least > 0 ? least : 0;
	blamed->most_ns = delayed;
	if (!victim->after.runs)
		for (int i = TRUTH_WAITS; i <= TRUTH_WAITS_CULPRITS; i++)
			truth_skip(&a->truths->of[i],
				   "/proc/PID/schedstat says nothing", 0);
}

static void complete_disks(struct actors *a, const struct complete_disk *d)
{
	struct truth *of = a->truths->of, *all = &of[TRUTH_BLOCK_DISK_READS];

	all->least = d->reads[2] - d->reads[1];
	all->most = d->reads[3] - d->reads[0];
	if (of[TRUTH_BLOCK_READS].least > all->least)
		all->least = of[TRUTH_BLOCK_READS].least;
	if (scratch_has_io(a->scratch))
		return;
	truth_skip(&of[TRUTH_BLOCK_READS], NO_CGROUP, 0);
	truth_skip(&of[TRUTH_BLOCK_WRITES], NO_CGROUP, 0);
}

/* A query that still waits is none yet: somebody has set a longer time. */
static void complete_lookups(struct actors *a, const struct frame *frame,
			     uint64_t now_ns)
{
	struct truth *t = &a->truths->of[TRUTH_DNS_TIMEOUT];
	struct found_key key = { NULL, "assay.inflight.age", "assay.operation", "dns" };
	char suffix[128];
	struct found waiting;

	t->least_ns = t->most * COMPLETE_TIMEOUT_NS;
	t->most_ns = t->most * (now_ns - a->truths->asked_ns);
	scratch_suffix(a->scratch, actor_rows[ACTOR_DNS].name, suffix, sizeof(suffix));
	key.suffix = suffix;
	found_get(frame, &key, &waiting);
	if (waiting.count > 0)
		truth_skip(t,
			   "the agent still waits for them: its timeout is longer than "
			   "5 s (assay tune dns)",
			   0);
}

void complete(struct actors *a, const struct complete_disk *d,
	      const struct frame *frame, uint64_t now_ns)
{
	complete_waits(a);
	complete_disks(a, d);
	complete_lookups(a, frame, now_ns);
}
