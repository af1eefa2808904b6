// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/resident.h"
#include "sink/history.h"
#include "sink/history_write.h"

#define QUEUE 2 /* readings that wait for the thread */
#define FACTS 16
#define STACK (256 << 10)

struct history {
	char *path;
	struct history_fact facts[FACTS];
	struct history_file file; /* the thread's alone */
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct history_reading queue[QUEUE];
	unsigned int waiting; /* in the queue, with the one that is written */
	bool ends, ended;
	bool stuck; /* the first of them could not be written, and is tried again */
	bool said;  /* that it cannot be written */
	struct history_stats stats;
};

/* The directories of path, as far as they are not there. */
static int make_directories(const char *path)
{
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	for (char *slash = strchr(dir + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(dir, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* Not so of a file that is none of ours: nobody knows whether there will be another. */
static bool may_pass(int err)
{
	return err != -EINVAL;
}

/* Says what has changed, once. */
static void say(struct history *h, int err, const char *cause)
{
	if (h->file.note[0])
		log_warnx("history: %s", h->file.note);
	if (err && !h->said)
		log_warnx("history: %s: %s", cause,
			  may_pass(err) ? "nothing is kept until that is over; then "
					  "all of it is"
					: "readings are not kept until that is over");
	else if (!err && h->said)
		log_info("history: readings are kept again");
	h->said = err != 0;
}

/* What the file is in, if it is not there. */
static int make_directory(const struct history *h, char *cause, size_t len)
{
	int err = make_directories(h->path);

	if (err)
		snprintf(cause, len, "%.200s: its directory cannot be made: %s",
			 h->path, strerror(-err));
	return err;
}

int history_open(const char *path, uint64_t size, const struct history_fact *facts,
		 size_t count, struct history **out, char *cause, size_t len)
{
	struct history *h = calloc(1, sizeof(*h));
	int err = h ? 0 : -ENOMEM;

	if (!err && !(h->path = strdup(path)))
		err = -ENOMEM;
	if (!err && strlen(path) >= PATH_MAX)
		err = -ENAMETOOLONG;
	if (err) {
		snprintf(cause, len, "%.200s: %s", path, strerror(-err));
		if (h)
			free(h->path);
		free(h);
		return err;
	}
	count = count < FACTS ? count : FACTS;
	if (count) /* there may be no array */
		memcpy(h->facts, facts, count * sizeof(*facts));
	h->file = (struct history_file){ .path = h->path,
					 .size = size,
					 .facts = h->facts,
					 .fact_count = count,
					 .lock = -1 };
	h->stats.limit = size;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	err = make_directory(h, h->stats.why, sizeof(h->stats.why));
	say(h, err, h->stats.why);
	*out = h;
	return 0;
}

/* What a reading needs for some ms in 10 s; both threads of it, zstd. */
static const char *const seldom[] = { "/libsqlite3.so", "/libzstd.so", "/libm.so",
				      NULL };

/*
 * Writes one reading, without the lock. One that cannot be written stays the first in
 * the queue: when that is full no more are made, and the first one after it has all.
 */
static void write_one(struct history *h, struct history_reading *r)
{
	char cause[256] = "";
	uint64_t bytes, oldest;
	int err = history_file_add(&h->file, r, cause, sizeof(cause));

	if (err == -ENOENT) /* its directory is not there: for the next time */
		make_directory(h, cause, sizeof(cause));
	history_file_measure(&h->file, &bytes, &oldest);
	resident_trim_libraries(seldom);
	say(h, err, cause);
	pthread_mutex_lock(&h->lock);
	h->stats.is_kept = !err;
	h->stats.kept += !err;
	h->stats.bytes = bytes;
	h->stats.oldest_ns = oldest;
	snprintf(h->stats.why, sizeof(h->stats.why), "%s", err ? cause : "");
	h->stuck = err && may_pass(err) && !h->ends;
	if (!h->stuck) {
		h->stats.lost += err != 0;
		free(r->bytes);
		memmove(h->queue, h->queue + 1, sizeof(h->queue) - sizeof(h->queue[0]));
		h->waiting--;
	}
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* What could not be written until the end: with the lock. */
static void say_lost(struct history *h)
{
	if (h->said && h->stats.lost)
		log_warnx("history: %llu readings are lost: %s",
			  (unsigned long long)h->stats.lost, h->stats.why);
}

static void *run(void *arg)
{
	struct history *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while ((!h->waiting || h->stuck) && !h->ends)
			pthread_cond_wait(&h->changed, &h->lock);
		if (!h->waiting)
			break;
		pthread_mutex_unlock(&h->lock);
		write_one(h, &h->queue[0]);
		pthread_mutex_lock(&h->lock);
	}
	say_lost(h);
	pthread_mutex_unlock(&h->lock);
	history_file_close(&h->file);
	pthread_mutex_lock(&h->lock);
	h->ended = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int history_start(struct history *h)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* call_filter.h */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&h->thread, &attr, run, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	h->runs = !err;
	return -err;
}

static struct timespec moment_in(unsigned int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

bool history_is_ready(struct history *h, unsigned int ms)
{
	struct timespec end = moment_in(ms);
	bool ready;

	pthread_mutex_lock(&h->lock);
	while (ms && h->waiting == QUEUE &&
	       !pthread_cond_timedwait(&h->changed, &h->lock, &end))
		;
	ready = h->waiting < QUEUE;
	h->stats.late += !ready;
	h->stuck = false; /* it is time to try again */
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	return ready;
}

void history_lose(struct history *h, const char *why)
{
	log_warnx("history: a reading is lost: %s", why);
	pthread_mutex_lock(&h->lock);
	h->stats.lost++;
	pthread_mutex_unlock(&h->lock);
}

void history_put(struct history *h, struct history_reading *r)
{
	pthread_mutex_lock(&h->lock);
	h->queue[h->waiting++] = *r;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void history_get_stats(struct history *h, struct history_stats *out)
{
	pthread_mutex_lock(&h->lock);
	*out = h->stats;
	pthread_mutex_unlock(&h->lock);
}

/* Whether the thread is at its end. */
static bool wait_for_end(struct history *h, unsigned int ms)
{
	struct timespec end = moment_in(ms);
	bool ended;

	pthread_mutex_lock(&h->lock);
	h->ends = true;
	pthread_cond_broadcast(&h->changed);
	while (!h->ended && !pthread_cond_timedwait(&h->changed, &h->lock, &end))
		;
	ended = h->ended;
	pthread_mutex_unlock(&h->lock);
	return ended;
}

void history_close(struct history *h, unsigned int ms)
{
	if (!h)
		return;
	if (h->runs && !wait_for_end(h, ms)) {
		log_warnx("history: the disk is slow: the last reading may be missing");
		return; /* the thread may be in the middle of it; we end anyway */
	}
	if (h->runs)
		pthread_join(h->thread, NULL);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	free(h->path);
	free(h);
}
