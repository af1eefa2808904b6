// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/source.h"
#include "sink/client.h"
#include "view/report.h"

static void sleep_until(uint64_t mono_ns)
{
	struct timespec ts = {
		.tv_sec = mono_ns / 1000000000,
		.tv_nsec = mono_ns % 1000000000,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Since the agent's start: the earliest start of anything. */
static double seconds_since_start(const struct frame *f)
{
	uint64_t start = f->time_ns;

	for (size_t i = 0; i < f->count; i++)
		if (f->series[i].start_ns && f->series[i].start_ns < start)
			start = f->series[i].start_ns;
	return (f->time_ns - start) * 1e-9;
}

/*
 * Seconds between two frames by their own times, which are those of the readings. They
 * are wall clock; when somebody set it meanwhile, what we waited has to do.
 */
static double seconds_between(const struct frame *before, const struct frame *after,
			      uint64_t waited_ns)
{
	double s = ((double)after->time_ns - (double)before->time_ns) * 1e-9;

	return fabs(s - waited_ns * 1e-9) < 1 && s > 0 ? s : waited_ns * 1e-9;
}

#define SLACK_MS 5000 /* what the two readings may take */

/*
 * Has an agent, if there is one, count all while we look, whatever the budget. One that
 * knows of no windows does so anyway, and what it refuses the reading tells.
 */
static void ask_exact(const struct options *o)
{
	uint64_t given = 0, wanted = o->duration_ms;
	char cause[256];

	int err;

	if (o->total || o->estimate)
		return;
	err = client_exact(o->socket, wanted + SLACK_MS, &given, cause, sizeof(cause));
	if (err == -ETIMEDOUT || err == -EAGAIN)
		log_warnx("the agent does not come to measure exactly: what has ~ are "
			  "estimates");
	if (err)
		return;
	if (given < wanted)
		log_warnx(
		    "numbers are exact for %g s only, as the agent measures exactly "
		    "for 60 s at a time and for 6 min of an hour",
		    given / 1e3);
}

/* The frame to show, and its time. It holds differences unless all is asked for. */
static int take(struct source *src, struct frame **out, double *duration_s, char *cause,
		size_t len)
{
	struct frame *before;
	uint64_t start;
	int err;

	ask_exact(src->o);
	err = source_read(src, !src->o->total, &before, cause, len);
	if (err)
		return err;
	if (src->o->total) {
		*duration_s = seconds_since_start(before);
		*out = before;
		return 0;
	}
	start = now_mono_ns();
	sleep_until(start + src->o->duration_ms * 1000000);
	err = source_read(src, false, out, cause, len);
	if (!err) {
		*duration_s = seconds_between(before, *out, now_mono_ns() - start);
		frame_subtract(*out, before);
	}
	frame_free(before);
	return err;
}

static int run_report(const struct options *o, int argc, char **argv)
{
	struct source src = { .o = o };
	struct frame *frame;
	struct report r;
	char cause[512];
	int err;

	err = take(&src, &frame, &r.duration_s, cause, sizeof(cause));
	source_close(&src);
	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	r.frame = frame;
	r.from_agent = src.from_agent;
	if (o->format == FORMAT_JSON)
		err = report_json(&r, stdout);
	else if (!(err = frame_make_visible(frame)))
		err = report_table(&r, stdout);
	if (err)
		log_error(err, "the report cannot be written");
	frame_free(frame);
	return err ? 1 : 0;
}

const struct cmd cmd_report = {
	.name = "report",
	.help = "latency, traffic, errors and saturation of each workload, now",
	.mask = CMD_REPORT,
	.run = run_report,
};
