#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Listeners and connections of MPTCP, which servers written in Go have by default: with
plain clients, and with clients of its kind."""
# vm: kernels=6.1,6.12,7.x ci=none

import os
import socket
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from node import IN_GUEST
from readings import Change
from tap import Skip, between, check, diag, main, need_root, same, test
from tcp import (ACCEPT, ACCEPTS, CONNECT, INFLIGHT, IO, OPEN, OPENED, OVERFLOWS,
                 Steps, answered, queued, total)

need_root()
if IN_GUEST:
    tcp.SETTLE = 1.0  # a guest without KVM takes its time


def setup():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP).close()
    except OSError as e:
        raise Skip(f"no MPTCP on this kernel: {e}")
    tcp.setup()


WAYS = (("a plain listener and plain clients", (), ()),
        ("an MPTCP listener and plain clients", ("-m",), ()),
        ("an MPTCP listener and MPTCP clients", ("-m",), ("-m",)),
        ("a plain listener and MPTCP clients", (), ("-m",)))


SIZES = 64, 512  # of a request and of its response


def counter(group, name):
    """A counter of this namespace's network stack, as nstat shows it; 0: not known here."""
    with open("/proc/net/netstat") as f:
        names, values = [l.split() for l in f if l.startswith(group)] or ((), ())
    return int(values[names.index(name)]) if name in names else 0


def drops():
    """Connections that listeners of this namespace have dropped."""
    return counter("TcpExt:", "ListenDrops")


def received(change, groups):
    return [change.value(g, IO, direction="receive") for g in groups]


for text, server, client in WAYS:
    @test(f"{text}: accepts, their waits, responses and bytes are all there")
    def _(server=server, client=client):
        steps = Steps("mptcp", *server, client=client)
        steps.mptcp = "-m" in (*server, *client)
        before, repeated = total(), counter("MPTcpExt:", "MPTCPRetrans")
        connected = steps.client.ask("connect", 20)
        time.sleep(0.2)
        accepted = steps.server.ask("accept", 20)
        steps.talk(10)
        change = Change(before, total())
        home, asker = steps.groups
        same([change.by(g, OPENED, "role") for g in steps.groups],
             [{"server": 20}, {"client": 20}], "connections")
        same([change.value(home, m) for m in (ACCEPTS, ACCEPT)], [20, 20],
             "accepts, their waits")
        same([change.value(asker, m) for m in (ACCEPTS, ACCEPT, CONNECT)], [0, 0, 20],
             "accepts of the client, their waits; its connects")
        between(change.seconds(home, ACCEPT), *queued(connected, accepted),
                "sum of the waits, s")
        answered(change, steps.groups, 200)
        # a walk does not find a path of MPTCP whose entry in the table is another's
        # what MPTCP repeats on another connection, as an acknowledgement was late, was received
        again = counter("MPTcpExt:", "MPTCPRetrans") - repeated
        for group, n, size in zip(("server", "client"), received(change, steps.groups), SIZES):
            between(n, (160 if steps.mptcp else 200) * size, (200 + again) * size,
                    f"bytes received so far, {group}")
        same([change.by(g, OPEN, "role") for g in steps.groups],
             [{"server": 20}, {"client": 20}], "open")
        steps.client.ask("send", 1)
        time.sleep(0.5)
        now = total()
        for group, name in zip(steps.groups, ("tcp.server", "tcp.client")):
            ages = now.by(group, INFLIGHT, "operation")
            check(ages.get(name, 0) > 0.4, f"{name} is not in flight: {ages}")
        steps.server.ask("answer", 1)
        steps.client.ask("drop")
        steps.server.ask("drop")
        time.sleep(0.5)
        end = total()
        same([end.value(g, OPEN) for g in steps.groups], [0, 0], "open at the end")
        # and the 20 that were sent and answered last
        again = counter("MPTcpExt:", "MPTCPRetrans") - repeated
        for n, size in zip(received(Change(before, end), steps.groups), SIZES):
            between(n, 220 * size, (220 + again) * size, "bytes received, at the end")


for text, server, client in WAYS[1:3]:
    @test(f"{text}: what a full queue drops is counted, while it is open and after")
    def _(server=server, client=client):
        steps = Steps("overflow", *server, "-b", 2, client=client)
        before, was = total(), drops()
        steps.client.ask("flood", 20)
        time.sleep(0.5)
        truth = drops() - was
        open_now = Change(before, total()).value(steps.groups[0], OVERFLOWS)
        later = drops() - was
        diag(f"ListenDrops of this namespace {truth} and {later}, ours {open_now}")
        # others' listeners here may drop, too; the first SYN of each of 17 was dropped
        between(open_now, 17, later, "overflows")
        steps.client.ask("drop", 1)
        steps.server.ask("close")
        time.sleep(0.2)
        end = Change(before, total()).value(steps.groups[0], OVERFLOWS)
        between(end, open_now, drops() - was, "overflows when it is closed")
        time.sleep(0.2)
        same(Change(before, total()).value(steps.groups[0], OVERFLOWS), end,
             "overflows of a listener that is gone")


main(setup)
