// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/options.h"
#include "base/util.h"
#include "cmd/measure.h"
#include "cmd/source.h"
#include "sink/client.h"
#include "view/status.h"

#define STATUS_WAIT_NS 3000000000ULL

static bool nobody_there(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED;
}

/* Nobody is to be asked: the command measures by itself. */
static int open_own(struct source *s, char *cause, size_t len)
{
	char why[384] = "";
	int err = measure_open(s->o, &s->measure, why, sizeof(why));

	if (!err)
		err = measure_begin(s->measure, why, sizeof(why));
	if (!err)
		measure_ask_kubelet(s->measure);
	else if (err == -EPERM) /* who may not could ask one that may */
		snprintf(cause, len, "%.108s: no agent runs; without one: %s",
			 s->o->socket, why);
	else
		snprintf(cause, len, "%s", why);
	return err;
}

static int read_bytes(struct source *s, bool alone, uint8_t **bytes, size_t *bytes_len,
		      char *cause, size_t len)
{
	uint64_t now;
	int err;

	if (!s->measure) {
		err = client_snapshot(s->o->socket, bytes, bytes_len, cause, len);
		if (!err)
			s->from_agent = true;
		if (!nobody_there(err))
			return err;
		if (s->from_agent) {
			snprintf(cause, len, "the agent ended while it was asked");
			return err;
		}
		if (!alone) {
			snprintf(cause, len, "%.108s: no agent runs", s->o->socket);
			return err;
		}
		err = open_own(s, cause, len);
		if (err)
			return err;
	}
	now = now_mono_ns();
	measure_wait(s->measure, now);
	err = measure_read(s->measure, now, NULL, bytes, bytes_len);
	if (err)
		snprintf(cause, len, "the counts cannot be read: %s", strerror(-err));
	return err;
}

int source_read(struct source *s, bool alone, struct frame **out, char *cause,
		size_t len)
{
	size_t bytes_len;
	uint8_t *bytes;
	int err;

	err = read_bytes(s, alone, &bytes, &bytes_len, cause, len);
	if (err)
		return err;
	err = frame_decode(bytes, bytes_len, out);
	free(bytes);
	if (err == -EINVAL || err == -EMSGSIZE)
		snprintf(cause, len, "%.108s: %s", s->o->socket,
			 err == -EINVAL
			     ? "the answer is no assay agent's"
			     : "the answer would take more memory than any agent's");
	else if (err)
		snprintf(cause, len, "the counts cannot be decoded: %s",
			 strerror(-err));
	return err;
}

void source_close(struct source *s)
{
	measure_close(s->measure);
	s->measure = NULL;
}

struct status *source_status(const struct source *s)
{
	struct status *status = NULL;
	uint8_t *bytes;
	char cause[512];
	size_t len;

	if (!s->from_agent || client_status(s->o->socket, STATUS_WAIT_NS, &bytes, &len,
					    cause, sizeof(cause)))
		return NULL;
	status = malloc(sizeof(*status));
	if (status && status_decode(bytes, len, status)) {
		free(status);
		status = NULL;
	}
	free(bytes);
	return status;
}
