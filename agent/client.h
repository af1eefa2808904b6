/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' side of the agent's socket. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Asks the agent at a socket for its numbers of this moment: one OTLP
 * ExportMetricsServiceRequest in bytes, to be freed. Takes 5 s at most. Returns 0 or
 * -errno; -ENOENT and -ECONNREFUSED mean that no agent runs there. cause says why.
 */
int client_snapshot(const char *path, uint8_t **bytes, size_t *bytes_len, char *cause,
		    size_t len);

#endif
