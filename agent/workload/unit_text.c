// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/unit_text.h"

#define FILE_MAX (64 << 10)
#define NAME_LEN 256 /* systemd.unit(5): 255 characters at most */

static const char *const directories[] = {
	"etc/systemd/system.control", "run/systemd/system.control",
	"run/systemd/transient",      "run/systemd/generator.early",
	"etc/systemd/system",	      "etc/systemd/system.attached",
	"run/systemd/system",	      "run/systemd/system.attached",
	"run/systemd/generator",      "usr/local/lib/systemd/system",
	"usr/lib/systemd/system",     "lib/systemd/system",
	"run/systemd/generator.late",
};

struct out {
	char text[UNIT_TEXT_MAX + 1];
	size_t len;
};

static void put(struct out *o, const char *s, size_t len)
{
	size_t room = UNIT_TEXT_MAX - o->len;

	if (len > room)
		len = room;
	memcpy(o->text + o->len, s, len);
	o->len += len;
	o->text[o->len] = '\0';
}

/* As systemd-escape(1) --unescape: "-" is a slash, "\x2d" a byte. */
static void put_unescaped(struct out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char hex[3] = { 0 }, c = s[i] == '-' ? '/' : s[i];

		if (s[i] == '\\' && i + 3 < len && s[i + 1] == 'x' &&
		    isxdigit((unsigned char)s[i + 2]) &&
		    isxdigit((unsigned char)s[i + 3])) {
			memcpy(hex, s + i + 2, 2);
			c = (char)strtoul(hex, NULL, 16);
			i += 3;
		}
		put(o, &c, 1);
	}
}

/* A specifier of the unit's name; others stay as they are written. */
static void put_specifier(struct out *o, char c, const char *unit)
{
	size_t whole = strlen(unit);
	const char *dot = strrchr(unit, '.'), *at = strchr(unit, '@');
	size_t stem = dot ? (size_t)(dot - unit) : whole;
	size_t prefix = at ? (size_t)(at - unit) : stem;
	const char *instance = at && prefix < stem ? at + 1 : unit + stem;
	size_t len = unit + stem - instance;

	switch (c) {
	case 'n':
		return put(o, unit, whole);
	case 'N':
		return put(o, unit, stem);
	case 'p':
		return put(o, unit, prefix);
	case 'P':
		return put_unescaped(o, unit, prefix);
	case 'i':
		return put(o, instance, len);
	case 'I':
		return put_unescaped(o, instance, len);
	case '%':
		return put(o, "%", 1);
	default:
		put(o, (char[]){ '%', c }, 2);
	}
}

/* Cuts what is no UTF-8, as of a character that did not fit, and what is no text. */
static char *finish(struct out *o)
{
	size_t at = 0, len;

	while ((len = text_utf8(o->text + at)) && o->text[at])
		at += len;
	o->text[at] = '\0';
	for (char *s = o->text; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = ' ';
	return *o->text ? strdup(o->text) : NULL;
}

static void expand(struct out *o, const char *value, size_t len, const char *unit)
{
	o->len = 0;
	o->text[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '%' && i + 1 < len)
			put_specifier(o, value[++i], unit);
		else if (value[i] == '\\' && i + 1 < len && value[i + 1] == '\n')
			put(o, " ", 1), i++;
		else
			put(o, value + i, 1);
	}
}

/* The end of a line, which a backslash before the newline makes longer. */
static const char *line_end(const char *s)
{
	const char *end = strchrnul(s, '\n');

	while (*end && end > s && end[-1] == '\\')
		end = strchrnul(end + 1, '\n');
	return end;
}

char *unit_description_parse(const char *text, const char *unit)
{
	static const char key[] = "Description";
	struct out out = { .len = 0 };
	bool in_unit = false;

	for (const char *s = text; *s;) {
		const char *end = line_end(s), *value;

		s += strspn(s, " \t");
		if (*s == '[')
			in_unit = !strncmp(s, "[Unit]", 6);
		if (in_unit && !strncmp(s, key, sizeof(key) - 1)) {
			value = s + sizeof(key) - 1;
			value += strspn(value, " \t");
			if (*value == '=') {
				value++;
				value += strspn(value, " \t");
				expand(&out, value, end > value ? end - value : 0,
				       unit);
			}
		}
		s = *end ? end + 1 : end;
	}
	return finish(&out);
}

/* The file of this name in the first directory that has one. */
static char *read_unit(const char *root, const char *name, char *text)
{
	char path[sizeof("usr/local/lib/systemd/system/") + NAME_LEN];

	for (size_t i = 0; i < COUNT(directories); i++) {
		int len;

		snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		len = read_file_below(root, path, text, FILE_MAX);
		if (len > 0)
			return text;
	}
	return NULL;
}

char *unit_description(const char *root, const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	char template[NAME_LEN], *text, *found, *description = NULL;

	if (!dot || strlen(unit) >= NAME_LEN || strchr(unit, '/'))
		return NULL;
	text = malloc(FILE_MAX);
	if (!text)
		return NULL;
	found = read_unit(root, unit, text);
	if (!found && at && at < dot) {
		snprintf(template, sizeof(template), "%.*s@%s", (int)(at - unit), unit,
			 dot);
		found = read_unit(root, template, text);
	}
	if (found)
		description = unit_description_parse(text, unit);
	free(text);
	return description;
}
