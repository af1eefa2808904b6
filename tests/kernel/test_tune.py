#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Parameters of running probes: what is off counts nothing, what is on again counts
as if it had just been attached, and nobody's wait or call gets longer by it."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load, free_port
from readings import Change
from tap import Busy, between, check, diag, main, need_root, same, test

need_root()

CPU = max(os.sched_getaffinity(0))
OFF_FOR = 2  # seconds: what is older than that comes from before
agent = None


def setup():
    global agent
    agent = Agent()


def state_of(probe):
    for p in agent.total(0).report["probes"]:
        if p["name"] == probe:
            return p["state"], p["reason"]
    return None


def longest(numbers, cgroup, name, **attributes):
    """The highest `max` of the points of a histogram, in s."""
    return max((m["max"] for m in numbers.points(cgroup, name, **attributes)),
               default=0)


@test("syscall: off, no call is counted; on, each one is, and none is too long")
def _():
    cgroup = Cgroup("calls")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 1000)
    middle = agent.total()
    same(Change(before, middle).value(cgroup, "assay.syscall.duration",
                                      class_="process"), 1000, "calls while on")
    agent.tune("syscall", "enabled=false")
    same(state_of("syscall"), ("off", "switched off by assay tune"), "state")
    off = agent.total()
    load.ask("getppid", 1000)  # the end of its waiting read is not seen, either
    time.sleep(OFF_FOR)
    still = Change(off, agent.total()).value(cgroup, "assay.syscall.duration")
    same(still, 0, "calls while off")
    agent.tune("syscall", "enabled=true")
    same(state_of("syscall"), ("attached", None), "state")
    on = agent.total()
    load.ask("getppid", 1000)
    load.ask("getppid", 1000)
    change = Change(on, agent.total())
    same(change.value(cgroup, "assay.syscall.duration", class_="process"), 2000,
         "calls while on again")
    top = longest(change.after, cgroup, "assay.syscall.duration")
    between(top, 0, OFF_FOR * 0.75, "the longest call, s")


@test("syscall: a call that was under way while the probe was off is no sample")
def _():
    cgroup = Cgroup("sleeper")
    load = Load(cgroup, "traps")
    before = agent.total()
    began = time.monotonic()
    load.tell("sleep", 1500)
    time.sleep(0.3)
    agent.tune("syscall", "enabled=false")
    time.sleep(0.2)
    agent.tune("syscall", "enabled=true")
    took = time.monotonic() - began
    load.reply()
    if took > 1.4:
        raise Busy(f"{took:.2f} s until it was on again")
    change = Change(before, agent.total())
    diag(f"lost {change.lost()}")
    same(change.value(cgroup, "assay.syscall.duration", class_="wait"), 0, "sleeps")
    before = agent.total()
    load.ask("sleep", 100)
    same(Change(before, agent.total()).value(cgroup, "assay.syscall.duration",
                                             class_="wait"), 1, "sleeps afterwards")


@test("sched: off, nobody waits; on, nobody has waited since before")
def _():
    cgroup = Cgroup("hogs")
    load = Load(cgroup, "spin", 2, CPU)
    load.ask("run", 200)
    agent.tune("sched", "enabled=false")
    off = agent.total()
    load.ask("run", OFF_FOR * 1000)
    same(Change(off, agent.total()).value(cgroup, "assay.sched.wait.duration"), 0,
         "waits while off")
    agent.tune("sched", "enabled=true")
    on = agent.total()
    answer = load.ask("run", 500)
    change = Change(on, agent.total())
    waited = change.seconds(cgroup, "assay.sched.wait.duration")
    missing = (answer["wanted"] - answer["had"]) / 1e9
    diag(f"waited {waited:.3f} s, did not have the CPU for {missing:.3f} s")
    # the first wait of each thread is not known: it is some 3 to 10 ms long
    between(waited, missing - 0.1, missing * 1.1, "waits while on again, s")


@test("tcp: off, no connection is counted; on, each one is")
def _():
    port = free_port()
    groups = Cgroup("server"), Cgroup("client")
    server = Load(groups[0], "tcpload", "server", "127.0.0.1", port)
    client = Load(groups[1], "tcpload", "client", "127.0.0.1", port)
    names = "assay.tcp.connections", "assay.tcp.response.duration"
    agent.tune("tcp", "enabled=false")
    off = agent.total()
    same(client.ask("talk", 1, 5, 4)["requests"], 20, "truth")
    change = Change(off, agent.total())
    same([change.value(g, n) for g in groups for n in names], [0] * 4, "while off")
    agent.tune("tcp", "enabled=true")
    on = agent.total()
    same(client.ask("talk", 1, 5, 4)["requests"], 20, "truth")
    change = Change(on, agent.total())
    same([change.value(g, n) for g in groups for n in names], [5, 20, 5, 20],
         "while on again")
    server.close()


@test("a threshold of an hour leaves nothing in flight; 1 ms shows what waits")
def _():
    cgroup = Cgroup("stuck")
    load = Load(cgroup, "traps")
    load.ask("getppid", 1)
    load.tell("sleep", 4000)
    time.sleep(0.3)
    same(agent.tune("syscall", "inflight=1h").split(),
         ["syscall", "enabled=true", "sample=1", "inflight=1h", "duty=1", "window=500ms"], "the answer")
    same(agent.total().points(cgroup, "assay.inflight.age"), [], "in flight")
    agent.tune("syscall", "inflight=1ms")
    ages = agent.total().by(cgroup, "assay.inflight.age", "operation")
    agent.tune("syscall", "enabled=false")
    off = agent.total().by(cgroup, "assay.inflight.age", "operation")
    agent.tune("syscall", "enabled=true", "inflight=10ms")
    load.reply()
    # the scheduler's probe knows who sleeps in which call
    check(0.3 < off.get("syscall.wait", 0) < 4, f"ages while it is off: {off}")
    diag(f"ages {ages}")
    check(0.3 < ages.get("syscall.wait", 0) < 4, f"ages {ages}")


@test("all probes off and on, 50 times: the agent goes on")
def _():
    probes = [line.split()[0] for line in agent.tune().splitlines()]
    for i in range(50):
        for word in "false", "true":
            for probe in "sched", "syscall", "tcp":
                agent.tune(probe, "enabled=" + word)
    same({line.split()[1] for line in agent.tune().splitlines()}, {"enabled=true"}, "state")
    same(len(probes), len(set(probes)), "probes")
    cgroup = Cgroup("after")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 100)
    change = Change(before, agent.total())
    diag(f"lost {change.lost()}; since the start {change.after.lost()}")
    same(change.value(cgroup, "assay.syscall.duration", class_="process"), 100, "calls")


main(setup)
