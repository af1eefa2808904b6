// SPDX-License-Identifier: Apache-2.0
/* The first screen of `assay report`: one line for each workload. */
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "view/report_rows.h"

#define LINES_BESIDES 9	 /* of the screen, that are no workloads; the prompt is one */
#define NAME_LEAST    12 /* columns of a name, however narrow the screen is */
#define NAME_GOOD     18 /* with less of it other columns are left out */
#define WIDE_MOST     200
#define COLUMNS_MOST  64
#define BOLD	      "\033[1m"
#define RED	      "\033[31m"
#define PLAIN	      "\033[0m"

/* The columns that are shown, and how wide they are. */
struct layout {
	const struct report *r;
	const struct report_rows *rows;
	size_t shown; /* workloads */
	const char *gap;
	size_t count;
	struct {
		const struct column *c;
		size_t width;
	} columns[COLUMNS_MOST];
};

static size_t screen_columns(const struct report *r)
{
	return r->choice.columns ? r->choice.columns : 80;
}

size_t report_shown(const struct report *r, const struct report_rows *rows)
{
	size_t lines = r->choice.lines ? r->choice.lines : 24;
	size_t besides = LINES_BESIDES + r->choice.above;
	size_t most = lines > besides ? lines - besides : 1;

	if (r->choice.limit)
		most = r->choice.limit;
	return rows->count < most ? rows->count : most;
}

static void get(const struct layout *l, size_t row, const struct column *c,
		struct cell *out)
{
	column_get(c, &l->rows->list[row].block, l->r->duration_s, out);
}

static bool is_shown(const struct layout *l, const struct column *c)
{
	struct cell cell;

	if (l->r->choice.wide || c->place == COLUMN_FIRST)
		return true;
	for (size_t i = 0; c->place == COLUMN_IF_THERE && i < l->shown; i++) {
		get(l, i, c, &cell);
		if (cell.there)
			return true;
	}
	return false;
}

/* Where a letter says it the head of the column would be wider than the column. */
static const char *heading(const struct layout *l, const struct column *c)
{
	return !l->r->choice.wide && c->narrow == 1 ? "" : c->heading;
}

/* As wide as its widest text is, within what it may have. */
static size_t width_of(const struct layout *l, const struct column *c)
{
	size_t most = l->r->choice.wide || !c->narrow ? WIDE_MOST : c->narrow;
	size_t width = strlen(heading(l, c));
	char text[UNITS_LEN];
	struct cell cell;

	for (size_t i = 0; i < l->shown; i++) {
		size_t n;

		get(l, i, c, &cell);
		n = text_columns(column_text(c, &cell, text));
		if (c->unit == COLUMN_TEXT && n > most)
			n = most;
		if (n > width)
			width = n;
	}
	return width;
}

/* Adds the columns that are shown, and returns what they take beside the name. */
static size_t add_columns(struct layout *l, bool spare)
{
	size_t used = 0;

	l->count = 0;
	for (size_t i = 0; i < column_count && l->count < COLUMNS_MOST; i++) {
		if (!is_shown(l, &columns[i]) || (columns[i].spare && !spare))
			continue;
		l->columns[l->count].c = &columns[i];
		l->columns[l->count].width = width_of(l, &columns[i]);
		used += l->count ? l->columns[l->count].width + strlen(l->gap) : 0;
		l->count++;
	}
	return used;
}

/*
 * The first column is the name, which has what the numbers leave. A screen that is too
 * narrow for all of them lacks the last ones.
 */
static void lay_out(struct layout *l)
{
	size_t all = screen_columns(l->r), used, left;

	l->gap = l->r->choice.wide ? "  " : " ";
	used = add_columns(l, true);
	if (l->r->choice.wide || used + l->columns[0].width <= all)
		return;
	if (used + NAME_GOOD > all)
		used = add_columns(l, false);
	while (used + NAME_LEAST > all && l->count > 2) {
		l->count--;
		used -= l->columns[l->count].width + strlen(l->gap);
	}
	left = all > used + NAME_LEAST ? all - used : NAME_LEAST;
	if (l->columns[0].width > left)
		l->columns[0].width = left;
}

/* Spaces, that lines do not end with. */
struct pending {
	FILE *f;
	size_t spaces;
};

static void put(struct pending *p, const char *text, size_t len, size_t width,
		bool right, const char *color)
{
	size_t fill = width > len ? width - len : 0;

	p->spaces += right ? fill : 0;
	if (*text)
		fprintf(p->f, "%*s%s%s%s", (int)p->spaces, "", color, text,
			*color ? PLAIN : "");
	p->spaces = *text ? 0 : p->spaces;
	p->spaces += right ? 0 : fill;
}

static void print_headings(const struct layout *l, FILE *f)
{
	const char *color = l->r->choice.color ? BOLD : "";
	struct pending p = { f, 0 };

	for (size_t i = 0; i < l->count; i++) {
		const char *text = heading(l, l->columns[i].c);

		p.spaces += i ? strlen(l->gap) : 0;
		put(&p, text, strlen(text), l->columns[i].width,
		    l->columns[i].c->unit != COLUMN_TEXT, color);
	}
	fputc('\n', f);
}

/* The headings above several columns, each in the middle of these. */
static void print_over(const struct layout *l, FILE *f)
{
	const char *color = l->r->choice.color ? BOLD : "";
	struct pending p = { f, 0 };
	char text[64];
	size_t end, cut, debt = 0; /* columns that a heading took of its neighbour's */

	for (size_t i = 0; i < l->count; i = end) {
		const char *over = l->columns[i].c->over ? l->columns[i].c->over : "";
		size_t width = l->columns[i].width, len = strlen(over), rest;

		for (end = i + 1; end < l->count && *over && l->columns[end].c->over &&
				  !strcmp(over, l->columns[end].c->over);
		     end++)
			width += strlen(l->gap) + l->columns[end].width;
		if (len > width && end == l->count) /* nothing is right of it */
			len = width;
		rest = width > len ? width - len : 0;
		p.spaces += (i ? strlen(l->gap) : 0) + rest / 2;
		cut = debt < p.spaces ? debt : p.spaces;
		p.spaces -= cut;
		debt -= cut;
		snprintf(text, sizeof(text), "%.*s", (int)len, over);
		put(&p, text, len, len, false, color);
		p.spaces += rest - rest / 2;
		debt += len > width ? len - width : 0;
	}
	fputc('\n', f);
}

/*
 * A name in so many columns. NAMESPACE/POD/CONTAINER loses its namespace, then the
 * middle of the pod's name: both its ends tell one pod from another, and of its
 * containers the name does.
 */
static size_t shorten(char *out, size_t size, const char *name, size_t width)
{
	const char *pod = *name == '/' ? NULL : strchr(name, '/');
	const char *container = pod ? strchr(pod + 1, '/') : NULL;
	char middle[4 * WIDE_MOST + 1], end[4 * WIDE_MOST + 1];
	size_t n;

	if (!container || text_columns(name) <= width || width < NAME_LEAST)
		return text_middle(out, size, name, width);
	snprintf(middle, sizeof(middle), "%.*s", (int)(container - pod - 1), pod + 1);
	end[0] = '/';
	n = 1 + text_middle(end + 1, sizeof(end) - 1, container + 1, width / 2);
	n += text_middle(out, size, middle, width - n);
	text_copy(out + strlen(out), size - strlen(out), end, SIZE_MAX);
	return n;
}

static void print_row(const struct layout *l, size_t row, FILE *f)
{
	struct pending p = { f, 0 };
	char number[UNITS_LEN], cut[4 * WIDE_MOST + 1];
	struct cell cell;

	for (size_t i = 0; i < l->count; i++) {
		const struct column *c = l->columns[i].c;
		size_t width = l->columns[i].width, n;
		const char *text;
		bool alarm;

		get(l, row, c, &cell);
		text = column_text(c, &cell, number);
		alarm = l->r->choice.color && c->alarm && *text != '-';
		if (c->unit == COLUMN_TEXT && width >= 2) {
			n = i ? text_middle(cut, sizeof(cut), text, width)
			      : shorten(cut, sizeof(cut), text, width);
			text = cut;
		} else if (c->unit == COLUMN_TEXT) {
			n = text_copy(cut, sizeof(cut), text, width);
			text = cut;
		} else {
			n = strlen(text);
		}
		p.spaces += i ? strlen(l->gap) : 0;
		put(&p, text, n, width, c->unit != COLUMN_TEXT, alarm ? RED : "");
	}
	fputc('\n', f);
}

static void print_head(const struct report *r, FILE *f)
{
	char node[256], line[256], whole[512];
	size_t left;

	snprintf(line, sizeof(line), ", Linux %s, %ld CPUs: %.1f s %s", r->host.kernel,
		 r->host.cpus, r->duration_s,
		 r->since_ns	 ? "from the history"
		 : r->from_agent ? "from the agent"
				 : "measured by this command");
	left = screen_columns(r) > strlen(line) + NAME_LEAST
		   ? screen_columns(r) - strlen(line)
		   : NAME_LEAST;
	text_middle(node, sizeof(node), report_node(r->frame, r->host.name),
		    r->choice.wide ? 200 : left);
	snprintf(whole, sizeof(whole), "%s%s", node, line);
	if (r->choice.wide)
		fprintf(f, "%s\n", whole);
	else
		text_wrap(f, whole, 0, 2, screen_columns(r));
}

static bool has_estimate(const struct frame *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (report_is_estimated(&f->series[i]))
			return true;
	return false;
}

static void print_legend(const struct layout *l, FILE *f)
{
	const struct report *r = l->r;
	size_t width = screen_columns(r);
	char text[64];

	snprintf(text, sizeof(text), "and %zu more%s (--limit)",
		 l->rows->count - l->shown, r->choice.sort ? "" : ", quieter");
	if (l->rows->count > l->shown)
		text_wrap(f, text, 0, 0, width);
	snprintf(text, sizeof(text), "the filters leave out %zu", l->rows->others);
	if (l->rows->others)
		text_wrap(f, text, 0, 0, width);
	if (!r->choice.wide && l->shown)
		text_wrap(f,
			  "P50, P99: TCP responses (s: as server, else c: as client), "
			  "else f: file calls",
			  0, 0, width);
	if (has_estimate(r->frame))
		text_wrap(
		    f,
		    "~ is an estimate: its probe runs for a part of the time (assay "
		    "tune: duty)",
		    0, 0, width);
}

void report_screen(const struct report *r, const struct report_rows *rows, FILE *f)
{
	struct layout l = { .r = r, .rows = rows, .shown = report_shown(r, rows) };

	print_head(r, f);
	if (!rows->count && !rows->others) {
		fputs("\nNothing was measured: no workload had an event.\n", f);
		print_legend(&l, f);
		return;
	}
	if (rows->count) {
		lay_out(&l);
		print_over(&l, f);
		print_headings(&l, f);
	}
	for (size_t i = 0; i < l.shown; i++)
		print_row(&l, i, f);
	print_legend(&l, f);
}
