// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "workload/json_member.h"

struct scan {
	const char *at, *end;
	unsigned int depth;
};

/* Bytes that are more than another one of a number or a word. */
static const bool marks[256] = { ['"'] = true, [','] = true, ['{'] = true,
				 ['}'] = true, ['['] = true, [']'] = true };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void pass_spaces(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

/* To behind the string that begins here; false: it has no end. */
static bool pass_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\')
			s->at++;
	if (s->at >= s->end)
		return false;
	s->at++;
	return true;
}

/* To behind one string, bracket or other byte; false: the text is cut. */
static bool pass(struct scan *s)
{
	switch (*s->at) {
	case '"':
		return pass_string(s);
	case '{':
	case '[':
		s->depth++;
		break;
	case '}':
	case ']':
		if (!s->depth)
			return false;
		s->depth--;
		break;
	}
	s->at++;
	return true;
}

/* To the comma or the bracket that ends a value of the object. */
static bool pass_value(struct scan *s)
{
	while (s->at < s->end) {
		if (!marks[(unsigned char)*s->at]) {
			s->at++;
			continue;
		}
		if (s->depth == 1 && (*s->at == ',' || *s->at == '}'))
			return true;
		if (!pass(s))
			return false;
	}
	return false;
}

/* To the value of the next key; false: there is none. */
static bool pass_key(struct scan *s, const char **name, size_t *len)
{
	pass_spaces(s);
	if (s->at == s->end || *s->at != '"')
		return false;
	*name = s->at + 1;
	if (!pass_string(s))
		return false;
	*len = s->at - *name - 1;
	pass_spaces(s);
	if (s->at == s->end || *s->at != ':')
		return false;
	s->at++;
	return true;
}

/* Is what follows the end of the text? */
static bool ends(struct scan *s)
{
	if (s->at == s->end || *s->at != '}')
		return false;
	s->at++;
	pass_spaces(s);
	return s->at == s->end;
}

int json_member(const char *text, size_t len, const char *key, const char **value,
		size_t *value_len)
{
	struct scan s = { .at = text, .end = text + len, .depth = 1 };
	size_t name_len;
	const char *name;

	*value = NULL;
	pass_spaces(&s);
	if (s.at == s.end || *s.at++ != '{')
		return -EBADMSG;
	pass_spaces(&s);
	if (ends(&s))
		return -ENOENT;
	do {
		const char *from;
		bool is_it;

		if (!pass_key(&s, &name, &name_len))
			return -EBADMSG;
		is_it = name_len == strlen(key) && !memcmp(name, key, name_len);
		from = s.at;
		if (!pass_value(&s) || (is_it && *value))
			return -EBADMSG;
		if (is_it) {
			*value = from;
			*value_len = s.at - from;
		}
	} while (*s.at == ',' && s.at++);
	if (!ends(&s))
		return -EBADMSG;
	return *value ? 0 : -ENOENT;
}
