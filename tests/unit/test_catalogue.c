// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of metrics are the catalogue: what views and rules ask for by name, and by
 * a value of an attribute, is in it. A name that nobody has would find nothing, ever.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "diagnose/facts.h"
#include "metric/errno_name.h"
#include "metric/metrics.h"
#include "metric/resource_keys.h"
#include "metric/self.h"

#define NAME_LEN_MAX 100

/* What begins so is a name of ours; or one of ours that OpenTelemetry has, too. */
static const char *const ours[] = { "assay.", "system.", "process." };

static const struct metric *metric_at(size_t i)
{
	for (size_t t = 0; t < metric_table_count; t++) {
		if (i < metric_tables[t]->count)
			return &metric_tables[t]->rows[i].metric;
		i -= metric_tables[t]->count;
	}
	return i < self_metric_count ? self_metrics[i] : NULL;
}

/* Of the history's file: who wrote it, beside what the resource of the node has. */
static const char of_history[] = "assay.version";

static bool has_attr(const struct metric *m, const char *key)
{
	for (int a = 0; m->attrs[a]; a++)
		if (!strcmp(m->attrs[a], key))
			return true;
	return false;
}

/* Whether a metric or an attribute is named so; or begins so, if that ends in a dot. */
static bool is_known(const char *name)
{
	size_t len = strlen(name);
	const struct metric *m;

	if (resource_is_reserved(name) || !strcmp(name, METRIC_ERROR_KEY) ||
	    !strcmp(name, of_history))
		return true;
	for (size_t i = 0; (m = metric_at(i)); i++)
		if (!strcmp(m->name, name) || has_attr(m, name) ||
		    (name[len - 1] == '.' && !strncmp(m->name, name, len)))
			return true;
	return false;
}

/* Whether it is what `error.type` says of an errno. */
static bool is_errno(const char *name)
{
	char buf[64];

	for (uint32_t e = 1; e < 200; e++)
		if (!strcmp(errno_name(e, buf, sizeof(buf)), name))
			return true;
	return false;
}

/* One word of capitals with E; but the heading of a column. In cmd/ there are more. */
static bool is_errno_like(const char *name)
{
	return name[0] == 'E' && strcmp(name, "ERRORS") &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(name);
}

/* Looks at a text of the source that is a name and nothing else. */
static unsigned int look(const char *file, const char *text, size_t len)
{
	char name[NAME_LEN_MAX];
	bool mine = false;

	if (len < 3 || len >= sizeof(name))
		return 0;
	memcpy(name, text, len);
	name[len] = '\0';
	if (is_errno_like(name) && !strstr(file, "/cmd/") && !is_errno(name))
		fail_msg("%s: %s is no errno", file, name);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") < len)
		return 0;
	for (size_t i = 0; i < COUNT(ours); i++)
		mine |= !strncmp(name, ours[i], strlen(ours[i]));
	if (mine && !is_known(name))
		fail_msg("%s: %s is in no table of metrics", file, name);
	return mine;
}

/* The texts between quotes of a file. */
static unsigned int look_through(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int found = 0;
	char line[400];

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		for (char *from = strchr(line, '"'), *to;
		     from && (to = strchr(from + 1, '"')); from = strchr(to + 1, '"'))
			found += look(path, from + 1, to - from - 1);
	fclose(f);
	return found;
}

static unsigned int look_in(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned int found = 0;
	struct dirent *e;
	char path[400];

	if (!d)
		fail_msg("%s: %s (run it where agent/ is)", folder, strerror(errno));
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ".c") && !strstr(e->d_name, ".h"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		found += look_through(path);
	}
	closedir(d);
	return found;
}

static void each_name_in_the_source_is_in_the_catalogue(void **state)
{
	assert_in_range(look_in("agent/view"), 60, 1000);
	assert_in_range(look_in("agent/diagnose"), 60, 1000);
	assert_in_range(look_in("agent/verify"), 10, 1000);
	assert_in_range(look_in("agent/cmd"), 20, 1000);
}

/* Whether a row may say so of its last attribute. */
static bool row_says(const struct metric_row *r, const char *value)
{
	for (unsigned int i = 0; r->values && i < r->value_count; i++)
		if (r->values[i] && !strcmp(r->values[i], value))
			return true;
	for (unsigned int i = 0; i < r->lane_count; i++)
		if (r->lanes[i].value && !strcmp(r->lanes[i].value, value))
			return true;
	return false;
}

/* The same where values are open: kinds of errors, by their numbers. */
static bool row_may_say(const struct metric_row *r, const char *value)
{
	char name[256] = "";

	for (uint32_t e = 0; r->open_name && e < 200; e++)
		if (!strcmp(r->open_name(e, name, sizeof(name)), value))
			return true;
	return row_says(r, value);
}

/* Whether a metric may have a series with this value of that attribute. */
static bool says(const char *metric, const char *key, const char *value)
{
	for (size_t t = 0; t < metric_table_count; t++)
		for (size_t k = 0; k < metric_tables[t]->count; k++) {
			const struct metric_row *r = &metric_tables[t]->rows[k];

			if (strcmp(r->metric.name, metric))
				continue;
			if (!has_attr(&r->metric, key))
				return false;
			return row_may_say(r, value);
		}
	return true; /* values of the node's and the agent's own are in no table */
}

static void each_input_of_a_rule_is_a_series_that_there_may_be(void **state)
{
	for (int i = 0; i < INPUTS; i++) {
		const struct input_desc *in = &inputs[i];

		if (!in->metric)
			fail_msg("input %d has no row", i);
		if (!is_known(in->metric))
			fail_msg("%s is in no table of metrics", in->metric);
		if (in->key && !says(in->metric, in->key, in->value))
			fail_msg("%s never has %s = %s", in->metric, in->key,
				 in->value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_in_the_source_is_in_the_catalogue),
		cmocka_unit_test(each_input_of_a_rule_is_a_series_that_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
