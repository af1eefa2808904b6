// SPDX-License-Identifier: Apache-2.0
/*
 * Lookups against a resolver of its own: the same process is both ends, on port 53 of
 * an address of loopback. Where somebody serves port 53 of all addresses it has a
 * network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/stage.h"

#define ADDRESS	   0x7f003513 /* 127.0.53.19 */
#define PORT	   53
#define ANSWER_NS  3000000ULL
#define UNANSWERED 2
#define PAIRS	   8
#define FAILURES   4

enum { SERVFAIL = 2, NXDOMAIN = 3 };

static int server = -1, client = -1;

/* A header, the question about NAME.assay-verify.test, type A, class IN. */
struct message {
	uint16_t id, flags, questions, answers, authorities, additionals;
	char question[40];
};

static int bind_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(PORT),
				       .sin_addr.s_addr = htonl(ADDRESS) };
	int err;

	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (server < 0)
		return -errno;
	if (!bind(server, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	err = -errno;
	close(server);
	return err;
}

static int enter_own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, SIOCSIFFLAGS, &lo) ? -errno : 0;
	close(fd);
	return err;
}

void dns_prepare(const struct actor_stage *s)
{
	struct timeval second = { 1, 0 };
	int err = bind_port();

	if (err == -EADDRINUSE) {
		err = enter_own_network();
		if (!err)
			err = bind_port();
	}
	client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!err && (client < 0 || setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &second,
					      sizeof(second))))
		err = -errno;
	if (!err &&
	    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)))
		err = -errno;
	if (err)
		stage_skip(s, "a resolver on 127.0.53.19:53", err);
}

/* The name is the same each time: only its id tells a query from another. */
static size_t make_query(struct message *m, uint16_t id)
{
	static const char name[] = "\1x\14assay-verify\4test";

	*m = (struct message){ .id = htons(id),
			       .flags = htons(0x0100), /* recursion desired */
			       .questions = htons(1) };
	memcpy(m->question, name, sizeof(name));
	m->question[sizeof(name) + 1] = 1;
	m->question[sizeof(name) + 3] = 1;
	return sizeof(*m) - sizeof(m->question) + sizeof(name) + 4;
}

/* A query, from just before it was sent until its answer has come. */
struct query {
	struct message message;
	size_t len;
	struct sockaddr_in from;
	uint64_t began, sent;
};

/* Sends it, and receives it at the other end. -errno. */
static int ask(struct query *q, uint16_t id)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(ADDRESS) };
	socklen_t from_len = sizeof(q->from);

	q->len = make_query(&q->message, id);
	q->began = now_mono_ns();
	if (sendto(client, &q->message, q->len, 0, (struct sockaddr *)&to, sizeof(to)) <
	    0)
		return -errno;
	q->sent = now_mono_ns();
	if (recvfrom(server, &q->message, sizeof(q->message), 0,
		     (struct sockaddr *)&q->from, &from_len) < 0)
		return -errno;
	return 0;
}

/* Answers it, which is all of the truth about it. -errno. */
static int answer(struct query *q, uint8_t code, struct truth *t)
{
	uint64_t waited = now_mono_ns() - q->sent;

	q->message.flags = htons(0x8180 | code);
	if (sendto(server, &q->message, q->len, 0, (struct sockaddr *)&q->from,
		   sizeof(q->from)) < 0 ||
	    recv(client, &q->message, sizeof(q->message), 0) < 0)
		return -errno;
	truth_add(t, waited, now_mono_ns() - q->began);
	return 0;
}

/* How old they are when they are counted: complete.c. */
static int ask_nobody(const struct actor_stage *s, uint16_t *id)
{
	struct query q;
	int err = 0;

	for (int i = 0; i < UNANSWERED && !err; i++) {
		err = ask(&q, (*id)++);
		s->truths->asked_ns = q.sent;
		truth_count(&s->truths->of[TRUTH_DNS_TIMEOUT], 1, 0);
	}
	return err;
}

/* One that fails is asked later, and answered sooner, than one that does not. */
static int ask_two(const struct actor_stage *s, uint16_t *id)
{
	struct truth *of = s->truths->of;
	struct query slow, quick;
	int err = ask(&slow, (*id)++);

	truth_nap(ANSWER_NS);
	if (!err)
		err = ask(&quick, (*id)++);
	truth_nap(ANSWER_NS);
	if (!err)
		err = answer(&quick, NXDOMAIN, &of[TRUTH_DNS_NXDOMAIN]);
	truth_nap(ANSWER_NS);
	return err ? err : answer(&slow, 0, &of[TRUTH_DNS_OK]);
}

static int ask_one(const struct actor_stage *s, uint16_t *id)
{
	struct query q;
	int err = ask(&q, (*id)++);

	return err ? err : answer(&q, SERVFAIL, &s->truths->of[TRUTH_DNS_SERVFAIL]);
}

void dns_work(const struct actor_stage *s)
{
	uint16_t id = 100;
	int err;

	if (*s->truths->of[TRUTH_DNS_OK].why)
		return;
	err = ask_nobody(s, &id);
	for (int i = 0; i < PAIRS && !err; i++)
		err = ask_two(s, &id);
	for (int i = 0; i < FAILURES && !err; i++)
		err = ask_one(s, &id);
	if (err)
		stage_skip(s, "a query over loopback", err);
}
