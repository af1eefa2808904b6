// SPDX-License-Identifier: Apache-2.0
/* Points to bytes: what stands in them. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"
#include "encode.h"
#include "full_hist.h"
#include "some_points.h"

static const struct metric wait = { "test.wait", "s", "A wait.", METRIC_HISTOGRAM,
				    .attrs = { "cause" } };
static const struct metric seconds = { "test.time", "s", "Time.", METRIC_SUM,
				       .real = true };
static const struct metric level = { "test.level", "1", "Level.", METRIC_GAUGE,
				     .real = true };

static void add_hist(struct point_group *g, const struct hist *h, const char *cause)
{
	struct point *pt = points_add(g, &wait);

	pt->hist = sparse_of(h);
	pt->start_ns = START;
	pt->values[0] = cause;
}

/* One request with all points, decoded; the caller frees it. */
static struct pb_request *encode_one(const struct points *p)
{
	struct pb_request *r;
	uint8_t *bytes;
	size_t len;

	assert_int_equal(encode_all(p, &bytes, &len), 0);
	r = pb_request_unpack(NULL, len, bytes);
	assert_non_null(r);
	free(bytes);
	return r;
}

static const struct pb_metric *metric_at(const struct pb_request *r, size_t resource,
					 size_t i)
{
	assert_true(resource < r->n_resource_metrics);
	assert_int_equal(r->resource_metrics[resource]->n_scope_metrics, 1);
	assert_true(i < r->resource_metrics[resource]->scope_metrics[0]->n_metrics);
	return r->resource_metrics[resource]->scope_metrics[0]->metrics[i];
}

/* Encodes a histogram, checks what holds for each, and returns the request. */
static struct pb_request *encode_hist(const struct hist *h)
{
	struct points p = { .time_ns = TIME };
	const struct pb_hist_point *d;
	struct pb_request *r;
	uint64_t n;

	add_hist(add_group(&p, "a"), h, "contention");
	r = encode_one(&p);
	points_fini(&p);
	d = metric_at(r, 0, 0)->exponential_histogram->data_points[0];
	n = d->zero_count;
	for (size_t i = 0; d->positive && i < d->positive->n_bucket_counts; i++)
		n += d->positive->bucket_counts[i];
	assert_int_equal(n, d->count);
	assert_int_equal(d->scale, 3);
	assert_true(d->zero_threshold == ldexp(1, -20));
	assert_null(d->negative);
	assert_int_equal(d->sum_present_case, PB_SUM_IS_PRESENT);
	assert_int_equal(d->start_time_unix_nano, START);
	assert_int_equal(d->time_unix_nano, TIME);
	return r;
}

static const struct pb_hist_point *hist_of(const struct pb_request *r)
{
	return metric_at(r, 0, 0)->exponential_histogram->data_points[0];
}

static void a_histogram_is_trimmed_to_the_buckets_in_use(void **state)
{
	struct hist h = { .sum_ns = 1500000000 };
	struct pb_request *r;
	const struct pb_buckets *b;

	h.buckets[0] = 5;
	h.buckets[17] = 3;
	h.buckets[20] = 1;
	r = encode_hist(&h);
	assert_int_equal(hist_of(r)->count, 9);
	assert_int_equal(hist_of(r)->zero_count, 5);
	assert_true(hist_of(r)->sum == 1.5);
	b = hist_of(r)->positive;
	assert_int_equal(b->offset, 17 - 1 + BUCKET_OTLP_MIN);
	assert_int_equal(b->n_bucket_counts, 4);
	assert_int_equal(b->bucket_counts[0], 3);
	assert_int_equal(b->bucket_counts[1], 0);
	assert_int_equal(b->bucket_counts[2], 0);
	assert_int_equal(b->bucket_counts[3], 1);
	pb_request_free(r, NULL);
}

/* The bucket of a value, as OTLP has it: base^i < x <= base^(i+1). */
static void an_offset_means_the_seconds_that_were_counted(void **state)
{
	static const uint64_t ns[] = { 1000,	1500,	   20000000,	123456789,
				       7777777, 999999999, 100000000000 };

	for (size_t i = 0; i < COUNT(ns); i++) {
		struct hist h = { 0 };
		struct pb_request *r;
		double low, high, s = ns[i] / 1e9;

		h.buckets[bucket_of(ns[i])] = 1;
		r = encode_hist(&h);
		low = exp2(hist_of(r)->positive->offset / 8.0);
		high = exp2((hist_of(r)->positive->offset + 1) / 8.0);
		assert_true(low < s && s <= high);
		pb_request_free(r, NULL);
	}
}

static void the_ends_of_the_range_are_kept(void **state)
{
	struct hist h = { 0 };
	struct pb_request *r = encode_hist(&h);

	assert_null(hist_of(r)->positive);
	assert_int_equal(hist_of(r)->count, 0);
	pb_request_free(r, NULL);

	h.buckets[1] = 1;
	h.buckets[BUCKET_COUNT - 1] = UINT32_MAX + 7ULL;
	r = encode_hist(&h);
	assert_int_equal(hist_of(r)->positive->offset, -160);
	assert_int_equal(hist_of(r)->positive->n_bucket_counts, BUCKET_COUNT - 1);
	assert_int_equal(hist_of(r)->positive->bucket_counts[BUCKET_COUNT - 2],
			 UINT32_MAX + 7ULL);
	pb_request_free(r, NULL);
}

static void random_histograms_keep_count_and_buckets(void **state)
{
	unsigned int seed = 1;

	for (int i = 0; i < 500; i++) {
		struct hist h = { 0 };
		uint64_t want = 0;
		struct pb_request *r;

		for (int n = rand_r(&seed) % 30; n > 0; n--)
			h.buckets[rand_r(&seed) % BUCKET_COUNT] += rand_r(&seed);
		for (size_t k = 0; k < BUCKET_COUNT; k++)
			want += h.buckets[k];
		r = encode_hist(&h);
		assert_int_equal(hist_of(r)->count, want);
		for (size_t k = 1; k < BUCKET_COUNT; k++) {
			const struct pb_buckets *b = hist_of(r)->positive;
			long at = b ? (long)k - 161 - b->offset : -1;
			bool in = b && at >= 0 && at < (long)b->n_bucket_counts;

			assert_int_equal(in ? b->bucket_counts[at] : 0, h.buckets[k]);
		}
		pb_request_free(r, NULL);
	}
}

static void the_points_of_a_metric_stand_in_one_metric(void **state)
{
	struct points p = { .time_ns = TIME };
	struct point_group *g = add_group(&p, "a");
	const struct pb_metric *m;
	struct pb_request *r;

	add_count(g, &calls, 1, "file");
	points_add(g, &seconds)->d = 0.25;
	add_count(g, &calls, 2, "socket")->values[1] = "EPIPE";
	add_count(g, &open_now, 3, NULL);
	points_add(g, &level)->d = 0.5;
	add_group(&p, "a resource without points");
	r = encode_one(&p);
	assert_int_equal(r->n_resource_metrics, 1);
	assert_int_equal(r->resource_metrics[0]->scope_metrics[0]->n_metrics, 4);
	m = metric_at(r, 0, 0);
	assert_string_equal(m->name, "test.calls");
	assert_string_equal(m->unit, "{call}");
	assert_true(m->sum->is_monotonic);
	assert_int_equal(m->sum->aggregation_temporality, PB_CUMULATIVE);
	assert_int_equal(m->sum->n_data_points, 2);
	assert_int_equal(m->sum->data_points[1]->as_int, 2);
	assert_int_equal(m->sum->data_points[1]->n_attributes, 2);
	assert_string_equal(m->sum->data_points[1]->attributes[1]->value->string_value,
			    "EPIPE");
	assert_int_equal(m->sum->data_points[0]->n_attributes, 1);
	assert_true(metric_at(r, 0, 1)->sum->data_points[0]->as_double == 0.25);
	assert_false(metric_at(r, 0, 2)->sum->is_monotonic);
	m = metric_at(r, 0, 3);
	assert_int_equal(m->data_case, PB_DATA(GAUGE));
	assert_int_equal(m->gauge->data_points[0]->start_time_unix_nano, 0);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void what_has_a_successor_is_told_of_an_earlier_time(void **state)
{
	struct points p = { .time_ns = TIME };
	struct point_group *g = add_group(&p, "a");
	const struct pb_number *d;
	struct pb_request *r;

	g->earlier_ns = 3000000;
	add_count(g, &calls, 1, "file");
	add_count(g, &calls, 1, "late")->start_ns = TIME;
	add_count(add_group(&p, "b"), &calls, 1, "file");
	r = encode_one(&p);
	d = metric_at(r, 0, 0)->sum->data_points[0];
	assert_int_equal(d->time_unix_nano, TIME - 3000000);
	assert_int_equal(d->start_time_unix_nano, START);
	d = metric_at(r, 0, 0)->sum->data_points[1];
	assert_true(d->start_time_unix_nano < d->time_unix_nano);
	d = metric_at(r, 1, 0)->sum->data_points[0];
	assert_int_equal(d->time_unix_nano, TIME);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void a_resource_has_texts_numbers_and_lists(void **state)
{
	struct points p = { .time_ns = TIME };
	struct point_group *g = add_group(&p, "a");
	struct pb_key_value **attrs;
	struct pb_request *r;

	points_attr_number(g, "restarts", -3);
	points_attr_list(g, "tags", "1.2");
	points_attr_list(g, "none", "");
	points_attr(g, "text", points_text(g, "%s-%d", "n", 7));
	add_count(g, &calls, 1, "file");
	r = encode_one(&p);
	assert_int_equal(r->resource_metrics[0]->resource->n_attributes, 5);
	attrs = r->resource_metrics[0]->resource->attributes;
	assert_int_equal(attrs[2]->value->value_case, PB_VALUE(INT_VALUE));
	assert_int_equal(attrs[2]->value->int_value, -3);
	assert_int_equal(attrs[3]->value->value_case, PB_VALUE(ARRAY_VALUE));
	assert_int_equal(attrs[3]->value->array_value->n_values, 1);
	assert_string_equal(attrs[3]->value->array_value->values[0]->string_value,
			    "1.2");
	assert_string_equal(attrs[4]->value->string_value, "n-7");
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void scope_and_schema_are_named(void **state)
{
	struct points p = { .time_ns = TIME };
	const struct pb_scope_metrics *s;
	struct pb_request *r;

	add_count(add_group(&p, "a"), &calls, 1, "file");
	r = encode_one(&p);
	s = r->resource_metrics[0]->scope_metrics[0];
	assert_string_equal(s->scope->name, "assay");
	assert_string_equal(s->scope->version, ASSAY_VERSION);
	assert_string_equal(s->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(r->resource_metrics[0]->schema_url, OTLP_SCHEMA_URL);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void overflow_marks_every_point(void **state)
{
	struct points p = { .time_ns = TIME };
	struct point_group *g = add_group(&p, "a");
	const struct pb_number *d;
	struct hist h = { 0 };
	struct pb_request *r;

	g->overflow = true;
	add_count(g, &calls, 1, "file");
	add_hist(g, &h, NULL);
	r = encode_one(&p);
	d = metric_at(r, 0, 0)->sum->data_points[0];
	assert_int_equal(d->n_attributes, 2);
	assert_string_equal(d->attributes[1]->key, "otel.metric.overflow");
	assert_int_equal(d->attributes[1]->value->value_case, PB_VALUE(BOOL_VALUE));
	assert_true(d->attributes[1]->value->bool_value);
	assert_int_equal(
	    metric_at(r, 0, 1)->exponential_histogram->data_points[0]->n_attributes, 1);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void a_point_never_ends_before_it_starts(void **state)
{
	struct points p = { .time_ns = START - 1 };
	const struct pb_number *d;
	struct pb_request *r;

	add_count(add_group(&p, "a"), &calls, 1, "file");
	r = encode_one(&p);
	d = metric_at(r, 0, 0)->sum->data_points[0];
	assert_int_equal(d->time_unix_nano, START - 1);
	assert_int_equal(d->start_time_unix_nano, START - 2);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void what_has_ended_has_a_flag_and_no_value(void **state)
{
	struct hist h = { .sum_ns = 5, .buckets = { 1, 2, [100] = 3 } };
	struct points p = { .time_ns = TIME };
	struct point_group *g = add_group(&p, "a");
	const struct pb_hist_point *hp;
	const struct pb_number *d;
	struct pb_request *r;

	add_count(g, &calls, 7, "file");
	add_count(g, &calls, 8, "socket");
	g->points[1].ended = true;
	add_count(g, &level, 0, NULL)->ended = true;
	add_hist(g, &h, "contention");
	g->points[3].ended = true;
	r = encode_one(&p);
	d = metric_at(r, 0, 0)->sum->data_points[0];
	assert_int_equal(d->flags, 0);
	assert_int_equal(d->as_int, 7);
	d = metric_at(r, 0, 0)->sum->data_points[1];
	assert_int_equal(d->flags, 1);
	assert_int_equal(d->value_case, 0);
	assert_int_equal(d->start_time_unix_nano, START);
	assert_int_equal(d->time_unix_nano, TIME);
	assert_string_equal(d->attributes[0]->value->string_value, "socket");
	d = metric_at(r, 0, 1)->gauge->data_points[0];
	assert_int_equal(d->flags, 1);
	assert_int_equal(d->value_case, 0);
	hp = metric_at(r, 0, 2)->exponential_histogram->data_points[0];
	assert_int_equal(hp->flags, 1);
	assert_int_equal(hp->count + hp->zero_count, 0);
	assert_int_equal(hp->sum_present_case, 0);
	assert_null(hp->positive);
	assert_int_equal(hp->start_time_unix_nano, START);
	assert_int_equal(hp->n_attributes, 1);
	pb_request_free(r, NULL);
	points_fini(&p);
}

static void names_that_are_no_utf8_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "a\xff"
		  "b",
		  "a\\xffb" },
		{ "cut\xe2\x82", "cut\\xe2\\x82" },
		{ "\xc0\xaf", "\\xc0\\xaf" },			/* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct points p = { .time_ns = TIME };
		struct pb_request *r;

		add_count(add_group(&p, cases[i].in), &calls, 1, cases[i].in);
		r = encode_one(&p);
		assert_string_equal(r->resource_metrics[0]
					->resource->attributes[0]
					->value->string_value,
				    cases[i].out);
		assert_string_equal(metric_at(r, 0, 0)
					->sum->data_points[0]
					->attributes[0]
					->value->string_value,
				    cases[i].out);
		pb_request_free(r, NULL);
		points_fini(&p);
	}
}

/* What protobuf's own library makes of the messages that it has read is the same. */
static void the_bytes_are_those_of_protobufs_own_library(void **state)
{
	struct points p = { .time_ns = TIME, .wall_ns = 5 };
	struct point_group *g = add_group(&p, "a\xff\\x80");
	struct hist h = { .sum_ns = 1234567 };
	struct pb_request *r;
	uint8_t *bytes, *again;
	size_t len;

	for (unsigned int i = 0; i < BUCKET_COUNT; i += 1 + i / 3)
		h.buckets[i] = i * 1000003ULL * i;
	points_attr_number(g, "number", -7);
	points_attr_number(g, "none", 0);
	points_attr_list(g, "list", "one");
	add_count(g, &calls, 0, "read")->values[1] = "";
	add_hist(g, &h, "contention");
	add_count(g, &open_now, 1ULL << 63, NULL)->overflow = true;
	add_count(g, &calls, 300, "write")->error.noise = 2.5;
	add_hist(g, &(struct hist){ 0 }, "");
	points_add(g, &seconds)->ended = true;
	points_add(g, &level)->d = -0.0;
	add_count(add_group(&p, ""), &calls, 1, NULL);
	for (int delta = 0; delta < 2; delta++) {
		p.delta = delta;
		assert_int_equal(encode_all(&p, &bytes, &len), 0);
		r = pb_request_unpack(NULL, len, bytes);
		assert_non_null(r);
		assert_int_equal(protobuf_c_message_get_packed_size(&r->base), len);
		again = malloc(len);
		protobuf_c_message_pack(&r->base, again);
		assert_memory_equal(again, bytes, len);
		pb_request_free(r, NULL);
		free(again);
		free(bytes);
	}
	points_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_is_trimmed_to_the_buckets_in_use),
		cmocka_unit_test(an_offset_means_the_seconds_that_were_counted),
		cmocka_unit_test(the_ends_of_the_range_are_kept),
		cmocka_unit_test(random_histograms_keep_count_and_buckets),
		cmocka_unit_test(the_points_of_a_metric_stand_in_one_metric),
		cmocka_unit_test(scope_and_schema_are_named),
		cmocka_unit_test(overflow_marks_every_point),
		cmocka_unit_test(what_has_a_successor_is_told_of_an_earlier_time),
		cmocka_unit_test(a_resource_has_texts_numbers_and_lists),
		cmocka_unit_test(a_point_never_ends_before_it_starts),
		cmocka_unit_test(what_has_ended_has_a_flag_and_no_value),
		cmocka_unit_test(names_that_are_no_utf8_are_escaped),
		cmocka_unit_test(the_bytes_are_those_of_protobufs_own_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
