// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "base/text.h"
#include "base/util.h"

#define EACH_BYTE  0x0101010101010101ULL
#define ESCAPE_LEN 12	/* \U0010ffff and its end */
#define MARKS_MAX  4	/* combining marks on one character: no script needs more */
#define WORD_SIZE  8192 /* of text_wrap: of a path and more */
#define LINE_SIZE  512	/* of text_lines; longer lines are cut */

size_t text_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned int low = 0x80, high = 0xbf;
	size_t n;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	n = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (*s == 0xe0)
		low = 0xa0; /* no overlong forms */
	else if (*s == 0xed)
		high = 0x9f; /* no surrogates */
	else if (*s == 0xf0)
		low = 0x90;
	else if (*s == 0xf4)
		high = 0x8f; /* nothing above U+10FFFF */
	for (size_t i = 1; i < n; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

bool text_is_utf8(const char *s)
{
	size_t n;

	while (*s && (n = text_utf8(s)))
		s += n;
	return !*s;
}

static bool is_hex(char c)
{
	return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

/* Behind a backslash: the rest of what text_escape makes of a byte? */
static bool is_twin(const char *s)
{
	return s[0] == 'x' && s[1] >= '8' && is_hex(s[1]) && is_hex(s[2]);
}

/* ASCII without a backslash, as almost all names are. */
static bool is_plain(const char *s, size_t len)
{
	uint64_t word, like, odd = 0;

	for (; len >= sizeof(word); s += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		like = word ^ EACH_BYTE * '\\';		 /* has 0 for a backslash, */
		odd |= word | like | (like - EACH_BYTE); /* so it borrows */
	}
	for (; len; s++, len--)
		odd |= *s & 0x80 || *s == '\\' ? EACH_BYTE << 7 : 0;
	return !(odd & EACH_BYTE << 7);
}

bool text_needs_escape(const char *s)
{
	size_t n;

	if (is_plain(s, strlen(s)))
		return false;
	for (; *s; s += n) {
		n = 1;
		if (*s > ' ' && *s != '\\' && *s < 0x7f)
			continue; /* as most are */
		n = text_utf8(s);
		if (!n || (*s == '\\' && is_twin(s + 1)))
			return true;
	}
	return false;
}

void text_escape(char *out, const char *s)
{
	while (*s) {
		size_t slashes = strspn(s, "\\"), n;

		s += slashes;
		n = text_utf8(s);
		if (slashes && (!n || is_twin(s)))
			slashes *= 2;
		memset(out, '\\', slashes);
		out += slashes;
		if (!n)
			out += sprintf(out, "\\x%02x", (unsigned char)*s++);
		else if (*s)
			out = mempcpy(out, s, n);
		s += *s ? n : 0;
	}
	*out = '\0';
}

/*
 * Characters that a font may show as nothing, or that move others: the C library takes
 * some of them for printable.
 */
static const struct range {
	uint32_t first, last;
} hidden[] = {
	{ 0x00ad, 0x00ad }, /* the soft hyphen */
	{ 0x034f, 0x034f },   { 0x0600, 0x0605 },
	{ 0x061c, 0x061c },   { 0x06dd, 0x06dd }, /* marks of a number that follows */
	{ 0x070f, 0x070f },   { 0x0890, 0x0891 },
	{ 0x08e2, 0x08e2 },   { 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd }, { 0x13430, 0x1343f },
	{ 0x1bca0, 0x1bca3 }, { 0x115f, 0x1160 },
	{ 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
	{ 0x200b, 0x200f }, /* zero width, direction */
	{ 0x2028, 0x202e }, /* separators, embeddings, overrides */
	{ 0x2060, 0x206f }, /* joiners, isolates */
	{ 0x2800, 0x2800 },   { 0x3164, 0x3164 },
	{ 0xe000, 0xf8ff }, /* private use: nobody knows */
	{ 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
};

static uint32_t decode(const char *s, size_t n)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)*s & masks[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

/*
 * Columns of a character; -1: it is not to be shown. The C library knows widths in a
 * UTF-8 locale only, and not what the user's is: without C.UTF-8 only ASCII is shown.
 */
static int width_of(uint32_t c)
{
	static locale_t utf8;
	locale_t old;
	int width;

	if (c < 0x7f)
		return c < ' ' ? -1 : 1;
	for (size_t i = 0; i < COUNT(hidden); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return -1;
	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!utf8)
		return -1;
	old = uselocale(utf8);
	width = wcwidth((wchar_t)c);
	uselocale(old);
	return width;
}

/*
 * The form in which the character at *s is shown, and past it; marks: how many without
 * a width came before, MARKS_MAX at the beginning. Returns its columns.
 */
static size_t take(const char **s, unsigned int *marks, char shown[ESCAPE_LEN])
{
	size_t n = text_utf8(*s);
	uint32_t c = n ? decode(*s, n) : 0;
	int width = n ? width_of(c) : -1;

	if (!width)
		width = ++*marks > MARKS_MAX ? -1 : 0;
	if (width) /* the escapes, too, are something to put a mark on */
		*marks = 0;
	if (width >= 0)
		*(char *)mempcpy(shown, *s, n) = '\0';
	else if (c < 0x80)
		width = sprintf(shown, "\\x%02x", (unsigned char)**s);
	else
		width = sprintf(shown, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	*s += n ? n : 1;
	return width;
}

size_t text_copy(char *out, size_t size, const char *s, size_t columns)
{
	unsigned int marks = MARKS_MAX;
	char shown[ESCAPE_LEN];
	size_t column = 0;

	while (*s) {
		size_t width = take(&s, &marks, shown), n = strlen(shown);

		if (n >= size || width > columns - column)
			break;
		out = mempcpy(out, shown, n);
		size -= n;
		column += width;
	}
	*out = '\0';
	return column;
}

size_t text_columns(const char *s)
{
	unsigned int marks = MARKS_MAX;
	char shown[ESCAPE_LEN];
	size_t column = 0;

	while (*s)
		column += take(&s, &marks, shown);
	return column;
}

void text_column(FILE *f, const char *s, size_t columns)
{
	char text[LINE_SIZE];
	size_t n = text_copy(text, sizeof(text), s, columns);

	fprintf(f, "%s%*s", text, (int)(columns - n), "");
}

size_t text_middle(char *out, size_t size, const char *s, size_t columns)
{
	size_t head = (columns - 2) / 2, tail = columns - 2 - head, at;
	const char *end = s + strlen(s);

	if (text_columns(s) <= columns)
		return text_copy(out, size, s, columns);
	head = text_copy(out, size, s, head);
	at = strlen(out);
	/* the longest end that fits, and begins with a whole character */
	while (end > s && ((*end & 0xc0) == 0x80 || text_columns(end) <= tail))
		end--;
	end++;
	while ((*end & 0xc0) == 0x80)
		end++;
	if (at + 2 >= size)
		return head;
	memcpy(out + at, "..", 3);
	return head + 2 + text_copy(out + at + 2, size - at - 2, end, tail);
}

/* A word as a terminal may see it, and its columns. */
static size_t take_word(const char *s, size_t len, char out[WORD_SIZE])
{
	char word[WORD_SIZE / 4];

	snprintf(word, sizeof(word), "%.*s", (int)len, s);
	return text_copy(out, WORD_SIZE, word, SIZE_MAX);
}

void text_wrap(FILE *f, const char *s, size_t column, size_t indent, size_t width)
{
	char word[WORD_SIZE];
	bool first = true;

	for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
		size_t len = strcspn(s, " ");
		size_t columns = take_word(s, len, word);

		if (!first && column + 1 + columns > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		fprintf(f, "%s%s", first ? "" : " ", word);
		column += columns + !first;
		first = false;
		s += len;
	}
	fputc('\n', f);
}

void text_lines(FILE *f, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		const char *newline = memchr(s, '\n', end - s);
		size_t n = (newline ? newline : end) - s;
		char line[LINE_SIZE], text[4 * LINE_SIZE];

		snprintf(line, sizeof(line), "%.*s", n < LINE_SIZE ? (int)n : LINE_SIZE,
			 s);
		text_copy(text, sizeof(text), line, SIZE_MAX);
		fprintf(f, "%s\n", text);
		s += n + 1;
	}
}

char *text_url(const char *url)
{
	const char *host = strstr(url, "://"), *port;
	char *whole;
	size_t len;

	host = host ? host + 3 : url;
	len = strcspn(host, "/?#");
	port = memrchr(host, ':', len);
	if (!port || *host == '[' || memchr(host, '@', len) ||
	    memchr(host, ':', len) == port)
		return strdup(url);
	if (asprintf(&whole, "%.*s[%.*s]%s", (int)(host - url), url, (int)(port - host),
		     host, port) < 0)
		return NULL;
	return whole;
}

uint64_t text_key(const char *s)
{
	uint64_t key = 0;

	for (size_t i = 0; i < sizeof(key) && s[i]; i++)
		key |= (uint64_t)(unsigned char)s[i] << 8 * i;
	return key;
}
