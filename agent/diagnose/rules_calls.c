// SPDX-License-Identifier: Apache-2.0
/* System calls: those that fail, those that do not end, and locks. */
#include <string.h>
#include "base/util.h"
#include "diagnose/rule.h"

/* --- errors --- */

struct meaning {
	const char *errno_name;
	bool hard; /* nobody lives with it for long */
	const char *what, *next;
	bool of_each; /* next is of each process $p */
};

/* What an error usually means; those that programs live with are not in it. */
static const struct meaning meanings[] = {
	{ "ENOSPC", true,
	  "no space is left on a file system (or no inodes, or no inotify "
	  "watches)",
	  "df -h; df -i; sysctl fs.inotify" },
	{ "EDQUOT", true, "its disk quota is used up", "repquota -a" },
	{ "EMFILE", true,
	  "it has as many descriptors open as its limit allows: a leak, or a low limit",
	  "ls /proc/$p/fd | wc -l; grep files /proc/$p/limits", true },
	{ "ENFILE", true, "the node has as many open files as fs.file-max allows",
	  "cat /proc/sys/fs/file-nr" },
	{ "ENOMEM", true,
	  "memory cannot be had: a limit, overcommit, or too many mappings "
	  "(vm.max_map_count)",
	  "sysctl vm.overcommit_memory vm.max_map_count; ulimit -v" },
	{ "EIO", true, "a disk or a network file system fails",
	  "dmesg | grep -iE 'i/o error|nfs'" },
	{ "EROFS", true,
	  "it writes to a file system that is read-only, perhaps since an "
	  "error",
	  "findmnt -o TARGET,OPTIONS | grep -w ro; dmesg | grep -i remount" },
	{ "ENOBUFS", true, "buffers of the network are used up",
	  "sysctl net.core.wmem_max; ip -s link" },
	{ "EADDRNOTAVAIL", true,
	  "no local port, or not this local address, is to be had",
	  "ss -s; sysctl net.ipv4.ip_local_port_range" },
	{ "ESTALE", true, "what was opened on a network file system is gone",
	  "findmnt -t nfs,nfs4" },
	{ "EACCES", false,
	  "permissions do not let it: owner or mode of a file, AppArmor, SELinux",
	  "dmesg | grep -iE 'denied|apparmor|avc'" },
	{ "EPERM", false,
	  "it may not do that: a capability is missing, or seccomp denies the call",
	  "grep -E 'Cap|Seccomp' /proc/$p/status", true },
};

#define ERRORS	     "assay.syscall.errors"
#define ERRORS_LEAST 5
#define ERRORS_RATE  0.3 /* per s */
#define SOFT_RATE    10.0
#define SOFT_SHARE   0.2 /* of all its calls */

/* Errors of one kind, over all classes; class: that of the most. */
static double count_errors(const struct facts *f, const char *type, const char **class)
{
	double sum = 0, most = 0;

	for (size_t i = f->first; i < f->end; i++) {
		const struct frame_series *s = &f->frame->series[i];
		const char *t = frame_attr(&s->attrs, "error.type");

		if (strcmp(s->name, ERRORS) || !t || strcmp(t, type))
			continue;
		sum += facts_series(s);
		if (facts_series(s) > most) {
			most = facts_series(s);
			*class = frame_attr(&s->attrs, "assay.syscall.class");
		}
	}
	return sum;
}

/* The end of a terminal is EIO, too; that of a file is not. */
static bool is_harmless(const struct meaning *m, const char *class)
{
	return !strcmp(m->errno_name, "EIO") && class && strcmp(class, "file") &&
	       strcmp(class, "memory");
}

/* How much an error counts: per s, and no soft one that the workload lives with. */
static double weigh_errors(const struct look *l, const struct meaning *m)
{
	const char *class = NULL;
	double n = count_errors(l->now, m->errno_name, &class);
	double rate = n / facts_time(l->now, ERRORS), before;

	if (n < ERRORS_LEAST || rate < ERRORS_RATE)
		return 0;
	if (m->hard && !is_harmless(m, class))
		return 100 * rate;
	if (rate < SOFT_RATE && rate < SOFT_SHARE * now_of(l, IN_CALLS))
		return 0;
	if (!l->before)
		return rate;
	before = count_errors(l->before, m->errno_name, &class) /
		 facts_time(l->before, ERRORS);
	return rate >= 2 * before ? rate : 0;
}

/* Is it most of what the workload does? That is no program that tries what it may do.
 */
static bool is_storm(const struct look *l, double rate)
{
	return rate >= SOFT_RATE && rate >= SOFT_SHARE * now_of(l, IN_CALLS);
}

static struct evidence *see_errors(const struct look *l, struct finding *f,
				   const struct meaning *m, double threshold)
{
	const char *class = NULL;
	double n = count_errors(l->now, m->errno_name, &class), before;
	struct evidence *e = see_own(f, IN_CALLS, "calls that fail with", "1/s",
				     n / facts_time(l->now, ERRORS), threshold);

	e->metric = ERRORS;
	e->key = "error.type";
	e->value = m->errno_name;
	e->stat = "rate";
	name_evidence(e, m->errno_name);
	before = l->before ? count_errors(l->before, m->errno_name, &class) : 0;
	if (l->before)
		e->baseline = before / facts_time(l->before, ERRORS);
	return e;
}

/* No call fails so often that it counts: of the worst error, which there is not. */
static void see_none_fails(const struct look *l, struct finding *f)
{
	const char *class = NULL;
	double n = count_errors(l->now, meanings[0].errno_name, &class);
	struct evidence *e = see_errors(l, f, &meanings[0], ERRORS_RATE), rate = *e;

	if (n >= ERRORS_LEAST || e->number < ERRORS_RATE)
		return;
	/* in a short time a few are as many in a second */
	e = see_own(f, IN_CALLS, rate.label, "{error}", n, ERRORS_LEAST);
	e->metric = rate.metric;
	e->key = rate.key;
	e->value = rate.value;
	e->stat = "count";
	e->baseline = rate.baseline * facts_time(l->now, ERRORS);
	name_evidence(e, rate.name);
}

static void failing(const struct look *l, struct finding *f)
{
	const struct meaning *worst = NULL;
	const char *class = NULL;
	double most = 0, n, rate;
	char time[UNITS_LEN];

	for (size_t i = 0; i < COUNT(meanings); i++) {
		double w = weigh_errors(l, &meanings[i]);

		if (w > most) {
			most = w;
			worst = &meanings[i];
		}
	}
	if (!worst) {
		if (now_of(l, IN_CALLS) > 0)
			see_none_fails(l, f);
		return;
	}
	see_errors(l, f, worst, worst->hard ? ERRORS_RATE : SOFT_RATE);
	for (size_t i = 0; i < COUNT(meanings) && f->evidence_count < 4; i++)
		if (&meanings[i] != worst && weigh_errors(l, &meanings[i]) > 0)
			see_errors(l, f, &meanings[i], ERRORS_RATE);
	see(l, f, IN_CALLS, UNBOUND);
	n = count_errors(l->now, worst->errno_name, &class);
	rate = n / facts_time(l->now, ERRORS);
	found(f,
	      !worst->hard && !is_storm(l, rate)  ? SEVERITY_NOTICE
	      : !strcmp(worst->errno_name, "EIO") ? SEVERITY_CRITICAL
						  : SEVERITY_WARNING,
	      worst->hard ? 55 + (rate < 30 ? rate : 30) : 30,
	      "calls of %s fail with %s: %.0f in %s, most of the class %s",
	      name_of(l->now), worst->errno_name, n,
	      span_text(time, l->now->duration_s), class ? class : "?");
	because(f, "%s", worst->what);
	if (worst->of_each)
		then_of_each(l, f, worst->next, "");
	else
		then(f, "%s", worst->next);
	if (!l->before)
		return;
	f->change = rate >= 2 * f->evidence[0].baseline ? CHANGE_NEW : CHANGE_SAME;
	if (f->change == CHANGE_SAME) {
		f->score /= 2;
		f->severity = worst->hard ? f->severity : SEVERITY_NOTICE;
	}
}

/* --- what does not end --- */

static const struct stuck {
	enum input age;
	unsigned int class;	/* enum call_class; CALL_CLASSES: it is no call */
	double least, critical; /* s */
	const char *what, *cause;
	const char *next; /* NULL: who of its threads sleeps where */
} stucks[] = {
	{ IN_AGE_BLOCK, CALL_CLASSES, 2, 10, "a disk request",
	  "the disk, its controller or the storage behind it does not answer",
	  "dmesg | grep -iE 'i/o error|timeout|reset'" },
	{ IN_AGE_FILE, CALL_FILE, 5, 30, "a call on a file",
	  "the file system waits for a disk, a server (NFS, FUSE), or a lock, or it is "
	  "frozen" },
	{ IN_AGE_WAIT_CPU, CALL_CLASSES, 1, 10, "a wait for a CPU",
	  "something of a higher priority, or a CPU that does not schedule, holds it up",
	  "ps -eLo pid,tid,psr,cls,rtprio,stat,comm | awk '$6 ~ /R/'" },
	{ IN_AGE_RECLAIM, CALL_CLASSES, 2, 10, "freeing memory",
	  "nothing can be freed: memory is used up, or what is dirty cannot be written",
	  "cat /proc/pressure/memory; grep -E 'Dirty|Writeback' /proc/meminfo" },
	{ IN_AGE_MEMORY, CALL_MEMORY, 5, 30, "a memory call",
	  "a lock on its address space is held, or a fault does not end" },
	{ IN_AGE_PROCESS, CALL_PROCESS, 5, 30, "a process call",
	  "a process that is to be made or to end waits for something" },
};

/* Its threads that sleep in that, by what is known of now; NULL: nothing. */
static const struct sleepers *sleepers_of(const struct look *l, const struct stuck *s)
{
	const struct stuck_threads *t = l->readings->stuck;

	if (!t)
		return NULL;
	return s->class < CALL_CLASSES ? &t->of[s->class] : &t->asleep;
}

/*
 * Are all its threads in such calls in flock(2)? Then nothing is broken: another keeps
 * the lock, as one of several jobs that are to run one after the other.
 */
static bool is_lock(const struct look *l, const struct stuck *s)
{
	const struct sleepers *t = sleepers_of(l, s);

	return s->class == CALL_FILE && t && t->count && t->locks == t->count;
}

/* How many threads are in it, and how many of them no signal wakes. */
static void see_threads(const struct look *l, struct finding *f, const struct stuck *s)
{
	const struct sleepers *t = sleepers_of(l, s);
	struct evidence *e;

	if (!t)
		return;
	if (s->class < CALL_CLASSES) {
		e = see_own(f, s->age, "of its threads sleep in such a call now",
			    "{thread}", t->count, UNBOUND);
		e->metric = "/proc/PID/syscall";
		e->key = NULL;
		e->stat = "now";
	}
	e = see_own(f, s->age, "of its threads are in an uninterruptible sleep",
		    "{thread}", l->readings->stuck->asleep.uninterruptible, UNBOUND);
	e->metric = "/proc/PID/stat";
	e->key = NULL;
	e->stat = "now";
}

static void say_cause(const struct look *l, struct finding *f, const struct stuck *s)
{
	const struct sleepers *t = sleepers_of(l, s);
	bool call = s->class < CALL_CLASSES;

	if (!t || !(call ? t->count : t->uninterruptible))
		because(f, "%s%s", s->cause,
			t && call ? " (no thread of it is in such a call any more)"
				  : "");
	else
		because(
		    f, "%s; %zu of its %zu threads sleep %s, %s in %s (%s)%s",
		    is_lock(l, s) ? "another has the lock on that file and keeps it, "
				    "as jobs do that must not run at the same time"
				  : s->cause,
		    call ? t->count : t->uninterruptible, l->readings->stuck->all,
		    call ? "in such a call" : "so that no signal wakes them",
		    t->command, *t->call ? t->call : "?", *t->wchan ? t->wchan : "?",
		    t->uninterruptible || is_lock(l, s)
			? ""
			: "; a signal would wake them: rather a lock "
			  "on a file, a FIFO, or FUSE");
}

/* The one that is the furthest beyond what is normal; NULL: none is. */
static const struct stuck *worst_stuck(const struct look *l)
{
	const struct stuck *worst = NULL;
	double most = 0;

	for (size_t i = 0; i < COUNT(stucks); i++) {
		double times = now_of(l, stucks[i].age) / stucks[i].least;

		if (times >= 1 && is_lock(l, &stucks[i]))
			times = 1; /* what may be broken is told first */
		if (times < 1 || times <= most)
			continue;
		most = times;
		worst = &stucks[i];
	}
	return worst;
}

/* Below any warning of what fails: jobs that wait for each other are well. */
#define LOCK_SCORE 15

/* Of the past, too: since when, by the clock. */
static void say_stuck(const struct look *l, struct finding *f, const struct stuck *s,
		      double age)
{
	char since[UNITS_TIME_LEN];
	bool lock = is_lock(l, s);

	found(f, lock ? SEVERITY_WARNING : severity_of(age, s->least, s->critical),
	      lock ? LOCK_SCORE : 70 + (age < 25 ? age : 25),
	      "%s of %s has not ended for %.1f s, since %s: it %s", s->what,
	      name_of(l->now), age, since_text(since, l, age),
	      lock ? "waits for a lock" : "is stuck");
	say_cause(l, f, s);
	if (lock)
		then(f, "lslocks -o COMMAND,PID,MODE,PATH,BLOCKER   # MODE with *: it "
			"waits for BLOCKER");
	else if (s->next)
		then(f, "%s", s->next);
	else
		then_of_each(l, f, THREADS_OF_P,
			     "who sleeps where; D: no signal wakes it");
}

static void stuck(const struct look *l, struct finding *f)
{
	const struct stuck *worst = worst_stuck(l);
	double age;

	if (!worst) {
		if (now_of(l, IN_CALLS) > 0 || now_of(l, IN_CPU) > 0)
			see(l, f, IN_AGE_FILE, stucks[1].least);
		for (size_t i = 0; i < COUNT(stucks); i++)
			age_is_known(l, f, stucks[i].age, stucks[i].least);
		return;
	}
	age = see(l, f, worst->age, worst->least);
	for (size_t i = 0; i < COUNT(stucks); i++)
		if (&stucks[i] != worst && now_of(l, stucks[i].age) >= 0.5)
			see(l, f, stucks[i].age, stucks[i].least);
	see_threads(l, f, worst);
	see(l, f, IN_PSI_IO, UNBOUND);
	say_stuck(l, f, worst, age);
	if (!l->before)
		return;
	f->change = hang_change(l, worst->age, age, worst->least);
	if (f->change == CHANGE_NEW)
		return;
	f->severity = SEVERITY_NOTICE;
	f->score /= 2;
}

/* --- locks --- */

#define LOCK_LEAST 0.5	 /* s per s: threads that wait for each other */
#define LOCK_RATE  100.0 /* sleeps per s */
#define LOCK_SHORT 0.1	 /* s, p50: who waits longer waits for work */
#define LOCK_CALLS 0.6	 /* of its calls: a pool of workers does others for its work */
#define LOCK_TIMES \
	1.0 /* of the CPU time: less than one thread waits for each that runs */

static double lock_calls_share(const struct facts *f)
{
	return f->value[IN_CALLS] > 0 ? f->value[IN_CALLS_SYNC] / f->value[IN_CALLS]
				      : 0;
}

/* Threads that wait, for each that runs. */
static double waiting_per_running(const struct facts *f)
{
	return f->value[IN_CPU] > 0 ? f->value[IN_BLOCKED_SYNC] / f->value[IN_CPU]
				    : NAN;
}

/* Are their waits those for work, which are long, or few beside what runs? */
static bool waits_for_work(const struct look *l, struct finding *f)
{
	if (now_of(l, IN_BLOCKED_SYNC_P50) > LOCK_SHORT) {
		see_at_most(l, f, IN_BLOCKED_SYNC_P50, LOCK_SHORT);
		return true;
	}
	if (now_of(l, IN_BLOCKED_SYNC) >= LOCK_TIMES * now_of(l, IN_CPU))
		return false;
	see_of(l, f, IN_BLOCKED_SYNC, "threads wait for each that runs", "{thread}",
	       waiting_per_running, LOCK_TIMES);
	return true;
}

/*
 * Workers that wait for work sleep on conditions, too, and as often as work comes: but
 * for each piece of it they make other calls. Threads that fight for a lock mostly make
 * calls on locks.
 */
static void locks(const struct look *l, struct finding *f)
{
	double lost = now_of(l, IN_BLOCKED_SYNC),
	       rate = now_of(l, IN_BLOCKED_SYNC_RATE);
	double share;
	bool known = l->before && l->before->value[IN_CALLS] > 0, grown;

	if (!lost)
		return;
	see(l, f, IN_BLOCKED_SYNC, LOCK_LEAST);
	see(l, f, IN_BLOCKED_SYNC_RATE, LOCK_RATE);
	share = see_of(l, f, IN_CALLS_SYNC, "of its calls are on locks and conditions",
		       "1", lock_calls_share, LOCK_CALLS)
		    ->number;
	grown = known && change_of(l, IN_BLOCKED_SYNC_RATE, LOCK_RATE) == CHANGE_NEW;
	if (lost < LOCK_LEAST || rate < LOCK_RATE || share < LOCK_CALLS ||
	    waits_for_work(l, f))
		return;
	see(l, f, IN_BLOCKED_SYNC_P50, UNBOUND);
	see(l, f, IN_CPU, UNBOUND);
	see(l, f, IN_SWITCHES, UNBOUND);
	share = lost / (lost + now_of(l, IN_CPU));
	found(
	    f, known && !grown ? SEVERITY_NOTICE : SEVERITY_WARNING, 20 + share * 40,
	    "threads of %s wait for each other's locks: %.1f of them at any time, %.0f "
	    "times a second",
	    name_of(l->now), lost, rate);
	because(
	    f,
	    "a lock that many threads want and one holds (a convoy): only %.2f CPUs "
	    "are used meanwhile",
	    now_of(l, IN_CPU));
	then_of_each(l, f, THREADS_OF_P,
		     "who is in a futex waits; then the program's own profiler");
	f->change = known ? (grown ? CHANGE_NEW : CHANGE_SAME) : CHANGE_UNKNOWN;
}

static const struct rule rows[] = {
	{ .id = "calls.failing",
	  .resource = "calls",
	  .probes = "syscall",
	  .calm = "no call fails that should not",
	  .not_ = { "net.connect", "memory.oom", "disk.errors" },
	  .after = { "disk.errors" },
	  .look = failing },
	{ .id = "calls.stuck",
	  .resource = "calls", /* of no probe alone: see age_is_known() */
	  .of_threads = true,
	  .calm = "no call on a file, no disk request and no wait for a CPU is stuck",
	  .not_ = { "cpu.neighbours", "disk.neighbour", "memory.limit" },
	  .after = { "cpu.quota", "memory.limit", "memory.oom" },
	  .look = stuck },
	{ .id = "calls.locks",
	  .resource = "calls",
	  .probes = "sched,syscall",
	  .calm = "its threads do not wait for each other's locks",
	  .not_ = { "cpu.quota", "cpu.neighbours", "disk.slow" },
	  .after = { "cpu.quota", "cpu.neighbours", "cpu.steal" },
	  .look = locks },
};

const struct rule_table rules_calls = { rows, COUNT(rows) };
