// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "base/util.h"
#include "workload/max_pods.h"

#define DIGITS 7 /* nobody has ten million pods on a node */

/* The number behind `maxPods:`, with quotes or without; 0: it is another line. */
static uint32_t parse_line(const char *s)
{
	uint32_t n = 0;
	int digits = 0;

	s += strspn(s, " \t\"");
	if (strncmp(s, "maxPods", 7))
		return 0;
	s += 7;
	s += *s == '"';
	if (*s != ':')
		return 0;
	for (s += 1 + strspn(s + 1, " \t"); isdigit((unsigned char)*s); s++)
		if (digits++ < DIGITS)
			n = 10 * n + (*s - '0');
	return digits <= DIGITS ? n : 0;
}

uint32_t max_pods_parse(const char *text)
{
	uint32_t n = 0;

	for (const char *s = text; s && !n; s = strchr(s, '\n')) {
		s += *s == '\n';
		n = parse_line(s);
	}
	return n ? n : MAX_PODS_DEFAULT;
}

uint32_t max_pods_find(const char *root)
{
	char text[65536];

	if (read_file_below(root, MAX_PODS_FILE, text, sizeof(text)) < 0)
		return 0;
	return max_pods_parse(text);
}
