// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "text.h"

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

static void vlog(enum log_level level, int err, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[1024], text[2 * sizeof(line)];

	if (level > max_level)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	text_copy(text, sizeof(text), line, SIZE_MAX);
	if (err)
		fprintf(stderr, "assay: %s: %s: %s\n", level_names[level], text,
			strerror(abs(err)));
	else
		fprintf(stderr, "assay: %s: %s\n", level_names[level], text);
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
