/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' side of the agent's socket. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Sends a request to the agent at a socket, a line without its end; the answer is to be
 * freed. Takes 5 s at most. Returns 0 or -errno; -ENOENT and -ECONNREFUSED mean that no
 * agent runs there, -EREMOTEIO that the agent says no. cause says why.
 */
int client_ask(const char *path, const char *request, uint8_t **bytes,
	       size_t *bytes_len, char *cause, size_t len);
/*
 * Asks for the numbers of this moment: one OTLP ExportMetricsServiceRequest.
 */
int client_snapshot(const char *path, uint8_t **bytes, size_t *bytes_len, char *cause,
		    size_t len);
/*
 * The process that listens at a socket; 0: it is in another PID namespace. Errors as
 * client_ask().
 */
int client_agent(const char *path, pid_t *pid);

#endif
