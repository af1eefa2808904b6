#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Cgroups that come and go: nothing is lost, entries are used again."""
# beside: nobody
# vm: kernels=cpus16,cpus64,rt,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import (BIN, IN_GUEST, PATIENCE, Agent, Cgroup, Load, cgroup_root, defined,
                  least_memory, wait_for)
from readings import Change, Numbers, match
from tap import Busy, Skip, between, check, defer, diag, main, need_root, same, test

need_root()

Numbers.skip_when_full = False
DURATION = "assay.syscall.duration"
ERRORS = "assay.syscall.errors"
CPUS = os.sysconf("SC_NPROCESSORS_CONF")
EXPORT = 3000 if IN_GUEST else 300  # ms, so that one is over before the next
CHURN = int(os.environ.get("TEST_CHURN", 2000))  # nightly: 100000


def load(cgroup):
    """A churn load whose own calls are in a cgroup beside those that it makes."""
    return churn(cgroup.below("own"), cgroup.dir)


def churn(own, base):
    """A churn load in `own` that makes cgroups in the directory base; what is there at
    the test's end goes with it."""
    def sweep():
        for name in os.listdir(base):
            if name.startswith("c") and name[1:].isdigit():
                os.rmdir(f"{base}/{name}")

    defer(sweep)
    return Load(own, "churn", base)


def counted(exports, base):
    """The churn's calls, by where they are. All of them fail, and only they fail so: in
    the overflow others' calls are, too, while there is no slot left."""
    def count(metric, resource, **attributes):
        return exports.sum(metric, resource, **{"class": "memory"}, **attributes)

    def ours(resource):
        return resource.get("process.linux.cgroup", "").startswith(base + "/c")

    found = {"named": count(ERRORS, ours, type="EINVAL")}
    same(count(DURATION, ours), found["named"], "their durations")
    for kind in "unknown", "overflow":
        def other(resource):
            return resource.get("assay.workload.kind") == kind

        found[kind] = count(ERRORS, other, type="EINVAL")
        calls = count(DURATION, other)
        check(calls >= found[kind], f"{calls} durations, {found[kind]} errors: {kind}")
    return found


def slots_for_all():
    """So many slots that all cgroups which are there now leave half of them."""
    slots = 64
    while slots < 2 * sum(1 for _ in os.walk(cgroup_root())):
        slots *= 2
    if slots > 2048:
        raise Skip(f"too many cgroups are here already: {slots // 4} or more")
    return slots


@test(f"{CHURN} cgroups in a row, each 10 calls and gone: the sum of all is the truth")
def _():
    agent = Agent("--probes", "syscall", "--export-interval", "5s",
                  "--max-series-per-metric", "100000")
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


@test("more cgroups at once than slots: the rest is in the overflow, none is lost")
def _():
    slots = slots_for_all()
    agent = Agent("--probes", "syscall", "--slots", str(slots), "--export-interval", "5s")
    base = Cgroup("many")
    churner = load(base)
    answer = churner.ask("fill", 2 * slots)
    agent.total()
    churner.ask("drop")
    agent.stop()
    found = counted(Exports(agent.exports), base.path)
    diag(f"found: {found}")
    same(sum(found.values()), answer["calls"], "calls in all series")
    check(found["overflow"] > 0, "nothing overflowed")


def slots_taken(agent):
    """What its latest export says; None, while there is none that is whole."""
    try:
        return Exports(agent.exports).sum("assay.slot.usage", lambda resource: True)
    except (FileNotFoundError, ValueError):
        return None


@test("after them a new cgroup gets a slot of its own")
def _():
    slots = slots_for_all()
    agent = Agent("--probes", "syscall", "--slots", str(slots), "--export-interval", "1s")
    base = Cgroup("again")
    churner = load(base)
    churner.ask("fill", 2 * slots)
    most = slots * 3 // 4
    wait_for(lambda: (slots_taken(agent) or 0) > most, PATIENCE, "slots to be taken")
    churner.ask("drop")
    wait_for(lambda: (slots_taken(agent) or slots) < most, PATIENCE, "slots to be free")
    late = Cgroup("late")
    calls = Load(late, "traps")
    before = agent.total()
    calls.ask("getppid", 500)
    same(Change(before, agent.total()).value(late, DURATION, class_="process"), 500,
         "calls")


def in_overflow(numbers):
    """The churn's calls in the overflow."""
    return sum(m["value"] for w in numbers.report["workloads"] for m in w["metrics"]
               if w["kind"] == "overflow" and m["name"] == ERRORS and
               match(m["attributes"], "class", "memory") and
               match(m["attributes"], "type", "EINVAL"))


@test("new cgroups, few at a reading and many between two exports, never find it full")
def _():
    slots, cgroups = max(256, slots_for_all()), 0
    agent = Agent("--probes", "syscall", "--slots", str(slots), "--snapshot-interval",
                  "100ms", "--export-interval", "1h")
    churner = load(Cgroup("slowly"))
    # more than there are slots; with those that live fewer than are kept until an export
    while cgroups < 5 * slots // 4:
        churner.ask("churn", 8)
        cgroups += 8
        agent.total(0)  # a reading; by then the agent has looked how many there are
    numbers = agent.total()
    diag(f"{cgroups} cgroups; lost {numbers.lost()}")
    same(in_overflow(numbers), 0, "calls in the overflow")
    same(numbers.lost().get(("syscall", "slots_full"), 0), 0, "cgroups without a slot")


@test("a subtree that was delegated takes a quarter of the slots, however many are in it")
def _():
    slots, n = 1024, int(os.environ.get("TEST_DELEGATED", 1000))
    base = Cgroup("delegated")
    early = base.below("before")  # and this one is there before the agent
    for path in base.dir, early.dir:
        os.chown(path, 65534, 65534)
    agent = Agent("--probes", "syscall", "--slots", str(slots), "--export-interval", "1h")
    within, deeper = load(base), churn(early, early.dir)
    answers = [within.ask("fill", n), deeper.ask("fill", n)]
    numbers = agent.total()
    named = {path for path in numbers.workloads if (path or "").startswith(base.path + "/")}
    calls = sum(numbers.value(path, ERRORS, class_="memory") for path in named)
    over = in_overflow(numbers)
    diag(f"{len(named)} of {2 * n} have a workload; lost {numbers.lost()}")
    same(calls + over, sum(a["calls"] for a in answers), "calls, in all workloads")
    between(len(named), slots // 8, slots // 4 + 8, "workloads of the subtree")
    others = [Cgroup(f"other{i}") for i in range(64)]
    for each in others:
        Load(each, "traps").ask("getppid", 100)
    numbers = agent.total()
    same([numbers.value(each, DURATION, class_="process") >= 100 for each in others],
         [True] * 64, "others that have a workload of their own")


@test("nor more than a quarter of the cells: the rest of its series are in the overflow")
def _():
    agent = Agent("--probes", "syscall", "--slots", "1024", "--export-interval", "1h")
    cells = agent.pools()["histograms"][1]
    base = Cgroup("delegated")
    os.chown(base.dir, 65534, 65534)
    answer = load(base).ask("spread", 230)  # all their series are more than that
    numbers = agent.total()
    named = {path for path in numbers.workloads if (path or "").startswith(base.path + "/c")}
    series = sum(len(numbers.points(path, DURATION)) for path in named)
    calls = sum(numbers.value(path, DURATION, class_="memory") for path in named)
    calls += sum(m["count"] for w in numbers.report["workloads"] for m in w["metrics"]
                 if w["kind"] == "overflow" and m["name"] == DURATION and
                 match(m["attributes"], "class", "memory"))
    diag(f"{len(named)} of 230 have {series} series; lost {numbers.lost()}")
    check(calls >= answer["calls"], f"{calls} of {answer['calls']} calls")
    # each of them has a cell of each shard at most, and one at least; as many CPUs as
    # there are may take the last one at once
    shards = min(CPUS, defined("SHARDS_MAX"))
    between(series, cells // (8 * shards), cells // 4 + CPUS, "series of the subtree")
    check(numbers.lost().get(("syscall", "cells_full"), 0) > 0, "nothing was refused")


def pools(agent):
    """Where the cells of an agent's pools are (tests/kernel/cells.c)."""
    out = subprocess.run([f"{BIN}/cells", str(agent.pid())], text=True,
                         capture_output=True, check=True).stdout
    found = {key: int(value) for key, value in (w.split("=") for w in out.split())}
    diag(f"cells: {out.strip()}")
    return found


@test("pools that run dry on all CPUs, are filled and run dry again lose no cell")
def _():
    agent = Agent("--probes", "sched,syscall", "--slots", "1024", "--memory",
                  least_memory(), "--export-interval", f"{EXPORT}ms")
    churns = [load(Cgroup(f"dry{i}")) for i in range(4)]
    for _ in range(2):
        for each in churns:
            each.tell("spread", 220)  # all their series are more than all cells
        for each in churns:
            each.reply()
        agent.total()
        for each in churns:
            each.tell("drop")
        for each in churns:
            each.reply()
        time.sleep(2.3 * EXPORT / 1000)  # two exports: quarantine, free
    check(agent.total().lost().get(("syscall", "cells_full"), 0) > 0, "never dry")
    found = pools(agent)
    if found["moved"]:
        raise Busy("cells were taken whenever they were counted")
    same(found["used"] + found["left"] + found["spare"], found["size"], "cells")
    same(found["twice"], 0, "cells in two entries")


@test("who finds the pools dry does not look for a cell at each event")
def _():
    agent = Agent("--probes", "sched,syscall", "--slots", "1024", "--memory",
                  least_memory(), "--export-interval", f"{EXPORT}ms")
    victim = Load(Cgroup("late"), "calls")
    victim.ask("getppid", 1)  # it has a slot before there are no cells
    churns = [load(Cgroup(f"dry{i}")) for i in range(4)]
    for each in churns:
        each.tell("spread", 220)
    for each in churns:
        each.reply()

    def looked_for():
        return agent.total().lost().get(("syscall", "cells_full"), 0)

    first = looked_for()
    victim.ask("poll", 10000)  # none of its calls were of that class
    found = looked_for() - first
    diag(f"looked for {found} times")
    if not found:
        raise Busy("there was a cell for it")
    between(found, 1, 2000, "times that somebody looked for a cell, in 10000 calls")


@test("an errno that finds no room again and again has a series when there is some")
def _():
    agent = Agent("--probes", "syscall", "--slots", "64", "--memory", least_memory(64),
                  "--export-interval", f"{EXPORT}ms")
    cgroup = Cgroup("errno")
    victim = Load(cgroup, "traps")
    victim.ask("getppid", 1)  # it has a slot before there is no room
    others = [Cgroup(f"full{i}") for i in range(20)]
    loads = [Load(other, "errnos") for other in others]
    for each in loads:  # 64 series each
        same(each.ask("fail")["failed"], 64, "calls that failed")

    def full():
        return agent.total().lost().get(("syscall", "open_full"), 0)

    first = full()
    victim.ask("enotblk", 1000)
    found = full() - first
    diag(f"no room {found} times")
    if found < 1000:
        raise Busy("there was room for it")
    for each in loads:
        each.close()
    for other in others:
        other.remove()

    def series():
        victim.ask("enotblk", 1)
        return agent.total().value(cgroup, ERRORS, type="ENOTBLK")

    wait_for(series, PATIENCE, "a series of its own", EXPORT / 1000)


main()
