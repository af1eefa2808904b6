// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "units.h"

/* n with its largest prefix; the last one takes all that is larger. */
static const char *scale(char *out, double n, double step, const char *const *prefixes,
			 const char *unit)
{
	int i = 0;

	while (prefixes[i + 1] && n >= step * 0.9995) {
		n /= step;
		i++;
	}
	if (n == (int)n && n < 1000 && !i)
		snprintf(out, UNITS_LEN, "%d%s%s", (int)n, prefixes[i], unit);
	else if (n < 0.095)
		snprintf(out, UNITS_LEN, "%.2g%s%s", n, prefixes[i], unit);
	else
		snprintf(out, UNITS_LEN, "%.*f%s%s", n < 9.95, n, prefixes[i], unit);
	return out;
}

const char *units_seconds(char out[UNITS_LEN], double s)
{
	static const char *const prefixes[] = { "ns", "us", "ms", NULL };
	static const char *const none[] = { "", NULL };

	if (s <= 0) {
		snprintf(out, UNITS_LEN, "<1us");
		return out;
	}
	if (s < 0.9995)
		return scale(out, s * 1e9, 1000, prefixes, "");
	return scale(out, s, 1000, none, "s");
}

const char *units_age(char out[UNITS_LEN], double s)
{
	unsigned int n = s < 4e9 ? s : 4000000000U;

	if (s < 60)
		return units_seconds(out, s);
	if (n < 3600)
		snprintf(out, UNITS_LEN, "%um%us", n / 60, n % 60);
	else if (n < 86400)
		snprintf(out, UNITS_LEN, "%uh%um", n / 3600, n / 60 % 60);
	else
		snprintf(out, UNITS_LEN, "%ud%uh", n / 86400, n / 3600 % 24);
	return out;
}

static const char *const decimal[] = { "", "k", "M", "G", "T", NULL };
static const char *const binary[] = { " ", " Ki", " Mi", " Gi", " Ti", NULL };

const char *units_rate(char out[UNITS_LEN], double per_second)
{
	return scale(out, per_second, 1000, decimal, "/s");
}

const char *units_count(char out[UNITS_LEN], double n)
{
	return scale(out, n, 1000, decimal, "");
}

const char *units_bytes_rate(char out[UNITS_LEN], double per_second)
{
	return scale(out, per_second, 1024, binary, "B/s");
}

const char *units_bytes(char out[UNITS_LEN], double n)
{
	return scale(out, n, 1024, binary, "B");
}
