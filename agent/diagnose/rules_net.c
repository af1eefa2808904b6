// SPDX-License-Identifier: Apache-2.0
/* TCP: connects that fail, packets that get lost, a longer way, a full accept queue. */
#include <math.h>
#include <string.h>
#include "base/util.h"
#include "diagnose/peers.h"
#include "diagnose/rule.h"

#define FAILED_LEAST 3
#define FAILED_SHARE 0.05

/* --- connects --- */

struct refusal {
	const char *type; /* error.type */
	const char *what, *cause, *next;
	bool elsewhere; /* that is to be run at the other end */
};

static const struct refusal refusals[] = {
	{ "ECONNREFUSED", "are refused",
	  "nobody listens there: the server is down, not ready yet, or it is another "
	  "address or port; or a firewall rejects it",
	  "ss -ltn   # on the server: does anybody listen on that port?", true },
	{ "ETIMEDOUT", "time out",
	  "nobody answers at all: the host is down, the address is wrong, or a firewall or "
	  "network policy drops the packets",
	  "ss -tn state syn-sent   # to whom?" },
	{ "aborted", "are given up by the application before they end",
	  "the other end does not answer in the time that the application gives it",
	  "ss -tn state syn-sent   # to whom?" },
	{ "EHOSTUNREACH", "end as the host cannot be reached",
	  "a router, or this node's ARP, says that nobody is there: the host is down, or the "
	  "route is wrong",
	  "ip neigh   # FAILED: nobody answered" },
	{ "ENETUNREACH", "end as there is no route", "a route is missing",
	  "ip route   # or ip -6 route" },
	{ "ECONNRESET", "are reset", "a server, or what is on the way, refuses them",
	  "ss -tn state syn-sent   # to whom?" },
};

/* The error that there is most of. */
static double worst_refusal(const struct look *l, const char **type, double *before)
{
	double most = 0;

	*before = l->before ? 0 : NAN;
	for (size_t i = l->now->first; i < l->now->end; i++) {
		const struct frame_series *s = &l->now->frame->series[i];
		double n = strcmp(s->name, inputs[IN_CONNECT_ERRORS].metric)
			       ? 0
			       : facts_series(s);

		if (n > most) {
			most = n;
			*type = frame_attr(&s->attrs, "error.type");
		}
	}
	for (size_t i = l->before ? l->before->first : 0;
	     l->before && *type && i < l->before->end; i++) {
		const struct frame_series *s = &l->before->frame->series[i];
		const char *other = frame_attr(&s->attrs, "error.type");

		if (!strcmp(s->name, inputs[IN_CONNECT_ERRORS].metric) && other &&
		    !strcmp(other, *type))
			*before += facts_series(s) * facts_time(l->now, s->name) /
				   facts_time(l->before, s->name);
	}
	return most;
}

static const struct refusal *refusal_of(const char *type)
{
	static const struct refusal other = {
		"", "fail", "the error says what the kernel thinks of it",
		"ss -tn state syn-sent   # to whom?"
	};

	for (size_t i = 0; i < COUNT(refusals) && type; i++)
		if (!strcmp(refusals[i].type, type))
			return &refusals[i];
	return &other;
}

/* How many of those that were counted, in evidence, came in a second. */
static void see_refusal_rate(const struct look *l, struct finding *f,
			     const struct evidence *counted)
{
	double time = facts_time(l->now, inputs[IN_CONNECT_ERRORS].metric);
	struct evidence *e = see_own(f, IN_CONNECT_ERRORS, "of these in a second, with",
				     "1/s", counted->number / time, UNBOUND);

	e->key = counted->key;
	e->value = counted->value;
	e->stat = "rate";
	e->baseline = counted->baseline / time;
	name_evidence(e, counted->name);
}

/* Whom those were to that failed so. */
static void blame_connects(const struct look *l, struct finding *f, const char *type)
{
	bool refused = type && !strcmp(type, "ECONNREFUSED");
	bool timed_out = type && !strcmp(type, "ETIMEDOUT");

	peers_tell(l, f, PEER_METRIC,
		   refused     ? "refused"
		   : timed_out ? "timed_out"
			       : "failed",
		   refused     ? "refused connects"
		   : timed_out ? "connects that timed out"
			       : "failed connects",
		   "went to");
}

/* Of its connects fail. */
static double failed_share(const struct facts *f)
{
	double all = f->value[IN_CONNECTS] + f->value[IN_CONNECT_ERRORS];

	return all > 0 ? f->value[IN_CONNECT_ERRORS] / all : NAN;
}

static void connects(const struct look *l, struct finding *f)
{
	double failed = now_of(l, IN_CONNECT_ERRORS), ok = now_of(l, IN_CONNECTS);
	const char *type = NULL;
	const struct refusal *r;
	struct evidence *e;
	double share, most, before;
	char time[UNITS_LEN];

	if (failed + ok <= 0)
		return;
	see(l, f, IN_CONNECT_ERRORS, FAILED_LEAST);
	share = see_of(l, f, IN_CONNECT_ERRORS, "of its connects fail", "1",
		       failed_share, FAILED_SHARE)
		    ->number;
	if (failed < FAILED_LEAST || share < FAILED_SHARE)
		return;
	see(l, f, IN_CONNECTS, UNBOUND);
	most = worst_refusal(l, &type, &before);
	r = refusal_of(type);
	e = see_own(f, IN_CONNECT_ERRORS, "of these with", "{error}", most, UNBOUND);
	e->key = "error.type";
	e->value = type;
	e->stat = "count";
	e->baseline = before;
	name_evidence(e, type ? type : "?");
	see_refusal_rate(l, f, e);
	see(l, f, IN_SYN_AGAIN, UNBOUND);
	found(f, severity_of(share, FAILED_SHARE, 0.5), 30 + share * 60,
	      "connects of %s %s: %.0f of %.0f in %s (%s)", name_of(l->now), r->what,
	      most, failed + ok, span_text(time, l->now->duration_s),
	      type ? type : "?");
	because(f, "%s", r->cause);
	if (r->elsewhere)
		then(f, "%s", r->next);
	else
		then_in_net(l, f, r->next);
	blame_connects(l, f, type);
	judge_change(l, f, IN_CONNECT_ERRORS, FAILED_LEAST);
}

/* --- loss --- */

#define SEGMENT	    1448.0 /* bytes of payload in a packet of 1500 */
#define AGAIN_LEAST 10
#define AGAIN_SHARE 0.02 /* clients on the air lose more than 1 % every day */
#define AGAIN_GROWN 0.01 /* where it was less than half as much before */
#define SYN_SHARE   0.05

/*
 * About so many segments were sent: as many as the bytes fill, or as there were
 * requests and answers; and of small messages that nobody answers about as many as half
 * of the calls on sockets, as who is told to send is mostly told to receive, too.
 */
static double segments(const struct facts *f)
{
	const double *v = f->value;
	double full = v[IN_SENT] * facts_time(f, inputs[IN_SENT].metric) / SEGMENT;
	double turns = v[IN_SERVED] + v[IN_ASKED] + v[IN_CONNECTS];

	return fmax(fmax(full, turns), v[IN_CALLS_SOCKET] / 2);
}

/* Segments sent again that are no SYNs. */
static double count_again(const struct facts *f)
{
	return fmax(f->value[IN_SENT_AGAIN] - f->value[IN_SYN_AGAIN], 0);
}

static double again_share(const struct facts *f)
{
	double all = segments(f) + count_again(f);

	return all > 0 ? count_again(f) / all : 0;
}

/* Hardly any segment was: the rest are SYNs. */
static void see_again(const struct look *l, struct finding *f)
{
	see_of(l, f, IN_SENT_AGAIN, "segments sent again that are no SYNs", "{segment}",
	       count_again, AGAIN_LEAST)
	    ->baseline *= as_long(l, IN_SENT_AGAIN);
}

static void blame_loss(const struct look *l, struct finding *f)
{
	const char *peer =
	    peers_tell(l, f, PEER_METRIC, "retransmit", "retransmits", "go to");
	if (peer)
		then_ss(l, f, "-tin", peer,
			"then: nstat -az | grep -i drop; ip -s link");
	else
		then_in_net(
		    l, f,
		    "ss -tin | grep -B1 retrans   # which peer? then: nstat -az "
		    "| grep -i drop; ip -s link");
}

static void loss(const struct look *l, struct finding *f)
{
	double again = count_again(l->now), syn = now_of(l, IN_SYN_AGAIN);
	double share = again_share(l->now), syn_share, tried, least = AGAIN_SHARE;
	enum change change = CHANGE_SAME;
	bool lost, lost_syn;

	tried = now_of(l, IN_CONNECTS) + now_of(l, IN_CONNECT_ERRORS);
	if (segments(l->now) + tried + now_of(l, IN_SENT_AGAIN) <= 0)
		return;
	syn_share = tried > 0 ? syn / (tried + syn) : 0;
	see(l, f, IN_SENT_AGAIN, AGAIN_LEAST);
	if (l->before && change_of(l, IN_SENT_AGAIN, AGAIN_LEAST) == CHANGE_NEW)
		least = AGAIN_GROWN;
	if (again + syn > 0)
		see_of(l, f, IN_SENT_AGAIN, "of its segments were sent again", "1",
		       again_share, least);
	lost = again >= AGAIN_LEAST && share >= least;
	lost_syn = syn >= FAILED_LEAST && syn_share >= SYN_SHARE;
	/* where nobody answers that is no loss */
	if ((!lost && !lost_syn) ||
	    (now_of(l, IN_CONNECT_ERRORS) >= syn && again < AGAIN_LEAST)) {
		if (syn > 0 && again < AGAIN_LEAST)
			see_again(l, f);
		return;
	}
	see(l, f, IN_SYN_AGAIN, FAILED_LEAST);
	see(l, f, IN_RTT_P50, UNBOUND);
	see(l, f, IN_RTT_P90, UNBOUND);
	see(l, f, IN_RESETS_IN, UNBOUND);
	if (syn_share > share)
		share = syn_share;
	found(
	    f, severity_of(share, least, 0.2), 25 + share * 150,
	    "packets of %s get lost: %.0f segments were sent again, %.1f %% of what it "
	    "sent",
	    name_of(l->now), again + syn, share * 100);
	because(
	    f,
	    "a bad link, a full queue or a policer on the way, or a peer that is too "
	    "busy to take packets");
	blame_loss(l, f);
	if (lost)
		change = change_of(l, IN_SENT_AGAIN, AGAIN_LEAST);
	if (lost_syn)
		change = newer(change, change_of(l, IN_SYN_AGAIN, FAILED_LEAST));
	note_change(f, change);
}

/* --- a longer way --- */

#define RTT_SAMPLES 10
#define RTT_LONG    0.1	  /* s: what nobody has inside of a site */
#define RTT_WARNING 0.3	  /* s: nor do users often have that */
#define RTT_GROWN   0.005 /* s */

static void way(const struct look *l, struct finding *f)
{
	double p50, before = before_of(l, IN_RTT_P50);
	bool grown;
	const char *peer;
	char now[UNITS_LEN], then_[UNITS_LEN];

	if (!now_of(l, IN_RTT_COUNT))
		return;
	if (l->before && l->before->value[IN_RTT_COUNT] < RTT_SAMPLES)
		before = NAN;
	p50 = see(l, f, IN_RTT_P50, new_from(before, RTT_GROWN, RTT_LONG));
	see(l, f, IN_RTT_COUNT, RTT_SAMPLES);
	if (now_of(l, IN_RTT_COUNT) < RTT_SAMPLES)
		return;
	grown = !isnan(before) && change_of(l, IN_RTT_P50, RTT_GROWN) == CHANGE_NEW;
	if (!grown && (p50 < RTT_LONG || !isnan(before)))
		return;
	see(l, f, IN_RTT_P90, UNBOUND);
	see(l, f, IN_CONNECT_P50, UNBOUND);
	see(l, f, IN_SENT_AGAIN, UNBOUND);
	if (grown)
		found(
		    f, severity_of(p50 - before, 2 * RTT_GROWN, 1),
		    25 + (p50 - before) * 100,
		    "the way to the peers of %s has become longer: a round trip takes "
		    "%s (p50), before %s",
		    name_of(l->now), delay_text(now, p50), delay_text(then_, before));
	else
		found(f, severity_of(p50, RTT_WARNING, 2), 20 + p50 * 50,
		      "the way to the peers of %s is long: a round trip takes %s "
		      "(p50)",
		      name_of(l->now), delay_text(now, p50));
	because(f, "%s",
		grown ? "another route, a full queue on the way, or another peer "
			"that is further away"
		      : "peers that are far away, or a full queue on the way; "
			"without a baseline nobody knows whether that is usual");
	peer = peers_tell(l, f, PEER_METRIC, "far", "long round trips", "are to");
	then_ss(l, f, "-tin", peer,
		peer ? "rtt: of each connection"
		     : "rtt: of each connection: which peer?");
	judge_change(l, f, IN_RTT_P50, RTT_GROWN);
}

/* --- accept --- */

#define ACCEPT_SLOW   0.02 /* s, p90 */
#define ACCEPTS_LEAST 20

static void accept_full(const struct look *l, struct finding *f)
{
	double n, share;

	if (!now_of(l, IN_ACCEPTS) && !now_of(l, IN_OVERFLOWS))
		return;
	n = see(l, f, IN_OVERFLOWS, FAILED_LEAST);
	if (n < FAILED_LEAST)
		return;
	share = n / (n + now_of(l, IN_ACCEPTS));
	see(l, f, IN_ACCEPTS, UNBOUND);
	see(l, f, IN_ACCEPT_P90, UNBOUND);
	see(l, f, IN_CONTENTION, UNBOUND);
	see(l, f, IN_CPU, UNBOUND);
	found(f, severity_of(share, 0, 0.5), 50 + share * 45,
	      "the accept queue of %s is full: connections were dropped %.0f times",
	      name_of(l->now), n);
	because(f,
		"it accepts more slowly than clients connect (too few threads, or it "
		"hangs), or its backlog is too small");
	then_in_net(l, f,
		    "ss -ltn   # Recv-Q: how many wait; Send-Q: the backlog. See "
		    "net.core.somaxconn");
	judge_change(l, f, IN_OVERFLOWS, FAILED_LEAST);
}

static void accept_slow(const struct look *l, struct finding *f)
{
	double p90;
	char wait[UNITS_LEN];

	if (!now_of(l, IN_ACCEPTS))
		return;
	p90 = see(l, f, IN_ACCEPT_P90, ACCEPT_SLOW);
	see(l, f, IN_ACCEPTS, ACCEPTS_LEAST);
	if (p90 < ACCEPT_SLOW || now_of(l, IN_ACCEPTS) < ACCEPTS_LEAST)
		return;
	see(l, f, IN_ACCEPT_P50, UNBOUND);
	see(l, f, IN_ACCEPT_TIME, UNBOUND);
	see(l, f, IN_CONTENTION, UNBOUND);
	see(l, f, IN_THROTTLED, UNBOUND);
	found(f, severity_of(p90, ACCEPT_SLOW, 1), 35 + (p90 < 1 ? p90 * 30 : 30),
	      "%s accepts slowly: connections wait for it %s (p90)", name_of(l->now),
	      delay_text(wait, p90));
	because(f,
		"the thread that accepts is busy with something else, or has no CPU");
	then_in_net(l, f, "ss -ltn   # Recv-Q: how many wait");
	judge_change(l, f, IN_ACCEPT_P90, ACCEPT_SLOW / 2);
}

static const struct rule rows[] = {
	{ .id = "net.connect",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "its connects succeed",
	  .not_ = { "net.loss", "net.dns", "net.accept_full" },
	  .look = connects },
	{ .id = "net.loss",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "hardly any of its packets get lost",
	  .not_ = { "net.way", "net.dependency_slow", "cpu.neighbours" },
	  .after = { "net.accept_full" },
	  .look = loss },
	{ .id = "net.way",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "the way to its peers is not longer than it was",
	  .not_ = { "net.loss", "cpu.neighbours" },
	  .after = { "net.loss" },
	  .look = way },
	{ .id = "net.accept_full",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "its accept queue is not full",
	  .not_ = { "cpu.quota", "cpu.neighbours", "net.loss" },
	  .after = { "cpu.quota", "cpu.neighbours", "memory.limit" },
	  .look = accept_full },
	{ .id = "net.accept_slow",
	  .resource = "net",
	  .probes = "tcp,syscall",
	  .calm = "it accepts quickly",
	  .not_ = { "cpu.quota", "cpu.neighbours" },
	  .after = { "net.accept_full", "cpu.quota", "cpu.neighbours", "memory.limit",
		     "disk.slow" },
	  .look = accept_slow },
};

const struct rule_table rules_net = { rows, COUNT(rows) };
