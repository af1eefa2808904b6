// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/units.h"
#include "base/util.h"
#include "bpf/cell.h"
#include "cmd/cmd.h"
#include "cmd/source.h"
#include "kernel/probes.h"
#include "view/cost.h"
#include "view/probe_list.h"
#include "view/report.h"
#include "view/status.h"

/* What its programs took since the agent's start, each and together. */
static void print_cost(const struct frame *f, size_t probe)
{
	const char *name = probe_descs[probe].name;
	char text[COST_LEN];
	struct cost c;

	cost_get(f, name, NULL, &c);
	printf("         cost: %s\n", cost_text(text, &c));
	for (size_t i = 0; i < PROGRAM_COUNT; i++) {
		cost_get(f, name, programs[i].name, &c);
		if (programs[i].probe == probe && c.runs > 0)
			printf("           %-20s %s\n", programs[i].name,
			       cost_text(text, &c));
	}
}

/* How much of the time it is on, what that costs, and why. */
static void print_budget(const struct status *s, size_t probe)
{
	char text[STATUS_TEXT] = "";

	for (size_t i = 0; s && i < s->probe_count; i++)
		if (!strcmp(s->probes[i].name, probe_descs[probe].name))
			status_cost(s, &s->probes[i], text, sizeof(text));
	if (*text)
		printf("         budget: %s\n", text);
}

/* What it did not count, by reason. */
static void print_losses(const struct frame *f, const char *probe)
{
	const char *comma = "         lost: ";
	char n[UNITS_LEN];

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *name = frame_attr(&s->attrs, "assay.probe");
		const char *reason = frame_attr(&s->attrs, "assay.reason");

		if (strcmp(s->name, "assay.lost") || !name || strcmp(name, probe) ||
		    !reason || !report_has_events(s))
			continue;
		printf("%s%s %s", comma, units_count(n, report_value(s)), reason);
		comma = ", ";
	}
	puts(*comma == ',' ? "" : "         lost: nothing");
}

static void print_probe(const struct probe_desc *d, const struct frame_series *s)
{
	const char *state = s ? frame_attr(&s->attrs, "assay.state") : NULL;
	const char *reason = s ? frame_attr(&s->attrs, "assay.reason") : NULL;

	printf("%-8s %s", d->name, state ? state : "unknown");
	if (reason && *reason)
		printf(": %s", reason);
	printf("\n         %s\n         hooks: %s\n", d->help, d->hooks);
}

/* Is it attached, or was it until it was switched off? */
static bool is_loaded(const struct frame_series *s)
{
	const char *state = s ? frame_attr(&s->attrs, "assay.state") : NULL;

	return state && (!strcmp(state, "attached") || !strcmp(state, "off"));
}

/* All that is known of each, for people. */
static void print_all(const struct source *src, const struct frame *frame)
{
	struct status *status = source_status(src);

	printf("%s\n", src->from_agent
			   ? "As the agent has them:"
			   : "As this command just loaded them (no agent runs):");
	for (size_t i = 0; i < probe_desc_count; i++) {
		const struct frame_series *s = probe_state(frame, probe_descs[i].name);

		print_probe(&probe_descs[i], s);
		/* of probes just loaded both say nothing yet */
		if (!src->from_agent || !is_loaded(s))
			continue;
		print_budget(status, i);
		print_cost(frame, i);
		print_losses(frame, probe_descs[i].name);
	}
	free(status);
}

static int run_probes(const struct options *o, int argc, char **argv)
{
	struct source src = { .o = o };
	struct frame *frame;
	char cause[512];
	int err;

	err = source_read(&src, true, &frame, cause, sizeof(cause));
	source_close(&src);
	if (!err && o->format != FORMAT_JSON && frame_make_visible(frame)) {
		snprintf(cause, sizeof(cause), "%s", strerror(ENOMEM));
		frame_free(frame);
		err = -ENOMEM;
	}
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	if (o->format == FORMAT_TABLE)
		print_all(&src, frame);
	else
		err = probe_list_print(frame, o->format, stdout);
	if (err)
		log_error(err, "the list cannot be written");
	frame_free(frame);
	return err ? 1 : 0;
}

const struct cmd cmd_probes = {
	.name = "probes",
	.help = "each probe: what it measures, its state, its cost and losses",
	.mask = CMD_PROBES,
	.run = run_probes,
};
