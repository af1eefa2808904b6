#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody sets the wall clock while the agent runs: what it exports follows, forwards
and back. Needs a guest, whose clock is nobody else's."""
# vm: kernels=6.1,6.12,7.x ci=6.1

import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from disturbed import wall
from node import Agent, Cgroup, Load, Report, wait_for
from receiver import Receiver, total
from tap import Skip, between, check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
HOUR = 3600
STEP = 0.1  # s; what is less is not followed
receiver = agent = load = cgroup = None
started = 0.0


def set_clock(seconds):
    """Moves the wall clock."""
    time.clock_settime(time.CLOCK_REALTIME,
                       time.clock_gettime(time.CLOCK_REALTIME) + seconds)


def setup():
    """An agent that starts with a clock two hours ahead."""
    global receiver, agent, load, cgroup, started
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    receiver = Receiver()
    cgroup = Cgroup("clock")
    load = Load(cgroup, "traps")
    set_clock(2 * HOUR)
    agent = Agent("--probes", "syscall", "--export-interval", "1s", export=receiver.url)
    started = time.clock_gettime(time.CLOCK_BOOTTIME)
    load.ask("getppid", 100)


def exported(n=2):
    """The points of the cgroup's calls in the next n exports."""
    seen = receiver.taken
    wait_for(lambda: receiver.taken > seen, 60, "an export")
    series = receiver.of(cgroup.path, DURATION, class_="process")
    at = sum(len(points) for points in series.values())
    wait_for(lambda: receiver.taken > seen + n, 60, f"{n} exports")
    (points,), = [receiver.of(cgroup.path, DURATION, class_="process").values()]
    return points[at:]


def check_times(points):
    """Their times are those of the clock as it is now, and their starts are before."""
    now = time.time()
    check(len(points) >= 2, f"{len(points)} points")
    times = [t for _, t, _ in points]
    same(times, sorted(set(times)), "times")
    for start, end, _ in points:
        between(end / 1e9, now - 30, now + STEP, "time of a point, s")
        check(start < end, f"a point from {start} to {end}")
    starts = {start for start, _, _ in points}
    same(len(starts), 1, "starts")
    began = wall() + started
    between(starts.pop() / 1e9, began - 100, began + STEP, "the start by this clock, s")


@test("a clock that is ahead when the agent starts is followed")
def _():
    check_times(exported())


@test("and set right: no start and no time is in the future any more")
def _():
    set_clock(-2 * HOUR)
    check_times(exported())
    check("the wall clock was set by -7200" in agent.said(), f"the log: {agent.said()}")


@test("set back by an hour: times go on from there")
def _():
    set_clock(-HOUR)
    check_times(exported())
    set_clock(HOUR)
    check_times(exported())


@test("a step of 20 ms moves no start")
def _():
    before = exported()
    set_clock(0.02)
    after = exported()
    same({start for start, _, _ in before + after}, {before[0][0]}, "starts")


def is_asleep(pid):
    """Is it in clock_nanosleep, as a report between its two readings?"""
    with open(f"/proc/{pid}/syscall") as f:
        return f.read().split()[0] == "230"


@test("a `report` beside a step shows what happened in between")
def _():
    report = Report("--duration", "10s", "--socket", agent.socket)
    wait_for(lambda: is_asleep(report.process.pid), 60, "its first reading")
    set_clock(HOUR)
    load.ask("getppid", 500)
    numbers = report.result()
    set_clock(-HOUR)
    same(numbers.value(cgroup, DURATION, class_="process"), 500, "calls")
    between(numbers.report["duration_s"], 9, 60, "seconds")


@test("the counts are whole, and the agent ends well")
def _():
    load.ask("getppid", 23)
    before = agent.total(0.5).value(cgroup, DURATION, class_="process")
    same(agent.stop()[0], 0, "exit status")
    series = receiver.of(cgroup.path, DURATION, class_="process")
    same(total(series), before, "calls in the last export")
    diag(f"{len(*series.values())} points")


main(setup)
