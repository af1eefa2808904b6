// SPDX-License-Identifier: Apache-2.0
/* Attributes that a user gives: all of them arrive, or a line names what does not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/pairs.h"
#include "base/util.h"
#include "metric/resource.h"
#include "otlp/frame.h"
#include "otlp/otlp.h"
#include "resource_frame.h"

/* Reads the attributes; what the log says goes to `said`. */
static void init(struct resource *r, const char *attributes, char *said, size_t len)
{
	struct options o = { .service_name = "assay",
			     .resource_attributes = attributes };
	char cause[256];
	int fd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	fflush(stderr);
	dup2(fd[1], STDERR_FILENO);
	assert_int_equal(resource_init(r, &o, cause, sizeof(cause)), 0);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	n = read(fd[0], said, len - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	close(fd[1]);
	close(saved);
}

static struct frame *export(const struct resource *r)
{
	struct workload w = { .id = { .kind = WORKLOAD_CGROUP, .name = "job" },
			      .path = "/job" };

	return resource_frame(r, w);
}

static void every_attribute_arrives(void **state)
{
	char text[4096] = "", said[512], key[16], value[16];
	struct resource r;
	struct frame *f;

	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "key.%d=v%d,", i, i);
	strcat(text, "empty=, gr%C3%BC%C3%9F = a%20b%2cc ");
	init(&r, text, said, sizeof(said));
	assert_string_equal(said, "");
	f = export(&r);
	for (int i = 0; i < 100; i++) {
		sprintf(key, "key.%d", i);
		sprintf(value, "v%d", i);
		assert_string_equal(frame_attr(f->series->resource, key), value);
	}
	assert_string_equal(frame_attr(f->series->resource, "empty"), "");
	assert_string_equal(frame_attr(f->series->resource, "gr\xc3\xbc\xc3\x9f"),
			    "a b,c");
	frame_free(f);
	resource_fini(&r);
}

static void what_is_left_out_is_named(void **state)
{
	char said[512];
	struct resource r;
	struct frame *f;

	init(&r, "team=a,service.name=mine,container.id=0123,team=b", said,
	     sizeof(said));
	assert_non_null(strstr(said, "resource attribute service.name is left out"));
	assert_non_null(strstr(said, "resource attribute container.id is left out"));
	assert_non_null(strstr(said, "resource attribute team is given twice"));
	f = export(&r);
	assert_string_equal(frame_attr(f->series->resource, "service.name"), "job");
	assert_string_equal(frame_attr(f->series->resource, "team"), "b");
	assert_null(frame_attr(f->series->resource, "container.id"));
	frame_free(f);
	resource_fini(&r);
}

static void pairs_that_cannot_be_are_named(void **state)
{
	static const struct {
		enum pairs_kind kind;
		const char *text, *what;
	} cases[] = {
		{ PAIRS_ATTRIBUTES, "a=1,b=50%", "pair 2, 'b', has a % without" },
		{ PAIRS_ATTRIBUTES, "a=%f", "pair 1, 'a', has a % without" },
		{ PAIRS_ATTRIBUTES, "a=%00", "pair 1, 'a', has a % without" },
		{ PAIRS_ATTRIBUTES, "a=1,,b", "pair 2, 'b', is not of this form" },
		{ PAIRS_ATTRIBUTES, " =x", "pair 1, '=x', is not of this form" },
		{ PAIRS_ATTRIBUTES, "k%ff=x", "pair 1, 'k\xff', is no UTF-8" },
		{ PAIRS_ATTRIBUTES, "k=\xc0\xaf", "pair 1, 'k', is no UTF-8" },
		{ PAIRS_HEADERS, "hush", "pair 1 is not of this form" },
		{ PAIRS_HEADERS, "a=1,hu sh=x", "pair 2 can be no header of HTTP" },
		{ PAIRS_HEADERS, "a=hush%0d%0aX: 1", "pair 1 can be no header" },
	};
	char what[128];

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(
		    pairs_check(cases[i].kind, cases[i].text, what, sizeof(what)),
		    -EINVAL);
		if (strncmp(what, cases[i].what, strlen(cases[i].what)))
			fail_msg("'%s' for '%s'", what, cases[i].text);
	}
	assert_int_equal(pairs_check(PAIRS_HEADERS, "a=\xff, b = ,,", what, 99), 0);
	assert_int_equal(pairs_check(PAIRS_ATTRIBUTES, "", what, 99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_arrives),
		cmocka_unit_test(what_is_left_out_is_named),
		cmocka_unit_test(pairs_that_cannot_be_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
