// SPDX-License-Identifier: Apache-2.0
/*
 * Loads of the bench. Each prints the wall time of its operations in nanoseconds:
 *
 *   work reads N                     reads of one byte from a file in tmpfs
 *   work direct N DEVICE             reads of 4 KiB from a block device, not cached
 *   work connections N               over loopback: open, ask, answer, close
 *   work datagrams N                 over loopback, from one socket to another
 *   work ring N GROUPS KIB DIRECTORY a token goes round GROUPS processes, each in the
 *                                    cgroup DIRECTORY/NUMBER, each walks over KIB
 *   work hold N DESCRIPTORS          no operations: N threads that are blocked, and
 *                                    descriptors, until stdin closes
 *   work wake GROUPS MS DIRECTORY    no operations: a process in each of the cgroups
 *                                    DIRECTORY/NUMBER, that wakes up every MS ms, until
 *                                    stdin closes; MS 0: it only begins, and ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE   (1 << 20) /* its seeks are one call in a million */
#define BLOCK	    4096
#define DNS_PORT    53
#define DNS_ANSWERS 10 /* see datagrams() */
#define GROUPS_MAX  1024

static unsigned long long began; /* ns; a load with a lot to prepare sets it anew */

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int read_bytes(int fd, long n)
{
	char byte;

	for (long i = 0; i < n; i++) {
		if (read(fd, &byte, 1) != 1)
			return -1;
		if (i % FILE_SIZE == FILE_SIZE - 1 && lseek(fd, 0, SEEK_SET))
			return -1;
	}
	return 0;
}

static int reads(long n, char **argv)
{
	int fd = memfd_create("assay-bench", 0); /* a file of the kernel's own tmpfs */

	(void)argv;
	if (fd < 0 || ftruncate(fd, FILE_SIZE))
		return -1;
	return read_bytes(fd, n);
}

/* Blocks in an order that no read-ahead foresees. */
static int direct(long n, char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_DIRECT);
	unsigned long long size, at = 1;
	void *block;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) || size < BLOCK)
		return -1;
	if (posix_memalign(&block, BLOCK, BLOCK))
		return -1;
	for (long i = 0; i < n; i++) {
		at = at * 6364136223846793005ull + 1442695040888963407ull;
		if (pread(fd, block, BLOCK, (at >> 20) % (size / BLOCK) * BLOCK) !=
		    BLOCK)
			return -1;
	}
	return 0;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A socket bound to a port of loopback, 0: any; its address in *at. */
static int bound(int type, int port, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, type, 0);

	*at = loopback(port);
	if (fd < 0 || bind(fd, (struct sockaddr *)at, size) ||
	    getsockname(fd, (struct sockaddr *)at, &size))
		return -1;
	return fd;
}

/* The client closes first, as a client does who has what he wants. */
static int one_connection(int listener, const struct sockaddr_in *at)
{
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	char byte = 'a';

	if (client < 0 || connect(client, (const struct sockaddr *)at, sizeof(*at)))
		return -1;
	server = accept(listener, NULL, NULL);
	if (server < 0 || write(client, &byte, 1) != 1 || read(server, &byte, 1) != 1 ||
	    write(server, &byte, 1) != 1 || read(client, &byte, 1) != 1)
		return -1;
	close(client);
	if (read(server, &byte, 1) != 0)
		return -1;
	return close(server);
}

/* Both ends of each are ours: two sockets, and all packets pass the stack twice. */
static int connections(long n, char **argv)
{
	struct sockaddr_in at;
	int listener = bound(SOCK_STREAM, 0, &at);

	(void)argv;
	if (listener < 0 || listen(listener, 8))
		return -1;
	for (long i = 0; i < n; i++) {
		if (one_connection(listener, &at))
			return -1;
	}
	return 0;
}

/*
 * Ordinary datagrams; and first a few that look like answers of a DNS server that
 * nobody asked, so that who says that he filters DNS can be believed.
 */
static int datagrams(long n, char **argv)
{
	static const char answer[64] = { 0x12, 0x34, (char)0x81, (char)0x80 };
	struct sockaddr_in to, from;
	int sink = bound(SOCK_DGRAM, 0, &to), source = bound(SOCK_DGRAM, 0, &from);
	int dns = bound(SOCK_DGRAM, DNS_PORT, &from);
	socklen_t size = sizeof(to);
	char got[sizeof(answer)];

	(void)argv;
	if (sink < 0 || source < 0 || dns < 0)
		return -1;
	for (long i = 0; i < n + DNS_ANSWERS; i++) {
		if (sendto(i < DNS_ANSWERS ? dns : source, answer, sizeof(answer), 0,
			   (struct sockaddr *)&to, size) != sizeof(answer) ||
		    recv(sink, got, sizeof(got), 0) != sizeof(got))
			return -1;
	}
	return 0;
}

static int enter(const char *directory, long group)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%ld/cgroup.procs", directory, group);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fprintf(f, "%d", getpid());
	return fclose(f);
}

/* Passes what comes from one pipe on to the next, and makes the caches cold. */
static void member(int in, int out, long bytes)
{
	volatile char *memory = malloc(bytes + 1);
	char byte;

	memset((void *)memory, 1, bytes + 1);
	while (read(in, &byte, 1) == 1) {
		for (long i = 0; i < bytes; i += 64)
			memory[i]++;
		if (write(out, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* We are one of the ring, who counts. A switch is a step of the token. */
static int ring(long n, char **argv)
{
	long groups = atol(argv[0]), bytes = atol(argv[1]) * 1024, i;
	static int pipes[GROUPS_MAX][2];
	char byte = 'a';

	if (groups < 2 || groups > GROUPS_MAX)
		return -1;
	for (i = 0; i < groups; i++) {
		if (pipe(pipes[i]))
			return -1;
	}
	for (i = 1; i < groups; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (enter(argv[2], i))
			_exit(1);
		member(pipes[i][0], pipes[(i + 1) % groups][1], bytes);
	}
	for (i = -groups; i < n; i += groups) {
		if (!i)
			began = now_ns(); /* after a round in which all got ready */
		if (write(pipes[1][1], &byte, 1) != 1 ||
		    read(pipes[0][0], &byte, 1) != 1)
			return -1;
	}
	return 0;
}

static void *blocked(void *pipe_end)
{
	char byte;

	return (void *)read(*(int *)pipe_end, &byte, 1);
}

/* Every second descriptor is a TCP socket, the others are of one file. */
static int hold(long n, char **argv)
{
	long descriptors = atol(argv[0]);
	struct rlimit limit = { descriptors + 64, descriptors + 64 };
	pthread_attr_t small;
	pthread_t thread;
	int ends[2];
	char byte;

	if (setrlimit(RLIMIT_NOFILE, &limit) || pipe(ends) ||
	    pthread_attr_init(&small) || pthread_attr_setstacksize(&small, 65536))
		return -1;
	for (long i = 0; i < descriptors; i++) {
		if ((i & 1 ? dup(0) : socket(AF_INET, SOCK_STREAM, 0)) < 0)
			return -1;
	}
	for (long i = 0; i < n; i++) {
		if (pthread_create(&thread, &small, blocked, &ends[0]))
			return -1;
	}
	puts("ready");
	fflush(stdout);
	return read(0, &byte, 1) < 0 ? -1 : 0;
}
/* A process that makes a workload of its cgroup. */
static void sleeper(const char *directory, long group, long ms)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (enter(directory, group))
		_exit(1);
	do {
		usleep(ms * 1000);
	} while (ms);
	_exit(0);
}

static int wake(long n, char **argv)
{
	long ms = atol(argv[0]);
	int status;
	char byte;

	for (long i = 0; i < n; i++) {
		pid_t child = fork();

		if (!child)
			sleeper(argv[1], i, ms);
		if (child < 0 || (!ms && (waitpid(child, &status, 0) < 0 || status)))
			return -1;
	}
	puts("ready");
	fflush(stdout);
	return read(0, &byte, 1) < 0 ? -1 : 0;
}

static const struct load {
	const char *name;
	int words; /* after the number of operations */
	int (*operate)(long n, char **words);
} loads[] = {
	{ "reads", 0, reads },
	{ "direct", 1, direct },
	{ "connections", 0, connections },
	{ "datagrams", 0, datagrams },
	{ "ring", 3, ring },
	{ "hold", 1, hold },
	{ "wake", 2, wake },
};

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; n > 0 && i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (strcmp(argv[1], loads[i].name) || argc != 3 + loads[i].words)
			continue;
		began = now_ns();
		if (loads[i].operate(n, argv + 3)) {
			perror(argv[1]);
			return 1;
		}
		printf("%llu\n", now_ns() - began);
		return 0;
	}
	fprintf(stderr, "%s: no such load\n", argv[0]);
	return 1;
}
