// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "view/filter.h"

#define DIGITS_MOST 18 /* before and behind the point together */

struct suffix {
	const char *text;
	double factor;
};

/* By enum column_unit; the first suffix is "" where a bare number says what is meant.
 */
static const struct suffix times[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "ms", 1e-3 },
				       { "s", 1 },     { "m", 60 },    { "h", 3600 } };
static const struct suffix rates[] = { { "", 1 },      { "/s", 1 },  { "k", 1e3 },
				       { "k/s", 1e3 }, { "M", 1e6 }, { "M/s", 1e6 } };
static const struct suffix counts[] = { { "", 1 } };
static const struct suffix shares[] = { { "%", 0.01 } };
static const struct suffix sizes[] = { { "", 1 },
				       { "B", 1 },
				       { "KiB", 1024 },
				       { "MiB", 1048576 },
				       { "GiB", 1073741824 } };
static const struct suffix size_rates[] = { { "", 1 },
					    { "B/s", 1 },
					    { "KiB/s", 1024 },
					    { "KiB", 1024 },
					    { "MiB/s", 1048576 },
					    { "MiB", 1048576 },
					    { "GiB/s", 1073741824 },
					    { "GiB", 1073741824 } };

#define SUFFIXES(list, example)            \
	{                                  \
		list, COUNT(list), example \
	}

static const struct {
	const struct suffix *list;
	size_t count;
	const char *example;
} suffixes[] = {
	[COLUMN_SECONDS] = SUFFIXES(times, "a time with its unit, as 10ms"),
	[COLUMN_AGE] = SUFFIXES(times, "a time with its unit, as 10s"),
	[COLUMN_RATE] = SUFFIXES(rates, "a number per second, as 5 or 2k/s"),
	[COLUMN_THREADS] = SUFFIXES(counts, "a number, as 0.5"),
	[COLUMN_SHARE] = SUFFIXES(shares, "a share, as 90%"),
	[COLUMN_BYTES] = SUFFIXES(sizes, "a size, as 64MiB"),
	[COLUMN_BYTES_RATE] = SUFFIXES(size_rates, "bytes per second, as 4MiB/s"),
};

/* The operator at s, and how long it is; 0: there is none. */
static size_t read_op(const char *s, enum filter_op *op)
{
	static const struct {
		const char *text;
		enum filter_op op;
	} ops[] = { { "!=", FILTER_IS_NOT }, { "<=", FILTER_UP_TO },
		    { ">=", FILTER_FROM },   { "=", FILTER_IS },
		    { "<", FILTER_BELOW },   { ">", FILTER_ABOVE } };

	for (size_t i = 0; i < COUNT(ops); i++) {
		if (!strncmp(s, ops[i].text, strlen(ops[i].text))) {
			*op = ops[i].op;
			return strlen(ops[i].text);
		}
	}
	return 0;
}

/* Plain decimals: no sign, no exponent, no "inf". */
static int read_number(const char *s, enum column_unit unit, double *out)
{
	size_t whole = strspn(s, "0123456789"), part = 0;
	char digits[DIGITS_MOST + 2];
	const char *end = s + whole;

	if (*end == '.') {
		part = strspn(end + 1, "0123456789");
		end += 1 + part;
		if (!part)
			return -EINVAL;
	}
	if (!whole || whole + part > DIGITS_MOST)
		return -EINVAL;
	memcpy(digits, s, end - s);
	digits[end - s] = '\0';
	*out = strtod(digits, NULL);
	if (*out == 0 && !*end)
		return 0;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < suffixes[unit].count; i++) {
		if (strcmp(end, suffixes[unit].list[i].text))
			continue;
		*out *= suffixes[unit].list[i].factor;
		return 0;
	}
	return -EINVAL;
}

/* What a user typed may hold anything; it is shown as a terminal may see it. */
static int say_no_column(const char *text, size_t key, char *cause, size_t len)
{
	char list[512], shown[64], name[64];

	snprintf(name, sizeof(name), "%.*s", (int)(key < 60 ? key : 60), text);
	text_copy(shown, sizeof(shown), name, SIZE_MAX);
	column_list(list, sizeof(list));
	snprintf(cause, len, "there is no column '%s'; there are %s", shown, list);
	return -EINVAL;
}

static int say_bad(const char *text, const char *wanted, char *cause, size_t len)
{
	char shown[128];

	text_copy(shown, sizeof(shown), text, SIZE_MAX);
	snprintf(cause, len, "'%s': must be %s", shown, wanted);
	return -EINVAL;
}

int filter_parse(const char *text, struct filter *out, char *cause, size_t len)
{
	size_t at = strcspn(text, "=!<>"), op_len = read_op(text + at, &out->op);
	const char *value = text + at + op_len;
	size_t key = at;
	char wanted[128];

	while (key && text[key - 1] == ' ')
		key--;

	if (!key || !op_len)
		return say_bad(text, "COLUMN=PATTERN, or as p99>10ms", cause, len);
	out->column = column_find(text, key);
	if (!out->column)
		return say_no_column(text, key, cause, len);
	out->glob = value;
	out->number = 0;
	if (out->column->unit == COLUMN_TEXT) {
		if (out->op != FILTER_IS && out->op != FILTER_IS_NOT)
			return say_bad(text, "= or != and a pattern: it is a text",
				       cause, len);
		return 0;
	}
	value += strspn(value, " ");
	if (!read_number(value, out->column->unit, &out->number))
		return 0;
	snprintf(wanted, sizeof(wanted), "%s and %s", out->column->key,
		 suffixes[out->column->unit].example);
	return say_bad(text, wanted, cause, len);
}

static bool passes_number(enum filter_op op, double have, double want)
{
	bool same = fabs(have - want) <= 1e-9 * fabs(want);

	switch (op) {
	case FILTER_IS:
		return same;
	case FILTER_IS_NOT:
		return !same;
	case FILTER_BELOW:
		return have < want && !same;
	case FILTER_UP_TO:
		return have < want || same;
	case FILTER_ABOVE:
		return have > want && !same;
	default:
		return have > want || same;
	}
}

bool filter_passes(const struct filter *f, const struct cell *cell)
{
	if (f->column->unit == COLUMN_TEXT)
		return !fnmatch(f->glob, cell->text, 0) == (f->op == FILTER_IS);
	if (!cell->there)
		return f->op == FILTER_IS_NOT;
	return passes_number(f->op, cell->number, f->number);
}
