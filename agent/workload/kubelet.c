// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/resident.h"
#include "base/util.h"
#include "workload/identity.h"
#include "workload/kubelet_impl.h"

#define WANTED	512
#define WAIT_MS 60000 /* the clock is looked at again; libcurl takes an int */
#define REST_MS 2000  /* a pause in which what TLS and JSON took is given back */
#define SECOND	1000000000ULL

/* After how long a container that is wanted is asked for again. */
static const uint64_t tries_ns[] = { 0,		  2 * SECOND,  5 * SECOND,
				     10 * SECOND, 30 * SECOND, 60 * SECOND };

struct wanted {
	char container[CONTAINER_ID_LEN + 1];
	char uid[POD_UID_LEN + 1];
	uint64_t first_ns; /* 0: the entry is free */
	unsigned int tries;
};

struct kubelet {
	struct kubelet_opts o;
	struct kubelet_target target;
	CURLM *multi; /* of the thread; others may wake it */
	pthread_t thread;
	bool started, stop;
	unsigned int seed;
	uint32_t said; /* a bit for each kind of failure since the latest answer */
	bool said_left_out;
	pthread_mutex_t lock; /* for all that follows */
	struct pods *pods;    /* the latest answer; NULL: there was none */
	uint64_t told_ns;     /* when it was asked for */
	struct kubelet_clock clock;
	struct kubelet_stats stats;
	struct wanted wanted[WANTED];
	size_t next; /* the oldest of these */
};

int kubelet_open(const struct kubelet_opts *o, struct kubelet **out, char *cause,
		 size_t len)
{
	static const struct kubelet_pace none;
	struct kubelet *k = calloc(1, sizeof(*k));
	int err = -ENOMEM;

	snprintf(cause, len, "no memory");
	if (!k)
		return err;
	k->o = *o;
	if (!memcmp(&k->o.pace, &none, sizeof(none)))
		k->o.pace = kubelet_pace_default;
	pthread_mutex_init(&k->lock, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pods_prepare();
	k->multi = curl_multi_init();
	if (k->multi)
		err = kubelet_target_init(&k->target, o);
	if (err == -EINVAL)
		snprintf(cause, len,
			 "--kubelet %s is no URL, or --kubelet-server-name "
			 "no name of a host",
			 o->url);
	if (err)
		kubelet_close(k);
	else
		*out = k;
	return err;
}

/* Does the latest answer know of it? A wanted container: not only of its pod. */
static bool is_known(const struct kubelet *k, const char *container, const char *uid)
{
	struct names *n;
	bool known;

	if (!k->pods || pods_find(k->pods, container, uid, &n))
		return false;
	known = n->container || !*container;
	names_free(n);
	return known;
}

/* What is still unknown after an answer to a request of that time is wanted again. 0:
 * there was no answer. */
static void want_again(struct kubelet *k, uint64_t asked_ns)
{
	for (size_t i = 0; i < WANTED; i++) {
		struct wanted *w = &k->wanted[i];

		if (!w->first_ns)
			continue;
		if (is_known(k, w->container, w->uid)) {
			w->first_ns = 0;
			continue;
		}
		while (w->tries < COUNT(tries_ns) &&
		       w->first_ns + tries_ns[w->tries] <= asked_ns)
			w->tries++;
		if (w->tries < COUNT(tries_ns))
			kubelet_clock_want(&k->clock, w->first_ns + tries_ns[w->tries]);
	}
}

/* Says what came of it, a kind of failure once until there is an answer again. */
static void tell(struct kubelet *k, enum kubelet_result result, const char *text,
		 const struct pods_counts *c)
{
	if (result) {
		if (!(k->said & 1U << result))
			log_warnx("kubelet %s: %s; names are what the node's files say "
				  "until it answers",
				  k->o.url, text);
		k->said |= 1U << result;
		return;
	}
	if (k->said || !k->stats.results[KUBELET_OK])
		log_info("kubelet %s answers: %zu containers of %zu pods", k->o.url,
			 c->containers, c->pods);
	k->said = 0;
	if (c->left_out && !k->said_left_out)
		log_warnx("kubelet %s: %zu pods, containers, labels and annotations of "
			  "its answer are left out: too many, or none that Kubernetes "
			  "would have",
			  k->o.url, c->left_out);
	k->said_left_out = c->left_out;
}

static void ask(struct kubelet *k)
{
	struct pods *pods = NULL, *old = NULL;
	struct pods_counts counts = { 0 };
	uint64_t now = now_mono_ns();
	char text[KUBELET_TEXT];
	enum kubelet_result result;

	pthread_mutex_lock(&k->lock);
	kubelet_clock_asked(&k->o.pace, &k->clock, now, rand_r(&k->seed));
	pthread_mutex_unlock(&k->lock);
	result = kubelet_ask(k->multi, &k->target, &k->o, &k->stop, &pods, text,
			     sizeof(text));
	if (__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		pods_free(pods);
		return;
	}
	if (!result)
		pods_count(pods, &counts);
	tell(k, result, text, &counts);
	pthread_mutex_lock(&k->lock);
	k->stats.results[result]++;
	if (!result) {
		old = k->pods;
		k->pods = pods;
		k->told_ns = now;
		k->stats.counts = counts;
	}
	kubelet_clock_answered(&k->o.pace, &k->clock, now_mono_ns(), result,
			       rand_r(&k->seed));
	want_again(k, result ? 0 : now);
	pthread_mutex_unlock(&k->lock);
	pods_free(old);
}

/* In ms; 0: it is time. */
static int until_next(struct kubelet *k)
{
	uint64_t now = now_mono_ns(), next;

	pthread_mutex_lock(&k->lock);
	next = kubelet_clock_next(&k->o.pace, &k->clock);
	pthread_mutex_unlock(&k->lock);
	if (next <= now)
		return 0;
	next = (next - now) / 1000000 + 1;
	return next < WAIT_MS ? next : WAIT_MS;
}

static void *run(void *arg)
{
	struct kubelet *k = arg;
	int ms;

	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		ms = until_next(k);
		if (ms)
			curl_multi_poll(k->multi, NULL, 0, ms, NULL);
		else
			ask(k);
		if (!ms && until_next(k) > REST_MS)
			resident_trim_tls();
	}
	return NULL;
}

int kubelet_start(struct kubelet *k)
{
	int err;

	k->seed = now_mono_ns();
	err = pthread_create(&k->thread, NULL, run, k);
	k->started = !err;
	return -err;
}

int kubelet_find(struct kubelet *k, const char *container, const char *uid,
		 struct names **out)
{
	int err = -ENOENT;

	pthread_mutex_lock(&k->lock);
	if (k->pods)
		err = pods_find(k->pods, container, uid, out);
	if (!err)
		(*out)->told_ns = k->told_ns;
	pthread_mutex_unlock(&k->lock);
	return err;
}

static bool is_wanted(const struct kubelet *k, const char *container, const char *uid)
{
	for (size_t i = 0; i < WANTED; i++) {
		const struct wanted *w = &k->wanted[i];

		if (w->first_ns && !strcmp(w->container, container) &&
		    !strcmp(w->uid, uid))
			return true;
	}
	return false;
}

void kubelet_want(struct kubelet *k, const char *container, const char *uid)
{
	bool wake = false;

	pthread_mutex_lock(&k->lock);
	if (!is_wanted(k, container, uid) && !is_known(k, container, uid)) {
		struct wanted *w = &k->wanted[k->next];

		snprintf(w->container, sizeof(w->container), "%s", container);
		snprintf(w->uid, sizeof(w->uid), "%s", uid);
		w->first_ns = now_mono_ns();
		w->tries = 0;
		k->next = (k->next + 1) % WANTED;
		kubelet_clock_want(&k->clock, w->first_ns);
		wake = true;
	}
	pthread_mutex_unlock(&k->lock);
	if (wake)
		curl_multi_wakeup(k->multi);
}

void kubelet_get_stats(struct kubelet *k, struct kubelet_stats *stats)
{
	pthread_mutex_lock(&k->lock);
	*stats = k->stats;
	pthread_mutex_unlock(&k->lock);
}

int kubelet_try(const struct kubelet_opts *o, char *text, size_t len)
{
	struct pods_counts c = { 0 };
	struct pods *pods;
	struct kubelet *k;
	enum kubelet_result result;

	if (kubelet_open(o, &k, text, len))
		return -EIO;
	result = kubelet_ask(k->multi, &k->target, o, &k->stop, &pods, text, len);
	if (!result) {
		pods_count(pods, &c);
		pods_free(pods);
		snprintf(text, len, "%zu containers of %zu pods", c.containers, c.pods);
		if (c.left_out)
			snprintf(text + strlen(text), len - strlen(text),
				 ", %zu things left out", c.left_out);
	}
	kubelet_close(k);
	return result ? -EIO : 0;
}

void kubelet_close(struct kubelet *k)
{
	if (!k)
		return;
	if (k->started) {
		__atomic_store_n(&k->stop, true, __ATOMIC_RELEASE);
		curl_multi_wakeup(k->multi);
		pthread_join(k->thread, NULL);
	}
	curl_multi_cleanup(k->multi);
	kubelet_target_fini(&k->target);
	pods_free(k->pods);
	pthread_mutex_destroy(&k->lock);
	curl_global_cleanup();
	free(k);
}
