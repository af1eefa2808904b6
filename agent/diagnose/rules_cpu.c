// SPDX-License-Identifier: Apache-2.0
/* Who has no CPU, and why: its quota, others, itself, the hypervisor. */
#include <string.h>
#include "base/util.h"
#include "diagnose/culprits.h"
#include "diagnose/rule.h"
#include "diagnose/stolen.h"

#define WAITS_LEAST 20 /* of what is less nothing follows */

/* Are there too few waits for a CPU? Then that is what decides. */
static bool is_few(const struct look *l, struct finding *f)
{
	if (now_of(l, IN_CONTENTION_COUNT) >= WAITS_LEAST)
		return false;
	see(l, f, IN_CONTENTION_COUNT, WAITS_LEAST);
	return true;
}

/* --- out of CPU quota --- */

#define QUOTA_LEAST 0.02 /* s per s */
#define QUOTA_SHARE 0.05

/* What it would have used: it had what it used, and was kept from the rest. */
static double quota_enough(const struct look *l)
{
	double wanted = now_of(l, IN_WITHHELD), waited = now_of(l, IN_THROTTLED);
	double cpus = now_of(l, IN_NODE_CPUS);
	/* threads that wait would run on a CPU each; those withheld are counted at
	 * least once a CPU, but of a quota above they are not ours to see */
	double more = wanted > 0 && wanted < waited ? wanted : waited;
	double enough = now_of(l, IN_CPU) + more;

	return cpus > 0 && enough > cpus ? cpus : enough;
}

/* As files say it now; of a time that is over there is its own, if it had one. */
static void see_limit(const struct look *l, struct finding *f)
{
	const struct cpu_limit *limit = l->readings->limit;
	struct evidence *e;

	if (!limit) {
		if (now_of(l, IN_CPU_LIMIT) > 0)
			see(l, f, IN_CPU_LIMIT, UNBOUND);
		return;
	}
	e = see_own(f, IN_CPU, "CPUs are the limit of", "{cpu}", limit->cpus, UNBOUND);
	e->metric = "cpu.max";
	e->stat = "now";
	name_evidence(e, limit->path);
}

static void say_quota(const struct look *l, struct finding *f, double out,
		      double enough)
{
	const struct cpu_limit *limit = l->readings->limit;
	double cpus = limit ? limit->cpus : now_of(l, IN_CPU_LIMIT);
	char path[WORD_LEN], now[64] = "";
	const char *whose = l->now->resource ? frame_cgroup(l->now->resource) : "";

	if (cpus > 0)
		snprintf(now, sizeof(now), " of %.2f CPUs", cpus);
	if (out > 0)
		because(
		    f,
		    "its CPU limit%s is too low for what it does: it was used up in %.0f "
		    "of %.0f periods; about %.2f CPUs would have been enough",
		    now, out, out + now_of(l, IN_PERIODS_FREE), enough);
	else
		because(
		    f,
		    "a CPU limit%s, its own or of a cgroup above it, is used up; about "
		    "%.2f CPUs would have been enough for this one",
		    now, enough);
	if (!out && limit)
		whose = limit->path;
	if (has_controller(l, "cpu"))
		then(f, "cat %s   # and raise the limit to %.2f CPUs or more",
		     cgroup_file_of(l, whose, "cpu.max", path), enough);
	else
		then(f,
		     "grep -w cpu /proc/%s/cgroup   # its cgroup of v1, which has the "
		     "limit: cpu.cfs_quota_us; raise that to %.2f CPUs or more",
		     process_of(l, path), enough);
}

static double throttled_share(const struct facts *f)
{
	return facts_share(f, f->value[IN_THROTTLED]);
}

static struct evidence *see_throttled_share(const struct look *l, struct finding *f)
{
	return see_of(l, f, IN_THROTTLED, "of the time that it would run", "1",
		      throttled_share, QUOTA_SHARE);
}

static void quota(const struct look *l, struct finding *f)
{
	double lost, share, enough, out;

	if (!facts_has_share(l->now))
		return;
	lost = see(l, f, IN_THROTTLED, QUOTA_LEAST);
	if (!now_of(l, IN_THROTTLED_COUNT) && !now_of(l, IN_CPU))
		f->evidence_count = 0;
	if (lost < QUOTA_LEAST)
		return;
	share = see_throttled_share(l, f)->number;
	if (now_of(l, IN_THROTTLED_COUNT) < WAITS_LEAST && lost < 5 * QUOTA_LEAST) {
		see(l, f, IN_THROTTLED_COUNT, WAITS_LEAST);
		return;
	}
	if (share < QUOTA_SHARE)
		return;
	see(l, f, IN_CPU, UNBOUND);
	enough = quota_enough(l);
	see_own(f, IN_CPU, "CPUs would have been enough", "{cpu}", enough, UNBOUND);
	see_limit(l, f);
	out = now_of(l, IN_PERIODS_OUT); /* of a limit that is not its own: unknown */
	if (out > 0)
		see(l, f, IN_PERIODS_OUT, UNBOUND);
	see(l, f, IN_THROTTLED_P99, UNBOUND);
	see(l, f, IN_THROTTLED_COUNT, WAITS_LEAST);
	found(f, severity_of_share(share, lost, 0.1, 0.4), score_of_share(share, lost),
	      "%s is out of CPU quota: it waits for it in %.0f %% of the time that it "
	      "would run",
	      name_of(l->now), share * 100);
	say_quota(l, f, out, enough);
	judge_change(l, f, IN_THROTTLED, QUOTA_LEAST);
}

/* --- others had the CPU --- */

#define WAIT_LEAST     0.03 /* s per s */
#define OTHERS_SHARE   0.1
#define OTHERS_WARNING 0.2

static double idle_cpus(const struct facts *node)
{
	return node->value[IN_NODE_IDLE] + node->value[IN_NODE_IOWAIT];
}

static void see_busy(const struct look *l, struct finding *f)
{
	if (now_of(l, IN_NODE_CPUS) > 0)
		see_of(l, f, IN_NODE_IDLE, "CPUs of the node that idle", "{cpu}",
		       idle_cpus, UNBOUND);
}

/* Who it is, and what can be done about that one. */
static void say_taker(const struct look *l, struct finding *f, const char *path,
		      const char *name)
{
	char command[WORD_LEN];

	if (!strcmp(path, "/")) {
		because(
		    f,
		    "tasks of the root cgroup, which no weight or limit holds, take "
		    "the CPUs that %s needs",
		    name_of(l->now));
		then(f, "ps -eo pid,ni,pcpu,comm,cgroup --sort=-pcpu | head   # move "
			"them into a cgroup of their own");
	} else if (!strcmp(path, CULPRITS_OTHER)) {
		because(f,
			"many workloads together take the CPUs that %s needs: there is "
			"more to do than CPUs can",
			name_of(l->now));
		then(f, "assay report --wide --sort cpu%s", again(l));
	} else if (*path != '/') {
		because(f, "%s: what has no cgroup takes the CPUs that %s needs", name,
			name_of(l->now));
		then(f, "ps -eo pid,ni,pcpu,comm --sort=-pcpu | head");
	} else {
		because(f, "%s takes the CPUs that %s needs", name, name_of(l->now));
		then(f, "%s   # then move it, or give it a lower CPU weight or a limit",
		     ask_why(l, path, name, command));
	}
}

static double behind_others(const struct facts *f)
{
	struct culprit_split c;

	culprits_split(f, &c);
	return c.others + c.kernel;
}

static double behind_others_share(const struct facts *f)
{
	return facts_share(f, behind_others(f));
}

/* A wait behind somebody: who that was is an attribute of a metric of its own. */
static void see_behind(const struct look *l, struct finding *f, const char *label,
		       double (*of)(const struct facts *), double least)
{
	struct evidence *e = see_of(l, f, IN_CONTENTION, label, "s/s", of, least);

	e->metric = "assay.sched.wait.culprit.time";
	e->key = NULL;
}

static void neighbours(const struct look *l, struct finding *f)
{
	struct culprit_split c;
	double lost, share;
	char name[96];

	if (!facts_has_share(l->now))
		return;
	culprits_split(l->now, &c);
	lost = c.others + c.kernel;
	if (now_of(l, IN_CONTENTION_COUNT) > 0)
		see_behind(l, f, "waiting for a CPU that others had", behind_others,
			   WAIT_LEAST);
	if (lost < WAIT_LEAST)
		return;
	share = see_of(l, f, IN_CONTENTION, "of the time that it would run", "1",
		       behind_others_share, OTHERS_SHARE)
		    ->number;
	if (is_few(l, f) || share < OTHERS_SHARE || !c.top_count)
		return;
	culprits_see(l, f, &c);
	see(l, f, IN_CONTENTION_P99, UNBOUND);
	see_busy(l, f);
	name_culprit(l->now->frame, c.top[0].path, name, sizeof(name));
	found(
	    f, severity_of_share(share, lost, OTHERS_WARNING, 0.6),
	    score_of_share(share, lost),
	    "%s waits for a CPU while neighbours have it: %.0f %% of the time that it "
	    "would run, %.0f %% of that behind %s",
	    name_of(l->now), share * 100, c.top[0].s / lost * 100, name);
	say_taker(l, f, c.top[0].path, name);
	judge_change(l, f, IN_CONTENTION, WAIT_LEAST);
}

/* --- its own threads had the CPU --- */

#define SELF_SHARE 0.25
#define SELF_LEAST 0.1

/*
 * Is it kept from CPUs that there are? One is always full, and it does not use the
 * others, though nobody else is in its way: then it would not wait behind itself.
 */
static bool is_kept(const struct look *l, const struct culprit_split *c)
{
	double cpus = now_of(l, IN_NODE_CPUS), used = now_of(l, IN_CPU);
	double psi = now_of(l, IN_PSI_CPU);

	return used >= 0.8 && used + 0.5 <= cpus && (!psi || psi >= 0.5) &&
	       c->self >= 4 * (c->others + c->kernel);
}

static double behind_itself(const struct facts *f)
{
	struct culprit_split c;

	culprits_split(f, &c);
	return c.self;
}

static double behind_itself_share(const struct facts *f)
{
	return facts_share(f, behind_itself(f));
}

/* Of its waits behind anybody. */
static double behind_itself_part(const struct facts *f)
{
	double self = behind_itself(f), others = behind_others(f);

	return self + others > 0 ? self / (self + others) : NAN;
}

/* Adds the numbers that say whether it is; is it? */
static bool waits_for_itself(const struct look *l, struct finding *f,
			     const struct culprit_split *c)
{
	double share;

	if (now_of(l, IN_CONTENTION_COUNT) > 0)
		see_behind(l, f, "waiting for a CPU that its own threads had",
			   behind_itself, SELF_LEAST);
	if (c->self < SELF_LEAST)
		return false;
	share = see_of(l, f, IN_CONTENTION, "of the time that it would run", "1",
		       behind_itself_share, SELF_SHARE)
		    ->number;
	if (c->self < c->others + c->kernel) {
		see_of(l, f, IN_CONTENTION, "of its waits are behind its own threads",
		       "1", behind_itself_part, 0.5);
		return false;
	}
	return !is_few(l, f) && share >= SELF_SHARE;
}

static void itself(const struct look *l, struct finding *f)
{
	struct culprit_split c;
	char path[WORD_LEN];
	double share;
	bool kept;

	if (!facts_has_share(l->now))
		return;
	culprits_split(l->now, &c);
	share = facts_share(l->now, c.self);
	if (!waits_for_itself(l, f, &c))
		return;
	see(l, f, IN_CPU, UNBOUND);
	see(l, f, IN_CONTENTION_P99, UNBOUND);
	see_busy(l, f);
	kept = is_kept(l, &c);
	/* a batch job that takes all CPUs does what it is there for */
	found(
	    f,
	    kept || (now_of(l, IN_SERVED) >= WAITS_LEAST && share >= 0.5)
		? SEVERITY_WARNING
		: SEVERITY_NOTICE,
	    share * 100,
	    "%s has more threads that want to run than CPUs: %.0f %% of the time they "
	    "wait for each other",
	    name_of(l->now), share * 100);
	if (kept)
		because(
		    f,
		    "it uses %.2f of %.0f CPUs, and of the others it waits for none: "
		    "a cpuset or an affinity keeps it from them",
		    now_of(l, IN_CPU), now_of(l, IN_NODE_CPUS));
	else
		because(f, "at times it has more to do than %.0f CPUs can (%.2f used)",
			now_of(l, IN_NODE_CPUS), now_of(l, IN_CPU));
	if (kept)
		then_of_each(l, f, "taskset -acp $p", "the CPUs that they may have");
	else
		then(f, "wc -l %s   # its threads: fewer, or more CPUs",
		     cgroup_file(l, "cgroup.threads", path));
	judge_change(l, f, IN_CONTENTION, SELF_LEAST);
}

/* --- the hypervisor had the CPU --- */

#define STEAL_WORST 0.1	 /* of one CPU */
#define STEAL_ALL   0.05 /* of all together */
#define STEAL_WAITS 0.05 /* who waits so much of its time, */
#define STEAL_USES  0.5	 /* or uses so much of what is left of one, is hit by that */

/*
 * A CPU that the hypervisor has taken keeps who is on it from running, and who is woken
 * on it waits without a culprit. Who does neither is told, but not alarmed.
 */
static bool feels_steal(const struct look *l)
{
	double left = 1 - now_of(l, IN_NODE_STEAL) / now_of(l, IN_NODE_CPUS);

	/* time that is stolen is no CPU time of a task's, and nothing says on which CPU
	 * it was */
	return now_of(l, IN_CPU) >= STEAL_USES * left ||
	       (facts_has_share(l->now) &&
		now_of(l, IN_CONTENTION_COUNT) >= WAITS_LEAST &&
		facts_share(l->now, now_of(l, IN_CONTENTION)) >= STEAL_WAITS);
}

static double stolen_share(const struct facts *node)
{
	return node->value[IN_NODE_CPUS] > 0
		   ? node->value[IN_NODE_STEAL] / node->value[IN_NODE_CPUS]
		   : NAN;
}

static double behind_nobody(const struct facts *f)
{
	struct culprit_split c;

	culprits_split(f, &c);
	return c.idle;
}

static void steal(const struct look *l, struct finding *f)
{
	double worst, all;

	if (!(now_of(l, IN_NODE_CPUS) > 0))
		return;
	all = see_of(l, f, IN_NODE_STEAL, "of all CPUs was taken by the hypervisor",
		     "1", stolen_share, STEAL_ALL)
		  ->number;
	worst = see_node(l, f, IN_NODE_STEAL_WORST, STEAL_WORST);
	if (worst < STEAL_WORST && all < STEAL_ALL)
		return;
	stolen_see(l, f, STEAL_WORST);
	see(l, f, IN_CONTENTION, UNBOUND);
	see_behind(l, f, "waiting for a CPU that nobody here had", behind_nobody,
		   UNBOUND);
	see(l, f, IN_CONTENTION_P99, UNBOUND);
	found(
	    f,
	    feels_steal(l) ? severity_of(worst > all ? worst : all, STEAL_WORST, 0.5)
			   : SEVERITY_NOTICE,
	    (worst > all ? worst : all) * 100,
	    "the hypervisor takes CPU from this machine: %.0f %% of the CPU that is hit "
	    "most, %.0f %% of all",
	    worst * 100, all * 100);
	because(f,
		"the host is busy with other guests, or this machine has used up its "
		"CPU credits; no workload in here is at fault");
	then(f,
	     "grep ^cpu /proc/stat   # column 8 is steal: move the machine, or get one "
	     "with CPUs of its own");
	judge_change(l, f, IN_NODE_STEAL, 0.02);
}

static const struct rule rows[] = {
	{ .id = "cpu.quota",
	  .resource = "cpu",
	  .probes = "sched",
	  .calm = "no CPU quota ran out",
	  .not_ = { "cpu.neighbours", "cpu.steal", "cpu.itself" },
	  .look = quota },
	{ .id = "cpu.steal",
	  .resource = "cpu",
	  .of_node = true,
	  .calm = "the hypervisor takes no CPU away",
	  .not_ = { "cpu.quota", "cpu.neighbours" },
	  .look = steal },
	{ .id = "cpu.neighbours",
	  .resource = "cpu",
	  .probes = "sched",
	  .calm = "no neighbour keeps it from a CPU",
	  .not_ = { "cpu.quota", "cpu.steal", "cpu.itself" },
	  .after = { "cpu.steal", "cpu.quota" },
	  .look = neighbours },
	{ .id = "cpu.itself",
	  .resource = "cpu",
	  .probes = "sched",
	  .calm = "its threads do not keep each other from a CPU",
	  .not_ = { "cpu.quota", "cpu.neighbours", "cpu.steal" },
	  .after = { "cpu.steal", "cpu.quota" },
	  .look = itself },
};

const struct rule_table rules_cpu = { rows, COUNT(rows) };
