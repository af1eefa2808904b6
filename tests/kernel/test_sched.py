#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Waits for a CPU on the live kernel, against clocks and the kernel's own sums."""
# vm: kernels=cpus16,cpus64,rt,rt-6.1,nohz,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import proc
from disturbed import HiddenRuns
from node import IN_GUEST, Agent, Cgroup, Load, cgroups
from readings import Change
from tap import Busy, Skip, between, check, diag, main, near, need_root, same, test
from waits import Waits, since

need_root()

WAIT = "assay.sched.wait.duration"
SWITCHES = "assay.sched.context_switches"
CPU = max(os.sched_getaffinity(0))
# A wait of the truth is between two looks at the clock, one of the kernel's is on a queue.
# An emulated CPU may stand still between them: when it moves a task to another queue, or
# is at the lock of one whose own CPU stands still.
LATER_S = 1e-3 if IN_GUEST else 0
agent = truth = None


def setup():
    global agent, truth
    agent = Agent()
    agent.need("sched")
    truth = Waits()


def switches(load):
    """(voluntary, involuntary) switches of all its threads."""
    sums = {"voluntary_ctxt_switches": 0, "nonvoluntary_ctxt_switches": 0}
    for text in proc.of_threads(load.pid, "status").values():
        for line in text.splitlines():
            key, _, value = line.partition(":")
            if key in sums:
                sums[key] += int(value)
    return tuple(sums.values())


class Run:
    """One run of a load between two totals, with what /proc says about it."""

    def __init__(self, load, cgroup, *words, meanwhile=None):
        truth.of(cgroup)
        load.rests()
        asked, before = truth.of(cgroup), agent.total()
        delay, self.switched = load.schedstat(1), switches(load)
        hidden = HiddenRuns()
        load.tell(*words)
        if meanwhile:
            meanwhile()
        self.answer = load.reply()
        load.rests()
        self.change = Change(before, agent.total())
        self.truth = since(asked, truth.of(cgroup))
        self.init = hidden.count()
        self.cgroup = cgroup
        after = load.schedstat(1)
        self.delay = sum(after.values()) - sum(delay.values())
        self.main_delay = after[load.pid] - delay[load.pid]
        self.switched = tuple(b - a for a, b in zip(self.switched, switches(load)))

    def waits(self):
        return self.change.seconds(self.cgroup, WAIT)

    def agrees(self):
        """The sum of waits is that from the wake-ups, and the kernel's own, where that
        is right: see test_delayed.py. Each run of PID 1 may hide one wait, or the
        beginning of one, from the truth."""
        t, waits = self.truth, self.waits()
        diag(f"sum of waits {waits:.6f} s; truth {t}; run_delay {self.delay / 1e9:.6f} s")
        if not t["moved"]:
            near(waits, self.delay / 1e9, 0.01, "sum of waits and run_delay, s")
        low, hidden = t["clear_ns"] / 1e9, self.init * t["longest_ns"] / 1e9
        high = float("inf") if t["unseen"] else low + t["half_ns"] / 1e9
        later = 0.01 + LATER_S * (t["clear"] + t["half"])
        low, high = 0.99 * low - later, 1.01 * high + later
        if not low <= waits <= high and low - hidden <= waits <= high + hidden:
            raise Busy(f"PID 1 ran {self.init} times")
        between(waits, low, high, "sum of waits, s")

    def adds_up(self, k, milliseconds, cpus=1):
        """Waits and CPU time are the time in which the threads wanted the CPU. When
        others had it too, each of them may have waited before it knew the time, and
        behind the end."""
        waits = self.waits() - self.main_delay / 1e9
        had, wanted = self.answer["had"] / 1e9, self.answer["wanted"] / 1e9
        quiet = had > 0.97 * cpus * milliseconds / 1e3
        slack = 0.01 * wanted + (0 if quiet else 2 * k * self.truth["longest_ns"] / 1e9)
        slack += LATER_S * (self.truth["clear"] + self.truth["half"])
        between(waits + had, wanted - slack, wanted + slack,
                f"waits and CPU time of {k} threads, s")


def shared(k, milliseconds):
    cgroup = Cgroup(f"spin{k}")
    run = Run(Load(cgroup, "spin", k, CPU), cgroup, "run", milliseconds)
    # Each thread stops at the deadline, or when it is given a CPU after it.
    check(run.answer["wanted"] / 1e6 >= k * milliseconds, f"{run.answer}")
    run.adds_up(k, milliseconds)
    run.agrees()


for n in 2, 3, 8:
    test(f"waits and CPU time of {n} threads on one CPU are {n} x wall time")(
        lambda n=n: shared(n, 3000))


def churn(load, seconds):
    """Moves every spinning thread to another CPU, each 10 ms."""
    cpus = sorted(os.sched_getaffinity(0))
    tids = [t for t in load.threads() if t != load.pid]
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turn += 1
        for i, tid in enumerate(tids):
            os.sched_setaffinity(tid, {cpus[(turn + i // 2) % len(cpus)]})
        time.sleep(0.01)
    diag(f"{turn} migrations of {len(tids)} threads")


def migrated(k):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU")
    cgroup = Cgroup(f"churn{k}")
    load = Load(cgroup, "spin", k, CPU)
    run = Run(load, cgroup, "run", 2500, meanwhile=lambda: churn(load, 2.3))
    run.adds_up(k, 2500, min((k + 1) // 2, len(os.sched_getaffinity(0))))
    run.agrees()


for n in 2, 3, 8:
    test(f"they are for {n} threads that migrate every 10 ms")(lambda n=n: migrated(n))


@test("the first wait of a thread born during the measurement is counted")
def _():
    cgroup = Cgroup("born")
    run = Run(Load(cgroup, "spin", 0, CPU), cgroup, "born", 6, 500)
    run.adds_up(6, 500)
    run.agrees()


@test("the waits of two workloads on one CPU are told apart")
def _():
    groups = Cgroup("one"), Cgroup("three")
    loads = [Load(g, "spin", k, CPU) for g, k in zip(groups, (1, 3))]
    before, delays = agent.total(), [x.waited() for x in loads]
    for load in loads:
        load.tell("run", 2000)
    for load in loads:
        load.reply()
        load.rests()
    change = Change(before, agent.total())
    for group, load, delay in zip(groups, loads, delays):
        near(change.seconds(group, WAIT), load.waited() - delay, 0.01,
             f"waits of {group.path}, s")


@test("a thread alone in its workload waits as long as the kernel says")
def _():
    cgroup = Cgroup("alone")
    run = Run(Load(cgroup, "spin", 1, CPU), cgroup, "run", 500)
    run.agrees()


def switched(name, *words):
    cgroup = Cgroup(name)
    run = Run(Load(cgroup, "spin", 2, CPU), cgroup, *words)
    found = run.change.by(cgroup, SWITCHES, "type")
    diag(f"/proc says {run.switched}")
    same((found.get("voluntary", 0), found.get("involuntary", 0)), run.switched,
         "voluntary and involuntary switches")
    return run


@test("1000 naps are as many voluntary switches as /proc says")
def _():
    run = switched("nap", "nap", 1000)
    # on a slow machine a nap may be over before it sleeps
    between(run.switched[0], 900, 1100, "voluntary switches")


@test("two threads on one CPU are switched as often as /proc says")
def _():
    run = switched("switch", "run", 1500)
    check(run.switched[1] > 50, f"only {run.switched[1]} involuntary switches")


@test("there are as many samples as times that the threads were switched in")
def _():
    cgroup = Cgroup("samples")
    load = Load(cgroup, "spin", 3, CPU)
    before, hidden = load.runs(), HiddenRuns()
    run = Run(load, cgroup, "run", 1000)
    arrivals = load.runs() - before
    samples = run.change.value(cgroup, WAIT)
    diag(f"{samples} samples, {arrivals} times")
    # Where a switch goes unseen, two waits are one sample.
    unseen = hidden.count()
    if max(2, arrivals / 10) < arrivals - samples <= unseen:
        raise Busy(f"PID 1 ran {unseen} times")
    between(arrivals - samples, 0, unseen, "times without a sample")


@test("a sleeper next to a hog waits; its distribution and its sum agree")
def _():
    hog, sleeper = Cgroup("hog"), Cgroup("sleeper")
    load = Load(hog, "spin", 2, CPU)
    napper = Load(sleeper, "spin", 0)
    os.sched_setaffinity(napper.pid, {CPU})
    load.tell("run", 1500)
    run = Run(napper, sleeper, "nap", 200)
    load.reply()
    run.agrees()
    points = run.change.after.points(sleeper, WAIT, cause="contention")
    same(len(points), 1, "points")
    point = points[0]
    check(point["p50"] <= point["p90"] <= point["p99"] <= point["max"],
          f"quantiles are not in order: {point}")


CULPRIT = "assay.sched.wait.culprit.time"


def all_are_blamed(blamed, waits, there):
    """The sum over the culprits is that of the waits; but one whose cgroup is gone is
    told no more, and it may be any of this machine's."""
    if there == cgroups():
        near(sum(blamed.values()), waits, 1e-6, "sum over the culprits, s")
    else:
        check(sum(blamed.values()) < waits + 1e-6, f"waits {waits} s, blamed {blamed}")


@test("who had the CPU meanwhile is blamed with what it had, and the sum is the wait")
def _():
    # On one CPU all that others use of it is time that this one waits.
    groups = [Cgroup(name) for name in ("victim", "one", "three")]
    loads = [Load(g, "spin", k, CPU) for g, k in zip(groups, (1, 1, 3))]
    there, before, had = cgroups(), agent.total(), [load.ran() for load in loads]
    for load in loads:
        load.tell("run", 6000)
    for load in loads:
        load.reply()
        load.rests()
    change = Change(before, agent.total())
    had = [load.ran() - h for load, h in zip(loads, had)]
    waits = change.seconds(groups[0], WAIT, cause="contention")
    blamed = change.by(groups[0], CULPRIT, "culprit")
    diag(f"waits {waits:.3f} s; had {had}; blamed {blamed}")
    all_are_blamed(blamed, waits, there)
    # While somebody has the CPU, all others wait: of the three, two for the third.
    threes = change.by(groups[2], CULPRIT, "culprit")
    own = change.seconds(groups[2], WAIT, cause="contention")
    diag(f"the three hogs: waits {own:.3f} s, blamed {threes}")
    # Each wait is one's as a whole, chosen evenly: of few long ones much is left to
    # chance. Three times the deviation, which is largest if all are as long as the longest.
    longest = max(p["max"] for g in (groups[0], groups[2])
                  for p in change.after.points(g, WAIT, cause="contention"))
    chance = max(0.1, 3 * 0.5 * (longest / waits) ** 0.5)
    if chance > 0.4:
        raise Busy(f"a wait of {longest} s in {waits} s")
    for culprits, all_, who, time_ in ((blamed, waits, 1, had[1]), (blamed, waits, 2, had[2]),
                                       (threes, own, 0, 3 * had[0]),
                                       (threes, own, 1, 3 * had[1]),
                                       (threes, own, 2, 2 * had[2])):
        between(culprits.get(groups[who].path, 0) / all_, time_ / all_ - chance,
                time_ / all_ + chance, f"share of {groups[who].path} in {all_:.3f} s")


@test("a migration is one when the kernel says so")
def _():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("one CPU")
    cgroup = Cgroup("moves")
    load = Load(cgroup, "spin", 1, CPU)
    before = agent.total()
    for i in range(20):
        os.sched_setaffinity(load.pid, {cpus[i % len(cpus)]})
        load.ask("nap", 5)
    moves = Change(before, agent.total()).value(cgroup, "assay.sched.migrations")
    between(moves, 19, 21, "migrations of 20 changes of the CPU")


@test("a wait of many seconds is one sample of them all")
def _():
    groups = Cgroup("favoured"), Cgroup("last")
    for group, weight in zip(groups, (10000, 1)):
        if os.path.exists(group.dir + "/cpu.weight"):
            # with the cpu controller a thread's nice value counts within its cgroup only
            group.write("cpu.weight", weight)
    hog, last = [Load(g, "spin", 1, CPU) for g in groups]
    for load, nice in (hog, -20), (last, 19):
        for tid in load.threads():
            os.setpriority(os.PRIO_PROCESS, tid, nice)
    last.rests()
    there, before, delay = cgroups(), agent.total(), last.waited()
    hog.tell("run", 9000)
    last.tell("run", 8500)
    last.reply()
    hog.reply()
    last.rests()
    change = Change(before, agent.total())
    longest = max(p["max"] for p in change.after.points(groups[1], WAIT))
    diag(f"the longest wait is up to {longest:.1f} s")
    if longest < 4.5:  # a wait of less than 2^32 ns shows nothing
        raise Busy("others gave way, and no wait was long enough")
    near(change.seconds(groups[1], WAIT), last.waited() - delay, 0.001,
         "sum of waits, s")
    blamed = change.by(groups[1], CULPRIT, "culprit")
    all_are_blamed(blamed, change.seconds(groups[1], WAIT), there)


main(setup)
