/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet of this node, asked for its pods by a thread of its own: an answer that
 * is slow, huge or cut never holds whoever wants a name. It is asked at the start, when
 * somebody wants a container that it has not told of, and every 5 minutes; never more
 * often than kubelet_pace.h allows. A failure is told once in the log, with what to do,
 * and heals by itself; until then names are what they were.
 */
#ifndef KUBELET_H
#define KUBELET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "workload/kubelet_pace.h"
#include "workload/pods.h"

struct kubelet;

/* All strings are borrowed as long as the kubelet is open. */
struct kubelet_opts {
	/* http(s)://HOST:PORT/pods; brackets of an IPv6 address may be missing */
	const char *url;
	/* File with the token of a service account, read before each request, as it
	 * is renewed there. Over http none is sent, and the file is not read. */
	const char *token;
	const char *ca;		 /* PEM file of who signed its certificate */
	const char *server_name; /* in that, if it is not the URL's host; or NULL */
	bool insecure;		 /* the certificate is not looked at */
	struct pods_keep keep;
	unsigned int timeout_ms;  /* of a request; 0: 20 s */
	struct kubelet_pace pace; /* all 0: kubelet_pace_default */
};

/* What came of a request. */
enum kubelet_result {
	KUBELET_OK,
	KUBELET_UNAUTHORIZED, /* 401 */
	KUBELET_FORBIDDEN,    /* 403 */
	KUBELET_NOT_FOUND,    /* 404 */
	KUBELET_REDIRECT,     /* 3xx: never followed */
	KUBELET_REFUSED,      /* another 4xx */
	KUBELET_SERVER_ERROR, /* 5xx */
	KUBELET_CONNECT,
	KUBELET_TIMEOUT,
	KUBELET_TLS, /* its certificate, or ours to check it by */
	KUBELET_DISCONNECT,
	KUBELET_TOO_LARGE,
	KUBELET_BAD_ANSWER, /* no list of pods */
	KUBELET_TOKEN,	    /* there is none, so nothing was asked */
	KUBELET_FAILED,	    /* no memory, no descriptors */
	KUBELET_RESULTS,
};

/* What metrics call it: "ok", "403", "5xx", "timeout". */
const char *kubelet_result_name(enum kubelet_result result);

struct kubelet_stats {
	uint64_t results[KUBELET_RESULTS]; /* requests that came to that */
	struct pods_counts counts;	   /* of the latest answer */
};

/* Nothing is asked yet. -EINVAL: the URL is none, with one line in cause; -ENOMEM. */
int kubelet_open(const struct kubelet_opts *o, struct kubelet **out, char *cause,
		 size_t len);
/*
 * Begins to ask. The thread has the privileges that this one has now: call it when they
 * were given up. -errno.
 */
int kubelet_start(struct kubelet *k);
/* See pods_find(), by the latest answer. Never waits for the kubelet. */
int kubelet_find(struct kubelet *k, const char *container, const char *uid,
		 struct names **out);
/*
 * Somebody wants to know of this container. Unless it is known, the kubelet is asked
 * soon, and again after 2, 5, 10, 30 and 60 s, as a status comes later than its
 * container; but for one of a pod of which it tells all containers' ids only once more,
 * 10 s after it came. Of the latest 512 such containers. A container that is "": its
 * pod. named: files say who it is, so it can wait (kubelet_pace.h).
 */
void kubelet_want(struct kubelet *k, const char *container, const char *uid,
		  bool named);
void kubelet_get_stats(struct kubelet *k, struct kubelet_stats *stats);
/*
 * Asks once, and waits for it. 0, and text says how much it knows; else -EIO, and text
 * says why and what to do.
 */
int kubelet_try(const struct kubelet_opts *o, char *text, size_t len);
/*
 * Ends the thread, whatever the kubelet does. One that hangs in a file (a token on a
 * network's file system) is left behind after a second, with what it works with: the
 * process is to end.
 */
void kubelet_close(struct kubelet *k);

#endif
