// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/text.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_get_level(void)
{
	return max_level;
}

/*
 * Never waits: who reads our stderr may have stopped, and a pipe is full then. One that
 * can take anything takes PIPE_BUF bytes.
 */
static bool write_now(const char *text, size_t len)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) &&
	       write(STDERR_FILENO, text, len) == (ssize_t)len;
}

void log_raw(const char *fmt, va_list ap)
{
	char *text;
	int len = vasprintf(&text, fmt, ap);

	if (len < 0)
		return;
	for (int at = 0; at < len; at += PIPE_BUF)
		write_now(text + at, len - at < PIPE_BUF ? len - at : PIPE_BUF);
	free(text);
}

/* Says in the same write how many lines nobody took before this one. */
static void put(const char *line)
{
	static _Atomic unsigned int missing; /* there is a thread beside the loop */
	char text[PIPE_BUF];
	int len = 0;

	if (missing)
		len = snprintf(text, sizeof(text),
			       "assay: warning: stderr was full: %u lines are missing "
			       "here\n",
			       missing);
	len += snprintf(text + len, sizeof(text) - len, "%s", line);
	missing = write_now(text, len) ? 0 : missing + 1;
}

static void vlog(enum log_level level, int err, const char *fmt, va_list ap)
{
	int saved = errno;
	char raw[1024], text[2 * sizeof(raw)], line[sizeof(text) + 256];

	if (level > max_level)
		return;
	vsnprintf(raw, sizeof(raw), fmt, ap);
	text_copy(text, sizeof(text), raw, SIZE_MAX);
	snprintf(line, sizeof(line), "assay: %s: %s%s%s\n", level_names[level], text,
		 err ? ": " : "", err ? strerror(abs(err)) : "");
	put(line);
	errno = saved;
}

#define LOG_FUNCTION(name, level)        \
	void name(const char *fmt, ...)  \
	{                                \
		va_list ap;              \
                                         \
		va_start(ap, fmt);       \
		vlog(level, 0, fmt, ap); \
		va_end(ap);              \
	}

#define LOG_ERR_FUNCTION(name, level)            \
	void name(int err, const char *fmt, ...) \
	{                                        \
		va_list ap;                      \
                                                 \
		va_start(ap, fmt);               \
		vlog(level, err, fmt, ap);       \
		va_end(ap);                      \
	}

LOG_FUNCTION(log_errorx, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_ERR_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_ERR_FUNCTION(log_warn, LOG_LEVEL_WARN)
