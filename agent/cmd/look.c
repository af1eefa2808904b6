// SPDX-License-Identifier: Apache-2.0
/* assay hist and assay trend: one metric, by itself. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/screen.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "cmd/span_usage.h"
#include "metric/self_budget.h"
#include "view/look.h"
#include "view/pick.h"
#include "view/report.h"

#define METRICS_MOST 16
#define STEP_NS	     10000000000ULL /* as the agent reads */
#define STEPS	     48		    /* across the screen */
#define TREND_MS     1800000	    /* if no time is asked for */
#define WIDTH	     80		    /* where nobody says */
#define WIDTH_MOST   400

/* Whether a terminal, or who reads the pipe, has the characters of the locale. */
static bool is_utf8(void)
{
	setlocale(LC_CTYPE, "");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static size_t width_of_screen(void)
{
	size_t n = screen_columns();

	n = n ? n : WIDTH;
	return n > WIDTH_MOST ? WIDTH_MOST : n;
}

/* The one metric that is meant, or the exit status: several are listed. */
static int find_metric(const char *text, bool histograms, const char **metric)
{
	const char *found[METRICS_MOST];
	char names[1024] = "";
	size_t at = 0;
	size_t count = pick_metrics(text, histograms, found, METRICS_MOST);

	if (count == 1) {
		*metric = found[0];
		return 0;
	}
	if (!count) {
		log_errorx("%.100s: no %s has that in its name: see assay list metrics",
			   text, histograms ? "histogram" : "metric");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < count && i < METRICS_MOST && at < sizeof(names); i++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
				       i ? ", " : "", found[i]);
	log_errorx("%.100s: which one of %zu metrics? %s", text, count, names);
	return EXIT_USAGE;
}

/* What is to be read: the metric, and for which part of a time it was counted. */
struct metrics {
	const char *names[5];
};

static struct metrics metrics_for(const char *metric)
{
	return (struct metrics){ { metric, self_attached_time.name,
				   self_counted_time.name, self_duty.name, NULL } };
}

struct walk {
	struct look *look;
	uint64_t since_ns, step_ns;
};

static int take_step(void *arg, const struct frame *f, const struct history_span *got)
{
	struct walk *w = arg;
	uint64_t middle = got->since_ns / 2 + got->until_ns / 2;

	if (middle < w->since_ns)
		return 0;
	return look_take(w->look, (middle - w->since_ns) / w->step_ns, f, got);
}

/* Whole readings, and no more steps than the screen has columns for. */
static uint64_t step_of(const struct options *o, const char *metric,
			const struct history_span *time)
{
	uint64_t span = time->until_ns - time->since_ns, step = span / STEPS;
	uint64_t whole = report_is_usage(metric) ? SPAN_USAGE_NS : STEP_NS;

	if (o->step_ms)
		step = o->step_ms * 1000000;
	if (step < span / LOOK_STEPS)
		step = span / LOOK_STEPS;
	step = (step + whole - 1) / whole * whole;
	return step ? step : whole;
}

static int take_steps(const struct options *o, struct look *l,
		      const struct history_span *time, char *cause, size_t len)
{
	struct walk w = { l, time->since_ns, step_of(o, l->metric, time) };
	size_t steps = (time->until_ns - time->since_ns + w.step_ns - 1) / w.step_ns;
	struct metrics metrics = metrics_for(l->metric);
	struct history_reader *r;
	int err = look_make_steps(l, steps);

	l->since_ns = w.since_ns;
	l->step_ns = w.step_ns;

	if (err) {
		snprintf(cause, len, "%s", strerror(-err));
		return err;
	}
	err = span_history(o, &r, cause, len);
	if (err)
		return err;
	history_reader_only(r, metrics.names);
	err = history_reader_each(r, time, w.step_ns, take_step, &w, cause, len);
	if (!err)
		span_say_left_out("steps: ", r, time);
	history_reader_close(r);
	return err;
}

typedef int (*print_fn)(const struct look *l, int format, FILE *f);

static int show(const struct options *o, const char *workload, struct look *l,
		const struct taken *t, bool steps, print_fn print)
{
	size_t most = o->limit			  ? o->limit
		      : o->format == FORMAT_TABLE ? LOOK_SERIES
						  : SIZE_MAX;
	char cause[512], text[512];
	int err = look_choose(l, workload, most);

	if (err == -ENOENT) {
		log_errorx("%.200s: no workload has that in its name: see assay list "
			   "workloads",
			   workload);
		return 1;
	}
	if (!err && steps && take_steps(o, l, &t->time, cause, sizeof(cause))) {
		log_errorx("%s", cause);
		return 1;
	}
	if (!err && t->from_history && o->format == FORMAT_TABLE) {
		span_describe(&t->time, &t->kept, text, sizeof(text));
		screen_say(stdout, text);
	}
	if (!err)
		err = print(l, o->format, stdout);
	if (err)
		log_error(err, "the numbers cannot be written");
	return err ? 1 : 0;
}

static int run_look(const struct options *o, int argc, char **argv, bool trend)
{
	struct look l = { .utf8 = is_utf8(), .width = width_of_screen() };
	struct source src = { .o = o };
	struct taken taken = { 0 };
	struct metrics metrics;
	struct span span;
	char cause[512];
	int err, status;

	if (argc < 1 || argc > 2) {
		log_errorx("which metric? a name or a part of it (see assay list "
			   "metrics), then a workload, if it is to be of one");
		return EXIT_USAGE;
	}
	status = find_metric(argv[0], !trend, &l.metric);
	if (status)
		return status;
	err = span_of(o, now_wall_ns(), &span, cause, sizeof(cause));
	if (err) {
		log_errorx("%s", cause);
		return err == -EINVAL ? EXIT_USAGE : 1;
	}
	metrics = metrics_for(l.metric);
	if (!report_is_usage(l.metric)) /* span_usage() goes by all */
		span.only = metrics.names;
	err = span_take(&src, &span, &taken, cause, sizeof(cause));
	source_close(&src);
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	l.frame = taken.frame;
	l.duration_s = taken.duration_s;
	l.kept = taken.from_history ? &taken.kept : NULL;
	l.heat = !trend && taken.from_history && !o->at && o->format == FORMAT_TABLE;
	status = show(o, argc > 1 ? argv[1] : NULL, &l, &taken, trend || l.heat,
		      trend ? look_print_trend : look_print_hist);
	look_fini(&l);
	frame_free(taken.frame);
	return status;
}

static int run_hist(const struct options *o, int argc, char **argv)
{
	return run_look(o, argc, argv, false);
}

/* There is no trend of now. */
static int run_trend(const struct options *given, int argc, char **argv)
{
	struct options o = *given;

	if (!o.since && !o.last_ms && (!o.from || o.until))
		o.last_ms = TREND_MS;
	return run_look(&o, argc, argv, true);
}

const struct cmd cmd_hist = {
	.name = "hist",
	.args = "METRIC [WORKLOAD]",
	.help = "draws a distribution, and with --last 30m how it went",
	.examples = "  assay hist sched.wait.duration shop/web\n"
		    "  assay hist sched.wait.duration shop/web --last 30s\n",
	.mask = CMD_HIST,
	.run = run_hist,
};

const struct cmd cmd_trend = {
	.name = "trend",
	.args = "METRIC [WORKLOAD]",
	.help = "how a metric went in the last 30 minutes, or --last, --since",
	.examples = "  assay trend sched.wait.duration shop/web\n"
		    "  assay trend cgroup.cpu.time shop/web --last 1h --format csv\n",
	.mask = CMD_TREND,
	.run = run_trend,
};
