// SPDX-License-Identifier: Apache-2.0
/*
 * assay status: one small request to the running agent, for people and for the probes
 * of Kubernetes. What a receiver does to exports is told, but is no failure of the
 * agent's: else an outage of one collector would restart the agents of all nodes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/units.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "sink/client.h"
#include "view/listing.h"
#include "view/status.h"

/* What was asked for, and what came of it. */
struct answer {
	struct status status;
	struct status_verdict verdict;
	const char *question; /* "live", "started" or "ready" */
	const char *failure;  /* NULL: all is well */
};

/* Without a question it is the hardest one. */
static const char *question(const struct options *o)
{
	if (o->ready || (!o->live && !o->started))
		return "ready";
	return o->started ? "started" : "live";
}

/* The first problem that makes the answer no: who answers is live, and has started. */
static const char *failure(const struct options *o, const struct answer *a)
{
	bool ready = !strcmp(a->question, "ready");

	for (size_t i = 0; i < a->verdict.count; i++) {
		const struct status_problem *p = &a->verdict.problems[i];

		if ((ready && p->level == STATUS_NOT_READY) ||
		    (o->strict && p->level != STATUS_NOTE))
			return p->text;
	}
	return NULL;
}

static json_t *problems_json(const struct status_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "level",
						status_level_name(v->problems[i].level),
						"text", v->problems[i].text));
	return list;
}

static int print_json(const struct answer *a)
{
	json_t *j = status_json(&a->status);
	int err;

	json_object_set_new(j, "problems", problems_json(&a->verdict));
	json_object_set_new(j, "asked", json_string(a->question));
	json_object_set_new(j, "ok", json_boolean(!a->failure));
	err = json_put(j, 15, stdout);
	json_decref(j);
	putchar('\n');
	return write_out(stdout) ?: (err ? -ENOMEM : 0);
}

/* A question gets a line: it is what Kubernetes shows of a probe that fails. */
static int print(const struct options *o, const struct answer *a)
{
	char summary[STATUS_TEXT];

	if (o->format == FORMAT_JSON)
		return print_json(a);
	status_summary(&a->status, summary, sizeof(summary));
	if (!o->live && !o->ready && !o->started)
		status_print(&a->status, &a->verdict, stdout);
	if (a->failure)
		printf("not %s%s: %s\n", a->question, o->strict ? " (strict)" : "",
		       a->failure);
	else if (o->live || o->ready || o->started)
		printf("%s: %s\n", a->question, summary);
	else
		puts("ready");
	return write_out(stdout);
}

/* -EREMOTEIO: the agent answers, but not this; then it is live, at least. */
static int ask(const struct options *o, struct status *s, char *cause, size_t len)
{
	char within[UNITS_LEN];
	size_t bytes_len;
	uint8_t *bytes;
	int err = client_status(o->socket, o->timeout_ms * 1000000, &bytes, &bytes_len,
				cause, len);

	if (err == -ETIMEDOUT)
		snprintf(cause, len,
			 "%.108s: no answer within %s: the agent is stopped, or has no "
			 "CPU (see --timeout)",
			 o->socket, units_seconds(within, o->timeout_ms * 1e-3));
	if (err)
		return err;
	err = status_decode(bytes, bytes_len, s);
	free(bytes);
	if (err)
		snprintf(cause, len,
			 "%.108s: the answer is no status of an assay agent",
			 o->socket);
	return err;
}

static int run_status(const struct options *o, int argc, char **argv)
{
	struct answer *a;
	char cause[512];
	int err;

	if (o->format == FORMAT_CSV) {
		log_errorx(
		    "--format: 'csv': a status is no table: must be table or json");
		return EXIT_USAGE;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		log_error(-ENOMEM, "status");
		return 1;
	}
	a->question = question(o);
	err = ask(o, &a->status, cause, sizeof(cause));
	if (err == -EREMOTEIO && !strcmp(a->question, "live") && !o->strict) {
		printf("live: %s\n", cause);
		free(a);
		return 0;
	}
	if (err) {
		log_errorx("%s", cause);
		free(a);
		return 1;
	}
	status_judge(&a->status, &a->verdict);
	a->failure = failure(o, a);
	err = print(o, a);
	if (err)
		log_error(err, "the status cannot be written");
	err = err || a->failure;
	free(a);
	return err;
}

const struct cmd cmd_status = {
	.name = "status",
	.help = "how the running agent is; --ready: by exit status",
	.mask = CMD_STATUS,
	.run = run_status,
};
