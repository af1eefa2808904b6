/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on stderr: "assay: level: message: strerror". log_warn takes
 * the -errno that caused it; log_warnx is for when there is none. No newline. Nothing
 * waits for stderr: a line that it does not take is left out, and the next one says so.
 * What is in a message may be from outside: it goes out by text_copy.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* What is above this level is not printed. The default is info. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Text of a library, as it is, at whatever level. */
void log_raw(const char *fmt, va_list ap);

void log_errorx(const char *fmt, ...) PRINTF(1, 2);
void log_error(int err, const char *fmt, ...) PRINTF(2, 3);
void log_warn(int err, const char *fmt, ...) PRINTF(2, 3);
void log_warnx(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);

#endif
