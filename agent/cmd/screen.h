/* SPDX-License-Identifier: Apache-2.0 */
/* How large the screen is that a command prints on. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stddef.h>
#include <stdio.h>

/*
 * Columns and lines: what the user says in COLUMNS and LINES, or the terminal's; 20
 * columns at least. 0: nobody says, or for lines, it is no terminal.
 */
size_t screen_columns(void);
size_t screen_lines(void);
/*
 * Prints a line, as several where the screen is narrower, and an empty one behind it.
 * Returns how many these are.
 */
size_t screen_say(FILE *f, const char *text);

#endif
