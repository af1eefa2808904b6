// SPDX-License-Identifier: Apache-2.0
/* `assay report --format csv`: all columns of all workloads, numbers without units. */
#include <errno.h>
#include "base/util.h"
#include "view/listing.h"
#include "view/report_rows.h"

/* The last field: which of the columns are estimates. */
static void print_estimated(const struct report *r, const struct block *b, FILE *f)
{
	const char *sep = ",";
	struct cell cell;

	for (size_t i = 0; i < column_count; i++) {
		column_get(&columns[i], b, r->duration_s, &cell);
		if (!cell.estimated)
			continue;
		fprintf(f, "%s%s", sep, columns[i].key);
		sep = " ";
	}
	fputs(*sep == ',' ? ",\n" : "\n", f);
}

static void print_row(const struct report *r, const struct block *b, FILE *f)
{
	struct cell cell;

	for (size_t i = 0; i < column_count; i++) {
		column_get(&columns[i], b, r->duration_s, &cell);
		if (i)
			fputc(',', f);
		if (columns[i].unit == COLUMN_TEXT)
			csv_field(f, cell.text);
		else if (cell.there)
			fprintf(f, "%.9g", cell.number);
	}
	print_estimated(r, b, f);
}

int report_csv(const struct report *r, FILE *f)
{
	size_t limit = r->choice.limit ? r->choice.limit : SIZE_MAX;
	struct report_rows rows;
	int err = report_rows_get(r, &rows);

	if (!err) {
		for (size_t i = 0; i < column_count; i++)
			fprintf(f, "%s,", columns[i].key);
		fputs("estimated\n", f);
		for (size_t i = 0; i < rows.count && i < limit; i++)
			print_row(r, &rows.list[i].block, f);
		err = write_out(f);
	}
	report_rows_fini(&rows);
	return err;
}
