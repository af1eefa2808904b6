// SPDX-License-Identifier: Apache-2.0
/* What a user chooses of a report: order, filters, groups, CSV, and what fits a screen.
 */
#include <jansson.h>
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "some_workloads.h"
#include "view/filter.h"
#include "view/group_frame.h"
#include "view/listing.h"

typedef int (*to_fn)(const struct report *, FILE *);

static char *print_as(to_fn to, const struct frame *f, struct report_choice choice)
{
	struct report r = {
		.frame = f, .duration_s = 2, .from_agent = true, .choice = choice
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(to(&r, out), 0);
	fclose(out);
	return text;
}

/* The first fields of the lines but the first, with spaces between. */
static char *names_of(char *csv)
{
	char *names = test_calloc(1, strlen(csv) + 1), *line;
	char *rest = strchr(csv, '\n') + 1;

	while ((line = strsep(&rest, "\n")) && *line) {
		strcat(names, *names ? " " : "");
		strncat(names, line, strcspn(line, ","));
	}
	return names;
}

static void assert_order(struct report_choice choice, const char *want)
{
	struct frame *f = some_workloads();
	char *csv = print_as(report_csv, f, choice), *names = names_of(csv);

	assert_string_equal(names, want);
	test_free(names);
	free(csv);
	frame_free(f);
}

#define NGINX	"shop/web-7d9f-abcde/nginx"
#define SIDECAR "shop/web-7d9f-abcde/sidecar"

static struct report_choice by(const char *key)
{
	return (struct report_choice){ .sort = column_find(key, strlen(key)) };
}

static void rows_have_the_order_that_is_asked_for(void **state)
{
	struct report_choice two = by("calls");

	assert_order((struct report_choice){ 0 },
		     NGINX " " SIDECAR " backup.service cron.service");
	assert_order(by("name"), "backup.service cron.service " NGINX " " SIDECAR);
	assert_order(by("calls"), NGINX " backup.service cron.service " SIDECAR);
	/* who has no latency is the last */
	assert_order(by("p50"), SIDECAR " " NGINX " backup.service cron.service");
	two.limit = 2;
	assert_order(two, NGINX " backup.service");
}

static void all_filters_must_let_it_pass(void **state)
{
	struct filter filters[2];
	struct report_choice c = { .filters = filters, .filter_count = 1 };
	struct frame *f = some_workloads();
	char cause[FILTER_CAUSE], *text;

	assert_int_equal(filter_parse("p99>5ms", &filters[0], cause, sizeof(cause)), 0);
	assert_int_equal(
	    filter_parse("name!=*sidecar", &filters[1], cause, sizeof(cause)), 0);
	assert_order(c, NGINX " " SIDECAR);
	c.filter_count = 2;
	assert_order(c, NGINX);
	text = print_as(report_table, f, c);
	assert_has(text, "\nthe filters leave out 3\n");
	free(text);
	assert_int_equal(filter_parse("p99>5s", &filters[0], cause, sizeof(cause)), 0);
	text = print_as(report_table, f, c);
	assert_has(text, "\nthe filters leave out 4\n");
	assert_null(strstr(text, "Nothing was measured"));
	free(text);
	frame_free(f);
}

/* One line of a table, in which the text is. */
static void assert_line(const char *text, const char *part, const char *want)
{
	const char *line = strstr(text, part);

	assert_non_null(line);
	if (strncmp(line, want, strlen(want)) || line[strlen(want)] != '\n')
		fail_msg("'%s' is no line of:\n%s", want, text);
}

static void a_line_says_what_hurts(void **state)
{
	struct frame *f = some_workloads();
	char *text = print_as(report_table, f, (struct report_choice){ 0 });

	assert_line(text, "WORKLOAD",
		    "WORKLOAD            P99   ERRORS WORST        OTHER SELF QUOTA "
		    "BLOCK FULL  STUCK");
	assert_line(text, "web-..",
		    "web-..abcde/nginx  65ms s    7/s ENOSPC        1.50 0.50  0.50 "
		    " 0.50  75% 12m34s");
	assert_line(text, "web..",
		    "web..bcde/sidecar 8.2ms c    2/s ECONNREFUSED     -    -     - "
		    "    -  75%     3s");
	assert_line(text, "backup",
		    "backup.service    ~21us f      - -                -    -     - "
		    "    -    -      -");
	free(text);
	frame_free(f);
}

/* Forty pods with everything in every column, whose names are long. */
static struct frame *crowd(char names[40][96], bool estimated)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	static const struct metric attached = {
		"assay.probe.attached", "", "", METRIC_GAUGE,
		.attrs = { "assay.probe", "assay.state", "assay.reason" }
	};

	points_attr(g, "service.name", "assay");
	add_sum(g, &attached, "tcp", "unavailable", "no such hook", 0);
	for (int i = 0; i < 40; i++) {
		snprintf(names[i], 96, "production/checkout-7d9f8c6b5d-%05d/payments",
			 i);
		g = add_workload(&p, names[i], names[i]);
		some_hist(g, &response, "server", 340000, 9, 64 * MS, 10);
		g->points[g->count - 1].error.noise = estimated ? 5 : 0;
		some_hist(g, &waits, "throttled", 12 * SECOND, 20, 0, 0);
		some_hist(g, &waits, "contention", 12 * SECOND, 20, 0, 0);
		some_hist(g, &blocked, "file", 12 * SECOND, 3, 0, 0);
		some_real(g, &culprit, names[i], 3);
		some_real(g, &culprit, "idle", 3);
		add_sum(g, &refused, "ECONNREFUSED", NULL, NULL, 6890);
		g->points[g->count - 1].error.noise = estimated ? 5 : 0;
		add_sum(g, &periods, "true", NULL, NULL, 5);
		some_real(g, &inflight, "block", 754);
	}
	return to_frame(&p);
}

static void assert_fits(const char *text, size_t width, size_t lines)
{
	size_t n = 0;

	for (const char *line = text, *end; (end = strchr(line, '\n'));
	     line = end + 1) {
		char copy[512];

		snprintf(copy, sizeof(copy), "%.*s", (int)(end - line), line);
		if (text_columns(copy) > width)
			fail_msg("%zu columns: %s", text_columns(copy), copy);
		n++;
	}
	/* the prompt is below it */
	if (n >= lines)
		fail_msg("%zu lines:\n%s", n, text);
}

static void the_first_screen_is_80_by_24(void **state)
{
	for (int estimated = 0; estimated < 2; estimated++) {
		char names[40][96], *text;
		struct frame *f = crowd(names, estimated);

		text = print_as(report_table, f, (struct report_choice){ 0 });
		assert_fits(text, 80, 24);
		assert_has(text, "ECONNREFUSED");
		assert_has(text, "3.4k/s");
		assert_has(text, "12m34s");
		/* the ends of a pod's name tell it from others */
		assert_has(text,
			   estimated ? "\nch..003/pa..nts " : "\nche..003/payments ");
		assert_has(text, "NOT MEASURED tcp (why: assay probes)\n");
		assert_has(text, "and 25 more, quieter");
		free(text);
		text = print_as(report_table, f,
				(struct report_choice){ .above = 3, .lines = 20 });
		assert_fits(text, 80, 17);
		assert_has(text, "and 32 more, quieter");
		free(text);
		/* a narrow one lacks the last columns */
		for (struct report_choice c = { .columns = 38 }; c.columns < 80;
		     c.columns += 7, free(text))
			assert_fits(text = print_as(report_table, f, c), c.columns, 64);
		frame_free(f);
	}
}

static void names_have_what_a_wide_screen_has(void **state)
{
	char names[40][96], *text;
	struct frame *f = crowd(names, false);

	text = print_as(report_table, f, (struct report_choice){ .columns = 200 });
	assert_has(text, "\nproduction/checkout-7d9f8c6b5d-00000/payments ");
	assert_fits(text, 200, 24);
	free(text);
	text = print_as(report_table, f, (struct report_choice){ .wide = true });
	assert_has(text, "\nproduction/checkout-7d9f8c6b5d-00000/payments ");
	assert_has(text, "  CGROUP\n");
	assert_has(text, "  server ");
	free(text);
	frame_free(f);
}

static void color_is_for_terminals_only(void **state)
{
	struct frame *f = some_workloads();
	char *text = print_as(report_table, f, (struct report_choice){ 0 });

	assert_null(strchr(text, '\033'));
	free(text);
	text = print_as(report_table, f, (struct report_choice){ .color = true });
	assert_has(text, "\033[1mWORKLOAD\033[0m");
	assert_has(text, "\033[31m7/s\033[0m ENOSPC");
	assert_has(text, "      - -"); /* who has no errors is not red */
	free(text);
	frame_free(f);
}

static void csv_has_plain_numbers_and_says_what_is_estimated(void **state)
{
	struct frame *f = some_workloads();
	char *text = print_as(report_csv, f, (struct report_choice){ 0 });

	assert_int_equal(strncmp(text, "name,p50,p99,of,errors,worst,others,", 36), 0);
	assert_has(text, ",image,source,cgroup,estimated\n");
	assert_has(text, "\n" SIDECAR ",0.00815838893,0.00815838893,client,");
	assert_has(text, ",client,2,ECONNREFUSED,0,0,0,0,0.75,3,cpu,block,");
	assert_has(text, "/backup.service,p50 p99 p90 served calls\n");
	assert_has(text, "\ncron.service,,,,0,,");
	free(text);
	frame_free(f);
}

static void csv_quotes_as_the_rfc_says(void **state)
{
	static const char *const fields[][2] = {
		{ "", "" },
		{ "plain name", "plain name" },
		{ "a,b", "\"a,b\"" },
		{ "say \"x\"", "\"say \"\"x\"\"\"" },
		{ "two\nlines", "two\\x0alines" },
		{ "red\033[31m", "red\\x1b[31m" },
		{ " space", "\" space\"" },
		{ "space ", "\"space \"" },
	};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		csv_field(f, fields[i][0]);
		fclose(f);
		assert_string_equal(text, fields[i][1]);
		free(text);
	}
}

static void json_has_the_columns_too(void **state)
{
	struct frame *f = some_workloads();
	char *text = print_as(report_json, f, by("name"));
	json_t *top = json_loads(text, 0, NULL), *w, *c;

	w = json_array_get(json_object_get(top, "workloads"), 0);
	c = json_object_get(w, "columns");
	assert_string_equal(json_string_value(json_object_get(c, "name")),
			    "backup.service");
	assert_int_equal(json_object_size(c), column_count);
	assert_true(json_real_value(json_object_get(c, "calls")) == 2);
	assert_true(json_is_null(json_object_get(c, "stuck")));
	assert_int_equal(json_array_size(json_object_get(w, "estimated")), 5);
	json_decref(top);
	free(text);
	frame_free(f);
}

static const struct {
	const char *key, *pod, *namespace;
} groups[] = {
	{ "kind", "pod", "namespace" },
	/* both containers wait for or are waited for by the group */
	{ "itself", "1.00", "1.00" },
	{ "others", "1.00", "1.00" },
	{ "errors", "9/s", "9/s" },
	{ "memory", "128 MiB", "128 MiB" },
	{ "full", "75%", "75%" }, /* the most pressure, not the sum */
	{ "stuck", "12m34s", "12m34s" },
	{ "served", "50/s", "50/s" },
	{ "pod", "web-7d9f-abcde", "-" },
	{ "container", "-", "-" },
	{ "namespace", "shop", "shop" },
};

static void assert_grouped(enum group_by by, const char *name, bool pod)
{
	struct frame *f = some_workloads();
	size_t workloads = 0, found = 0;

	assert_int_equal(group_frame(f, by), 0);
	for (size_t i = 0, end; i < f->count; i = end) {
		const struct frame_attrs *r = f->series[i].resource;
		struct block b;

		end = report_group_end(f, i);
		workloads += report_is_workload(r);
		if (strcmp(frame_name(r), name))
			continue;
		found++;
		assert_int_equal(report_block(&b, f, i, end, NULL), 0);
		for (size_t k = by == GROUP_OWNER; k < COUNT(groups); k++) {
			const struct column *c =
			    column_find(groups[k].key, strlen(groups[k].key));
			const char *want = pod ? groups[k].pod : groups[k].namespace;
			char text[UNITS_LEN];
			struct cell cell;

			column_get(c, &b, 2, &cell);
			if (strcmp(column_text(c, &cell, text), want))
				fail_msg("%s: %s is '%s', not '%s'", name, c->key,
					 column_text(c, &cell, text), want);
		}
		free(b.items);
	}
	assert_int_equal(found, 1);
	assert_int_equal(workloads, 3);
	frame_free(f);
}

static void workloads_that_are_one_are_added_up(void **state)
{
	assert_grouped(GROUP_POD, "shop/web-7d9f-abcde", true);
	assert_grouped(GROUP_NAMESPACE, "namespace/shop", false);
	assert_grouped(GROUP_OWNER, "shop/deployment/web", false);
}

static void histograms_of_a_group_are_one(void **state)
{
	struct frame *f = some_workloads();
	size_t clients = 0;

	assert_int_equal(group_frame(f, GROUP_POD), 0);
	for (size_t i = 0; i < f->count; i++) {
		const struct hist *h =
		    report_hist(&f->series[i], "assay.tcp.response.duration");
		const char *role = frame_attr(&f->series[i].attrs, "assay.tcp.role");

		if (!h || strcmp(role, "client"))
			continue;
		clients++;
		assert_int_equal(hist_count(h), 14);
		assert_int_equal(h->sum_ns, 8 * SECOND + 80 * MS);
	}
	assert_int_equal(clients, 1);
	frame_free(f);
}

/* A cgroup's files speak for those below it; who has no limit has all memory. */
static void usage_is_counted_once(void **state)
{
	struct points p = { 0 };
	struct point_group *g = some_container(&p, "shop/w/a", "a", "/pod1/c1");
	struct frame *f;

	add_sum(g, &usage, NULL, NULL, NULL, 96 << 20);
	add_sum(g, &limit, NULL, NULL, NULL, 128 << 20);
	some_real(g, &cpu_time, NULL, 1);
	g = some_container(&p, "shop/w/a/x", "a", "/pod1/c1/x");
	add_sum(g, &usage, NULL, NULL, NULL, 64 << 20);
	some_real(g, &cpu_time, NULL, 0.75);
	f = to_frame(&p);
	assert_int_equal(group_frame(f, GROUP_POD), 0);
	for (size_t i = 0; i < f->count; i++) {
		if (!strcmp(f->series[i].name, "assay.cgroup.cpu.time"))
			assert_true(f->series[i].d == 1);
		else
			assert_string_equal(f->series[i].name,
					    "assay.cgroup.memory.usage");
	}
	assert_int_equal(f->count, 2);
	frame_free(f);
}

static void containers_stay_as_they_are(void **state)
{
	struct frame *f = some_workloads(), *same = some_workloads();

	assert_int_equal(group_frame(f, GROUP_CONTAINER), 0);
	assert_int_equal(f->count, same->count);
	frame_free(f);
	frame_free(same);
}

static void lists_have_three_forms(void **state)
{
	static const char *const keys[] = { "name", "two_words", "n" };
	static const char *const want[] = {
		[FORMAT_TABLE] =
		    "NAME     TWO WORDS  N\na,b\\x1b  -          7\nc        "
		    "d          -\n",
		[FORMAT_CSV] = "name,two_words,n\n\"a,b\\x1b\",,7\nc,d,\n",
		[FORMAT_JSON] = "[\n {\n  \"name\": \"a,b\\u001B\",\n  \"two_words\": "
				"null,\n  \"n\": 7\n },\n {\n  \"name\": \"c\",\n  "
				"\"two_words\": \"d\",\n  \"n\": null\n }\n]\n",
	};
	struct listing l = { .keys = keys, .columns = 3, .numbers = 1u << 2 };

	assert_int_equal(listing_add(&l, (const char *[]){ "a,b\033", NULL, "7" }), 0);
	assert_int_equal(listing_add(&l, (const char *[]){ "c", "d", "" }), 0);
	for (size_t i = 0; i < COUNT(want); i++) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		assert_int_equal(listing_print(&l, i, f), 0);
		fclose(f);
		assert_string_equal(text, want[i]);
		free(text);
	}
	listing_fini(&l);
}

static const struct {
	const char *text;
	size_t columns;
	const char *want;
} middles[] = {
	{ "short", 5, "short" },
	{ "shop/web-7d9f-abcde/nginx", 13, "shop/../nginx" },
	{ "abcdef", 5, "a..ef" },
	{ "abcdef", 4, "a..f" },
	{ "abcdef", 2, ".." },
	{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9fxyz", 6, "\xc3\xa4\xc3\xb6..yz" },
	/* a wide character that does not fit leaves a column empty */
	{ "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97", 5, "..\xe5\xad\x97" },
};

static void a_name_loses_its_middle(void **state)
{
	for (size_t i = 0; i < COUNT(middles); i++) {
		char out[64];
		size_t n =
		    text_middle(out, sizeof(out), middles[i].text, middles[i].columns);

		assert_string_equal(out, middles[i].want);
		assert_int_equal(n, text_columns(out));
		assert_true(n <= middles[i].columns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_the_order_that_is_asked_for),
		cmocka_unit_test(all_filters_must_let_it_pass),
		cmocka_unit_test(a_line_says_what_hurts),
		cmocka_unit_test(the_first_screen_is_80_by_24),
		cmocka_unit_test(names_have_what_a_wide_screen_has),
		cmocka_unit_test(color_is_for_terminals_only),
		cmocka_unit_test(csv_has_plain_numbers_and_says_what_is_estimated),
		cmocka_unit_test(csv_quotes_as_the_rfc_says),
		cmocka_unit_test(json_has_the_columns_too),
		cmocka_unit_test(workloads_that_are_one_are_added_up),
		cmocka_unit_test(histograms_of_a_group_are_one),
		cmocka_unit_test(usage_is_counted_once),
		cmocka_unit_test(containers_stay_as_they_are),
		cmocka_unit_test(lists_have_three_forms),
		cmocka_unit_test(a_name_loses_its_middle),
	};

	return cmocka_run_group_tests_name("report_choice", tests, NULL, NULL);
}
