/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a workload, or a node: a table of rules looks at its numbers now,
 * at those of before (a baseline, if there is one) and at the node's. Nothing else goes
 * in, so the same frames always give the same answer.
 */
#ifndef DIAGNOSE_H
#define DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "diagnose/facts.h"
#include "diagnose/flaw.h"
#include "otlp/frame.h"
#include "workload/cpu_limit.h"
#include "workload/stuck_threads.h"

enum severity {
	SEVERITY_NOTICE,   /* worth knowing; alone no reason to act */
	SEVERITY_WARNING,  /* it costs a good part of the workload's time */
	SEVERITY_CRITICAL, /* it fails, or gets hardly anything done */
	SEVERITIES,
};

enum verdict {
	VERDICT_NONE,	      /* there is nothing that the rule could look at */
	VERDICT_UNMEASURED,   /* the probe that it needs does not measure */
	VERDICT_RULED_OUT,    /* it looked, and its numbers are below its thresholds */
	VERDICT_INCONCLUSIVE, /* too few events, or estimates that are too noisy */
	VERDICT_FOUND,
};

/* Against the baseline. */
enum change { CHANGE_UNKNOWN, CHANGE_NEW, CHANGE_MORE, CHANGE_SAME }; /* newest first */

#define EVIDENCE_MOST 8

/* A number that a rule has looked at. */
struct evidence {
	const char *metric;
	const char *key, *value; /* of its attributes; NULL: over all */
	const char *key2, *value2;
	const char *stat, *unit, *label;
	char name[96];	  /* of whom it speaks, if that is not the workload */
	double number;	  /* in the unit */
	double threshold; /* from here on it counts; NAN: it only explains */
	bool at_most;	  /* it counts up to the threshold */
	double baseline;  /* the same number of before; NAN: not known */
	double error;	  /* relative standard error of an estimate; 0: exact */
};

/* With whom it has that trouble (peers.h). */
struct peer_share {
	char top[56];	   /* the peer that has most of it; "": it is not known which */
	double count, all; /* events of that peer, and of all of them */
	size_t peers;	   /* how many have some */
	bool more;	   /* and others, of whom nothing is known but their number */
	bool stands_out;   /* it has more than half */
	bool
	    anew; /* each pass counts all of them again: only the share says anything */
	char text[200]; /* a sentence; "": there is nothing to say of peers */
};

struct finding {
	const struct rule *rule;
	const struct facts *facts; /* of whom */
	enum verdict verdict;
	enum severity severity;
	enum change change;
	bool undermines; /* nothing else that was not found is ruled out */
	double score;	 /* about the per cent of its time that is lost; for ranking */
	char what[320], cause[400];
	char next[1024]; /* "": a command that is too long to be shown */
	struct evidence evidence[EVIDENCE_MOST];
	size_t evidence_count;
	struct peer_share peers;
};

#define RULES_MOST 40

enum overall { NOTHING_UNUSUAL, INCONCLUSIVE, ACTIONABLE };

/* One workload. */
struct diagnosis {
	struct facts now, before;
	struct facts node[2]; /* now and before; of a whole node's: there */
	bool has_before;
	struct finding list[RULES_MOST]; /* one for each rule, in their order */
	size_t count;
	const struct finding *found[RULES_MOST]; /* the worst first */
	size_t found_count;
	enum overall overall;
	char
	    why[400]; /* when it is not actionable: what was looked at, or is missing */
};

/*
 * The order in which findings are told, the worst first: by severity, then by score,
 * which is how much is lost; then by name, so that it is always the same. Below 0: x
 * comes before y.
 */
int diagnose_compare(const struct finding *x, const struct finding *y);

/* What a diagnosis is made from. */
struct readings {
	const struct frame *now, *before; /* sums are differences; before: NULL: none */
	double now_s, before_s;		  /* of how long they are, */
	/* and which part of it each probe counted; NULL: all */
	const struct counted_shares *now_counted, *before_counted;
	/* of the node, where it is known; NULL: not */
	const char *cgroup_root;	   /* where its cgroups are mounted */
	const char *controllers;	   /* those of that tree, with spaces between */
	const struct stuck_threads *stuck; /* of the workload, as of now */
	const struct cpu_limit *limit;	   /* the same */
	/*
	 * Of a node: reads what the threads of one of its workloads sleep in, NULL
	 * where that cannot be seen; it lives until the next call. NULL: nobody can.
	 */
	const struct stuck_threads *(*read_stuck)(void *arg,
						  const struct frame_attrs *resource);
	void *read_arg;
	/* Looks up since when the measuring has a flaw; NULL: nobody can. */
	bool (*flaw_since)(void *arg, const struct flaw *flaw, struct flaw_since *out);
	void *flaw_arg;
	const char
	    *again; /* options with which another assay looks at the same; NULL */
};

/* Diagnoses the workload whose series begin at `first` in r->now. */
void diagnose_workload(struct diagnosis *d, const struct readings *r, size_t first);
/* The same of one that is there, but of which r->now says nothing: nothing happened. */
void diagnose_absent(struct diagnosis *d, const struct readings *r,
		     const struct frame_attrs *resource);

/* A node. */
struct node_diagnosis {
	struct facts node[2];	       /* now and before */
	struct diagnosis **list;       /* of each workload with a finding */
	size_t count, looked_at, calm; /* calm: in so many nothing was unusual */
	/* each rule as it was judged where it came nearest to a finding; no facts */
	struct finding nearest[RULES_MOST];
	size_t nearest_count;
	const struct finding **found; /* the worst first */
	size_t found_count;
	enum overall overall;
	char why[400];
};
/*
 * Diagnoses the node: findings of all its workloads together, the worst first, those of
 * the node itself once. 0 or -ENOMEM. Free it in any case.
 */
int diagnose_node(struct node_diagnosis *d, const struct readings *r);
void diagnose_free_node(struct node_diagnosis *d);

const char *severity_name(enum severity s);
const char *overall_name(enum overall o);
const char *change_name(enum change c);

/* What is to be printed. */
struct why {
	const struct readings *readings;
	const struct diagnosis *workload; /* or NULL: */
	const struct node_diagnosis *node;
	uint64_t since_ns, until_ns;		   /* what was looked at, wall clock */
	uint64_t before_since_ns, before_until_ns; /* 0: there is no baseline */
	/* from when to when the history goes; 0: nobody has looked */
	uint64_t kept_ns, kept_until_ns;
	const char *no_baseline; /* why there is none */
	const char *host;	 /* the node, if no frame names it */
	const char *source;	 /* "agent", "history", "self" */
	size_t columns;		 /* of the screen, for tables; 0: nobody says */
};

/* 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int why_table(const struct why *w, FILE *f);
int why_json(const struct why *w, FILE *f);
/* A row for each finding; where nothing calls for action a first one says so. */
int why_csv(const struct why *w, FILE *f);

#endif
