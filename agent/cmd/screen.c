// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/number.h"
#include "base/text.h"
#include "cmd/screen.h"

/* The least of a variable that is a number, and the most that we believe. */
#define SCREEN_LEAST 20
#define SCREEN_MOST  1000

static struct winsize terminal(void)
{
	struct winsize size = { 0 };

	if (isatty(STDOUT_FILENO))
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size;
}

static size_t size_by(const char *variable, unsigned short of_terminal)
{
	const char *s = getenv(variable);
	uint64_t n;
	int err = s ? number_parse(s, SCREEN_MOST, &n) : -EINVAL;

	if (err == -ERANGE)
		return SCREEN_MOST;
	if (err || !n)
		n = of_terminal;
	return n > SCREEN_MOST ? SCREEN_MOST : n;
}

size_t screen_columns(void)
{
	size_t n = size_by("COLUMNS", terminal().ws_col);

	return n && n < SCREEN_LEAST ? SCREEN_LEAST : n;
}

size_t screen_lines(void)
{
	return isatty(STDOUT_FILENO) ? size_by("LINES", terminal().ws_row) : 0;
}

size_t screen_say(FILE *f, const char *text)
{
	size_t columns = screen_columns(), len, lines = 1;
	char *wrapped = NULL;
	FILE *m = columns ? open_memstream(&wrapped, &len) : NULL;

	if (m) {
		text_wrap(m, text, 0, 0, columns);
		fclose(m);
	}
	if (!wrapped) {
		fprintf(f, "%s\n\n", text);
		return 2;
	}
	for (const char *s = wrapped; (s = strchr(s, '\n')); s++)
		lines++;
	fprintf(f, "%s\n", wrapped);
	free(wrapped);
	return lines;
}
