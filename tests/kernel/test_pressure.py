#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""What is read from the files of cgroups: CPU time against what the threads were given,
pressure against the file; and that no cumulative number ever goes down."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load, cgroup_root
from readings import Change
from tap import Skip, between, check, diag, main, near, need_root, same, test

need_root()

CPU = max(os.sched_getaffinity(0))
CPU_TIME = "assay.cgroup.cpu.time"


def stat(cgroup, key="usage_usec", file="cpu.stat"):
    """A number of one of the cgroup's files."""
    with open(f"{cgroup.dir}/{file}") as f:
        return dict(line.split() for line in f)[key]


def pressure(cgroup, resource, kind="some"):
    """The stall time of a resource in s; the file must be there."""
    try:
        with open(f"{cgroup.dir}/{resource}.pressure") as f:
            for line in f:
                if line.startswith(kind):
                    return int(line.split("total=")[1]) / 1e6
    except OSError as e:
        raise Skip(f"no {resource}.pressure: {e}")
    return 0


@test("CPU time is what the threads were given, within 1 %")
def _():
    agent = Agent()
    cgroup = Cgroup("spin")
    load = Load(cgroup, "spin", 2, -1)
    before, ran = agent.total(), load.ran()
    load.ask("run", 1500)
    ran = load.ran() - ran
    change = Change(before, agent.total())
    near(change.value(cgroup, CPU_TIME), ran, 0.01, "CPU time, s")
    near(change.after.value(cgroup, CPU_TIME), int(stat(cgroup)) / 1e6, 0.01,
         "all CPU time of a cgroup that is younger than the agent, s")


@test("of a cgroup that is older than the agent, what it had before is left out")
def _():
    cgroup = Cgroup("old")
    load = Load(cgroup, "spin", 1, -1)
    load.ask("run", 1500)
    old = int(stat(cgroup)) / 1e6
    check(old > 0.1, f"it has used {old} s only")
    agent = Agent()
    ran = load.ran()
    load.ask("run", 1000)
    ran = load.ran() - ran
    # nobody asked in between: the agent took its base when it began
    near(agent.total().value(cgroup, CPU_TIME), ran, 0.02, "CPU time, s")


@test("pressure is the file's total since the agent began to count")
def _():
    agent = Agent()
    cgroup = Cgroup("stalled")
    load = Load(cgroup, "spin", 3, CPU)
    pressure(cgroup, "cpu")
    load.ask("run", 1500)
    for kind in "some", "full":
        metric = f"assay.pressure.{kind}.time"
        low = pressure(cgroup, "cpu", kind)
        got = agent.total().value(cgroup, metric, resource="cpu")
        high = pressure(cgroup, "cpu", kind)
        diag(f"{kind}: {low} <= {got} <= {high}")
        between(got, low - 1e-6, high + 1e-6, metric)
        check(kind == "full" or got > 1, f"three threads on one CPU stalled {got} s")


@test("a tree without a controller has no metrics of it")
def _():
    with open(cgroup_root() + "/cgroup.controllers") as f:
        controllers = f.read().split()
    agent = Agent()
    cgroup = Cgroup("bare")
    load = Load(cgroup, "spin", 1, -1)
    load.ask("run", 200)
    numbers = agent.total()
    names = {m["name"] for m in numbers.workloads[cgroup.path]}
    same("assay.cgroup.memory.usage" in names, "memory" in controllers, "memory use")
    same("assay.cgroup.cpu.periods" in names, False, "periods without a quota")
    check(CPU_TIME in names, f"no CPU time: {names}")


@test("when the cgroup is gone its last reading stays, and the next one adds to it")
def _():
    agent = Agent("--export-interval", "60s")
    cgroup = Cgroup("again")
    load = Load(cgroup, "spin", 1, -1)
    load.ask("run", 500)
    first = agent.total().value(cgroup, CPU_TIME)
    check(first > 0.05, f"CPU time {first} s")
    load.close()
    cgroup.remove()
    same(agent.total().value(cgroup, CPU_TIME), first, "CPU time when it is gone")
    os.mkdir(cgroup.dir)
    load = Load(cgroup, "spin", 1, -1)
    load.ask("run", 500)
    second = agent.total().value(cgroup, CPU_TIME) - first
    near(second, int(stat(cgroup)) / 1e6, 0.02, "CPU time of its successor, s")


def cumulative(numbers):
    """All that must not go down, by workload, metric and attributes."""
    values = {}
    for path, metrics in numbers.workloads.items():
        for m in metrics:
            key = path, m["name"], tuple(sorted(m["attributes"].items()))
            if m["type"] == "histogram":
                values[key + ("count",)] = m["count"]
                values[key + ("sum",)] = m["sum"]
            elif m["type"] == "sum":
                values[key] = m["value"]
    return values


def is_gone(key):
    """A culprit is dropped with its cgroup; it may be any of this machine's."""
    culprit = dict(key[2]).get("assay.sched.culprit", "")
    return culprit.startswith("/") and not os.path.isdir(cgroup_root() + culprit)


@test("no cumulative number goes down, while cgroups come, go and come again")
def _():
    agent = Agent("--export-interval", "300ms", "--snapshot-interval", "100ms")
    steady = Cgroup("steady")
    load = Load(steady, "spin", 2, CPU)
    seen, checked = {}, 0
    for i in range(12):
        load.tell("run", 100)
        churn = [Cgroup(f"churn{k}") for k in range(3)]
        for c in churn:
            c.run(["sh", "-c", "cat /proc/version >/dev/null; ls / >/dev/null"])
            c.remove()
        load.reply()
        now = cumulative(agent.total(0))
        for key, value in now.items():
            if key in seen:
                check(value >= seen[key], f"{key}: {value} after {seen[key]}")
                checked += 1
        # a workload that is gone was dropped; what is there must stay
        for key in seen:
            check(key in now or key[0] != steady.path or is_gone(key),
                  f"{key} is gone")
        seen = now
    diag(f"{checked} comparisons")
    check(checked > 200, "hardly anything was compared")


main()
