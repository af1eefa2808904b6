// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/util.h"
#include "view/report.h"
#include "view/counted.h"
#include "view/report_items.h"

const char *report_signal_name(enum report_signal signal)
{
	static const char *const names[SHOW_SIGNALS] = {
		[SHOW_INFLIGHT] = "IN FLIGHT",	  [SHOW_INFLIGHT_WAITS] = "waiting",
		[SHOW_LATENCY] = "LATENCY",	  [SHOW_WAITS] = "waiting",
		[SHOW_TRAFFIC] = "TRAFFIC",	  [SHOW_ERRORS] = "ERRORS",
		[SHOW_SATURATION] = "SATURATION",
	};

	return names[signal];
}

/* How a metric is shown. Metrics without a row: see find_view. */
struct view {
	const char *metric, *label;
	enum report_signal signal;
	bool composed;
};

static const struct view views[] = {
	{ "assay.inflight.age", "", SHOW_INFLIGHT },
	{ "assay.tcp.response.duration", "tcp response", SHOW_LATENCY },
	{ "assay.tcp.connect.duration", "tcp connect", SHOW_LATENCY },
	{ "assay.tcp.rtt", "tcp round trip", SHOW_LATENCY },
	{ "assay.dns.lookup.duration", "dns lookup", SHOW_LATENCY },
	{ "assay.block.operation.duration", "block", SHOW_LATENCY },
	{ "assay.block.device.duration", "in the device", SHOW_LATENCY },
	{ "assay.syscall.duration", "system calls", SHOW_LATENCY },
	{ "assay.blocked.duration", "blocked", SHOW_LATENCY },
	{ "assay.cgroup.cpu.time", "CPUs used", SHOW_TRAFFIC },
	{ "assay.tcp.io", "tcp", SHOW_TRAFFIC },
	{ "assay.tcp.connections", "connections", SHOW_TRAFFIC },
	{ "assay.tcp.connection.count", "open now", SHOW_TRAFFIC },
	{ "assay.tcp.accepts", "accepts", SHOW_TRAFFIC },
	{ "assay.sched.context_switches", "switches", SHOW_TRAFFIC },
	{ "assay.sched.migrations", "migrations", SHOW_TRAFFIC },
	{ "assay.tcp.connect.errors", "connect", SHOW_ERRORS },
	{ "assay.tcp.response.errors", "no response", SHOW_ERRORS },
	{ "assay.tcp.retransmits", "retransmits", SHOW_ERRORS },
	{ "assay.tcp.connect.retransmits", "SYN retransmits", SHOW_ERRORS },
	{ "assay.tcp.resets", "resets", SHOW_ERRORS },
	{ "assay.dns.lookup.retries", "dns retries", SHOW_ERRORS },
	{ "assay.block.errors", "block", SHOW_ERRORS },
	{ "assay.memory.oom_kills", "OOM kills", SHOW_ERRORS },
	{ "assay.syscall.errors", "", SHOW_ERRORS },
	{ "assay.sched.wait.duration", "wait for a CPU", SHOW_SATURATION },
	{ "assay.tcp.accept.wait.duration", "wait to be accepted", SHOW_SATURATION },
	{ "assay.memory.reclaim.duration", "memory reclaim", SHOW_SATURATION },
	{ "assay.tcp.accept.overflows", "accept queue overflows", SHOW_SATURATION },
	{ "assay.sched.wait.culprit.time", "", SHOW_SATURATION, true },
	{ "assay.cgroup.cpu.throttled.time", "", SHOW_SATURATION, true },
	/* told by `assay why`, and by the other formats */
	{ "assay.tcp.peer.events", "", SHOW_ERRORS, true },
	{ "assay.dns.server.events", "", SHOW_ERRORS, true },
	{ "assay.cgroup.cpu.periods", "", SHOW_SATURATION, true },
	{ "assay.cgroup.memory.usage", "", SHOW_SATURATION, true },
	{ "assay.cgroup.memory.limit", "", SHOW_SATURATION, true },
	{ "assay.cgroup.memory.major_faults", "", SHOW_SATURATION, true },
	{ "assay.pressure.some.time", "", SHOW_SATURATION, true },
	{ "assay.pressure.full.time", "", SHOW_SATURATION, true },
};

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len >= end_len && !strcmp(s + len - end_len, end);
}

static struct view find_view(const struct frame_series *s, size_t *order)
{
	for (*order = 0; *order < COUNT(views); (*order)++)
		if (!strcmp(views[*order].metric, s->name))
			return views[*order];
	return (struct view){
		s->name,
		s->name + (strncmp(s->name, "assay.", 6) ? 0 : 6),
		s->kind == METRIC_HISTOGRAM	? SHOW_LATENCY
		: ends_with(s->name, ".errors") ? SHOW_ERRORS
						: SHOW_TRAFFIC,
	};
}

/* Latencies and ages of what mostly waits for somebody are shown apart. */
static enum report_signal signal_of(const struct frame_series *s,
				    enum report_signal signal)
{
	const char *class = frame_attr(&s->attrs, "assay.syscall.class");

	if (signal == SHOW_INFLIGHT && !report_is_stuck(s))
		return SHOW_INFLIGHT_WAITS;
	if (signal == SHOW_LATENCY && class && !report_is_headline(class))
		return SHOW_WAITS;
	return signal;
}

static void fill_item(struct item *item, const struct frame_series *s)
{
	struct view v = find_view(s, &item->order);
	size_t at;

	item->s = s;
	item->signal = signal_of(s, v.signal);
	item->composed = v.composed;
	text_copy(item->label, sizeof(item->label),
		  item->signal != SHOW_WAITS   ? v.label
		  : strcmp(v.label, "blocked") ? "in calls"
					       : "blocked in calls",
		  SIZE_MAX);
	at = strlen(item->label);
	for (size_t i = 0; i < s->attrs.count && at < sizeof(item->label) - 1; i++) {
		if (!strcmp(s->attrs.list[i].key, "otel.metric.overflow"))
			continue;
		if (at)
			item->label[at++] = ' ';
		text_copy(item->label + at, sizeof(item->label) - at,
			  s->attrs.list[i].value, SIZE_MAX);
		at = strlen(item->label);
	}
}

uint64_t report_item_count(const struct item *item)
{
	return item->s->kind == METRIC_HISTOGRAM ? hist_count(item->s->hist)
						 : (uint64_t)report_count(item->s);
}

/* What counts within a signal, before the order of the views: more comes first. */
static double weight(const struct item *item)
{
	switch (item->signal) {
	case SHOW_INFLIGHT:
	case SHOW_INFLIGHT_WAITS:
		return report_value(item->s);
	case SHOW_ERRORS:
		return report_item_count(item);
	default:
		return 0;
	}
}

/* Of a signal: histograms, then what is counted, then what is put together. */
static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	bool x_hist = x->s->kind == METRIC_HISTOGRAM;
	bool y_hist = y->s->kind == METRIC_HISTOGRAM;

	if (x->signal != y->signal)
		return x->signal < y->signal ? -1 : 1;
	if (x->composed != y->composed)
		return x->composed ? 1 : -1;
	if (x_hist != y_hist)
		return x_hist ? -1 : 1;
	if (weight(x) != weight(y))
		return weight(x) > weight(y) ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->s < y->s ? -1 : x->s > y->s;
}

/*
 * How far up a workload belongs: OOM kills, threads that wait for a CPU, what does not
 * end, and errors of the network. Who is only busy comes behind these, requests before
 * calls and switches.
 */
static double score_of(const struct item *item)
{
	const struct frame_series *s = item->s;
	double age = report_is_stuck(s) ? report_value(s) : 0;
	const struct hist *hist;

	if (item->composed) /* others count it, or have it as lines of its own */
		return 0;
	if (s->kind == METRIC_GAUGE)
		return 10 * (age < 60 ? age : 60);
	hist = report_hist(s, "assay.sched.wait.duration");
	if (hist)
		return hist->sum_ns * 1e-9 * 1000;
	if (!strcmp(s->name, "assay.memory.oom_kills"))
		return report_value(s) * 1000;
	if (item->signal == SHOW_ERRORS && strcmp(s->name, "assay.syscall.errors"))
		return report_item_count(item) * 10.0;
	if (!strcmp(s->name, "assay.tcp.response.duration"))
		return report_item_count(item) * 0.01;
	if (s->kind != METRIC_HISTOGRAM && (s->real || s->kind == METRIC_UPDOWN))
		return 0;
	return strcmp(s->unit, "By") ? report_item_count(item) * 0.0001 : 0;
}

double report_item_time(const struct item *item, double duration_s)
{
	return item->counted > 0 ? duration_s * item->counted : duration_s;
}

int report_block(struct block *b, const struct frame *f, size_t first, size_t end,
		 const struct counted_shares *counted)
{
	bool events = false;

	*b = (struct block){ .frame = f,
			     .resource = f->series[first].resource,
			     .first = first,
			     .end = end };
	b->items = calloc(end - first, sizeof(*b->items));
	if (!b->items)
		return -ENOMEM;
	for (size_t i = first; i < end; i++) {
		const struct frame_series *s = &f->series[i];
		struct item *item = &b->items[b->count];

		if (!report_has_events(s) &&
		    (s->kind == METRIC_HISTOGRAM || report_value(s) <= 0))
			continue;
		events |= report_has_events(s) || report_is_stuck(s);
		fill_item(item, s);
		item->counted = counted ? counted->of[counted_meter(s->name)] : 1;
		b->score += score_of(item);
		b->count++;
	}
	if (!events)
		b->count = 0;
	qsort(b->items, b->count, sizeof(*b->items), compare_items);
	return 0;
}
