// SPDX-License-Identifier: Apache-2.0
/* What `assay doctor` says of probes: whether they are there, what they cost and lost.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/units.h"
#include "cmd/doctor_impl.h"
#include "cmd/source.h"
#include "kernel/doctor.h"
#include "kernel/probes.h"
#include "view/cost.h"
#include "view/report.h"
#include "view/status.h"

static const char *attr_or(const struct frame_series *s, const char *key,
			   const char *none)
{
	const char *value = frame_attr(&s->attrs, key);

	return value && *value ? value : none;
}

/* Every probe has a line, and everything that an agent lost. FAIL: none is attached. */
static int say_probes(const struct frame *f, bool from_agent)
{
	unsigned int attached = 0;
	char text[COST_LEN];
	struct cost cost;

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *probe = attr_or(s, "assay.probe", "agent");
		const char *state = attr_or(s, "assay.state", "unknown");
		const char *reason = attr_or(s, "assay.reason", "no reason given");

		if (report_is_workload(s->resource))
			continue;
		if (!strcmp(s->name, "assay.lost")) {
			/* while probes are attached, some first halves are missing */
			if (from_agent && report_has_events(s))
				doctor_say(WARN, "lost", "%s: %.0f %s", probe,
					   report_value(s), reason);
		} else if (strcmp(s->name, "assay.probe.attached")) {
			continue;
		} else if (!strcmp(state, "attached")) {
			cost_get(f, probe, NULL, &cost);
			if (from_agent)
				doctor_say(OK, "probe", "%s: attached; %s", probe,
					   cost_text(text, &cost));
			else
				doctor_say(OK, "probe", "%s: attached", probe);
			attached += probe_measures(probe);
		} else {
			doctor_say(strcmp(state, "disabled") ? WARN : OK, "probe",
				   "%s: %s: %s", probe, state, reason);
		}
	}
	return attached ? 0 : doctor_say(FAIL, "probes", "none is attached");
}

#define NEARLY_FULL 0.9

/* The limit that a series of this usage has; NULL: it is another, or has none. */
static const struct frame_series *limit_of(const struct frame *f,
					   const struct frame_series *s,
					   const char *usage, const char *limit)
{
	struct frame_series of = *s;

	if (strcmp(s->name, usage))
		return NULL;
	of.name = limit;
	return frame_find(f, &of);
}

/* How full each pool is, and what the agent's numbers take of what is planned for them.
 */
static void say_limits(const struct frame *f)
{
	char of_used[UNITS_LEN], of_most[UNITS_LEN];

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const struct frame_series *pool =
		    limit_of(f, s, "assay.pool.usage", "assay.pool.limit");
		const struct frame_series *heap =
		    limit_of(f, s, "assay.heap.usage", "assay.heap.limit");
		double used = report_value(s), most;
		enum verdict level;

		if (!pool && !heap)
			continue;
		most = report_value(pool ? pool : heap);
		level = used >= NEARLY_FULL * most ? WARN : OK;
		if (pool)
			doctor_say(level, "pool", "%s: %.0f of %.0f",
				   attr_or(pool, "assay.pool", "unknown"), used, most);
		else
			doctor_say(level, "heap", "the agent's numbers take %s of %s",
				   units_bytes(of_used, used),
				   units_bytes(of_most, most));
	}
}

/* What a probe costs, and how much of the time it is on for that. */
static void say_costs(const struct source *src)
{
	struct status *s = source_status(src);
	char text[STATUS_TEXT];

	for (size_t i = 0; s && i < s->probe_count; i++) {
		const struct status_probe *p = &s->probes[i];

		status_cost(s, p, text, sizeof(text));
		if (*text)
			doctor_say(p->duty < 1 ? WARN : OK, "budget", "%s: %s", p->name,
				   text);
	}
	free(s);
}

int doctor_check_probes(const struct options *o)
{
	enum log_level level = log_get_level();
	struct source src = { .o = o };
	struct frame *frame;
	char cause[512];
	bool able = doctor_require(cause, sizeof(cause)) == 0;
	int err;

	log_set_level(LOG_LEVEL_ERROR); /* the lines below say it */
	err = source_read(&src, able, &frame, cause, sizeof(cause));
	source_close(&src);
	log_set_level(level);
	if (err && !able)
		return doctor_say(FAIL, "probes", "not loaded, for the reasons above");
	if (err)
		return doctor_say(FAIL, "probes", "%s", cause);
	doctor_say(OK, "agent",
		   src.from_agent
		       ? "one answers at %s"
		       : "none answers at %s: probes were loaded for this check",
		   o->socket);
	err = say_probes(frame, src.from_agent);
	say_costs(&src);
	say_limits(frame);
	frame_free(frame);
	return err;
}
