// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/options.h"
#include "base/pairs.h"
#include "base/util.h"

#define SECOND 1000ULL /* ms */
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define MIB    (1ULL << 20)

/* This variable is a base: the path of the metrics is appended to it. */
static const char base_variable[] = "OTEL_EXPORTER_OTLP_ENDPOINT";

static void note_given(struct options *o, const struct option_desc *d)
{
	size_t i = (size_t)(d - o->table->rows);

	o->given[i / 64] |= 1ULL << i % 64;
}

/* Lists have the greatest first, and end with NULL. */
struct suffix {
	const char *name;
	uint64_t factor;
};

static const struct suffix no_suffix[] = { { "", 1 }, { NULL } };
static const struct suffix duration_suffixes[] = {
	{ "d", 24 * HOUR }, { "h", HOUR }, { "m", MINUTE },
	{ "s", SECOND },    { "ms", 1 },   { NULL },
};
static const struct suffix size_suffixes[] = {
	{ "GiB", 1024 * MIB },
	{ "MiB", MIB },
	{ "KiB", 1024 },
	{ NULL },
};

/* A number with one of the suffixes, within the option's limits. */
static int parse_value(const struct option_desc *d, const char *s,
		       const struct suffix *suffix, uint64_t *out)
{
	const char *end;
	uint64_t n;
	int err;

	err = number_read(s, &end, &n);
	if (err)
		return err;
	while (suffix->name && strcmp(end, suffix->name))
		suffix++;
	if (!suffix->name || __builtin_mul_overflow(n, suffix->factor, &n))
		return -EINVAL;
	if (n < d->min || n > d->max || (d->pow2 && (n & (n - 1))))
		return -ERANGE;
	*out = n;
	return 0;
}

/* "90s", or as we write it: "1m30s", the greater unit first, each once. */
static int parse_duration(const struct option_desc *d, const char *s, uint64_t *out)
{
	const struct suffix *suffix = duration_suffixes;
	uint64_t n, sum = 0;

	do {
		size_t len;

		if (number_read(s, &s, &n))
			return -EINVAL;
		len = strcspn(s, "0123456789");
		while (suffix->name &&
		       (strlen(suffix->name) != len || memcmp(suffix->name, s, len)))
			suffix++;
		if (!suffix->name || __builtin_mul_overflow(n, suffix->factor, &n) ||
		    __builtin_add_overflow(sum, n, &sum))
			return -EINVAL;
		suffix++;
		s += len;
	} while (*s);
	if (sum < d->min || sum > d->max)
		return -ERANGE;
	*out = sum;
	return 0;
}

int options_duration(const char *s, uint64_t min_ms, uint64_t max_ms, uint64_t *ms)
{
	struct option_desc limits = { .min = min_ms, .max = max_ms };

	return parse_duration(&limits, s, ms);
}

static int parse_choice(const char *const *choices, const char *s, int *out)
{
	for (int i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], s)) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static enum pairs_kind pairs_kind(const struct option_desc *d)
{
	return d->type == OPTION_HEADERS ? PAIRS_HEADERS : PAIRS_ATTRIBUTES;
}

static int add_value(struct option_list *list, const char *s)
{
	if (list->of_variable)
		*list = (struct option_list){ 0 };
	if (list->count == OPTION_LIST_MOST)
		return -EINVAL;
	list->values[list->count++] = s;
	return 0;
}

/* otel: the value is from a variable of OpenTelemetry, whose times are plain ms. */
static int set(struct options *o, const struct option_desc *d, const char *s, bool otel)
{
	void *field = (char *)o + d->off;
	char what[128]; /* say_bad asks again */
	int choice, err;

	switch (d->type) {
	case OPTION_UINT:
		return parse_value(d, s, no_suffix, field);
	case OPTION_DURATION:
		return otel ? parse_value(d, s, no_suffix, field)
			    : parse_duration(d, s, field);
	case OPTION_SIZE:
		return parse_value(d, s, size_suffixes, field);
	case OPTION_ENUM:
		return parse_choice(d->choices, s, field);
	case OPTION_BOOL:
		err =
		    parse_choice((const char *[]){ "false", "true", NULL }, s, &choice);
		if (!err)
			*(bool *)field = choice;
		return err;
	case OPTION_ATTRIBUTES:
	case OPTION_HEADERS:
		err = pairs_check(pairs_kind(d), s, what, sizeof(what));
		break;
	default:
		err = d->check ? d->check(s) : *s ? 0 : -EINVAL;
	}
	if (!err && d->type == OPTION_LIST)
		return add_value(field, s);
	if (!err)
		*(const char **)field = s;
	return err;
}

int options_percent(const char *s, double *share)
{
	size_t whole = strspn(s, "0123456789"), part = 0;

	if (s[whole] == '.')
		part = strspn(s + whole + 1, "0123456789");
	if (!whole || whole > 3 || part > 4 || (s[whole] == '.' && !part) ||
	    strcmp(s + whole + (part ? part + 1 : 0), "%"))
		return -EINVAL;
	*share = strtod(s, NULL) / 100;
	return *share < 0.001 || *share > 1 ? -EINVAL : 0;
}

/* A number of ms or bytes in the largest unit that leaves no rest. */
static void print_number(FILE *f, uint64_t n, const struct suffix *suffixes)
{
	const struct suffix *s = suffixes;

	while (s[1].name && (n < s->factor || n % s->factor))
		s++;
	fprintf(f, "%llu%s", (unsigned long long)(n / s->factor), s->name);
}

void options_print_duration(FILE *f, uint64_t ms)
{
	print_number(f, ms, duration_suffixes);
}

static void print_range(FILE *f, const struct option_desc *d,
			const struct suffix *suffixes)
{
	print_number(f, d->min, suffixes);
	fputs(" to ", f);
	print_number(f, d->max, suffixes);
}

static void print_choices(FILE *f, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		fprintf(f, "%s%s",
			!i		 ? ""
			: choices[i + 1] ? ", "
					 : " or ",
			choices[i]);
}

/* What the option takes, as the end of "must be ...". */
static void print_allowed(FILE *f, const struct option_desc *d, bool otel)
{
	switch (d->type) {
	case OPTION_UINT:
		fputs(d->pow2 ? "a power of two, " : "a number, ", f);
		print_range(f, d, no_suffix);
		break;
	case OPTION_DURATION:
		fputs(otel ? "a number of milliseconds, " : "a time, ", f);
		print_range(f, d, otel ? no_suffix : duration_suffixes);
		break;
	case OPTION_SIZE:
		fputs("a size, ", f);
		print_range(f, d, size_suffixes);
		break;
	case OPTION_ENUM:
		print_choices(f, d->choices);
		break;
	case OPTION_BOOL:
		fputs("true or false", f);
		break;
	case OPTION_ATTRIBUTES:
	case OPTION_HEADERS:
		fputs("key=value,key=value", f);
		break;
	default:
		if (d->type == OPTION_LIST)
			fprintf(f, "given %d times at most, and ", OPTION_LIST_MOST);
		if (d->allowed)
			d->allowed(f);
		else
			fputs("a name, not empty", f);
	}
}

/* What a user typed may hold anything; an error is one line all the same. */
static int keep_line(char *cause)
{
	for (; *cause; cause++)
		if (iscntrl((unsigned char)*cause))
			*cause = '?';
	return -EINVAL;
}

static int say_bad(const struct option_desc *d, const char *name, const char *s,
		   bool otel, char *cause, size_t len)
{
	bool pairs = d->type == OPTION_ATTRIBUTES || d->type == OPTION_HEADERS;
	FILE *f = fmemopen(cause, len, "w");
	char what[128] = "no memory";

	if (!f)
		return -errno;
	if (pairs) /* there may be a password in it */
		fprintf(f, "%s: must be ", name);
	else
		fprintf(f, "%s: '%.200s': must be ", name, s);
	print_allowed(f, d, otel);
	if (pairs) {
		pairs_check(pairs_kind(d), s, what, sizeof(what));
		fprintf(f, ", percent-encoded: %s", what);
	}
	fclose(f);
	cause[len - 1] = '\0';
	return keep_line(cause);
}

/* The endpoint of all signals: the metrics have their own path below it. */
static const char *append_path(struct options *o, const char *base)
{
	size_t len = strlen(base);
	int n;

	while (len && base[len - 1] == '/')
		len--;
	n = snprintf(o->url, sizeof(o->url), "%.*s/v1/metrics", (int)len, base);
	return n < (int)sizeof(o->url) ? o->url : "";
}

/* The value of a variable; unset and empty are the same: NULL. */
static const char *variable(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

/* Reads the variable of an option that counts; the others may hold anything. */
static int set_env(struct options *o, const struct option_desc *d, char *cause,
		   size_t len)
{
	char own[64];
	const char *name = own, *s, *value;

	options_variable(d, own, sizeof(own));
	s = variable(own);
	for (int i = OPTION_ENV; i-- && !s;)
		if (d->otel[i]) {
			name = d->otel[i];
			s = variable(name);
		}
	if (!s)
		return 0;
	value = !strcmp(name, base_variable) ? append_path(o, s) : s;
	if (set(o, d, value, name != own))
		return say_bad(d, name, s, name != own, cause, len);
	if (d->type == OPTION_LIST)
		((struct option_list *)((char *)o + d->off))->of_variable = true;
	note_given(o, d);
	return 0;
}

void options_variable(const struct option_desc *d, char *name, size_t len)
{
	snprintf(name, len, "ASSAY_%s", d->key);
	for (; *name; name++)
		*name = *name == '-' ? '_' : toupper((unsigned char)*name);
}

void options_init(struct options *o, const struct option_table *table)
{
	memset(o, 0, sizeof(*o));
	o->table = table;
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].def)
			set(o, &table->rows[i], table->rows[i].def, false);
}

int options_env(struct options *o, unsigned int mask, char *cause, size_t len)
{
	int err = 0;

	for (size_t i = 0; i < o->table->count && !err; i++)
		if (o->table->rows[i].mask & ~o->table->rows[i].flag_only & mask)
			err = set_env(o, &o->table->rows[i], cause, len);
	return err;
}

static const struct option_desc *find_option(const struct option_table *table,
					     unsigned int mask, const char *key,
					     size_t len)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_desc *d = &table->rows[i];

		if ((d->mask & mask) && strlen(d->key) == len &&
		    !memcmp(d->key, key, len))
			return d;
	}
	return NULL;
}

/* One flag at argv[*at]; its value is behind a '=' or the next argument. */
static int set_flag(struct options *o, unsigned int mask, int argc, char **argv,
		    int *at, char *cause, size_t len)
{
	const char *key = argv[*at] + 2, *s;
	size_t key_len = strcspn(key, "=");
	const struct option_desc *d = find_option(o->table, mask, key, key_len);
	char name[64];

	if (!d || strncmp(argv[*at], "--", 2)) {
		snprintf(cause, len, "%.200s: no such option%s", argv[*at],
			 find_option(o->table, CMD_ALL, key, key_len)
			     ? " of this command: others have it"
			     : "");
		return keep_line(cause);
	}
	snprintf(name, sizeof(name), "--%s", d->key);
	if (key[key_len] == '=')
		s = key + key_len + 1;
	else if (d->type == OPTION_BOOL)
		s = "true";
	else if (*at + 1 < argc)
		s = argv[++*at];
	else {
		snprintf(cause, len, "%s: needs a value: %s", name, d->value);
		return -EINVAL;
	}
	if (set(o, d, s, false))
		return say_bad(d, name, s, false, cause, len);
	note_given(o, d);
	return 0;
}

bool options_is_given(const struct options *o, const char *key)
{
	const struct option_desc *d = find_option(o->table, CMD_ALL, key, strlen(key));

	size_t i = d ? (size_t)(d - o->table->rows) : 0;

	return d && o->given[i / 64] & 1ULL << i % 64;
}

int options_args(struct options *o, unsigned int mask, int argc, char **argv,
		 char *cause, size_t len)
{
	int rest = 0;

	for (int i = 0; i < argc; i++) {
		int err;

		if (!strcmp(argv[i], "--")) {
			while (++i < argc)
				argv[rest++] = argv[i];
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[rest++] = argv[i];
			continue;
		}
		err = set_flag(o, mask, argc, argv, &i, cause, len);
		if (err)
			return err;
	}
	if (rest < argc) /* who takes one more finds that there is none */
		argv[rest] = NULL;
	return rest;
}
