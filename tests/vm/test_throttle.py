#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Why a task waited for a CPU, and for whom: against cpu.stat of a pure v2 tree. A thread
that always wants its CPU is either running, or throttled, or waiting for who else runs:
all three are what the kernel has counted, in cpu.stat of its group and of the others."""
# vm: kernels=6.1,6.12,7.x ci=7.x

import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load, cgroup_root
from readings import Change
from tap import Skip, between, check, diag, main, near, need_root, same, test

need_root()

WAIT = "assay.sched.wait.duration"
CULPRIT = "assay.sched.wait.culprit.time"
QUOTA = "20000 100000"
MILLISECONDS = int(os.environ.get("ASSAY_TEST_MS", 6000))  # of the culprits' runs
LONGEST = 0.15  # s; a wait in which the host had no CPU for the guest is one draw
CPUS = sorted(os.sched_getaffinity(0))
agent = None


def setup():
    global agent
    with open(cgroup_root() + "/cgroup.controllers") as f:
        if "cpu" not in f.read().split():
            raise Skip("the v2 tree has no cpu controller")
    agent = Agent("--probes", "sched,cgroup")  # to load all takes a guest a minute
    agent.need("sched")


class Run:
    """Groups with loads between two totals, and what cpu.stat says of each meanwhile.
    A load has one thread more, which wakes to say that it is done: what that one waited
    is `extra`, by group. A quota is set for the time of the run only: before 6.6 what a
    group is throttled while nothing in it wants a CPU is in cpu.stat too, after a load's
    start or its end for instance."""

    def __init__(self, *groups, limited=None):
        self.groups, self.limited = groups, limited
        self.loads = []
        self.stat, self.extra = {}, dict.fromkeys(groups, 0.0)

    def add(self, group, threads, cpu=CPUS[-1]):
        self.loads.append(Load(group, "spin", threads, cpu))
        self.loads[-1].group = group
        return self.loads[-1]

    def measure(self, milliseconds, lead=0):
        """All loads run; the first one begins `lead` ms earlier and ends later."""
        before = agent.total(0.5)
        stat = {g: g.stat("cpu.stat") for g in self.groups}
        delays = [load.schedstat(1) for load in self.loads]
        if self.limited:
            self.limited.write("cpu.max", QUOTA)
        for i, load in enumerate(self.loads):
            load.tell("run", milliseconds + (0 if i else 2 * lead))
            if lead and not i:
                time.sleep(lead / 1000)
        for load in self.loads:
            load.reply()
        if self.limited:
            self.limited.write("cpu.max", "max")
        self.change = Change(before, agent.total(0.5))
        self.delay = 0.0
        for load, before in zip(self.loads, delays):
            after = load.schedstat(1)
            self.delay += (sum(after.values()) - sum(before.values())) / 1e9
            self.extra[load.group] += (after[load.pid] - before[load.pid]) / 1e9
        for g in self.groups:
            self.stat[g] = {k: n - stat[g][k] for k, n in g.stat("cpu.stat").items()}
            diag(f"{g.path}: {self.waits(g)}, culprits {self.culprits(g)}, "
                 f"{self.stat[g]}")
            diag(str([(c, self.change.value(g, WAIT, cause=c), m["max"])
                      for c in ("contention", "throttled")
                      for m in self.change.after.points(g, WAIT, cause=c)]))

    def waits(self, group):
        """Seconds of waiting by cause."""
        return {cause: self.change.seconds(group, WAIT, cause=cause)
                for cause in ("contention", "throttled")}

    def culprits(self, group):
        return self.change.by(group, CULPRIT, "culprit")

    def longest(self, group):
        return max(m["max"] for m in self.change.after.points(group, WAIT))

    def throttled(self, group):
        return self.stat[group]["throttled_usec"] / 1e6

    def used(self, group):
        return self.stat[group]["usage_usec"] / 1e6


def near_but(got, want, share, extra, what):
    """Equal but for a share of what is wanted, and for something on top."""
    diag(f"{what}: got {got:.6f}, want {want:.6f} and at most {extra:.6f} on top")
    between(got, want * (1 - share), want * (1 + share) + extra, what)


def agree(run, group, limited):
    """The waits of the group's threads are what the limited one was throttled."""
    truth = run.throttled(limited)
    check(truth > 1, f"throttled for {truth} s only")
    near_but(run.waits(group)["throttled"], truth, 0.05, run.extra[group],
             "throttled waits, s")


@test("one thread under a quota: its throttled waits are throttled_usec")
def _():
    group = Cgroup("quota")
    run = Run(group, limited=group)
    run.add(group, 1)
    run.measure(3000)
    agree(run, group, group)
    near(sum(run.waits(group).values()), run.delay, 0.01, "all waits and run_delay, s")


@test("one thread on each CPU under a quota: the same")
def _():
    group = Cgroup("quota")
    run = Run(group, limited=group)
    for cpu in CPUS:
        run.add(group, 1, cpu)
    run.measure(3000)
    agree(run, group, group)


@test("the quota of a group above counts as well")
def _():
    above = Cgroup("above")
    group = Cgroup("below", above)
    run = Run(above, group, limited=above)
    run.add(group, 1)
    run.measure(3000)
    agree(run, group, above)


@test("quota and rival: each cause has its part, and the rival is not throttled")
def _():
    group, rival = Cgroup("quota"), Cgroup("rival")
    run = Run(group, rival, limited=group)
    load = run.add(group, 1)
    run.add(rival, 1)
    delay = load.waited()
    run.measure(4000)
    agree(run, group, group)
    waits = run.waits(group)
    near(sum(waits.values()), load.waited() - delay, 0.01,
         "all waits and run_delay, s")
    between(waits["contention"], 0.1, 3, "contention of the limited one, s")
    same(run.waits(rival)["throttled"], 0, "throttled waits of the rival")
    # The limited one runs only while the rival waits.
    others = sum(n for who, n in run.culprits(rival).items() if who != group.path)
    near_but(run.waits(rival)["contention"] - others, run.used(group), 0.1,
             run.extra[rival], "waits of the rival and CPU time of the limited one, s")


def twin(group):
    """A group whose id has the same last bits: in a table by them they collide."""
    for _ in range(200):
        other = Cgroup("twin")
        if (os.stat(other.dir).st_ino ^ os.stat(group.dir).st_ino) % 64 == 0:
            return other
    raise Skip("no two ids alike")


@test("a rival whose id is alike takes nothing away")
def _():
    group = Cgroup("quota")
    run = Run(group, twin(group), limited=group)
    for g in run.groups:
        run.add(g, 1)
    run.measure(3000)
    agree(run, group, group)


@test("two threads on one CPU without a quota: all of it is contention")
def _():
    group = Cgroup("free")
    run = Run(group)
    run.add(group, 2)
    run.measure(2000)
    waits = run.waits(group)
    same(waits["throttled"], 0, "throttled")
    near(waits["contention"], run.delay, 0.01, "contention and run_delay, s")
    near(run.culprits(group).get(group.path, 0), run.used(group), 0.1,
         "waits for the group itself and its CPU time, s")


def shares(values, groups):
    total = sum(values.get(g.path, 0) for g in groups)
    return [values.get(g.path, 0) / total for g in groups]


def blamed(weight):
    """A thread that waits for two others, of weight 100 and 300. It wants the CPU all
    the time in which they run: what it waited for each is what each was given. When
    both run in one wait, one of them is drawn: hence a doubt of four sigma."""
    for _ in range(3):
        victim = Cgroup("victim", cpu_weight=weight)
        others = Cgroup("light", cpu_weight=100), Cgroup("heavy", cpu_weight=300)
        run = Run(victim, *others)
        for group in run.groups:
            run.add(group, 1)
        run.measure(MILLISECONDS, lead=500)
        longest = run.longest(victim)
        if longest < LONGEST:
            break
    else:
        raise Skip(f"the guest's CPU was held up for {longest:.2f} s")
    got = run.culprits(victim)
    truth = {g.path: run.used(g) for g in others}
    near(sum(got.values()), run.waits(victim)["contention"], 0.001,
         "waits by culprit and all waits, s")
    for group, share, want in zip(others, shares(got, others), shares(truth, others)):
        diag(f"{group.path}: {share:.4f} of the waiting, {want:.4f} of the CPU time")
        waits = run.change.value(victim, WAIT)
        allowed = 0.03 + 4 * (want * (1 - want) / waits) ** 0.5
        check(abs(share - want) <= allowed,
              f"share {share}, want {want}, allowed {allowed} with {waits} waits")
    near(sum(got.get(g.path, 0) for g in others), sum(truth.values()), 0.05,
         "waits for the two and their CPU time, s")


for n in 100, 1000:
    test(f"a thread of weight {n} waits for two others by the CPU time that they had")(
        lambda n=n: blamed(n))


main(setup)
