// SPDX-License-Identifier: Apache-2.0
/* What rules are written with. */
#include <stdarg.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "diagnose/rule.h"
#include "view/pick.h"
#include "view/report.h"

static struct evidence *add_evidence(struct finding *f)
{
	static struct evidence beyond; /* a rule with too many of them: a bug */

	return f->evidence_count < EVIDENCE_MOST ? &f->evidence[f->evidence_count++]
						 : &beyond;
}

static void describe(struct evidence *e, enum input in, double threshold)
{
	const struct input_desc *d = &inputs[in];

	*e = (struct evidence){ .metric = d->metric,
				.key = d->key,
				.value = d->value,
				.stat = stat_name(d->stat),
				.unit = d->unit,
				.label = d->label,
				.threshold = threshold,
				.baseline = NAN };
}

/* Those that have an input. */
static const struct facts *facts_with(const struct look *l, enum input in)
{
	return in < INPUTS_WORKLOAD ? l->now : l->node;
}

static const struct facts *facts_before(const struct look *l, enum input in)
{
	return in < INPUTS_WORKLOAD ? l->before : l->node_before;
}

/* Is a 0 no number, but that there is nothing? */
static bool is_of_something(enum facts_stat stat)
{
	return stat == STAT_P50 || stat == STAT_P90 || stat == STAT_P99 ||
	       stat == STAT_NOW;
}

static double times_as_long(const struct facts *now, const struct facts *before,
			    enum input in)
{
	if (!before)
		return NAN;
	return facts_time(now, inputs[in].metric) /
	       facts_time(before, inputs[in].metric);
}

static double see_in(const struct facts *now, const struct facts *before,
		     struct finding *f, enum input in, double threshold)
{
	struct evidence *e;

	if (isnan(threshold) && !now->value[in] && is_of_something(inputs[in].stat))
		return 0;
	e = add_evidence(f);
	describe(e, in, threshold);
	e->number = now->value[in];
	e->error = now->error[in];
	if (before)
		e->baseline = before->value[in];
	if (inputs[in].stat == STAT_COUNT)
		e->baseline *= times_as_long(now, before, in);
	return e->number;
}

double see(const struct look *l, struct finding *f, enum input in, double threshold)
{
	return see_in(l->now, l->before, f, in, threshold);
}

double see_node(const struct look *l, struct finding *f, enum input in,
		double threshold)
{
	return see_in(l->node, l->node_before, f, in, threshold);
}

double see_at_most(const struct look *l, struct finding *f, enum input in,
		   double threshold)
{
	double number = see(l, f, in, threshold);

	f->evidence[f->evidence_count - 1].at_most = true;
	return number;
}

struct evidence *see_own(struct finding *f, enum input in, const char *label,
			 const char *unit, double number, double threshold)
{
	struct evidence *e = add_evidence(f);

	describe(e, in, threshold);
	e->label = label;
	e->unit = unit;
	e->stat = "derived";
	e->number = number;
	return e;
}

struct evidence *see_of(const struct look *l, struct finding *f, enum input in,
			const char *label, const char *unit,
			double (*of)(const struct facts *), double threshold)
{
	const struct facts *now = facts_with(l, in), *before = facts_before(l, in);
	struct evidence *e = see_own(f, in, label, unit, of(now), threshold);

	if (before)
		e->baseline = of(before);
	return e;
}

void tell_first(struct finding *f, size_t i)
{
	struct evidence first = f->evidence[i];

	memmove(&f->evidence[1], &f->evidence[0], i * sizeof(first));
	f->evidence[0] = first;
}

double as_long(const struct look *l, enum input in)
{
	return times_as_long(facts_with(l, in), facts_before(l, in), in);
}

void cut_text(char *text)
{
	size_t n;

	while (*text && (n = text_utf8(text)))
		text += n;
	*text = '\0';
}

static void print_text(char *out, size_t len, const char *format, va_list ap)
{
	vsnprintf(out, len, format, ap);
	cut_text(out);
}

#define SCORE_MOST 1000

void found(struct finding *f, enum severity severity, double score, const char *what,
	   ...)
{
	va_list ap;

	f->verdict = VERDICT_FOUND;
	f->severity = severity;
	f->score = score >= 0 && score <= SCORE_MOST ? score : SCORE_MOST;
	va_start(ap, what);
	print_text(f->what, sizeof(f->what), what, ap);
	va_end(ap);
}

void because(struct finding *f, const char *cause, ...)
{
	va_list ap;

	va_start(ap, cause);
	print_text(f->cause, sizeof(f->cause), cause, ap);
	va_end(ap);
}

void then(struct finding *f, const char *next, ...)
{
	va_list ap;
	int n;

	va_start(ap, next);
	n = vsnprintf(f->next, sizeof(f->next), next, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(f->next))
		*f->next = '\0'; /* half a command is none */
}

void name_evidence(struct evidence *e, const char *name)
{
	snprintf(e->name, sizeof(e->name), "%s", name);
	cut_text(e->name);
}

double now_of(const struct look *l, enum input in)
{
	return facts_with(l, in)->value[in];
}

double before_of(const struct look *l, enum input in)
{
	const struct facts *before = facts_before(l, in);

	if (!before)
		return NAN;
	return inputs[in].stat == STAT_COUNT ? before->value[in] * as_long(l, in)
					     : before->value[in];
}

#define TIMES_NEW  2.0
#define TIMES_MORE 1.4

enum change change_between(double now, double before, double least)
{
	if (isnan(before))
		return CHANGE_UNKNOWN;
	if (now - before < least)
		return CHANGE_SAME;
	if (now >= TIMES_NEW * before)
		return CHANGE_NEW;
	return now >= TIMES_MORE * before ? CHANGE_MORE : CHANGE_SAME;
}

double new_from(double before, double least, double level)
{
	return isnan(before) ? level : fmax(before + least, TIMES_NEW * before);
}

enum change change_of(const struct look *l, enum input in, double least)
{
	return change_between(now_of(l, in), before_of(l, in), least);
}

enum change newer(enum change a, enum change b)
{
	return a < b ? a : b;
}

void note_change(struct finding *f, enum change change)
{
	f->change = change;
	if (f->verdict != VERDICT_FOUND || f->change != CHANGE_SAME)
		return;
	f->score /= 2;
	if (f->severity > SEVERITY_NOTICE)
		f->severity--;
}

void judge_change(const struct look *l, struct finding *f, enum input in, double least)
{
	note_change(f, change_of(l, in, least));
}

enum severity severity_of(double value, double warning, double critical)
{
	return value >= critical  ? SEVERITY_CRITICAL
	       : value >= warning ? SEVERITY_WARNING
				  : SEVERITY_NOTICE;
}

#define CRITICAL_LEAST 0.1 /* s per s */

enum severity severity_of_share(double share, double lost, double warning,
				double critical)
{
	return lost < CRITICAL_LEAST && share >= warning
		   ? SEVERITY_WARNING
		   : severity_of(share, warning, critical);
}

double score_of_share(double share, double lost)
{
	return 100 * share * (lost < CRITICAL_LEAST ? lost / CRITICAL_LEAST : 1);
}

const char *name_of(const struct facts *f)
{
	if (!f->resource)
		return "the node";
	return *frame_name(f->resource) ? frame_name(f->resource)
					: frame_cgroup(f->resource);
}

void name_path(const struct frame *f, const char *path, char *out, size_t len)
{
	pick_name(f, path, out, len);
	cut_text(out);
}

const char *span_text(char out[UNITS_LEN], double s)
{
	if (s >= 1000)
		return units_age(out, s);
	snprintf(out, UNITS_LEN, "%.3g s", s);
	return out;
}

const char *delay_text(char out[UNITS_LEN], double s)
{
	if (s >= 0.9995)
		return units_seconds(out, s);
	snprintf(out, UNITS_LEN, "%.3g ms", s * 1e3);
	return out;
}

/* Is it the series of a metric with this value of an attribute? */
static bool is_of(const struct frame_series *s, const char *metric, const char *key,
		  const char *value)
{
	const char *has;

	if (strcmp(s->name, metric))
		return false;
	has = frame_attr(&s->attrs, key);
	return has && !strcmp(has, value);
}

double probe_duty(const struct facts *node, const char *probe, const char **why)
{
	double attached = -1, duty = 1;

	*why = "the agent says nothing of it";
	for (size_t i = node->first; i < node->end; i++) {
		const struct frame_series *s = &node->frame->series[i];

		if (is_of(s, "assay.probe.duty", "assay.probe", probe))
			duty = report_value(s);
		if (!is_of(s, "assay.probe.attached", "assay.probe", probe))
			continue;
		/* a state that is over is a series of its own for a while */
		if (report_value(s) <= attached)
			continue;
		attached = report_value(s);
		*why = frame_attr(&s->attrs, "assay.reason");
		if (!*why)
			*why = frame_attr(&s->attrs, "assay.state");
	}
	if (attached > 0)
		return duty;
	return 0;
}

/* Up to which age operations are known, in s; below 0: nothing is. */
static double reach_of(const struct facts *node, const char *operation)
{
	for (size_t i = node->first; i < node->end; i++) {
		const struct frame_series *s = &node->frame->series[i];

		if (is_of(s, "assay.inflight.reach", "assay.operation", operation))
			return report_value(s);
	}
	return -1;
}

bool age_is_known(const struct look *l, struct finding *f, enum input age, double least)
{
	double reach = reach_of(l->node, inputs[age].value);
	char time[UNITS_LEN];

	if (reach >= least)
		return true;
	if (f->verdict == VERDICT_FOUND || f->verdict == VERDICT_UNMEASURED)
		return false;
	f->verdict = VERDICT_UNMEASURED;
	if (reach >= 0)
		snprintf(f->what, sizeof(f->what),
			 "the %s may be older than %s: what began before that is not "
			 "known, as its probe was on only then",
			 inputs[age].label, delay_text(time, reach));
	else
		snprintf(f->what, sizeof(f->what),
			 "the age of the %s is not known: its probe is off or in "
			 "windows, or no pass came to its end in time",
			 inputs[age].label);
	cut_text(f->what);
	return false;
}

const char *since_text(char out[UNITS_TIME_LEN], const struct look *l, double age)
{
	units_time(out, l->now->frame->time_ns - (uint64_t)(age * 1e9));
	return out;
}

const char *flaw_text(char out[FLAW_LEN], const struct look *l, const struct flaw *flaw,
		      double *age)
{
	const struct readings *r = l->readings;
	struct flaw_since since;
	char time[UNITS_TIME_LEN];

	*out = '\0';
	*age = NAN;
	if (!r->flaw_since || !r->flaw_since(r->flaw_arg, flaw, &since))
		return out;
	snprintf(out, FLAW_LEN, ", since %s%s", units_time(time, since.ns),
		 since.earlier ? " or before" : "");
	*age = (double)(int64_t)(r->now->time_ns - since.ns) * 1e-9;
	return out;
}

double since_baseline(const struct look *l)
{
	const struct readings *r = l->readings;

	return l->before ? (double)(r->now->time_ns - r->before->time_ns) * 1e-9 : 0;
}

#define HANG_SLACK 15.0 /* s, at most: an age is a pass's, a frame is a reading's */

enum change hang_change(const struct look *l, enum input age_in, double age,
			double least)
{
	double since = since_baseline(l), slack = since / 2, was;
	bool same;

	if (slack > HANG_SLACK)
		slack = HANG_SLACK;
	if (!l->before)
		return CHANGE_UNKNOWN;
	was = l->before->value[age_in];
	if (age <= since)
		same = 2 * was >= age;
	else
		same =
		    age >= since + l->readings->before_s || was >= age - since + slack;
	return was >= least && same ? CHANGE_SAME : CHANGE_NEW;
}
