// SPDX-License-Identifier: Apache-2.0
/* `assay why --format json`: its form is in docs/why.schema.json. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include "base/units.h"
#include "base/util.h"
#include "diagnose/why_items.h"
#include "view/listing.h"
#include "view/report.h"

#define SCHEMA 1

/* The string, or null. */
static json_t *string_json(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *number_json(double n)
{
	return isfinite(n) ? json_real(n) : json_null();
}

static json_t *workload_json(const struct facts *f)
{
	if (!f->resource)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "kind", frame_kind(f->resource), "name",
			 frame_name(f->resource), "cgroup", frame_cgroup(f->resource));
}

static json_t *evidence_json(const struct evidence *e)
{
	json_t *attributes = json_object(), *out;

	if (e->key && e->value)
		json_object_set_new(attributes, e->key, string_json(e->value));
	if (e->key2 && e->value2)
		json_object_set_new(attributes, e->key2, string_json(e->value2));
	out = json_pack(
	    "{s:s, s:o, s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:o}", "metric", e->metric,
	    "attributes", attributes, "stat", e->stat, "label", e->label, "name",
	    string_json(e->name), "unit", e->unit, "value", number_json(e->number),
	    "threshold", number_json(e->threshold), "counts",
	    e->at_most ? "up_to" : "from", "baseline", number_json(e->baseline));
	if (out && e->error > 0 && isfinite(e->error))
		json_object_set_new(out, "relative_standard_error",
				    json_real(e->error));
	return out;
}

static json_t *evidences_json(const struct finding *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->evidence_count; i++)
		json_array_append_new(list, evidence_json(&f->evidence[i]));
	return list;
}

static json_t *ruled_out_json(const struct finding *f)
{
	return json_pack("{s:s, s:s, s:o}", "id", f->rule->id, "what", f->rule->calm,
			 "evidence", evidences_json(f));
}

/* What this one is not: other rules that looked and found nothing. */
static json_t *not_json(const struct why *w, const struct finding *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < RULE_NOT && f->rule->not_[i]; i++) {
		const struct finding *other = why_beside(w, f, f->rule->not_[i]);

		if (other && other->verdict == VERDICT_RULED_OUT)
			json_array_append_new(list, ruled_out_json(other));
	}
	return list;
}

static json_t *peers_json(const struct peer_share *p)
{
	if (!*p->text)
		return json_null();
	return json_pack("{s:s, s:o, s:b, s:f, s:b, s:f, s:f, s:i, s:b}", "text",
			 p->text, "top", string_json(p->top), "stands_out",
			 p->stands_out, "share", p->count / p->all, "each_pass",
			 p->anew, "count", p->count, "of", p->all, "peers",
			 (int)p->peers, "and_others", p->more);
}

static json_t *finding_json(const struct why *w, const struct finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:f, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "id", f->rule->id, "resource", f->rule->resource, "severity",
			 severity_name(f->severity), "score", f->score, "change",
			 change_name(f->change), "workload", workload_json(f->facts),
			 "what", string_json(f->what), "peers", peers_json(&f->peers),
			 "evidence", evidences_json(f), "cause", string_json(f->cause),
			 "not", not_json(w, f), "next", string_json(f->next));
}

static json_t *findings_json(const struct why *w)
{
	json_t *list = json_array();
	const struct finding *f;

	for (size_t i = 0; (f = why_found(w, i)); i++)
		json_array_append_new(list, finding_json(w, f));
	return list;
}

static json_t *all_ruled_out_json(const struct why *w)
{
	json_t *list = json_array();
	const struct finding *f;

	for (size_t i = 0; (f = why_rule(w, i)); i++)
		if (f->verdict == VERDICT_RULED_OUT)
			json_array_append_new(list, ruled_out_json(f));
	return list;
}

/* What could not be judged: no probe, or too few or too noisy numbers. */
static json_t *unknown_json(const struct why *w)
{
	json_t *list = json_array();
	const struct finding *f;

	for (size_t i = 0; (f = why_rule(w, i)); i++)
		if (f->verdict == VERDICT_UNMEASURED ||
		    f->verdict == VERDICT_INCONCLUSIVE)
			json_array_append_new(
			    list,
			    json_pack("{s:s, s:s, s:o}", "id", f->rule->id, "kind",
				      f->verdict == VERDICT_UNMEASURED ? "not_measured"
								       : "too_noisy",
				      "why", string_json(f->what)));
	return list;
}

static json_t *span_json(uint64_t since_ns, uint64_t until_ns, double duration_s)
{
	char since[32], until[32];

	return json_pack("{s:s, s:s, s:f}", "since", units_time(since, since_ns),
			 "until", units_time(until, until_ns), "duration_s",
			 duration_s);
}

/* How far one can look back; null: nobody has looked. */
static json_t *history_json(const struct why *w)
{
	char since[32], until[32];

	if (!w->kept_ns)
		return json_null();
	return json_pack("{s:s, s:s}", "since", units_time(since, w->kept_ns), "until",
			 units_time(until, w->kept_until_ns));
}

static json_t *top_json(const struct why *w)
{
	const struct readings *r = w->readings;

	return json_pack(
	    "{s:i, s:s, s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}",
	    "schema", SCHEMA, "node", report_node(r->now, w->host), "workload",
	    w->workload ? workload_json(&w->workload->now) : json_null(), "looked_at",
	    span_json(w->since_ns, w->until_ns, r->now_s), "source", w->source,
	    "baseline",
	    r->before ? span_json(w->before_since_ns, w->before_until_ns, r->before_s)
		      : json_null(),
	    "history", history_json(w), "overall", overall_name(why_overall(w)), "why",
	    string_json(why_reason(w)), "no_baseline",
	    r->before ? json_null() : string_json(w->no_baseline), "findings",
	    findings_json(w), "ruled_out", all_ruled_out_json(w), "unknown",
	    unknown_json(w));
}

int why_json(const struct why *w, FILE *f)
{
	json_t *top = top_json(w);
	int err;

	if (!top)
		return -ENOMEM;
	err = json_put(top, 12, f);
	json_decref(top);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}
