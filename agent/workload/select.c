// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "workload/owner.h"
#include "workload/pods.h"
#include "workload/select.h"

#define LABEL "label:"

enum word { NAMESPACE, POD, CONTAINER, OWNER, NAME, KIND, LABEL_OF };

static const char *const words[] = { "namespace", "pod",  "container",
				     "owner",	  "name", "kind" };
static const enum workload_kind kinds[] = { WORKLOAD_CONTAINER, WORKLOAD_POD,
					    WORKLOAD_UNIT, WORKLOAD_CGROUP };

/* One rule: parts of the text. */
struct rule {
	enum word word;
	const char *key; /* of a label, terminated */
	const char *pattern;
};

struct select {
	char *text;
	size_t count;
	struct rule rules[];
};

/*
 * Does the pattern match len bytes? Where a part behind a * does not fit, the latest *
 * takes one byte more: no earlier one has to.
 */
static bool matches(const char *pattern, const char *s, size_t len)
{
	const char *star = NULL;
	size_t at = 0, from = 0;

	while (at < len) {
		if (*pattern == '*') {
			star = pattern++;
			from = at;
		} else if (*pattern == s[at]) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star + 1;
			at = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool is_key(const char *s)
{
	if (!*s || strlen(s) > PODS_KEY_MAX)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_./", *s))
			return false;
	return true;
}

/* A kind that no workload has would exclude nothing, or all. */
static bool is_kind(const char *pattern)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const char *name = workload_kind_name(kinds[i]);

		if (matches(pattern, name, strlen(name)))
			return true;
	}
	return false;
}

static bool is_pattern(const char *s)
{
	for (const char *c = s; *c; c++)
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
			return false;
	return *s;
}

/* Reads one rule, in place. */
static int parse_rule(char *text, struct rule *r)
{
	char *pattern = strchr(text, '=');
	size_t i = 0;

	if (!pattern)
		return -EINVAL;
	*pattern++ = '\0';
	r->pattern = pattern;
	if (!strncmp(text, LABEL, strlen(LABEL))) {
		r->word = LABEL_OF;
		r->key = text + strlen(LABEL);
		/* a label may be there and empty */
		return is_key(r->key) && (!*pattern || is_pattern(pattern)) ? 0
									    : -EINVAL;
	}
	while (i < COUNT(words) && strcmp(words[i], text))
		i++;
	if (i == COUNT(words) || !is_pattern(pattern))
		return -EINVAL;
	r->word = i;
	return r->word == KIND && !is_kind(pattern) ? -EINVAL : 0;
}

static size_t count_rules(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ',';
	return n;
}

int select_parse(const char *text, struct select **out)
{
	size_t count = count_rules(text);
	struct select *s = calloc(1, sizeof(*s) + count * sizeof(*s->rules));
	char *rest, *one;
	int err = 0;

	if (s)
		s->text = strdup(text);
	if (!s || !s->text) {
		free(s);
		return -ENOMEM;
	}
	rest = s->text;
	while (!err && (one = strsep(&rest, ",")))
		err = parse_rule(one, &s->rules[s->count++]);
	if (err) {
		select_free(s);
		return err;
	}
	*out = s;
	return 0;
}

static bool matches_text(const char *pattern, const char *s)
{
	return s && matches(pattern, s, strlen(s));
}

static bool rule_matches(const struct rule *r, const struct workload_id *id,
			 const struct names *n)
{
	struct owner owner;

	switch (r->word) {
	case NAME:
		return matches_text(r->pattern, id->name);
	case KIND:
		return matches_text(r->pattern, workload_kind_name(id->kind));
	case CONTAINER:
		return n && matches_text(r->pattern, n->container);
	case NAMESPACE:
		return n && matches_text(r->pattern, n->namespace);
	case POD:
		return n && matches_text(r->pattern, n->pod);
	case OWNER:
		return n && owner_find(n, &owner) &&
		       matches(r->pattern, owner.name, owner.len);
	case LABEL_OF:
		return n && matches_text(r->pattern, names_label(n, r->key));
	}
	return false;
}

bool select_matches(const struct select *s, const struct workload_id *id,
		    const struct names *names)
{
	for (size_t i = 0; i < s->count; i++)
		if (rule_matches(&s->rules[i], id, names))
			return true;
	return false;
}

bool select_needs_kubelet(const struct select *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->rules[i].word == LABEL_OF || s->rules[i].word == OWNER)
			return true;
	return false;
}

char *select_labels(const struct select *s)
{
	char *text = NULL;
	size_t len;
	bool some = false;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < s->count; i++)
		if (s->rules[i].word == LABEL_OF) {
			fprintf(f, "%s%s", some ? "," : "", s->rules[i].key);
			some = true;
		}
	if (!fclose(f) && some)
		return text;
	free(text);
	return NULL;
}

int select_check(const char *text)
{
	struct select *s;
	int err = select_parse(text, &s);

	if (!err)
		select_free(s);
	return err;
}

void select_allowed(FILE *f)
{
	for (size_t i = 0; i < COUNT(words); i++)
		fprintf(f, "%s=, ", words[i]);
	fputs("or label:KEY=, each with a value in which * may stand for any "
	      "characters, and commas between (kinds:",
	      f);
	for (size_t i = 0; i < COUNT(kinds); i++)
		fprintf(f, " %s", workload_kind_name(kinds[i]));
	fputs(")", f);
}

void select_free(struct select *s)
{
	if (!s)
		return;
	free(s->text);
	free(s);
}
