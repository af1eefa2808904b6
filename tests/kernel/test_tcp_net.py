#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""TCP over all kinds of paths, with all kinds of ends, and nothing that stays behind."""

import os
import re
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
import tcp
from node import PATIENCE, Cgroup, Load, free_port, least_memory, wait_for
from readings import Change
from tap import Busy, between, check, diag, main, need_root, same, test
from tcp import (CONNECT, FAILED, IO, OPEN, OPENED, RESETS, RESPONSE, RETRANSMITS,
                 SYN_RETRANSMITS, UNANSWERED, Bridge, Pair, Steps, Wire, ip,
                 total)

need_root()

REUSES = int(os.environ.get("ASSAY_TEST_REUSES", 100000))  # nightly: 1000000
held_at_start = None


def setup():
    global held_at_start
    tcp.setup("--export-interval", "1s", "--memory", least_memory())
    held_at_start = occupancy()


def entries(table="conns"):
    """How many entries the table of connections has, or what is beside it."""
    return bpf.entries(tcp.agent.pid(), table)


def occupied():
    return bpf.occupied(tcp.agent.pid(), "conns")


def occupancy():
    """How many keys each hash of the agent has, and how many entries of the table of
    connections are taken; of the open values those that are errors of connects, as
    others are at work on this machine, too: so what is kept of threads and disks is
    not counted."""
    OPEN_CONNECT_ERROR = 8
    OF_OTHERS = "threads_spill", "calls_spill", "sched_asleep", "disks"
    hashes = bpf.hashes(tcp.agent.pid())
    hashes["opens"] = [key for key in hashes["opens"]
                       if struct.unpack("III", key)[1] == OPEN_CONNECT_ERROR]
    return {"conns": occupied(),
            **{name: len(keys) for name, keys in hashes.items() if name not in OF_OTHERS}}


def exact(pair):
    """800 requests on 20 connections: all of it at both ends, and once."""
    client, server = pair.ask("talk", 4, 5, 40)
    same((client["requests"], server["requests"]), (800, 800), "truth")
    pair.opened(20)
    pair.responses(800)
    pair.bytes(client, server)


for text, address in (("IPv4", "127.0.0.1"), ("IPv6", "::1"),
                      ("IPv4-mapped IPv6", "::ffff:127.0.0.1")):
    test(f"all is counted once over {text}")(
        lambda address=address: exact(Pair("address", address=address)))

for text, netfilter in (("a cable between two namespaces", None), ("a bridge", 0),
                        ("a bridge with bridge-nf-call-iptables", 1)):
    test(f"all is counted once over {text}")(
        lambda netfilter=netfilter: exact(Pair("bridge", address="10.78.0.1",
                                               netns=Bridge(netfilter).names)))


@test("non-blocking connects that are waited for together are N connects")
def _():
    steps = Steps("epoll")
    before = total()
    same(steps.client.ask("epoll", 200)["connected"], 200, "truth")
    change = Change(before, total())
    same([change.by(g, OPENED, "role") for g in steps.groups],
         [{"server": 200}, {"client": 200}], "connections")
    same(change.value(steps.groups[1], CONNECT), 200, "connect samples")
    same(change.value(steps.groups[1], FAILED), 0, "errors")


def failed(address, port, count, netns=None):
    """Has non-blocking connects fail: the application's errno, our errors by type."""
    cgroup = Cgroup("failed")
    client = Load(cgroup, "tcpnet", "client", address, port, netns=netns)
    before = total()
    answer = client.ask("epoll", count)
    change = Change(before, total())
    same(answer["failed"], count, "truth")
    same(change.by(cgroup, OPENED, "role"), {}, "connections")
    same(change.value(cgroup, CONNECT), 0, "connect samples")
    return answer["errno"], change.by(cgroup, FAILED, "type")


@test("non-blocking connects that are refused are ECONNREFUSED")
def _():
    same(failed("127.0.0.1", free_port(), 150), (111, {"ECONNREFUSED": 150}), "over IPv4")
    same(failed("::1", free_port(), 50), (111, {"ECONNREFUSED": 50}), "over IPv6")


@test("connects to a host that nobody answers for are EHOSTUNREACH")
def _():
    wire = Wire()
    ip("netns", "exec", wire.names[0], "sysctl", "-qw",
       "net.ipv4.neigh.veth0.retrans_time_ms=100")
    same(failed("10.77.1.9", 80, 5, wire.names[0]), (113, {"EHOSTUNREACH": 5}),
         "errno of the application, errors")


@test("SYNs that are sent again are TCPSynRetrans, when the connect succeeds or not")
def _():
    wire = Wire()
    ip("-n", wire.router, "route", "add", "blackhole", "10.77.1.2/32")
    steps = Steps("syn", address="10.77.1.2", netns=wire.names)
    server, client = steps.groups
    for _ in range(3):
        truth = -wire.netstat(1, "TCPSynRetrans")[0]
        before, began = total(), time.monotonic()
        steps.client.ask("flood", 7)
        time.sleep(0.4)
        ip("-n", wire.router, "route", "del", "blackhole", "10.77.1.2/32")
        steps.server.ask("accept", 7)
        change = Change(before, total())
        truth += wire.netstat(1, "TCPSynRetrans")[0]
        took = time.monotonic() - began
        diag(f"connects {change.value(client, CONNECT)}, opened "
             f"{change.by(client, OPENED, 'role')}, lost {change.lost()}")
        if truth == 7:
            break
        ip("-n", wire.router, "route", "add", "blackhole", "10.77.1.2/32")
    if truth != 7:
        raise Busy("SYNs were sent again before the route was there")
    same(change.value(client, SYN_RETRANSMITS), truth, "of connects that succeeded")
    same(change.value(client, RETRANSMITS), truth, "they are retransmits, too")
    between(change.seconds(client, CONNECT) / 7, 0.9, took, "mean connect, s")
    steps.client.ask("drop")
    ip("-n", wire.router, "route", "add", "blackhole", "10.77.1.2/32")
    truth = -wire.netstat(1, "TCPSynRetrans")[0]
    before = total()
    steps.client.ask("flood", 5)
    time.sleep(1.5)
    steps.client.ask("drop")
    change = Change(before, total())
    truth += wire.netstat(1, "TCPSynRetrans")[0]
    check(truth >= 5, f"only {truth} SYNs were sent again")
    same(change.by(client, FAILED, "type"), {"aborted": 5}, "errors")
    same(change.value(client, SYN_RETRANSMITS), truth, "of connects that were given up")
    # what both ends still have to say to each other can be said
    ip("-n", wire.router, "route", "del", "blackhole", "10.77.1.2/32")


for end in 0, 1:
    @test(f"a reset by the {('server', 'client')[end]} leaves the request unanswered")
    def _(end=end):
        steps = Steps("cut")
        steps.client.ask("connect", 20)
        steps.server.ask("accept", 20)
        before = total()
        steps.client.ask("send", 1)
        (steps.server, steps.client)[end].ask("drop", 1)
        change = Change(before, total())
        same([change.by(g, UNANSWERED, "type") for g in steps.groups],
             [{"reset": 20}] * 2, "unanswered requests")
        directions = [{"transmit": 20}, {"receive": 20}]
        same([change.by(g, RESETS, "direction") for g in steps.groups],
             directions[::-1] if end else directions, "resets")
        same([change.after.errors(g) for g in steps.groups], [(20, "reset")] * 2,
             "the report's column of errors")
        same([change.value(g, OPEN) for g in steps.groups], [-20, -20], "open")


def out_rsts():
    """Resets that this network namespace sent: /proc/net/snmp."""
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f if line.startswith("Tcp:")]
    return int(values[names.index("OutRsts")])


@test(f"a socket that is used {REUSES} times is {REUSES} connections and failures")
def _():
    steps = Steps("reuse")
    server, client = steps.groups
    sent = out_rsts()
    before = total()
    steps.server.tell("sink", REUSES)
    steps.client.ask("reuse", REUSES, steps.port, free_port())
    truth = steps.server.reply()
    change = Change(before, total())
    diag(f"the server says {truth}")
    same([change.by(g, OPENED, "role") for g in steps.groups],
         [{"server": REUSES}, {"client": REUSES}], "connections")
    same(change.value(client, CONNECT), REUSES, "connect samples")
    same(change.by(client, FAILED, "type"), {"ECONNREFUSED": REUSES}, "errors")
    same([change.value(g, IO) for g in steps.groups], [REUSES * 64] * 2, "bytes")
    resets = change.by(client, RESETS, "direction")
    same(resets["receive"], REUSES, "resets that the client received")
    # Now and then a late segment finds its connection closed, and is answered by one
    # more: the kernel counts it as well.
    between(resets["transmit"], REUSES, out_rsts() - sent, "resets that it sent")
    same(change.by(server, RESETS, "direction"), {"receive": REUSES},
         "the server's resets")
    same([change.value(g, OPEN) for g in steps.groups], [0, 0], "left open")
    steps.client.ask("connect", 3)  # and the next is counted as ever
    same(Change(before, total()).value(client, CONNECT), REUSES + 3, "connect samples")


def ss(netns, port):
    """Bytes received, bytes sent for the first time, and segments sent again, of the
    established connections of a port, as ss tells them."""
    text = subprocess.run(["ip", "netns", "exec", netns, "ss", "-tinH", "state",
                           "established", f"( sport = :{port} or dport = :{port} )"],
                          capture_output=True, text=True, check=True).stdout
    def sums(pattern):
        return sum(map(int, re.findall(pattern, text)))
    return (sums(r"bytes_received:(\d+)"),
            sums(r"bytes_sent:(\d+)") - sums(r"bytes_retrans:(\d+)"),
            sums(r" retrans:\d+/(\d+)"))


@test("the counters of open connections are those that ss shows")
def _():
    wire = Wire(loss=True)
    pair = Pair("ss", "-r", 30000, "-s", 100000, address="10.77.1.2", netns=wire.names)
    before = total()
    pair.client.ask("hold", 6)
    for _ in range(2):
        pair.client.ask("ask", 4)
        change = Change(before, total())
        for group, netns in zip((pair.server_group, pair.client_group), wire.names):
            truth = ss(netns, pair.port)
            diag(f"{group.path}: received, sent, again: {truth}")
            check(min(truth[:2]) > 0, "ss shows nothing")
            same((change.value(group, IO, direction="receive"),
                  change.value(group, IO, direction="transmit"),
                  change.value(group, RETRANSMITS)), truth, "counted")
    check(ss(wire.names[0], pair.port)[2] > 0, "nothing was sent again")


def lost_tcp(change):
    return {why: n for (probe, why), n in change.lost().items() if probe == "tcp"}


@test("more connections than the table has entries are counted all the same")
def _():
    count = entries() * 11 // 20  # each has two sockets
    pair = Pair("crowd", client=("-R",))
    taken = occupied()
    before = total()
    pair.client.ask("hold", count)
    client, server = pair.ask("ask", 2)
    same((client["requests"], server["requests"]), (2 * count, 2 * count), "truth")
    pair.bytes(client, server)
    # An interrupt may come while a program runs, and bring what it should run for: the
    # kernel skips it then, and counts that. Bytes and connections do not suffer.
    skipped = pair.change.skipped("tcp")
    for role in pair.roles(RESPONSE):
        between(sum(role.values()), 2 * count - skipped, 2 * count, "responses")
    diag(f"{occupied() - taken} entries are taken by {2 * count} sockets")
    between(occupied() - taken, count, entries(), "entries taken")
    beside = len(bpf.hashes(tcp.agent.pid())["conns_spill"])
    between(beside, count // 4, entries("conns_spill") - 1, "connections beside the table")
    said = tcp.agent.pools()
    between(said["connections"][0], occupied() - 20, occupied() + 20, "usage, as told")
    between(said["connections_spill"][0], beside - 20, beside + 20, "usage, as told")
    pair.client.ask("drop")
    change = pair.change = Change(before, total())
    lost = lost_tcp(change)
    diag(f"lost {lost}")
    same(pair.roles(OPENED), ({"server": count}, {"client": count}), "connections")
    same(pair.both(OPEN), (0, 0), "connections that are open")
    lost.pop("recursion", None)
    same(change.value(pair.client_group, CONNECT) + lost.pop("unpaired", 0), count,
         "connects")
    same(lost, {}, "lost")


@test("connections beyond the table's end are lost, and counted with what they carried")
def _():
    count = min(entries() + entries("conns_spill"), 8000)
    pair = Pair("beyond", client=("-R",))
    before = total()
    pair.client.ask("hold", count)
    client, server = pair.ask("ask", 2)
    same((client["requests"], server["requests"]), (2 * count, 2 * count), "truth")
    held = lost_tcp(Change(before, total()))
    followed = [sum(role.values()) for role in pair.roles(RESPONSE)]
    refused = held["table_full"]
    diag(f"lost {held}; of {2 * count} responses at each end there are {followed}")
    same(len(bpf.hashes(tcp.agent.pid())["conns_spill"]), entries("conns_spill"), "beside")
    check(2 * count - sum(followed) // 2 > count // 4, "hardly any is beyond the end")
    noted = bpf.words(tcp.agent.pid(), "conns_refused")
    said = tcp.agent.pools()["connections_refused"]
    check(noted > count // 4, f"{noted} of {refused} are noted")
    between(said[0], noted - 20, noted + 20, "usage of what is refused, as told")
    same(said[1], bpf.entries(tcp.agent.pid(), "conns_refused"), "the limit of that")
    # of the whole node; a response may be missing that an interrupt hid
    least = 2 * count - sum(followed) // 2 - pair.change.skipped("tcp")
    check(refused >= least, f"{refused} connections are lost, of {least} that are")
    pair.client.ask("drop")
    change = pair.change = Change(before, total())
    pair.bytes(client, server)
    same(pair.roles(OPENED), ({"server": count}, {"client": count}), "connections")
    same(pair.both(OPEN), (0, 0), "connections that are open")
    between(change.value(pair.client_group, CONNECT), followed[1] // 2, count,
            "connects that are timed")


@test("after them there is room again")
def _():
    exact(Pair("again"))
    check(len(bpf.hashes(tcp.agent.pid())["conns_spill"]) < 50, "still beside the table")
    check(tcp.agent.pools()["connections_refused"][0] < 50, "still noted as refused")


def unreclaimable():
    with open("/proc/meminfo") as f:
        return next(int(l.split()[1]) for l in f if l.startswith("SUnreclaim:")) * 1024


@test("connections that are gone keep no kernel memory")
def _():
    count, grew = 6000, []
    pair = Pair("memory", client=("-R",))  # no TIME_WAIT, which is memory, too
    for _ in range(3):  # others use memory as well, but not each time as much
        before = unreclaimable()
        pair.client.ask("talk", 4, count / 4, 0)
        time.sleep(1)
        grew.append((unreclaimable() - before) / count)
    diag(f"bytes for each of {count} connections: {[round(g) for g in grew]}")
    check(min(grew) < 100, f"each connection keeps {min(grew):.0f} bytes")


@test("the maps hold as little as when the agent started")
def _():
    now = None

    def back():
        nonlocal now
        now = occupancy()
        return all(n <= held_at_start.get(name, 0) + 5 for name, n in now.items())
    for _ in range(40):
        steps = Steps("listener")
        steps.client.ask("connect", 5)
        steps.server.ask("accept", 5)
        steps.server.close()
        steps.client.close()
    groups = [Cgroup("refused") for _ in range(20)]
    for group in groups:
        Load(group, "tcpnet", "client", "127.0.0.1", free_port()).ask("epoll", 1)
    peak = occupancy()["opens"]
    for group in groups:
        group.remove()
    check(peak > 5, f"{peak} errors of connects in the map: too few to see a leak")
    try:
        wait_for(back, PATIENCE, "the maps to become as empty as they were")
    finally:
        diag(f"keys at the start {held_at_start}, now {now}")


main(setup)
