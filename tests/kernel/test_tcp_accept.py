#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Accept queues, who owns an accepted connection, what is in flight, and nothing that
stays behind."""

import os
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from node import Cgroup, Load, cgroup_root
from readings import Change
from tap import between, check, defer, diag, main, need_root, same, test
from tcp import (ACCEPT, ACCEPTS, INFLIGHT, IO, OPEN, OPENED, OVERFLOWS, RESPONSE,
                 UNANSWERED, Pair, Steps, Switch, Wire, bucket, ip, queued, total)

need_root()


for wait in 0.1, 0.5:
    @test(f"connections that wait {wait * 1e3:g} ms in the queue are in that bucket")
    def _(wait=wait):
        steps = Steps("queue")
        before = total()
        began = time.monotonic()
        client = steps.client.ask("connect", 20)
        time.sleep(wait)
        server = steps.server.ask("accept", 20)
        longest = time.monotonic() - began
        after = total()
        change = Change(before, after)
        same(change.value(steps.groups[0], ACCEPT), 20, "waits")
        same(change.value(steps.groups[0], ACCEPTS), 20, "accepts")
        same(change.value(steps.groups[1], ACCEPT), 0, "waits of the client")
        between(change.seconds(steps.groups[0], ACCEPT), *queued(client, server),
                "sum of the waits, s")
        p50 = bucket(after.p50(steps.groups[0], ACCEPT))
        between(p50, bucket(wait) - 1, bucket(longest) + 1, "bucket of p50")


class Activated(Steps):
    """A listener made in one cgroup and inherited by a server in another."""

    def __init__(self, name, backlog=100):
        self.home = Cgroup(name + "-home")
        with open("/proc/self/cgroup") as f:
            ours = next(line[3:-1] for line in f if line.startswith("0::/"))
        self.home.enter()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen(backlog)
            with open(cgroup_root() + ours + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))
            self.groups = Cgroup(name + "-server"), Cgroup(name + "-client")
            port, fd = s.getsockname()[1], s.fileno()
            self.server = Load(self.groups[0], "tcpnet", "server", "127.0.0.1", port,
                               "-l", fd, pass_fds=[fd])
            self.held = s.dup()
        defer(self.held.close)
        self.client = Load(self.groups[1], "tcpnet", "client", "127.0.0.1", port)


@test("what another cgroup than the listener's accepts is the accepting one's")
def _():
    steps = Activated("activation")
    before = total()
    steps.client.ask("connect", 30)
    time.sleep(0.1)
    steps.server.ask("accept", 30)
    steps.talk(10)
    change = Change(before, total())
    home, server = steps.home, steps.groups[0]
    same([change.value(g, RESPONSE) for g in (home, server)], [0, 300], "responses")
    same([change.value(g, ACCEPT) for g in (home, server)], [0, 30], "accept waits")
    same([change.by(g, OPEN, "role") for g in (home, server)], [{}, {"server": 30}],
         "open")
    same([change.value(g, IO, direction="receive") for g in (home, server)],
         [0, 300 * 64], "bytes received")
    same([change.value(g, IO, direction="transmit") for g in (home, server)],
         [0, 300 * 512], "bytes sent")
    same([change.value(g, OPENED) for g in (home, server)], [30, 0],
         "became established, before they had another owner")
    steps.client.ask("drop")
    steps.server.ask("drop")
    end = total()
    same([end.value(g, OPEN) for g in (home, server)], [0, 0], "open at the end")


@test("so is one that only listens to its client, also when it waited for seconds")
def _():
    steps = Activated("silent")
    before = total()
    steps.client.ask("connect", 5)
    for _ in range(3):
        steps.client.ask("send", 1)
        time.sleep(1.1)
    home, server = steps.home, steps.groups[0]
    same([Change(before, total()).value(g, IO) for g in (home, server)], [0, 0],
         "bytes of connections that nobody has accepted yet")
    steps.server.ask("accept", 5)
    change = Change(before, total())
    same([change.value(g, IO) for g in (home, server)], [0, 5 * 3 * 64],
         "bytes, by the walk")
    steps.client.ask("drop", 1)
    steps.server.ask("drop")
    change = Change(before, total())
    same([change.value(g, IO) for g in (home, server)], [0, 5 * 3 * 64], "bytes")
    same([change.value(g, UNANSWERED) for g in (home, server)], [0, 5], "unanswered")
    end = total()
    same([end.value(g, OPEN) for g in (home, server)], [0, 0], "open at the end")


@test("overflows of an accept queue are the kernel's ListenOverflows and ListenDrops")
def _():
    wire = Wire()
    keys = "ListenOverflows", "ListenDrops"
    steps = Steps("overflow", "-b", 3, address="10.77.1.2", netns=wire.names)
    before, was = total(), wire.netstat(0, *keys)
    steps.client.ask("flood", 40)
    time.sleep(1.5)
    steps.client.ask("drop", 1)
    truth = [b - a for a, b in zip(was, wire.netstat(0, *keys))]
    change = Change(before, total())
    diag(f"{keys}: {truth}")
    check(truth[0] >= 36, "the queue did not overflow")
    same([change.value(steps.groups[0], OVERFLOWS)] * 2, truth, "overflows")
    same(change.value(steps.groups[1], OVERFLOWS), 0, "overflows of the client")
    steps.client.ask("flood", 40)
    time.sleep(0.3)
    steps.client.ask("drop", 1)
    truth = [b - a for a, b in zip(was, wire.netstat(0, *keys))]
    steps.server.ask("close")
    change = Change(before, total())
    same([change.value(steps.groups[0], OVERFLOWS)] * 2, truth,
         "overflows of a listener that has been closed since the last report")


@test("overflows of an inherited listener are the server's, whoever else holds it")
def _():
    steps = Activated("inherited", backlog=2)
    total()  # a walk that sees who holds it
    before = total()
    steps.client.ask("flood", 20)
    time.sleep(0.2)
    steps.client.ask("drop", 1)
    change = Change(before, total())
    same(change.value(steps.home, OVERFLOWS), 0, "overflows of the listener's maker")
    check(change.value(steps.groups[0], OVERFLOWS) >= 17, "no overflows of the server")


def ages(numbers, cgroup):
    """Seconds in flight of a cgroup's TCP operations, by operation."""
    return {k: v for k, v in numbers.by(cgroup, INFLIGHT, "operation").items()
            if k.startswith("tcp")}


@test("a stopped server is in flight at both ends, until it answers")
def _():
    pair = Pair("stopped")
    pair.ask("hold", 1)
    os.kill(pair.server.pid, signal.SIGSTOP)
    pair.client.tell("ask", 1)
    began = time.monotonic()
    time.sleep(0.5)
    early = time.monotonic() - began
    now = total()
    late = time.monotonic() - began
    for group, name in ((pair.server_group, "tcp.server"),
                        (pair.client_group, "tcp.client")):
        got = ages(now, group)
        same(list(got), [name], "operations in flight")
        between(got[name], early - 0.1, late + 0.1, f"age of {name}, s")
    os.kill(pair.server.pid, signal.SIGCONT)
    pair.client.reply()
    now = total()
    same([ages(now, g) for g in (pair.server_group, pair.client_group)], [{}, {}],
         "in flight after the answer")


@test("a connect that nobody answers is in flight")
def _():
    wire = Wire()
    ip("-n", wire.names[0], "neigh", "add", "10.77.1.9", "lladdr", "02:00:00:00:00:09",
       "dev", "veth0")
    cgroup = Cgroup("void")
    client = Load(cgroup, "tcpnet", "client", "10.77.1.9", 80, netns=wire.names[0])
    began = time.monotonic()
    client.ask("flood", 3)
    time.sleep(0.4)
    got = ages(total(), cgroup)
    same(list(got), ["tcp.connect"], "operations in flight")
    between(got["tcp.connect"], 0.4, time.monotonic() - began, "age, s")
    client.ask("drop")
    same(ages(total(), cgroup), {}, "in flight after giving up")


@test("a turn from before the probe was switched off is forgotten")
def _():
    steps = Steps("off")
    steps.client.ask("connect", 2)
    steps.server.ask("accept", 2)
    steps.talk(1)
    with Switch("tcp") as switch:
        steps.client.ask("send", 1)
        time.sleep(0.1)
        check(ages(total(), steps.groups[1]), "no turn is open")
        before = total()
        switch.off()
        steps.server.ask("answer", 1)
        time.sleep(0.5)
        same(ages(total(), steps.groups[1]), {}, "in flight while it is off")
        switch.on()
        same(ages(total(), steps.groups[1]), {}, "in flight from before")
        began = time.monotonic()
        steps.talk(1)
        took = time.monotonic() - began
        change = Change(before, total())
        for group in steps.groups:
            same(change.value(group, RESPONSE), 2, "responses since it is on again")
            between(change.seconds(group, RESPONSE), 0, 2 * took, "their seconds")
        switch.off()
        steps.client.ask("drop")
        steps.server.ask("drop")
        time.sleep(0.2)
        switch.on()
    same([total().value(g, OPEN) for g in steps.groups], [0, 0], "open at the end")


@test("an accept that began before the agent is one too")
def _():
    steps = Steps("early")
    steps.server.tell("accept", 1)
    tcp.restart()
    steps.client.ask("connect", 1)
    steps.server.reply()
    same(total().value(steps.groups[0], ACCEPTS), 1, "accepts")


@test("what a listener dropped before the agent came is its past")
def _():
    wire = Wire()
    steps = Steps("past", "-b", 3, address="10.77.1.2", netns=wire.names)
    steps.client.ask("flood", 40)
    time.sleep(0.3)
    check(wire.netstat(0, "ListenDrops")[0] >= 36, "the queue did not overflow")
    steps.client.ask("drop", 1)
    tcp.restart()
    same(total().value(steps.groups[0], OVERFLOWS), 0, "overflows")


main(tcp.setup)
