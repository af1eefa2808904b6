# SPDX-License-Identifier: Apache-2.0
"""DNS servers that are slow, fail, do not answer, or are not there."""

from dnsload import DnsLoad, new_netns, queries
from incident import incident

SERVER, NOBODY = "127.0.0.53", "127.9.9.9"
PER_SECOND, SECONDS = 10, 60


def look_up(stage, action, ms=0, server=SERVER, connected=False):
    netns = new_netns("incident")
    DnsLoad(stage.neighbour, "server", SERVER, netns=netns)
    client = DnsLoad(stage.victim, "client", netns=netns)
    asked = queries(action, PER_SECOND * SECONDS, ms, every=1 / PER_SECOND)
    client.tell("ask", [server, connected], asked, 2 * SECONDS)


@incident("dns_slow", finding="net.dns_slow")
def _(stage):
    look_up(stage, "ok", 1000)


@incident("dns_failing", finding="net.dns", says="SERVFAIL")
def _(stage):
    look_up(stage, "servfail")


@incident("dns_timing_out", finding="net.dns", says="no answer")
def _(stage):
    look_up(stage, "drop")
    stage.lead = 7  # what has no answer is one that timed out 5 s later


@incident("dns_rejected", finding="net.dns", says="rejected")
def _(stage):
    look_up(stage, "ok", server=NOBODY, connected=True)
