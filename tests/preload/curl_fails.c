// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into an agent: libcurl fails while a file says so. The file, CURL_FAILS, is
 * mapped: its first byte is 'w' (it cannot wait), 'p' (it cannot perform) or anything
 * else (it works), and from byte 8 on stands how often it failed.
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 16

static volatile char *says;
static CURLMcode (*real_poll)(CURLM *, struct curl_waitfd[], unsigned int, int, int *);
static CURLMcode (*real_perform)(CURLM *, int *);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("CURL_FAILS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	real_poll = dlsym(RTLD_NEXT, "curl_multi_poll");
	real_perform = dlsym(RTLD_NEXT, "curl_multi_perform");
	if (fd < 0)
		return;
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		says = at;
	close(fd);
}

static int fails(char what)
{
	if (!says || says[0] != what)
		return 0;
	++*(volatile uint64_t *)(says + 8);
	return 1;
}

CURLMcode curl_multi_poll(CURLM *m, struct curl_waitfd fds[], unsigned int n, int ms,
			  int *ready)
{
	return fails('w') ? CURLM_OUT_OF_MEMORY : real_poll(m, fds, n, ms, ready);
}

CURLMcode curl_multi_perform(CURLM *m, int *running)
{
	return fails('p') ? CURLM_INTERNAL_ERROR : real_perform(m, running);
}
