// SPDX-License-Identifier: Apache-2.0
/*
 * assay bench: what the probes cost here and now, by what they time themselves, what
 * the agent has calibrated, and, if asked, what the kernel's statistics say for a
 * second. It makes no load and changes no probe.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/measure.h"
#include "kernel/prog_stats.h"
#include "sink/client.h"
#include "view/bench.h"

#define STATUS_WAIT_NS 3000000000ULL
#define STEP_NS	       200000000ULL
#define STATS_NS       1000000000ULL /* the kernel's statistics are on no longer */

struct bench_run {
	const struct options *o;
	struct measure *measure; /* NULL: an agent is asked */
	struct frame *before, *total, *change;
	struct status *status; /* NULL: it does not say */
	struct prog_stats stats[2];
	bench_kernel_ns kernel_ns;
	pid_t pid; /* who holds the programs; 0: out of sight */
	struct bench bench;
};

static int open_alone(struct bench_run *r, char *cause, size_t len)
{
	int err = measure_open(r->o, &r->measure, cause, len);

	if (!err) {
		err = measure_govern_open(r->measure, "none");
		if (err)
			snprintf(cause, len, "%s", strerror(-err));
	}
	if (!err)
		err = measure_begin(r->measure, cause, len);
	r->pid = getpid();
	return err;
}

static int read_bytes(struct bench_run *r, uint8_t **bytes, size_t *bytes_len,
		      char *cause, size_t len)
{
	uint64_t now = now_mono_ns();
	int err;

	if (!r->measure)
		return client_snapshot(r->o->socket, bytes, bytes_len, cause, len);
	measure_wait(r->measure, now);
	err = measure_read(r->measure, now, NULL, bytes, bytes_len);
	if (err)
		snprintf(cause, len, "the counts cannot be read: %s", strerror(-err));
	return err;
}

static int read_frame(struct bench_run *r, struct frame **out, char *cause, size_t len)
{
	size_t bytes_len;
	uint8_t *bytes;
	int err = read_bytes(r, &bytes, &bytes_len, cause, len);

	if (err)
		return err;
	err = frame_decode(bytes, bytes_len, out);
	free(bytes);
	if (err)
		snprintf(cause, len, "%.108s: the answer is no assay agent's: %s",
			 r->o->socket, strerror(-err));
	return err;
}

/* Waits, and does what an agent's loop does of what is looked at here. */
static void wait_until(struct bench_run *r, uint64_t end_ns)
{
	uint64_t now;

	while ((now = now_mono_ns()) < end_ns) {
		uint64_t ns = end_ns - now < STEP_NS ? end_ns - now : STEP_NS;
		struct timespec ts = { 0, ns };

		nanosleep(&ts, NULL);
		if (r->measure)
			measure_govern(r->measure);
	}
}

/* Of the programs that ran while the statistics were on. */
static void compare_stats(struct bench_run *r)
{
	for (size_t p = 0; p < PROGRAM_COUNT; p++) {
		uint64_t runs = r->stats[1].runs[p] - r->stats[0].runs[p];

		if (runs)
			r->kernel_ns[p] =
			    (double)(r->stats[1].ns[p] - r->stats[0].ns[p]) / runs;
	}
}

/* Has the kernel take the times of all programs, for a moment. */
static int take_stats(struct bench_run *r, uint64_t end_ns)
{
	int fd = prog_stats_on(), err;
	uint64_t began = now_mono_ns();

	if (fd < 0)
		return fd;
	err = prog_stats_read(r->pid, &r->stats[0]);
	if (!err)
		wait_until(r, end_ns);
	if (!err)
		err = prog_stats_read(r->pid, &r->stats[1]);
	close(fd);
	if (err)
		return err;
	compare_stats(r);
	r->bench.stats_s = (now_mono_ns() - began) * 1e-9;
	return 0;
}

static void measure_for(struct bench_run *r, uint64_t ns)
{
	uint64_t end = now_mono_ns() + ns, with = ns < STATS_NS ? ns : STATS_NS;
	char *why = r->bench.why_no_stats;
	int err;

	if (!r->o->kernel_stats) {
		wait_until(r, end);
		return;
	}
	wait_until(r, end - with);
	err = r->pid ? take_stats(r, end) : -ESRCH;
	if (err == -ESRCH)
		snprintf(why, STATUS_TEXT,
			 "the agent is in another PID namespace: its programs cannot "
			 "be told from others");
	else if (err)
		snprintf(why, STATUS_TEXT, "%s%s", strerror(-err),
			 err == -EPERM || err == -EACCES ? " (it takes root)" : "");
	wait_until(r, end);
}

static struct status *ask_status(struct bench_run *r)
{
	struct status *s = calloc(1, sizeof(*s));
	char cause[512];
	uint8_t *bytes;
	size_t len;
	int err;

	if (!s)
		return NULL;
	if (r->measure) {
		measure_status(r->measure, now_mono_ns(), s);
		return s;
	}
	err = client_status(r->o->socket, STATUS_WAIT_NS, &bytes, &len, cause,
			    sizeof(cause));
	if (!err) {
		err = status_decode(bytes, len, s);
		free(bytes);
	}
	if (!err)
		return s;
	free(s);
	return NULL;
}

static int take(struct bench_run *r, char *cause, size_t len)
{
	uint64_t began;
	int err = read_frame(r, &r->before, cause, len);

	if (err == -ENOENT || err == -ECONNREFUSED) {
		err = open_alone(r, cause, len);
		if (!err)
			err = read_frame(r, &r->before, cause, len);
	} else if (!err) {
		r->bench.from_agent = true;
		if (client_agent(r->o->socket, &r->pid))
			r->pid = 0;
	}
	if (err)
		return err;
	if (r->measure)
		measure_govern(r->measure); /* from now on */
	began = now_mono_ns();
	measure_for(r, r->o->duration_ms * 1000000);
	err = read_frame(r, &r->total, cause, len);
	if (!err)
		err = read_frame(r, &r->change, cause, len);
	if (err)
		return err;
	frame_subtract(r->change, r->before);
	r->bench.seconds = (now_mono_ns() - began) * 1e-9;
	r->status = ask_status(r);
	return 0;
}

static int run_bench(const struct options *o, int argc, char **argv)
{
	struct bench_run r = { .o = o };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char cause[512];
	int err;

	r.bench.cpus = cpus > 0 ? cpus : 1;
	for (size_t p = 0; p < PROGRAM_COUNT; p++)
		r.kernel_ns[p] = BENCH_NONE;
	err = take(&r, cause, sizeof(cause));
	if (err) {
		log_errorx("%s", cause);
	} else if ((err = frame_make_visible(r.total))) {
		log_error(err, "bench");
	} else {
		bench_fill(&r.bench, r.change, r.total, r.status, r.kernel_ns);
		err = o->format == FORMAT_JSON	? bench_json(&r.bench, stdout)
		      : o->format == FORMAT_CSV ? bench_csv(&r.bench, stdout)
						: bench_table(&r.bench, stdout);
		if (err)
			log_error(err, "the result cannot be written");
	}
	free(r.status);
	frame_free(r.before);
	frame_free(r.total);
	frame_free(r.change);
	measure_close(r.measure);
	return err ? 1 : 0;
}

const struct cmd cmd_bench = {
	.name = "bench",
	.help = "what each probe costs here, in ns an event and in per cent",
	.mask = CMD_BENCH,
	.run = run_bench,
};
