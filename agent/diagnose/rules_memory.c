// SPDX-License-Identifier: Apache-2.0
/* Memory: killed for lack of it, a limit, faults that read, a node that has none left.
 */
#include "base/util.h"
#include "diagnose/rule.h"

#define MEMORY_LEAST   0.02 /* s per s */
#define MEMORY_SHARE   0.05
#define LIMIT_NEAR     0.9
#define PRESSURE_LEAST 0.05
#define TIMES_LEAST    10

/* NAN: it has none, or it is not known. */
static double share_of_limit(const struct facts *f)
{
	double limit = f->value[IN_MEMORY_LIMIT];

	return limit > 0 ? f->value[IN_MEMORY] / limit : NAN;
}

static struct evidence *see_limit_used(const struct look *l, struct finding *f)
{
	return see_of(l, f, IN_MEMORY, "of its memory limit is in use", "1",
		      share_of_limit, LIMIT_NEAR);
}

/* What lack of memory costs: freeing it, and reading again what was freed. */
static double lost_to_memory(const struct look *l)
{
	return now_of(l, IN_RECLAIM) + now_of(l, IN_BLOCKED_FAULT);
}

static double lost_share(const struct facts *f)
{
	return facts_share(f, f->value[IN_RECLAIM] + f->value[IN_BLOCKED_FAULT]);
}

static double faults_share(const struct facts *f)
{
	return facts_share(f, f->value[IN_BLOCKED_FAULT]);
}

static double count_times(const struct facts *f)
{
	return f->value[IN_RECLAIM_COUNT] + f->value[IN_BLOCKED_FAULT_COUNT];
}

/* Did it have to wait for memory too seldom? Then that is what decides. */
static bool is_seldom(const struct look *l, struct finding *f)
{
	if (count_times(l->now) >= TIMES_LEAST)
		return false;
	see_of(l, f, IN_RECLAIM_COUNT,
	       "times that it freed memory or slept in a page fault", "{event}",
	       count_times, TIMES_LEAST)
	    ->baseline *= as_long(l, IN_RECLAIM_COUNT);
	return true;
}

/* By the pressure, which not every kernel tells, and by the time that is lost. */
static void judge_memory(const struct look *l, struct finding *f)
{
	double before = before_of(l, IN_RECLAIM) + before_of(l, IN_BLOCKED_FAULT);

	note_change(f, newer(change_of(l, IN_PSI_MEMORY, MEMORY_LEAST),
			     change_between(lost_to_memory(l), before, MEMORY_LEAST)));
}

/* Memory in use is never 0 where the controller is. */
static bool knows_limit(const struct look *l)
{
	return now_of(l, IN_MEMORY) > 0;
}

static void oom(const struct look *l, struct finding *f)
{
	double kills;
	char path[WORD_LEN];

	if (!now_of(l, IN_MEMORY) && !now_of(l, IN_OOM_KILLS))
		return;
	kills = see(l, f, IN_OOM_KILLS, 1);
	if (kills < 1)
		return;
	see(l, f, IN_MEMORY, UNBOUND);
	see(l, f, IN_MEMORY_LIMIT, UNBOUND);
	found(f, SEVERITY_CRITICAL, 98,
	      "the kernel killed %.0f process%s of %s for lack "
	      "of memory",
	      kills, kills > 1 ? "es" : "", name_of(l->now));
	because(f, "%s",
		now_of(l, IN_MEMORY_LIMIT) > 0
		    ? "it needs more than its memory limit, or leaks"
		: knows_limit(l)
		    ? "the node, or a cgroup above it, has no memory left"
		    : "it needs more than its memory limit, which is not known here "
		      "(cgroup v1), or the node has no memory left: the kernel's log "
		      "says which (constraint=)");
	if (has_controller(l, "memory"))
		then(f, "cat %s; dmesg | grep -i oom",
		     cgroup_file(l, "memory.events", path));
	else
		then(f, "dmesg | grep -i oom");
}

static void limit(const struct look *l, struct finding *f)
{
	double lost = lost_to_memory(l), share = facts_share(l->now, lost), near;
	char path[WORD_LEN];

	if (!now_of(l, IN_MEMORY_LIMIT))
		return;
	near = see_limit_used(l, f)->number;
	see(l, f, IN_RECLAIM, MEMORY_LEAST);
	if (near < LIMIT_NEAR || is_seldom(l, f))
		return;
	if (now_of(l, IN_PSI_MEMORY) < PRESSURE_LEAST &&
	    (lost < MEMORY_LEAST || share < MEMORY_SHARE)) {
		see_of(l, f, IN_RECLAIM, "of the time that it would run", "1",
		       lost_share, MEMORY_SHARE);
		return;
	}
	see(l, f, IN_RECLAIM_COUNT, TIMES_LEAST);
	see(l, f, IN_BLOCKED_FAULT, UNBOUND);
	see(l, f, IN_MAJOR_FAULTS, UNBOUND);
	see(l, f, IN_PSI_MEMORY, PRESSURE_LEAST);
	see(l, f, IN_MEMORY_LIMIT, UNBOUND);
	if (now_of(l, IN_PSI_MEMORY) > share)
		share = now_of(l, IN_PSI_MEMORY);
	found(
	    f, severity_of_share(share, share, 0.1, 0.5), share * 100 + 1,
	    "%s is at its memory limit: it frees memory before it gets any, and reads "
	    "again what it had to drop",
	    name_of(l->now));
	because(f,
		"its memory limit of %.0f MiB is too low for what it does, or it leaks",
		now_of(l, IN_MEMORY_LIMIT) / 1048576);
	then(f,
	     "head -5 %s   # anon: its own; file: what is read again. Raise the limit",
	     cgroup_file(l, "memory.stat", path));
	judge_memory(l, f);
}

static void faults(const struct look *l, struct finding *f)
{
	double lost, share;
	char path[WORD_LEN];

	lost = see(l, f, IN_BLOCKED_FAULT, 2 * MEMORY_LEAST);
	if (lost < 2 * MEMORY_LEAST)
		return;
	share = see_of(l, f, IN_BLOCKED_FAULT, "of the time that it would run", "1",
		       faults_share, 2 * MEMORY_SHARE)
		    ->number;
	see(l, f, IN_BLOCKED_FAULT_COUNT, TIMES_LEAST);
	if (share < 2 * MEMORY_SHARE || now_of(l, IN_BLOCKED_FAULT_COUNT) < TIMES_LEAST)
		return;
	see(l, f, IN_BLOCKED_FAULT_P99, UNBOUND);
	see(l, f, IN_MAJOR_FAULTS, UNBOUND);
	see(l, f, IN_BLOCK_P99, UNBOUND);
	found(
	    f, severity_of_share(share, lost, 0.3, 0.7),
	    0.95 * score_of_share(share, lost),
	    "%s waits in page faults that read from a disk: %.0f %% of the time that it "
	    "would run",
	    name_of(l->now), share * 100);
	because(
	    f, "what it has mapped (its program, libraries, files, or what was swapped "
	       "out) is not in memory: it has just started, or memory is short");
	if (has_controller(l, "memory"))
		then(f, "grep -E 'pgmajfault|workingset_refault' %s; swapon --show",
		     cgroup_file(l, "memory.stat", path));
	else
		then(f, "grep -E 'pgmajfault|workingset_refault' /proc/vmstat; swapon "
			"--show");
	judge_change(l, f, IN_BLOCKED_FAULT, MEMORY_LEAST);
}

static void pressure(const struct look *l, struct finding *f)
{
	double stalled, reclaim, share, available;

	stalled = see(l, f, IN_PSI_MEMORY, PRESSURE_LEAST);
	reclaim = see(l, f, IN_RECLAIM, MEMORY_LEAST);
	share = facts_share(l->now, reclaim);
	if ((stalled < PRESSURE_LEAST &&
	     (reclaim < MEMORY_LEAST || share < MEMORY_SHARE)) ||
	    is_seldom(l, f))
		return;
	if (share_of_limit(l->now) >= LIMIT_NEAR) { /* that is its limit's */
		see_limit_used(l, f)->at_most = true;
		return;
	}
	see(l, f, IN_RECLAIM_COUNT, TIMES_LEAST);
	available = see_node(l, f, IN_NODE_AVAILABLE, UNBOUND);
	see_node(l, f, IN_NODE_MEMORY, UNBOUND);
	if (stalled > share)
		share = stalled;
	found(
	    f, severity_of_share(share, share, 0.1, 0.5), share * 100,
	    "%s has to wait for memory%s: some of its tasks are stalled in %.0f %% of "
	    "the time",
	    name_of(l->now), knows_limit(l) ? " that is not its own limit's" : "",
	    stalled * 100);
	because(
	    f,
	    "the node (%.0f MiB available) or a cgroup above it is short of memory, "
	    "or %s slows it down",
	    available / 1048576,
	    knows_limit(l) ? "memory.high"
			   : "a limit that is not known here (cgroup v1)");
	then(f, "assay why --node%s; cat /proc/pressure/memory", again(l));
	judge_memory(l, f);
}

static const struct rule rows[] = {
	{ .id = "memory.oom",
	  .resource = "memory",
	  .probes = "memory",
	  .calm = "no process was killed for lack of memory",
	  .not_ = { "cpu.quota" },
	  .look = oom },
	{ .id = "memory.limit",
	  .resource = "memory",
	  .probes = "sched,memory",
	  .calm = "it is not at its memory limit",
	  .not_ = { "disk.neighbour", "cpu.quota", "cpu.neighbours" },
	  .after = { "memory.oom" },
	  .look = limit },
	{ .id = "memory.faults",
	  .resource = "memory",
	  .probes = "sched",
	  .calm = "it does not wait in page faults",
	  .not_ = { "memory.limit", "memory.pressure", "disk.neighbour" },
	  .after = { "memory.limit", "memory.oom", "memory.pressure",
		     "disk.neighbour" },
	  .look = faults },
	{ .id = "memory.pressure",
	  .resource = "memory",
	  .probes = "memory",
	  .calm = "it does not wait for memory",
	  .not_ = { "memory.limit", "disk.neighbour" },
	  .after = { "memory.oom", "memory.limit" },
	  .look = pressure },
};

const struct rule_table rules_memory = { rows, COUNT(rows) };
