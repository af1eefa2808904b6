/* SPDX-License-Identifier: Apache-2.0 */
/* What the files kubelet*.c share: one request. */
#ifndef KUBELET_IMPL_H
#define KUBELET_IMPL_H

#include <time.h>
#include <curl/curl.h>
#include "workload/identity.h"
#include "workload/kubelet.h"

#define KUBELET_TEXT 512	    /* what came of a request, for people */
#define KUBELET_IDLE 60000000000ULL /* ns; a kubelet closes one after 90 s */
#define WANTED	     512

/* Where to ask, as libcurl wants it. */
struct kubelet_target {
	char *url;
	struct curl_slist *connect_to; /* the URL's host, when it has a server name */
	bool tls;
	/* The connection that the latest request has left, in its multi handle. */
	bool connected;
	struct timespec ca_changed; /* the file that it was checked by */
	uint64_t ca_inode;
};

struct wanted {
	char container[CONTAINER_ID_LEN + 1];
	char uid[POD_UID_LEN + 1];
	uint64_t first_ns; /* 0: the entry is free */
	unsigned int tries;
	bool named; /* by files: it can wait */
};

/* The latest that are wanted; all 0: none. */
struct kubelet_wanted {
	struct wanted entries[WANTED];
	uint64_t keys[WANTED]; /* of these, free ones among them */
	size_t next;	       /* the oldest of these */
};

/*
 * Somebody wants to know of this container. false: it is wanted already, or was told.
 * pods: the latest answer, or NULL.
 */
bool kubelet_wanted_add(struct kubelet_wanted *all, const struct pods *pods,
			const char *container, const char *uid, bool named,
			uint64_t now_ns);
/*
 * There was an answer to a request of that time (0: to that one was none): who is still
 * to be asked for is wanted again.
 */
void kubelet_wanted_told(struct kubelet_wanted *all, const struct pods *pods,
			 uint64_t asked_ns, struct kubelet_clock *clock);

/* -EINVAL: the URL is none; -ENOMEM. End it with kubelet_target_fini() in any case. */
int kubelet_target_init(struct kubelet_target *t, const struct kubelet_opts *o);
void kubelet_target_fini(struct kubelet_target *t);

/* One handle keeps one connection. NULL: no memory. */
CURLM *kubelet_multi(void);
/*
 * Asks once. Waits in the multi handle, so that curl_multi_wakeup() makes it look at
 * *stop: true ends it with KUBELET_FAILED. before: the latest answer, or NULL.
 * KUBELET_OK: *out is the caller's. Else text says in one line what went wrong, and
 * what to do.
 *
 * The connection is kept for the next request, unless something went wrong, or it was
 * idle for KUBELET_IDLE, or for ten minutes altogether, or the CA's file is another
 * one.
 */
enum kubelet_result kubelet_ask(CURLM *multi, struct kubelet_target *t,
				const struct kubelet_opts *o, const bool *stop,
				const struct pods *before, struct pods **out,
				char *text, size_t len);

#endif
