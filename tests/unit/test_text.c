/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside: escapes keep names apart, and a terminal gets no commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"

#define ROUNDS 300000

/* The way back, written from the description in text.h: even is letters, odd a byte. */
static void unescape(char *out, const char *s)
{
	while (*s) {
		size_t n = strspn(s, "\\");
		const char *rest = s + n;
		unsigned int byte = 0;
		int used = 0;
		bool code = n && sscanf(rest, "x%2x%n", &byte, &used) == 1 &&
			    used == 3 && byte >= 0x80 &&
			    strspn(rest + 1, "0123456789abcdef") >= 2;

		if (!code) {
			n = n ? n : 1;
			memcpy(out, s, n);
			out += n;
			s += n;
			continue;
		}
		memset(out, '\\', n / 2);
		out += n / 2;
		if (n % 2)
			*out++ = (char)byte;
		s = n % 2 ? rest + 3 : rest;
	}
	*out = '\0';
}

/* Names in which an escape is likely to be mistaken. */
static void random_name(char *s, size_t len)
{
	static const char *const parts[] = { "\\",  "\\",   "x",    "ff",    "80",
					     "7f",  "\xff", "\x80", "\xc3",  "f",
					     "\\x", "X",    "é",    "\\xff", "\n" };

	*s = '\0';
	for (size_t n = random() % 7; n; n--) {
		if (random() % 4)
			strcat(s, parts[random() % COUNT(parts)]);
		else
			sprintf(s + strlen(s), "%c", (int)(1 + random() % 255));
	}
	assert_true(strlen(s) < len);
}

static void every_name_has_an_escape_of_its_own(void **state)
{
	char name[64], escaped[256], back[256];

	srandom(7);
	for (int i = 0; i < ROUNDS; i++) {
		random_name(name, sizeof(name));
		text_escape(escaped, name);
		unescape(back, escaped);
		if (strcmp(back, name) || !text_is_utf8(escaped)) {
			print_message("# '%s' became '%s' and '%s'\n", name, escaped,
				      back);
			fail();
		}
		assert_int_equal(text_needs_escape(name), strcmp(name, escaped) != 0);
	}
}

static void escapes_are_as_described(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "dev-disk-by\\x2duuid.scope", "dev-disk-by\\x2duuid.scope" },
		{ "C:\\new\\\\", "C:\\new\\\\" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\\xff\\xfe", "\\\\xff\\\\xfe" },
		{ "\\\xff", "\\\\\\xff" },
		{ "\\\\xff", "\\\\\\\\xff" },
		{ "\\xFF \\x7f \\x8", "\\xFF \\x7f \\x8" },
		{ "xff", "xff" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xc0\xaf", "\\xc0\\xaf" },	       /* overlong */
		{ "\xef\xbf\xbf", "\xef\xbf\xbf" },    /* U+FFFF is UTF-8 */
		{ "\x1b[m\r", "\x1b[m\r" },	       /* and so is this */
	};
	char out[64];

	for (size_t i = 0; i < COUNT(cases); i++) {
		text_escape(out, cases[i].in);
		assert_string_equal(out, cases[i].out);
	}
}

static void a_terminal_sees_what_is_visible(void **state)
{
	static const struct {
		const char *in, *out;
		size_t columns;
	} cases[] = {
		{ "plain name", "plain name", 10 },
		{ "\x1b[2J", "\\x1b[2J", 7 },
		{ "x\rroot\n", "x\\x0droot\\x0a", 13 },
		{ "\x7f", "\\x7f", 4 },
		{ "\xc2\x9b"
		  "31m",
		  "\\u009b31m", 9 }, /* C1 */
		{ "\xe2\x80\xaegnp.exe", "\\u202egnp.exe", 13 },
		{ "\xe2\x81\xa6i", "\\u2066i", 7 },
		{ "a\xe2\x80\x8b", "a\\u200b", 7 },
		{ "a\xd8\x82", "a\\u0602", 7 },
		{ "\xef\xbb\xbf", "\\ufeff", 6 },
		{ "\xf3\xa0\x81\x81", "\\U000e0041", 10 }, /* a tag */
		{ "\xff\xc3", "\\xff\\xc3", 8 },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", 4 },
		{ "\xe6\xbc\xa2\xe5\xad\x97", "\xe6\xbc\xa2\xe5\xad\x97", 4 },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 2 },
		{ "e\xcc\x81", "e\xcc\x81", 1 },
		{ "\xcc\x81"
		  "e",
		  "\\u0301e", 7 }, /* on nothing */
	};
	char out[128], again[128];

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(text_copy(out, sizeof(out), cases[i].in, SIZE_MAX),
				 cases[i].columns);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(text_columns(cases[i].in), cases[i].columns);
		text_copy(again, sizeof(again), out, SIZE_MAX);
		assert_string_equal(again, out);
	}
	text_copy(out, sizeof(out), "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", 99);
	assert_string_equal(out, "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\\u0301");
}

/* Cut anywhere, by bytes or by columns, it is whole characters of the whole. */
static void a_cut_text_is_whole_characters(void **state)
{
	const char *name = "a\xe6\xbc\xa2\x1b\xf0\x9f\x98\x80z";
	char whole[64], out[64];
	size_t columns = text_copy(whole, sizeof(whole), name, SIZE_MAX);

	assert_int_equal(columns, 1 + 2 + 4 + 2 + 1);
	for (size_t size = 1; size < 20; size++)
		for (size_t width = 0; width < 12; width++) {
			size_t n = text_copy(out, size, name, width);

			assert_true(n <= width && strlen(out) < size);
			assert_true(text_is_utf8(out));
			assert_int_equal(strncmp(out, whole, strlen(out)), 0);
			assert_int_equal(text_columns(out), n);
		}
}

static void random_bytes_never_reach_a_terminal(void **state)
{
	char name[64], out[256], again[256];

	srandom(11);
	for (int i = 0; i < ROUNDS; i++) {
		random_name(name, sizeof(name));
		text_copy(out, sizeof(out), name, SIZE_MAX);
		for (const char *c = out; *c; c++)
			assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
		assert_true(text_is_utf8(out));
		text_copy(again, sizeof(again), out, SIZE_MAX);
		assert_string_equal(out, again);
	}
}

static void lines_keep_their_ends_and_columns_their_width(void **state)
{
	static const char input[] = "one\ntwo\x1b[m\n\n\xff";
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	text_lines(f, input, sizeof(input) - 1);
	text_column(f, "\xe6\xbc\xa2\xe5\xad\x97", 6);
	text_column(f, "\xe6\xbc\xa2\xe5\xad\x97", 3);
	fputs("|", f);
	fclose(f);
	assert_string_equal(text, "one\ntwo\\x1b[m\n\n\\xff\n"
				  "\xe6\xbc\xa2\xe5\xad\x97  \xe6\xbc\xa2 |");
	free(text);
}

/* What no agent says, but a peer of the command line may. */
static void numbers_out_of_all_bounds_are_told_as_they_are(void **state)
{
	char out[UNITS_LEN];

	assert_string_equal(units_count(out, 0.0 / 0.0), "?");
	assert_string_equal(units_seconds(out, 0.0 / 0.0), "?");
	assert_string_equal(units_age(out, 0.0 / 0.0), "?");
	assert_string_equal(units_count(out, 1.0 / 0.0), "infT");
	assert_string_equal(units_count(out, -1.0 / 0.0), "-infT");
	assert_string_equal(units_count(out, -3), "-3");
	assert_string_equal(units_rate(out, -4200), "-4.2k/s");
	assert_string_equal(units_count(out, 2e42), "2.0e+30T");
	assert_string_equal(units_bytes_rate(out, -1e308), "-9.1e+295 TiB/s");
	assert_string_equal(units_seconds(out, 3e300), "3.0e+300s");
	assert_string_equal(units_age(out, 1e30), "46296d7h");
	assert_string_equal(units_age(out, 90), "1m30s");
	assert_string_equal(units_count(out, 999e12), "999T");
}

static void an_address_in_a_url_has_brackets(void **state)
{
	static const char *const cases[][2] = {
		{ "http://fd00::1:4318", "http://[fd00::1]:4318" },
		{ "https://::1:10250/pods", "https://[::1]:10250/pods" },
		{ "http://[fd00::1]:4318/v1", "http://[fd00::1]:4318/v1" },
		{ "http://10.0.0.1:4318", "http://10.0.0.1:4318" },
		{ "http://node", "http://node" },
		{ "http://a:b:c@node:1/x:y", "http://a:b:c@node:1/x:y" },
		{ "http://node/a:b:c", "http://node/a:b:c" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *url = text_url(cases[i][0]);

		assert_string_equal(url, cases[i][1]);
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_in_a_url_has_brackets),
		cmocka_unit_test(every_name_has_an_escape_of_its_own),
		cmocka_unit_test(escapes_are_as_described),
		cmocka_unit_test(a_terminal_sees_what_is_visible),
		cmocka_unit_test(a_cut_text_is_whole_characters),
		cmocka_unit_test(random_bytes_never_reach_a_terminal),
		cmocka_unit_test(lines_keep_their_ends_and_columns_their_width),
		cmocka_unit_test(numbers_out_of_all_bounds_are_told_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
