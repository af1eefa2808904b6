#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Cgroups that come and go: nothing is lost, places are used again."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import Agent, Cgroup, Change, Load
from tap import check, defer, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
CHURN = int(os.environ.get("TEST_CHURN", 2000))  # nightly: 100000


def load(cgroup):
    """A churn load whose own calls are in a cgroup beside those that it makes."""
    os.mkdir(cgroup.dir + "/own")
    own = Cgroup.__new__(Cgroup)
    own.path, own.dir = cgroup.path + "/own", cgroup.dir + "/own"
    defer(own.remove)
    return Load(own, "churn", cgroup.dir)


def counted(exports, base):
    """Calls of class memory of all cgroups c* below base, by where they are."""
    def among(kind):
        return exports.sum(DURATION, lambda r: r.get("assay.workload.kind") == kind,
                           **{"class": "memory"})

    named = exports.sum(DURATION, lambda r: r.get("process.linux.cgroup", "")
                        .startswith(base + "/c"), **{"class": "memory"})
    return {"named": named, "unknown": among("unknown"), "overflow": among("overflow")}


@test(f"{CHURN} cgroups in a row, each 10 calls and gone: the sum of all is the truth")
def _():
    agent = Agent("--probes", "syscall", "--export-interval", "5s")
    base = Cgroup("churn")
    answer = load(base).ask("churn", CHURN)
    diag(f"{answer['cgroups']} cgroups in {answer['ms']} ms")
    numbers = agent.total()
    lost = numbers.lost()
    diag(f"lost: {lost}")
    agent.stop()
    exports = Exports(agent.exports)
    found = counted(exports, base.path)
    diag(f"found: {found}")
    same(sum(found.values()), answer["calls"], "calls in all series")
    same(exports.backwards, [], "series that went backwards")
    # what was never told is kept for twice the slots, then added to the overflow
    kept = 10 * 1024 * (answer["ms"] / 5000 + 1)
    check(found["named"] > 0.5 * min(answer["calls"], kept),
          f"only {found['named']} calls have a workload of their own")


@test("300 cgroups at once in 64 slots: the rest is in the overflow, none is lost")
def _():
    agent = Agent("--probes", "syscall", "--slots", "64", "--export-interval", "5s")
    base = Cgroup("many")
    churn = load(base)
    answer = churn.ask("fill", 300)
    agent.total()
    churn.ask("drop")
    agent.stop()
    found = counted(Exports(agent.exports), base.path)
    diag(f"found: {found}")
    same(sum(found.values()), answer["calls"], "calls in all series")
    check(found["overflow"] > 0, "nothing overflowed")


@test("after them a new cgroup gets a slot of its own")
def _():
    agent = Agent("--probes", "syscall", "--slots", "64", "--export-interval", "1s")
    base = Cgroup("again")
    churn = load(base)
    churn.ask("fill", 300)
    churn.ask("drop")
    time.sleep(3.5)  # two exports: quarantine, free
    late = Cgroup("late")
    calls = Load(late, "traps")
    before = agent.total()
    calls.ask("getppid", 500)
    same(Change(before, agent.total()).value(late, DURATION, class_="process"), 500,
         "calls")


main()
