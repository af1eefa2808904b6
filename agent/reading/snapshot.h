/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds the kernel's cells up into workloads, in 64 bits.
 *
 * Cells are never zeroed, neither by us nor by the kernel: for each we keep what it
 * was when we last looked, and add the difference to the workload that owns it now.
 * So the 32-bit buckets may wrap, and a cell may go to another owner, and no event is
 * lost or counted twice.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "kernel/cells.h"
#include "reading/estimate.h"
#include "reading/sparse.h"
#include "workload/group.h"
#include "workload/names.h"
#include "workload/usage.h"
#include "workload/workload.h"

/* Values of all histogram, and of all counter signals: shards are folded. */
#define SNAPSHOT_HISTS	32
#define SNAPSHOT_COUNTS 8
/* Of those that may be counted in windows: windows.c. */
#define SNAPSHOT_ESTIMATES 23

/* What became of a series when an export had it first, for its life (metric/cap.c). */
enum set_state { SET_NEW, SET_OWN, SET_OVERFLOW };

/* Signals of open totals beside the kernel's: of peers (peers.h), by the peer's tag. */
enum {
	OPEN_TCP_PEER = OPEN_COUNT,		    /* + enum peer_lane */
	OPEN_DNS_PEER = OPEN_TCP_PEER + PEER_LANES, /* + enum peer_dns_lane */
};

#define OPEN_NAME_LEN 56 /* "[IPv6]:port", a disk's 32 */

struct open_total {
	uint32_t signal, attr; /* enum open_signal; errno, disk or OPEN_OTHER */
	uint8_t set;	       /* enum set_state */
	uint64_t value;
	struct sparse *hist;	   /* of the signals from OPEN_HIST on, else NULL */
	struct estimate *estimate; /* NULL: it is exact */
	/* of a disk, as its users know it; of a peer (peers.h) */
	char name[OPEN_NAME_LEN];
	uint64_t grown_ns; /* a peer's: the latest reading in which it did; boot time */
	/* of these, what the history has: kept.h */
	uint64_t kept;
	struct sparse *kept_hist;
	struct estimate *kept_estimate;
};

#define CULPRIT_OTHER	"_OTHER"
#define CULPRIT_NAMES	32 /* per workload; the rest is _OTHER */
#define CULPRITS_SENT	5  /* of those that exports name, by default */
#define CULPRITS_ENDING 2  /* beside them, series that have ended but did not arrive */

/*
 * What has ended is kept until the receiver has its last values, and then until it has
 * got the report that they are the last (delivery.c).
 */
struct ending {
	uint64_t first; /* the export that held it first, and may arrive yet; 0: none */
	/* the first export with the last values, or that says so; 0: none yet */
	uint64_t since;
	bool last;    /* the values arrived: exports say that the series is over */
	bool over;    /* that arrived too: to be dropped */
	bool arrived; /* an export that held it was accepted */
};

/* A series that exports have of a culprit: some of its time, which is in no other. */
struct culprit_series {
	uint64_t start_ns; /* boot time */
	uint64_t ns;
	struct ending ending;
};

/* For how long somebody had the CPU that the workload's tasks waited for. */
struct culprit_total {
	char *name;	   /* its cgroup path, or the name of a workload without one */
	uint64_t start_ns; /* boot time; 0: the workload's */
	uint64_t ns;
	uint64_t told_ns; /* of that, what the latest export had, by whatever name */
	float lately;	  /* ns; each export makes it an eighth less */
	bool gone;	  /* its cgroup is */
	bool export_only; /* a name that exports have for others of the list */
	bool of_group;	  /* its name is that of a group */
	bool leaves; /* others matter more: its series grows no further, and ends */
	struct culprit_series *series; /* NULL: in exports it is in _OTHER */
};

struct group_sum;
struct group_part;
struct kept;

/* A workload; or several that are one in exports (groups.c). */
struct workload {
	struct workload_id id;
	char *path;	     /* cgroup v2 path, NULL when it has none */
	char *instance;	     /* service.instance.id, made by resource.c */
	struct names *names; /* NULL: nothing is known but the path */
	char *description;   /* of a systemd unit; NULL: none, or not looked for */
	bool described;	     /* it was looked for */
	bool held;	     /* exports leave it out, see hold.c */
	bool unnamed;	     /* given up: exports have its counts in `unknown` */
	bool gone;	     /* its slots are free again: its values are the last */
	uint32_t settled;    /* the export that showed first who it is: that stays */
	/* workloads of its instance that exports have now, and its end before */
	uint32_t successors;
	uint32_t look_wait_ms;	/* between two looks for its names; the next: look_ns */
	struct workload *into;	/* the pod whose sandbox it is: that has its counts */
	struct workload *group; /* exports have its counts in this one; NULL: its own */
	struct group_part *part; /* what that has of it */
	struct group_sum *sum;	 /* of a group; NULL: it is none */
	uint64_t sandbox; /* of a pod: the serial of the sandbox whose usage it has */
	uint64_t seen_ns, look_ns; /* boot times; seen: the first reading with it */
	uint64_t start_ns;	   /* boot time: when its series begin */
	uint64_t serial;	   /* the order in which they came; never 0 */
	struct ending ending;
	struct sparse *hists[SNAPSHOT_HISTS]; /* NULL: no event yet */
	uint64_t counts[SNAPSHOT_COUNTS][LANES];
	struct estimate *estimates; /* SNAPSHOT_ESTIMATES; NULL: all is exact */
	struct open_total *opens;
	size_t open_count;
	struct culprit_total *culprits; /* CULPRIT_NAMES + 1 at most */
	size_t culprit_count;
	uint64_t forgotten_ns; /* of culprits that are gone, and not in the list */
	uint64_t other_ns;     /* of culprits, in exports: _OTHER, from start_ns on */
	uint64_t inflight_began[INFLIGHT_COUNT]; /* monotonic; 0: nothing under way */
	uint64_t inflight_ns[INFLIGHT_COUNT];	 /* ages when a pass saw them, or: */
#define INFLIGHT_UNKNOWN UINT64_MAX
	uint32_t inflight_seen; /* a bit for each that ever was */
	bool kept_whole;	/* it is gone, and the history has had its last */
	bool is_since;		/* what came of a workload in a while: kept.h */
	struct workload *owed;	/* what the history is to have besides: kept_owe() */
	struct usage usage;	/* from the files of its cgroup */
	uint32_t usage_sent, usage_ended; /* bits: was in an export; but is no more */
	uint64_t usage_since;		  /* the first export that says so */
#define WORKLOAD_SETS 88
	uint8_t sets[WORKLOAD_SETS]; /* enum set_state of what is not open */
	union {
		struct kept *kept; /* what the history has of it; NULL: nothing */
		const struct workload *of; /* is_since: the workload */
	};
};

struct snapshot;

/* The cells and cgroups are borrowed. */
int snapshot_open(struct cells *c, struct cgroups *g, struct snapshot **out);
/*
 * How many culprits exports name: of a workload (CULPRITS_SENT, if nobody says), and of
 * all together (as many as there are).
 */
void snapshot_send_culprits(struct snapshot *s, unsigned int most, uint64_t of_all);
/* What exports take together, from now on; borrowed. NULL: nothing. */
void snapshot_group(struct snapshot *s, const struct grouping *g);
/* From now on readings interrupt also CPUs that are to be quiet: rings_drain(). */
void snapshot_disturb(struct snapshot *s);
/*
 * Reads all cells. What quiet CPUs have only written down is not in them, unless slots
 * are needed. -ENOMEM: some differences wait for the next reading.
 */
int snapshot_read(struct snapshot *s);
/*
 * A probe begins to run in windows (agent/cmd/measure_windows.c): what there is, is
 * read. since_ns: from when on it counts nothing; monotonic. As snapshot_read().
 */
int snapshot_windows_begin(struct snapshot *s, size_t probe, uint64_t since_ns);
/* A window of it opens: until its end, what is counted in windows is not read. */
void snapshot_window_opens(struct snapshot *s, size_t probe);
/*
 * It is over, or it was the last one, and from now on all is counted: reads all cells,
 * and takes those that are counted in windows for what they stand for. As
 * snapshot_read().
 */
int snapshot_window_ends(struct snapshot *s, size_t probe, const struct window_span *w,
			 uint64_t now_ns, bool last);
/* It runs in windows no more, and there is none. */
void snapshot_windows_over(struct snapshot *s, size_t probe);
/* The probe in whose windows a signal (of counters: a lane) is counted, if that runs in
 * windows; PROBE_COUNT: it is exact always. */
size_t snapshot_windowed(enum signal signal, unsigned int lane);
size_t snapshot_windowed_open(uint32_t open_signal);
/*
 * How good a number is: of a fixed signal's value (of counters: of a lane), or of an
 * open one. NULL: it is exact.
 */
const struct estimate *snapshot_estimate(const struct workload *w, enum signal signal,
					 unsigned int value, unsigned int lane);
/*
 * Forgets what passes have noted of some operations (bits by enum inflight), of which
 * readings show what they took until the next pass is whole. Call it before a pass.
 */
void snapshot_clear_inflight(struct snapshot *s, uint32_t kinds);
/*
 * A pass over these has come to its end: the next reading takes what it noted. It
 * counts until a newer one is whole, for INFLIGHT_KEPT_NS at most: then it is unknown.
 */
void snapshot_know_inflight(struct snapshot *s, uint32_t kinds);
#define INFLIGHT_KEPT_NS 10000000000ULL
/* Their probe is off: nothing is known of them until a pass is whole. */
void snapshot_forget_inflight(struct snapshot *s, uint32_t kinds);
/* Of which it is known, as of the latest reading: 1 << enum inflight. */
uint32_t snapshot_known_inflight(const struct snapshot *s);
/*
 * Looks for cgroups that are gone: their slots go into quarantine; those that were in
 * quarantine at the last call are freed with their cells. Call after snapshot_read().
 * When there are too many workloads, those that are gone and were never exported are
 * added to the overflow, and counted. -errno: the kernel side could not be notified.
 */
int snapshot_reap(struct snapshot *s);
/*
 * Have so many cgroups come since the latest reading that the next ones may find no
 * slot, or lose their names? Then read and reap before it is due.
 */
bool snapshot_is_pressed(const struct snapshot *s);
/* Takes their slots from cgroups that are gone: the next reading is their last. */
void snapshot_quarantine(struct snapshot *s);
/* An export is to be made of what is here now. Returns its number: 1, 2, ... */
uint64_t snapshot_export(struct snapshot *s);
/*
 * Of that export the workloads with these serials have arrived. Those that were gone by
 * then need not be kept for their values any more.
 */
void snapshot_accepted(struct snapshot *s, uint64_t number, uint64_t from, uint64_t to);
/* Nobody takes exports: what is gone has been there for an interval, that has to do. */
void snapshot_unheard(struct snapshot *s);
/*
 * Call before an export of which none is under way: when there are too many workloads,
 * those that are gone and have never arrived are added to the overflow, and counted.
 */
void snapshot_make_room(struct snapshot *s);
/* Workloads that were added to the overflow after they had a name. */
uint64_t snapshot_folded(const struct snapshot *s);
/*
 * Call after an export: frees those that are over, also as culprits. Culprits that
 * matter get entries.
 */
void snapshot_drop(struct snapshot *s);
/*
 * Is it time to look for the names of a workload that may have some? At its first
 * reading, then each time later: soon while exports hold it back (for hold_ns), hardly
 * ever after that, and no more when it is settled.
 */
bool snapshot_asks_names(const struct snapshot *s, struct workload *w,
			 uint64_t hold_ns);
/*
 * Takes over names, which become the workload's instead of those that it has; a cgroup
 * that the container made below its own has its own name behind them. What counted in
 * `unknown` until now stays there: its series begin at the latest reading. A pod's
 * sandbox counts for its pod from now on, if that has a cgroup. -ENOMEM.
 */
int snapshot_take_names(struct snapshot *s, struct workload *w, struct names *n);
/*
 * Has the kubelet shown by now that names of this workload, of which only the pod is
 * known, are those of the pod's sandbox? Then n says so. now_ns: monotonic.
 */
void snapshot_find_sandbox(struct snapshot *s, const struct workload *w,
			   struct names *n, uint64_t now_ns);
/*
 * The names of the pod whose cgroup it is, by one of its containers that is named, as a
 * copy of the caller's. -ENOENT: none is; -ENOMEM.
 */
int snapshot_pod_names(const struct snapshot *s, const struct workload *w,
		       struct names **out);

/* How exports hold workloads back. */
struct hold_rules {
	uint64_t unnamed_ns; /* for so long one that may yet get a name */
	bool last;	     /* no export follows */
	/* makes another w->instance, as the one that it has is taken; 1: there is no
	 * other; -ENOMEM */
	int (*again)(void *arg, struct workload *w);
	void *arg;
	int (*first)(void *arg,
		     struct workload *w); /* makes that of a group; -ENOMEM */
};

/*
 * Decides who is in the export that is about to be made (hold.c says how). All that are
 * not settled, and have names, have an instance. Returns how many have been given up
 * waiting for a name now, or -ENOMEM.
 */
int snapshot_settle(struct snapshot *s, const struct hold_rules *rules);
/*
 * What exports say of `unknown`: with the counts of those that have no name. To be
 * freed, unless it is NULL: then it is the workload `unknown` itself. -ENOMEM.
 */
int snapshot_unknown(struct snapshot *s, struct workload **out);
void snapshot_free_workload(struct workload *w);
/*
 * The groups of workloads that exports have, in the order of their serials. Those that
 * are in one (w->group) are not in exports themselves.
 */
struct workload **snapshot_groups(struct snapshot *s, size_t *count);
/*
 * Adds up what the members of a group have counted, for points of it; and forgets that
 * again, which else is kept until the next time. -ENOMEM.
 */
int snapshot_sum_group(struct snapshot *s, struct workload *group);
void snapshot_clear_group(struct workload *group);
/* The workloads, and the boot time of the latest reading. */
struct workload **snapshot_workloads(struct snapshot *s, size_t *count,
				     uint64_t *time_ns);
/*
 * The history has had a reading, and is about to have more: until then (boot time) who
 * is gone stays for it, though nobody else waits.
 */
void snapshot_keep(struct snapshot *s, uint64_t until_ns);
/* Slots in use now. */
uint32_t snapshot_slots(const struct snapshot *s);
/* Error kinds and disks that have a cell, at the latest reading. */
uint32_t snapshot_opens(const struct snapshot *s);
void snapshot_close(struct snapshot *s);

/* Where a signal's value v is in hists[] or counts[]. */
size_t snapshot_index(enum signal signal, unsigned int v);
/* How many values a signal has. */
unsigned int snapshot_values(enum signal signal);

#endif
