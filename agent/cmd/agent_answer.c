// SPDX-License-Identifier: Apache-2.0
/* What the agent says to who asks at its socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/agent_impl.h"
#include "cmd/measure.h"
#include "cmd/measure_exact.h"
#include "cmd/measure_windows.h"
#include "sink/api.h"
#include "sink/export.h"
#include "sink/export_check.h"
#include "view/status.h"

#define TUNES_TOLD 100
#define TUNES_NS   60000000000ULL

const struct export_stats *agent_stats(const struct agent *a)
{
	return a->export ? export_stats(a->export) : NULL;
}

static int answer_snapshot(void *arg, uint64_t asked_ns, uint8_t **bytes, size_t *len)
{
	struct agent *a = arg;

	return measure_read(a->measure, asked_ns, agent_stats(a), bytes, len);
}

static int answer_exact(void *arg, uint64_t until_ns, uint8_t **bytes, size_t *len)
{
	struct agent *a = arg;
	uint64_t ms = measure_exact(a->measure, until_ns);
	int n;

	if (ms && !measure_is_exact(a->measure))
		return -EAGAIN; /* the latest windows are not over */
	n = asprintf((char **)bytes, "%llu\n", (unsigned long long)ms);
	*len = n;
	return n < 0 ? -ENOMEM : 0;
}

/* Who asks again and again fills no disk with our log. */
static void log_tune(struct agent *a, const char *words)
{
	uint64_t now = now_mono_ns();

	if (!a->tunes_ns || now - a->tunes_ns >= TUNES_NS) {
		if (a->tunes > TUNES_TOLD)
			log_info("tune: %u more changes were made",
				 a->tunes - TUNES_TOLD);
		a->tunes_ns = now;
		a->tunes = 0;
	}
	if (a->tunes++ < TUNES_TOLD)
		log_info("tune %s", words);
	if (a->tunes == TUNES_TOLD + 1)
		log_warnx("tune: more than %d changes in %llu s: not all are told",
			  TUNES_TOLD, TUNES_NS / 1000000000);
}

static int answer_tune(void *arg, const char *words, uint8_t **bytes, size_t *len,
		       char *cause, size_t cause_len)
{
	struct agent *a = arg;
	int err =
	    measure_tune(a->measure, words, (char **)bytes, len, cause, cause_len);

	if (!err && words && strchr(words, '='))
		log_tune(a, words);
	return err;
}

/* Seconds since a moment of the monotonic clock; STATUS_NEVER: there was none. */
static double since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns ? (now_ns - then_ns) * 1e-9 : STATUS_NEVER;
}

static void tell_exports(const struct agent *a, uint64_t now, struct status_export *e)
{
	const struct export_stats *stats = agent_stats(a);

	export_describe(a->o->export, e->to, sizeof(e->to));
	e->interval_s = a->o->export_interval_ms / 1e3;
	e->arrived_s = e->failing_s = STATUS_NEVER;
	if (!stats)
		return;
	e->on = true;
	e->arrived_s = since(stats->arrived_ns, now);
	e->failing_s = since(stats->failing_ns, now);
	if (stats->failing_ns)
		snprintf(e->error, sizeof(e->error), "%s", stats->error);
	e->points = stats->exported;
	for (unsigned int i = 0; i < stats->failed_count; i++)
		e->failed_points += stats->failed[i].points;
}

/* Reads no cell, and asks the kernel for nothing but what programs missed. */
static int answer_status(void *arg, uint8_t **bytes, size_t *len)
{
	struct agent *a = arg;
	struct status *s = calloc(1, sizeof(*s));
	uint64_t now = now_mono_ns();
	int err;

	if (!s)
		return -ENOMEM;
	snprintf(s->version, sizeof(s->version), "%s", ASSAY_VERSION);
	s->pid = getpid();
	s->waits = !a->api;
	s->holder = s->waits ? a->holder : 0;
	s->uptime_s = since(a->began_ns, now);
	s->state_s = since(s->waits ? a->waited_ns : a->ready_ns, now);
	s->snapshot_interval_s = a->o->snapshot_interval_ms / 1e3;
	measure_status(a->measure, now, s);
	tell_exports(a, now, &s->export);
	agent_history_status(a, &s->history);
	err = status_encode(s, bytes, len);
	free(s);
	return err;
}

struct api_ops agent_answers(struct agent *a, bool measures)
{
	return (struct api_ops){
		.snapshot = measures ? answer_snapshot : NULL,
		.tune = measures ? answer_tune : NULL,
		.exact = measures ? answer_exact : NULL,
		.status = answer_status,
		.arg = a,
	};
}
