// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/units.h"
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/screen.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "view/counted.h"
#include "view/filter.h"
#include "view/group_frame.h"
#include "view/report.h"

#define HOME "\033[H\033[J" /* to the first line, and nothing below it */

/* A pipe gets what does not depend on the terminal, unless the user says COLUMNS. */
static void look_at_screen(struct report_choice *c)
{
	bool tty = isatty(STDOUT_FILENO);
	const char *no_color = getenv("NO_COLOR");

	c->columns = screen_columns();
	c->lines = screen_lines();
	c->color = tty && !(no_color && *no_color);
	/* what is below the first screen would push it off a terminal */
	c->details |= !tty;
}

/* What the user has chosen. -EINVAL with one line in cause. */
static int choose(const struct options *o, struct filter filters[OPTION_LIST_MOST],
		  struct report_choice *c, char *cause, size_t len)
{
	*c = (struct report_choice){ .wide = o->wide,
				     .details = o->wide,
				     .limit = o->limit,
				     .filters = filters };
	if (o->sort)
		c->sort = column_find(o->sort, strlen(o->sort));
	for (size_t i = 0; i < o->filters.count; i++)
		if (filter_parse(o->filters.values[i], &filters[c->filter_count++],
				 cause, len))
			return -EINVAL;
	look_at_screen(c);
	return 0;
}

/* Prints one report; a frame for people is changed for their eyes. */
static int print(const struct options *o, struct taken *taken,
		 const struct report_choice *choice, FILE *f)
{
	struct report r = { .frame = taken->frame,
			    .duration_s = taken->duration_s,
			    .from_agent = taken->from_agent || taken->from_history,
			    .host = taken->host,
			    .choice = *choice };
	struct counted_shares counted;
	char text[512];
	int err = group_frame(taken->frame, o->group_by);

	if (err)
		return err;
	if (taken->from_history) {
		counted_shares_read(taken->frame, taken->duration_s, &counted);
		r.counted = &counted;
		r.since_ns = taken->time.since_ns;
		r.until_ns = taken->time.until_ns;
		r.kept_since_ns = taken->kept.since_ns;
		r.kept_until_ns = taken->kept.until_ns;
	}
	if (o->format == FORMAT_JSON)
		return report_json(&r, f);
	err = frame_make_visible(taken->frame);
	if (err || o->format == FORMAT_CSV)
		return err ? err : report_csv(&r, f);
	if (taken->from_history) {
		span_describe(&taken->time, &taken->kept, text, sizeof(text));
		r.choice.above += screen_say(f, text);
	}
	return report_table(&r, f);
}

/*
 * A frame may have been cut in the middle of a colour, and the terminal shows ^C: what
 * is typed next is plain, and on a line of its own.
 */
static const char *farewell = "";

static void end_well(int signal)
{
	ssize_t n = write(STDOUT_FILENO, farewell, strlen(farewell));

	(void)n; /* the terminal is gone, too */
	_exit(0);
}

/* Nothing of a report is on its way when it is printed as a whole. */
static int print_again(const struct options *o, struct taken *taken,
		       struct report_choice *choice)
{
	char stamp[UNITS_TIME_LEN], *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int err;

	if (!f)
		return -errno;
	choice->above = 1;
	fprintf(f, "%s%s\n", isatty(STDOUT_FILENO) ? HOME : "",
		units_time(stamp, taken->frame->time_ns));
	err = print(o, taken, choice, f);
	if (fclose(f) && !err)
		err = -ENOMEM;
	if (!err) {
		fwrite(text, 1, len, stdout);
		err = write_out(stdout);
	}
	free(text);
	return err;
}

/* 0, or the exit status of what cannot be shown again and again. */
static int check_watch(const struct options *o, const struct span *span)
{
	if (!span->live)
		log_errorx("--watch: looks at now; leave out --at, --since, --until, "
			   "--last and --from");
	else if (o->total)
		log_errorx("--watch: each report is of --duration; leave out --total");
	else if (o->format != FORMAT_TABLE)
		log_errorx("--watch: prints tables; leave out --format");
	else
		return 0;
	return EXIT_USAGE;
}

static int show(const struct options *o, struct source *src, const struct span *span,
		struct report_choice *choice)
{
	struct taken taken;
	char cause[512];
	int err = span_take(src, span, &taken, cause, sizeof(cause));

	if (err) {
		log_errorx("%s", cause);
		return 1;
	}
	err = o->watch ? print_again(o, &taken, choice)
		       : print(o, &taken, choice, stdout);
	if (err)
		log_error(err, "the report cannot be written");
	frame_free(taken.frame);
	return err ? 1 : 0;
}

static int watch(const struct options *o, struct source *src, const struct span *span,
		 struct report_choice *choice)
{
	struct sigaction end = { .sa_handler = end_well };
	int status = 0;

	if (choice->color)
		farewell = "\033[0m\n";
	else if (isatty(STDOUT_FILENO))
		farewell = "\n";

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	while (!status)
		status = show(o, src, span, choice);
	return status;
}

static int run_report(const struct options *given, int argc, char **argv)
{
	struct options o = *given;
	struct source src = { .o = &o };
	struct filter filters[OPTION_LIST_MOST];
	struct report_choice choice;
	struct span span;
	char cause[FILTER_CAUSE];
	int status, err;

	if (choose(&o, filters, &choice, cause, sizeof(cause))) {
		log_errorx("--filter: %s", cause);
		return EXIT_USAGE;
	}
	err = span_of(&o, now_wall_ns(), &span, cause, sizeof(cause));
	if (err) {
		log_errorx("%s", cause);
		return err == -EINVAL ? EXIT_USAGE : 1;
	}
	if (!o.watch) {
		status = show(&o, &src, &span, &choice);
	} else {
		/* the agent counts exactly for a few minutes of an hour only */
		o.estimate = true;
		status = check_watch(&o, &span);
		if (!status)
			status = watch(&o, &src, &span, &choice);
	}
	source_close(&src);
	return status;
}

const struct cmd cmd_report = {
	.name = "report",
	.help = "latency, errors and waits of each workload, now or before",
	.examples =
	    "  assay report                      # who hurts, the worst first\n"
	    "  assay report --sort errors --filter 'name=shop/*' --filter 'p99>10ms'\n"
	    "  assay report --group-by namespace --wide\n"
	    "  assay report --last 30s\n"
	    "  assay report --total --format json\n",
	.mask = CMD_REPORT,
	.run = run_report,
};
