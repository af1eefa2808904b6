// SPDX-License-Identifier: Apache-2.0
/*
 * linger SECONDS SOCKETS PROCESSES: what any user can do. Processes with connections
 * that linger for an hour over what nobody reads come and go. Who holds one of their
 * files at the moment of their end waits for it.
 */
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define NOBODY	  65534
#define LISTENERS 60	/* kept, so that the connections are not reset */
#define LIFE_US	  60000 /* of a process: up to so long */

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

/* Holds connections that cannot send all, for a while, and ends. */
static void hold(const struct sockaddr_in *to, int sockets)
{
	static char data[65536];
	struct linger linger = { 1, 3600 };

	for (int i = 0; i < sockets; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
			break;
		send(fd, data, sizeof(data), MSG_DONTWAIT);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	srandom(getpid());
	usleep(random() % LIFE_US);
	_exit(0);
}

static int listen_to(struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 2048;
	socklen_t len = sizeof(*addr);

	addr->sin_port = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		die("listen");
	return fd;
}

/* One after the other, each with a listener of its own. */
static void come_and_go(int number, int sockets, time_t end)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (9 << 8) + number),
	};
	int listeners[LISTENERS] = { 0 };

	for (unsigned int i = 0; time(NULL) < end; i++) {
		int *oldest = &listeners[i % LISTENERS];
		pid_t pid;

		if (*oldest)
			close(*oldest);
		*oldest = listen_to(&addr);
		pid = fork();
		if (!pid)
			hold(&addr, sockets);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			die("fork");
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	int processes = argc > 3 ? atoi(argv[3]) : 1;
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (!getuid() && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		die("setuid");
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		come_and_go(i, argc > 2 ? atoi(argv[2]) : 1, end);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
