// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/span.h"
#include "sink/history_read.h"

static void say_damaged(const struct history_copied *c)
{
	if (c->damaged || c->more_damaged)
		log_warnx("%s%zu readings are damaged, and left out%s",
			  c->more_damaged ? "at least " : "", c->damaged,
			  c->more_damaged ? ": how many more is not known" : "");
	if (c->in_minutes)
		log_warnx("%zu readings are damaged, and there in the sums of their "
			  "minutes only",
			  c->in_minutes);
	if (c->facts_damaged)
		log_warnx("what it says of its machine is damaged, and left out: its "
			  "name, kernel and CPUs are not known");
}

static int run_snapshot(const struct options *o, int argc, char **argv)
{
	struct history_copied copied;
	char cause[512], text[512];
	int err;

	if (argc != 1) {
		log_errorx("which file? assay snapshot FILE");
		return EXIT_USAGE;
	}
	if (!strcmp(o->history, "none")) {
		log_errorx("--history none: there is nothing to copy");
		return EXIT_USAGE;
	}
	err = history_save(o->history, argv[0], now_wall_ns(), &copied, cause,
			   sizeof(cause));
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	say_damaged(&copied);
	span_describe_range(&copied.range, cause, sizeof(cause));
	text_copy(text, sizeof(text), argv[0], SIZE_MAX);
	printf("%s: %zu readings of %s; %s\nassay report --from %s shows its last five "
	       "minutes, on any machine\n",
	       text, copied.readings,
	       copied.host[0] ? copied.host : "an unknown machine", cause, text);
	return 0;
}

const struct cmd cmd_snapshot = {
	.name = "snapshot",
	.args = "FILE",
	.help = "copies what the node has kept, for --from on any machine",
	.examples =
	    "  assay snapshot ticket.db\n"
	    "  assay why --node --from ticket.db # anywhere, without privileges\n",
	.mask = CMD_SNAPSHOT,
	.run = run_snapshot,
};
