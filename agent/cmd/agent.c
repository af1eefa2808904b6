// SPDX-License-Identifier: Apache-2.0
/*
 * assay agent: one thread, one loop. Signals are a file descriptor, the exporter's
 * sockets are polled together with ours, and time is the poll's timeout.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <curl/curl.h>
#include "base/log.h"
#include "base/options.h"
#include "base/resident.h"
#include "base/util.h"
#include "cmd/agent_impl.h"
#include "cmd/cmd.h"
#include "cmd/exports_cost.h"
#include "cmd/group_options.h"
#include "cmd/measure.h"
#include "cmd/measure_exact.h"
#include "cmd/measure_windows.h"
#include "cmd/sandbox.h"
#include "kernel/node_lock.h"
#include "kernel/plan.h"
#include "otlp/otlp.h"
#include "sink/api.h"
#include "sink/export.h"
#include "sink/export_check.h"
#include "sink/history.h"
#include "sink/listen.h"

#define FLUSH_MS	4000 /* SIGTERM to exit takes 5 s at most */
#define HISTORY_MS	500  /* of these */
#define LOG_INTERVAL_NS 30000000000ULL
#define DESCRIPTORS	4096 /* for files of cgroups that are kept open */
#define RELIEVE_MS	100  /* a node may start 1000 containers a second */

static void on_accepted(void *arg, const struct otlp_batch *b)
{
	struct agent *a = arg;

	measure_accepted(a->measure, b);
}

static int open_export(struct agent *a, char *cause, size_t len)
{
	const struct options *o = a->o;
	struct export_opts opts = {
		.headers = o->export_headers,
		.timeout_ms = o->export_timeout_ms,
		.gzip = o->export_compression == COMPRESSION_GZIP,
		.ca = o->certificate,
		.cert = o->client_certificate,
		.key = o->client_key,
		.accepted = on_accepted,
		.arg = a,
	};
	char where[256];
	int err;

	if (strcmp(o->export, "none") == 0)
		return 0;
	if (strncmp(o->export, "file:", 5) == 0)
		opts.file = o->export + 5;
	else
		opts.url = o->export;
	err = export_open(&opts, &a->export);
	if (err) {
		export_describe(o->export, where, sizeof(where));
		snprintf(cause, len, "cannot export to %s: %s", where,
			 err == -EOPNOTSUPP ? "what is there is no file"
					    : strerror(-err));
	}
	return err;
}

/*
 * Where CPUs are to be quiet there is no budget unless somebody asks for one: to attach
 * and detach a hook has the kernel patch its code on all CPUs.
 */
static int govern(struct agent *a)
{
	bool quiet = measure_keep_quiet(a->measure, a->o->quiet_cpus);
	const char *budget = a->o->budget;

	if (quiet && !options_is_given(a->o, "budget")) {
		log_info("budget: none, as hooks that come and go interrupt the quiet "
			 "CPUs, too (see --budget)");
		budget = "none";
	}
	return measure_govern_open(a->measure, budget);
}

/* 1: a signal came before all was open. One that comes while we load ends us there. */
static int open_all(struct agent *a, char *cause, size_t len)
{
	int err;

	agent_expect_signals();
	raise_descriptors(DESCRIPTORS);
	err = open_export(a, cause, len);
	if (err)
		return err;
	err = listen_check(a->o->socket, cause, len);
	if (!err)
		err = measure_open(a->o, &a->measure, cause, len);
	if (err)
		return err;
	err = govern(a);
	if (err) {
		snprintf(cause, len, "what probes cost cannot be measured: %s",
			 strerror(-err));
		return err;
	}
	err = agent_open_signals(a);
	if (err)
		snprintf(cause, len, "signalfd: %s", strerror(-err));
	if (!err) /* with all loaded: the next agent takes over at once */
		err = agent_take_node(a, cause, len);
	if (!err)
		err = agent_open_api(a, cause, len);
	if (!err)
		err = measure_begin(a->measure, cause, len);
	if (err)
		return err;
	agent_history_open(a);
	sandbox_enter(a->o, a->measure);
	agent_history_start(a);
	measure_see_links(a->measure);
	measure_ask_kubelet(a->measure);
	/* bytes from outside, the first ones that are looked at */
	if (a->export)
		export_mend(a->export);
	return agent_ends_within(a, 0);
}

static int hand_over(void *arg, struct otlp_batch *b)
{
	struct agent *a = arg;

	return a->export ? export_add(a->export, b) : 0;
}

/*
 * Encodes what was collected, or that all of it ends, and hands it over. Cumulative: a
 * newer snapshot supersedes this one.
 */
static int send_points(struct agent *a, bool ends)
{
	struct otlp_encoder e = { .take = hand_over, .arg = a };
	int err = measure_encode(a->measure, agent_stats(a), ends, &e);

	if (err) {
		log_warn(err, "this export is left out, the next one holds its counts");
		if (a->export)
			export_abandon(a->export);
		return err;
	}
	if (a->export)
		err = export_end(a->export);
	else
		measure_accepted(a->measure, NULL);
	measure_drop(a->measure);
	return err;
}

/* Of an export that was due then: measure_ready(). */
static int export_now(struct agent *a, uint64_t due_ns, bool last)
{
	int err = measure_collect_last(a->measure, due_ns, last);

	if (err) { /* who is new was not looked at: it must not go out as it is */
		log_warn(err,
			 "reading the cells: this export is left out, the next one "
			 "holds its counts");
		return err;
	}
	agent_history_keep(a, last);
	if (!a->export || !export_in_flight(a->export))
		measure_make_room(a->measure);
	return send_points(a, false);
}

static unsigned int ms_until(uint64_t end_ns)
{
	uint64_t now = now_mono_ns();

	return now < end_ns ? (end_ns - now) / 1000000 : 0;
}

/* All that was counted; and when it has arrived, that nothing follows. */
static void export_last(struct agent *a)
{
	uint64_t now = now_mono_ns(), end = now + FLUSH_MS * 1000000ULL;

	measure_wait(a->measure, now);
	measure_end_windows(a->measure);
	if (export_now(a, now, true) || !a->export ||
	    export_flush(a->export, ms_until(end)))
		return;
	if (ms_until(end) && !send_points(a, true))
		export_flush(a->export, ms_until(end));
}

static uint64_t ms_to_ns(uint64_t ms)
{
	return ms * 1000000;
}

/* Exports keep their pace, though each waits for what it needs to know. */
static void export_due(struct agent *a, uint64_t now)
{
	uint64_t interval = ms_to_ns(a->o->export_interval_ms);

	export_now(a, a->next_export_ns, false);
	a->next_export_ns += interval;
	if (a->next_export_ns < now)
		a->next_export_ns = now + interval;
	a->next_snapshot_ns = now + ms_to_ns(a->o->snapshot_interval_ms);
}

/*
 * For how many ms nothing is due; an export, or a reading for the history, that waits
 * for a pass is none of our clock's.
 */
static int idle_ms(const struct agent *a)
{
	uint64_t now = now_mono_ns(), next = UINT64_MAX;

	if (!a->history || a->next_snapshot_ns > now)
		next = a->next_snapshot_ns;
	if (a->next_export_ns < next && a->next_export_ns > now)
		next = a->next_export_ns;
	if (next > now + ms_to_ns(RELIEVE_MS))
		return RELIEVE_MS;
	return next > now ? (next - now) / 1000000 + 1 : 0;
}

/*
 * The history has what is under way, too: what hung then is asked for later. So its
 * readings wait for a pass as exports do.
 */
static bool is_snapshot_due(const struct agent *a, uint64_t now)
{
	return now >= a->next_snapshot_ns &&
	       (!a->history || measure_ready(a->measure, a->next_snapshot_ns));
}

/* Does what is due, and says for how long nothing will be: milliseconds. */
static int run_due(struct agent *a)
{
	uint64_t now = now_mono_ns();
	int err, ms, pass_ms, windows_ms;

	if (now >= a->next_export_ns && measure_ready(a->measure, a->next_export_ns)) {
		export_due(a, now);
	} else if (is_snapshot_due(a, now)) {
		err = measure_update(a->measure);
		if (err)
			log_warn(err, "reading the cells");
		else
			agent_history_keep(a, false);
		a->next_snapshot_ns = now + ms_to_ns(a->o->snapshot_interval_ms);
	}
	err = measure_relieve(a->measure);
	if (err)
		log_warn(err, "reading the cells");
	pass_ms = measure_advance(a->measure);
	measure_end_exact(a->measure);
	measure_govern(
	    a->measure); /* what was attached until now, before that changes */
	windows_ms = measure_windows(a->measure);
	ms = idle_ms(a);
	if (windows_ms < ms)
		ms = windows_ms;
	return pass_ms < ms ? pass_ms : ms;
}

/* What a wait has found to do. */
struct found {
	bool signals, clients;
	bool any; /* of these, or a pass has more to read */
	bool woken;
};

/* As poll(2) says, by the exporter's way of waiting. */
static int poll_all(struct agent *a, struct pollfd *fds, unsigned int n, int timeout_ms)
{
	struct curl_waitfd extra[API_CLIENTS + 4] = { 0 };
	int err;

	if (!a->export)
		return poll(fds, n, timeout_ms) < 0 && errno != EINTR ? -errno : 0;
	for (unsigned int i = 0; i < n; i++)
		extra[i] = (struct curl_waitfd){
			.fd = fds[i].fd,
			.events = fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT
							  : CURL_WAIT_POLLIN,
		};
	err = export_poll(a->export, extra, n, timeout_ms);
	for (unsigned int i = 0; i < n; i++)
		fds[i].revents = extra[i].revents;
	return err;
}

/* Waits for our descriptors and, when there is an exporter, for its sockets too. */
static int wait_once(struct agent *a, int timeout_ms, struct found *found)
{
	struct pollfd fds[API_CLIENTS + 4] = { 0 };
	unsigned int clients = api_poll(a->api, fds), n = clients, others;
	int err, wake = measure_wake_fd(a->measure);

	fds[n++] = (struct pollfd){ .fd = a->signals, .events = POLLIN };
	if (measure_pass_fd() >= 0)
		fds[n++] = (struct pollfd){ .fd = measure_pass_fd(), .events = POLLIN };
	others = n;
	if (wake >= 0)
		fds[n++] = (struct pollfd){ .fd = wake, .events = POLLIN };
	err = poll_all(a, fds, n, timeout_ms);
	*found = (struct found){ .signals = fds[clients].revents != 0,
				 .woken = wake >= 0 && fds[others].revents };
	for (unsigned int i = 0; i < clients; i++)
		found->clients |= fds[i].revents != 0;
	for (unsigned int i = 0; i < others; i++)
		found->any |= fds[i].revents != 0;
	return err;
}

/*
 * Waits until there is something to do, or for so long. A new container is no end of
 * it: its files are looked up, and the wait goes on, as a round of the loop costs more
 * than that. Who has nothing to say is not asked: ten times a second that adds up.
 */
static int wait_for(struct agent *a, int timeout_ms, struct found *found)
{
	uint64_t now = now_mono_ns(), end;
	int err, rest_ms = api_rest_ms(a->api);

	if (rest_ms && rest_ms < timeout_ms)
		timeout_ms = rest_ms;
	end = now + ms_to_ns(timeout_ms);
	do {
		err =
		    wait_once(a, now < end ? (end - now + 999999) / 1000000 : 0, found);
		if (found->woken)
			measure_look_up(a->measure);
		now = now_mono_ns();
	} while (!err && found->woken && !found->any && now < end);
	found->clients |= api_has_clients(a->api);
	return err;
}

/*
 * Until a signal ends us: no failure of the waiting does. What failed is tried again,
 * after a pause in which our own descriptors are served.
 */
static void loop(struct agent *a)
{
	uint64_t next_log_ns = 0;
	struct found found;

	do {
		int err = wait_for(a, run_due(a), &found);

		if (err && now_mono_ns() >= next_log_ns) {
			log_warn(err, "waiting for the exporter's sockets");
			next_log_ns = now_mono_ns() + LOG_INTERVAL_NS;
		}
		if (err && agent_ends_within(a, RELIEVE_MS))
			break;
		if (found.clients || err) /* nobody said who has something to say */
			api_serve(a->api);
		api_mend(a->api);
		sandbox_tell();
	} while (!found.signals || !agent_must_end(a));
}

static void close_all(struct agent *a)
{
	history_close(a->history, 0);
	api_close(a->waiting);
	api_close(a->api);
	measure_close(a->measure);
	export_close(a->export);
	node_lock_close(a->lock);
	close(a->signals);
}

/* What the receiver is in for. */
static void say_cost(const struct options *o)
{
	struct cells_plan plan;
	char text[400];

	if (!strcmp(o->export, "none") || cells_plan(o, &plan))
		return;
	exports_cost(o, &plan, text, sizeof(text));
	log_info("exports: %s", text);
}

static int agent_run(const struct options *o, int argc, char **argv)
{
	struct agent a = { .o = o, .signals = -1, .began_ns = now_mono_ns() };
	unsigned int attached, wanted;
	char cause[512], where[256];
	int err = export_check(o, cause, sizeof(cause))
		      ?: grouping_check(o, cause, sizeof(cause));

	if (err) {
		log_errorx("%s", cause);
		return EXIT_USAGE;
	}
	if (export_to_grpc_port(o))
		log_warnx("%s", EXPORT_GRPC_PORT_TEXT);
	err = open_all(&a, cause, sizeof(cause));
	if (err) {
		if (err < 0)
			log_errorx("%s", cause);
		close_all(&a);
		return err < 0;
	}
	a.ready_ns = now_mono_ns();
	resident_trim();
	attached = measure_attached(a.measure, &wanted);
	export_describe(o->export, where, sizeof(where));
	if (!a.lock)
		log_info("node lock: none: other agents may measure this node, too");
	say_cost(o);
	log_info("ready: %u of %u probes attached, export to %s every %g s", attached,
		 wanted, where, o->export_interval_ms / 1e3);
	srandom(now_mono_ns() ^ getpid());
	a.next_snapshot_ns = now_mono_ns() + ms_to_ns(o->snapshot_interval_ms);
	/* after a rollout every node starts at once: spread the first export */
	a.next_export_ns =
	    now_mono_ns() + ms_to_ns(random() % (o->export_interval_ms + 1));
	loop(&a);
	export_last(&a);
	history_close(a.history, HISTORY_MS);
	a.history = NULL;
	close_all(&a);
	return 0;
}

const struct cmd cmd_agent = {
	.name = "agent",
	.help = "measure this node and export until SIGTERM",
	.mask = CMD_AGENT,
	.run = agent_run,
};
