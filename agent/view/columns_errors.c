// SPDX-License-Identifier: Apache-2.0
/*
 * How many errors a workload has, and the worst kind of them. What failed once is one
 * error, whatever number of series see it: of two that see the same, what the larger
 * one has counts.
 */
#include <string.h>
#include "base/util.h"
#include "view/columns.h"
#include "view/report.h"

/* A node or a workload that is out of something, or a broken disk. */
static const char *const grave[] = { "EIO",    "ENOSPC", "ENOMEM", "EMFILE", "ENFILE",
				     "EDQUOT", "EROFS",	 "ESTALE", "ENOBUFS" };

/* What may be seen twice; a grave error by the call and by the disk. */
enum same { SAME_RESET, SAME_SEGMENT, SAME_GRAVE, SAMES = SAME_GRAVE + COUNT(grave) };

/* Which of its two sides a series is of; type NULL: any. */
struct seen {
	const char *metric, *type;
	enum same same;
	int side;
};

static const struct seen seens[] = {
	{ "assay.tcp.resets", NULL, SAME_RESET, 0 },
	{ "assay.tcp.connect.errors", "ECONNREFUSED", SAME_RESET, 1 },
	{ "assay.tcp.connect.errors", "ECONNRESET", SAME_RESET, 1 },
	/* who closes before all was read sends one, too */
	{ "assay.tcp.response.errors", NULL, SAME_RESET, 1 },
	{ "assay.tcp.retransmits", NULL, SAME_SEGMENT, 0 },
	{ "assay.tcp.connect.retransmits", NULL, SAME_SEGMENT, 1 },
};

static const char *type_of(const struct item *item)
{
	const char *type = frame_attr(&item->s->attrs, "error.type");

	return type ? type : "";
}

/* Its place among the grave ones; COUNT(grave): it is none. */
static size_t find_grave(const char *type)
{
	size_t i = 0;

	while (i < COUNT(grave) && strcmp(type, grave[i]))
		i++;
	return i;
}

/* How bad an error is; 0: programs live by it, and it is not counted. */
static int badness(const struct item *item)
{
	const char *name = item->s->name, *type = type_of(item);

	if (!strcmp(name, "assay.dns.lookup.duration"))
		return *type && strcmp(type, "NXDOMAIN") ? 3 : 0;
	/* events by peer: other series have those of them that are errors */
	if (item->signal != SHOW_ERRORS || item->composed)
		return 0;
	if (!strcmp(name, "assay.memory.oom_kills"))
		return 5;
	if (!strcmp(name, "assay.syscall.errors"))
		return find_grave(type) < COUNT(grave) ? 4 : 0;
	/* what TCP mends by itself, and a reset that may be how a peer says goodbye */
	return strstr(name, "retransmits") || strstr(name, "resets") ||
		       strstr(name, "retries")
		   ? 2
		   : 3;
}

/* What other series may see, too; SAMES: nothing. */
static enum same find_same(const struct item *item, int *side)
{
	const char *name = item->s->name, *type = type_of(item);
	size_t at = find_grave(type);

	for (size_t i = 0; i < COUNT(seens); i++) {
		if (strcmp(name, seens[i].metric) ||
		    (seens[i].type && strcmp(type, seens[i].type)))
			continue;
		*side = seens[i].side;
		return seens[i].same;
	}
	*side = !strcmp(name, "assay.block.errors");
	if (at < COUNT(grave) && (*side || !strcmp(name, "assay.syscall.errors")))
		return SAME_GRAVE + at;
	return SAMES;
}

void column_get_errors(const struct column *c, const struct block *b, double duration_s,
		       struct cell *out)
{
	double sides[SAMES + 1][2] = { 0 };

	out->there = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct item *item = &b->items[i];
		int side;

		if (!badness(item))
			continue;
		sides[find_same(item, &side)][side] +=
		    report_item_count(item) / report_item_time(item, duration_s);
		out->estimated |= report_is_estimated(item->s);
	}
	out->number = sides[SAMES][0] + sides[SAMES][1];
	for (size_t i = 0; i < SAMES; i++)
		out->number += sides[i][0] > sides[i][1] ? sides[i][0] : sides[i][1];
}

void column_get_worst(const struct column *c, const struct block *b, double duration_s,
		      struct cell *out)
{
	const struct item *worst = NULL;

	for (size_t i = 0; i < b->count; i++) {
		const struct item *item = &b->items[i];
		int bad = badness(item), most = worst ? badness(worst) : 0;

		if (bad > most || (bad && bad == most &&
				   report_item_count(item) > report_item_count(worst)))
			worst = item;
	}
	if (worst) {
		const char *type = type_of(worst);

		/* whose resets they are is in the details */
		out->text = *type ? type
			    : !strcmp(worst->s->name, "assay.tcp.resets")
				? "resets"
				: worst->label;
	}
}
