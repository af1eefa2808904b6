/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the agent's socket; only api.c knows of it. */
#ifndef API_LISTEN_H
#define API_LISTEN_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

struct listener {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	struct stat bound; /* the file as it was made */
};

/* Listens at l->path, as api_open() says. */
int listener_open(struct listener *l, char *cause, size_t len);
/* Closes, and removes the file if it is still the one that was bound. */
void listener_close(struct listener *l);

#endif
