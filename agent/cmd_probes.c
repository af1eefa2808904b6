// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "cmd.h"
#include "log.h"
#include "options.h"
#include "probes.h"
#include "report.h"
#include "source.h"

/* The agent's own series that says how this probe is, or NULL. */
static const struct frame_series *find_state(const struct frame *f, const char *probe)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *name = frame_attr(&s->attrs, "assay.probe");

		if (!strcmp(s->name, "assay.probe.attached") && name &&
		    !strcmp(name, probe) && !report_is_workload(s->resource))
			return s;
	}
	return NULL;
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

static int run_probes(const struct options *o, int argc, char **argv)
{
	struct source src = { .o = o };
	struct frame *frame;
	char cause[512];
	int err;

	err = source_read(&src, true, &frame, cause, sizeof(cause));
	source_close(&src);
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	printf("%s\n", src.from_agent
			   ? "As the agent has them:"
			   : "As this command just loaded them (no agent runs):");
	for (size_t i = 0; i < probe_desc_count; i++)
		print_probe(&probe_descs[i], find_state(frame, probe_descs[i].name));
	frame_free(frame);
	return 0;
}

const struct cmd cmd_probes = {
	.name = "probes",
	.help =
	    "each probe: what it measures, its hooks, its state and the reason for it",
	.mask = CMD_PROBES,
	.run = run_probes,
};
