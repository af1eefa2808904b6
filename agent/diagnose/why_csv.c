// SPDX-License-Identifier: Apache-2.0
/* The findings as rows, for a spreadsheet; the evidence is in JSON. */
#include <errno.h>
#include "base/util.h"
#include "diagnose/why_items.h"
#include "view/listing.h"

static void put_text(FILE *f, const char *text, char end)
{
	csv_field(f, text);
	fputc(end, f);
}

static void put_finding(const struct finding *x, FILE *f)
{
	const struct frame_attrs *who = x->facts ? x->facts->resource : NULL;

	fprintf(f, "%s,%s,%.4g,%s,", severity_name(x->severity), x->rule->id, x->score,
		change_name(x->change));
	put_text(f, x->facts ? name_of(x->facts) : "", ',');
	put_text(f, who ? frame_cgroup(who) : "", ',');
	put_text(f, x->what, ',');
	put_text(f, x->cause, ',');
	put_text(f, x->next, '\n');
}

int why_csv(const struct why *w, FILE *f)
{
	const struct finding *x;

	fputs("severity,id,score,change,workload,cgroup,what,cause,next\n", f);
	/* no row at all would look like health */
	if (why_overall(w) != ACTIONABLE) {
		fprintf(f, ",%s,,,,,", overall_name(why_overall(w)));
		put_text(f, why_reason(w), ',');
		fputs(",\n", f);
	}
	for (size_t i = 0; (x = why_found(w, i)); i++)
		put_finding(x, f);
	return write_out(f);
}
