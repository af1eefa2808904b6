// SPDX-License-Identifier: Apache-2.0
/* `assay why` for a person: the first finding whole, the others in a line each. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "diagnose/rule.h"
#include "diagnose/why_items.h"

#define WIDTH_MOST     79 /* longer lines are hard to read */
#define WIDTH_LEAST    40
#define INDENT	       11 /* of what stands behind a heading */
#define EVIDENCE_TOLD  6
#define NOT_TOLD       3
#define OTHERS_TOLD    4
#define NUMBER_COLUMNS 11
#define COMMENT	       "   # " /* no name has it: quoted() */

/* Where it is printed, and how many columns a line may have. */
struct page {
	FILE *f;
	size_t width;
};

/* Words in lines, the first behind what takes `column` already. */
static void wrap(const struct page *p, const char *text, size_t column, size_t indent)
{
	text_wrap(p->f, text, column, indent, p->width);
}

static void paragraph(const struct page *p, const char *heading, const char *text)
{
	fprintf(p->f, "%-*s", INDENT, heading);
	wrap(p, text, INDENT, INDENT);
}

/* A number with its unit. */
static const char *amount(char out[32], const char *unit, double n)
{
	char text[UNITS_LEN];

	if (!strcmp(unit, "s"))
		snprintf(out, 32, "%s", n > 0 ? units_seconds(text, n) : "0 s");
	else if (!strcmp(unit, "1"))
		snprintf(out, 32, "%.*f %%", n > 0 && n < 0.0995 ? 1 : 0, n * 100);
	else if (!strcmp(unit, "s/s"))
		snprintf(out, 32, "%.*f s/s", n && n < 0.0995 ? 3 : 2, n);
	else if (!strcmp(unit, "1/s"))
		snprintf(out, 32, "%s", units_rate(text, n));
	else if (!strcmp(unit, "By"))
		snprintf(out, 32, "%s", units_bytes(text, n));
	else if (!strcmp(unit, "By/s"))
		snprintf(out, 32, "%s", units_bytes_rate(text, n));
	else if (!strcmp(unit, "{cpu}"))
		snprintf(out, 32, "%.2f", n);
	else
		snprintf(out, 32, "%s", units_count(text, n));
	return out;
}

static void print_evidence(const struct page *p, const struct evidence *e,
			   const char *heading)
{
	char number[32], threshold[32], before[32], text[400];
	bool bound = !isnan(e->threshold);

	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s%s%s%s", e->label,
		 *e->name ? " " : "", e->name, bound || !isnan(e->baseline) ? " (" : "",
		 bound ? (e->at_most ? "counts below " : "counts from ") : "",
		 bound ? amount(threshold, e->unit, e->threshold) : "",
		 bound && !isnan(e->baseline) ? "; " : "",
		 isnan(e->baseline) ? "" : "before ",
		 isnan(e->baseline) ? "" : amount(before, e->unit, e->baseline),
		 bound || !isnan(e->baseline) ? ")" : "", "");
	fprintf(p->f, "%-*s%s%-*s ", INDENT, heading, e->error > 0 ? "~" : "",
		NUMBER_COLUMNS - (e->error > 0), amount(number, e->unit, e->number));
	wrap(p, text, INDENT + NUMBER_COLUMNS + 1, INDENT + NUMBER_COLUMNS + 1);
}

static void print_not(const struct page *p, const struct why *w,
		      const struct finding *found)
{
	const char *heading = "Ruled out";
	size_t told = 0;

	for (size_t i = 0; i < RULE_NOT && found->rule->not_[i]; i++) {
		const struct finding *other =
		    why_beside(w, found, found->rule->not_[i]);
		char text[400], number[32];
		const struct evidence *e;

		if (!other || other->verdict != VERDICT_RULED_OUT ||
		    !other->evidence_count || told++ == NOT_TOLD)
			continue;
		e = &other->evidence[0];
		snprintf(text, sizeof(text), "%s (%s)", other->rule->calm,
			 amount(number, e->unit, e->number));
		paragraph(p, heading, text);
		heading = "";
	}
}

static const char *upper(char out[16], const char *s)
{
	size_t i = 0;

	for (; i < 15 && s[i]; i++)
		out[i] = toupper((unsigned char)s[i]);
	out[i] = '\0';
	return out;
}

static const char *change_text(enum change c)
{
	static const char *const texts[] = {
		[CHANGE_UNKNOWN] = "",
		[CHANGE_NEW] = ", was not so before",
		[CHANGE_MORE] = ", more than before",
		[CHANGE_SAME] = ", as before",
	};

	return texts[c];
}

/* A command is one line, to be copied; what is said of it stands below. */
static void print_next(const struct page *p, const char *next)
{
	const char *comment = strstr(next, COMMENT);
	int len = comment ? (int)(comment - next) : (int)strlen(next);

	if (!*next)
		return;
	fprintf(p->f, "%-*s", INDENT, "Next");
	if (comment && text_columns(next) <= p->width - INDENT) {
		fprintf(p->f, "%s\n", next);
		return;
	}
	fprintf(p->f, "%.*s\n", len, next);
	if (comment)
		paragraph(p, "", comment + 3);
}

static void print_first(const struct page *p, const struct why *w,
			const struct finding *found)
{
	char severity[16];

	fprintf(p->f, "%s  %s%s\n", upper(severity, severity_name(found->severity)),
		found->rule->id, change_text(found->change));
	fputs("  ", p->f);
	wrap(p, found->what, 2, 2);
	for (size_t i = 0; i < found->evidence_count && i < EVIDENCE_TOLD; i++)
		print_evidence(p, &found->evidence[i], i ? "" : "Evidence");
	if (*found->peers.text)
		paragraph(p, "Peer", found->peers.text);
	paragraph(p, "Cause", found->cause);
	print_not(p, w, found);
	print_next(p, found->next);
}

static void print_others(const struct page *p, const struct why *w)
{
	const struct finding *found;
	char severity[16], text[sizeof(found->what) + sizeof(found->peers.text) + 2];
	size_t i;

	for (i = 1; (found = why_found(w, i)) && i <= OTHERS_TOLD; i++) {
		fprintf(p->f, "%s%-9s ", i == 1 ? "\nalso\n" : "",
			upper(severity, severity_name(found->severity)));
		snprintf(text, sizeof(text), "%s%s%s", found->what,
			 *found->peers.text ? "; " : "", found->peers.text);
		wrap(p, text, 10, 10);
	}
	while (why_found(w, i))
		i++;
	if (i > OTHERS_TOLD + 1)
		fprintf(p->f, "and %zu more (--format json has all)\n",
			i - OTHERS_TOLD - 1);
}

static void print_calm(const struct page *p, const struct why *w)
{
	const struct finding *rule;
	char list[4096] = "";
	size_t at = 0;

	if (why_overall(w) == ACTIONABLE)
		return;
	fputs(why_overall(w) == NOTHING_UNUSUAL ? "nothing unusual: "
						: "inconclusive: ",
	      p->f);
	wrap(p, why_reason(w), 17, 2);
	for (size_t i = 0; (rule = why_rule(w, i)); i++)
		if (rule->verdict == VERDICT_RULED_OUT && at < sizeof(list))
			at += snprintf(list + at, sizeof(list) - at, "%s%s",
				       at ? "; " : "", rule->rule->calm);
	fputs("  ", p->f);
	wrap(p, list, 2, 2);
}

static const char *source_text(const char *source)
{
	return strcmp(source, "self") ? source : "command's own measuring";
}

static void print_head(const struct page *p, const struct why *w)
{
	char until[32], since[32], before[32], kept[32], name[256], line[900];
	char time[UNITS_LEN];
	const struct readings *r = w->readings;
	int n;

	text_copy(name, sizeof(name),
		  w->workload ? name_of(&w->workload->now) : "the node", SIZE_MAX);
	n = snprintf(line, sizeof(line), "%s: %s until %s, from the %s; ", name,
		     span_text(time, r->now_s), units_time(until, w->until_ns),
		     source_text(w->source));
	if (r->before)
		n += snprintf(line + n, sizeof(line) - n,
			      "compared with %.16sZ to %.16sZ",
			      units_time(since, w->before_since_ns),
			      units_time(before, w->before_until_ns));
	else
		snprintf(line + n, sizeof(line) - n, "no baseline: %s", w->no_baseline);
	if (r->before && w->kept_ns)
		snprintf(line + n, sizeof(line) - n,
			 "; the history goes back to %.16sZ",
			 units_time(kept, w->kept_ns));
	wrap(p, line, 0, 2);
	fputc('\n', p->f);
}

int why_table(const struct why *w, FILE *f)
{
	const struct finding *first = why_found(w, 0);
	struct page page = { f, w->columns ? w->columns - 1 : WIDTH_MOST };
	const struct page *p = &page;

	if (page.width > WIDTH_MOST)
		page.width = WIDTH_MOST;
	if (page.width < WIDTH_LEAST)
		page.width = WIDTH_LEAST;
	print_head(p, w);
	print_calm(p, w);
	if (first && why_overall(w) != ACTIONABLE)
		fputc('\n', f);
	if (first)
		print_first(p, w, first);
	print_others(p, w);
	return write_out(f);
}
