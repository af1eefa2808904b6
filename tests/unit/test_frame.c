// SPDX-License-Identifier: Apache-2.0
/* Bytes back to series: nothing is lost on the way, and bad bytes do no harm. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>
#include "base/util.h"
#include "otlp/frame.h"
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"
#include "encode.h"
#include "full_hist.h"

static const struct metric wait = { "test.wait", "s", "A wait.", METRIC_HISTOGRAM,
				    .attrs = { "cause" } };
static const struct metric calls = { "test.calls", "{call}", "Calls.", METRIC_SUM,
				     .attrs = { "class", "error.type" } };
static const struct metric seconds = { "test.time", "s", "Time.", METRIC_SUM,
				       .real = true };
static const struct metric open_now = { "test.open", "{connection}", "Open.",
					METRIC_UPDOWN };

#define TIME  2000000000ULL
#define START 1000000000ULL

/* What one workload counted; see encode(). */
struct values {
	const char *name;
	uint64_t calls, open, start;
	double seconds;
	struct hist wait;
};

static void add(struct points *p, const struct values *v)
{
	struct point_group *g = points_group(p);
	struct point *pt;

	points_attr(g, "service.name", v->name);
	points_attr(g, "process.linux.cgroup", "/a");
	points_attr(g, "assay.workload.kind", "cgroup");
	points_attr(g, "assay.workload.name", v->name);
	pt = points_add(g, &calls);
	pt->values[1] = "EPIPE";
	pt->values[0] = "file";
	pt->u = v->calls;
	pt->start_ns = v->start;
	pt = points_add(g, &seconds);
	pt->d = v->seconds;
	pt->start_ns = v->start;
	pt = points_add(g, &open_now);
	pt->u = v->open;
	pt->start_ns = v->start;
	pt = points_add(g, &wait);
	pt->values[0] = "contention";
	pt->hist = sparse_of(&v->wait);
	pt->start_ns = v->start;
}

/* Encodes workloads as requests below the limit, one after the other. */
static uint8_t *encode(const struct values *v, size_t count, size_t limit, size_t *len)
{
	struct points p = { .time_ns = TIME };
	struct otlp_batches b;
	uint8_t *bytes = NULL;

	for (size_t i = 0; i < count; i++)
		add(&p, &v[i]);
	assert_int_equal(encode_batches(&p, limit, &b), 0);
	*len = 0;
	for (size_t i = 0; i < b.count; i++) {
		bytes = realloc(bytes, *len + b.list[i].len);
		memcpy(bytes + *len, b.list[i].bytes, b.list[i].len);
		*len += b.list[i].len;
	}
	otlp_batches_free(&b);
	points_fini(&p);
	return bytes;
}

static void a_series_that_has_ended_is_not_there(void **state)
{
	struct values v = { .name = "web", .calls = 7, .start = START };
	struct points p = { .time_ns = TIME };
	struct frame *f = NULL;
	uint8_t *bytes;
	size_t len;

	add(&p, &v);
	for (size_t i = 1; i < p.groups[0].count; i++)
		p.groups[0].points[i].ended = true;
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
	assert_int_equal(frame_decode(bytes, len, &f), 0);
	assert_int_equal(f->count, 1);
	assert_string_equal(f->series[0].name, calls.name);
	assert_int_equal(f->series[0].i, 7);
	frame_free(f);
	free(bytes);
	points_fini(&p);
}

static struct frame *frame_of(const struct values *v, size_t count, size_t limit)
{
	struct frame *f = NULL;
	size_t len;
	uint8_t *bytes = encode(v, count, limit, &len);

	assert_int_equal(frame_decode(bytes, len, &f), 0);
	free(bytes);
	return f;
}

static struct frame_series *series(struct frame *f, const char *workload,
				   const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->series[i].name, name) &&
		    !strcmp(frame_name(f->series[i].resource), workload))
			return &f->series[i];
	fail_msg("no series %s of %s", name, workload);
	return NULL;
}

static const struct values one = {
	.name = "web",
	.calls = 7,
	.open = 3,
	.start = START,
	.seconds = 1.25,
	.wait = { .sum_ns = 123456789012345,
		  .buckets = { 4, 0, 1, [100] = 9, [BUCKET_COUNT - 1] = 1ULL << 40 } },
};

static void everything_comes_back(void **state)
{
	struct frame *f = frame_of(&one, 1, 0);
	const struct frame_series *s = series(f, "web", "test.calls");

	assert_int_equal(f->count, 4);
	assert_int_equal(f->time_ns, TIME);
	assert_string_equal(s->unit, "{call}");
	assert_string_equal(frame_kind(s->resource), "cgroup");
	assert_string_equal(frame_cgroup(s->resource), "/a");
	assert_null(frame_attr(s->resource, "none"));
	assert_int_equal(s->kind, METRIC_SUM);
	assert_int_equal(s->i, 7);
	assert_int_equal(s->start_ns, START);
	assert_int_equal(s->attrs.count, 2);
	assert_string_equal(s->attrs.list[0].key, "class");
	assert_string_equal(frame_attr(&s->attrs, "error.type"), "EPIPE");
	s = series(f, "web", "test.time");
	assert_true(s->real && s->d == 1.25);
	s = series(f, "web", "test.open");
	assert_int_equal(s->kind, METRIC_UPDOWN);
	s = series(f, "web", "test.wait");
	assert_int_equal(s->kind, METRIC_HISTOGRAM);
	assert_int_equal(s->hist->sum_ns, one.wait.sum_ns);
	assert_memory_equal(s->hist->buckets, one.wait.buckets,
			    sizeof(s->hist->buckets));
	frame_free(f);
}

static void several_requests_are_one_frame(void **state)
{
	struct values v[3] = { one, one, one };
	struct frame *whole, *parts;

	v[1].name = "db";
	v[2].name = "agent";
	whole = frame_of(v, 3, 0);
	parts = frame_of(v, 3, 2048);
	assert_int_equal(whole->count, 12);
	assert_int_equal(parts->count, 12);
	for (size_t i = 0; i < 12; i++) {
		assert_ptr_equal(frame_find(parts, &whole->series[i]),
				 &parts->series[i]);
		assert_ptr_equal(parts->series[i].resource,
				 parts->series[i - i % 4].resource);
	}
	frame_free(whole);
	frame_free(parts);
}

static void a_difference_is_what_happened_in_between(void **state)
{
	struct values v = one;
	struct frame *before = frame_of(&one, 1, 0), *after;
	const struct frame_series *s;

	v.calls += 5;
	v.seconds += 0.5;
	v.open = 1;
	v.wait.sum_ns += 1000;
	v.wait.buckets[100] += 2;
	after = frame_of(&v, 1, 0);
	frame_subtract(after, before);
	assert_int_equal(series(after, "web", "test.calls")->i, 5);
	assert_true(series(after, "web", "test.time")->d == 0.5);
	assert_int_equal(series(after, "web", "test.open")->i, 1);
	s = series(after, "web", "test.wait");
	assert_int_equal(s->hist->sum_ns, 1000);
	assert_int_equal(hist_count(s->hist), 2);
	assert_int_equal(s->hist->buckets[100], 2);
	frame_free(before);
	frame_free(after);
}

static void what_began_anew_counts_from_zero(void **state)
{
	struct values later = one, lower = one, other = one;
	struct frame *before = frame_of(&one, 1, 0), *f;

	later.start = START + 1;
	later.calls = 9;
	f = frame_of(&later, 1, 0);
	frame_subtract(f, before);
	assert_int_equal(series(f, "web", "test.calls")->i, 9);
	frame_free(f);

	lower.calls = 2;
	lower.wait.buckets[0] = 3;
	f = frame_of(&lower, 1, 0);
	frame_subtract(f, before);
	assert_int_equal(series(f, "web", "test.calls")->i, 2);
	assert_int_equal(series(f, "web", "test.wait")->hist->buckets[100], 9);
	frame_free(f);

	other.name = "db";
	f = frame_of(&other, 1, 0);
	frame_subtract(f, before);
	assert_int_equal(series(f, "db", "test.calls")->i, 7);
	frame_free(f);
	frame_free(before);
}

static void nothing_is_an_empty_frame(void **state)
{
	struct frame *f = NULL, *before = frame_of(&one, 1, 0);
	struct frame_series key = before->series[0];

	assert_int_equal(frame_decode((const uint8_t *)"", 0, &f), 0);
	assert_int_equal(f->count, 0);
	assert_null(frame_find(f, &key));
	frame_subtract(f, before);
	frame_subtract(before, f);
	assert_int_equal(series(before, "web", "test.calls")->i, 7);
	frame_free(before);
	frame_free(f);
	frame_free(NULL);
}

/* Each change to a valid histogram that makes it none of ours. */
static void histograms_of_another_shape_are_refused(void **state)
{
	for (int i = 0; i < 8; i++) {
		size_t len;
		uint8_t *bytes = encode(&one, 1, 0, &len), *again;
		struct pb_request *r = pb_request_unpack(NULL, len, bytes);
		struct pb_hist *h = r->resource_metrics[0]
					->scope_metrics[0]
					->metrics[3]
					->exponential_histogram;
		struct pb_hist_point *d = h->data_points[0];
		struct frame *f;
		int want = -EINVAL;

		switch (i) {
		case 0:
			d->count++;
			break;
		case 1:
			d->scale = 2;
			break;
		case 2:
			d->zero_threshold = 0;
			break;
		case 3:
			d->positive->offset -= 2;
			break;
		case 4:
			d->positive->offset = INT32_MAX;
			break;
		case 5:
			d->sum = -1;
			break;
		case 6:
			h->aggregation_temporality = 1;
			break;
		default: /* unchanged: the test itself works */
			want = 0;
		}
		len = protobuf_c_message_get_packed_size(&r->base);
		again = malloc(len);
		protobuf_c_message_pack(&r->base, again);
		assert_int_equal(frame_decode(again, len, &f), want);
		if (!want)
			frame_free(f);
		pb_request_free(r, NULL);
		free(bytes);
		free(again);
	}
}

/* Cut and flipped bytes: an error or a frame, never a crash (see the ASan run). */
static void broken_bytes_do_no_harm(void **state)
{
	unsigned int seed = 7, refused = 0;
	size_t len;
	uint8_t *bytes = encode(&one, 1, 0, &len);

	for (size_t i = 0; i < len + 20000; i++) {
		size_t n = i < len ? i : len;
		uint8_t *copy = malloc(n ? n : 1);
		struct frame *f = NULL;
		int err;

		memcpy(copy, bytes, n);
		for (int k = rand_r(&seed) % 4; i >= len && k >= 0; k--)
			copy[rand_r(&seed) % n] = rand_r(&seed);
		err = frame_decode(copy, n, &f);
		if (!err)
			frame_free(f);
		else
			assert_int_equal(err, -EINVAL);
		refused += err != 0;
		free(copy);
	}
	assert_in_range(refused, 1000, len + 20000);
	free(bytes);
}

/* Puts a field of a message around what stands at the end of the buffer. */
static uint8_t *wrap(uint8_t *at, const uint8_t *end, uint8_t tag)
{
	size_t n = end - at;

	*--at = n >> 28 & 0x7f;
	for (int shift = 21; shift >= 0; shift -= 7)
		*--at = (n >> shift & 0x7f) | 0x80;
	*--at = tag;
	return at;
}

/* A request with one gauge, whose points are these bytes. */
static int decode_points(const void *points, size_t len, struct frame **f)
{
	static const uint8_t tags[] = { 5 << 3 | 2, 2 << 3 | 2, 2 << 3 | 2,
					1 << 3 | 2 };
	uint8_t *buf = malloc(len + 64), *end = buf + len + 64, *at = end - len;
	int err;

	memcpy(at, points, len);
	for (size_t i = 0; i < COUNT(tags); i++)
		at = wrap(at, end, tags[i]);
	err = frame_decode(at, end - at, f);
	free(buf);
	return err;
}

static void memory_for_a_hostile_message_is_bounded(void **state)
{
	static const uint8_t point[] = { 1 << 3 | 2, 0 };
	const size_t len = 8 << 20;
	uint8_t *points = malloc(len);
	struct rusage before, after;
	struct frame *f;

	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < len; i += sizeof(point))
		memcpy(points + i, point, sizeof(point));
	assert_int_equal(decode_points(points, len, &f), -EMSGSIZE);
	getrusage(RUSAGE_SELF, &after);
	/* without a bound it takes 800 MiB; ru_maxrss is in KiB */
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 256 * 1024);
	free(points);
}

static void numbers_and_texts_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *point;
		size_t len;
		int err;
	} cases[] = {
		/* as_double: 1, NaN, infinity */
		{ "\x0a\x09\x21\0\0\0\0\0\0\xf0\x3f", 11, 0 },
		{ "\x0a\x09\x21\0\0\0\0\0\0\xf8\x7f", 11, -EINVAL },
		{ "\x0a\x09\x21\0\0\0\0\0\0\xf0\x7f", 11, -EINVAL },
		/* an attribute: key "k" or a byte that is no UTF-8 */
		{ "\x0a\x0e\x21\0\0\0\0\0\0\xf0\x3f\x3a\x03\x0a\x01k", 16, 0 },
		{ "\x0a\x0e\x21\0\0\0\0\0\0\xf0\x3f\x3a\x03\x0a\x01\xff", 16, -EINVAL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct frame *f = NULL;

		assert_int_equal(decode_points(cases[i].point, cases[i].len, &f),
				 cases[i].err);
		frame_free(f);
	}
}

static void a_visible_frame_holds_nothing_for_a_terminal(void **state)
{
	const struct values v = { .name = "a\x1b[2J\r\xe2\x80\xaez", .calls = 1 };
	struct frame *f = frame_of(&v, 1, 0);

	assert_string_equal(frame_name(f->series[0].resource), v.name);
	assert_int_equal(frame_make_visible(f), 0);
	assert_string_equal(frame_name(f->series[0].resource),
			    "a\\x1b[2J\\x0d\\u202ez");
	assert_string_equal(frame_cgroup(f->series[0].resource), "/a");
	assert_int_equal(series(f, "a\\x1b[2J\\x0d\\u202ez", calls.name)->i, 1);
	frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_series_that_has_ended_is_not_there),
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(several_requests_are_one_frame),
		cmocka_unit_test(a_difference_is_what_happened_in_between),
		cmocka_unit_test(what_began_anew_counts_from_zero),
		cmocka_unit_test(nothing_is_an_empty_frame),
		cmocka_unit_test(histograms_of_another_shape_are_refused),
		cmocka_unit_test(broken_bytes_do_no_harm),
		cmocka_unit_test(memory_for_a_hostile_message_is_bounded),
		cmocka_unit_test(numbers_and_texts_that_are_none_are_refused),
		cmocka_unit_test(a_visible_frame_holds_nothing_for_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
