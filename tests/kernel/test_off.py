#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Probes that are switched off hang on nothing and cost nothing; switched on again, by
an agent without capabilities, they count exactly, and nothing is lost, wrong or left
behind, however often that is done."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=900

import collections
import os
import re
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
import dnsload
from node import TOP, Agent, Cgroup, Load, probes
from off import Talk, lost, switch
from readings import Change
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

SWITCHES = int(os.environ.get("TEST_SWITCHES", 100))  # nightly: 10000
CPU = max(os.sched_getaffinity(0))
OFF = "switched off by assay tune"
agent = None


def setup():
    global agent
    agent = dnsload.begin(*probes(), options=("--export-interval", "1s"))


def programs():
    """The probe of each program that hangs on a hook, by its name in the kernel."""
    with open(TOP + "/bpf/cell.h", encoding="utf-8") as f:
        rows = re.findall(r"^\s*X\((\w+), (\w+)\)\s*\\?$", f.read(), re.MULTILINE)
    return {name[:15]: probe.lower() for name, probe in rows if probe.lower() in probes()}


PROGRAMS = programs()


def hanging(of=None):
    """The programs of probes that an agent has links of, each as often as it has."""
    found = collections.Counter()
    for kind, i, fields in bpf.descriptors((of or agent).pid()):
        if kind == "link":
            name = bpf.prog_info(int(fields["prog_id"]))["name"]
            if name in PROGRAMS:
                found[name] += 1
    return found


def of_probe(names, probe):
    return {name for name in names if PROGRAMS[name] == probe}


def links(of=None):
    return {i for kind, i, _ in bpf.descriptors((of or agent).pid()) if kind == "link"}


def loaded():
    """Programs and maps that live because of the agent."""
    return {(kind, i) for kind, i in bpf.held_by(agent.pid()) if kind != "link"}


def state_of(probe):
    found = [p for p in agent.total(0).report["probes"] if p["name"] == probe]
    return found[0]["state"], found[0]["reason"]


@test("the agent has no capabilities")
def _():
    with open(f"/proc/{agent.pid()}/status") as f:
        found = dict(line.split(":", 1) for line in f)
    same([int(found[s], 16) for s in ("CapPrm", "CapEff", "CapInh")], [0] * 3, "sets")


@test("a probe that is off has no link, and keeps its programs and maps; on, it has all")
def _():
    all_there, kept = hanging(), loaded()
    diag(f"{len(links())} links")
    for probe in probes():
        before = links()
        began = time.monotonic()
        agent.tune(probe, "enabled=false")
        took = time.monotonic() - began
        now = hanging()
        mine = of_probe(all_there, probe)
        shared = {"tcp_packet_out"} if probe == "tcp" else set()
        same((of_probe(now, probe), now & all_there),
             (shared, collections.Counter(dict.fromkeys((set(all_there) - mine) | shared, 1))),
             f"programs that hang somewhere, {probe} off")
        gone = before - links()
        check(len(gone) >= len(mine - shared), f"{probe}: {len(gone)} links are gone")
        same(gone & set(bpf.ids("link")), set(), "links that the kernel still has")
        same(loaded(), kept, "programs and maps")
        same(state_of(probe), ("off", OFF), "state")
        same(hanging(), now, "after a reading")
        began = time.monotonic()
        agent.tune(probe, "enabled=true")
        between(max(took, time.monotonic() - began), 0, 1, "seconds for off, or on")
        same(hanging(), all_there, f"programs that hang somewhere, {probe} on again")
        same(state_of(probe), ("attached", None), "state")


@test("the hook that tcp and dns share is there while one of them is on")
def _():
    def is_there():
        return hanging()["tcp_packet_out"]
    for first, second in ("tcp", "dns"), ("dns", "tcp"):
        for word_of_first in first, second:  # which is on again first
            switch(agent, "false", first)
            same(is_there(), 1, f"{second} on")
            switch(agent, "false", second)
            same(is_there(), 0, "both off")
            switch(agent, "true", word_of_first)
            same(is_there(), 1, f"{word_of_first} on again")
            switch(agent, "true", first, second)
            same(is_there(), 1, "both on")


@test("what dns counts by tcp's program it counts when tcp is off, and the other way")
def _():
    pair, talk = dnsload.Pair("shared"), Talk("shared")
    ask = dnsload.queries("ok", 40)

    def both(lookups, talks):
        before = agent.total()
        talk.talk()
        pair.ask(ask)
        pair.counted(**({"ok": lookups} if lookups else {}))
        talk.counted(Change(before, agent.total()), talks)
    switch(agent, "false", "tcp")
    both(40, 0)
    switch(agent, "false", "dns")
    both(0, 0)
    switch(agent, "true", "dns")
    both(40, 0)
    switch(agent, "true", "tcp")
    both(40, 1)
    switch(agent, "false", "dns")
    both(0, 1)
    switch(agent, "true", "dns")
    both(40, 1)


@test("off, no program runs; on, they do")
def _():
    stats = bpf.enable_stats()
    defer(os.close, stats)
    load = Load(Cgroup("runs"), "calls")

    def runs():
        found = {}
        for kind, i in loaded():
            info = bpf.prog_info(i) if kind == "prog" else None
            if info and info["name"] in PROGRAMS:
                found[info["name"]] = info["runs"]
        return found
    for word in "false", "true", "false", "true":
        switch(agent, word)
        before = runs()
        load.ask("getppid", 100_000)
        after = runs()
        grown = {name: after[name] - before[name] for name in after
                 if after[name] > before[name]}
        if word == "false":
            same(grown, {}, "runs while all are off")
        else:
            check(grown.get("syscall_enter", 0) >= 100_000, f"runs while on: {grown}")


def per_call(load, count=1_000_000):
    """ns: the least of some turns."""
    least = 1e9
    for _ in range(5):
        began = time.monotonic()
        load.ask("getppid", count)
        least = min(least, time.monotonic() - began)
    return least / count * 1e9


@test("off, a call costs what it costs with nothing attached")
def _():
    load = Load(Cgroup("cost"), "calls")
    on, off, none = [], [], []
    for _ in range(3):
        switch(agent, "true", "syscall")
        on.append(per_call(load))
        switch(agent, "false", "syscall")
        off.append(per_call(load))
        switch(agent, "false")
        none.append(per_call(load))
        switch(agent, "true")
    diag(f"ns a call: on {on}, off {off}, with all off {none}")
    check(min(off) < min(none) * 1.1 + 3, "a call with syscall off is slower")
    check(min(off) + 30 < min(on), "a call is not dearer with the probe on: not attached?")


@test("on again, each call, connection, request and switch counts, and none while off")
def _():
    cgroup, napping = Cgroup("calls"), Cgroup("naps")
    load, naps, talk = Load(cgroup, "traps"), Load(napping, "spin", 1, CPU), Talk("again")
    for times in range(3):
        switch(agent, "false")
        off = agent.total()
        load.ask("getppid", 1000)
        naps.ask("nap", 50)
        talk.talk()
        change = Change(off, agent.total())
        same([change.value(g, n) for g, n in (
            (cgroup, "assay.syscall.duration"), (napping, "assay.sched.context_switches"),
            (napping, "assay.sched.wait.duration"),
            (talk.groups[0], "assay.tcp.connections"),
            (talk.groups[1], "assay.tcp.response.duration"))], [0] * 5, "while off")
        switch(agent, "true")
        on = agent.total()
        load.ask("getppid", 1000)
        naps.ask("nap", 50)
        talk.talk()
        change = Change(on, agent.total())
        same(change.value(cgroup, "assay.syscall.duration", class_="process"), 1000, "calls")
        between(change.value(napping, "assay.sched.context_switches", type="voluntary"), 50, 60,
                "switches")
        talk.counted(change, 1)
        same(lost(change), {}, "lost")


def memory_of(pid):
    with open(f"/proc/{pid}/status") as f:
        found = dict(line.split(":", 1) for line in f)
    return int(found["RssAnon"].split()[0])


class Background:
    """Calls a function again and again in a thread, until it is told to end."""

    def __init__(self, function):
        self.over = False
        self.thread = threading.Thread(target=self.run, args=(function,))
        self.thread.start()
        defer(self.end)

    def run(self, function):
        while not self.over:
            function()

    def end(self):
        self.over = True
        self.thread.join()


@test(f"{SWITCHES} times off and on under load: exact, nothing unpaired, nothing grows")
def _():
    names = "sched", "syscall", "tcp", "dns", "block", "memory"
    cgroup, storm_group = Cgroup("quiet"), Cgroup("storm")
    load, talk = Load(cgroup, "traps"), Talk("quiet")
    storm = Load(storm_group, "stress")
    other = Talk("noise")
    background = [Background(lambda: storm.ask("storm", 2, 1000)), Background(other.talk)]
    all_there, kept, before = hanging(), loaded(), agent.total()
    sizes = []
    for i in range(SWITCHES):
        switch(agent, "false", *names)
        load.ask("getppid", 100)
        talk.talk()
        if i % 20 == 0:
            same(set(hanging()), of_probe(all_there, "cgroup"), "what hangs, all off")
        switch(agent, "true", *names)
        load.ask("getppid", 100)
        talk.talk()
        if i % (SWITCHES // 4) == SWITCHES // 8:
            sizes.append((len(links()), bpf.memory(agent.pid()), memory_of(agent.pid())))
    for b in background:
        b.end()
    change = Change(before, agent.total())
    diag(f"lost {change.lost()}; links, bytes of maps, kB of the agent {sizes}")
    same(change.value(cgroup, "assay.syscall.duration", class_="process"), 100 * SWITCHES,
         "calls")
    talk.counted(change, SWITCHES)
    same(lost(change), {}, "lost")
    same((hanging(), loaded()), (all_there, kept), "what hangs, programs, maps")
    same(len({s[0] for s in sizes}), 1, f"links over time, {sizes}")
    if "ASAN_OPTIONS" not in os.environ:  # which keeps for a while what is freed
        between(sizes[-1][2], 0, sizes[0][2] + 1024, f"the agent's memory, {sizes}")
    between(sizes[-1][1], 0, sizes[0][1] * 1.02, f"bytes of maps, {sizes}")


@test("off, what was noted is forgotten: no entry of any table is taken")
def _():
    def taken():
        found = agent.pools()
        return {name: used for name, (used, _) in found.items()
                if name.startswith(("threads", "calls", "connections", "dns"))}
    check(taken().get("threads", 0) > 50, f"on: {taken()}")
    switch(agent, "false")
    same({k: n for k, n in taken().items() if n}, {}, "entries while off")
    switch(agent, "true")
    check(taken()["threads"] > 50, f"on again: {taken()}")


@test("where links cannot be made again they stay, nothing is counted, and it is said")
def _():
    os.environ["ASSAY_TEST_KEEP_LINKS"] = "1"
    try:
        other = Agent("--probes", "sched,syscall")
    finally:
        del os.environ["ASSAY_TEST_KEEP_LINKS"]
    check("stays attached and does nothing" in other.said(), other.said())
    cgroup = Cgroup("kept")
    load = Load(cgroup, "traps")
    all_there = hanging(other)
    other.tune("syscall", "enabled=false")
    same(hanging(other), all_there, "links")
    reason = [p["reason"] for p in other.total(0).report["probes"] if p["name"] == "syscall"]
    check("stay attached" in reason[0], reason)
    before = other.total()
    load.ask("getppid", 100)
    same(Change(before, other.total()).value(cgroup, "assay.syscall.duration"), 0, "off")
    other.tune("syscall", "enabled=true")
    before = other.total()
    load.ask("getppid", 100)
    same(Change(before, other.total()).value(cgroup, "assay.syscall.duration",
                                             class_="process"), 100, "on again")
    other.stop()


main(setup)
