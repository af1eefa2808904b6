// SPDX-License-Identifier: Apache-2.0
/* The lines of SATURATION that put several metrics of a workload together. */
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "view/pick.h"
#include "view/report.h"
#include "view/report_items.h"

#define NAMED_CULPRITS 4 /* with a name; the rest is added up */

void report_line(FILE *f, const char **head)
{
	fprintf(f, "  %-*s", REPORT_INDENT - 2, *head);
	*head = "";
}

void report_put(FILE *f, size_t *column, const char *sep, const char *text)
{
	size_t columns = text_columns(text);

	if (*column + strlen(sep) + columns > REPORT_WIDTH && *column > REPORT_INDENT) {
		/* the separator ends the line, but for its spaces */
		fprintf(f, "%.*s\n%*s", (int)strcspn(sep, " "), sep, REPORT_INDENT, "");
		*column = REPORT_INDENT;
		sep = "";
	}
	fprintf(f, "%s%s", sep, text);
	*column += strlen(sep) + columns;
}

/* The value of a metric with this attribute's value, or without one (NULL); 0: none. */
static double value_of(const struct block *b, const char *metric, const char *key,
		       const char *value)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const char *have = key ? frame_attr(&s->attrs, key) : NULL;

		if (!strcmp(s->name, metric) &&
		    (!key || (have && !strcmp(have, value))))
			return report_value(s);
	}
	return 0;
}

/* "3.4 %", "34 %". */
static const char *percent(char out[UNITS_LEN], double share)
{
	snprintf(out, UNITS_LEN, "%.*f %%", share < 0.0995 ? 1 : 0, share * 100);
	return out;
}

struct culprit {
	const char *name;
	double s;
};

static int compare_culprits(const void *a, const void *b)
{
	const struct culprit *x = a, *y = b;

	return x->s > y->s ? -1 : x->s < y->s;
}

/* Who it is, in few words: of a cgroup path what the workload is called. */
static void name_culprit(const struct block *b, const char *name, char *out, size_t len)
{
	char whole[256];

	if (!strcmp(name, frame_cgroup(b->resource)) ||
	    (*name != '/' && !strcmp(name, frame_name(b->resource)))) {
		snprintf(out, len, "itself");
	} else if (*name == '/') {
		pick_name(b->frame, name, whole, sizeof(whole));
		text_copy(out, len, whole, 40);
	} else {
		text_copy(out, len, strcmp(name, "_OTHER") ? name : "others", 40);
	}
}

/* The culprits of a block, and what they come to. */
static size_t list_culprits(const struct block *b, struct culprit *list, double *sum)
{
	size_t count = 0;

	*sum = 0;
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const char *who = frame_attr(&s->attrs, "assay.sched.culprit");

		if (strcmp(s->name, "assay.sched.wait.culprit.time") || !who)
			continue;
		list[count++] = (struct culprit){ who, report_value(s) };
		*sum += report_value(s);
	}
	qsort(list, count, sizeof(*list), compare_culprits);
	return count;
}

/* Behind whom it waited for a CPU: shares of the time. */
static void print_culprits(FILE *f, const struct block *b, const char **head)
{
	struct culprit *list = calloc(b->count, sizeof(*list));
	char name[160], share[UNITS_LEN], text[224]; /* 40 columns of 4 bytes */
	size_t count, column = REPORT_INDENT;
	double sum, shown = 0;

	if (!list)
		return;
	count = list_culprits(b, list, &sum);
	if (sum > 0)
		report_line(f, head);
	for (size_t i = 0; i < count && sum > 0; i++) {
		if (i == NAMED_CULPRITS || list[i].s < sum * 0.01) {
			snprintf(text, sizeof(text), "%zu more %s", count - i,
				 percent(share, (sum - shown) / sum));
			report_put(f, &column, ", ", text);
			break;
		}
		name_culprit(b, list[i].name, name, sizeof(name));
		snprintf(text, sizeof(text), "%s%s %s", i ? "" : "waited behind ", name,
			 percent(share, list[i].s / sum));
		report_put(f, &column, i ? ", " : "", text);
		shown += list[i].s;
	}
	if (sum > 0)
		fputc('\n', f);
	free(list);
}

static void print_quota(FILE *f, const struct block *b, double duration_s,
			const char **head)
{
	const char *metric = "assay.cgroup.cpu.periods", *key = "assay.throttled";
	double out = value_of(b, metric, key, "true");
	double all = out + value_of(b, metric, key, "false");
	double s = value_of(b, "assay.cgroup.cpu.throttled.time", NULL, NULL);
	char n[UNITS_LEN], of[UNITS_LEN], share[UNITS_LEN];

	if (all <= 0 && s <= 0)
		return;
	report_line(f, head);
	if (out <= 0 && s <= 0) {
		fprintf(f, "CPU quota: enough in all of %s periods\n",
			units_count(of, all));
		return;
	}
	fprintf(f, "CPU quota: out in %s of %s periods", units_count(n, out),
		units_count(of, all));
	if (all > 0)
		fprintf(f, " (%s)", percent(share, out / all));
	fprintf(f, ", %.2f CPUs were withheld on average\n", s / duration_s);
}

static void print_memory(FILE *f, const struct block *b, double duration_s,
			 const char **head)
{
	double usage = value_of(b, "assay.cgroup.memory.usage", NULL, NULL);
	double limit = value_of(b, "assay.cgroup.memory.limit", NULL, NULL);
	double faults = value_of(b, "assay.cgroup.memory.major_faults", NULL, NULL);
	char n[UNITS_LEN], of[UNITS_LEN], share[UNITS_LEN];

	if (usage <= 0 && faults <= 0)
		return;
	report_line(f, head);
	fprintf(f, "memory %s", units_bytes(n, usage));
	if (limit > 0)
		fprintf(f, " of %s (%s)", units_bytes(of, limit),
			percent(share, usage / limit));
	if (faults > 0)
		fprintf(f, ", %s major faults", units_rate(n, faults / duration_s));
	fputc('\n', f);
}

/* Shares of the time in which some, or all, of its tasks were stalled. */
static void print_pressure(FILE *f, const struct block *b, double duration_s,
			   const char **head)
{
	static const char *const resources[] = { "cpu", "memory", "io" };
	const char *comma = "";
	char share[UNITS_LEN];

	for (size_t i = 0; i < COUNT(resources); i++) {
		double some = value_of(b, "assay.pressure.some.time", "assay.resource",
				       resources[i]) /
			      duration_s;
		double full = value_of(b, "assay.pressure.full.time", "assay.resource",
				       resources[i]) /
			      duration_s;

		if (some < 0.001)
			continue;
		if (!*comma) {
			report_line(f, head);
			fputs("stalled on ", f);
		}
		fprintf(f, "%s%s %s", comma, resources[i], percent(share, some));
		if (full >= 0.001)
			fprintf(f, " (all tasks %s)", percent(share, full));
		comma = ", ";
	}
	if (*comma)
		fputs(" of the time\n", f);
}

void report_lines(FILE *f, const struct block *b, double duration_s, const char **head)
{
	print_culprits(f, b, head);
	print_quota(f, b, duration_s, head);
	print_memory(f, b, duration_s, head);
	print_pressure(f, b, duration_s, head);
}
