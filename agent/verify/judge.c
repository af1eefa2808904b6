// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/units.h"
#include "base/util.h"
#include "verify/checks.h"
#include "verify/found.h"
#include "verify/judge.h"
#include "view/report.h"

#define SLACK	    0.02   /* of a sum of times, */
#define EMULATED    0.25   /* where the CPU is emulated */
#define BUCKET_HALF 0.0625 /* of an octave; a quantile is the middle of its bucket */
#define MEANS	    4	   /* the longest of some is no longer than so many means */
#define HIDES	    2	   /* sleeps or waits that a run of PID 1 may hide */
#define QUEUES	    4	   /* requests of a disk that one switch may hide */

const char *const judge_names[] = { "ok", "FAILED", "skipped" };

/* Each of these may have been an end or a beginning that nobody counted. */
static const char *const skipped_by_kernel[] = { "recursion", "unpaired",
						 "delayed_dequeue", NULL };
static const char *const no_room[] = { "slots_full", "cells_full", "open_full",
				       "table_full", "state_full", "share_full",
				       NULL };

/* All that a check goes by. */
struct matter {
	const struct check *check;
	const struct judge_case *c;
	const struct truth *truth;
	const struct actor *actor;
	struct found found;
	double hidden; /* how many may be missing */
	double gone;   /* how many are, */
	double each;   /* of these, s at most; 0: as of the others */
	double lost;   /* of these, by the kernel's account */
};

static void say(struct judge_verdict *v, enum judge_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct judge_verdict *v, enum judge_result result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	v->result = result;
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static void find(struct matter *m)
{
	const struct check *k = m->check;
	const char *disk = m->c->actors->truths->disk;
	const char *group = k->whose == CHECK_ABOVE ? "" : actor_rows[k->actor].name;
	char suffix[128];
	struct found_key key = { suffix, k->metric, k->key, k->value };

	scratch_suffix(m->c->actors->scratch, group, suffix, sizeof(suffix));
	if (k->whose == CHECK_NODE)
		key.suffix = NULL;
	if (k->on_disk) {
		key.also = "system.device";
		key.also_value = disk;
	}
	found_get(m->c->frame, &key, &m->found);
}

/* Why there is nothing to judge; false: there is. */
static bool is_skipped(const struct matter *m, struct judge_verdict *v)
{
	const char *state, *reason, *name = m->check->probe;
	bool missing = m->found.count < m->truth->least;

	if (*m->truth->why)
		say(v, JUDGE_SKIPPED, "%s", m->truth->why);
	else if (!found_probe(m->c->frame, name, &state, &reason))
		say(v, JUDGE_SKIPPED, "the probe %s is %s%s%s", name, state,
		    *reason ? ": " : "", reason);
	else if (m->found.estimated)
		say(v, JUDGE_SKIPPED,
		    "the agent measures in windows: its number is an estimate");
	else if (missing && found_lost(m->c->frame, name, no_room) > 0)
		say(v, JUDGE_SKIPPED,
		    "the agent has no room (see assay.lost in assay probes)");
	else
		return false;
	return true;
}

/* How many may be missing, and that the application itself cannot know of. */
static void allow(struct matter *m)
{
	m->lost = found_lost(m->c->frame, m->check->probe, skipped_by_kernel);
	m->hidden = m->lost + m->truth->fewer;
	if (m->check->may_miss)
		m->hidden += HIDES * m->actor->init_runs;
	if (!m->check->is_time)
		m->gone = m->truth->least - m->found.count;
	if (m->check->on_disk)
		m->hidden += QUEUES * m->c->actors->init_runs;
}

/*
 * False: it is not as often as it happened. At most the half may be hidden, so that a
 * probe that counts nothing is never right.
 */
static bool is_count_right(const struct matter *m, struct judge_verdict *v)
{
	const struct truth *t = m->truth;
	double got = m->found.count, floor = t->least / 2.0;

	if (m->check->is_time)
		return true;
	if (got > t->most + t->more || got < t->least - m->hidden) {
		say(v, JUDGE_FAILED, "expected %s%.0f, got %.0f",
		    t->least == t->most ? "" : "up to ", (double)t->most, got);
		if (t->least != t->most)
			say(v, JUDGE_FAILED, "expected %.0f to %.0f, got %.0f",
			    (double)t->least, (double)t->most, got);
		return false;
	}
	if (got >= floor || !t->least)
		return true;
	say(v, JUDGE_SKIPPED, "the machine was busy: of %.0f up to %.0f may be hidden",
	    (double)t->least, m->hidden);
	return false;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of so many, in s. */
static double median(const uint64_t *values, size_t count)
{
	uint64_t sorted[TRUTH_SAMPLES];

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), compare);
	return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2e9;
}

/* Of what is missing it is not known how long it took. */
static double longest(const struct truth *t)
{
	uint64_t most = t->most && !t->samples ? MEANS * t->most_ns / t->most : 0;

	for (size_t i = 0; i < t->samples && i < TRUTH_SAMPLES; i++)
		most = t->high_ns[i] > most ? t->high_ns[i] : most;
	return most * 1e-9;
}

static bool is_sum_right(const struct matter *m, struct judge_verdict *v)
{
	double grain = m->c->actors->truths->grain_ns * 1e-9, got = m->found.sum_s;
	const struct truth *t = m->truth;
	double n = t->most ? t->most : 1, each = m->each > 0 ? m->each : longest(t);
	/* one that is hidden may have taken another's end or beginning with it */
	double hidden = m->check->may_miss ? HIDES * m->actor->init_runs : 0;
	double low = t->least_ns * 1e-9, high = t->most_ns * 1e-9;
	double added = m->found.count - t->most;
	double slack = m->c->actors->truths->emulated ? EMULATED : SLACK;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	if (!t->most_ns)
		return true;
	low = low * (1 - slack) - n * grain;
	if (m->gone > 0)
		low -= m->gone * each;
	high = high * (1 + slack) + n * grain;
	if (added > 0 && !m->check->is_time)
		high += added * each;
	if (got >= low && got <= high)
		return true;
	if (hidden > 0 && got >= low - hidden * each && got <= high + hidden * each) {
		say(v, JUDGE_SKIPPED, "the machine was busy: PID 1 ran %.0f times",
		    (double)m->actor->init_runs);
		return false;
	}
	say(v, JUDGE_FAILED, "%.0f took: expected %s to %s, got %s", m->found.count,
	    units_seconds(a, low > 0 ? low : 0), units_seconds(b, high),
	    units_seconds(c, got));
	return false;
}

static bool is_median_right(const struct matter *m, struct judge_verdict *v)
{
	double grain = m->c->actors->truths->grain_ns * 1e-9;
	double off = exp2((m->c->actors->truths->emulated ? 9 : 3) * BUCKET_HALF);
	double low, high, got;
	const struct truth *t = m->truth;
	char a[UNITS_LEN], b[UNITS_LEN], c[UNITS_LEN];

	if (!m->found.is_hist || !t->samples || t->samples > TRUTH_SAMPLES ||
	    m->found.count < t->least)
		return true;
	got = report_quantile(&m->found.hist, 50);
	low = median(t->low_ns, t->samples);
	high = median(t->high_ns, t->samples);
	if (got >= (low - grain) / off && got <= (high + grain) * off)
		return true;
	say(v, JUDGE_FAILED, "p50: expected %s to %s, got %s", units_seconds(a, low),
	    units_seconds(b, high), units_seconds(c, got));
	return false;
}

static void say_right(const struct matter *m, struct judge_verdict *v)
{
	char got[UNITS_LEN], want[UNITS_LEN], rest[64] = "", count[64] = "";
	const struct truth *t = m->truth;

	units_seconds(got, m->found.sum_s);
	units_seconds(want, t->most_ns * 1e-9);
	if (!m->check->is_time)
		snprintf(count, sizeof(count), "%.0f of %.0f", m->found.count,
			 (double)t->most);
	if (m->found.count < t->least && m->lost > 0)
		snprintf(rest, sizeof(rest), "; the kernel skipped up to %.0f",
			 m->lost);
	else if (m->found.count < t->least && !m->check->is_time)
		snprintf(rest, sizeof(rest), "; PID 1 or others kept up to %.0f away",
			 m->hidden);
	say(v, JUDGE_OK, "%s%s%s%s%s%s", count, t->most_ns && *count ? ", " : "",
	    t->most_ns ? got : "",
	    !t->most_ns	  ? ""
	    : t->least_ns ? " of "
			  : " within ",
	    t->most_ns ? want : "", rest);
}

/* What is missing of the victim's waits and sleeps is missing in sums of both. */
static void look_at_missing(struct matter *m, double waits, double sleeps)
{
	const struct truth *of = m->c->actors->truths->of;
	double a = longest(&of[TRUTH_WAITS]), b = longest(&of[TRUTH_WAITS_ASLEEP]);

	if (of[TRUTH_WAITS].least > waits)
		m->gone += of[TRUTH_WAITS].least - waits;
	if (of[TRUTH_WAITS_ASLEEP].least > sleeps)
		m->gone += of[TRUTH_WAITS_ASLEEP].least - sleeps;
	m->each = a > b ? a : b;
}

/* Asleep and waiting are all of a time in which one did not run. */
static void add_sleeps(struct matter *m)
{
	const struct truths *t = m->c->actors->truths;
	struct truth_sched before = m->actor->before, after = m->actor->after;
	double outside = after.delayed_ns - before.delayed_ns - t->delayed_ns;
	struct matter sleeps = { .c = m->c };
	size_t i = 0;

	while (checks[i].truth != TRUTH_WAITS_ASLEEP)
		i++;
	sleeps.check = &checks[i];
	find(&sleeps);
	look_at_missing(m, m->found.count, sleeps.found.count);
	m->found.sum_s += sleeps.found.sum_s - outside * 1e-9;
	m->found.is_hist = false;
}

size_t judge_count(void)
{
	return check_count;
}

void judge_check(const struct judge_case *c, size_t number, struct judge_verdict *v)
{
	const struct check *k = &checks[number];
	struct matter m = { .check = k,
			    .c = c,
			    .truth = &c->actors->truths->of[k->truth],
			    .actor = &c->actors->of[k->actor] };

	*v = (struct judge_verdict){ actor_rows[k->actor].name, k->what, k->metric };
	find(&m);
	if (is_skipped(&m, v))
		return;
	allow(&m);
	if (k->is_time)
		m.each = longest(&c->actors->truths->of[TRUTH_WAITS]);
	if (k->truth == TRUTH_WAITS_ALL)
		add_sleeps(&m);
	if (!is_count_right(&m, v) || !is_sum_right(&m, v) || !is_median_right(&m, v))
		return;
	if (m.found.is_hist && !found_buckets_fit(&m.found.hist))
		say(v, JUDGE_FAILED,
		    "the buckets of these %.0f cannot hold their sum of %.6f s",
		    m.found.count, m.found.sum_s);
	else
		say_right(&m, v);
}
