// SPDX-License-Identifier: Apache-2.0
/* What a workload asks of services that are slow or hang; and what it is asked itself
 * and does not answer. */
#include <string.h>
#include "base/util.h"
#include "diagnose/peers.h"
#include "diagnose/rule.h"

/* --- services --- */

#define ASKED_LEAST   10
#define ASKED_SLOW    0.1  /* s, p90: at all */
#define ASKED_WARNING 0.25 /* s: where it is not known what is usual */
#define ASKED_GROWN   0.01 /* s: a change */
#define OWN_MORE      1.5  /* nor is what it does not wait for */
#define OWN_SHARE     0.4  /* of its own response's time */

static bool is_most_of(double asked, double own)
{
	return asked >= OWN_SHARE * own && asked <= OWN_MORE * own;
}

/*
 * Does it answer slowly because of that? Its responses take about as long, or, where
 * they wait for each other, so do all of them together.
 */
static bool explains_own(const struct look *l)
{
	return now_of(l, IN_SERVED) >= ASKED_LEAST &&
	       (is_most_of(now_of(l, IN_ASKED_P90), now_of(l, IN_SERVED_P90)) ||
		is_most_of(now_of(l, IN_ASKED_TIME), now_of(l, IN_SERVED_TIME)));
}

/* Whom to look at next, where the peer is known or not. */
static void ask_there(const struct look *l, struct finding *f, const char *peer)
{
	then_ss(l, f, "-tnp", peer,
		peer ? "then: assay why THAT, on its node"
		     : "whom does it ask? then: assay why THAT, on its node");
}

static void dependency_slow(const struct look *l, struct finding *f)
{
	double p90, n = now_of(l, IN_ASKED), before = before_of(l, IN_ASKED_P90);
	bool known = l->before && l->before->value[IN_ASKED] >= ASKED_LEAST;
	bool own = explains_own(l), grown;

	if (!n)
		return;
	p90 = see(l, f, IN_ASKED_P90,
		  new_from(known ? before : NAN, ASKED_GROWN, ASKED_SLOW));
	see(l, f, IN_ASKED, ASKED_LEAST);
	grown = known && change_of(l, IN_ASKED_P90, ASKED_GROWN) == CHANGE_NEW;
	if (n < ASKED_LEAST || (!grown && (known || p90 < ASKED_SLOW)))
		return;
	see(l, f, IN_ASKED_P50, UNBOUND);
	see(l, f, IN_ASKED_TIME, UNBOUND);
	see(l, f, IN_SERVED_P90, UNBOUND);
	see(l, f, IN_SERVED_TIME, UNBOUND);
	see(l, f, IN_RTT_P50, UNBOUND);
	/* without a baseline: who only waits for answers may do so by intent, and some
	 * services take their time */
	found(f,
	      grown || (own && p90 >= ASKED_WARNING) ? SEVERITY_WARNING
						     : SEVERITY_NOTICE,
	      30 + (p90 < 1 ? p90 * 30 : 30) + (own ? 5 : 0),
	      "%s is slow because what it asks is slow: answers take %.0f ms (p90)%s",
	      name_of(l->now), p90 * 1e3, own ? ", most of its own responses" : "");
	if (grown)
		because(
		    f,
		    "a service that it asks answers more slowly than before (%.0f ms)",
		    before * 1e3);
	else
		because(
		    f, "a service that it asks answers slowly%s",
		    known ? ""
			  : "; without a baseline nobody knows whether that is usual");
	ask_there(l, f,
		  peers_tell(l, f, PEER_METRIC, p90 >= ASKED_SLOW ? "slower" : "slow",
			     "slow answers", "came from"));
	f->change = known ? (grown ? CHANGE_NEW : CHANGE_SAME) : CHANGE_UNKNOWN;
}

#define HANGS_REQUEST 5.0 /* s, asked or served */
#define HANGS_LONG    30.0
#define HANGS_CONNECT 1.0 /* s: a SYN was lost, or is not answered */
#define HANGS_DNS     2.0
#define TIMES_P99     5

/*
 * Whose bytes came last is all that is known of a request: in a connection of HTTP/2
 * that idles those were perhaps the client's (the acknowledgement of SETTINGS,
 * WINDOW_UPDATE), and who asks for news waits for long. A baseline tells; without one
 * it is no more than a warning.
 */
static enum severity severity_of_hang(const struct look *l, double age)
{
	return l->before ? severity_of(age, HANGS_REQUEST, HANGS_LONG)
			 : SEVERITY_WARNING;
}

/* Adds that to the cause. */
static void say_unknown(const struct look *l, struct finding *f)
{
	size_t len = strlen(f->cause);

	if (l->before)
		return;
	snprintf(
	    f->cause + len, sizeof(f->cause) - len,
	    "; without a baseline nobody knows whether that is usual, as of a long "
	    "poll, or HTTP/2 that idles after the client's last word");
	cut_text(f->cause);
}

static void client_hangs(const struct look *l, struct finding *f, double age)
{
	char since[UNITS_TIME_LEN];

	found(f, severity_of_hang(l, age), 60 + (age < HANGS_LONG ? age : HANGS_LONG),
	      "what %s asks hangs: a request has had no answer for %.0f s, since %s",
	      name_of(l->now), age, since_text(since, l, age));
	because(f, "a service that it asks took the request and does not answer");
	say_unknown(l, f);
	ask_there(
	    l, f,
	    peers_tell(l, f, PEER_METRIC, "waited", "requests that wait", "are to"));
}

static void connect_hangs(const struct look *l, struct finding *f, double age)
{
	char since[UNITS_TIME_LEN];

	found(f, severity_of(age, HANGS_CONNECT, 30), 55 + (age < 30 ? age : 30),
	      "a connect of %s has not ended for %.1f s, since %s", name_of(l->now),
	      age, since_text(since, l, age));
	because(f, "nobody answers there: the host is down, packets are dropped, or "
		   "its accept queue is full");
	then_in_net(l, f, "ss -tnpo state syn-sent   # to whom?");
	peers_tell(l, f, PEER_METRIC, "connecting", "connects that wait", "are to");
}

static void lookup_hangs(const struct look *l, struct finding *f, double age)
{
	char since[UNITS_TIME_LEN];

	found(f, severity_of(age, HANGS_DNS, 30), 50 + (age < 30 ? age : 30),
	      "a DNS lookup of %s has had no answer for %.1f s, since %s",
	      name_of(l->now), age, since_text(since, l, age));
	because(f, "the DNS server is down, or packets to it or from it are dropped");
	ask_server(f, NULL);
}

/*
 * Does it always have requests that wait, as who asks for news (a long poll)? One that
 * was under way in the baseline says nothing of that. age_in, usual: of what it asks,
 * or of what it is asked; usual: how long most take.
 */
static bool always_waits(const struct look *l, enum input age_in, double age,
			 double usual)
{
	double was = l->before ? l->before->value[age_in] : 0;

	if (age < TIMES_P99 * usual)
		return true;
	if (was < HANGS_REQUEST)
		return false;
	return age <= since_baseline(l) ||
	       hang_change(l, age_in, age, HANGS_REQUEST) == CHANGE_SAME;
}

/* Why an age does not count, which is the evidence seen last: it always waits so long.
 */
static void see_always(const struct look *l, struct finding *f, enum input age_in,
		       double age, double usual)
{
	struct evidence *e = &f->evidence[f->evidence_count - 1];
	double was = l->before ? l->before->value[age_in] : 0;

	if (age < TIMES_P99 * usual) {
		e->threshold = fmax(e->threshold, TIMES_P99 * usual);
		return;
	}
	e = see_own(f, age_in, "was so in the baseline", "s", was, HANGS_REQUEST);
	e->baseline = was;
	e->at_most = true;
}

static void dependency_hangs(const struct look *l, struct finding *f)
{
	double usual = now_of(l, IN_ASKED_P90);
	double client = see(l, f, IN_AGE_CLIENT, HANGS_REQUEST);
	double dns = now_of(l, IN_AGE_DNS), connect;

	if (client >= HANGS_REQUEST && always_waits(l, IN_AGE_CLIENT, client, usual)) {
		see_always(l, f, IN_AGE_CLIENT, client, usual);
		client = 0;
	}
	connect = see(l, f, IN_AGE_CONNECT, HANGS_CONNECT);
	if (client < HANGS_REQUEST && connect < HANGS_CONNECT && dns < HANGS_DNS) {
		age_is_known(l, f, IN_AGE_CLIENT, HANGS_REQUEST);
		age_is_known(l, f, IN_AGE_CONNECT, HANGS_CONNECT);
		age_is_known(l, f, IN_AGE_DNS, HANGS_DNS);
		return;
	}
	if (dns >= HANGS_DNS)
		see(l, f, IN_AGE_DNS, HANGS_DNS);
	see(l, f, IN_ASKED, UNBOUND);
	see(l, f, IN_ASKED_P90, UNBOUND);
	see(l, f, IN_SYN_AGAIN, UNBOUND);
	if (client >= HANGS_REQUEST) {
		client_hangs(l, f, client);
		note_change(f, hang_change(l, IN_AGE_CLIENT, client, HANGS_REQUEST));
	} else if (connect >= HANGS_CONNECT) {
		connect_hangs(l, f, connect);
		note_change(f, hang_change(l, IN_AGE_CONNECT, connect, HANGS_CONNECT));
	} else {
		lookup_hangs(l, f, dns);
		note_change(f, hang_change(l, IN_AGE_DNS, dns, HANGS_DNS));
	}
}

/* --- what it is asked --- */

/* How long most of its responses take; those of before, where none has ended since. */
static double usual_response(const struct look *l)
{
	double before = l->before ? l->before->value[IN_SERVED_P90] : 0;

	return fmax(now_of(l, IN_SERVED_P90), before);
}

#define WORKS 0.5 /* CPUs: who uses less than that mostly waits */

/* What its threads do meanwhile. */
static void say_why_no_answer(const struct look *l, struct finding *f)
{
	static const char had[] =
	    "it has the request, or the first part of it, and does not answer";
	const struct stuck_threads *t = l->readings->stuck;
	double cpu = now_of(l, IN_CPU);

	if (cpu >= WORKS)
		because(f, "%s: it works, or goes round in circles (%.2f CPUs)", had,
			cpu);
	else if (t && t->all && t->asleep.uninterruptible)
		because(f,
			"%s: %zu of its %zu threads sleep so that no signal wakes "
			"them, %s in %s (%s)",
			had, t->asleep.uninterruptible, t->all, t->asleep.command,
			*t->asleep.call ? t->asleep.call : "?",
			*t->asleep.wchan ? t->asleep.wchan : "?");
	else if (t && t->all)
		because(f,
			"%s: %zu of its %zu threads sleep: it waits for something, "
			"as a lock, a timer, or another process",
			had, t->asleep.count, t->all);
	else
		because(f, "%s: it waits for something, or is held up (%.2f CPUs)", had,
			cpu);
}

static void see_sleepers(const struct look *l, struct finding *f)
{
	const struct stuck_threads *t = l->readings->stuck;
	struct evidence *e;

	if (!t || !t->all)
		return;
	e = see_own(f, IN_AGE_SERVER, "of its threads sleep now", "{thread}",
		    t->asleep.count, UNBOUND);
	e->metric = "/proc/PID/stat";
	e->key = NULL;
	e->stat = "now";
}

/*
 * Who is not known to answer at all may be one that only takes (logs, metrics): that is
 * nothing critical, and with a baseline in which it answered nothing either no reason
 * to act.
 */
static enum severity severity_of_server(const struct look *l, double age)
{
	bool answers =
	    now_of(l, IN_SERVED) > 0 || (l->before && l->before->value[IN_SERVED] > 0);

	if (answers)
		return severity_of_hang(l, age);
	return l->before ? SEVERITY_NOTICE : SEVERITY_WARNING;
}

static void server_hangs(const struct look *l, struct finding *f)
{
	double age = see(l, f, IN_AGE_SERVER, HANGS_REQUEST);
	double usual = usual_response(l);
	char since[UNITS_TIME_LEN];
	bool always =
	    age >= HANGS_REQUEST && always_waits(l, IN_AGE_SERVER, age, usual);

	if (always)
		see_always(l, f, IN_AGE_SERVER, age, usual);
	if (age < HANGS_REQUEST || always) {
		age_is_known(l, f, IN_AGE_SERVER, HANGS_REQUEST);
		return;
	}
	see(l, f, IN_SERVED, UNBOUND);
	see(l, f, IN_SERVED_P90, UNBOUND);
	see(l, f, IN_CPU, UNBOUND);
	see_sleepers(l, f);
	/* of a node it comes before who waits for it: here is the cause */
	found(f, severity_of_server(l, age), 65 + (age < HANGS_LONG ? age : HANGS_LONG),
	      "%s does not answer: a request has had no answer for %.0f s, since %s",
	      name_of(l->now), age, since_text(since, l, age));
	say_why_no_answer(l, f);
	say_unknown(l, f);
	then_of_each(l, f, THREADS_OF_P,
		     "who sleeps where (R: it runs); then the program's own stacks");
	note_change(f, hang_change(l, IN_AGE_SERVER, age, HANGS_REQUEST));
}

/* --- what ends without an answer --- */

#define RESPONSES_FAILED 5
#define RESPONSES_SHARE	 0.05

static double unanswered_share(const struct facts *f)
{
	double all = f->value[IN_ASKED_ERRORS] + f->value[IN_ASKED];

	return all > 0 ? f->value[IN_ASKED_ERRORS] / all : NAN;
}

static void no_answer(const struct look *l, struct finding *f)
{
	double n = now_of(l, IN_ASKED_ERRORS), all = n + now_of(l, IN_ASKED);

	if (!all)
		return;
	see(l, f, IN_ASKED_ERRORS, RESPONSES_FAILED);
	see_of(l, f, IN_ASKED_ERRORS, "of its requests got no answer", "1",
	       unanswered_share, RESPONSES_SHARE);
	if (n < RESPONSES_FAILED || n / all < RESPONSES_SHARE)
		return;
	see(l, f, IN_ASKED, UNBOUND);
	see(l, f, IN_RESETS_IN, UNBOUND);
	found(f, severity_of(n / all, 0.2, 0.8), 25 + n / all * 50,
	      "requests of %s get no answer: of %.0f %.0f ended with their connection",
	      name_of(l->now), all, n);
	because(f, "what it asks ends connections, crashes, or is being restarted");
	ask_there(l, f,
		  peers_tell(l, f, PEER_METRIC, "unanswered",
			     "requests without an answer", "went to"));
	judge_change(l, f, IN_ASKED_ERRORS, RESPONSES_FAILED);
}

static const struct rule rows[] = {
	{ .id = "net.dependency_slow",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "what it asks answers quickly",
	  .not_ = { "cpu.quota", "cpu.neighbours", "net.loss", "net.dns_slow" },
	  .after = { "cpu.quota", "cpu.neighbours", "net.loss", "net.way",
		     "net.dependency_hangs" },
	  .look = dependency_slow },
	{ .id = "net.dependency_hangs",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "nothing hangs that it has asked since the probes are on",
	  .not_ = { "net.loss", "net.connect", "cpu.neighbours" },
	  .after = { "net.dns", "net.connect", "net.loss", "net.accept_full" },
	  .look = dependency_hangs },
	{ .id = "net.server_hangs",
	  .resource = "net",
	  .of_threads = true,
	  .probes = "tcp",
	  .calm = "it keeps no request without an answer",
	  .not_ = { "net.dependency_hangs", "calls.stuck", "cpu.quota",
		    "cpu.neighbours" },
	  .after = { "net.dependency_hangs", "calls.stuck", "net.connect", "cpu.quota",
		     "net.accept_full" },
	  .look = server_hangs },
	{ .id = "net.no_answer",
	  .resource = "net",
	  .probes = "tcp",
	  .calm = "its requests get answers",
	  .not_ = { "net.loss", "net.connect" },
	  .after = { "net.connect", "net.loss", "net.dependency_hangs" },
	  .look = no_answer },
};

const struct rule_table rules_ask = { rows, COUNT(rows) };
