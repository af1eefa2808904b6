// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include "base/options.h"
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

void options_help(FILE *f, const struct option_table *table, unsigned int mask)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_desc *d = &table->rows[i];

		if (!(d->mask & mask))
			continue;
		fprintf(f, "  --%s%s%s\n        %s", d->key, d->value ? " " : "",
			d->value ? d->value : "", d->help);
		if (d->def && d->type != OPTION_BOOL)
			fprintf(f, " (default: %s)", d->def);
		fputs("\n        ", f);
		print_variables(f, d);
		fputc('\n', f);
	}
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
