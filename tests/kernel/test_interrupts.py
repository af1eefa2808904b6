#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whom the agent interrupts: at a reading the CPUs that have something to tell, once
each; for slots that change hands nobody. The truth is the kernel's: its events of one CPU
that calls another (6.4 and later), of the agent only, held against /proc/interrupts."""
# beside: nobody
# vm: kernels=6.12,7.x ci=none

import os
import re
import sys
import time
from collections import Counter

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

TRACING = "/sys/kernel/tracing"
CPUS = sorted(os.sched_getaffinity(0))
HERE, THERE = CPUS[0], CPUS[-1]  # the agent's, and another one
LINE = re.compile(r"^\s*.{16}-(\d+)\s+\[(\d+)\] \S+\s+(\d+\.\d+): (\w+): (.*)")
CHURN = 300 if os.environ.get("TEST_PATIENCE") else 600  # cgroups
TURN = 0.1  # s: the agent looks that often whether slots are needed


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


class Trace:
    """Events of the kernel, in a buffer of our own."""

    serial = 0

    def __init__(self, *events, cpu=None):
        Trace.serial += 1
        self.dir = f"{TRACING}/instances/assay-{os.getpid()}-{Trace.serial}"
        if not all(os.path.isdir(f"{TRACING}/events/{e}") for e in events):
            raise Skip(f"this kernel has no events {events}")
        os.mkdir(self.dir)
        defer(os.rmdir, self.dir)
        write(self.dir + "/trace_clock", "mono")
        write(self.dir + "/buffer_size_kb", 8192)
        if cpu is not None:
            write(self.dir + "/tracing_cpumask", f"{1 << cpu:x}")
        for event in events:
            write(f"{self.dir}/events/{event}/enable", 1)

    def read(self):
        """Ends it. The events: (time in s, process, CPU, name, text), in order."""
        write(self.dir + "/tracing_on", 0)
        with open(self.dir + "/trace") as f:
            text = f.read()
        found = [(float(m[3]), int(m[1]), int(m[2]), m[4], m[5])
                 for m in map(LINE.match, text.splitlines()) if m]
        return sorted(found)


def function_calls():
    """/proc/interrupts: function calls that each CPU was interrupted for."""
    with open("/proc/interrupts") as f:
        cpus = [int(word[3:]) for word in f.readline().split()]
        for line in f:
            if line.split()[0] == "CAL:":
                return dict(zip(cpus, map(int, line.split()[1:])))
    raise Skip("/proc/interrupts has no line of function calls")


# Not for our programs: memory that is given back, also on the CPU where the agent was
# started (the line TLB), a thread that is woken there (of RCU, for a grace period), and
# the scheduler's own kicks of idle CPUs and its timers (7.x); the watch over the clock.
OTHERS = ("flush_tlb", "sched_ttwu_pending", "nohz_csd_func", "__hrtick_start",
          "watchdog_check_skew")
NOISE = 2


class Interrupts:
    """Of CPU THERE, from now to result()."""

    def __init__(self, agent):
        self.threads = {int(t) for t in os.listdir(f"/proc/{agent.pid()}/task")}
        self.trace = Trace("csd/csd_queue_cpu")
        self.before = function_calls()[THERE]

    def result(self):
        """When the agent interrupted it."""
        all_ = function_calls()[THERE] - self.before
        calls = [(when, pid, re.search(r"func=(\S+)", text)[1])
                 for when, pid, _, _, text in self.trace.read()
                 if re.search(rf"\bcpu={THERE}\b", text)]
        ours = [(when, what) for when, pid, what in calls if pid in self.threads]
        diag(f"CPU {THERE}: {dict(Counter(what for _, what in ours))} by the agent, "
             f"{len(calls)} by all, /proc/interrupts: {all_}")
        # who finds a call queued already does not interrupt once more
        check(all_ <= len(calls) + 3, f"{all_} interrupts, events of {len(calls)}")
        return [when for when, what in ours if not what.startswith(OTHERS)]


def pinned(*options):
    return Agent(*options, prefix=("taskset", "-c", str(HERE)))


def churner():
    """A load on the agent's CPU that makes and removes cgroups."""
    cgroup = Cgroup("churn")

    def clear():
        for name in os.listdir(cgroup.dir):
            if os.path.isdir(f"{cgroup.dir}/{name}"):
                os.rmdir(f"{cgroup.dir}/{name}")
    defer(clear)
    load = Load(cgroup, "churn", cgroup.dir)
    os.sched_setaffinity(load.pid, {HERE})
    return load


def setup():
    if len(CPUS) < 2:
        raise Skip("one CPU interrupts nobody")


def violations(ours, events):
    """How many interrupts found nothing: no event of the CPU since the one before."""
    found, at = 0, 0
    for before, now in zip(ours, ours[1:]):
        while at < len(events) and events[at] <= before:
            at += 1
        found += at == len(events) or events[at] > now
    return found


@test("a reading interrupts a CPU that has switches and calls to tell once, not twice")
def _():
    agent = pinned()
    load = Load(Cgroup("busy"), "stress")
    os.sched_setaffinity(load.pid, {THERE})
    load.tell("pinned", 1_000_000_000)
    time.sleep(0.5)
    readings = 20
    interrupts, began = Interrupts(agent), time.monotonic()
    for _ in range(readings):
        agent.total(0)
    more = (time.monotonic() - began) / 5  # exports, snapshots: every 10 s each
    ours = len(interrupts.result())
    between(ours, readings // 2, readings + more + NOISE,
            f"interrupts at {readings} readings")


@test("while cgroups come and go, a CPU is interrupted at readings only")
def _():
    agent, load = pinned("--slots", "64"), churner()
    interrupts = Interrupts(agent)
    began = time.monotonic()
    answer = load.ask("churn", CHURN)
    took = time.monotonic() - began
    ours = len(interrupts.result())
    diag(f"{1000 * ours / answer['cgroups']:.1f} per 1000 cgroups, of which "
         f"{answer['cgroups'] / took:.0f} a second")
    between(ours, 0, took / TURN + NOISE,
            f"interrupts of CPU {THERE} in {took:.1f} s")


@test("slots that change hands interrupt nobody: who is interrupted has something to tell")
def _():
    same(violations([1, 3, 5, 6, 9], [2, 4, 7, 8]), 1, "of these")
    agent, load = pinned("--slots", "64"), churner()
    there = Trace("sched/sched_switch", "raw_syscalls/sys_exit", cpu=THERE)
    interrupts = Interrupts(agent)
    load.ask("churn", CHURN)
    ours = interrupts.result()
    events = [when for when, _, _, _, _ in there.read()]
    check(events, "no events")
    ours = [when for when in ours if when > events[0]]  # the buffer may have been full
    found = violations(ours, events)
    diag(f"{len(events)} events there; {found} of {len(ours)} interrupts found nothing")
    # one may find a record whose event was a moment before the interrupt before it
    check(found <= 1 + len(ours) // 20, f"{found} of {len(ours)} found nothing to tell")


main(setup)
