// SPDX-License-Identifier: Apache-2.0
/* What is wrong with an agent, and how that is said. */
#include <stdarg.h>
#include <string.h>
#include "base/log.h"
#include "base/units.h"
#include "base/util.h"
#include "kernel/probes.h"
#include "view/status.h"

/* A reading is late after so many intervals, and this on top: passes, a busy node. */
#define LATE_INTERVALS 3
#define LATE_S	       30

static void add(struct status_verdict *v, enum status_level level, const char *fmt, ...)
    PRINTF(3, 4);

static void add(struct status_verdict *v, enum status_level level, const char *fmt, ...)
{
	struct status_problem *p = &v->problems[v->count];
	va_list ap;

	if (v->count == STATUS_PROBLEMS)
		return;
	v->count++;
	p->level = level;
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}

static bool is(const struct status_probe *p, const char *state)
{
	return !strcmp(p->state, state);
}

/* Off is what somebody has told it to be: it is there. */
static bool works(const struct status *s, const struct status_probe *p)
{
	return is(p, "attached") || is(p, "off") || (s->waits && is(p, "loaded"));
}

static const char *reason_of(const struct status_probe *p)
{
	return *p->reason ? p->reason : "it does not say why";
}

static void judge_probes(const struct status *s, struct status_verdict *v)
{
	const struct status_probe *missing = NULL;
	size_t working = 0;

	for (size_t i = 0; i < s->probe_count; i++) {
		const struct status_probe *p = &s->probes[i];

		working += probe_measures(p->name) && works(s, p);
		if (!missing && probe_measures(p->name) && !works(s, p) &&
		    !is(p, "disabled"))
			missing = p;
	}
	if (!working)
		add(v, STATUS_NOT_READY, "no probe is %s: %s: %s",
		    s->waits ? "loaded" : "attached", missing ? missing->name : "none",
		    missing ? reason_of(missing) : "all are disabled");
	for (size_t i = 0; i < s->probe_count; i++)
		if (!works(s, &s->probes[i]) && !is(&s->probes[i], "disabled"))
			add(v, STATUS_STRICT, "probe %s is %s: %s", s->probes[i].name,
			    s->probes[i].state, reason_of(&s->probes[i]));
}

static void judge_readings(const struct status *s, struct status_verdict *v)
{
	double most = LATE_INTERVALS * s->snapshot_interval_s + LATE_S;
	char age[UNITS_LEN];

	if (!s->waits && (s->read_s < 0 ? s->state_s : s->read_s) > most)
		add(v, STATUS_NOT_READY, "the kernel's counts were last read %s ago",
		    units_age(age, s->read_s < 0 ? s->state_s : s->read_s));
}

/* When the last export arrived: "last arrived 12s ago". */
static void say_arrived(const struct status_export *e, char *out, size_t len)
{
	char age[UNITS_LEN];

	if (e->arrived_s < 0)
		snprintf(out, len, "none has arrived yet");
	else
		snprintf(out, len, "the last one arrived %s ago",
			 units_age(age, e->arrived_s));
}

static void judge_exports(const struct status *s, struct status_verdict *v)
{
	const struct status_export *e = &s->export;
	char age[UNITS_LEN], arrived[64];

	if (!e->on || e->failing_s < 0)
		return;
	say_arrived(e, arrived, sizeof(arrived));
	add(v, STATUS_STRICT, "exports have failed for %s (%s): %s",
	    units_age(age, e->failing_s), arrived, e->error);
}

/* An error is told once a reading could not be kept; before the first there is none. */
static void judge_history(const struct status *s, struct status_verdict *v)
{
	const struct status_history *h = &s->history;

	if (h->on && !h->is_kept && *h->error)
		add(v, STATUS_STRICT, "readings are not kept: %s", h->error);
	else if (h->on && h->lost)
		add(v, STATUS_NOTE, "%llu readings could not be kept since the start",
		    (unsigned long long)h->lost);
}

static void judge_losses(const struct status *s, struct status_verdict *v)
{
	char age[UNITS_LEN], lately[UNITS_LEN], count[UNITS_LEN];

	for (size_t i = 0; i < s->lost_count; i++) {
		const struct status_loss *l = &s->lost[i];

		if (l->lately)
			add(v, STATUS_NOTE, "%s lost %s in the last %s: %s (%s in all)",
			    l->probe, units_count(lately, l->lately),
			    units_age(age, s->lost_window_s), l->reason,
			    units_count(count, l->count));
	}
}

void status_judge(const struct status *s, struct status_verdict *v)
{
	v->count = 0;
	/* the gravest first: of the probes there may be both */
	judge_readings(s, v);
	judge_probes(s, v);
	judge_exports(s, v);
	judge_history(s, v);
	judge_losses(s, v);
}

const char *status_level_name(enum status_level level)
{
	static const char *const names[] = { "not_ready", "strict", "note" };

	return names[level];
}

/* "6 of 7 probes attached, 1 switched off". */
static void say_probes(const struct status *s, char *out, size_t len)
{
	size_t wanted = 0, there = 0, off = 0, n;
	const char *state = s->waits ? "loaded" : "attached";

	for (size_t i = 0; i < s->probe_count; i++) {
		wanted += !is(&s->probes[i], "disabled");
		there += is(&s->probes[i], state);
		off += is(&s->probes[i], "off");
	}
	n = snprintf(out, len, "%zu of %zu probes %s", there, wanted, state);
	if (off && n < len)
		snprintf(out + n, len - n, ", %zu switched off", off);
}

void status_summary(const struct status *s, char *out, size_t len)
{
	char age[UNITS_LEN], probes[96];

	say_probes(s, probes, sizeof(probes));
	units_age(age, s->state_s);
	if (s->waits)
		snprintf(out, len,
			 "waiting for %s while process %u of the node measures it, %s",
			 age, s->holder, probes);
	else
		snprintf(out, len, "measuring for %s, %s", age, probes);
}

/* "budget 1 %": what for. */
static void say_budget(const struct status *s, char out[24])
{
	if (s->budget > 0)
		snprintf(out, 24, "budget %.4g %%", 100 * s->budget);
	else
		snprintf(out, 24, "no budget");
}

void status_cost(const struct status *s, const struct status_probe *p, char *out,
		 size_t len)
{
	char run[UNITS_LEN], budget[24], cpu[32] = "a busy CPU";
	size_t n;

	*out = '\0';
	if (!s->governed || (!is(p, "attached") && !is(p, "off")))
		return;
	say_budget(s, budget);
	if (s->worst_cpu >= 0)
		snprintf(cpu, sizeof(cpu), "CPU %d", s->worst_cpu);
	if (is(p, "off") && p->full_cost > 0) {
		snprintf(out, len, "off: it took %.2g %% of a CPU's busy time, %s",
			 100 * p->full_cost, budget);
		return;
	}
	if (is(p, "off"))
		return; /* somebody said so */
	if (p->duty > 0 && p->duty < 1)
		n = snprintf(out, len,
			     "in windows, 1/%.0f: %.2g %% of the busy time of %s, "
			     "%.2g %% if it were always on, %s",
			     1 / p->duty, 100 * p->cost, cpu, 100 * p->full_cost,
			     budget);
	else
		n = snprintf(out, len, "always on: %.2g %% of the busy time of %s, %s",
			     100 * p->cost, cpu, budget);
	if (n < len && p->run_ns > 0)
		snprintf(out + n, len - n, "; %s a run, %.2g %% of the node",
			 units_seconds(run, p->run_ns * 1e-9), 100 * p->node_cost);
}

#define NOTABLE 0.001 /* a share: what costs less has no line */

/* All together, and who is not always on or costs something. */
static void print_costs(const struct status *s, FILE *f)
{
	char text[STATUS_TEXT], budget[24];
	double sum = 0;

	if (!s->governed)
		return;
	for (size_t i = 0; i < s->probe_count; i++)
		sum += s->probes[i].cost;
	say_budget(s, budget);
	if (s->worst_cpu >= 0)
		fprintf(f,
			"probes:   all take %.2g %% of the busy time of CPU %d, %s\n",
			100 * sum, s->worst_cpu, budget);
	else
		fprintf(f, "probes:   no CPU is busy, %s\n", budget);
	for (size_t i = 0; i < s->probe_count; i++) {
		const struct status_probe *p = &s->probes[i];

		status_cost(s, p, text, sizeof(text));
		if (*text && (p->duty < 1 || p->cost >= NOTABLE))
			fprintf(f, "  %-8s%s\n", p->name, text);
	}
}

static void print_exports(const struct status *s, FILE *f)
{
	const struct status_export *e = &s->export;
	char arrived[64], interval[UNITS_LEN];

	if (!e->on) {
		fputs("exports:  none\n", f);
		return;
	}
	say_arrived(e, arrived, sizeof(arrived));
	fprintf(f, "exports:  to %s every %s, %s\n", e->to,
		units_age(interval, e->interval_s), s->waits ? "not yet" : arrived);
}

static void print_history(const struct status *s, FILE *f)
{
	const struct status_history *h = &s->history;
	char back[UNITS_LEN], bytes[UNITS_LEN], limit[UNITS_LEN];

	if (!h->on)
		return;
	fprintf(f, "history:  %s, %s back, %s of %s\n", h->path,
		h->back_s < 0 ? "nothing" : units_age(back, h->back_s),
		units_bytes(bytes, h->bytes), units_bytes(limit, h->limit));
}

static void print_memory(const struct status_memory *m, FILE *f)
{
	char limit[UNITS_LEN], planned[UNITS_LEN], kernel[UNITS_LEN], agent[UNITS_LEN],
	    used[UNITS_LEN];

	fprintf(f,
		"memory:   %s planned of %s: %s in the kernel, %s for the agent's "
		"numbers, which take %s\n",
		units_bytes(planned, m->planned), units_bytes(limit, m->limit),
		units_bytes(kernel, m->kernel), units_bytes(agent, m->agent),
		units_bytes(used, m->agent_used));
}

void status_print(const struct status *s, const struct status_verdict *v, FILE *f)
{
	char summary[STATUS_TEXT], age[UNITS_LEN];

	status_summary(s, summary, sizeof(summary));
	fprintf(f, "assay %s, process %d, up for %s: %s\n", s->version, s->pid,
		units_age(age, s->uptime_s), summary);
	if (!s->waits && s->read_s >= 0)
		fprintf(f, "readings: the last one %s ago\n",
			units_age(age, s->read_s));
	print_costs(s, f);
	print_exports(s, f);
	print_history(s, f);
	print_memory(&s->memory, f);
	for (size_t i = 0; i < v->count; i++)
		fprintf(f, "%s: %s\n",
			v->problems[i].level == STATUS_NOTE ? "note" : "problem",
			v->problems[i].text);
}
