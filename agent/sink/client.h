/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' side of the agent's socket. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

/*
 * Sends a request to the agent at a socket, a line without its end; the answer is to be
 * freed. Takes 5 s at most without a word, and 30 s in all. Returns 0 or -errno;
 * -ENOENT and -ECONNREFUSED mean that no agent runs there, -EREMOTEIO that the agent
 * says no. cause says why.
 */
int client_ask(const char *path, const char *request, uint8_t **bytes,
	       size_t *bytes_len, char *cause, size_t len);
/*
 * The same, of a request that changes what the agent measures: takes 30 s at most.
 * Errors as client_ask(); after -ETIMEDOUT the change may still be made.
 */
int client_change(const char *path, const char *request, uint8_t **bytes,
		  size_t *bytes_len, char *cause, size_t len);
/* Room for the path of a socket, and what is appended to it. */
#define CLIENT_PATH 128
/* Where an agent is asked that waits for its node: the socket's path is another's. */
void client_waiting_path(char out[CLIENT_PATH], const char *path);
/* Bytes that the path of a socket may have, so that both are a socket's. */
#define CLIENT_SOCKET_MOST \
	(sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(".waiting"))
/*
 * Asks the agent at a socket, or else one that waits for that, how it is: the JSON of
 * view/status.h. timeout_ns: for all of it. Errors as client_ask(), and -ETIMEDOUT.
 */
int client_status(const char *path, uint64_t timeout_ns, uint8_t **bytes,
		  size_t *bytes_len, char *cause, size_t len);
/*
 * Asks for the numbers of this moment: one OTLP ExportMetricsServiceRequest.
 */
int client_snapshot(const char *path, uint8_t **bytes, size_t *bytes_len, char *cause,
		    size_t len);
/*
 * Asks the agent for exact numbers from now on, for so many ms; given_ms: for how many
 * they are. Also -EREMOTEIO: an agent that does not know of it.
 */
int client_exact(const char *path, uint64_t ms, uint64_t *given_ms, char *cause,
		 size_t len);
/*
 * The process that listens at a socket; 0: it is in another PID namespace. Errors as
 * client_ask().
 */
int client_agent(const char *path, pid_t *pid);

#endif
