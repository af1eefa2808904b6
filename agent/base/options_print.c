// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"

static void print_variables(FILE *f, const struct option_desc *d)
{
	char name[64];

	options_variable(d, name, sizeof(name));
	fputs(name, f);
	for (int i = OPTION_ENV - 1; i >= 0; i--)
		if (d->otel[i])
			fprintf(f, ", %s%s", d->otel[i],
				d->type == OPTION_DURATION ? " (ms)" : "");
}

#define HELP_WIDTH  79
#define HELP_INDENT 8

static void print_option(FILE *f, const struct option_desc *d)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s", d->help);

	if (d->def && d->type != OPTION_BOOL)
		n += snprintf(text + n, sizeof(text) - n, " (default: %s)", d->def);
	for (int i = OPTION_ENV - 1; i >= 0; i--)
		if (d->otel[i])
			n += snprintf(text + n, sizeof(text) - n, " %s%s", d->otel[i],
				      d->type == OPTION_DURATION ? " (ms)" : "");
	fprintf(f, "  --%s%s%s\n%*s", d->key, d->value ? " " : "",
		d->value ? d->value : "", HELP_INDENT, "");
	text_wrap(f, text, HELP_INDENT, HELP_INDENT, HELP_WIDTH);
}

/* The agent's, which others only heed when they have to measure by themselves. */
static bool is_of_measuring(const struct option_desc *d, unsigned int mask)
{
	return d->mask == CMD_MEASURES && !(mask & (CMD_AGENT | CMD_DOCTOR));
}

static void print_of_measuring(FILE *f, const struct option_table *table,
			       unsigned int mask)
{
	char text[1024] =
	    "Where no agent runs it measures by itself, and heeds these of "
	    "assay agent:";
	size_t n = strlen(text), before = n;

	for (size_t i = 0; i < table->count; i++)
		if ((table->rows[i].mask & mask) &&
		    is_of_measuring(&table->rows[i], mask) && n < sizeof(text))
			n += snprintf(text + n, sizeof(text) - n, " --%s",
				      table->rows[i].key);
	if (n > before)
		text_wrap(f, text, 0, 0, HELP_WIDTH);
}

void options_help(FILE *f, const struct option_table *table, unsigned int mask)
{
	for (size_t i = 0; i < table->count; i++)
		if ((table->rows[i].mask & mask) &&
		    !is_of_measuring(&table->rows[i], mask))
			print_option(f, &table->rows[i]);
	fputc('\n', f);
	print_of_measuring(f, table, mask);
	fputs("Each is also a variable: --some-option is ASSAY_SOME_OPTION.\n", f);
}

static void print_roff(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '-' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static void print_commands(FILE *f, unsigned int mask)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ CMD_AGENT, "agent" },	  { CMD_REPORT, "report" },
		{ CMD_PROBES, "probes" }, { CMD_DOCTOR, "doctor" },
		{ CMD_TUNE, "tune" },	  { CMD_STATUS, "status" },
		{ CMD_LIST, "list" },	  { CMD_SNAPSHOT, "snapshot" },
		{ CMD_WHY, "why" },	  { CMD_HIST, "hist" },
		{ CMD_TREND, "trend" },	  { CMD_DIFF, "diff" },
		{ CMD_VERIFY, "verify" }, { CMD_BENCH, "bench" },
	};
	const char *comma = "";

	if (mask == CMD_ALL)
		return;
	fputs("For ", f);
	for (size_t i = 0; i < COUNT(names); i++) {
		if (mask & names[i].bit) {
			fprintf(f, "%s%s", comma, names[i].name);
			comma = ", ";
		}
	}
	fputs(".\n", f);
}

void options_man(FILE *f, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_desc *d = &table->rows[i];

		fputs(".TP\n.B \\-\\-", f);
		print_roff(f, d->key);
		if (d->value)
			fprintf(f, " \\fI%s\\fR", d->value);
		fprintf(f, "\n%c", toupper((unsigned char)d->help[0]));
		print_roff(f, d->help + 1);
		fputs(".\n", f);
		if (d->def && d->type != OPTION_BOOL) {
			fputs("The default is ", f);
			print_roff(f, d->def);
			fputs(".\n", f);
		}
		print_commands(f, d->mask);
		fputs(".br\nVariables: ", f);
		print_variables(f, d);
		fputs(".\n", f);
	}
}
