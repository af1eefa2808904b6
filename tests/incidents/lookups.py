# SPDX-License-Identifier: Apache-2.0
"""DNS servers that are slow, fail, do not answer, or are not there."""

import time

from dnsload import DnsLoad, new_netns, queries
from incident import Agent, incident
from node import scratch
from tap import defer

SERVER, NOBODY = "127.0.0.53", "127.9.9.9"
PER_SECOND, SECONDS = 10, 60
WELL = 75  # s; a baseline has to be longer than a minute


def ask(stage, asked, server=SERVER, connected=False):
    netns = new_netns("incident")
    DnsLoad(stage.neighbour, "server", SERVER, netns=netns)
    client = DnsLoad(stage.victim, "client", netns=netns)
    client.tell("ask", [server, connected], asked, 2 * (WELL + SECONDS))


def look_up(stage, action, ms=0, **options):
    ask(stage, queries(action, PER_SECOND * SECONDS, ms, every=1 / PER_SECOND), **options)


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


def clock(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@incident("dns_names_gone", finding="net.dns_names")
def _(stage):
    """Names that were there a minute ago do not exist any more."""
    history = scratch() + "/history.db"
    stage.agent = Agent("--history", history)
    defer(stage.agent.stop)
    there = queries("ok", PER_SECOND * WELL, every=1 / PER_SECOND)
    gone = queries("nx", PER_SECOND * SECONDS, first=len(there), every=1 / PER_SECOND)
    began = time.time()
    ask(stage, there + [[at + WELL, *rest] for at, *rest in gone])
    stage.lead = WELL + 10
    stage.options = ("--history", history, "--baseline",
                     f"{clock(began)}..{clock(began + WELL)}")
