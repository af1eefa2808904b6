// SPDX-License-Identifier: Apache-2.0
/*
 * assay verify: makes events whose number and length are known and looks whether that
 * is what we count. Two readings are made, one before and one after all of them.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/log.h"
#include "base/options.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/source.h"
#include "sink/client.h"
#include "verify/complete.h"
#include "verify/judge.h"
#include "view/listing.h"
#include "workload/cgroup_root.h"

#define EXACT_MS    30000
#define EXACT_LEAST 15000
#define LATER_NS    300000000ULL /* behind a timeout of DNS, to look for it */
#define NAP_NS	    50000000ULL
#define EXIT_WRONG  3
#define KIND	    10
#define WHAT	    35

struct verify {
	struct scratch scratch;
	struct actors actors;
	struct source source;
	struct complete_disk disk;
	struct frame *before, *change;
	size_t results[3]; /* by enum judge_result */
	double seconds, cpu_seconds;
};

static void interrupt(int signal_number)
{
	actors_interrupted = 1;
}

static void handle_signals(void)
{
	struct sigaction a = { .sa_handler = interrupt, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* An agent that measures in windows counts all meanwhile. */
static int ask_exact(const struct options *o, char *cause, size_t len)
{
	uint64_t given = EXACT_MS;
	int err = client_exact(o->socket, EXACT_MS, &given, cause, len);

	if (err == -ENOENT || err == -ECONNREFUSED || err == -EREMOTEIO)
		return 0; /* nobody, or one that knows of no windows */
	if (!err && given < EXACT_LEAST) {
		snprintf(
		    cause, len,
		    "the agent measures exactly for %.0f s now, which is not enough: "
		    "it does so for 6 min of an hour; try again later",
		    given * 1e-3);
		return -EAGAIN;
	}
	return err;
}

/* Until a query that nobody answers is a timeout. */
static int wait_for_timeouts(const struct verify *v)
{
	uint64_t end = v->actors.truths->asked_ns + COMPLETE_TIMEOUT_NS + LATER_NS;

	while (v->actors.truths->asked_ns && now_mono_ns() < end) {
		if (actors_interrupted)
			return -EINTR;
		truth_nap(NAP_NS);
	}
	return 0;
}

static int read_first(struct verify *v, char *cause, size_t len)
{
	struct frame *none;
	int err = ask_exact(v->source.o, cause, len);

	if (!err) /* loads the probes, if no agent runs */
		err = source_read(&v->source, true, &none, cause, len);
	if (err)
		return err;
	frame_free(none);
	err = actors_settle(&v->actors);
	if (err) {
		snprintf(cause, len, "the processes that make events: %s",
			 strerror(-err));
		return err;
	}
	complete_look(&v->disk, &v->actors, 0);
	err = source_read(&v->source, false, &v->before, cause, len);
	complete_look(&v->disk, &v->actors, 1);
	actors_begin(&v->actors);
	return err;
}

static int read_last(struct verify *v, char *cause, size_t len)
{
	int err;

	actors_end(&v->actors);
	complete_look(&v->disk, &v->actors, 2);
	err = source_read(&v->source, false, &v->change, cause, len);
	if (err)
		return err;
	complete_look(&v->disk, &v->actors, 3);
	frame_subtract(v->change, v->before);
	complete(&v->actors, &v->disk, v->change, now_mono_ns());
	return 0;
}

static int measure(struct verify *v, char *cause, size_t len)
{
	struct cgroup_root root;
	int err = cgroup_root_find(v->source.o->cgroup_root, &root, cause, len);

	if (!err)
		err = scratch_open(&v->scratch, root.path, cause, len);
	if (err)
		return err;
	if (v->scratch.leftovers)
		log_info("removed what %u runs left that were killed",
			 v->scratch.leftovers);
	err = scratch_group(&v->scratch, "waker");
	if (err)
		snprintf(cause, len, "%.200s: %s", v->scratch.path, strerror(-err));
	if (!err)
		err = actors_start(&v->actors, &v->scratch, cause, len);
	if (!err)
		err = read_first(v, cause, len);
	if (err)
		return err;
	err = actors_work(&v->actors);
	if (!err)
		err = wait_for_timeouts(v);
	return err ? err : read_last(v, cause, len);
}

/* For programs: a person's is in capitals where it went wrong. */
static const char *result_name(const struct judge_verdict *d)
{
	return d->result == JUDGE_FAILED ? "failed" : judge_names[d->result];
}

static json_t *verdict_json(const struct judge_verdict *d)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", d->kind, "what", d->what,
			 "metric", d->metric, "result", result_name(d), "text",
			 d->text);
}

static void print_row(const struct judge_verdict *d)
{
	char text[2 * JUDGE_TEXT];
	const char *const cells[] = { d->kind, d->what, d->metric, result_name(d),
				      text };

	text_copy(text, sizeof(text), d->text, sizeof(text));
	for (size_t i = 0; i < COUNT(cells); i++) {
		fputs(i ? "," : "", stdout);
		csv_field(stdout, cells[i]);
	}
	putchar('\n');
}

static void print_line(const struct judge_verdict *d)
{
	char text[2 * JUDGE_TEXT];

	text_copy(text, sizeof(text), d->text, sizeof(text)); /* names are in it */
	printf("%-8s ", judge_names[d->result]);
	text_column(stdout, d->kind, KIND);
	fputs("  ", stdout);
	text_column(stdout, d->what, WHAT);
	printf("  %s\n", text);
}

static int print_json(const struct verify *v, json_t *checks)
{
	json_t *j = json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:o}", "result",
			      v->results[JUDGE_FAILED] ? "failed" : "ok", "source",
			      v->source.from_agent ? "agent" : "self", "ok",
			      (int)v->results[JUDGE_OK], "failed",
			      (int)v->results[JUDGE_FAILED], "skipped",
			      (int)v->results[JUDGE_SKIPPED], "seconds", v->seconds,
			      "cpu_seconds", v->cpu_seconds, "checks", checks);
	int err = !j || json_put(j, 6, stdout);

	json_decref(j);
	putchar('\n');
	return write_out(stdout) ?: (err ? -ENOMEM : 0);
}

static int print_table(const struct verify *v)
{
	printf("%s: %s%s\nverify: ok=%zu failed=%zu skipped=%zu seconds=%.1f "
	       "cpu_seconds=%.2f\n",
	       v->source.from_agent ? "the running agent's numbers"
				    : "the numbers of this build (no agent runs)",
	       v->results[JUDGE_FAILED]
		   ? "SOME ARE WRONG HERE: report it with the lines above"
		   : "right here",
	       v->actors.truths->emulated
		   ? " (an emulated CPU: times are compared to 25 % only)"
		   : "",
	       v->results[JUDGE_OK], v->results[JUDGE_FAILED],
	       v->results[JUDGE_SKIPPED], v->seconds, v->cpu_seconds);
	return write_out(stdout);
}

static int judge(struct verify *v)
{
	struct judge_case c = { &v->actors, v->change };
	int format = v->source.o->format;
	json_t *checks = json_array();

	if (format == FORMAT_CSV)
		puts("kind,what,metric,result,text");
	for (size_t i = 0; i < judge_count(); i++) {
		struct judge_verdict d;

		judge_check(&c, i, &d);
		v->results[d.result]++;
		if (format == FORMAT_JSON)
			json_array_append_new(checks, verdict_json(&d));
		else if (format == FORMAT_CSV)
			print_row(&d);
		else
			print_line(&d);
	}
	if (format == FORMAT_JSON)
		return print_json(v, checks);
	json_decref(checks);
	if (format == FORMAT_CSV)
		return write_out(stdout);
	return print_table(v);
}

/* Of this process and those that have ended. */
static double cpu_seconds(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	struct rusage u;
	double sum = 0;

	for (size_t i = 0; i < COUNT(whose); i++)
		if (!getrusage(whose[i], &u))
			sum += u.ru_utime.tv_sec + u.ru_stime.tv_sec +
			       1e-6 * (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	return sum;
}

static int run_verify(const struct options *o, int argc, char **argv)
{
	struct verify v = { .source = { .o = o } };
	uint64_t began = now_mono_ns();
	char cause[512] = "";
	int err, left;

	handle_signals();
	err = measure(&v, cause, sizeof(cause));
	v.seconds = (now_mono_ns() - began) * 1e-9;
	actors_end_all(&v.actors);
	source_close(&v.source);
	left = scratch_close(&v.scratch);
	if (left)
		log_warn(left, "a scratch cgroup is left: the next run removes it");
	v.cpu_seconds = cpu_seconds();
	if (actors_interrupted)
		log_errorx("interrupted: nothing is checked");
	else if (err)
		log_errorx("%s", *cause ? cause : strerror(-err));
	else if ((err = judge(&v)))
		log_error(err, "the result cannot be written");
	actors_forget(&v.actors);
	frame_free(v.before);
	frame_free(v.change);
	if (err || actors_interrupted || !(v.results[0] + v.results[1]))
		return 1;
	return v.results[JUDGE_FAILED] ? EXIT_WRONG : 0;
}

const struct cmd cmd_verify = {
	.name = "verify",
	.help = "makes known events here and checks that they are counted",
	.mask = CMD_VERIFY,
	.run = run_verify,
};
