/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workloads have counted since the history had its latest reading. What it has is
 * noted with each workload, and moves with its counts when they become another's: so
 * nothing is in two readings, whoever it counts for by then.
 */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include "reading/snapshot.h"

/* What it has of a culprit's time. */
struct kept_culprit {
	uint64_t name; /* hash */
	uint64_t ns;
};

/* What the history has of a workload. */
struct kept {
	uint8_t *packed; /* histograms and counts, kept_packed.h; NULL: none */
	struct estimate *estimates; /* SNAPSHOT_ESTIMATES; NULL: all is exact */
	uint64_t usage[USAGE_COUNT];
	uint32_t usage_has;
	uint64_t inflight_ns[INFLIGHT_COUNT];
	struct kept_culprit *culprits;
	size_t culprit_count;
};

/*
 * What a workload has counted since kept_note(), as a workload that begins at since_ns:
 * counters and histograms are differences; what is now is as it is (metrics_add). It
 * borrows from w. -ENOMEM; kept_free() in any case.
 */
int kept_make(const struct workload *w, uint64_t since_ns, struct workload *out);
void kept_free(struct workload *made);
/* What is kept of a culprit, by the hash of its name; NULL: nothing. k may be NULL. */
struct kept_culprit *kept_culprit_of(const struct kept *k, uint64_t name);
/*
 * Is there anything new in it: more counts, or another value of what is now than at the
 * last kept_note()?
 */
bool kept_is_new(const struct workload *made);
/* Can anything more come of it, and was there ever anything? */
bool kept_has_any(const struct workload *w);
/* The history has it all now. -ENOMEM: some of it will come once more. */
int kept_note(struct workload *w, const struct workload *made);
/* The history has all that w counts, by the names of others. -ENOMEM: as kept_note().
 */
int kept_skip(struct workload *w);
/* Adds what is kept of w's counts to into, which has them now: totals_fold(). */
int kept_fold(struct workload *into, const struct workload *w, bool name_culprits);
/* The same of its usage: totals_fold_usage(). */
void kept_fold_usage(struct workload *into, const struct workload *w);
/* The usage of w is that of into from now on, instead of what it had. */
void kept_move_usage(struct workload *into, const struct workload *w);
/* Forgets it, with the counts: totals_clear(). */
void kept_clear(struct workload *w);
/*
 * Before w's counts become another's that no reading has (exports' `unknown`): what the
 * history does not have of them yet is owed to it, under w's own name. -ENOMEM: some of
 * it is missing there.
 */
int kept_owe(struct workload *w);
/* What w owes is told by another's name: it is freed, or folded. */
int kept_move_owed(struct workload *into, struct workload *w);
/* The history has it, or never will. */
void kept_drop_owed(struct workload *w);
/* What w owes, as kept_make(): to be told beside that; NULL: nothing. */
struct workload *kept_owed(struct workload *w, uint64_t since_ns);
/* Whether the history has had what there was of one after it was gone. */
bool kept_is_whole(const struct workload *w);

#endif
