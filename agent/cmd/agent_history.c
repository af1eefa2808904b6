// SPDX-License-Identifier: Apache-2.0
/* The history of an agent: what goes into it, and when. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/agent_impl.h"
#include "cmd/measure.h"
#include "sink/export.h"
#include "sink/history.h"
#include "view/status.h"

#define LAST_MS	 500	      /* for the disk, at the end */
#define LEAST_NS 900000000ULL /* between two readings that are kept */

static void set(struct history_fact *f, const char *key, const char *value)
{
	f->key = key;
	snprintf(f->value, sizeof(f->value), "%s", value);
}

static size_t find_facts(const struct agent *a, struct history_fact *f)
{
	struct utsname name;
	struct sysinfo info;
	size_t n = 0;

	set(&f[n++], "host.name", measure_host_name(a->measure));
	set(&f[n++], "assay.version", ASSAY_VERSION);
	if (!uname(&name)) {
		set(&f[n++], "kernel.release", name.release);
		set(&f[n++], "kernel.version", name.version);
		set(&f[n++], "host.arch", name.machine);
	}
	f[n].key = "cpus";
	snprintf(f[n++].value, sizeof(f->value), "%d", get_nprocs());
	if (!sysinfo(&info)) {
		f[n].key = "memory.bytes";
		snprintf(f[n++].value, sizeof(f->value), "%llu",
			 (unsigned long long)info.totalram * info.mem_unit);
	}
	return n;
}

void agent_history_open(struct agent *a)
{
	struct history_fact facts[8] = { 0 };
	char cause[512];
	int err;

	if (!strcmp(a->o->history, "none"))
		return;
	err = history_open(a->o->history, a->o->history_size, facts,
			   find_facts(a, facts), &a->history, cause, sizeof(cause));
	if (err)
		log_warnx("history: %s: going on without", cause);
}

void agent_history_start(struct agent *a)
{
	int err = a->history ? history_start(a->history) : 0;

	if (!err) {
		if (a->history)
			measure_await_history(a->measure);
		return;
	}
	log_warn(err, "history: its thread cannot be made: going on without");
	history_close(a->history, 0);
	a->history = NULL;
}

void agent_history_status(const struct agent *a, struct status_history *s)
{
	struct history_stats stats;

	if (!a->history)
		return;
	history_get_stats(a->history, &stats);
	s->on = true;
	s->is_kept = stats.is_kept;
	snprintf(s->path, sizeof(s->path), "%s", a->o->history);
	snprintf(s->error, sizeof(s->error), "%.253s", stats.why);
	s->back_s = STATUS_NEVER;
	if (stats.oldest_ns && stats.oldest_ns < now_wall_ns())
		s->back_s = (now_wall_ns() - stats.oldest_ns) * 1e-9;
	s->bytes = stats.bytes;
	s->limit = stats.limit;
	s->kept = stats.kept;
	s->late = stats.late;
	s->lost = stats.lost;
}

static int pack(void *packer, const uint8_t *bytes, size_t len)
{
	return history_packer_add(packer, bytes, len);
}

/* Makes a reading. 0 or -errno. */
static int make_reading(struct agent *a, struct history_reading *r)
{
	struct history_packer *p = history_packer_new();
	struct measure_since s = { .take = pack, .arg = p };
	int err = p ? 0 : -ENOMEM;

	if (!err)
		err = measure_since(a->measure,
				    a->export ? export_stats(a->export) : NULL, &s);
	if (err) {
		history_packer_free(p);
		return err;
	}
	*r = (struct history_reading){ .since_ns = s.since_ns,
				       .until_ns = s.until_ns,
				       .whole = s.whole };
	return history_packer_end(p, &r->bytes, &r->len, &r->size);
}

void agent_history_keep(struct agent *a, bool last)
{
	uint64_t now = now_mono_ns();
	struct history_reading r;
	struct history_stats stats;
	int err;

	if (!a->history || (!last && now - a->kept_ns < LEAST_NS))
		return;
	a->kept_ns = now;
	history_get_stats(a->history, &stats);
	measure_note_history(a->measure, &stats);
	measure_await_history(a->measure);
	if (!history_is_ready(a->history, last ? LAST_MS : 0)) {
		if (last)
			history_lose(a->history, "the disk is slow, and we end");
		return;
	}
	err = make_reading(a, &r);
	if (err) {
		if (err != -EAGAIN) /* then there is nothing new */
			history_lose(a->history, strerror(-err));
		return;
	}
	history_put(a->history, &r);
}
