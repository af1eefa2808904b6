// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "view/listing.h"

#define SHOWN_MOST 16384 /* a path of 4095 bytes, each written out */

int listing_add(struct listing *l, const char *const *cells)
{
	if (l->rows == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		const char **more =
		    reallocarray(l->cells, room, l->columns * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->cells = more;
		l->room = room;
	}
	for (size_t i = 0; i < l->columns; i++)
		l->cells[l->rows * l->columns + i] = cells[i] ? cells[i] : "";
	l->rows++;
	return 0;
}

void listing_fini(struct listing *l)
{
	free(l->cells);
	l->cells = NULL;
	l->rows = l->room = 0;
}

void csv_field(FILE *f, const char *text)
{
	char shown[SHOWN_MOST];
	size_t len;
	bool quoted;

	text_copy(shown, sizeof(shown), text, SIZE_MAX);
	len = strlen(shown);
	quoted = len && (shown[strcspn(shown, ",\"")] || *shown == ' ' ||
			 shown[len - 1] == ' ');
	if (quoted)
		fputc('"', f);
	for (const char *c = shown; *c; c++) {
		if (*c == '"')
			fputc('"', f);
		fputc(*c, f);
	}
	if (quoted)
		fputc('"', f);
}

int json_put(const json_t *json, int digits, FILE *f)
{
	return json_dumpf(
	    json, f, JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(digits));
}

static const char *cell(const struct listing *l, size_t row, size_t column)
{
	return l->cells[row * l->columns + column];
}

static size_t width_of(const struct listing *l, size_t column)
{
	size_t width = strlen(l->keys[column]);

	for (size_t i = 0; i < l->rows; i++) {
		size_t n = text_columns(cell(l, i, column));

		n = n ? n : 1; /* of a dash */
		width = n > width ? n : width;
	}
	return width;
}

static int print_cell(FILE *f, const char *text, size_t width, size_t *spaces)
{
	size_t size = 4 * strlen(text) + 1;
	char *visible = malloc(size);

	if (!visible)
		return -ENOMEM;
	fprintf(f, "%*s", (int)*spaces, "");
	*spaces = width + 2 - text_copy(visible, size, text, SIZE_MAX);
	fputs(visible, f);
	free(visible);
	return 0;
}

static int print_table(const struct listing *l, FILE *f)
{
	size_t *widths = calloc(l->columns, sizeof(*widths)), spaces = 0;
	int err = 0;

	if (!widths)
		return -ENOMEM;
	for (size_t i = 0; i < l->columns; i++) {
		const char *key = l->keys[i];

		widths[i] = width_of(l, i);
		fprintf(f, "%*s", (int)spaces, "");
		for (const char *c = key; *c; c++)
			fputc(*c == '_' ? ' ' : toupper((unsigned char)*c), f);
		spaces = widths[i] - strlen(key) + 2;
	}
	fputc('\n', f);
	for (size_t row = 0; row < l->rows; row++) {
		spaces = 0;
		for (size_t i = 0; i < l->columns && !err; i++) {
			const char *text = cell(l, row, i);

			err = print_cell(f, *text ? text : "-", widths[i], &spaces);
		}
		fputc('\n', f);
	}
	free(widths);
	return err;
}

static int print_csv(const struct listing *l, FILE *f)
{
	for (size_t i = 0; i < l->columns; i++)
		fprintf(f, "%s%s", i ? "," : "", l->keys[i]);
	fputc('\n', f);
	for (size_t row = 0; row < l->rows; row++) {
		for (size_t i = 0; i < l->columns; i++) {
			if (i)
				fputc(',', f);
			csv_field(f, cell(l, row, i));
		}
		fputc('\n', f);
	}
	return 0;
}

static json_t *value_json(const struct listing *l, size_t column, const char *text)
{
	if (!*text)
		return json_null();
	if (l->numbers & 1u << column)
		return json_loads(text, JSON_DECODE_ANY, NULL);
	return json_string(text);
}

static int print_json(const struct listing *l, FILE *f)
{
	json_t *top = json_array();
	int err = 0;

	for (size_t row = 0; row < l->rows; row++) {
		json_t *j = json_object();

		for (size_t i = 0; i < l->columns; i++) {
			const char *text = cell(l, row, i);

			err |=
			    json_object_set_new(j, l->keys[i], value_json(l, i, text));
		}
		err |= json_array_append_new(top, j);
	}
	if (!err)
		err = json_put(top, 0, f);
	json_decref(top);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}

int listing_print(const struct listing *l, int format, FILE *f)
{
	int err = format == FORMAT_JSON	 ? print_json(l, f)
		  : format == FORMAT_CSV ? print_csv(l, f)
					 : print_table(l, f);

	return err ? err : write_out(f);
}
