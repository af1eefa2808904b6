// SPDX-License-Identifier: Apache-2.0
/* However large an answer of the kubelet's is, the memory that it takes is bounded. */
#include "some_pods.h"
#include "base/resident.h"

/* Feeds count times what print() writes, and ends it. */
static struct pods *read_many(size_t count,
			      void (*print)(char *s, size_t len, size_t i))
{
	char *text = malloc(3 << 20);
	struct pods *p;

	assert_int_equal(pods_new(&none, &p), 0);
	assert_int_equal(pods_feed(p, "{\"items\":[", 10), 0);
	for (size_t i = 0; i < count; i++) {
		text[0] = i ? ',' : ' ';
		print(text + 1, (3 << 20) - 1, i);
		assert_int_equal(pods_feed(p, text, strlen(text)), 0);
	}
	assert_int_equal(pods_feed(p, "]}", 2), 0);
	assert_int_equal(pods_end(p), 0);
	free(text);
	return p;
}

static void print_pod(char *s, size_t len, size_t i)
{
	int at = snprintf(s, len,
			  "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"pod-%zu\","
			  "\"uid\":\"%08zx-0000-0000-0000-000000000000\"},\"status\":{"
			  "\"containerStatuses\":[",
			  i, i);

	for (size_t c = 0; c < 8; c++)
		at += snprintf(
		    s + at, len - at,
		    "%s{\"name\":\"c%zu\",\"restartCount\":1,\"image\":\"r/a:1\","
		    "\"containerID\":\"containerd://%064zx\"}",
		    c ? "," : "", c, i * 8 + c);
	snprintf(s + at, len - at, "]}}");
}

static void print_long_pod(char *s, size_t len, size_t i)
{
	char value[201];
	int at;

	memset(value, 'v', sizeof(value));
	value[200] = '\0';
	at = snprintf(s, len,
		      "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"pod-%zu\","
		      "\"annotations\":{\"a\":\"\"",
		      i);
	for (int k = 0; k < 40; k++)
		at += snprintf(s + at, len - at,
			       ",\"resource.opentelemetry.io/%d\":\"%s\"", k, value);
	snprintf(s + at, len - at, "}}}");
}

/* Two bytes of it take a hundred of memory when they are parsed. */
static void print_nested_pod(char *s, size_t len, size_t i)
{
	int at = snprintf(s, len, "{\"metadata\":{\"labels\":{\"a\":[");

	for (int k = 0; k < 300000; k++) {
		memcpy(s + at, "[],", 3);
		at += 3;
	}
	snprintf(s + at, len - at, "7]},\"namespace\":\"n\",\"name\":\"p\"}}");
}

/* Larger than one may be. */
static void print_huge_pod(char *s, size_t len, size_t i)
{
	int at = snprintf(s, len, "{" META("") ",\"a\":\"");

	memset(s + at, 'x', PODS_POD_MAX);
	snprintf(s + at + PODS_POD_MAX, 4, "\"}");
}

/* As large, by what nobody asks for; strings in it look like the end of something. */
static void print_much_beside(char *s, size_t len, size_t i)
{
	int at =
	    snprintf(s, len, "{" META("") ",\"spec\":{\"containers\":[{\"env\":[\"");

	memset(s + at, 'x', PODS_POD_MAX);
	snprintf(
	    s + at + PODS_POD_MAX, len - at - PODS_POD_MAX,
	    "\",\"},\\\"]\",{\"name\":7}],\"name\":\"c\",\"image\":\"i:1\"}],\"volumes\""
	    ":[{\"name\":\"v\"}]},\"status\":{\"conditions\":{\"a\":[]},"
	    "\"containerStatuses\":[{\"imageID\":\"sha256:1\",\"name\":\"c\","
	    "\"containerID\":\"containerd://" ID "\"}]}}");
}

static void what_nobody_asks_for_may_be_large(void **state)
{
	struct pods *p = read_many(1, print_much_beside);
	struct names *n = find(p, ID, "");

	expect_counts(p, 1, 1, 0);
	is_called(n, "shop/web-0/c");
	same(n->image, "i");
	names_free(n);
	pods_free(p);
}

static void a_large_node_fits(void **state)
{
	uint64_t before = heap_used();
	struct pods *p = read_many(250, print_pod);
	struct names *n;
	char id[65];

	print_message("%llu bytes\n", (unsigned long long)(heap_used() - before));
	assert_true(heap_used() - before < 700000);
	expect_counts(p, 250, 2000, 0);
	snprintf(id, sizeof(id), "%064x", 249 * 8 + 7);
	n = find(p, id, "");
	is_called(n, "shop/pod-249/c7");
	names_free(n);
	pods_free(p);
}

static void memory_is_bounded(void **state)
{
	uint64_t before = heap_used();
	struct pods_counts c;
	struct pods *p = read_many(3000, print_pod);

	expect_counts(p, 2048, 16384, 3000 - 2048);
	assert_true(heap_used() - before < 5 << 20);
	pods_free(p);
	p = read_many(2000, print_long_pod);
	pods_count(p, &c);
	print_message("%zu pods, %zu left out\n", c.pods, c.left_out);
	assert_true(heap_used() - before < 5 << 20);
	assert_true(c.pods < 600 && c.pods > 300);
	/* each pod has 8 annotations more than may be */
	assert_int_equal(c.left_out, 2000 - c.pods + 2000 * 8);
	pods_free(p);
	p = read_many(2, print_huge_pod);
	expect_counts(p, 0, 0, 2);
	pods_free(p);
	pods_prepare();
	p = read_many(2, print_nested_pod);
	expect_counts(p, 0, 0, 2);
	pods_free(p);
}

static void an_answer_without_end_is_given_up(void **state)
{
	static char spaces[1 << 20];
	struct pods *p;
	int err = 0, n = 0;

	memset(spaces, ' ', sizeof(spaces));
	assert_int_equal(pods_new(&none, &p), 0);
	while (!err && n++ < 100)
		err = pods_feed(p, spaces, sizeof(spaces));
	assert_int_equal(err, -EFBIG);
	assert_int_equal(n, 33);
	pods_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_node_fits),
		cmocka_unit_test(what_nobody_asks_for_may_be_large),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(an_answer_without_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
