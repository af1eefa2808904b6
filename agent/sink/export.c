// SPDX-License-Identifier: Apache-2.0
/*
 * What to send, when, and what became of it. At most one request is in flight; the
 * newest snapshot waits behind it. A request that is being retried gives way to a newer
 * snapshot, which then keeps to the same backoff: the collector is no better for it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <curl/curl.h>
#include "base/log.h"
#include "base/util.h"
#include "sink/export.h"
#include "sink/export_http.h"

#define INITIAL_BACKOFF_MS 5000
#define MAX_BACKOFF_MS	   30000
#define LOG_INTERVAL_NS	   30000000000ULL
#define NS_PER_MS	   1000000ULL

struct export
{
	struct http *http; /* NULL: a file */
	int fd;
	char *path;		  /* of the file */
	int write_error;	  /* of the snapshot that is being written to it */
	struct otlp_batches next; /* what there is of a snapshot that is being made */
	struct otlp_batches held; /* the newest snapshot: bodies, as they are sent */
	size_t at, done; /* the batch to send next; how many of held are done with */
	struct otlp_batch flying; /* the request in flight, or to be retried */
	bool active, again;	  /* flying is on its way; flying waits for a retry */
	void (*notify)(void *arg, const struct otlp_batch *b);
	void *notify_arg;
	unsigned int attempt, initial_backoff_ms;
	uint64_t retry_at_ns; /* nothing is sent before; monotonic */
	bool asked_to_wait;   /* by the server, in Retry-After */
	char why[24];	      /* error.type of the last failure */
	bool failing;	      /* a failure was logged, and no success since */
	uint64_t next_log_ns;
	unsigned int suppressed;
	uint64_t random;
	struct export_stats stats;
};

int export_open(const struct export_opts *o, struct export **out)
{
	struct export *e = calloc(1, sizeof(*e));
	int err = 0;

	if (!e)
		return -ENOMEM;
	e->fd = -1;
	e->notify = o->accepted;
	e->notify_arg = o->arg;
	e->initial_backoff_ms =
	    o->initial_backoff_ms ? o->initial_backoff_ms : INITIAL_BACKOFF_MS;
	e->random = now_mono_ns() ^ (uint64_t)getpid() << 32;
	if (o->file) {
		e->path = strdup(o->file);
		err = e->path ? export_reopen(e) : -ENOMEM;
	} else {
		err = o->url ? http_open(o, &e->http) : -EINVAL;
	}
	if (err) {
		export_close(e);
		return err;
	}
	*out = e;
	return 0;
}

int export_reopen(struct export *e)
{
	int fd;

	if (!e->path)
		return 0;
	fd = file_open(e->path);
	if (fd < 0)
		return fd;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = fd;
	return 0;
}

void export_mend(struct export *e)
{
	int64_t torn = e->path ? file_mend(e->fd) : 0;

	if (torn < 0)
		log_warn(torn, "export: %.300s ends within a message", e->path);
	if (torn > 0)
		log_warnx("export: %.300s: half a message at its end is removed",
			  e->path);
}

void export_close(struct export *e)
{
	if (!e)
		return;
	http_close(e->http);
	free(e->path);
	if (e->fd >= 0)
		close(e->fd);
	otlp_batches_free(&e->next);
	otlp_batches_free(&e->held);
	free(e->flying.bytes);
	free(e);
}

const struct export_stats *export_stats(const struct export *e)
{
	return &e->stats;
}

bool export_in_flight(const struct export *e)
{
	return e->active;
}

bool export_busy(const struct export *e)
{
	return e->active || e->again || e->done < e->held.count;
}

/* Notifies our owner of what has arrived. */
static void notify_accepted(const struct export *e, const struct otlp_batch *b)
{
	if (e->notify)
		e->notify(e->notify_arg, b);
}

/* Counts points that did not arrive. The last row takes every type beyond the table. */
static void count_failed(struct export *e, const char *type, uint64_t points)
{
	struct export_stats *s = &e->stats;
	unsigned int i = 0;

	if (!points)
		return;
	while (i < s->failed_count && strcmp(s->failed[i].type, type))
		i++;
	if (i >= EXPORT_FAILURES - 1) {
		i = EXPORT_FAILURES - 1;
		type = "_OTHER";
	}
	if (i >= s->failed_count) {
		snprintf(s->failed[i].type, sizeof(s->failed[i].type), "%s", type);
		s->failed_count = i + 1;
	}
	s->failed[i].points += points;
}

/* One line in 30 s, which says how many it stands for. */
static void log_failure(struct export *e, const char *what)
{
	uint64_t now = now_mono_ns();

	if (!e->stats.failing_ns)
		e->stats.failing_ns = now;
	snprintf(e->stats.error, sizeof(e->stats.error), "%s", what);
	if (now < e->next_log_ns) {
		e->suppressed++;
		return;
	}
	if (e->suppressed)
		log_warnx("export: %s (and %u more failures since the last line)", what,
			  e->suppressed);
	else
		log_warnx("export: %s", what);
	e->failing = true;
	e->suppressed = 0;
	e->next_log_ns = now + LOG_INTERVAL_NS;
}

/* Drops the request that is in hand. */
static void drop_flying(struct export *e)
{
	free(e->flying.bytes);
	e->flying = (struct otlp_batch){ 0 };
	e->again = false;
}

/* Replaces what waits by a newer snapshot. A request in flight may come to its end. */
static void supersede(struct export *e, struct otlp_batches *newer)
{
	/* where to go on: at what is being retried, or behind what is in flight */
	size_t cut = e->again ? e->at + e->held.count - 1 : e->at;
	bool unfinished = e->again || e->done < e->held.count;
	const char *type = e->why[0] ? e->why : "superseded";

	if (unfinished)
		e->stats.superseded++;
	for (size_t i = 0; i < e->held.count; i++)
		if (e->held.list[i].bytes)
			count_failed(e, type, e->held.list[i].points);
	if (e->again) {
		count_failed(e, type, e->flying.points);
		drop_flying(e);
	}
	otlp_batches_free(&e->held);
	e->held = *newer;
	memset(newer, 0, sizeof(*newer));
	/* so that a slow collector gets every part in turn */
	e->at = unfinished && e->held.count ? cut % e->held.count : 0;
	e->done = 0;
}

/* Is told of once, after failures that were logged. */
static void note_success(struct export *e)
{
	if (e->failing)
		log_info("export: works again");
	e->failing = false;
	e->stats.arrived_ns = now_mono_ns();
	e->stats.failing_ns = 0;
}

static void file_written(struct export *e, int err)
{
	char line[400];

	snprintf(e->stats.status, sizeof(e->stats.status), "%s",
		 err ? strerror(-err) : "written");
	snprintf(line, sizeof(line), "%.300s: %s", e->path, strerror(-err));
	if (err)
		log_failure(e, line);
	else
		note_success(e);
}

/* What comes behind a batch that could not be written is not tried. */
static void write_batch(struct export *e, const struct otlp_batch *b)
{
	if (!e->write_error) {
		e->stats.requests++;
		e->write_error = file_append(e->fd, b);
	}
	if (e->write_error) {
		e->stats.failures++;
		count_failed(e, "write", b->points);
		return;
	}
	e->stats.exported += b->points;
	e->stats.bytes_raw += b->len;
	e->stats.bytes_sent += b->len;
	notify_accepted(e, b);
}

/* Keeps a request as it will be sent: compressed, hundreds of workloads are little. */
static int keep_batch(struct export *e, const struct otlp_batch *b)
{
	struct otlp_batch kept = *b;
	int err = http_body(e->http, b->bytes, b->len, &kept.bytes, &kept.body);

	if (!err)
		err = otlp_batches_add(&e->next, &kept);
	if (err)
		free(kept.bytes);
	return err;
}

int export_add(struct export *e, const struct otlp_batch *b)
{
	if (e->http)
		return keep_batch(e, b);
	write_batch(e, b);
	return 0;
}

int export_end(struct export *e)
{
	int err = e->write_error;

	if (e->http) {
		supersede(e, &e->next);
		return 0;
	}
	file_written(e, err);
	e->write_error = 0;
	return err;
}

void export_abandon(struct export *e)
{
	otlp_batches_free(&e->next);
	e->write_error = 0;
}

/* Takes the next batch of the snapshot in hand, if there is one. */
static void take_next(struct export *e)
{
	if (e->done == e->held.count)
		return;
	e->flying = e->held.list[e->at];
	e->held.list[e->at].bytes = NULL;
	e->at = (e->at + 1) % e->held.count;
	e->done++;
}

/* Starts a request if one is due. */
static void start(struct export *e)
{
	int err;

	if (e->active || now_mono_ns() < e->retry_at_ns)
		return;
	if (e->again)
		e->stats.retries++;
	else
		take_next(e);
	if (!e->flying.bytes)
		return;
	e->again = false;
	err = http_start(e->http, e->flying.bytes, e->flying.body);
	if (err) {
		e->stats.failures++;
		count_failed(e, "memory", e->flying.points);
		log_failure(e, strerror(-err));
		drop_flying(e);
		return;
	}
	e->active = true;
	e->stats.requests++;
	e->stats.bytes_sent += e->flying.body;
}

/* Exponential backoff with full jitter, or at least what the server asked for. */
static uint64_t backoff_ns(struct export *e, int64_t retry_after_ms)
{
	uint64_t range = e->initial_backoff_ms, ms;

	for (unsigned int i = 0; i < e->attempt && range < MAX_BACKOFF_MS; i++)
		range *= 2;
	if (range > MAX_BACKOFF_MS)
		range = MAX_BACKOFF_MS;
	e->random = e->random * 6364136223846793005ULL + 1442695040888963407ULL;
	ms = (e->random >> 33) % range + 1;
	e->attempt++;
	/* jitter on top: all agents of a fleet got the same second */
	if (retry_after_ms >= 0)
		ms = retry_after_ms + ms % 1000;
	return ms * NS_PER_MS;
}

static void accepted(struct export *e, const struct http_result *r)
{
	uint64_t rejected =
	    r->rejected < e->flying.points ? r->rejected : e->flying.points;
	char line[400];

	e->stats.exported += e->flying.points - rejected;
	e->stats.rejected += rejected;
	e->stats.bytes_raw += e->flying.len;
	count_failed(e, "rejected", rejected);
	e->attempt = 0;
	e->retry_at_ns = 0;
	e->why[0] = '\0';
	notify_accepted(e, &e->flying);
	if (r->warning) {
		snprintf(line, sizeof(line),
			 "the collector rejected %llu of %zu points: %s",
			 (unsigned long long)rejected, e->flying.points, r->text);
		log_failure(e, line);
		e->stats.arrived_ns = now_mono_ns(); /* the rest of it */
		if (!rejected)
			e->stats.failing_ns = 0;
	} else {
		note_success(e);
	}
	drop_flying(e);
}

static void failed(struct export *e, const struct http_result *r)
{
	bool retry = r->outcome == HTTP_RETRY;
	/* nothing of a newer snapshot was taken yet: it supersedes this request */
	bool superseded = !e->done && e->held.count;
	char line[400];

	e->stats.failures++;
	snprintf(e->why, sizeof(e->why), "%s", r->type);
	snprintf(line, sizeof(line), "%s%s", r->text,
		 retry ? "" : " (not retried: it would fail again)");
	log_failure(e, line);
	e->asked_to_wait = retry && r->retry_after_ms >= 0;
	if (retry)
		e->retry_at_ns = now_mono_ns() + backoff_ns(e, r->retry_after_ms);
	if (retry && !superseded) {
		e->again = true;
		return;
	}
	count_failed(e, e->why, e->flying.points);
	drop_flying(e);
}

static void complete(struct export *e, const struct http_result *r)
{
	e->active = false;
	snprintf(e->stats.status, sizeof(e->stats.status), "%s", r->text);
	if (r->outcome == HTTP_ACCEPTED)
		accepted(e, r);
	else
		failed(e, r);
}

/* The shorter of the caller's patience and the time to the next attempt. */
static int wait_ms(const struct export *e, int timeout_ms)
{
	uint64_t now = now_mono_ns(), ms;

	if (timeout_ms < 0)
		timeout_ms = INT_MAX;
	if (e->active || !export_busy(e) || e->retry_at_ns <= now)
		return timeout_ms;
	ms = (e->retry_at_ns - now) / NS_PER_MS + 1;
	return ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

/* Without a collector there is nothing of ours to wait for. */
static int poll_extra(struct curl_waitfd *extra, unsigned int n, int timeout_ms)
{
	struct pollfd fds[64];

	if (n > COUNT(fds))
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++)
		fds[i] = (struct pollfd){
			.fd = extra[i].fd,
			.events = (extra[i].events & CURL_WAIT_POLLIN ? POLLIN : 0) |
				  (extra[i].events & CURL_WAIT_POLLOUT ? POLLOUT : 0),
		};
	if (poll(fds, n, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	for (unsigned int i = 0; i < n; i++)
		extra[i].revents = (fds[i].revents & POLLOUT ? CURL_WAIT_POLLOUT : 0) |
				   (fds[i].revents & ~POLLOUT ? CURL_WAIT_POLLIN : 0);
	return 0;
}

int export_poll(struct export *e, struct curl_waitfd *extra, unsigned int n,
		int timeout_ms)
{
	struct http_result result;
	int err;

	if (!e->http)
		return poll_extra(extra, n, timeout_ms);
	start(e);
	err = http_poll(e->http, extra, n, wait_ms(e, timeout_ms), &result);
	if (err < 0)
		return err;
	if (err)
		complete(e, &result);
	start(e);
	return 0;
}

static uint64_t points_left(const struct export *e)
{
	uint64_t n = e->flying.points;

	for (size_t i = 0; i < e->held.count; i++)
		if (e->held.list[i].bytes)
			n += e->held.list[i].points;
	return n;
}

int export_flush(struct export *e, unsigned int deadline_ms)
{
	uint64_t end = now_mono_ns() + deadline_ms * NS_PER_MS, now;
	int err = 0;

	if (!e->http)
		return 0;
	if (!e->asked_to_wait) /* our own patience ends with the process */
		e->retry_at_ns = 0;
	while (!err && export_busy(e) && (now = now_mono_ns()) < end) {
		if (!e->active && e->retry_at_ns > end)
			break; /* it would wait for nothing */
		err = export_poll(e, NULL, 0, (int)((end - now) / NS_PER_MS) + 1);
	}
	if (!export_busy(e))
		return err;
	log_warnx("export: %llu points were not sent before the end%s%s",
		  (unsigned long long)points_left(e),
		  e->why[0] ? ", last failure: " : "",
		  e->why[0] ? e->stats.status : "");
	return err ? err : -ETIMEDOUT;
}
