// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "cmd/cmd.h"
#include "cmd/screen.h"
#include "cmd/span.h"
#include "view/diff.h"

#define STEP_NS 10000000000ULL /* as the agent reads */

struct walk {
	struct diff *diff;
	int side;
	struct history_span span;
	uint64_t step_ns;
};

static int take_step(void *arg, const struct frame *f, const struct history_span *got)
{
	struct walk *w = arg;
	uint64_t middle = got->since_ns / 2 + got->until_ns / 2;
	uint64_t since = w->span.since_ns;

	diff_take(w->diff, w->side, middle > since ? (middle - since) / w->step_ns : 0,
		  f, got);
	return 0;
}

/* From when to when anything is kept, for people. */
static void say_range(const struct options *o, struct history_reader *r)
{
	struct history_span kept;
	char text[160];

	if (o->format != FORMAT_TABLE || history_reader_range(r, &kept))
		return;
	span_describe_range(&kept, text, sizeof(text));
	screen_say(stdout, text);
}

static int compare(const struct options *o, struct history_reader *r,
		   const struct history_span span[2], struct frame *frames[2],
		   char *cause, size_t len)
{
	struct diff d;
	int err = diff_open(&d, frames[0], frames[1]);

	for (int side = 0; side < 2 && !err; side++) {
		uint64_t all = span[side].until_ns - span[side].since_ns;
		uint64_t step = (all / DIFF_STEPS + STEP_NS - 1) / STEP_NS * STEP_NS;
		struct walk w = { &d, side, span[side], step ? step : STEP_NS };

		err = history_reader_each(r, &span[side], w.step_ns, take_step, &w,
					  cause, len);
	}
	if (!err)
		err = diff_judge(&d);
	d.limit = o->limit;
	if (!err)
		say_range(o, r);
	if (!err)
		err = diff_print(&d, o->format, stdout);
	diff_fini(&d);
	if (err)
		snprintf(cause, len, "the difference cannot be told: %s",
			 strerror(-err));
	return err;
}

/* The two times of the arguments; the exit status. */
static int find_spans(const struct options *o, int argc, char **argv,
		      struct history_span span[2])
{
	char cause[512];
	uint64_t now;

	if (argc != 2) {
		log_errorx("which two times? as 02:00..02:30 03:00..03:30, or "
			   "40m..30m 10m..now");
		return EXIT_USAGE;
	}
	if (span_now(o, &now, cause, sizeof(cause))) {
		log_errorx("%s", cause);
		return 1;
	}
	for (int i = 0; i < 2; i++) {
		int err = span_pair(argv[i], now, &span[i]);

		if (!err)
			continue;
		log_errorx("%.100s: %s", argv[i],
			   err == -ERANGE ? "its end is yet to come"
					  : "must be from when to when, the earlier "
					    "first, as 02:00..02:30 or 40m..30m (ago)");
		return EXIT_USAGE;
	}
	return 0;
}

static int run_diff(const struct options *o, int argc, char **argv)
{
	struct history_span span[2] = { 0 }, got[2];
	struct frame *frames[2] = { NULL, NULL };
	struct history_reader *r = NULL;
	char cause[512];
	int status = find_spans(o, argc, argv, span), err;

	if (status)
		return status;
	err = span_history(o, &r, cause, sizeof(cause));
	for (int i = 0; i < 2 && !err; i++)
		err = history_reader_frame(r, &span[i], &frames[i], &got[i], cause,
					   sizeof(cause));
	if (!err && history_reader_damaged(r))
		log_warnx("%zu readings of the history are damaged, and left out",
			  history_reader_damaged(r));
	for (int i = 0; i < 2 && !err; i++)
		span_say_uncounted(frames[i], (double)got[i].covered_ns * 1e-9);
	if (!err)
		err = compare(o, r, got, frames, cause, sizeof(cause));
	if (err)
		log_errorx("%s", cause);
	frame_free(frames[0]);
	frame_free(frames[1]);
	history_reader_close(r);
	return err ? 1 : 0;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.args = "SPAN1 SPAN2",
	.help = "what has changed from one time to another, the surest first",
	.examples = "  assay diff 40s..20s 20s..now      # of so long ago\n",
	.mask = CMD_DIFF,
	.run = run_diff,
};
