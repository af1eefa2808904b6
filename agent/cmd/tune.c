// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "kernel/tune.h"
#include "sink/client.h"

/* "tune", and the arguments with a space before each. */
static int join(int argc, char **argv, char *line, size_t len)
{
	size_t at = snprintf(line, len, "tune");

	for (int i = 0; i < argc && at < len; i++)
		at += snprintf(line + at, len - at, " %s", argv[i]);
	return at < len ? 0 : -E2BIG;
}

static int run_tune(const struct options *o, int argc, char **argv)
{
	struct tune_change change;
	char line[256], cause[512];
	uint8_t *text;
	size_t len;
	int err = join(argc, argv, line, sizeof(line));

	if (err)
		snprintf(cause, sizeof(cause), "too many words for one probe");
	else
		err = tune_parse(argc ? line + 5 : NULL, &change, cause, sizeof(cause));
	if (err) {
		log_errorx("%s", cause);
		return EXIT_USAGE;
	}
	if (change.keys)
		err = client_change(o->socket, line, &text, &len, cause, sizeof(cause));
	else
		err = client_ask(o->socket, line, &text, &len, cause, sizeof(cause));
	if (err == -ENOENT || err == -ECONNREFUSED)
		snprintf(cause, sizeof(cause), "%.108s: no agent runs", o->socket);
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	text_lines(stdout, (char *)text, len);
	free(text);
	return 0; /* main() sees whether it could be written */
}

const struct cmd cmd_tune = {
	.name = "tune",
	.args = "[PROBE [KEY=VALUE...]]",
	.help = "shows or changes parameters of the running agent's probes",
	.examples = "  assay tune\n"
		    "  assay tune syscall sample=8       # takes one duration of 8\n"
		    "  assay tune syscall sample=1\n",
	.mask = CMD_TUNE,
	.run = run_tune,
};
