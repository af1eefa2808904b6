// SPDX-License-Identifier: Apache-2.0
/*
 * TCP connections of the less usual kind, step by step: each end does what it is told
 * and says what it saw, with the monotonic clock where that matters.
 *
 *	tcpnet server ADDRESS PORT [-b BACKLOG] [-l FD] [-m]
 *	tcpnet client ADDRESS PORT [-m]
 *
 * -l: a listener that was inherited; -m: MPTCP. A request is 64 bytes, its answer 512.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "gate.h"

#define MAX_HELD 1024
#define REQUEST	 64
#define ANSWER	 512

static struct sockaddr_storage addr;
static socklen_t addr_len;
static int listener = -1;
static int protocol;
static int held[MAX_HELD];
static int held_count;

static void hold(int fd)
{
	if (held_count == MAX_HELD)
		gate_die("too many");
	held[held_count++] = fd;
}

static int new_socket(int flags)
{
	int fd = socket(addr.ss_family, SOCK_STREAM | flags, protocol), one = 1;

	if (fd < 0)
		gate_die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int dial(int fd)
{
	return connect(fd, (struct sockaddr *)&addr, addr_len) ? errno : 0;
}

static void read_all(int fd, size_t len)
{
	char buf[ANSWER];
	ssize_t n;

	for (; len; len -= n) {
		n = recv(fd, buf, len < sizeof(buf) ? len : sizeof(buf), 0);
		if (n <= 0)
			gate_die("recv");
	}
}

static void write_all(int fd, size_t len)
{
	static const char buf[ANSWER];

	if (send(fd, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		gate_die("send");
}

/* "accept N": accepts N more; the sums of the times before and after each call. */
static void run_accept(const struct gate_command *self, const long *args)
{
	uint64_t sum = 0, begin = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int fd;

		begin += gate_clock(CLOCK_MONOTONIC);
		fd = accept(listener, NULL, NULL);

		if (fd < 0)
			gate_die("accept");
		sum += gate_clock(CLOCK_MONOTONIC);
		hold(fd);
	}
	gate_say("accepted=%ld begin=%lu sum=%lu", args[0], begin, sum);
}

/* "answer N": answers N requests on each connection. */
static void run_answer(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long r = 0; r < args[0]; r++)
		for (int i = 0; i < held_count; i++) {
			read_all(held[i], REQUEST);
			write_all(held[i], ANSWER);
		}
	gate_say("answered=%ld", args[0] * held_count);
}

/* "sink N": N connections, one after the other, each until it ends. */
static void run_sink(const struct gate_command *self, const long *args)
{
	long received = 0, resets = 0;
	char buf[ANSWER];
	ssize_t n;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			gate_die("accept");
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			received += n;
		resets += n < 0 && errno == ECONNRESET;
		close(fd);
	}
	gate_say("accepted=%ld received=%ld resets=%ld", args[0], received, resets);
}

/* "ask N": N requests on each connection, each answered before the next. */
static void run_ask(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long r = 0; r < args[0]; r++)
		for (int i = 0; i < held_count; i++) {
			write_all(held[i], REQUEST);
			read_all(held[i], ANSWER);
		}
	gate_say("asked=%ld", args[0] * held_count);
}

/* "send N": N requests on each connection, without waiting for an answer. */
static void run_send(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long r = 0; r < args[0]; r++)
		for (int i = 0; i < held_count; i++)
			write_all(held[i], REQUEST);
	gate_say("sent=%ld", args[0] * held_count * REQUEST);
}

/* "drop RESET": closes all of them, with a reset or without. */
static void run_drop(const struct gate_command *self, const long *args)
{
	struct linger now = { .l_onoff = 1 };

	(void)self;
	while (held_count) {
		int fd = held[--held_count];

		if (args[0])
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
	gate_say("held=0");
}

/* "connect N": N connects, each waited for; the sums of the times before and after. */
static void run_connect(const struct gate_command *self, const long *args)
{
	uint64_t sum = 0, begin = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int fd = new_socket(0);

		begin += gate_clock(CLOCK_MONOTONIC);
		if (dial(fd))
			gate_die("connect");
		sum += gate_clock(CLOCK_MONOTONIC);
		hold(fd);
	}
	gate_say("connected=%ld begin=%lu sum=%lu", args[0], begin, sum);
}

/* "flood N": N connects that nobody waits for. */
static void run_flood(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int fd = new_socket(SOCK_NONBLOCK), err = dial(fd);

		if (err && err != EINPROGRESS)
			gate_die("connect");
		hold(fd);
	}
	gate_say("held=%d", held_count);
}

/* How a connect has ended that was in progress. */
static int outcome(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		gate_die("getsockopt");
	return err;
}

/* "epoll N": N connects at once, waited for together; failed ones are closed. */
static void run_epoll(const struct gate_command *self, const long *args)
{
	int epoll = epoll_create1(0), first = held_count, failed = 0, last = 0;
	struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT };
	long left = args[0], connected = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int fd = new_socket(SOCK_NONBLOCK), err = dial(fd);

		if (err && err != EINPROGRESS)
			gate_die("connect");
		hold(fd);
		event.data.fd = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			gate_die("epoll_ctl");
	}
	for (; left; left--) {
		int err;

		if (epoll_wait(epoll, &event, 1, 30000) != 1)
			gate_die("epoll_wait");
		err = outcome(event.data.fd);
		connected += !err;
		failed += !!err;
		last = err ? err : last;
	}
	close(epoll);
	while (failed && held_count > first)
		close(held[--held_count]);
	gate_say("connected=%ld failed=%d errno=%d", connected, failed, last);
}

static void set_port(long port)
{
	if (addr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&addr)->sin_port = htons(port);
}

static void disconnect(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (connect(fd, &none, sizeof(none)))
		gate_die("disconnect");
}

/*
 * "reuse N PORT DEAD": one socket, N times: refused at DEAD, disconnected, connected to
 * PORT, one request, disconnected, which resets.
 */
static void run_reuse(const struct gate_command *self, const long *args)
{
	int fd = new_socket(0);

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		set_port(args[2]);
		if (dial(fd) != ECONNREFUSED)
			gate_die("not refused");
		disconnect(fd);
		set_port(args[1]);
		if (dial(fd))
			gate_die("connect");
		write_all(fd, REQUEST);
		disconnect(fd);
	}
	close(fd);
	gate_say("connected=%ld refused=%ld sent=%ld", args[0], args[0],
		 args[0] * REQUEST);
}

static void listen_here(int backlog)
{
	int one = 1;

	listener = new_socket(0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, addr_len))
		gate_die("bind");
	if (listen(listener, backlog))
		gate_die("listen");
}

/* "close": closes the listener. */
static void run_close(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	close(listener);
	gate_say("closed=1");
}

static const struct gate_command server_commands[] = {
	{ "accept", run_accept, NULL, 0 }, { "answer", run_answer, NULL, 0 },
	{ "sink", run_sink, NULL, 0 },	   { "drop", run_drop, NULL, 0 },
	{ "close", run_close, NULL, 0 },
};

/* "rtt": the sum of the round-trip times of all connections, by the kernel, in us. */
static void run_rtt(const struct gate_command *self, const long *args)
{
	unsigned long sum = 0;

	(void)self;
	(void)args;
	for (int i = 0; i < held_count; i++) {
		struct tcp_info info;
		socklen_t len = sizeof(info);

		if (getsockopt(held[i], IPPROTO_TCP, TCP_INFO, &info, &len))
			gate_die("TCP_INFO");
		sum += info.tcpi_rtt;
	}
	gate_say("rtt=%lu", sum);
}

static const struct gate_command client_commands[] = {
	{ "connect", run_connect, NULL, 0 }, { "flood", run_flood, NULL, 0 },
	{ "epoll", run_epoll, NULL, 0 },     { "reuse", run_reuse, NULL, 0 },
	{ "ask", run_ask, NULL, 0 },	     { "send", run_send, NULL, 0 },
	{ "drop", run_drop, NULL, 0 },	     { "rtt", run_rtt, NULL, 0 },
};

static void resolve(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found))
		gate_die("address");
	memcpy(&addr, found->ai_addr, found->ai_addrlen);
	addr_len = found->ai_addrlen;
	freeaddrinfo(found);
}

int main(int argc, char **argv)
{
	bool is_server = argc > 1 && strcmp(argv[1], "server") == 0;
	int backlog = 4096, o;

	while ((o = getopt(argc, argv, "b:l:m")) != -1) {
		if (o == 'b')
			backlog = atoi(optarg);
		else if (o == 'l')
			listener = atoi(optarg);
		else if (o == 'm')
			protocol = IPPROTO_MPTCP;
		else
			gate_die("usage");
	}
	if (argc - optind < 3)
		gate_die("usage");
	resolve(argv[optind + 1], argv[optind + 2]);
	if (!is_server)
		return gate_loop(client_commands, COUNT(client_commands));
	if (listener < 0)
		listen_here(backlog);
	return gate_loop(server_commands, COUNT(server_commands));
}
