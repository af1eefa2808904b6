// SPDX-License-Identifier: Apache-2.0
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "metric/metrics.h"
#include "metric/self.h"
#include "view/pick.h"
#include "view/report.h"
#include "workload/identity.h"

/* The pod, as people write it; no workload has an empty name. */
static const char *pod_name(const struct frame_attrs *resource)
{
	const char *name = frame_attr(resource, "k8s.pod.name");

	return name ? name : "";
}

#define SHOWN_MOST 16384 /* a path of 4095 bytes, each written out */

/* As tables show a name: people copy it from there. */
static const char *as_shown(const char *name, char out[SHOWN_MOST])
{
	text_copy(out, SHOWN_MOST, name, SIZE_MAX);
	return out;
}

static bool is_name(const char *name, const char *text)
{
	char shown[SHOWN_MOST];

	return !strcmp(name, text) || !strcmp(as_shown(name, shown), text);
}

static bool is_named(const struct frame_attrs *resource, const char *text)
{
	return is_name(frame_name(resource), text) ||
	       is_name(pod_name(resource), text) ||
	       is_name(frame_cgroup(resource), text);
}

static bool has_part(const char *name, const char *text, const char *pattern)
{
	char shown[SHOWN_MOST];

	return strstr(name, text) || !fnmatch(pattern, name, 0) ||
	       strstr(as_shown(name, shown), text);
}

typedef bool (*means_fn)(const struct frame_attrs *resource, const char *text,
			 const char *pattern);

static bool means_whole(const struct frame_attrs *resource, const char *text,
			const char *pattern)
{
	return is_named(resource, text);
}

static bool means_part(const struct frame_attrs *resource, const char *text,
		       const char *pattern)
{
	return has_part(frame_name(resource), text, pattern) ||
	       has_part(frame_cgroup(resource), text, pattern);
}

static bool means_all(const struct frame_attrs *resource, const char *text,
		      const char *pattern)
{
	return true;
}

static size_t pick(const struct frame *f, means_fn means, const char *text,
		   const char *pattern, const struct frame_attrs **out, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < f->count; i = report_group_end(f, i)) {
		const struct frame_attrs *resource = f->series[i].resource;

		if (!report_is_workload(resource) || !means(resource, text, pattern))
			continue;
		if (count < max)
			out[count] = resource;
		count++;
	}
	return count;
}

size_t pick_workloads(const struct frame *f, const char *text,
		      const struct frame_attrs **out, size_t max)
{
	char *pattern;
	size_t count;

	if (!text)
		return pick(f, means_all, NULL, NULL, out, max);
	count = pick(f, means_whole, text, NULL, out, max);
	if (count || asprintf(&pattern, "*%s*", text) < 0)
		return count;
	count = pick(f, means_part, text, pattern, out, max);
	free(pattern);
	return count;
}

const struct frame_attrs *pick_kernel(const struct frame *f)
{
	for (size_t i = 0; i < f->count; i = report_group_end(f, i))
		if (!strcmp(frame_kind(f->series[i].resource), "kernel"))
			return f->series[i].resource;
	return NULL;
}

const struct frame_attrs *pick_cgroup(const struct frame *f, const char *path)
{
	for (size_t i = 0; i < f->count; i = report_group_end(f, i)) {
		const struct frame_attrs *resource = f->series[i].resource;

		if (report_is_workload(resource) &&
		    is_name(frame_cgroup(resource), path))
			return resource;
	}
	return NULL;
}

void pick_name(const struct frame *f, const char *path, char *out, size_t len)
{
	const struct frame_attrs *there = pick_cgroup(f, path);
	struct workload_id id;

	if (there && *frame_name(there)) {
		snprintf(out, len, "%s", frame_name(there));
		return;
	}
	snprintf(out, len, "%s", path);
	if (*path == '/' && !workload_identify(path, &id)) {
		snprintf(out, len, "%s", id.name);
		workload_id_fini(&id);
	}
}

const struct frame_attrs *pick_end(const struct frame *f, const char *end)
{
	const struct frame_attrs *found = NULL;
	size_t len = strlen(end);

	for (size_t i = 0; i < f->count && len; i = report_group_end(f, i)) {
		const struct frame_attrs *resource = f->series[i].resource;
		const char *path = frame_cgroup(resource);
		size_t whole = strlen(path);

		if (!report_is_workload(resource) || whole < len ||
		    strcmp(path + whole - len, end))
			continue;
		if (found)
			return NULL;
		found = resource;
	}
	return found;
}

static const char prefix[] = "assay.";

static bool is_metric(const char *name, const char *text, bool whole)
{
	const char *own = strncmp(name, prefix, sizeof(prefix) - 1)
			      ? name
			      : name + sizeof(prefix) - 1;

	return whole ? !strcmp(name, text) || !strcmp(own, text)
		     : strstr(name, text) != NULL;
}

/* Who is looked for, and who was found. */
struct metric_pick {
	const char *text;
	bool whole, histograms;
	const char **out;
	size_t max, count;
};

static void take_metric(struct metric_pick *p, const struct metric *m)
{
	if (!is_metric(m->name, p->text, p->whole) ||
	    (p->histograms && m->kind != METRIC_HISTOGRAM))
		return;
	/* a metric may have several rows, one after the other */
	if (p->count && p->count <= p->max && !strcmp(p->out[p->count - 1], m->name))
		return;
	if (p->count < p->max)
		p->out[p->count] = m->name;
	p->count++;
}

static size_t take_metrics(struct metric_pick p)
{
	for (size_t t = 0; t < metric_table_count; t++)
		for (size_t i = 0; i < metric_tables[t]->count; i++)
			take_metric(&p, &metric_tables[t]->rows[i].metric);
	for (size_t i = 0; i < self_metric_count; i++)
		take_metric(&p, self_metrics[i]);
	return p.count;
}

size_t pick_metrics(const char *text, bool histograms, const char **out, size_t max)
{
	size_t count =
	    take_metrics((struct metric_pick){ text, true, histograms, out, max, 0 });

	return count ? count
		     : take_metrics((struct metric_pick){ text, false, histograms, out,
							  max, 0 });
}
