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

/* Nothing of the history is needed after that. */
static int compare(struct history_reader *r, const struct history_span span[2],
		   struct frame *frames[2], struct diff *out, char *cause, size_t len)
{
	int err = diff_open(out, frames[0], frames[1]);

	for (int side = 0; side < 2 && !err; side++) {
		uint64_t all = span[side].until_ns - span[side].since_ns;
		uint64_t step = (all / DIFF_STEPS + STEP_NS - 1) / STEP_NS * STEP_NS;
		struct walk w = { out, side, span[side], step ? step : STEP_NS };

		err = history_reader_each(r, &span[side], w.step_ns, take_step, &w,
					  cause, len);
		if (err)
			return err;
	}
	if (!err)
		err = diff_judge(out);
	if (!err)
		err = history_reader_range(r, &out->kept);
	if (err)
		snprintf(cause, len, "the difference cannot be told: %s",
			 strerror(-err));
	return err;
}

static int print(const struct options *o, struct diff *d, char *cause, size_t len)
{
	char text[160];
	int err;

	if (o->format == FORMAT_TABLE) {
		span_describe_range(&d->kept, text, sizeof(text));
		screen_say(stdout, text);
	}
	d->limit = o->limit;
	err = diff_print(d, o->format, stdout);
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

static const char *const names[] = { "earlier time: ", "later time: " };

/* Both times, and how they differ. */
static int take(const struct options *o, const struct history_span span[2],
		struct frame *frames[2], struct diff *out, char *cause, size_t len)
{
	struct history_reader *r = NULL;
	struct history_span got[2];
	int err = span_history(o, &r, cause, len);

	for (int i = 0; i < 2 && !err; i++)
		err =
		    history_reader_frame(r, &span[i], &frames[i], &got[i], cause, len);
	for (int i = 0; i < 2 && !err; i++)
		span_say_uncounted(names[i], frames[i],
				   (double)got[i].covered_ns * 1e-9);
	if (!err)
		err = compare(r, got, frames, out, cause, len);
	for (int i = 0; i < 2 && !err; i++)
		span_say_left_out(names[i], r, &span[i]);
	if (!err)
		span_say_unknown(NULL, r, &span[1]);
	history_reader_close(r); /* before somebody pages through what is printed */
	return err;
}

static int run_diff(const struct options *o, int argc, char **argv)
{
	struct history_span span[2] = { 0 };
	struct frame *frames[2] = { NULL, NULL };
	struct diff d = { 0 };
	char cause[512];
	int status = find_spans(o, argc, argv, span), err;

	if (status)
		return status;
	err = take(o, span, frames, &d, cause, sizeof(cause));
	if (!err)
		err = print(o, &d, cause, sizeof(cause));
	if (err)
		log_errorx("%s", cause);
	diff_fini(&d);
	frame_free(frames[0]);
	frame_free(frames[1]);
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
