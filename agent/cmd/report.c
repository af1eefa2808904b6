// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "view/report.h"

static int run_report(const struct options *o, int argc, char **argv)
{
	struct source src = { .o = o };
	struct taken taken;
	struct span span;
	struct report r;
	char cause[512];
	int err = span_of(o, now_wall_ns(), &span, cause, sizeof(cause));

	if (!err)
		err = span_take(&src, &span, &taken, cause, sizeof(cause));
	source_close(&src);
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	if (taken.from_history && o->format != FORMAT_JSON) {
		span_describe(&taken.time, &taken.kept, cause, sizeof(cause));
		printf("%s\n\n", cause);
	}
	r = (struct report){ .frame = taken.frame,
			     .duration_s = taken.duration_s,
			     .from_agent = taken.from_agent || taken.from_history };
	if (o->format == FORMAT_JSON)
		err = report_json(&r, stdout);
	else if (!(err = frame_make_visible(taken.frame)))
		err = report_table(&r, stdout);
	if (err)
		log_error(err, "the report cannot be written");
	frame_free(taken.frame);
	return err ? 1 : 0;
}

const struct cmd cmd_report = {
	.name = "report",
	.help = "latency, traffic, errors and saturation of each workload, now",
	.mask = CMD_REPORT,
	.run = run_report,
};
