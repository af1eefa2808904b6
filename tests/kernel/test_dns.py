#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""DNS lookups on the live kernel: against the log of a scripted resolver and what the
clients themselves saw, on the loopback of a network namespace of the suite's own."""

import os
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dnsload
from dnsload import (A, AAAA, LOCAL, LOOKUP, RETRIES, TIMEOUT, DnsLoad, Pair, begin,
                     bpftool, lost, maps_of, of_client, queries, quicker, results,
                     total, tune, waiting)
from node import PATIENCE, Cgroup, end_process, wait_for
from readings import Change
from tap import Busy, between, check, defer, diag, main, need_root, same, test

need_root()

ICMP = os.path.join(os.path.dirname(__file__), "icmp.py")
AGE = "assay.inflight.age"
BUCKET = 2 ** (1 / 8)  # the width of one
agent = None


def setup():
    global agent
    agent = begin("tcp", "dns", options=("--export-interval", "1h"))


@test("every response code is counted as what it is, connected or not, v4 and v6")
def _():
    pair = Pair("codes")
    asked = {"ok": 40, "nx": 30, "servfail": 20, "refused": 10, "notimp": 5,
             "formerr": 4}
    for address, connected in ((LOCAL[0], False), (LOCAL[0], True), ("::1", False),
                               ("::1", True), ("::ffff:127.1.2.3", False)):
        batch = []
        for action, n in asked.items():
            batch += queries(action, n, first=len(batch), sockets=7)
        seen, log = pair.ask(batch, address, connected, patience=TIMEOUT)
        want = {"ok": 40, "NXDOMAIN": 30, "SERVFAIL": 20, "REFUSED": 10, "_OTHER": 9}
        same(of_client(seen), want, "what the client saw")
        same(len(log), 109, "queries that the server got")
        pair.counted(**want)
        same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    same(waiting(), (0, 0), "waiting queries")


@test("a lookup takes longer than the server and less than its client says")
def _():
    pair = Pair("delay")
    seen, log = pair.ask(queries("ok", 100, ms=20, every=0.005))
    pair.counted(ok=100)
    server = sum(entry[5] for entry in log)
    client = sum(seconds for _, seconds in seen)
    ours = pair.change.seconds(pair.group, LOOKUP)
    diag(f"sums: server {server:.6f}, ours {ours:.6f}, client {client:.6f} s")
    check(server <= ours <= client, f"{server:.6f} <= {ours:.6f} <= {client:.6f} s")
    # each lookup is between the two, and so is their median
    low, high = (statistics.median(said) for said in ((entry[5] for entry in log),
                                                      (seconds for _, seconds in seen)))
    p50 = pair.change.after.p50(pair.group, LOOKUP)
    between(p50, low / BUCKET, high * BUCKET, "p50, the server's and the client's, s")


@test("the same id on ten sockets at once, and A and AAAA from one socket")
def _():
    pair = Pair("parallel")
    batch = [[0, i, 77, "nx-50-same.test", A] for i in range(10)]
    for i in range(10, 20):
        batch += [[0, i, 100, "ok-50-pair.test", A], [0, i, 101, "ok-50-pair.test", AAAA]]
    seen, log = pair.ask(batch)
    same((len(log), of_client(seen)), (30, {"ok": 20, "NXDOMAIN": 10}), "truth")
    pair.counted(ok=20, NXDOMAIN=10)
    same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")


@test("two names under one id on one socket are two lookups")
def _():
    pair = Pair("names")
    seen, _ = pair.ask([[0, 0, 5, "ok-50-x.test", A], [0, 0, 5, "nx-60-x.test", A]])
    same(of_client(seen), {"ok": 1, "NXDOMAIN": 1}, "truth")
    pair.counted(ok=1, NXDOMAIN=1)


@test("a query sent again is counted so, and its lookup began with the first")
def _():
    pair = Pair("again")
    batch = [[at, i, 9, "ok-300-again.test", A] for at in (0, 0.1, 0.2)
             for i in range(20)]
    seen, log = pair.ask(batch, patience=3)
    time.sleep(0.3)  # the answers to the second and third: nobody waits for them
    log += pair.log()
    pair.change = Change(pair.change.before, total())
    same((len(log), of_client(seen)), (60, {"ok": 20}), "truth")
    pair.counted(ok=20)
    same(pair.change.value(pair.group, RETRIES), 40, "queries sent again")
    client = sum(seconds for _, seconds in seen)
    between(pair.change.seconds(pair.group, LOOKUP), 20 * 0.3, client, "sum, s")
    same(waiting(), (0, 0), "waiting queries")


@test("lookups are counted where their socket was made")
def _():
    pair = Pair("owner")
    other = DnsLoad(Cgroup("other"), "client", netns=dnsload.netns)
    before = total()
    for load, action, n in (pair.client, "ok", 11), (other, "nx", 7):
        load.tell("ask", [LOCAL[0], False], queries(action, n, ms=20), 2)
    for load in pair.client, other:
        load.reply()
    change = Change(before, total())
    same((results(change, pair.group), results(change, other.cgroup)),
         ({"ok": 11}, {"NXDOMAIN": 7}), "lookups of the two")


@test("no answer in 5 s is a timeout with its age, whatever comes later")
def _():
    pair = Pair("timeout")
    before = total()
    began = time.monotonic()
    pair.client.tell("ask", [LOCAL[0], False], queries("drop", 20) +
                     queries("ok", 10, ms=6500, first=100), 7)
    time.sleep(2)
    wait_for(lambda: waiting() == (30, 30), 2, "all of them to wait")
    asked = [entry[6] for entry in pair.log()]
    looked = time.monotonic()
    now = total()
    if time.monotonic() - began >= TIMEOUT:
        raise Busy("the reading is of a time at which there are timeouts")
    same(results(Change(before, now), pair.group), {}, "results after 2 s")
    age = now.value(pair.group, AGE, operation="dns")
    between(age, looked - asked[0], time.monotonic() - began, "the oldest in flight, s")
    time.sleep(max(0, asked[-1] + 5.3 - time.monotonic()))
    pair.change = Change(before, total())
    pair.counted(timeout=30)
    between(pair.change.seconds(pair.group, LOOKUP), 30 * 5,
            30 * (time.monotonic() - began), "sum, s")
    same(waiting(), (0, 0), "waiting queries")
    seen = pair.client.reply()
    same(of_client(seen), {"timeout": 20, "ok": 10}, "what the client saw")
    pair.change = Change(before, total())
    pair.counted(timeout=30)
    same(lost(pair.change), {}, "lost")
    same(pair.change.after.value(pair.group, AGE, operation="dns"), 0, "in flight")


@test("the same when nobody looks between the timeout and the late answer")
def _():
    quicker()
    pair = Pair("late")
    seen, _ = pair.ask(queries("nx", 25, ms=1300))
    same(of_client(seen), {"NXDOMAIN": 25}, "what the client saw")
    pair.counted(timeout=25)
    same(waiting(), (0, 0), "waiting queries")


@test("a query sent again after its timeout is a lookup of its own")
def _():
    quicker()
    pair = Pair("restart")
    seen, log = pair.ask([[at, i, 4, "ok-2000-restart.test", A] for at in (0, 1.5)
                          for i in range(15)], patience=5)
    same(of_client(seen), {"ok": 15}, "what the client saw")
    pair.counted(timeout=15, ok=15)
    same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    # a timeout is found by the agent's look or by the second query; both are in what
    # the client waited for its answer
    between(pair.change.seconds(pair.group, LOOKUP), 15 * 1,
            sum(seconds for _, seconds in seen), "sum, s")


def fill_by(hogs, pair):
    """The hogs ask a server that is not there, together three times as often as the table
    has entries, and nobody else notices: how many entries they have got, of how many."""
    room = bpftool("map", "show", "id", maps_of(agent)["dns_queries"])["max_entries"]
    tune("dns", "timeout=60s")
    defer(tune, "dns", f"timeout={TIMEOUT}s")
    before = total()
    for hog in hogs:
        hog.ask("flood", ["127.9.9.9", False], 3 * room // len(hogs))
    held = waiting()[0]
    pair.ask(queries("ok", 300))
    pair.counted(ok=300)
    refused = lost(Change(before, total()))
    diag(f"entries {room}, taken {held}, refused {refused}")
    same(refused, {"share_full": 3 * room - held}, "lost")
    return held, room


@test("who asks without end fills a share of the table, and leaves nothing behind")
def _():
    pair = Pair("share")
    hogs = [DnsLoad(Cgroup(f"hog-{i}"), "client", netns=dnsload.netns) for i in range(3)]
    before = total()
    held, room = fill_by(hogs, pair)
    # a fifth, a fifth of what the first one left, and so on
    between(held / room, 1 - 0.8 ** 3 - 0.01, 1 - 0.8 ** 3 + 0.01, "part of the table")
    tune("dns", "timeout=1s")
    wait_for(lambda: waiting() == (0, 0), 60, "the agent to look by itself")
    change = Change(before, total())
    done = [results(change, hog.cgroup).get("timeout", 0) for hog in hogs]
    same(sum(done), held, "timeouts of those who asked")
    check(room / 8.2 < done[2] < done[1] < done[0] < room / 4.8, f"of each {done}")
    pair.ask(queries("ok", 50))
    pair.counted(ok=50)


@test("all cgroups of a subtree that was delegated have one share of it together")
def _():
    base, pair = Cgroup("delegated"), Pair("beside")
    os.chown(base.dir, 65534, 65534)
    hogs = [DnsLoad(base.below(f"hog-{i}"), "client", netns=dnsload.netns)
            for i in range(6)]
    held, room = fill_by(hogs, pair)
    between(held / room, 0.19, 0.21, "part of the table")
    tune("dns", "timeout=1s")
    wait_for(lambda: waiting() == (0, 0), 60, "the agent to look by itself")
    hogs[5].ask("flood", ["127.9.9.9", False], 100)  # what is over is given back
    same(waiting()[0], 100, "taken")
    wait_for(lambda: waiting() == (0, 0), 60, "the agent to look by itself")


@test("where nobody listens a connected socket's lookup is over, another's waits")
def _():
    quicker()
    for address, nobody in (LOCAL[0], "127.9.9.9"), ("::1", "::2"):
        dnsload.ip("-n", dnsload.netns, "addr", "replace", "::2", "dev", "lo")
        pair = Pair("nobody", address)
        for connected in True, False:
            seen, log = pair.ask(queries("ok", 20, sockets=20), nobody, connected)
            same((of_client(seen), log), ({"unreachable" if connected else "timeout": 20}, []),
                 "what the client saw, what the server got")
            wait_for(lambda: waiting() == (0, 0), 10, "the end of all lookups")
            pair.change = Change(pair.change.before, total())
            pair.counted(**of_client(seen))
            if connected:
                between(pair.change.seconds(pair.group, LOOKUP), 0,
                        sum(seconds for _, seconds in seen), "sum, s")


@test("an ICMP error ends a lookup if its socket hears of it, by each code")
def _():
    for v, server, codes in ("4", LOCAL[0], 16), ("6", "::1", 8):
        pair = Pair("icmp" + v, server)
        router = pair.group.start(["ip", "netns", "exec", dnsload.netns, sys.executable, ICMP,
                                   server, "42000", str(codes)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        defer(end_process, router)
        quicker(60)
        before = total()
        pair.client.tell("ask", [server, True, 42000], queries("drop", codes, sockets=codes),
                         max(2, int(PATIENCE) // 5))
        wait_for(lambda: waiting() == (codes, codes), 2, "all of them to wait")
        router.communicate(b"now\n")
        same(router.returncode, 0, "exit status of who sends the errors")
        seen = pair.client.reply()
        quicker()
        wait_for(lambda: waiting() == (0, 0), 10, "the end of all lookups")
        pair.change = Change(before, total())
        diag(f"IPv{v}: {[code == 'unreachable' for code, _ in seen]}")
        check(0 < of_client(seen).get("unreachable", 0) < codes, f"truth: {of_client(seen)}")
        pair.counted(**of_client(seen))


@test("an answer without the question is told of as unreadable")
def _():
    quicker()
    pair = Pair("header")
    seen, _ = pair.ask(queries("header", 5))
    same(of_client(seen), {"_OTHER": 5}, "truth")
    same(lost(pair.change), {"unreadable": 5}, "lost")
    time.sleep(1)
    pair.change = Change(pair.change.before, total())
    pair.counted(timeout=5)


@test("switched off it counts nothing, and what waited then is forgotten")
def _():
    pair, late = Pair("off"), int(PATIENCE) // 10
    quicker(60)  # nothing is given up before it is off
    before = total()
    pair.client.tell("ask", [LOCAL[0], False], queries("ok", 20, ms=1000 * late) +
                     queries("drop", 5, first=20), late + 1)
    time.sleep(0.5)
    # waiting() would say how many, and in a guest may take longer than the answers
    check(total().value(pair.group, AGE, operation="dns") > 0, "nobody waits")
    tune("dns", "enabled=false")
    try:
        if any(seconds is not None for _, _, _, _, _, seconds, _ in pair.log()):
            raise Busy("answers came before it was off")
        tune("dns", "timeout=1s")
        pair.client.reply()
        seen = pair.client.ask("ask", [LOCAL[0], False], queries("nx", 30), 2)
        same(of_client(seen), {"NXDOMAIN": 30}, "truth")
        # nobody looks at answers; but while a query waits, received packets are looked at
        wait_for(lambda: waiting() == (0, 0), 10, "the sweep of what waited")
    finally:
        tune("dns", "enabled=true")
    pair.log()
    pair.ask(queries("ok", 10, first=300))
    pair.counted(ok=10)
    same(results(Change(before, total()), pair.group), {"ok": 10}, "since the start")
    same(waiting(), (0, 0), "waiting queries")


@test("it goes on counting while tcp is switched off")
def _():
    pair = Pair("no-tcp")
    tune("tcp", "enabled=false")
    try:
        pair.ask(queries("ok", 30))
    finally:
        tune("tcp", "enabled=true")
    pair.counted(ok=30)


@test("nothing of all that was lost but what was meant to be")
def _():
    found = {k[1]: n for k, n in total().lost().items() if k[0] == "dns"}
    found.pop("share_full", None)
    found.pop("unreadable", None)
    same(found, {}, "lost")


main(setup)
