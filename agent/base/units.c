// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <time.h>
#include "base/units.h"

/*
 * n with its largest prefix; the last one takes all that is larger. What no agent says
 * is shown as it is: "?" is no number, "-3" is below 0, "2.0e+30T" is out of all
 * bounds.
 */
static const char *scale(char *out, double n, double step, const char *const *prefixes,
			 const char *unit)
{
	const char *sign = n < 0 ? "-" : "";
	int i = 0;

	n = fabs(n);
	while (prefixes[i + 1] && n >= step * 0.9995) {
		n /= step;
		i++;
	}
	if (isnan(n))
		snprintf(out, UNITS_LEN, "?");
	else if (n >= 1e9)
		snprintf(out, UNITS_LEN, "%s%.1e%s%s", sign, n, prefixes[i], unit);
	else if (!i && n < 1000 && n == (int)n)
		snprintf(out, UNITS_LEN, "%s%d%s%s", sign, (int)n, prefixes[i], unit);
	else
		snprintf(out, UNITS_LEN,
			 n < 0.095  ? "%s%.2g%s%s"
			 : n < 9.95 ? "%s%.1f%s%s"
				    : "%s%.0f%s%s",
			 sign, n, prefixes[i], unit);
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
	unsigned int n;

	if (!(s >= 60))
		return units_seconds(out, s);
	n = s < 4e9 ? s : 4000000000U;
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

const char *units_time(char out[UNITS_TIME_LEN], uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, UNITS_TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}
