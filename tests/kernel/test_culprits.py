#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Whom a workload waited for has a name, also when many others came before: entries in
the kernel (bpf/cell.h, CULPRITS) and names in the agent (CULPRIT_NAMES) are few."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load, cgroups, defined, wait_for
from readings import Change
from tap import Busy, between, check, diag, main, near, need_root, test

need_root()

WAIT = "assay.sched.wait.duration"
CULPRIT = "assay.sched.wait.culprit.time"
CPU = max(os.sched_getaffinity(0))
EXPORT_S = 1
agent = None


def setup():
    global agent
    agent = Agent("--probes", "sched", "--export-interval", f"{EXPORT_S}s")
    agent.need("sched")


class Victim:
    """A thread that wants a CPU which others have."""

    def __init__(self, name):
        self.cgroup = Cgroup(name)
        self.load = Load(self.cgroup, "spin", 1, CPU)

    def beside(self, loads, ms):
        """What the victim waited while one after the other ran beside it for so long."""
        self.load.rests()
        there, before = cgroups(), agent.total()
        for load in loads:
            self.load.tell("run", ms)
            load.ask("run", ms)
            self.load.reply()
        self.load.rests()
        change = Change(before, agent.total())
        waited = change.seconds(self.cgroup, WAIT, cause="contention")
        self.waits = change.value(self.cgroup, WAIT, cause="contention")
        blamed = change.by(self.cgroup, CULPRIT, "culprit")
        # one that is told no more seems to have had less than nothing
        blamed = {name: s for name, s in blamed.items() if s > 0}
        if there == cgroups():
            near(sum(blamed.values()), waited, 1e-6, "sum over the culprits, s")
        else:  # of this machine's other cgroups one may be told no more
            between(sum(blamed.values()), 0, waited + 1e-6, "sum over the culprits, s")
        return waited, blamed

    def beside_one(self, load, cgroup, ms):
        """One that runs beside the victim is blamed with what it had of the CPU, as far
        as both wanted it."""
        had = load.ran()
        waited, blamed = self.beside([load], ms)
        had = load.ran() - had
        found = blamed.get(cgroup.path, 0)
        diag(f"waited {waited:.3f} s, beside one that had {had:.3f} s: {blamed}")
        if had < 0.1:
            raise Busy(f"it had {had:.3f} s only")
        # Each wait is put on who ran at one point of it: right on average. The fewer and
        # longer they are, the further from it may they be: four times the deviation.
        off = 0.2 * had + 0.05 + 4 * 0.5 * waited / max(self.waits, 1) ** 0.5
        between(found, had - off, had + off, f"what {cgroup.path} is blamed with, s")
        check(found > 0, "it is not named")

    def named(self):
        """Everybody it has ever waited for, as far as that is told."""
        points = agent.total().points(self.cgroup, CULPRIT)
        return {p["attributes"]["assay.sched.culprit"] for p in points}


def exports(n):
    """Waits until there were so many more."""
    for _ in range(n + 1):  # the next one may have been read before
        size = os.path.getsize(agent.exports)
        wait_for(lambda: os.path.getsize(agent.exports) != size, 30 * EXPORT_S,
                 "an export")


def is_named(victim, name):
    """Somebody new runs beside the victim: at the latest after an export or two all
    that it waits is put on that name."""
    cgroup = Cgroup(name)
    load = Load(cgroup, "spin", 1, CPU)
    victim.beside([load], 1500 * EXPORT_S)
    exports(1)
    victim.beside_one(load, cgroup, 1000)
    return cgroup, load


@test("who comes after there is no entry left is named when it matters")
def _():
    victim = Victim("crowded")
    crowd = [Load(Cgroup(f"crowd{i}"), "spin", 1, CPU)
             for i in range(defined("CULPRITS") + 5)]
    for _ in range(10):  # where others have the CPU, too, not all of them are met
        _, blamed = victim.beside(crowd, 60)
        if blamed.get("_OTHER"):
            break
    else:
        raise Busy(f"nobody is without an entry: {blamed}")
    is_named(victim, "late")


@test("who comes after many that are gone is named, and those are told no more")
def _():
    victim, gone = Victim("old"), []
    for i in range(defined("CULPRIT_NAMES") + 5):
        cgroup = Cgroup(f"gone{i}")
        victim.beside([Load(cgroup, "spin", 1, CPU)], 60)
        gone.append(cgroup.path)
        cgroup.remove()
    wait_for(lambda: not victim.named() & {*gone}, 60 * EXPORT_S,
             "culprits that are gone to be told no more")
    is_named(victim, "new")


@test("who matters keeps its entry while others come")
def _():
    victim = Victim("steady")
    crowd = [Load(Cgroup(f"other{i}"), "spin", 1, CPU)
             for i in range(defined("CULPRITS") + 5)]
    victim.beside(crowd, 30)
    # what it had is halved at each export, of which a slow machine makes some meanwhile
    group, steady = is_named(victim, "steady-culprit")
    for _ in range(2):
        victim.beside(crowd, 15)
        exports(1)
        victim.beside(crowd, 15)
        victim.beside_one(steady, group, 1000)


main(setup)
