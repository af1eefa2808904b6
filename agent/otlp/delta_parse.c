// SPDX-License-Identifier: Apache-2.0
/*
 * What a batch has, without making anything of it. The numbers are those of the fields
 * in proto/.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum_impl.h"
#include "otlp/frame_impl.h"
#include "otlp/otlp_pb.h"

#define MET_MAX	 (4UL << 20) /* points of a batch */
#define TEXT_MAX 128	     /* of an error */

enum { SKIPPED = 1 };

/* The content of the field with this tag; the last one, if there are more. */
static int find(struct scan in, uint64_t tag, struct scan *out)
{
	struct scan_field f = { 0 };
	int rc;

	*out = (struct scan){ in.end, in.end };
	while ((rc = scan_next(&in, &f)) > 0)
		if (f.tag == tag)
			*out = f.in;
	return rc;
}

/* Is it the attribute that says how far off a point may be? Its key comes first. */
static bool is_error(struct scan attr)
{
	static const char key[] = METRIC_ERROR_KEY;
	size_t len = sizeof(key) - 1;

	return scan_length(attr) > len + 2 && attr.at[0] == SCAN_TAG(1, SCAN_BYTES) &&
	       attr.at[1] == len && !memcmp(attr.at + 2, key, len);
}

static int take_error(struct delta_sum *s, struct scan attr, struct met *m)
{
	struct metric_error *e = arena_get(&s->scratch, sizeof(*e));
	char text[TEXT_MAX] = "";
	struct scan value, in;

	if (!e)
		return -ENOMEM;
	if (find(attr, SCAN_TAG(2, SCAN_BYTES), &value) ||
	    find(value, SCAN_TAG(1, SCAN_BYTES), &in) ||
	    scan_length(in) >= sizeof(text))
		return -EINVAL;
	memcpy(text, in.at, scan_length(in));
	m->error = e;
	return frame_read_error(text, true, e);
}

/* One more attribute, from `begin` on; they mostly stand together. */
static int take_attr(struct delta_sum *s, const uint8_t *begin, struct scan attr,
		     struct met *m, struct scan *raw)
{
	size_t len = scan_length(*raw), more = (size_t)(attr.end - begin);
	uint8_t *both;

	if (is_error(attr))
		return take_error(s, attr, m);
	if (!len)
		raw->at = begin;
	if (!len || raw->end == begin) {
		raw->end = attr.end;
		return 0;
	}
	both = arena_get(&s->scratch, len + more);
	if (!both)
		return -ENOMEM;
	memcpy(both, raw->at, len);
	memcpy(both + len, begin, more);
	*raw = (struct scan){ both, both + len + more };
	return 0;
}

/* SKIPPED: it says no more than that its series has ended. */
static int parse_number(struct delta_sum *s, struct scan in, struct met *m,
			struct scan *raw, bool *real)
{
	const uint8_t *begin = in.at;
	struct scan_field f = { 0 };
	bool has = false;
	int rc, err = 0;

	for (; (rc = scan_next(&in, &f)) > 0 && !err; begin = in.at)
		switch (f.tag) {
		case SCAN_TAG(2, SCAN_64):
			m->start_ns = f.value;
			break;
		case SCAN_TAG(3, SCAN_64):
			m->time_ns = f.value;
			break;
		case SCAN_TAG(4, SCAN_64):
		case SCAN_TAG(6, SCAN_64):
			m->i = f.value; /* or d: they are one */
			*real = f.tag == SCAN_TAG(4, SCAN_64);
			has = true;
			break;
		case SCAN_TAG(7, SCAN_BYTES):
			err = take_attr(s, begin, f.in, m, raw);
			break;
		case SCAN_TAG(8, SCAN_VARINT):
			if (f.value & FRAME_NO_VALUE)
				return SKIPPED;
			break;
		}
	if (rc < 0 || err)
		return err ?: rc;
	return has && (!*real || isfinite(m->d)) ? 0 : -EINVAL;
}

static int parse_hist(struct delta_sum *s, struct scan in, struct met *m,
		      struct scan *raw, bool *real)
{
	const uint8_t *begin = in.at;
	struct delta_shape h = { 0 };
	struct scan_field f = { 0 };
	int rc, err = 0;

	for (; (rc = scan_next(&in, &f)) > 0 && !err; begin = in.at)
		switch (f.tag) {
		case SCAN_TAG(1, SCAN_BYTES):
			err = take_attr(s, begin, f.in, m, raw);
			break;
		case SCAN_TAG(2, SCAN_64):
			m->start_ns = f.value;
			break;
		case SCAN_TAG(3, SCAN_64):
			m->time_ns = f.value;
			break;
		case SCAN_TAG(4, SCAN_64):
			h.count = f.value;
			break;
		case SCAN_TAG(5, SCAN_64):
			h.sum = scan_double(f.value);
			break;
		case SCAN_TAG(6, SCAN_VARINT):
			h.scale = f.value;
			break;
		case SCAN_TAG(7, SCAN_64):
			m->zero = f.value;
			break;
		case SCAN_TAG(8, SCAN_BYTES):
			m->buckets = f.in;
			break;
		case SCAN_TAG(9, SCAN_BYTES):
			h.negative = f.in;
			break;
		case SCAN_TAG(10, SCAN_VARINT):
			if (f.value & FRAME_NO_VALUE)
				return SKIPPED;
			break;
		case SCAN_TAG(14, SCAN_64):
			h.threshold = scan_double(f.value);
			break;
		}
	*real = false;
	return err ?: rc ?: delta_check_hist(s->use, &h, m);
}

static struct met *new_met(struct delta_sum *s)
{
	size_t room = s->met_room ? 2 * s->met_room : 256;
	struct met *p;

	if (s->met_count == s->met_room) {
		p = room > MET_MAX ? NULL : reallocarray(s->met, room, sizeof(*p));
		if (!p)
			return NULL;
		s->met = p;
		s->met_room = room;
	}
	p = &s->met[s->met_count];
	*p = (struct met){ 0 };
	return p;
}

static int no_room(const struct delta_sum *s)
{
	return 2 * s->met_room > MET_MAX ? -EMSGSIZE : -ENOMEM;
}

/* Is it the series that comes next? */
static bool parse_next(const struct delta_sum *s, struct scan in,
		       struct sum_metric *metric, struct met *m)
{
	struct sum_series *t = metric->at ? metric->at : metric->first;

	if (!t ||
	    !(metric->kind == METRIC_HISTOGRAM ? delta_expected_hist(s->use, in, t, m)
					       : delta_expected_number(in, t, m)))
		return false;
	m->series = t;
	metric->at = t->next;
	return true;
}

static int parse_point(struct delta_sum *s, struct scan in, struct sum_resource *r,
		       struct sum_metric *metric)
{
	struct met *m = new_met(s);
	struct scan raw = { 0 };
	bool real = false;
	int err;

	if (!m)
		return no_room(s);
	if (parse_next(s, in, metric, m)) {
		m->resource = r;
		s->met_count++;
		return 0;
	}
	*m = (struct met){ 0 };
	err = (metric->kind == METRIC_HISTOGRAM ? parse_hist
						: parse_number)(s, in, m, &raw, &real);
	if (err)
		return err == SKIPPED ? 0 : err;
	m->resource = r;
	err = delta_find_series(s, r, metric, raw, real, &m->series);
	s->met_count += !err;
	return err;
}

/* What a metric is, but for its points. */
struct header {
	struct scan name, unit, data;
	uint64_t tag; /* of its data: a gauge, a sum or a histogram */
	enum metric_kind kind;
	bool delta;
};

#define GAUGE	  SCAN_TAG(5, SCAN_BYTES)
#define SUM	  SCAN_TAG(7, SCAN_BYTES)
#define HISTOGRAM SCAN_TAG(10, SCAN_BYTES)

static int parse_header(struct scan in, struct header *h)
{
	struct scan_field f = { 0 };
	bool monotonic = false;
	int rc;

	*h = (struct header){ 0 };
	while ((rc = scan_next(&in, &f)) > 0) {
		if (f.tag == SCAN_TAG(1, SCAN_BYTES))
			h->name = f.in;
		else if (f.tag == SCAN_TAG(3, SCAN_BYTES))
			h->unit = f.in;
		else if (f.tag == GAUGE || f.tag == SUM || f.tag == HISTOGRAM)
			h->data = f.in, h->tag = f.tag;
	}
	for (in = h->data; !rc && (rc = scan_next(&in, &f)) > 0; rc = 0) {
		if (f.tag == SCAN_TAG(2, SCAN_VARINT))
			h->delta = f.value == PB_DELTA;
		else if (f.tag == SCAN_TAG(3, SCAN_VARINT))
			monotonic = f.value;
	}
	h->kind = h->tag == HISTOGRAM ? METRIC_HISTOGRAM
		  : h->tag == GAUGE   ? METRIC_GAUGE
		  : monotonic	      ? METRIC_SUM
				      : METRIC_UPDOWN;
	return rc;
}

/* A text may be missing: it is empty then. */
static bool is_text(struct scan a, const char *text)
{
	size_t len = strlen(text);

	return scan_length(a) == len && (!len || !memcmp(a.at, text, len));
}

static bool is_wanted(const struct delta_sum *s, struct scan name)
{
	for (const char *const *want = s->only; want && *want; want++)
		if (is_text(name, *want))
			return true;
	return !s->only;
}

/* What is taken of a resource. */
enum choice {
	WANTED,	   /* all metrics that s->only has */
	ONE_STATE, /* one of the others that says how things stand */
	ONE,	   /* one, whichever */
};

static bool is_chosen(const struct delta_sum *s, const struct header *h,
		      enum choice choice)
{
	if (choice == ONE)
		return true;
	if (choice == WANTED)
		return is_wanted(s, h->name);
	return (h->kind == METRIC_GAUGE || h->kind == METRIC_UPDOWN) &&
	       !is_wanted(s, h->name);
}

static int parse_metric(struct delta_sum *s, struct scan in, struct sum_resource *r,
			enum choice choice)
{
	struct sum_metric *metric = NULL;
	struct scan_field f = { 0 };
	struct header h;
	int rc = parse_header(in, &h);
	bool sums = h.kind == METRIC_HISTOGRAM || h.kind == METRIC_SUM;

	if (rc || !h.tag || !is_chosen(s, &h, choice) || (s->before && sums))
		return rc;
	while ((rc = scan_next(&h.data, &f)) > 0) {
		if (f.tag != SCAN_TAG(1, SCAN_BYTES))
			continue;
		if (h.kind != METRIC_GAUGE && h.delta != sums)
			return -EINVAL;
		if (!metric)
			rc = delta_find_metric(s, r, h.name, h.unit, h.kind, &metric);
		if (rc >= 0 && metric)
			rc = parse_point(s, f.in, r, metric);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* Of one: no more than the first of which anything is told. */
static int parse_scope(struct delta_sum *s, struct scan in, struct sum_resource *r,
		       enum choice choice)
{
	size_t before = s->met_count;
	struct scan_field f = { 0 };
	int rc, err = 0;

	while (!err && (rc = scan_next(&in, &f)) > 0) {
		if (f.tag == SCAN_TAG(2, SCAN_BYTES))
			err = parse_metric(s, f.in, r, choice);
		if (choice != WANTED && s->met_count > before)
			return err;
	}
	return err ?: rc;
}

static int parse_scopes(struct delta_sum *s, struct scan in, struct sum_resource *r,
			enum choice choice)
{
	struct scan_field f = { 0 };
	int rc, err = 0;

	while (!err && (rc = scan_next(&in, &f)) > 0)
		if (f.tag == SCAN_TAG(2, SCAN_BYTES))
			err = parse_scope(s, f.in, r, choice);
	return err ?: rc;
}

static int parse_resource(struct delta_sum *s, struct scan in)
{
	struct sum_resource *r;
	struct met *met;
	struct scan raw;
	size_t before;
	int rc = find(in, SCAN_TAG(1, SCAN_BYTES), &raw), err = 0;

	if (rc)
		return rc;
	err = delta_find_resource(s, raw, &r);
	if (err || (s->before && r->seen > s->since))
		return err; /* how it stood is known */
	met = new_met(s);   /* also of one that has no point: it was looked at */
	if (!met)
		return no_room(s);
	met->resource = r;
	before = ++s->met_count;
	err = parse_scopes(s, in, r, WANTED);
	/* who is there is seen by some other metric, then, also in the steps after it
	 */
	if (!err && s->only)
		err = parse_scopes(s, in, r, ONE_STATE);
	if (!err && s->only && s->met_count == before)
		err = parse_scopes(s, in, r, ONE);
	return err;
}

int delta_parse(struct delta_sum *s, struct scan in)
{
	struct scan_field f = { 0 };
	int rc, err = 0;

	s->met_count = 0;
	arena_reset(&s->scratch);
	while (!err && (rc = scan_next(&in, &f)) > 0)
		if (f.tag == SCAN_TAG(1, SCAN_BYTES))
			err = parse_resource(s, f.in);
	return err ?: rc;
}
