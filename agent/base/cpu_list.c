// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include "base/cpu_list.h"
#include "base/number.h"

/* A number at *s, which moves behind it; -EINVAL: there is none, or no such CPU. */
static long number(const char **s)
{
	uint64_t n;

	if (number_read(*s, s, &n))
		return -EINVAL;
	return n < CPU_LIST_MAX ? (long)n : -EINVAL;
}

int cpu_list_parse(const char *s, struct cpu_list *l)
{
	while (*s && *s != '\n') {
		long from = number(&s), to = from;

		if (from >= 0 && *s == '-') {
			s++;
			to = number(&s);
		}
		if (from < 0 || to < from)
			return -EINVAL;
		for (long i = from; i <= to; i++)
			l->bits[i / 64] |= 1ULL << i % 64;
		if (*s == ',' && isdigit((unsigned char)s[1]))
			s++;
		else if (*s && *s != '\n')
			return -EINVAL;
	}
	return 0;
}

bool cpu_list_has(const struct cpu_list *l, unsigned int cpu)
{
	return cpu < CPU_LIST_MAX && l->bits[cpu / 64] >> cpu % 64 & 1;
}

bool cpu_list_is_empty(const struct cpu_list *l)
{
	for (unsigned int i = 0; i < CPU_LIST_MAX / 64; i++)
		if (l->bits[i])
			return false;
	return true;
}

void cpu_list_text(const struct cpu_list *l, char *text, size_t len)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0, end; i < CPU_LIST_MAX && used < len; i = end + 1) {
		for (end = i; cpu_list_has(l, end); end++)
			;
		if (end == i)
			continue;
		used += snprintf(text + used, len - used, "%s%u", used ? "," : "", i);
		if (end - i > 1 && used < len)
			used += snprintf(text + used, len - used, "-%u", end - 1);
	}
}
