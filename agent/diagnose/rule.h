/* SPDX-License-Identifier: Apache-2.0 */
/* What rules are made of: see rules_cpu.c for one. */
#ifndef RULE_H
#define RULE_H

#include <math.h>
#include "base/units.h"
#include "diagnose/diagnose.h"

/* All that a rule may look at. */
struct look {
	const struct facts *now, *before; /* before: NULL: there is none */
	const struct facts *node, *node_before;
	const struct readings *readings;
	size_t next_before; /* where the next workload is in the baseline, as a guess */
};

#define RULE_NOT 5

struct rule {
	const char *id;
	const char *resource; /* "cpu", "disk", "memory", "net", "calls", "self" */
	const char *probes;   /* which it needs, with commas between; NULL: none */
	bool of_node;	      /* it is about the node, of which it is told once */
	bool of_threads;      /* its findings say more by readings.stuck */
	/* What it means that the rule found nothing: "no CPU quota ran out". */
	const char *calm;
	/* What to compare with: shown as ruled out beside a finding of this rule. */
	const char *not_[RULE_NOT];
	/* What is a consequence of these is never ranked above them. */
	const char *after[RULE_NOT];
	/*
	 * Adds to `f` what it looks at (see()), and, when that is too much, says so:
	 * found(), because(), then(). Without a number nothing was there to look at.
	 */
	void (*look)(const struct look *l, struct finding *f);
};

/* The tables, by resource. */
struct rule_table {
	const struct rule *rows;
	size_t count;
};
extern const struct rule_table rules_cpu, rules_disk, rules_memory, rules_net,
    rules_dns, rules_ask, rules_calls, rules_self;

#define UNBOUND NAN /* a number that only explains */

/*
 * Looks at a number: it becomes evidence, unless it would only explain and there is
 * none. Returns it.
 */
double see(const struct look *l, struct finding *f, enum input in, double threshold);
/* The same of the node. */
double see_node(const struct look *l, struct finding *f, enum input in,
		double threshold);
/* The same of one that counts up to the threshold. */
double see_at_most(const struct look *l, struct finding *f, enum input in,
		   double threshold);
/* A number that is worked out: the metric, a label, and how it looks. */
struct evidence *see_own(struct finding *f, enum input in, const char *label,
			 const char *unit, double number, double threshold);
/*
 * One that is worked out of facts, as `of` says: of those of the baseline, too. Of the
 * node's where the input is the node's. of: NAN: there is no such number.
 */
struct evidence *see_of(const struct look *l, struct finding *f, enum input in,
			const char *label, const char *unit,
			double (*of)(const struct facts *), double threshold);
/* Puts the i-th number before all others. */
void tell_first(struct finding *f, size_t i);
/* How many times as long as in the baseline an input was counted; NAN: there is none.
 */
double as_long(const struct look *l, enum input in);

#define PRINTF_AT(fmt, args) __attribute__((format(printf, fmt, args)))

/* It is one. what: one sentence, without a full stop. score: see struct finding. */
void found(struct finding *f, enum severity severity, double score, const char *what,
	   ...) PRINTF_AT(4, 5);
void because(struct finding *f, const char *cause, ...) PRINTF_AT(2, 3);
/* Ends a text that was cut before the character that is not whole any more. */
void cut_text(char *text);
/* Of whom or what a number speaks, if that is not the workload. */
void name_evidence(struct evidence *e, const char *name);
/* A command to run, or what to do. */
void then(struct finding *f, const char *next, ...) PRINTF_AT(2, 3);

/* The number now; before, NAN when not known. */
double now_of(const struct look *l, enum input in);
double before_of(const struct look *l, enum input in);
/* How a number changed, when at least `least` more is a change at all; before: or NAN.
 */
enum change change_between(double now, double before, double least);
enum change change_of(const struct look *l, enum input in, double least);
/*
 * From where on a number is new; where it is not known what it was before (NAN),
 * `level` is all that can be said.
 */
double new_from(double before, double least, double level);
/* What is newer of two: a fault is, when one of the numbers that show it is. */
enum change newer(enum change a, enum change b);
/* Notes that; what was so before is less of an incident: one severity less. */
void note_change(struct finding *f, enum change change);
/* The same of the number that showed it. */
void judge_change(const struct look *l, struct finding *f, enum input in, double least);

/*
 * The severity by a share of the workload's time; `lost`: how much that is, s per s.
 * Who hardly runs loses a great share of little, and that is not critical.
 */
enum severity severity_of_share(double share, double lost, double warning,
				double critical);
/* The score of that: a great share of little comes after what costs seconds. */
double score_of_share(double share, double lost);
/* The same of another number. */
enum severity severity_of(double value, double warning, double critical);

/* Names of workloads, for people. */
const char *name_of(const struct facts *f);
/* What the workload of a cgroup path is called. */
void name_path(const struct frame *f, const char *path, char *out, size_t len);

/*
 * Words for commands to run, as a shell takes them; they return out. What does not fit
 * is a word to be filled in, in capitals.
 */
#define WORD_LEN 640
/* Any text as one word, of which a terminal may see every character. */
const char *quoted(char *out, size_t len, const char *name);
/* A file of the workload's cgroup. */
const char *cgroup_file(const struct look *l, const char *file, char out[WORD_LEN]);
/* The same of another cgroup of the node. */
const char *cgroup_file_of(const struct look *l, const char *path, const char *file,
			   char out[WORD_LEN]);
/* The first process of the workload. */
const char *process_of(const struct look *l, char out[WORD_LEN]);
/* `assay why` of another workload, by name if that means nobody else, in the same time.
 */
const char *ask_why(const struct look *l, const char *path, const char *name,
		    char out[WORD_LEN]);
/* Options with which a command looks at the same time, with a space before; or "". */
const char *again(const struct look *l);
/* Does the tree of cgroups have a controller? Yes, where that is not known. */
bool has_controller(const struct look *l, const char *name);
/* Next is a command that sees the network of the workload. */
void then_in_net(const struct look *l, struct finding *f, const char *command);
/* The same of ss(8), of its connections to this peer; NULL: of all. */
void then_ss(const struct look *l, struct finding *f, const char *options,
	     const char *peer, const char *comment);
/* Next is a command for each process $p of the workload. */
void then_of_each(const struct look *l, struct finding *f, const char *command,
		  const char *comment);

/* The same: where the threads of $p sleep. */
#define THREADS_OF_P "ps -L -o lwp,stat,wchan:32,comm -p $p"

/* "9.98 s", "59m50s"; and "12.3 ms", "1.2s": how long, in a sentence. Return out. */
const char *span_text(char out[UNITS_LEN], double s);
const char *delay_text(char out[UNITS_LEN], double s);

/*
 * Is it known whether an operation of this kind (IN_AGE_*) is older than `least` (s)?
 * When the agent says nothing of such ages, or tells only of what began lately, the
 * rule is not judged by them, and the finding says why; unless it is one.
 */
bool age_is_known(const struct look *l, struct finding *f, enum input age,
		  double least);

/* Since when something that is so old (s) is under way; by the clock. Returns out. */
const char *since_text(char out[UNITS_TIME_LEN], const struct look *l, double age);

/*
 * ", since TIME" for a sentence, where it is known since when the measuring has a flaw,
 * or ""; age: how long that is, s, or NAN. Returns out.
 */
#define FLAW_LEN (UNITS_TIME_LEN + 32)
const char *flaw_text(char out[FLAW_LEN], const struct look *l, const struct flaw *flaw,
		      double *age);

/* What to do next about a DNS server, or those that /etc/resolv.conf has (NULL). */
void ask_server(struct finding *f, const char *server);

/* From the baseline's end to now, in s; 0: there is none. */
double since_baseline(const struct look *l);

/*
 * Is it new that an operation (age_in: IN_AGE_*) is so old (s), which is at least
 * `least`? Not if another one was about as old at the baseline's end, nor if it was
 * under way in all of the baseline. One that began in the baseline is what is wrong,
 * however long ago that is.
 */
enum change hang_change(const struct look *l, enum input age_in, double age,
			double least);

/* Is a probe of this name measuring, by what the agent says of itself (look.node)? Its
 * duty: 0 to 1. */
double probe_duty(const struct facts *node, const char *probe, const char **why);

#endif
