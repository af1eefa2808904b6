// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of a known number of TCP connections, requests and bytes, in clear or
 * over TLS. A request is -r bytes, its response -s bytes. Both ends count.
 *
 *	tcpload server ADDRESS PORT [-r N] [-s N] [-w MS] [-d] [-R] [-t PEM]
 *	tcpload client ADDRESS PORT [-r N] [-s N] [-k MS] [-R] [-t PEM]
 *
 * -w: the server waits so long before it answers; -k: the client thinks so long
 * before it asks again; -d: TCP_DEFER_ACCEPT; -R: resets instead of closing.
 */
// libs: -lpthread -lssl -lcrypto
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "gate.h"

#define MAX_THREADS 64
#define MAX_HELD    8192
#define MAX_SAMPLES 200000

static struct {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	size_t request, response;
	struct timespec wait; /* the server's before it answers, or the client's */
	bool defer, reset;
	SSL_CTX *tls;
} opt = { .request = 64, .response = 512 };

static uint64_t accepted, connected, requests, received, sent, failed;
static uint64_t samples[MAX_SAMPLES], samples_sum;

struct conn {
	int fd;
	SSL *ssl;
};

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST);
}

/* Takes note of the n-th duration, for the median. */
static void sample(uint64_t ns)
{
	uint64_t n = __atomic_fetch_add(&requests, 1, __ATOMIC_SEQ_CST);

	add(&samples_sum, ns);
	if (n < MAX_SAMPLES)
		samples[n] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Median of the samples since the last call; forgets them. */
static uint64_t median(void)
{
	uint64_t n = requests < MAX_SAMPLES ? requests : MAX_SAMPLES;

	qsort(samples, n, sizeof(samples[0]), compare);
	return n ? samples[n / 2] : 0;
}

static bool conn_read(struct conn *c, size_t len)
{
	char buf[16384];

	while (len) {
		size_t want = len < sizeof(buf) ? len : sizeof(buf);
		ssize_t n =
		    c->ssl ? SSL_read(c->ssl, buf, want) : recv(c->fd, buf, want, 0);

		if (n <= 0)
			return false;
		len -= n;
		add(&received, n);
	}
	return true;
}

static bool conn_write(struct conn *c, size_t len)
{
	static const char buf[16384];

	while (len) {
		size_t want = len < sizeof(buf) ? len : sizeof(buf);
		ssize_t n = c->ssl ? SSL_write(c->ssl, buf, want)
				   : send(c->fd, buf, want, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		len -= n;
		add(&sent, n);
	}
	return true;
}

static void conn_close(struct conn *c, bool reset)
{
	struct linger now = { .l_onoff = 1 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (c->ssl)
		SSL_free(c->ssl);
	close(c->fd);
}

static bool conn_tls(struct conn *c, int (*shake)(SSL *))
{
	if (!opt.tls)
		return true;
	c->ssl = SSL_new(opt.tls);
	return SSL_set_fd(c->ssl, c->fd) == 1 && shake(c->ssl) == 1;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Server: one thread for each connection, until its client closes it. */
static void *serve(void *arg)
{
	struct conn c = { .fd = (intptr_t)arg };
	bool ok = conn_tls(&c, SSL_accept);

	while (ok && conn_read(&c, opt.request)) {
		uint64_t start = gate_clock(CLOCK_MONOTONIC);

		if (opt.wait.tv_nsec)
			nanosleep(&opt.wait, NULL);
		sample(gate_clock(CLOCK_MONOTONIC) - start);
		if (!conn_write(&c, opt.response))
			break;
	}
	conn_close(&c, opt.reset);
	return NULL;
}

static void *accept_all(void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 262144);
	for (;;) {
		int fd = accept((intptr_t)arg, NULL, NULL);

		if (fd < 0)
			gate_die("accept");
		add(&accepted, 1);
		no_delay(fd);
		if (pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd))
			gate_die("pthread_create");
	}
	return NULL;
}

/* "stats": what the server has seen since it was asked last. */
static void run_stats(const struct gate_command *self, const long *args)
{
	uint64_t p50 = median();

	(void)self;
	(void)args;
	gate_say("accepted=%lu requests=%lu received=%lu sent=%lu p50=%lu sum=%lu",
		 accepted, requests, received, sent, p50, samples_sum);
	accepted = requests = received = sent = samples_sum = 0;
}

static int listen_here(void)
{
	int fd = socket(opt.addr.ss_family, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (opt.defer &&
	    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof(one)))
		gate_die("defer");
	if (bind(fd, (struct sockaddr *)&opt.addr, opt.addr_len))
		gate_die("bind");
	if (listen(fd, 4096))
		gate_die("listen");
	return fd;
}

static const struct gate_command server_commands[] = {
	{ "stats", run_stats, NULL, 0 },
};

static int server(void)
{
	int fd = listen_here();
	pthread_t thread;

	if (pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)fd))
		gate_die("pthread_create");
	usleep(20000); /* until it is in accept() */
	return gate_loop(server_commands, COUNT(server_commands));
}

/* Client: 0 or the errno of connect(). */
static int conn_open(struct conn *c)
{
	int err;

	*c = (struct conn){ .fd = socket(opt.addr.ss_family, SOCK_STREAM, 0) };
	if (c->fd < 0)
		gate_die("socket");
	if (connect(c->fd, (struct sockaddr *)&opt.addr, opt.addr_len) == 0) {
		add(&connected, 1);
		no_delay(c->fd);
		return 0;
	}
	err = errno;
	close(c->fd);
	return err;
}

static bool conn_talk(struct conn *c, long count)
{
	for (long i = 0; i < count; i++) {
		uint64_t start = gate_clock(CLOCK_MONOTONIC);

		if (!conn_write(c, opt.request) || !conn_read(c, opt.response))
			return false;
		sample(gate_clock(CLOCK_MONOTONIC) - start);
		if (opt.wait.tv_nsec)
			nanosleep(&opt.wait, NULL);
	}
	return true;
}

/* Reads until the other end has closed, so that it is done with this connection. */
static void conn_drain(struct conn *c)
{
	char byte;

	if (c->ssl || opt.reset)
		return;
	shutdown(c->fd, SHUT_WR);
	while (recv(c->fd, &byte, 1, 0) > 0)
		;
}

static void say_client(void)
{
	uint64_t p50 = median();

	gate_say("connected=%lu requests=%lu received=%lu sent=%lu failed=%lu p50=%lu "
		 "sum=%lu",
		 connected, requests, received, sent, failed, p50, samples_sum);
	connected = requests = received = sent = failed = samples_sum = 0;
}

static const long *talk_args;

static void *talker(void *arg)
{
	(void)arg;
	for (long i = 0; i < talk_args[1]; i++) {
		struct conn c;

		if (conn_open(&c)) {
			add(&failed, 1);
			continue;
		}
		if (!conn_tls(&c, SSL_connect) || !conn_talk(&c, talk_args[2]))
			add(&failed, 1);
		conn_drain(&c);
		conn_close(&c, opt.reset);
	}
	return NULL;
}

/* "talk P N R": P threads, N connections each in turn, R requests on each. */
static void run_talk(const struct gate_command *self, const long *args)
{
	pthread_t threads[MAX_THREADS];

	(void)self;
	talk_args = args;
	if (args[0] < 1 || args[0] > MAX_THREADS)
		gate_die("threads");
	for (long i = 0; i < args[0]; i++) {
		if (pthread_create(&threads[i], NULL, talker, NULL))
			gate_die("pthread_create");
	}
	for (long i = 0; i < args[0]; i++)
		pthread_join(threads[i], NULL);
	say_client();
}

/* "fail K": K connects that fail; errno is their errno when all agree. */
static void run_fail(const struct gate_command *self, const long *args)
{
	int first = 0, mixed = 0;
	struct conn c;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		int err = conn_open(&c);

		if (!err)
			gate_die("connected");
		first = first ? first : err;
		mixed += err != first;
	}
	gate_say("failed=%ld errno=%d mixed=%d", args[0], first, mixed);
}

/* "abort K": K connects that are given up after 20 ms without an answer. */
static void run_abort(const struct gate_command *self, const long *args)
{
	int fds[MAX_THREADS];

	(void)self;
	for (long i = 0; i < args[0] && i < MAX_THREADS; i++) {
		fds[i] = socket(opt.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[i], (struct sockaddr *)&opt.addr, opt.addr_len) == 0 ||
		    errno != EINPROGRESS)
			gate_die("abort");
	}
	usleep(20000);
	for (long i = 0; i < args[0] && i < MAX_THREADS; i++)
		close(fds[i]);
	gate_say("aborted=%ld", args[0]);
}

static struct conn held[MAX_HELD];
static int held_count;

/* "hold H": H more connections that stay open. */
static void run_hold(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long i = 0; i < args[0] && held_count < MAX_HELD; i++) {
		if (conn_open(&held[held_count]))
			gate_die("connect");
		held_count++;
	}
	gate_say("held=%d", held_count);
}

/* "ask R": R requests on each of them. */
static void run_ask(const struct gate_command *self, const long *args)
{
	(void)self;
	for (int i = 0; i < held_count; i++) {
		if (!conn_talk(&held[i], args[0]))
			gate_die("talk");
	}
	say_client();
}

/* "drop": closes them. */
static void run_drop(const struct gate_command *self, const long *args)
{
	(void)self;
	(void)args;
	while (held_count) {
		held_count--;
		conn_drain(&held[held_count]);
		conn_close(&held[held_count], opt.reset);
	}
	gate_say("held=0");
}

static const struct gate_command client_commands[] = {
	{ "talk", run_talk, NULL, 0 },	 { "fail", run_fail, NULL, 0 },
	{ "abort", run_abort, NULL, 0 }, { "hold", run_hold, NULL, 0 },
	{ "ask", run_ask, NULL, 0 },	 { "drop", run_drop, NULL, 0 },
};

static void open_tls(const char *pem, bool is_server)
{
	opt.tls = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
	if (!opt.tls || !SSL_CTX_set_min_proto_version(opt.tls, TLS1_3_VERSION))
		gate_die("tls");
	if (is_server &&
	    (SSL_CTX_use_certificate_file(opt.tls, pem, SSL_FILETYPE_PEM) != 1 ||
	     SSL_CTX_use_PrivateKey_file(opt.tls, pem, SSL_FILETYPE_PEM) != 1))
		gate_die("pem");
}

static void resolve(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found))
		gate_die("address");
	memcpy(&opt.addr, found->ai_addr, found->ai_addrlen);
	opt.addr_len = found->ai_addrlen;
	freeaddrinfo(found);
}

int main(int argc, char **argv)
{
	bool is_server = argc > 1 && strcmp(argv[1], "server") == 0;
	int o;

	signal(SIGPIPE, SIG_IGN);
	while ((o = getopt(argc, argv, "r:s:w:k:dRt:")) != -1) {
		if (o == 'r')
			opt.request = atol(optarg);
		else if (o == 's')
			opt.response = atol(optarg);
		else if (o == 'w' || o == 'k')
			opt.wait.tv_nsec = atol(optarg) * 1000000;
		else if (o == 'd')
			opt.defer = true;
		else if (o == 'R')
			opt.reset = true;
		else if (o == 't')
			open_tls(optarg, is_server);
		else
			gate_die("usage");
	}
	if (argc - optind < 3)
		gate_die("usage");
	resolve(argv[optind + 1], argv[optind + 2]);
	if (is_server)
		return server();
	return gate_loop(client_commands, COUNT(client_commands));
}
