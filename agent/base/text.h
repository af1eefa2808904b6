/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside: names of cgroups, answers of a peer, what a user typed. On its way
 * to receivers it must be UTF-8 and stay one name for one thing; on its way to people
 * it must not tell their terminal what to do.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The length of the UTF-8 sequence at s (RFC 3629); 0: it is none. The NUL is one. */
size_t text_utf8(const char *s);
bool text_is_utf8(const char *s);

/*
 * Would text_escape change it? Not what is UTF-8, but for the rare name that holds a
 * backslash, an x and two digits of 80 to ff: it looks like an escape.
 */
bool text_needs_escape(const char *s);
/*
 * Any bytes as UTF-8: a byte that belongs to no sequence becomes \xNN. Different
 * strings stay different: backslashes that stand before such an escape, or before what
 * looks like one, are doubled, so an even number of them before xNN means the letters
 * and an odd number the byte. out has room for 4 * strlen(s) + 1 bytes.
 */
void text_escape(char *out, const char *s);

/*
 * What a terminal may see: one line of characters that are visible and stay in their
 * place. Control characters, bidirectional controls, what has no width or is not
 * assigned, and bytes that are no UTF-8 are written out (\x1b, \u202e). Stops before
 * the character that does not fit into size bytes, or `columns` of the screen. Text
 * that went through it once stays as it is. Returns the columns that it takes.
 */
size_t text_copy(char *out, size_t size, const char *s, size_t columns);
/* The columns that a text takes once it is visible. */
size_t text_columns(const char *s);
/* Prints a text in a column of a table: cut, or filled up with spaces. */
void text_column(FILE *f, const char *s, size_t columns);
/*
 * A text that is visible already in at most so many columns (2 at least): what is too
 * long loses its middle, as in "shop/web..k2c/app". Returns the columns that it takes.
 */
size_t text_middle(char *out, size_t size, const char *s, size_t columns);
/*
 * A URL whose host may be an IPv6 address without the brackets that it must have, as
 * http://$(HOST_IP):4318 gives it: more than one colon in the host is such an address,
 * and behind the last one is the port. A copy with them, the caller's; NULL: no memory.
 */
char *text_url(const char *url);
/*
 * Prints the words of a text, each through text_copy, in lines of at most `width`
 * columns and a newline: the first behind what takes `column` of them already, the
 * others behind `indent` spaces. A word that is longer than a line has one of its own.
 */
void text_wrap(FILE *f, const char *s, size_t column, size_t indent, size_t width);
/*
 * The first eight bytes as a number, by which most of other texts are passed over at
 * once. Equal texts have equal ones.
 */
uint64_t text_key(const char *s);
/* Prints several lines, each through text_copy; a newline is the end of one. */
void text_lines(FILE *f, const char *s, size_t len);

#endif
