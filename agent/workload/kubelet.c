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

#define WAIT_MS 60000 /* the clock is looked at again; libcurl takes an int */
#define REST_MS 2000  /* a pause in which what TLS and JSON took is given back */
#define SECOND	1000000000ULL

struct kubelet {
	struct kubelet_opts o;
	struct kubelet_target target;
	/* The thread's, which others may wake, so it is another one only under the
	 * lock.
	 */
	CURLM *multi;
	pthread_t thread;
	bool started, stop;
	unsigned int seed;
	uint32_t said; /* a bit for each kind of failure since the latest answer */
	bool said_left_out;
	/* since the latest rest TLS has made something resident; handshakes left heap
	 */
	bool spoke, shook;
	uint64_t
	    spent_ns; /* CPU time of the thread when the latest request had ended */
	pthread_mutex_t lock; /* for all that follows */
	struct pods *pods;    /* the latest answer; NULL: there was none */
	uint64_t told_ns;     /* when it was asked for */
	struct kubelet_clock clock;
	uint64_t sleeps_ns; /* until then, if nobody wakes it */
	struct kubelet_stats stats;
	struct kubelet_wanted wanted;
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
	k->multi = kubelet_multi();
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

#define END_SECONDS 1 /* that the thread has */

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

/* CPU time of this thread. */
static uint64_t spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Makes the answer (or none) the latest; returns the one before, to be freed. */
static struct pods *take_answer(struct kubelet *k, enum kubelet_result result,
				struct pods *pods, const struct pods_counts *counts,
				uint64_t asked_ns, uint64_t cost_ns)
{
	struct pods *old = NULL;

	pthread_mutex_lock(&k->lock);
	k->stats.results[result]++;
	if (!result) {
		old = k->pods;
		k->pods = pods;
		k->told_ns = asked_ns;
		k->stats.counts = *counts;
	}
	kubelet_clock_answered(&k->o.pace, &k->clock, now_mono_ns(), cost_ns, result,
			       rand_r(&k->seed));
	kubelet_wanted_told(&k->wanted, k->pods, result ? 0 : asked_ns, &k->clock);
	pthread_mutex_unlock(&k->lock);
	return old;
}

/* Ends the connection. */
static void disconnect(struct kubelet *k)
{
	CURLM *old = k->multi, *multi = kubelet_multi();

	if (!multi)
		return;
	pthread_mutex_lock(&k->lock);
	k->multi = multi;
	pthread_mutex_unlock(&k->lock);
	k->target.connected = false;
	curl_multi_cleanup(old);
}

static void ask(struct kubelet *k)
{
	struct pods *pods = NULL;
	struct pods_counts counts = { 0 };
	/* with what was given back after the one before */
	uint64_t now = now_mono_ns(), began = k->spent_ns;
	char text[KUBELET_TEXT];
	enum kubelet_result result;

	k->spoke = true;
	k->shook |= !k->target.connected;
	pthread_mutex_lock(&k->lock);
	kubelet_clock_asked(&k->o.pace, &k->clock, now, rand_r(&k->seed));
	pthread_mutex_unlock(&k->lock);
	result = kubelet_ask(k->multi, &k->target, &k->o, &k->stop, k->pods, &pods,
			     text, sizeof(text));
	if (__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		pods_free(pods);
		return;
	}
	if (!result)
		pods_count(pods, &counts);
	else
		disconnect(k);
	tell(k, result, text, &counts);
	k->spent_ns = spent_ns();
	pods_free(take_answer(k, result, pods, &counts, now, k->spent_ns - began));
}

/* In ms; 0: it is time. */
static int until_next(struct kubelet *k)
{
	uint64_t now = now_mono_ns(), next;

	pthread_mutex_lock(&k->lock);
	next = kubelet_clock_next(&k->o.pace, &k->clock);
	k->sleeps_ns = next;
	pthread_mutex_unlock(&k->lock);
	if (next <= now)
		return 0;
	next = (next - now) / 1000000 + 1;
	return next < WAIT_MS ? next : WAIT_MS;
}

/* For how many ms the connection may still be idle; 0: for no longer. */
static int idle_left(const struct kubelet *k)
{
	uint64_t end = k->clock.last_ns + KUBELET_IDLE, now = now_mono_ns();

	return now < end ? (end - now) / 1000000 + 1 : 0;
}

/* There is a pause of so many ms. */
static void rest(struct kubelet *k, int ms)
{
	int left = WAIT_MS;

	if (k->target.connected)
		left = idle_left(k);
	if (!left) { /* before the kubelet ends it */
		disconnect(k);
		k->spoke = k->shook = true;
	}
	if (k->spoke && ms > REST_MS) {
		resident_trim_tls(k->shook);
		k->spoke = k->shook = false;
	}
	curl_multi_poll(k->multi, NULL, 0, left && left < ms ? left : ms, NULL);
}

static void *run(void *arg)
{
	struct kubelet *k = arg;
	int ms;

	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		ms = until_next(k);
		if (ms)
			rest(k, ms);
		else
			ask(k);
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

void kubelet_want(struct kubelet *k, const char *container, const char *uid, bool named)
{
	uint64_t now = now_mono_ns();

	pthread_mutex_lock(&k->lock);
	if (kubelet_wanted_add(&k->wanted, k->pods, container, uid, named, now)) {
		kubelet_clock_want(&k->clock, now, named);
		if (kubelet_clock_next(&k->o.pace, &k->clock) < k->sleeps_ns)
			curl_multi_wakeup(k->multi);
	}
	pthread_mutex_unlock(&k->lock);
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
	result = kubelet_ask(k->multi, &k->target, o, &k->stop, NULL, &pods, text, len);
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

/* Whether the thread is at its end: a file that it reads (a token, an authority) may
 * hang. */
static bool end_thread(struct kubelet *k)
{
	struct timespec end;

	__atomic_store_n(&k->stop, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&k->lock);
	curl_multi_wakeup(k->multi);
	pthread_mutex_unlock(&k->lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_SECONDS;
	return !pthread_clockjoin_np(k->thread, NULL, CLOCK_MONOTONIC, &end);
}

void kubelet_close(struct kubelet *k)
{
	if (!k)
		return;
	if (k->started && !end_thread(k)) {
		log_warnx(
		    "kubelet %s: reading its token or its authorities hangs: it is not "
		    "waited for",
		    k->o.url);
		return; /* what the thread works with stays */
	}
	curl_multi_cleanup(k->multi);
	kubelet_target_fini(&k->target);
	pods_free(k->pods);
	pthread_mutex_destroy(&k->lock);
	curl_global_cleanup();
	free(k);
}
