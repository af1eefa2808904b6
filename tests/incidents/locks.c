// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that want one lock, until they are killed:
 *
 *	locks contention THREADS HOLD_US	who has it sleeps, as over a slow
 *request locks convoy THREADS HOLD_US		who has it works, and hands it to who
 *waits longest: each turn is a switch (a mutex with priority inheritance does that)
 */
// libs: -lpthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock;
static int sleeps;
static long hold_ns;

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void hold(void)
{
	struct timespec t = { .tv_nsec = hold_ns };
	long end;

	if (sleeps) {
		nanosleep(&t, NULL);
		return;
	}
	end = now_ns() + hold_ns;
	while (now_ns() < end)
		;
}

static void *want(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		hold();
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc == 4 ? atoi(argv[2]) : 0;
	pthread_mutexattr_t attr;
	pthread_t thread;

	if (threads < 2 || atol(argv[3]) < 1) {
		fprintf(stderr, "usage: locks contention|convoy THREADS HOLD_US\n");
		return 2;
	}
	sleeps = !strcmp(argv[1], "contention");
	hold_ns = atol(argv[3]) * 1000;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&lock, sleeps ? NULL : &attr);
	while (--threads > 0)
		if (pthread_create(&thread, NULL, want, NULL)) {
			perror("locks: pthread_create");
			return 1;
		}
	want(NULL);
	return 0;
}
