/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local API: a UNIX socket, mode 0600, for the commands on this node.
 *
 * A client sends the line "snapshot" and gets "ok LENGTH", a newline, and one OTLP
 * ExportMetricsServiceRequest with the numbers of that moment; or "error MESSAGE". The
 * line "tune", or "tune PROBE KEY=VALUE..." (tune.h), changes parameters of a probe,
 * and the answer holds them as text. "exact MS" asks for exact numbers for so long, of
 * probes that run in windows, and the answer says for how many ms they are, as text.
 * "status" is answered by a JSON document (view/status.h) at once: it costs next to
 * nothing. Nothing blocks: a client that does not read is only a full buffer, and there
 * are API_CLIENTS of them at most, API_PROCESS_CLIENTS of one process. One that is not
 * served gets an "error MESSAGE", too. While two large answers wait to be read no third
 * is made: 4 MiB, or two answers, is what all of them take. All of them together get a
 * quarter of the agent's time at most.
 */
#ifndef API_H
#define API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_CLIENTS	    8
#define API_PROCESS_CLIENTS 4

struct pollfd;
struct api;

/*
 * Each makes an answer, bytes to be freed, or returns -errno. snapshot is asked for at
 * asked_ns (monotonic clock) and may say -EAGAIN: not yet, to be called again at the
 * next api_serve(). words are what stands behind "tune ", NULL: nothing; its
 * failures are explained in cause, in one line. What is NULL an agent that waits for
 * its node does not answer.
 */
struct api_ops {
	int (*snapshot)(void *arg, uint64_t asked_ns, uint8_t **bytes, size_t *len);
	int (*tune)(void *arg, const char *words, uint8_t **bytes, size_t *len,
		    char *cause, size_t cause_len);
	/* may say -EAGAIN, too; until_ns: monotonic clock */
	int (*exact)(void *arg, uint64_t until_ns, uint8_t **bytes, size_t *len);
	int (*status)(void *arg, uint8_t **bytes, size_t *len);
	void *arg;
};

/*
 * Listens at path; its directory is made. A socket of ours that nobody listens at is
 * replaced; anything else that is there stays, and is an error: -EADDRINUSE when
 * somebody listens. On failure returns -errno with one line in cause.
 */
int api_open(const char *path, const struct api_ops *ops, struct api **out, char *cause,
	     size_t len);
/* Fills fds with what to wait for, at most API_CLIENTS + 1, and returns how many. */
unsigned int api_poll(const struct api *a, struct pollfd *fds);
/* For how many ms nobody is served, as serving took long enough; 0: now. */
int api_rest_ms(const struct api *a);
/* Whether somebody has asked, and may have to be served again though poll(2) says
 * nothing. */
bool api_has_clients(const struct api *a);
/* Serves what can be served without waiting, if it is not the time to rest. */
void api_serve(struct api *a);
/* To be called at each turn of the loop: a socket that was removed is made anew. */
void api_mend(struct api *a);
/* Closes, and removes the socket if it is still the one that was bound. */
void api_close(struct api *a);

#endif
