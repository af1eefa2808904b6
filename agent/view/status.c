// SPDX-License-Identifier: Apache-2.0
/* The document of a status: written by the agent, read by `assay status`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "view/status.h"

#define SCHEMA	    1
#define SECONDS_MAX 1e12 /* 30,000 years: what is more nobody has measured */

/*
 * Any text of the agent's, as UTF-8; what is empty is null. Text that is UTF-8 stays as
 * it is, also where it looks escaped: a status that was read can be told on.
 */
static json_t *text_json(const char *s)
{
	char out[4 * STATUS_TEXT + 1];

	if (!*s)
		return json_null();
	if (text_is_utf8(s))
		return json_string(s);
	text_escape(out, s);
	return json_string(out);
}

/* Seconds, to the millisecond; what never was is null. */
static json_t *seconds_json(double s)
{
	return s < 0 ? json_null()
		     : json_real((double)(int64_t)(s * 1000 + 0.5) / 1000);
}

/* What is known only where costs are measured. */
static json_t *share_json(const struct status *s, double share)
{
	return s->governed ? json_real(share) : json_null();
}

static json_t *budget_json(const struct status *s)
{
	if (!s->governed)
		return json_null();
	return json_pack(
	    "{s:o, s:o}", "share", s->budget > 0 ? json_real(s->budget) : json_null(),
	    "worst_cpu", s->worst_cpu >= 0 ? json_integer(s->worst_cpu) : json_null());
}

static json_t *probes_json(const struct status *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->probe_count; i++) {
		const struct status_probe *p = &s->probes[i];

		json_array_append_new(
		    list,
		    json_pack(
			"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			p->name, "state", p->state, "reason", text_json(p->reason),
			"duty", share_json(s, p->duty), "cost", share_json(s, p->cost),
			"full_cost", share_json(s, p->full_cost), "node_cost",
			share_json(s, p->node_cost), "run_ns", share_json(s, p->run_ns),
			"hook_ns", share_json(s, p->hook_ns)));
	}
	return list;
}

static json_t *lost_json(const struct status *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->lost_count; i++) {
		const struct status_loss *l = &s->lost[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "probe",
						      l->probe, "reason", l->reason,
						      "count", (json_int_t)l->count,
						      "lately", (json_int_t)l->lately));
	}
	return json_pack("{s:o, s:o}", "window_s", seconds_json(s->lost_window_s),
			 "events", list);
}

static json_t *export_json(const struct status_export *e)
{
	if (!e->on)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "to", text_json(e->to),
			 "interval_s", seconds_json(e->interval_s), "arrived_s",
			 seconds_json(e->arrived_s), "failing_s",
			 seconds_json(e->failing_s), "error", text_json(e->error),
			 "points", (json_int_t)e->points, "failed_points",
			 (json_int_t)e->failed_points);
}

static json_t *history_json(const struct status_history *h)
{
	if (!h->on)
		return json_null();
	return json_pack("{s:o, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "path",
			 text_json(h->path), "is_kept", h->is_kept, "error",
			 text_json(h->error), "back_s", seconds_json(h->back_s),
			 "bytes", (json_int_t)h->bytes, "limit", (json_int_t)h->limit,
			 "kept", (json_int_t)h->kept, "late", (json_int_t)h->late,
			 "lost", (json_int_t)h->lost);
}

static json_t *memory_json(const struct status_memory *m)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "limit", (json_int_t)m->limit,
			 "planned", (json_int_t)m->planned, "kernel",
			 (json_int_t)m->kernel, "agent", (json_int_t)m->agent,
			 "agent_used", (json_int_t)m->agent_used);
}

json_t *status_json(const struct status *s)
{
	return json_pack(
	    "{s:i, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
	    "s:o}",
	    "schema", SCHEMA, "version", s->version, "pid", s->pid, "state",
	    s->waits ? "waiting" : "measuring", "holder",
	    s->waits ? json_integer(s->holder) : json_null(), "uptime_s",
	    seconds_json(s->uptime_s), "state_s", seconds_json(s->state_s), "read_s",
	    seconds_json(s->read_s), "snapshot_interval_s",
	    seconds_json(s->snapshot_interval_s), "probes", probes_json(s), "budget",
	    budget_json(s), "export", export_json(&s->export), "lost", lost_json(s),
	    "memory", memory_json(&s->memory), "history", history_json(&s->history));
}

int status_encode(const struct status *s, uint8_t **bytes, size_t *len)
{
	json_t *j = status_json(s);
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

	json_decref(j);
	if (!text)
		return -ENOMEM;
	*bytes = (uint8_t *)text;
	*len = strlen(text);
	return 0;
}

/* A text for people; null, or what is no text: "". */
static void read_text(const json_t *j, const char *key, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(j, key));

	text_copy(out, size, s ? s : "", size);
}

static double read_seconds(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);
	double s = json_is_number(v) ? json_number_value(v) : STATUS_NEVER;

	return s >= 0 && s < SECONDS_MAX ? s : STATUS_NEVER;
}

static uint64_t read_count(const json_t *j, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(j, key));

	return n > 0 ? n : 0;
}

/* A share or a cost; what is none, or below 0: 0. */
static double read_real(const json_t *j, const char *key)
{
	double v = json_number_value(json_object_get(j, key));

	return v > 0 && v < SECONDS_MAX ? v : 0;
}

static void read_budget(const json_t *j, struct status *s)
{
	const json_t *cpu = json_object_get(j, "worst_cpu");
	json_int_t n = json_integer_value(cpu);

	s->governed = json_is_object(j);
	s->budget = read_real(j, "share");
	if (s->governed)
		s->worst_cpu = json_is_integer(cpu) && n >= 0 && n < 1 << 20
				   ? (int)n
				   : STATUS_NO_CPU;
}

static void read_probes(const json_t *list, struct status *s)
{
	for (size_t i = 0; i < json_array_size(list) && i < STATUS_PROBES; i++) {
		const json_t *j = json_array_get(list, i);
		struct status_probe *p = &s->probes[s->probe_count++];

		read_text(j, "name", p->name, sizeof(p->name));
		read_text(j, "state", p->state, sizeof(p->state));
		read_text(j, "reason", p->reason, sizeof(p->reason));
		p->duty = read_real(j, "duty");
		p->cost = read_real(j, "cost");
		p->full_cost = read_real(j, "full_cost");
		p->node_cost = read_real(j, "node_cost");
		p->run_ns = read_real(j, "run_ns");
		p->hook_ns = read_real(j, "hook_ns");
	}
}

static void read_lost(const json_t *j, struct status *s)
{
	const json_t *list = json_object_get(j, "events");

	s->lost_window_s = read_seconds(j, "window_s");
	for (size_t i = 0; i < json_array_size(list) && i < STATUS_LOSSES; i++) {
		const json_t *event = json_array_get(list, i);
		struct status_loss *l = &s->lost[s->lost_count++];

		read_text(event, "probe", l->probe, sizeof(l->probe));
		read_text(event, "reason", l->reason, sizeof(l->reason));
		l->count = read_count(event, "count");
		l->lately = read_count(event, "lately");
	}
}

static void read_export(const json_t *j, struct status_export *e)
{
	e->on = json_is_object(j);
	read_text(j, "to", e->to, sizeof(e->to));
	e->interval_s = read_seconds(j, "interval_s");
	e->arrived_s = read_seconds(j, "arrived_s");
	e->failing_s = read_seconds(j, "failing_s");
	read_text(j, "error", e->error, sizeof(e->error));
	e->points = read_count(j, "points");
	e->failed_points = read_count(j, "failed_points");
}

static void read_history(const json_t *j, struct status_history *h)
{
	h->on = json_is_object(j);
	h->is_kept = json_is_true(json_object_get(j, "is_kept"));
	read_text(j, "path", h->path, sizeof(h->path));
	read_text(j, "error", h->error, sizeof(h->error));
	h->back_s = read_seconds(j, "back_s");
	h->bytes = read_count(j, "bytes");
	h->limit = read_count(j, "limit");
	h->kept = read_count(j, "kept");
	h->late = read_count(j, "late");
	h->lost = read_count(j, "lost");
}

static void read_all(const json_t *j, struct status *s)
{
	const json_t *memory = json_object_get(j, "memory");

	read_text(j, "version", s->version, sizeof(s->version));
	s->pid = (int)read_count(j, "pid");
	s->holder = (uint32_t)read_count(j, "holder");
	s->uptime_s = read_seconds(j, "uptime_s");
	s->state_s = read_seconds(j, "state_s");
	s->read_s = read_seconds(j, "read_s");
	s->snapshot_interval_s = read_seconds(j, "snapshot_interval_s");
	read_probes(json_object_get(j, "probes"), s);
	read_budget(json_object_get(j, "budget"), s);
	read_export(json_object_get(j, "export"), &s->export);
	read_history(json_object_get(j, "history"), &s->history);
	read_lost(json_object_get(j, "lost"), s);
	s->memory = (struct status_memory){
		.limit = read_count(memory, "limit"),
		.planned = read_count(memory, "planned"),
		.kernel = read_count(memory, "kernel"),
		.agent = read_count(memory, "agent"),
		.agent_used = read_count(memory, "agent_used"),
	};
}

int status_decode(const uint8_t *bytes, size_t len, struct status *s)
{
	json_t *j = json_loadb((const char *)bytes, len, 0, NULL);
	const char *state = json_string_value(json_object_get(j, "state"));
	int err = 0;

	memset(s, 0, sizeof(*s));
	if (json_integer_value(json_object_get(j, "schema")) != SCHEMA || !state ||
	    (strcmp(state, "waiting") && strcmp(state, "measuring")))
		err = -EINVAL;
	if (!err) {
		s->waits = !strcmp(state, "waiting");
		read_all(j, s);
	}
	json_decref(j);
	return err;
}
