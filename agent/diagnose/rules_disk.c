// SPDX-License-Identifier: Apache-2.0
/* Who waits for a disk, and whether the disk or a neighbour is slow. */
#include "base/util.h"
#include "diagnose/disks.h"
#include "diagnose/rule.h"

#define BLOCKED_LEAST	0.05 /* s per s */
#define BLOCKED_SHARE	0.15
#define SLEEPS_LEAST	10
#define NEIGHBOUR_SHARE 0.5
#define NEIGHBOUR_LEAST 0.3   /* s per s: less of requests is in nobody's way */
#define SLOW_P50	0.005 /* s in the device: no SSD is as slow */
#define SLOW_P99	0.05
#define DISKS_PART	0.1 /* of what it lost: less, and it waits for something else */

/* What the workload lost in calls and faults that wait for a disk. */
static double lost_in_files(const struct look *l)
{
	return now_of(l, IN_BLOCKED_FILE) + now_of(l, IN_BLOCKED_FAULT);
}

static void judge_waits(const struct look *l, struct finding *f)
{
	double before = before_of(l, IN_BLOCKED_FILE) + before_of(l, IN_BLOCKED_FAULT);

	note_change(f, change_between(lost_in_files(l), before, BLOCKED_LEAST));
}

static double share_in_files(const struct facts *f)
{
	return facts_share(f, f->value[IN_BLOCKED_FILE] + f->value[IN_BLOCKED_FAULT]);
}

static double count_sleeps(const struct facts *f)
{
	return f->value[IN_BLOCKED_FILE_COUNT] + f->value[IN_BLOCKED_FAULT_COUNT];
}

/* The number that was added last rules it out, whatever the others are. */
static void rule_out(struct finding *f)
{
	tell_first(f, f->evidence_count - 1);
}

/* Adds what it lost; does that count? */
static bool waits_for_disk(const struct look *l, struct finding *f, double *share)
{
	double lost = lost_in_files(l);

	*share = facts_share(l->now, lost);
	see(l, f, IN_BLOCKED_FILE, BLOCKED_LEAST);
	if (now_of(l, IN_BLOCKED_FAULT) > 0)
		see(l, f, IN_BLOCKED_FAULT, BLOCKED_LEAST);
	if (lost < BLOCKED_LEAST)
		return false;
	see_of(l, f, IN_BLOCKED_FILE, "of the time that it would run", "1",
	       share_in_files, BLOCKED_SHARE);
	if (count_sleeps(l->now) < SLEEPS_LEAST) {
		see_of(l, f, IN_BLOCKED_FILE_COUNT,
		       "sleeps in file calls and page faults", "{sleep}", count_sleeps,
		       SLEEPS_LEAST)
		    ->baseline *= as_long(l, IN_BLOCKED_FILE_COUNT);
		rule_out(f);
		return false;
	}
	if (*share < BLOCKED_SHARE)
		rule_out(f);
	return *share >= BLOCKED_SHARE;
}

static double part_on_disks(const struct facts *f)
{
	double lost = f->value[IN_BLOCKED_FILE] + f->value[IN_BLOCKED_FAULT];

	return lost > 0 ? f->value[IN_BLOCK_TIME] / lost : 0;
}

/*
 * Does it wait for disks at all? Who waits for a server (NFS, FUSE) or for a lock has
 * hardly a request of its own, however slow or busy the disks are. Where a blkio of v1
 * hides whose requests are whose nobody can say so.
 */
static bool waits_on_disks(const struct look *l)
{
	return part_on_disks(l->now) >= DISKS_PART;
}

static void see_not_on_disks(const struct look *l, struct finding *f)
{
	see_of(l, f, IN_BLOCK_TIME, "of that are disk requests of its own under way",
	       "1", part_on_disks, DISKS_PART);
	rule_out(f);
}

/* A number of a disk, and of whoever else has most of it. */
static struct evidence *see_disk(struct finding *f, const struct disk_use *d,
				 const char *label, const char *unit, double number,
				 double threshold)
{
	struct evidence *e = see_own(f, d->in_device ? IN_DEVICE_TIME : IN_BLOCK_TIME,
				     label, unit, number, threshold);

	e->key2 = "system.device";
	e->value2 = d->device;
	if (!d->neighbour)
		return e;
	e->key = "process.linux.cgroup"; /* of the resource */
	e->value = frame_cgroup(d->neighbour);
	name_evidence(e, frame_name(d->neighbour));
	return e;
}

/* Which part of what the disk does is the neighbour's; where it is not known: 0. */
static double theirs_of(const struct disk_use *d)
{
	return d->all > 0 ? d->neighbour_s / d->all : 0;
}

/* The same of the baseline; NAN: there is none, or the disk had nothing to do in it. */
static double theirs_before(const struct look *l, const struct disk_use *d)
{
	double all = l->before ? disks_time(l->before, d, NULL) : 0, theirs;

	if (!all)
		return NAN;
	theirs = d->neighbour ? disks_time(l->before, d, d->neighbour)
			      : all - disks_time(l->before, d, l->now->resource);
	return theirs / all;
}

static struct evidence *see_share(const struct look *l, struct finding *f,
				  const struct disk_use *d)
{
	struct evidence *e = see_disk(f, d,
				      d->neighbour ? "of what the disk does is for"
						   : "of what the disk does is for "
						     "others",
				      "1", theirs_of(d), NEIGHBOUR_SHARE);

	e->baseline = theirs_before(l, d);
	return e;
}

/* Are so many of his requests under way that he can be in anybody's way? */
static bool is_in_the_way(const struct disk_use *d)
{
	return theirs_of(d) >= NEIGHBOUR_SHARE && d->neighbour_s >= NEIGHBOUR_LEAST;
}

/* It is not the neighbour: his share says so, or that he has few requests at a time. */
static void see_not_in_the_way(const struct look *l, struct finding *f,
			       const struct disk_use *d)
{
	struct evidence *e;

	see_share(l, f, d);
	if (theirs_of(d) < NEIGHBOUR_SHARE)
		return;
	e = see_disk(f, d, "requests under way at a time for", "s/s", d->neighbour_s,
		     NEIGHBOUR_LEAST);
	if (l->before)
		e->baseline = disks_time(l->before, d, d->neighbour);
}

static void neighbour(const struct look *l, struct finding *f)
{
	struct disk_use d;
	double share;
	char command[WORD_LEN];

	if (!waits_for_disk(l, f, &share))
		return;
	if (!disks_find(l, &d)) {
		see(l, f, IN_BLOCK_COUNT, 1);
		rule_out(f);
		return;
	}
	if (!waits_on_disks(l)) {
		see_not_on_disks(l, f);
		return;
	}
	if (!is_in_the_way(&d)) {
		see_not_in_the_way(l, f, &d);
		rule_out(f);
		return;
	}
	see_share(l, f, &d);
	see(l, f, IN_BLOCKED_FILE_P99, UNBOUND);
	see(l, f, IN_BLOCK_P99, UNBOUND);
	see(l, f, IN_DEVICE_P99, UNBOUND);
	found(f, severity_of_share(share, lost_in_files(l), 0.3, 0.8),
	      score_of_share(share, lost_in_files(l)),
	      "%s waits for the disk %s, which is busy with the I/O of %s: %.0f %% of "
	      "what it does is for that one",
	      name_of(l->now), d.device, frame_name(d.neighbour), theirs_of(&d) * 100);
	because(f, "%s fills the queue of %s", frame_name(d.neighbour), d.device);
	then(f, "%s   # then give it a lower io.weight, or io.max",
	     ask_why(l, frame_cgroup(d.neighbour), frame_name(d.neighbour), command));
	judge_waits(l, f);
}

/* Some devices stamp nothing: then all that is known is a request's whole time. */
static bool is_stamped(const struct look *l)
{
	return now_of(l, IN_DEVICE_TIME) > 0;
}

static bool is_slow(const struct look *l)
{
	bool stamped = is_stamped(l);

	return now_of(l, IN_BLOCK_COUNT) >= SLEEPS_LEAST &&
	       (now_of(l, stamped ? IN_DEVICE_P50 : IN_BLOCK_P50) >= SLOW_P50 ||
		now_of(l, stamped ? IN_DEVICE_P99 : IN_BLOCK_P99) >= SLOW_P99);
}

static void say_slow(const struct look *l, struct finding *f, const struct disk_use *d)
{
	double own = d->all > 0 ? d->own / d->all * 100 : 0;

	if (is_stamped(l))
		because(f,
			"the device itself takes long (p50 %.1f ms, p99 %.1f ms in the "
			"device), and %.0f %% of its work is for this workload: a "
			"failing or throttled disk, a slow volume, or more I/O than it "
			"can do",
			now_of(l, IN_DEVICE_P50) * 1e3, now_of(l, IN_DEVICE_P99) * 1e3,
			own);
	else
		because(
		    f,
		    "requests take long (p50 %.1f ms, p99 %.1f ms; how much of it in "
		    "the device it does not say), and %.0f %% of them are for this "
		    "workload: a failing or throttled disk, a slow volume, or more "
		    "I/O than it can do",
		    now_of(l, IN_BLOCK_P50) * 1e3, now_of(l, IN_BLOCK_P99) * 1e3, own);
	then(f, "dmesg | grep -i %s; cat /sys/block/%s/stat", d->device, d->device);
}

static void slow(const struct look *l, struct finding *f)
{
	struct disk_use d;
	double share;
	bool waits = waits_for_disk(l, f, &share);

	if (now_of(l, IN_BLOCK_COUNT) > 0) {
		see(l, f, is_stamped(l) ? IN_DEVICE_P50 : IN_BLOCK_P50, SLOW_P50);
		see(l, f, is_stamped(l) ? IN_DEVICE_P99 : IN_BLOCK_P99, SLOW_P99);
	}
	/* whose disk it is takes a look at all series of the node */
	if (!waits || !is_slow(l)) {
		if (now_of(l, IN_BLOCK_COUNT) < SLEEPS_LEAST)
			see(l, f, IN_BLOCK_COUNT, SLEEPS_LEAST);
		return;
	}
	if (!disks_find(l, &d))
		return;
	if (!waits_on_disks(l)) {
		see_not_on_disks(l, f);
		return;
	}
	see_share(l, f, &d)->at_most = true;
	if (theirs_of(&d) >= NEIGHBOUR_SHARE) {
		rule_out(f);
		return;
	}
	see(l, f, IN_BLOCK_COUNT, SLEEPS_LEAST);
	if (is_stamped(l))
		see(l, f, IN_BLOCK_P99, UNBOUND);
	found(
	    f, severity_of_share(share, lost_in_files(l), 0.3, 0.8),
	    score_of_share(share, lost_in_files(l)),
	    "the disk %s is slow: %s waits for it in %.0f %% of the time that it would "
	    "run",
	    d.device, name_of(l->now), share * 100);
	say_slow(l, f, &d);
	/* most of its requests are slow, or only the slowest ones */
	judge_change(l, f,
		     now_of(l, IN_BLOCK_P50) >= SLOW_P50 ? IN_BLOCK_P50 : IN_BLOCK_P99,
		     0.001);
}

/* Which of its disks' times says that they are not quick. */
static void see_quick(const struct look *l, struct finding *f)
{
	bool stamped = is_stamped(l);
	enum input p50 = stamped ? IN_DEVICE_P50 : IN_BLOCK_P50;

	if (now_of(l, p50) >= SLOW_P50)
		see_at_most(l, f, p50, SLOW_P50);
	else
		see_at_most(l, f, stamped ? IN_DEVICE_P99 : IN_BLOCK_P99, SLOW_P99);
}

static double part_in_calls(const struct facts *f)
{
	double all = f->value[IN_BLOCKED_FILE] + f->value[IN_BLOCKED_FAULT];

	return all > 0 ? f->value[IN_BLOCKED_FILE] / all : NAN;
}

/* What is known of the disks that it does not wait for. */
static const char *say_disks(const struct look *l)
{
	if (!now_of(l, IN_BLOCK_COUNT))
		return has_controller(l, "io")
			   ? "has no disk requests of its own"
			   : "which disk requests are its own is not known here "
			     "(cgroup v1)";
	return waits_on_disks(l) ? "its disks answer quickly"
				 : "hardly for disk requests of its own";
}

/* Blocked in file calls though the disks are quick: a network file system, a lock of
 * the file system, or a limit on its I/O. */
static void files(const struct look *l, struct finding *f)
{
	struct disk_use d;
	char path[WORD_LEN];
	double share;

	if (!waits_for_disk(l, f, &share))
		return;
	if (is_slow(l) && waits_on_disks(l)) {
		see_quick(l, f);
		rule_out(f);
		return;
	}
	if (now_of(l, IN_BLOCKED_FAULT) > now_of(l, IN_BLOCKED_FILE)) {
		see_of(l, f, IN_BLOCKED_FILE, "of that in file calls", "1",
		       part_in_calls, 0.5);
		rule_out(f); /* that is memory's */
		return;
	}
	if (waits_on_disks(l) && disks_find(l, &d) && is_in_the_way(&d)) {
		see_share(l, f, &d)->at_most = true;
		rule_out(f);
		return;
	}
	see(l, f, IN_BLOCKED_FILE_COUNT, SLEEPS_LEAST);
	see(l, f, IN_BLOCKED_FILE_P99, UNBOUND);
	see(l, f, IN_BLOCK_COUNT, UNBOUND);
	see(l, f, IN_BLOCK_TIME, UNBOUND);
	see(l, f, IN_PSI_IO, UNBOUND);
	found(
	    f,
	    /* who waits for each answer of a quick disk, as a database does, is well */
	    now_of(l, IN_BLOCKED_FILE_P99) >= SLOW_P99
		? severity_of_share(share, lost_in_files(l), 0.3, 0.95)
		: SEVERITY_NOTICE,
	    share * 70,
	    "%s sleeps in file calls in %.0f %% of the time that it would run, and %s",
	    name_of(l->now), share * 100, say_disks(l));
	because(
	    f,
	    "much I/O that waits for each answer (fsync), a limit on its I/O (io.max), "
	    "%sor a file system that waits for something else: the network, a lock",
	    has_controller(l, "io") ? "" : "a disk that is slow or busy, ");
	if (has_controller(l, "io"))
		then(f, "cat %s; findmnt -t nfs,nfs4,cifs,fuse",
		     cgroup_file(l, "io.max", path));
	else
		then(f,
		     "grep -w blkio /proc/%s/cgroup; findmnt -t nfs,nfs4,cifs,fuse   # "
		     "that cgroup of v1 may have a limit: blkio.throttle.*",
		     process_of(l, path));
	judge_waits(l, f);
}

static void errors(const struct look *l, struct finding *f)
{
	double n;

	if (!now_of(l, IN_BLOCK_COUNT) && !now_of(l, IN_BLOCK_ERRORS))
		return;
	n = see(l, f, IN_BLOCK_ERRORS, 1);
	if (n < 1)
		return;
	see(l, f, IN_BLOCK_COUNT, UNBOUND);
	found(f, SEVERITY_CRITICAL, 90, "%.0f disk requests of %s failed", n,
	      name_of(l->now));
	because(f,
		"a disk, its cable or its controller is failing, or a volume is gone");
	then(f, "dmesg | grep -iE 'i/o error|medium|reset'");
}

static const struct rule rows[] = {
	{ .id = "disk.neighbour",
	  .resource = "disk",
	  .probes = "sched,block",
	  .calm = "no neighbour fills its disk",
	  .not_ = { "disk.slow", "cpu.neighbours", "memory.limit" },
	  .look = neighbour },
	{ .id = "disk.slow",
	  .resource = "disk",
	  .probes = "sched,block",
	  .calm = "it does not wait for a slow disk",
	  .not_ = { "disk.neighbour", "memory.limit", "cpu.neighbours" },
	  .after = { "disk.neighbour", "memory.limit", "disk.errors" },
	  .look = slow },
	{ .id = "disk.files",
	  .resource = "disk",
	  .probes = "sched,block",
	  .calm = "it does not sleep long in file calls",
	  .not_ = { "disk.slow", "disk.neighbour", "memory.limit" },
	  .after = { "disk.neighbour", "disk.slow", "memory.limit", "disk.errors" },
	  .look = files },
	{ .id = "disk.errors",
	  .resource = "disk",
	  .probes = "block",
	  .calm = "no disk request failed",
	  .look = errors },
};

const struct rule_table rules_disk = { rows, COUNT(rows) };
