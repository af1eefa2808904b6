// SPDX-License-Identifier: Apache-2.0
/*
 * An agent that waits for its node. Kubernetes ends the pod before it when this one
 * says that it is ready, so it answers `assay status`, at a socket beside the one that
 * it will have: that may be the other agent's until then.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/agent_impl.h"
#include "kernel/node_lock.h"
#include "sink/api.h"
#include "sink/client.h"
#include "sink/listen.h"

#define TURN_MS	    100 /* how often one that waits looks */
#define LEAVE_TURNS 50	/* so often at the socket of the one before it */
#define OPEN_TURNS  10	/* how often it tries to open its own */

/* 0: whoever asks is answered, also after somebody has removed the socket. */
static int open_waiting(struct agent *a, char *cause, size_t len)
{
	struct api_ops ops = agent_answers(a, false);
	char path[CLIENT_PATH];

	if (a->waiting) {
		api_mend(a->waiting);
		return 0;
	}
	client_waiting_path(path, a->o->socket);
	return api_open(path, &ops, &a->waiting, cause, len);
}

/* Who cannot be asked waits all the same: as when another one waits at that path. */
static void begin_waiting(struct agent *a)
{
	char cause[512];

	a->waited = true;
	a->waited_ns = now_mono_ns();
	log_info("waiting: another agent (process %u of the node) measures this node "
		 "(see --node-lock)",
		 a->holder);
	if (open_waiting(a, cause, sizeof(cause)))
		log_info("assay status is not answered by now: %s", cause);
}

/* Serves who asks until it is time to look again. True: a signal ends us. */
static bool serve_turn(struct agent *a)
{
	uint64_t now = now_mono_ns(), end = now + TURN_MS * 1000000ULL;

	for (; now < end; now = now_mono_ns()) {
		struct pollfd fds[API_CLIENTS + 2];
		unsigned int n = a->waiting ? api_poll(a->waiting, fds) : 0;

		fds[n++] = (struct pollfd){ .fd = a->signals, .events = POLLIN };
		poll(fds, n, (int)((end - now) / 1000000 + 1));
		if (agent_must_end(a))
			return true;
		if (a->waiting)
			api_serve(a->waiting);
	}
	return false;
}

int agent_take_node(struct agent *a, char *cause, size_t len)
{
	const char *name = a->o->node_lock;
	unsigned int turns = 0;
	bool warned = false;
	int turn, err;

	if (!strcmp(name, NODE_LOCK_NONE))
		return 0;
	err = node_lock_open(name, &a->lock, cause, len);
	if (err)
		return err;
	while ((turn = node_lock_try(a->lock, &a->holder)) <= 0) {
		if (turn < 0 && !warned)
			log_warn(turn, "node lock %s: cannot see who holds it", name);
		if (turn == 0 && !a->waited)
			begin_waiting(a);
		else if (a->waited && ++turns % OPEN_TURNS == 0)
			open_waiting(a, cause, len);
		warned |= turn < 0;
		if (serve_turn(a))
			return 1;
	}
	if (a->waited)
		log_info("the other agent is gone: this one measures now");
	return 0;
}

/*
 * Opens the socket. When another agent was killed, its mark may go before its socket:
 * the kernel closes one after the other. 1: a signal came first.
 */
static int open_own(struct agent *a, const struct api_ops *ops, char *cause, size_t len)
{
	int err = api_open(a->o->socket, ops, &a->api, cause, len);

	for (int i = 0; err == -EADDRINUSE && a->waited && i < LEAVE_TURNS; i++) {
		if (agent_ends_within(a, TURN_MS))
			return 1;
		err = api_open(a->o->socket, ops, &a->api, cause, len);
	}
	return err;
}

int agent_open_api(struct agent *a, char *cause, size_t len)
{
	struct api_ops ops = agent_answers(a, true);
	int err = open_own(a, &ops, cause, len);
	char path[CLIENT_PATH];

	/* second, so that there is no moment at which nobody can be asked */
	api_close(a->waiting);
	a->waiting = NULL;
	/* one that was killed while it waited has left its own */
	client_waiting_path(path, a->o->socket);
	listen_clear(path);
	return err;
}
