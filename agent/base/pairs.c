// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairs.h"
#include "base/text.h"

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Percent-decodes in place. A byte of 0 would end the text early: -EINVAL, too. */
static int decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex_digit(s[1]);
			int low = high < 0 ? -1 : hex_digit(s[2]);

			if (low < 0 || high + low == 0)
				return -EINVAL;
			*to++ = (char)(high * 16 + low);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return 0;
}

static char *trim(char *s)
{
	char *end;

	while (*s == ' ' || *s == '\t')
		s++;
	end = s + strlen(s);
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return s;
}

int pairs_next(char **rest, char **key, char **value)
{
	char *pair;

	do {
		pair = strsep(rest, ",");
		if (!pair)
			return 0;
		pair = trim(pair);
	} while (!*pair);
	*key = pair;
	*value = strchr(pair, '=');
	if (*value == pair)
		*value = NULL;
	if (!*value)
		return -EINVAL;
	*(*value)++ = '\0';
	*key = trim(pair);
	*value = trim(*value);
	if (!**key || decode(*key) || decode(*value))
		return -EINVAL;
	return 1;
}

static bool is_token(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

bool pairs_usable(enum pairs_kind kind, const char *key, const char *value)
{
	if (kind == PAIRS_ATTRIBUTES)
		return text_is_utf8(key) && text_is_utf8(value);
	for (const char *c = value; *c; c++)
		if (iscntrl((unsigned char)*c))
			return false;
	return is_token(key);
}

int pairs_check(enum pairs_kind kind, const char *text, char *what, size_t len)
{
	char *copy = strdup(text), *rest = copy, *key, *value;
	unsigned int number = 0;
	const char *fault;
	int n = copy ? 1 : -ENOMEM;

	while (n > 0) {
		number++;
		n = pairs_next(&rest, &key, &value);
		fault = "is not of this form";
		if (n < 0 && value && *key)
			fault = "has a % without two hexadecimal digits behind it";
		if (n > 0 && !pairs_usable(kind, key, value)) {
			fault = kind == PAIRS_ATTRIBUTES ? "is no UTF-8"
							 : "can be no header of HTTP";
			n = -EINVAL;
		}
	}
	/* what stands before the '=' may be a password, too, if it is in the wrong
	 * place */
	if (n == -EINVAL && kind == PAIRS_ATTRIBUTES)
		snprintf(what, len, "pair %u, '%.60s', %s", number, key, fault);
	else if (n == -EINVAL)
		snprintf(what, len, "pair %u %s", number, fault);
	free(copy);
	return n;
}
