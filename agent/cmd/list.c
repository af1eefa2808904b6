// SPDX-License-Identifier: Apache-2.0
/* assay list: what there is to look at. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/units.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/screen.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "kernel/probes.h"
#include "metric/metrics.h"
#include "metric/self.h"
#include "view/listing.h"
#include "view/probe_list.h"
#include "view/report.h"

static const char *kind_name(enum metric_kind kind)
{
	static const char *const names[] = {
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_SUM] = "sum",
		[METRIC_UPDOWN] = "up-down sum",
		[METRIC_GAUGE] = "gauge",
	};

	return names[kind];
}

static int add_metric(struct listing *l, const struct metric *m, const char *signal,
		      const char *exact)
{
	return listing_add(l, (const char *[]){ m->name, m->unit, kind_name(m->kind),
						signal, exact, m->help });
}

static const char *exactness_name(enum metrics_exactness e)
{
	static const char *const names[] = {
		[METRICS_EXACT] = "exact",
		[METRICS_PARTLY] = "some events estimated in windows",
		[METRICS_ESTIMATED] = "estimated in windows",
	};

	return names[e];
}

/* From the tables that exports are made by. */
static int list_metrics(const struct options *o)
{
	static const char *const keys[] = { "name",   "unit",  "kind",
					    "signal", "exact", "help" };
	struct listing l = { .keys = keys, .columns = COUNT(keys) };
	int err = 0;

	for (size_t t = 0; t < metric_table_count; t++)
		for (size_t i = 0; i < metric_tables[t]->count && !err; i++) {
			const struct metric_row *r = &metric_tables[t]->rows[i];

			err = add_metric(&l, &r->metric, r->signal_name,
					 exactness_name(metrics_exactness(r)));
		}
	for (size_t i = 0; i < self_metric_count && !err; i++)
		err = add_metric(&l, self_metrics[i], "of the agent",
				 exactness_name(METRICS_EXACT));
	if (!err)
		err = listing_print(&l, o->format, stdout);
	listing_fini(&l);
	return err;
}

static int list_workloads(const struct frame *f, int format)
{
	static const char *const keys[] = { "name",  "kind",   "pod",	"container",
					    "image", "source", "cgroup" };
	struct listing l = { .keys = keys, .columns = COUNT(keys) };
	int err = 0;

	for (size_t i = 0; i < f->count && !err; i = report_group_end(f, i)) {
		const struct frame_attrs *r = f->series[i].resource;

		if (!report_is_workload(r))
			continue;
		err = listing_add(
		    &l, (const char *[]){
			    frame_name(r), frame_kind(r), frame_attr(r, "k8s.pod.name"),
			    frame_attr(r, "k8s.container.name"),
			    frame_attr(r, "container.image.name"),
			    frame_attr(r, "assay.identity.source"), frame_cgroup(r) });
	}
	if (!err)
		err = listing_print(&l, format, stdout);
	listing_fini(&l);
	return err;
}

/* What is now, or was in a time of the history. */
static int take(struct source *src, struct frame **out, char *cause, size_t len)
{
	struct span span;
	struct taken taken = { .frame = NULL };
	char text[512];
	int err = span_of(src->o, now_wall_ns(), &span, cause, len);

	if (!err && span.live)
		return source_read(src, true, out, cause, len);
	if (!err)
		err = span_take(src, &span, &taken, cause, len);
	if (!err && src->o->format == FORMAT_TABLE) {
		span_describe(&taken.time, &taken.kept, text, sizeof(text));
		screen_say(stdout, text);
	}
	if (!err)
		*out = taken.frame;
	return err;
}

/* The lists that a reading is needed for. */
static int list_frame(const struct options *o, bool workloads)
{
	struct source src = { .o = o };
	struct frame *f;
	char cause[512];
	int err;

	err = take(&src, &f, cause, sizeof(cause));
	source_close(&src);
	if (err) {
		log_errorx("%s", cause);
		return err == -EINVAL ? EXIT_USAGE : 1;
	}
	if (o->format != FORMAT_JSON)
		err = frame_make_visible(f);
	if (!err)
		err = workloads ? list_workloads(f, o->format)
				: probe_list_print(f, o->format, stdout);
	frame_free(f);
	if (err)
		log_error(err, "the list cannot be written");
	return err ? 1 : 0;
}

static int run_list(const struct options *o, int argc, char **argv)
{
	const char *what = argc == 1 ? argv[0] : "";
	bool workloads = !strcmp(what, "workloads"), probes = !strcmp(what, "probes");
	int err;

	if (!workloads && !probes && strcmp(what, "metrics")) {
		log_errorx("what is to be listed? one of metrics, workloads, probes");
		return EXIT_USAGE;
	}
	if (workloads || probes)
		return list_frame(o, workloads);
	err = list_metrics(o); /* this program's, whatever time is asked for */
	if (err)
		log_error(err, "the list cannot be written");
	return err ? 1 : 0;
}

const struct cmd cmd_list = {
	.name = "list",
	.args = "metrics|workloads|probes",
	.help = "what there is: metrics, workloads, probes",
	.examples = "  assay list workloads\n"
		    "  assay list workloads --last 30s\n"
		    "  assay list metrics\n"
		    "  assay list probes\n"
		    "  assay list probes --from ticket.db # as they were then\n",
	.mask = CMD_LIST,
	.run = run_list,
};
