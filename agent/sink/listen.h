/* SPDX-License-Identifier: Apache-2.0 */
/* A UNIX socket at a path, of which one agent at a time is the listener. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stddef.h>
#include <sys/stat.h>

/* A path that can be no socket of ours whatever happens: -errno, one line in cause. */
int listen_check(const char *path, char *cause, size_t len);
/*
 * Listens at path, whose directory is made (one level). A socket of ours that nobody
 * listens at is replaced; anything else stays, and is an error. *fd is the caller's;
 * *bound is the socket's file. -errno with one line in cause.
 */
int listen_at(const char *path, int backlog, int *fd, struct stat *bound, char *cause,
	      size_t len);
/*
 * Removes the socket's file, if it is still the one that was bound. To be called before
 * the socket is closed: until then it is not dead, so nobody replaces it meanwhile by
 * one that may get the same inode.
 */
void listen_end(const char *path, const struct stat *bound);
/* Removes what was left at path, if that is a socket of ours that nobody listens at. */
void listen_clear(const char *path);

#endif
