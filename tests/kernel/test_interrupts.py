#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whom the agent interrupts: at a reading the CPUs that have something to tell, once
each; for slots that change hands nobody. The truth is the kernel's: its events of one CPU
that calls another (6.4 and later), of the agent only, held against /proc/interrupts."""
# beside: nobody
# vm: kernels=6.12,7.x,nohz,cpus16,cpus64,cpus64-7.x ci=none

import os
import re
import sys
import time
from collections import Counter

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import PATIENCE, Agent, Cgroup, Load, wait_for
from tap import Busy, Skip, between, check, defer, diag, main, need_root, same, test

need_root()

TRACING = "/sys/kernel/tracing"
CPUS = sorted(os.sched_getaffinity(0))
HERE, THERE = CPUS[0], CPUS[-1]  # the agent's, and another one
LINE = re.compile(r"^\s*.{16}-(\d+)\s+\[(\d+)\] \S+\s+(\d+\.\d+): (\w+): (.*)")
CHURN = 300 if os.environ.get("TEST_PATIENCE") else 600  # cgroups
CALLS = 1_000_000 if os.environ.get("TEST_PATIENCE") else 3_000_000
RING = 32  # records of a CPU: when they are full it replays them itself
TURN = 0.1  # s: the agent looks that often whether slots are needed


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


def mask(cpu):
    """A CPU as the kernel reads it: hexadecimal, a comma behind each 32 bits."""
    return f"{1 << cpu % 32:x}" + cpu // 32 * ",00000000"


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
        write(self.dir + "/buffer_size_kb", 8192 if cpu is not None or len(CPUS) < 8 else 2048)
        if cpu is not None:
            write(self.dir + "/tracing_cpumask", mask(cpu))
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
    """Of CPU THERE or of several, from now to result()."""

    def __init__(self, agent, cpus=(THERE,)):
        self.threads = {int(t) for t in os.listdir(f"/proc/{agent.pid()}/task")}
        self.cpus = cpus
        self.trace = Trace("csd/csd_queue_cpu")
        self.before = self.counted()

    def counted(self):
        """By /proc/interrupts."""
        counts = function_calls()
        return sum(counts[cpu] for cpu in self.cpus)

    def calls(self):
        """Those of the CPUs: when, by which thread, of which CPU, for what."""
        for when, pid, _, _, text in self.trace.read():
            cpu = int(re.search(r"\bcpu=(\d+)", text)[1])
            if cpu in self.cpus:
                yield when, pid, cpu, re.search(r"func=(\S+)", text)[1]

    def result(self):
        """When the agent interrupted them, and which."""
        all_ = self.counted() - self.before
        calls = list(self.calls())
        ours = [(when, cpu, what) for when, pid, cpu, what in calls if pid in self.threads]
        diag(f"CPUs {self.cpus}: {dict(Counter(what for _, _, what in ours))} by the "
             f"agent, {len(calls)} by all, /proc/interrupts: {all_}")
        # who finds a call queued already does not interrupt once more
        check(all_ <= len(calls) + 3 * len(self.cpus),
              f"{all_} interrupts, events of {len(calls)}")
        return [(when, cpu) for when, cpu, what in ours if not what.startswith(OTHERS)]


def pinned(*options, quiet="none"):
    return Agent("--quiet-cpus", quiet, *options, prefix=("taskset", "-c", str(HERE)))


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
    ours = [when for when, _ in interrupts.result()]
    events = [when for when, _, _, _, _ in there.read()]
    check(events, "no events")
    ours = [when for when in ours if when > events[0]]  # the buffer may have been full
    found = violations(ours, events)
    diag(f"{len(events)} events there; {found} of {len(ours)} interrupts found nothing")
    # one may find a record whose event was a moment before the interrupt before it
    check(found <= 1 + len(ours) // 20, f"{found} of {len(ours)} found nothing to tell")


@test("of all CPUs together: at a reading each once at most, for cgroups none")
def _():
    agent, load = pinned("--slots", "64"), churner()
    others, readings = tuple(CPUS[1:]), 20
    interrupts, began = Interrupts(agent, others), time.monotonic()
    for _ in range(readings):
        agent.total(0)
    more = (time.monotonic() - began) / 5
    at_readings = Counter(cpu for _, cpu in interrupts.result())
    interrupts, began = Interrupts(agent, others), time.monotonic()
    answer = load.ask("churn", CHURN)
    took = time.monotonic() - began
    for_cgroups = len(interrupts.result())
    diag(f"figure: {len(CPUS)} CPUs: {sum(at_readings.values()) / readings:.1f} interrupts "
         f"a reading, of {len(others)} CPUs that could be; while cgroups come and go "
         f"{1000 * for_cgroups / answer['cgroups']:.1f} per 1000 of them, "
         f"{for_cgroups / took:.1f} a second")
    for cpu, n in at_readings.items():
        between(n, 0, readings + more + NOISE, f"interrupts of CPU {cpu}")
    between(for_cgroups, 0, (took / TURN + NOISE) * len(others),
            f"interrupts in {took:.1f} s, of {len(others)} CPUs")


def idle_time(cpu):
    """How long a CPU had nothing to run, s."""
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith(f"cpu{cpu} "):
                return int(line.split()[4]) / os.sysconf("SC_CLK_TCK")
    return 0


class Quiet:
    """A load on a quiet CPU, with one beside it that never leaves the CPU idle."""

    def __init__(self, agent):
        self.agent, self.cgroup = agent, Cgroup("quiet")
        self.load, self.spin = Load(self.cgroup, "calls"), None
        os.sched_setaffinity(self.load.pid, {THERE})
        self.busy()
        self.before, self.truth = 0, 0
        self.before = self.known()

    def busy(self):
        self.spin = Cgroup("spin").start([sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(self.spin.pid, {THERE})

    def idle(self):
        self.spin.kill()
        self.spin.wait()

    def known(self):
        """Of its calls, to the agent."""
        return self.agent.total().value(self.cgroup, "assay.syscall.duration",
                                        class_="process") - self.before

    def write_down(self):
        """Calls, until the CPU has written some down that nobody asked for. False: others
        that run there always fill its rings."""
        for n in range(1, RING):
            self.truth += self.load.ask("getppid", n)["calls"]
            if self.known() < self.truth:
                return True
        return False


@test("a quiet CPU is interrupted when it is idle; while something runs there, never")
def _():
    agent = pinned(quiet=str(THERE))
    os.sched_setaffinity(0, {HERE})  # reports there would fill its rings
    defer(os.sched_setaffinity, 0, CPUS)
    check(f"interrupts what runs on CPUs {THERE}" in agent.said(), agent.said())
    quiet = Quiet(agent)
    interrupts = Interrupts(agent)
    quiet.load.tell("getppid", CALLS)
    for _ in range(20):
        agent.total(0)
    quiet.truth += quiet.load.reply()["calls"]
    written = quiet.write_down()
    same(len(interrupts.result()), 0, "interrupts at readings while it is busy")
    idle, rounds = 0, 10
    while written and rounds:
        rounds -= 1
        interrupts = Interrupts(agent)
        quiet.idle()
        before, began = idle_time(THERE), time.monotonic()
        wait_for(lambda: quiet.known() >= quiet.truth, PATIENCE, "all calls, once the CPU is idle")
        same(quiet.known(), quiet.truth, "calls")
        if interrupts.result():
            return
        idle += idle_time(THERE) - before > 0.5 * (time.monotonic() - began) > 0.02
        quiet.busy()  # others that ran there filled its rings: once more
        written = quiet.write_down()
    if idle < 3:
        raise Busy("others ran there")
    check(False, "what was written down was never asked for when it was idle")


@test("when slots are needed, a quiet CPU is interrupted all the same")
def _():
    agent = pinned("--slots", "64", quiet=str(THERE))
    load = Load(Cgroup("quiet"), "stress")
    os.sched_setaffinity(load.pid, {THERE})
    load.tell("pinned", 1_000_000_000)
    churn, interrupts = churner(), Interrupts(agent)
    churn.ask("churn", CHURN)  # faster than slots can be given back
    time.sleep(3)

    def full():
        return agent.total().lost().get(("sched", "slots_full"), 0)

    def have_slots():
        before = full()
        churn.ask("churn", 20)
        return full() == before
    check(interrupts.result(), "nobody was interrupted")
    wait_for(have_slots, PATIENCE, "slots to be given back")


@test("CPUs that the kernel isolates are quiet by default")
def _():
    found = ""
    for name in ("isolated", "nohz_full"):
        path = f"/sys/devices/system/cpu/{name}"
        if os.path.exists(path):
            with open(path) as f:
                found = found or f.read().strip()
    agent = Agent()
    if not found[:1].isdigit():
        check("quiet CPUs" not in agent.said(), agent.said())
        raise Skip("this kernel isolates no CPU")
    check(f"interrupts what runs on CPUs {found}" in agent.said(), agent.said())


main(setup)
