#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""tcp and dns in windows: responses and lookups are estimates then, each with its error;
connections and bytes stay exact. The hook that both have is there while one needs it."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=900

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
import dnsload
from node import PATIENCE, Cgroup, Load, free_port, wait_for
from off import lost
from readings import Change
from tap import between, check, diag, main, need_root, same, test

need_root()

agent = None
PACKETS = {"tcp_segment_in", "tcp_packet_out", "dns_packet_in"}
THINK_MS = 3
RESPONSES, BYTES = "assay.tcp.response.duration", "assay.tcp.io"


def setup():
    global agent
    agent = dnsload.begin("tcp", "dns", "syscall", options=("--export-interval", "1s"))


def hooks():
    found = set()
    for kind, _, fields in bpf.descriptors(agent.pid()):
        if kind == "link":
            found.add(bpf.prog_info(int(fields["prog_id"]))["name"])
    return found & PACKETS


def whole(*names):
    for name in names:
        agent.tune(name, "duty=1")
    wait_for(lambda: hooks() == PACKETS, PATIENCE, "all hooks")
    time.sleep(1)


def near(change, after, cgroup, name, truth, what, **attributes):
    """An estimate is no further off than it may be."""
    got = change.value(cgroup, name, **attributes)
    points = after.points(cgroup, name, **attributes)
    error = points[0].get("relative_standard_error", 0) * got
    diag(f"{what}: {got} of {truth}, standard error {error:.0f}")
    check(points[0].get("estimated"), f"{what}: it does not say that it is an estimate")
    between(got, truth * 0.97 - 4 * error, truth * 1.03 + 4 * error, what)


@test("the hook that tcp and dns share is there while one of them needs it")
def _():
    same(hooks(), PACKETS, "at first")
    agent.tune("tcp", "window=300ms", "duty=1/4")
    wait_for(lambda: hooks() == {"tcp_packet_out", "dns_packet_in"}, PATIENCE, "a gap of tcp's", 0.005)
    wait_for(lambda: hooks() == PACKETS, PATIENCE, "a window of tcp's", 0.005)
    agent.tune("dns", "window=300ms", "duty=1/4")
    wait_for(lambda: hooks() == set(), PATIENCE, "a gap of both", 0.005)
    wait_for(lambda: hooks() == {"tcp_packet_out", "dns_packet_in"}, PATIENCE, "a window of dns'", 0.005)
    wait_for(lambda: hooks() == {"tcp_packet_out", "tcp_segment_in"}, PATIENCE, "one of tcp's", 0.005)
    agent.tune("tcp", "enabled=false")
    wait_for(lambda: hooks() == set(), PATIENCE, "tcp is off, and a gap of dns'", 0.005)
    wait_for(lambda: hooks() == {"tcp_packet_out", "dns_packet_in"}, PATIENCE, "a window of dns'", 0.005)
    agent.tune("tcp", "enabled=true")
    whole("dns")


@test("tcp: responses are estimates, and connections and bytes are exact")
def _():
    port = free_port()
    groups = Cgroup("server"), Cgroup("client")
    server = Load(groups[0], "tcpload", "server", "127.0.0.1", port)
    client = Load(groups[1], "tcpload", "-k", THINK_MS, "client", "127.0.0.1", port)
    before = agent.total()
    same(client.ask("talk", 1, 5, 4)["requests"], 20, "truth")
    change = Change(before, agent.total())
    same([change.value(g, RESPONSES) for g in groups], [20, 20], "responses at first")
    sizes = {d: n // 20 for d, n in change.by(groups[0], BYTES, "direction").items()}
    agent.tune("tcp", "window=50ms", "duty=1/8")
    before = agent.total()
    client.ask("talk", 2, 40, 80)
    time.sleep(1)  # a window that sees that it is over
    after = agent.total()
    change = Change(before, after)
    for group, role in zip(groups, ("server", "client")):
        near(change, after, group, RESPONSES, 6400, f"responses of the {role}", role=role)
        same(change.value(group, "assay.tcp.connections"), 80, "connections")
        same(change.value(group, "assay.tcp.response.errors"), 0, "without a response")
    same(change.by(groups[0], BYTES, "direction"),
         {d: n * 6400 for d, n in sizes.items()}, "bytes")
    same(lost(change), {}, "lost")
    whole("tcp")
    before = agent.total()
    same(client.ask("talk", 1, 5, 4)["requests"], 20, "truth")
    change = Change(before, agent.total())
    same([change.value(g, RESPONSES) for g in groups], [20, 20], "responses afterwards")
    same(change.by(groups[0], BYTES, "direction"), {d: n * 20 for d, n in sizes.items()},
         "bytes afterwards")
    server.close()


@test("accepts are estimates while syscall runs in windows")
def _():
    port = free_port()
    groups = Cgroup("accepts"), Cgroup("connects")
    server = Load(groups[0], "tcpload", "server", "127.0.0.1", port)
    client = Load(groups[1], "tcpload", "-k", 1, "client", "127.0.0.1", port)
    client.ask("talk", 1, 5, 4)
    agent.tune("syscall", "window=50ms", "duty=1/8")
    before = agent.total()
    client.ask("talk", 2, 400, 8)
    time.sleep(1)
    after = agent.total()
    change = Change(before, after)
    near(change, after, groups[0], "assay.tcp.accepts", 800, "accepts")
    same([change.value(g, "assay.tcp.connections") for g in groups], [800, 800],
         "connections")
    same([change.value(g, RESPONSES) for g in groups], [6400, 6400], "responses")
    agent.tune("syscall", "duty=1")
    server.close()
    time.sleep(1)


@test("dns: lookups are estimates")
def _():
    pair = dnsload.Pair("windows")
    ask = dnsload.queries("ok", 20)
    pair.ask(ask)
    pair.counted(ok=20)
    agent.tune("dns", "window=50ms", "duty=1/8")
    before, asked, end = agent.total(), 0, time.monotonic() + 15
    while time.monotonic() < end:
        pair.client.ask("ask", [pair.addresses[0], False], ask, 2)
        asked += len(ask)
        time.sleep(0.005)
    time.sleep(1)
    after = agent.total()
    near(Change(before, after), after, pair.group, dnsload.LOOKUP, asked, "lookups")
    same(lost(Change(before, after)), {}, "lost")
    whole("dns")
    pair.log()
    pair.ask(ask)
    pair.counted(ok=20)


main(setup)
