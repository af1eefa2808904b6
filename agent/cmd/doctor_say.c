// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include "base/text.h"
#include "cmd/doctor_impl.h"

int doctor_say(enum verdict verdict, const char *name, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warn", "FAIL" };
	char line[1024], text[4 * sizeof(line)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_copy(text, sizeof(text), line, SIZE_MAX);
	printf("%-4s %s: %s\n", words[verdict], name, text);
	return verdict == FAIL;
}
