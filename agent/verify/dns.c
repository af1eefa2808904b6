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
#include "verify/actor.h"

#define ADDRESS	  0x7f003513 /* 127.0.53.19 */
#define PORT	  53
#define ANSWER_NS 3000000ULL
#define NOBODY	  255 /* instead of a response code */

static int server = -1, client = -1;

/* A header, the question about NAME.assay-verify.test, type A, class IN. */
struct message {
	uint16_t id, flags, questions, answers, authorities, additionals;
	char question[40];
};

static const struct {
	enum truth_id truth;
	uint8_t code;
	unsigned int times;
} lookups[] = {
	{ TRUTH_DNS_TIMEOUT, NOBODY, 2 },
	{ TRUTH_DNS_OK, 0, 15 },
	{ TRUTH_DNS_NXDOMAIN, 3, 8 },
	{ TRUTH_DNS_SERVFAIL, 2, 4 },
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
		actor_skip(s, ACTOR_DNS, "a resolver on 127.0.53.19:53", err);
}

static size_t make_query(struct message *m, uint16_t id)
{
	static const char name[] = "\1x\14assay-verify\4test";

	*m = (struct message){ .id = htons(id),
			       .flags = htons(0x0100), /* recursion desired */
			       .questions = htons(1) };
	memcpy(m->question, name, sizeof(name));
	m->question[1] = 'a' + id % 26;
	m->question[sizeof(name) + 1] = 1;
	m->question[sizeof(name) + 3] = 1;
	return sizeof(*m) - sizeof(m->question) + sizeof(name) + 4;
}

/* Answers the query that has arrived; how long it waited, or 0: it failed. */
static uint64_t answer(uint8_t code, uint64_t began)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct message m;
	uint64_t waited;
	ssize_t len =
	    recvfrom(server, &m, sizeof(m), 0, (struct sockaddr *)&from, &from_len);

	if (len <= 0 || code == NOBODY)
		return len > 0;
	truth_nap(ANSWER_NS);
	m.flags = htons(0x8180 | code);
	waited = now_mono_ns() - began;
	return sendto(server, &m, len, 0, (struct sockaddr *)&from, from_len) == len
		   ? waited
		   : 0;
}

static void look_up(struct truths *truths, struct truth *t, uint8_t code, uint16_t id)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(ADDRESS) };
	uint64_t began, sent, waited;
	struct message m;
	size_t len = make_query(&m, id);

	began = now_mono_ns();
	if (sendto(client, &m, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
		truth_skip(t, "a query", -errno);
		return;
	}
	sent = now_mono_ns();
	waited = answer(code, sent);
	if (!waited || (code != NOBODY && recv(client, &m, sizeof(m), 0) <= 0)) {
		truth_skip(t, "a query over loopback", -errno);
		return;
	}
	if (code == NOBODY) {
		truths->asked_ns = sent;
		truth_count(t, 1, 0); /* how old it is then: verify.c */
		return;
	}
	truth_add(t, waited, now_mono_ns() - began);
}

void dns_work(const struct actor_stage *s)
{
	uint16_t id = 100;

	for (size_t k = 0; k < COUNT(lookups); k++) {
		struct truth *t = &s->truths->of[lookups[k].truth];

		for (unsigned int i = 0; i < lookups[k].times && !*t->why; i++)
			look_up(s->truths, t, lookups[k].code, id++);
	}
}
