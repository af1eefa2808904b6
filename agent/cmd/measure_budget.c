// SPDX-License-Identifier: Apache-2.0
/*
 * The budget: about once a second it is looked how often each program ran on each CPU,
 * and how busy that was; what follows from that is decided by reading/governor.h and
 * done by measure_set_duty().
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/number.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/measure.h"
#include "cmd/measure_budget.h"
#include "cmd/measure_exact.h"
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"

#define SECOND		1000000000ULL
#define HOUR		(3600 * SECOND)
#define LINES_A_MINUTE	20
#define OWN_NS		50.0 /* of a run, before there are timed ones, */
#define OWN_RUNS	5e4  /* which count as so many: some 50 timed ones */
#define RUNS_MOST	2e6  /* older runs count less from there on: 2000 timed ones */
#define AVERAGE_SECONDS 60
#define HURRY_NAME	"ASSAY_TEST_HURRY" /* for tests: times so many times shorter */

static unsigned int hurry(void)
{
	const char *text = getenv(HURRY_NAME);
	uint64_t times;

	return text && !number_parse(text, 20, &times) && times ? times : 1;
}

/* What may be done with a probe. */
static enum governor_kind kind_of(size_t i)
{
	if (probe_descs[i].always)
		return GOVERN_NEVER;
	if (probe_descs[i].off_last)
		return GOVERN_LAST;
	return probe_descs[i].windowed[0] ? GOVERN_WINDOWS : GOVERN_OFF;
}

int measure_govern_open(struct measure *m, const char *budget)
{
	struct budget *b = calloc(1, sizeof(*b));
	double share = 0;
	int err;

	if (!b)
		return -ENOMEM;
	m->budget = b;
	b->cpus = m->cells.plan.cpus;
	b->hurry = hurry();
	if (strcmp(budget, "none"))
		options_percent(budget, &share); /* it was looked at */
	governor_init(&b->governor, share);
	governor_hurry(&b->governor, b->hurry);
	for (size_t i = 0; i < PROBE_COUNT; i++)
		b->governor.probes[i].kind = kind_of(i);
	b->busy_ns = calloc(b->cpus, sizeof(*b->busy_ns));
	b->was_busy_ns = calloc(b->cpus, sizeof(*b->was_busy_ns));
	b->runs = calloc(b->cpus, sizeof(*b->runs));
	b->room = malloc(sizeof(*b->room));
	err = busy_open(&b->busy, b->cpus);
	if (!err)
		err = expense_open(&b->expense, b->cpus);
	if (err || !b->busy_ns || !b->was_busy_ns || !b->runs || !b->room)
		return err ? err : -ENOMEM;
	expense_hurry(&b->expense, b->hurry);
	return 0;
}

void measure_govern_close(struct budget *b)
{
	if (!b)
		return;
	busy_close(&b->busy);
	expense_close(&b->expense);
	free(b->busy_ns);
	free(b->was_busy_ns);
	free(b->runs);
	free(b->room);
	free(b);
}

/* The runs of both programs of calls on a CPU. */
static struct run_average own_runs(const struct cells *c, struct budget *b, int cpu)
{
	struct cells_runs runs[PROGRAM_COUNT];

	if (cpu < 0 || cells_count_cpu(c, cpu, b->room, runs))
		return (struct run_average){ 0 };
	return (struct run_average){
		runs[PROGRAM_syscall_enter].count + runs[PROGRAM_syscall_exit].count,
		runs[PROGRAM_syscall_enter].ns + runs[PROGRAM_syscall_exit].ns,
	};
}

/* A burst in the state that there is; and when there are enough, what follows. */
static void calibrate(const struct cells *c, struct budget *b, bool attached)
{
	int cpu = sched_getcpu();
	struct run_average before = own_runs(c, b, cpu), after;

	if (b->hooks.count[attached] == HOOK_BURSTS)
		return;
	hook_cost_burst(&b->hooks, attached);
	if (attached && sched_getcpu() == cpu) {
		after = own_runs(c, b, cpu);
		b->own.count += after.count - before.count;
		b->own.ns += after.ns - before.ns;
	}
	b->hooks.own_ns =
	    b->own.count > 0 && b->own.ns > 0 ? 2 * b->own.ns / b->own.count : 0;
	if (!hook_cost_settle(&b->hooks))
		return;
	/* once a filter of calls looks at ours they are dearer without hooks, too, and
	 * the difference is less than it is for others */
	if (!b->calibrate_ns)
		b->first_pair_ns = b->hooks.pair_ns;
	else if (b->hooks.pair_ns < b->first_pair_ns)
		b->hooks.pair_ns = b->first_pair_ns;
	b->calibrate_ns = now_mono_ns() + HOUR;
	log_info("calls cost %.0f ns more here by the hooks on them alone, and %.0f ns "
		 "by our programs where they are not measured",
		 b->hooks.pair_ns, b->hooks.own_ns);
	b->own = (struct run_average){ 0 };
}

void measure_calibrate(struct measure *m, bool attached)
{
	if (!m->budget || m->probes[PROBE_SYSCALL].state !=
			      (attached ? PROBE_ATTACHED : PROBE_LOADED))
		return;
	for (int i = 0; i < HOOK_BURSTS; i++)
		calibrate(&m->cells, m->budget, attached);
}

/*
 * Whether nothing can be done about a probe: it is off or not there, or somebody else
 * has said how much of the time it is on.
 */
static void look_at_probe(struct measure *m, size_t i)
{
	struct governor_probe *p = &m->budget->governor.probes[i];

	p->present = m->probes[i].state == PROBE_ATTACHED ||
		     (m->probes[i].state == PROBE_OFF && !p->one_in);
	if (!p->present || measure_duty(m, i) == p->one_in)
		return;
	p->one_in = measure_duty(m, i);
	p->kind = GOVERN_NEVER;
}

void measure_govern_told(struct measure *m, size_t i, bool duty)
{
	struct budget *b = m->budget;

	if (!b)
		return;
	governor_forget(&b->governor, i);
	expense_forget(&b->expense, i);
	b->governor.probes[i].kind = duty ? GOVERN_NEVER : kind_of(i);
	b->governor.probes[i].one_in = measure_duty(m, i);
}

/* One of about 1000 runs is timed: of a few, one that was interrupted would be all. */
static double own_ns(const struct run_average *own)
{
	double ns = (own->ns + OWN_NS * OWN_RUNS) / (own->count + OWN_RUNS);

	return ns > 0 ? ns : 0;
}

static void describe_tick(struct measure *m, double ns, struct expense_tick *t)
{
	struct budget *b = m->budget;

	*t = (struct expense_tick){ .ns = ns };
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		t->attached[i] = b->open_ns[i] < ns ? b->open_ns[i] / ns : 1;
		t->on[i] = m->probes[i].state == PROBE_ATTACHED;
		b->open_ns[i] = 0;
	}
	for (size_t p = 0; p < PROGRAM_COUNT; p++) {
		const struct run_average *own = &b->programs[p];

		t->windowed[p] = probe_is_windowed(&probe_descs[programs[p].probe],
						   programs[p].name);
		t->run_ns[p] = hook_cost_of(&b->hooks, p) + own_ns(own);
	}
}

/* How often each program ran on a CPU since it was last looked at. */
static int count_runs(struct measure *m, uint32_t cpu, uint64_t counts[PROGRAM_COUNT])
{
	struct cells_runs now[PROGRAM_COUNT];
	struct budget *b = m->budget;
	int err = cells_count_cpu(&m->cells, cpu, b->room, now);

	for (size_t p = 0; p < PROGRAM_COUNT && !err; p++) {
		struct run_average *own = &b->programs[p];

		counts[p] = now[p].count - b->runs[cpu][p].count;
		own->count += counts[p];
		own->ns += now[p].ns - b->runs[cpu][p].ns;
		b->runs[cpu][p] = now[p];
		if (own->count > RUNS_MOST) {
			own->count /= 2;
			own->ns /= 2;
		}
	}
	return err;
}

/* What each probe takes of all CPUs. */
static void add_averages(struct budget *b, const struct expense_tick *t,
			 const uint64_t counts[PROGRAM_COUNT])
{
	for (size_t p = 0; p < PROGRAM_COUNT; p++) {
		struct probe_average *a = &b->probes[programs[p].probe];

		a->runs += counts[p];
		a->cost_ns += counts[p] * t->run_ns[p];
		a->hook_ns += counts[p] * hook_cost_of(&b->hooks, p);
	}
}

/* Those of CPUs that were not busy at all are taken with their next ones. */
static int read_cpus(struct measure *m, const struct expense_tick *t)
{
	struct budget *b = m->budget;
	double kept = 1 - t->ns * b->hurry / (AVERAGE_SECONDS * SECOND);
	int err = busy_read(&b->busy, b->busy_ns, b->cpus);

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct probe_average *a = &b->probes[i];

		a->runs *= kept;
		a->cost_ns *= kept;
		a->hook_ns *= kept;
		a->cpu_ns = a->cpu_ns * kept + t->ns * b->cpus;
	}
	for (uint32_t cpu = 0; cpu < b->cpus && !err; cpu++) {
		double busy = b->busy_ns[cpu] - b->was_busy_ns[cpu];
		uint64_t counts[PROGRAM_COUNT];

		b->was_busy_ns[cpu] = b->busy_ns[cpu];
		if (busy > 0)
			err = count_runs(m, cpu, counts);
		if (busy > 0 && !err)
			add_averages(b, t, counts);
		if (!err)
			expense_add(&b->expense, cpu, t, busy < t->ns ? busy : t->ns,
				    busy > 0 ? counts : NULL);
	}
	return err;
}

static const char *budget_duty_text(uint32_t one_in, char out[48])
{
	if (one_in > 1)
		snprintf(out, 48, "in windows, 1/%u of the time", one_in);
	else
		snprintf(out, 48, "%s", one_in ? "always on" : "off");
	return out;
}

/* A line for each change, but not for all of many. */
static void say_change(struct budget *b, size_t i, uint64_t now)
{
	char duty[48], rest[48] = "";
	double share, full;
	uint32_t cpu;

	if (now - b->said_ns > 60 * SECOND) {
		b->said_ns = now;
		b->said = 0;
	}
	if (b->said++ >= LINES_A_MINUTE) {
		b->unsaid++;
		return;
	}
	if (b->unsaid)
		snprintf(rest, sizeof(rest), " (%u changes before had no line)",
			 b->unsaid);
	b->unsaid = 0;
	governor_worst(&b->governor, &b->load, &share);
	full = budget_full_cost(b, i, &cpu);
	log_info("budget: %s is %s: always on it takes %.2g %% of the busy time of CPU "
		 "%u; now all take %.2g of %.4g %%%s",
		 probe_descs[i].name,
		 budget_duty_text(b->governor.probes[i].one_in, duty), 100 * full, cpu,
		 100 * share, 100 * b->governor.budget, rest);
}

/* What was decided, for one probe. */
static void apply(struct measure *m, size_t i, uint64_t now)
{
	struct governor_probe *p = &m->budget->governor.probes[i];
	uint32_t cpu;
	int err = measure_set_duty(m, i, p->one_in);

	if (err == -EOPNOTSUPP && p->one_in != 1) {
		p->kind = GOVERN_OFF; /* it is decided again, without windows */
		p->one_in = measure_duty(m, i);
		return;
	}
	if (err) {
		log_warn(err, "budget: probe %s cannot be changed",
			 probe_descs[i].name);
		p->one_in = measure_duty(m, i);
		p->off_ns = now;
		return;
	}
	if (!p->one_in)
		m->budget->took[i] = budget_full_cost(m->budget, i, &cpu);
	say_change(m->budget, i, now);
}

static void decide(struct measure *m, uint64_t now)
{
	struct budget *b = m->budget;
	struct governor *g = &b->governor;
	uint32_t was[PROBE_COUNT];
	unsigned int anew;

	expense_load(&b->expense, &b->load);
	if (measure_is_looked_at(m))
		return; /* all is counted, whatever that costs */
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		look_at_probe(m, i);
		was[i] = g->probes[i].one_in;
	}
	if (m->keeps_links)
		return; /* what costs most would stay: measure_see_links() says so */
	governor_decide(g, &b->load, now, &anew);
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		if (anew & 1U << i)
			expense_forget(&b->expense, i);
		if (g->probes[i].one_in != was[i])
			apply(m, i, now);
	}
}

static void tick(struct measure *m, uint64_t now)
{
	struct budget *b = m->budget;
	struct expense_tick t;
	int err;

	describe_tick(m, (double)(now - b->tick_ns), &t);
	b->tick_ns = now;
	expense_tick(&b->expense, &t);
	err = read_cpus(m, &t);
	if (err && !b->failed)
		log_warn(err, "budget: what probes cost cannot be read: nothing is "
			      "done about it");
	b->failed = err;
	if (err)
		return;
	decide(m, now);
	if (now >= b->calibrate_ns &&
	    (m->probes[PROBE_SYSCALL].state == PROBE_ATTACHED ||
	     m->probes[PROBE_SYSCALL].state == PROBE_OFF))
		calibrate(&m->cells, b, measure_wants_hooks(m, PROBE_SYSCALL));
}

void measure_govern(struct measure *m)
{
	uint64_t now = now_mono_ns();
	struct budget *b = m->budget;

	if (!b)
		return;
	for (size_t i = 0; i < PROBE_COUNT && b->turn_ns; i++)
		if (measure_wants_hooks(m, i))
			b->open_ns[i] += now - b->turn_ns;
	b->turn_ns = now;
	if (!b->tick_ns) { /* what was before is nobody's cost */
		struct expense_tick none = { .ns = 1 };

		b->tick_ns = now;
		if (read_cpus(m, &none))
			b->failed = true;
		return;
	}
	if (now - b->tick_ns >= SECOND / b->hurry)
		tick(m, now);
}
