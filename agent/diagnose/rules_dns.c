// SPDX-License-Identifier: Apache-2.0
/* What DNS does not answer, or not well. */
#include <string.h>
#include "base/util.h"
#include "diagnose/peers.h"
#include "diagnose/rule.h"

#define LOOKUPS_LEAST 5
#define DNS_FAILED    3
#define DNS_SHARE     0.05
#define DNS_SLOW      0.1 /* s, p90 */

/* The command that asks the server by hand: that one, if it is known. */
void ask_server(struct finding *f, const char *server)
{
	int len = server ? (int)(strrchr(server, ':') - server) : 0;

	if (server && *server == '[') { /* dig wants neither brackets nor port */
		server++;
		len -= 2;
	}
	if (server)
		then(f, "dig @%.*s NAME   # in the container", len, server);
	else
		then(f, "cat /etc/resolv.conf   # in the container; then: dig @SERVER "
			"NAME");
}

/* How lookups can fail; which of them is the most is told. */
static const struct dns_failure {
	enum input in;
	const char *what, *event, *those, *cause;
} dns_failures[] = {
	{ IN_LOOKUP_TIMEOUT, "get no answer", "timeout", "lookups without an answer",
	  "the DNS server is down or overloaded, or packets to it or from it are dropped "
	  "(network policy, conntrack)" },
	{ IN_LOOKUP_UNREACHABLE, "are rejected", "failed", "rejected lookups",
	  "nobody listens at the DNS server's address, or a firewall rejects what is for "
	  "it (a Kubernetes Service without ready endpoints)" },
	{ IN_LOOKUP_SERVFAIL, "fail", "failed", "failed lookups",
	  "the DNS server cannot find out: its own server above it fails (SERVFAIL)" },
	{ IN_LOOKUP_REFUSED, "fail", "failed", "failed lookups",
	  "the DNS server does not serve this client or zone (REFUSED)" },
};

static double failed_lookups(const struct facts *f)
{
	double failed = 0;

	for (size_t i = 0; i < COUNT(dns_failures); i++)
		failed += f->value[dns_failures[i].in];
	return failed;
}

/* Of all its lookups; NAN: it made none. */
static double failed_share(const struct facts *f)
{
	return f->value[IN_LOOKUPS] > 0 ? failed_lookups(f) / f->value[IN_LOOKUPS]
					: NAN;
}

static double nameless_share(const struct facts *f)
{
	return f->value[IN_LOOKUPS] > 0
		   ? f->value[IN_LOOKUP_NXDOMAIN] / f->value[IN_LOOKUPS]
		   : NAN;
}

static void dns_failing(const struct look *l, struct finding *f)
{
	const struct dns_failure *most = dns_failures;
	double failed = failed_lookups(l->now), all = now_of(l, IN_LOOKUPS), share;
	char time[UNITS_LEN];

	if (!all)
		return;
	for (size_t i = 0; i < COUNT(dns_failures); i++)
		if (now_of(l, dns_failures[i].in) > now_of(l, most->in))
			most = &dns_failures[i];
	see_of(l, f, IN_LOOKUPS, "DNS lookups that failed", "{lookup}", failed_lookups,
	       DNS_FAILED)
	    ->baseline *= as_long(l, IN_LOOKUPS);
	share = see_of(l, f, IN_LOOKUPS, "of its DNS lookups failed", "1", failed_share,
		       DNS_SHARE)
		    ->number;
	if (failed < DNS_FAILED || share < DNS_SHARE)
		return;
	for (size_t i = 0; i < COUNT(dns_failures); i++)
		see(l, f, dns_failures[i].in, UNBOUND);
	see(l, f, IN_LOOKUP_RETRIES, UNBOUND);
	see(l, f, IN_LOOKUP_P50, UNBOUND);
	found(f, severity_of(share, DNS_SHARE, 0.5), 40 + share * 55,
	      "DNS lookups of %s %s: %.0f of %.0f in %s", name_of(l->now), most->what,
	      failed, all, span_text(time, l->now->duration_s));
	because(f, "%s", most->cause);
	ask_server(f,
		   peers_tell(l, f, SERVER_METRIC, most->event, most->those, "asked"));
	judge_change(l, f, most->in, DNS_FAILED);
}

static void dns_names(const struct look *l, struct finding *f)
{
	double n = now_of(l, IN_LOOKUP_NXDOMAIN), all = now_of(l, IN_LOOKUPS), before;
	double least;

	if (!all || !l->before || !l->before->value[IN_LOOKUPS])
		return; /* search domains make NXDOMAIN usual: only a change says
			   anything */
	see(l, f, IN_LOOKUP_NXDOMAIN, 2 * LOOKUPS_LEAST);
	before = nameless_share(l->before);
	least = fmax(0.3, 2 * before);
	see_of(l, f, IN_LOOKUP_NXDOMAIN, "of its lookups have no such name", "1",
	       nameless_share, least);
	if (n < 2 * LOOKUPS_LEAST || n / all < least)
		return;
	found(
	    f, SEVERITY_WARNING, 30 + n / all * 40,
	    "names that %s looks up do not exist any more: %.0f of %.0f lookups, before "
	    "%.0f %%",
	    name_of(l->now), n, all, before * 100);
	because(f, "a service was removed or renamed, or its record is gone");
	then(f, "assay report   # then: dig NAME in the container");
	f->change = CHANGE_NEW;
}

static void dns_slow(const struct look *l, struct finding *f)
{
	double p90, n = now_of(l, IN_LOOKUPS);

	/* what got no answer is as long as one was waited for: p90 would be that */
	if (!n || now_of(l, IN_LOOKUP_TIMEOUT) >= 0.1 * n)
		return;
	p90 = see(l, f, IN_LOOKUP_P90, DNS_SLOW);
	see(l, f, IN_LOOKUPS, LOOKUPS_LEAST);
	if (p90 < DNS_SLOW || n < LOOKUPS_LEAST)
		return;
	see(l, f, IN_LOOKUP_P50, UNBOUND);
	see(l, f, IN_LOOKUP_RETRIES, UNBOUND);
	found(f, severity_of(p90, 2 * DNS_SLOW, 5), 30 + (p90 < 5 ? p90 * 8 : 40),
	      "DNS answers %s slowly: %.0f ms (p90, of %.0f lookups)", name_of(l->now),
	      p90 * 1e3, n);
	because(
	    f,
	    "the DNS server is slow or far away, or asks one that is; or answers get "
	    "lost and it asks again");
	ask_server(
	    f, peers_tell(l, f, SERVER_METRIC, "slow", "slow answers", "came from"));
	judge_change(l, f, IN_LOOKUP_P90, DNS_SLOW / 2);
}

static const struct rule rows[] = {
	{ .id = "net.dns",
	  .resource = "net",
	  .probes = "dns",
	  .calm = "its DNS lookups get answers",
	  .not_ = { "net.connect", "net.loss", "net.dns_slow" },
	  .look = dns_failing },
	{ .id = "net.dns_names",
	  .resource = "net",
	  .probes = "dns",
	  .calm = "the names that it looks up exist as before",
	  .not_ = { "net.dns" },
	  .look = dns_names },
	{ .id = "net.dns_slow",
	  .resource = "net",
	  .probes = "dns",
	  .calm = "DNS answers it quickly",
	  .not_ = { "net.dns", "net.way", "cpu.neighbours" },
	  .after = { "net.dns", "cpu.quota", "cpu.neighbours" },
	  .look = dns_slow },
};

const struct rule_table rules_dns = { rows, COUNT(rows) };
