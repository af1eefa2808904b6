/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the snapshot share: snapshot.c reads cells, owners.c knows whose a
 * slot is, totals.c keeps what a workload came to, culprits.c whom it waited for,
 * culprit_series.c which of these exports name, past.c who is gone, reap.c gives slots
 * back, delivery.c knows what has arrived, hold.c who may be exported, groups.c who is
 * one there, named.c what names make of a workload. Nobody else includes this, but for
 * tests.
 */
#ifndef SNAPSHOT_IMPL_H
#define SNAPSHOT_IMPL_H

#include "reading/instances.h"
#include "reading/path_index.h"
#include "reading/snapshot.h"

/* A fixed signal as the kernel lays it out in a row. */
struct signal_desc {
	enum pool pool;
	uint32_t first, values, shards;
};

extern const struct signal_desc signal_descs[SIGNAL_COUNT];

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_QUARANTINE };

struct peers_seen;

struct slot {
	uint64_t owner;
	enum slot_state state;
	bool freed; /* by this reap */
	bool late;  /* its cgroup was gone when it took the slot */
	struct workload *workload;
};

struct open_cell {
	struct open_key key;
	uint32_t cell;
};

/* What we know of a block of the scheduler's. */
struct block_seen {
	uint64_t lane[SCHED_LANES], ns[CULPRITS + 1]; /* what we added so far */
	uint64_t grown[CULPRITS + 1]; /* lately: halved at every export */
};

/* The slots after the latest reap. */
struct reaped {
	uint32_t claims; /* control.claims at the reading before it */
	uint32_t free, quarantined;
	uint64_t missed;  /* how often a cgroup had found no slot */
	uint64_t time_ns; /* monotonic clock */
};

/* A cgroup that is gone, and whose its late events are, see past.c. */
struct past {
	uint64_t owner; /* 0: none */
	struct workload *workload;
};
#define PAST 256

/* What a group has of a member's usage. */
struct group_part {
	uint64_t told[USAGE_COUNTERS]; /* what the member had when it was looked at */
	bool counts;		       /* some of it was added */
};

/* What only a group has. */
struct group_sum {
	char *key;
	struct workload ended; /* what members counted that are forgotten */
	size_t members;	       /* that are not */
	uint64_t end_ns;       /* boot time: since then it is gone; 0: it is not */
	uint32_t unlimited;    /* bits of limits that a member does not have */
};

/* When a group ended that is forgotten: one of its key begins there, at least. */
struct group_end {
	uint64_t key; /* hash */
	uint64_t ns;
};
#define GROUP_ENDS 256

/* What a reading does with the cells of what a probe counts in windows. */
enum window_use {
	WINDOW_READ, /* all of it is counted, or just nothing */
	WINDOW_OPEN, /* they wait until its end */
	WINDOW_ENDS, /* takes them for what they stand for */
};

struct window {
	enum window_use use;
	struct window_span span; /* WINDOW_ENDS */
	uint64_t since_ns; /* monotonic: the end of the latest one; 0: there are none */
};

/* Which probe's windows it is that a signal is counted in. */
struct window_rule {
	enum probe_id probe;
	enum signal signal;
	uint32_t lanes;	  /* of counters: bits */
	bool by_duration; /* the event is seen if both its ends are in the window */
	uint32_t at;	  /* where its values are in struct workload.estimates */
};

struct snapshot {
	struct cells *cells;
	struct cgroups *cgroups;
	struct slot *slots;
	struct sparse **seen_hists; /* by cell number: what we added so far */
	struct count_cell **seen_counts;
	struct block_seen **seen_blocks; /* by number */
	struct peers_seen **seen_peers;	 /* by row */
	bool entries_freed;		 /* of culprits, and it was not published */
	bool unpublished;  /* the rings do not know yet that slots changed hands */
	bool behind;	   /* the latest reading lacks records: no slot may be freed */
	bool disturbs;	   /* readings interrupt quiet CPUs, too */
	uint64_t quiet_ns; /* since when some have records; monotonic; 0: none has */
	/* monotonic, 0: none; the end of the pass that is to be taken; that was taken
	 */
	uint64_t inflight_end_ns[INFLIGHT_COUNT], inflight_seen_ns[INFLIGHT_COUNT];
	uint32_t inflight_known; /* 1 << enum inflight, as of the latest reading */
	struct open_cell *opens;
	size_t open_count;
	uint32_t open_gen;
	struct workload **workloads;
	const struct grouping *grouping; /* NULL: exports have each for itself */
	struct workload **groups;
	size_t group_count, group_room;
	uint64_t
	    told_ns; /* the reading up to which groups know of usage and culprits */
	uint64_t held_ns; /* the earliest start of those that may join one yet */
	struct group_end group_ends[GROUP_ENDS];
	size_t group_end_count;	  /* so far: the oldest give way */
	uint64_t group_end_floor; /* the latest end that gave way */
	struct workload *retired; /* what went to exports' `unknown`; NULL: nothing */
	size_t count, room;
	uint64_t serial;    /* of the newest workload */
	uint64_t exports;   /* number of the newest export */
	uint64_t export_ns; /* the reading that it was made of; 0: there was none */
	unsigned int culprits_sent; /* at most, of a workload, by name */
	uint64_t culprit_series, culprit_series_most; /* of all workloads */
	uint64_t folded;
	size_t gone;		    /* workloads, when the latest export was settled */
	struct path_index paths;    /* of the workloads */
	struct instances instances; /* of who may be in the export that is settled */
	uint64_t open_ns, last_ns;  /* when we began; the reading before this one */
	uint64_t time_ns;	    /* all are boot times */
	uint32_t claims; /* control.claims and names.head at the latest reading */
	uint64_t names;
	struct reaped reaped;
	struct past past[PAST];
	size_t past_count; /* so far: the oldest give way */
	uint32_t late;	   /* slots that late events have taken, so far */
	struct window windows[PROBE_COUNT];
	uint64_t random;	 /* for what is rounded */
	uint64_t keeps_until_ns; /* boot time, see snapshot_keep() */
};

/*
 * A reading takes what the latest passes noted: first it forgets what it had of those
 * whose pass is whole, then it takes the oldest in all slots of the workload; took: by
 * then (now: monotonic) all slots were looked at; age: as of the pass.
 */
void inflight_forget(struct snapshot *s, struct workload *w);
void inflight_read(struct snapshot *s, uint32_t slot, struct workload *w);
void inflight_took(struct snapshot *s, uint64_t now);
void inflight_age(const struct snapshot *s, struct workload *w);
/* Makes the first workloads: of the slots with a fixed meaning, in their order. */
int owners_open(struct snapshot *s);
/* The workload of a path, made if there is none, that begins at start_ns. */
struct workload *owners_workload(struct snapshot *s, const char *path,
				 uint64_t start_ns);
/* Call when workloads were taken out of the list. */
void owners_index_paths(struct snapshot *s);
/*
 * Who owns a slot now; NULL: nobody. One that cannot be named counts in `unknown`, and
 * is asked for again at the next reading; what was counted there stays there.
 */
struct workload *owners_find(struct snapshot *s, uint32_t slot);
/*
 * Adds to the workload's culprits what was added to block n since the latest reading,
 * under the names of those who have its entries now. -ENOMEM: the rest is the next
 * reading's.
 */
int culprits_read(struct snapshot *s, uint32_t n, struct workload *w);
/*
 * Frees the entries that the slots which are free now have as culprits and as victims.
 * Their times stay, as cells do: only the difference counts.
 */
void culprits_free(struct snapshot *s);
/*
 * Frees the entries of those who hardly counted lately, in blocks where those without
 * one came to more: who begins to matter gets a name. Call it at every export. What is
 * still added to such an entry goes to whoever has it next. Returns whether any is free
 * now: then it must be published that what programs keep is out of date (free_gen).
 */
bool culprits_make_room(struct snapshot *s);
/*
 * Hands what a workload's culprits have had to the names that exports have for them.
 * settled: it has been decided who is in the next export.
 */
void culprits_hand_on(struct snapshot *s, struct workload *w, bool settled);
/* Notes which culprits are no workloads any more. */
void culprits_retire(struct snapshot *s);
/* Gives `to`, which is for one export, what exports have of the culprits of `from`. */
int culprits_copy(struct workload *to, const struct workload *from);
/* Adds all of another's culprits to what exports have as _OTHER. */
void culprits_add_rest(struct workload *to, const struct workload *w);
/* How many series exports have of culprits of a workload, but for _OTHER. */
size_t culprits_named(const struct workload *w);
/*
 * What the next export says of a workload's culprits: which of them have a series of
 * their own, and what was added since the export before goes to that or to _OTHER. Time
 * that was told once stays where it was told.
 */
void culprits_tell(struct snapshot *s, struct workload *w);
/* Export `number` arrived, or: nobody takes exports. As of endings. */
void culprits_accepted(struct workload *w, uint64_t number, uint64_t next);
void culprits_unheard(struct workload *w, uint64_t exports);
/* Forgets series of culprits that are over, and culprits that are gone. */
void culprits_drop(struct workload *w);

/* Has ended, or lives; noted when export `number` is about to be made. */
void ending_note(struct ending *e, bool ended, uint64_t number);
/* It has ended, and has other last values. */
void ending_again(struct ending *e);
/* Export `number` arrived; the next one to be made has the number `next`. */
void ending_accepted(struct ending *e, uint64_t number, uint64_t next);
/* Nobody takes exports, of which the latest is `exports`: an interval has to do. */
void ending_unheard(struct ending *e, uint64_t exports);
/* Keeps the number of workloads bounded while many come and go between two exports. */
void delivery_fold(struct snapshot *s);

/* Notes a cgroup that gives its slot back, if connections of its workload are open. */
void past_add(struct snapshot *s, uint64_t owner, struct workload *w);
/*
 * The workload is about to be freed, or has an heir. What comes late of its cgroups
 * goes into another workload; the connections that may end there do, too, unless that
 * has its counts.
 */
void past_forget(struct snapshot *s, const struct workload *w, struct workload *into,
		 bool has_counts);
/* Whose the late events of a cgroup are; NULL: not noted. */
struct workload *past_of(struct snapshot *s, uint64_t owner);
/* There are late events of a workload whose cgroup is gone: returns whose they are. */
struct workload *past_late(struct snapshot *s, struct workload *w);

/* Publishes that slots changed hands, and waits until no program goes by what
 * was before. -errno on failure: the next reading tries again. */
int reap_publish(struct snapshot *s);

/* The rule of a signal, NULL: it is never counted in windows. Of opens only the probe.
 */
const struct window_rule *windows_rule(enum signal signal);
const struct window *windows_of_open(const struct snapshot *s, uint32_t signal);
/* Whether some cells wait for the end of a window: no slot may be freed. */
bool windows_wait(const struct snapshot *s);
/*
 * Adds what a cell grew by in the window that ends, as what it stands for. e: of this
 * value. -ENOMEM: some of it waits for the next window.
 */
int windows_add_hist(struct snapshot *s, uint32_t n, bool by_duration,
		     struct window_span *span, struct estimate *e,
		     struct sparse **into);
/* The estimates of a workload's value, made when there are none yet. NULL: no memory.
 */
struct estimate *windows_estimate(struct workload *w, const struct window_rule *r,
				  unsigned int value);
/* After a reading: which windows have ended, and how old the estimates are. */
void windows_note(struct snapshot *s);

/* Frees a workload and all that it holds; NULL is fine. */
void totals_free(struct workload *w);
/* Frees what the history is owed of it: kept_owe(). */
void totals_drop_owed(struct workload *w);
/* The total of an open value, made when it is new. NULL: no memory. */
struct open_total *totals_open(struct workload *w, uint32_t signal, uint32_t attr);
/* The entry of a culprit, until the next call; when there are too many, that of all
 * further ones. */
struct culprit_total *totals_culprit(struct workload *w, const char *name);
/* The same of a name that only exports have. */
struct culprit_total *totals_export_culprit(struct workload *w, const char *name);
/*
 * Adds all that w counted to another workload; its culprits under their names, or all
 * under _OTHER. -ENOMEM: something is missing there.
 */
int totals_fold(struct workload *into, const struct workload *w, bool name_culprits);
/* The same without culprits. */
int totals_add(struct workload *into, const struct workload *w);
/* The same of usage: CPU time and what else only grows; what is of the moment is
 * nobody's any more. */
void totals_fold_usage(struct usage *into, const struct usage *from);
/* Forgets all that it counted: from now on it counts from 0. */
void totals_clear(struct workload *w);

/* Who is in exports or in a group of them, then the groups. */
static inline size_t exported_count(const struct snapshot *s)
{
	return s->count + s->group_count;
}
static inline struct workload *exported_at(const struct snapshot *s, size_t i)
{
	return i < s->count ? s->workloads[i] : s->groups[i - s->count];
}

/*
 * Puts a workload that is in exports for the first time into its group, if it is in
 * one; new ones begin when all have been asked: groups_begin(). -ENOMEM.
 */
int groups_join(struct snapshot *s, struct workload *w, const struct hold_rules *rules);
void groups_begin(struct snapshot *s);
/* Notes which groups are gone. */
void groups_note_gone(struct snapshot *s);
/*
 * Tells groups what usage and culprits their members have that is new; and if an export
 * is about to be made, of which it is settled who is in it, those who are in no group
 * what their culprits are called there.
 */
void groups_tell(struct snapshot *s, bool settled);
/*
 * A member is about to be freed, and all is told: what it counted stays in its group.
 * Returns where its late events go.
 */
struct workload *groups_keep(struct workload *w);
/* A group is about to be forgotten. */
void groups_note_end(struct snapshot *s, const struct workload *group);
/* May one that was held back until now still join it? */
bool groups_are_awaited(const struct snapshot *s, const struct workload *group);

/* Has it no name, and may it get one yet? */
bool hold_needs_name(const struct workload *w);
/*
 * Moves what it counted to exports' `unknown` for good: from now on it counts from 0.
 * open: its open connections stay open, and are its own.
 */
int hold_retire(struct snapshot *s, struct workload *w, bool open);

/* Whose the counts of a workload's cgroups are: its own, or its pod's. */
static inline struct workload *counts_of(struct workload *w)
{
	return w && w->into ? w->into : w;
}
/* The workload is about to be freed: if it is a pod, no sandbox counts for it. */
void named_forget(struct snapshot *s, const struct workload *w);

#endif
