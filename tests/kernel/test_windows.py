#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""The calls' probe in windows: what it counts there stands for all, with an error that
is as large as it says; and when it is on all the time again, all is exact."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=900

import math
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import PATIENCE, Agent, Cgroup, Load, report, scratch, wait_for
from off import lost
from readings import Change
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

RUNS = int(os.environ.get("TEST_WINDOW_RUNS", 5))  # nightly: 20
RUN_S = float(os.environ.get("TEST_WINDOW_S", 8))  # nightly: 300
WINDOW = os.environ.get("TEST_WINDOW", "50ms")  # nightly: 500ms, as by default
CALLS, ERRORS = "assay.syscall.duration", "assay.syscall.errors"
agent = None


def setup():
    global agent
    agent = Agent("--export-interval", "1s", "--probes", "syscall,tcp")
    agent.need("syscall", "tcp")


class Paced:
    """A load of tests/kernel/paced.c, whose counts can be read while it works."""

    def __init__(self, name):
        self.cgroup = Cgroup(name)
        self.path = scratch() + "/counts"
        self.load = Load(self.cgroup, "paced", self.path)

    def counts(self):
        with open(self.path, "rb") as f:
            return struct.unpack("3Q", f.read(24))


def measured(change, cgroup, name, **attributes):
    """A number, and how far off it says that it may be."""
    points = change.points(cgroup, name, **attributes)
    same(len(points), 1, f"points of {name} {attributes}")
    m = points[0]
    value = m["count"] if m["type"] == "histogram" else m["value"]
    return value, value * m.get("relative_standard_error", 0)


def report_over(seconds):
    """What `assay report` says of so many seconds, and the seconds."""
    return report("--estimate", "--duration", f"{int(seconds * 1000)}ms", "--socket",
                  agent.socket)


def hooks():
    """The programs of the calls' probe that hang on hooks."""
    found = set()
    for kind, _, fields in bpf.descriptors(agent.pid()):
        if kind == "link":
            found.add(bpf.prog_info(int(fields["prog_id"]))["name"])
    return found & {"syscall_enter", "syscall_exit", "syscall_leave"}


def exact(load, cgroup):
    """All is counted, and nothing of it is an estimate."""
    before = agent.total()
    load.load.ask("pace", 20, 50, 10, 0, 0)
    change = Change(before, agent.total())
    same((change.value(cgroup, CALLS, class_="process"),
          change.value(cgroup, ERRORS, class_="file")), (1000, 200), "calls, errors")


def windows(window=WINDOW, duty="1/16"):
    agent.tune("syscall", f"window={window}", f"duty={duty}")
    defer(agent.tune, "syscall", "duty=1")  # also when the test fails


@test("in a window its hooks are there, between two they are not")
def _():
    all_of_them = {"syscall_enter", "syscall_exit", "syscall_leave"}
    same(hooks(), all_of_them, "while it is on all the time")
    same(agent.tune("syscall", "window=200ms", "duty=1/4").split()[-2:],
         ["duty=1/4", "window=200ms"], "the answer")
    wait_for(lambda: hooks() == {"syscall_leave"}, PATIENCE, "a gap", 0.005)
    wait_for(lambda: hooks() == all_of_them, PATIENCE, "a window", 0.005)
    wait_for(lambda: hooks() == {"syscall_leave"}, PATIENCE, "its end", 0.005)
    there, looks = 0, 400
    for _ in range(looks):
        there += hooks() == all_of_them
        time.sleep(0.02)
    diag(f"there in {there} of {looks} looks")
    between(there / looks, 0.25 / 2.5, 0.25 * 2, "part of the time")
    agent.tune("syscall", "duty=1")
    wait_for(lambda: hooks() == all_of_them, PATIENCE, "all of it")
    time.sleep(0.5)
    same(hooks(), all_of_them, "and it stays")


def chi_square(n, z):
    """What a sum of n squares of normal deviates is below as often as one such deviate is
    below z (Wilson and Hilferty's approximation)."""
    return n * (1 - 2 / (9 * n) + z * math.sqrt(2 / (9 * n))) ** 3


@test(f"calls and errors of a steady load, {RUNS} times: as many as there were, and as "
      "far off as they say")
def _():
    load = Paced("steady")
    exact(load, load.cgroup)
    lost_before = agent.total()
    windows()
    load.load.tell("pace", int((RUN_S + 1) * 1000 * (RUNS + 1)), 20, 4, 0, 0)
    time.sleep(2)
    square = stated = 0
    within = 0
    for _ in range(RUNS):
        before = load.counts()
        change = report_over(RUN_S)
        after = load.counts()
        for i, (name, cls) in enumerate(((CALLS, "process"), (ERRORS, "file"))):
            truth = after[i] - before[i]
            got, error = measured(change, load.cgroup, name, class_=cls)
            diag(f"{name}: {got} of {truth}, {100 * (got - truth) / truth:+.2f} %, "
                 f"standard error {100 * error / truth:.2f} %")
            check(error > 0, "it says that it is exact")
            within += abs(got - truth) <= 3 * error
            square += ((got - truth) / truth) ** 2
            stated += (error / truth) ** 2
    diag(f"{within} of {2 * RUNS} within three standard errors; stated error "
         f"{math.sqrt(stated / square):.2f} of the true one")
    check(within >= 0.95 * 2 * RUNS - 1, "too many are further off")
    # so few runs tell the true error roughly: the errors of a run are those of its calls
    most, least = (math.sqrt(RUNS / chi_square(RUNS, z)) for z in (-3, 3))
    between(math.sqrt(stated / square), min(least, 1 / 1.5), max(most, 1.5),
            "the stated error, of the true one")
    load.load.close()  # it has told its numbers
    change = Change(lost_before, agent.total())
    same(lost(change), {}, "lost")
    agent.tune("syscall", "duty=1")
    time.sleep(1)
    load = Paced("steady-after")
    exact(load, load.cgroup)


@test("soon after it began to run in windows it says how far off it may be")
def _():
    load = Paced("soon")
    exact(load, load.cgroup)
    load.load.tell("pace", 6000, 20, 4, 0, 0)
    before, was = agent.total(), load.counts()
    windows("100ms", "1/64")  # a gap takes 6 s, in the mean
    for seconds in (0.6, 1, 2):
        time.sleep(seconds)
        truth, numbers = load.counts()[0] - was[0], agent.total()
        error = measured(numbers, load.cgroup, CALLS, class_="process")[1]
        got = Change(before, numbers).value(load.cgroup, CALLS, class_="process")
        diag(f"{got} of {truth}, standard error {error:.0f}")
        check(abs(got - truth) <= 3 * error, "it is further off")
    load.load.reply()


@test("the sum over a long time has no bias, and a load with the period of the windows is "
      "not misjudged")
def _():
    load, periodic = Paced("long"), Paced("periodic")
    exact(load, load.cgroup)
    windows("20ms")  # one in 320 ms
    before = agent.total()
    load.load.tell("pace", 20000, 20, 4, 0, 0)
    periodic.load.tell("pace", 24000, 40, 8, 320, 80)
    time.sleep(2)
    counted = periodic.counts()[0]
    change = report_over(20)
    truth = periodic.counts()[0] - counted
    got, error = measured(change, periodic.cgroup, CALLS, class_="process")
    diag(f"calls {got} of {truth}, standard error {error:.0f}")
    between(got, truth - 4 * error, truth + 4 * error, "calls of the periodic one")
    between(error, 0, truth / 2, "the error")
    load.load.reply()
    periodic.load.reply()
    change = Change(before, agent.total())  # a window has said that it is over
    calls, errors = (change.value(load.cgroup, CALLS, class_="process"),
                     change.value(load.cgroup, ERRORS, class_="file"))
    diag(f"calls {calls} of 400000, errors {errors} of 80000")
    # some 60 windows; the load begins and ends between two of them
    between(calls / 400000, 0.94, 1.06, "calls")
    between(errors / 80000, 0.94, 1.06, "errors")
    between(errors / calls, 0.2 * 0.97, 0.2 * 1.03, "errors of calls")
    agent.tune("syscall", "duty=1")


@test("calls that last count for the windows' ends, too; half a window is too long")
def _():
    short, long = Paced("naps"), Paced("long-naps")
    windows("100ms", "1/8")
    short.load.tell("naps", 14000, 25, 32)
    long.load.tell("naps", 14000, 70, 32)
    time.sleep(2)
    before = short.counts()[2]
    change = report_over(10)
    truth = short.counts()[2] - before
    got, error = measured(change, short.cgroup, CALLS, class_="wait")
    seconds = change.seconds(short.cgroup, CALLS, class_="wait")
    diag(f"naps {got} of {truth}, standard error {error:.0f}, {seconds / got * 1000:.2f} ms each")
    between(got, truth * 0.97 - 3 * error, truth * 1.03 + 3 * error, "naps of 25 ms")
    between(seconds / got, 0.0250, 0.0285, "seconds each")
    same(change.points(long.cgroup, CALLS, class_="wait"), [], "naps of 70 ms")
    short.load.reply()
    long.load.reply()
    agent.tune("syscall", "duty=1")


@test("its duty changes again and again under load: nothing is unpaired")
def _():
    storm = Load(Cgroup("storm"), "stress")
    before = agent.total()
    storm.tell("storm", 2, 12000)
    for _ in range(30):
        agent.tune("syscall", "window=20ms", "duty=1/2")
        time.sleep(0.15)
        agent.tune("syscall", "duty=1")
        time.sleep(0.1)
    storm.reply()
    same(lost(Change(before, agent.total())), {}, "lost")


@test("switched off and on, it is on all the time, and exact")
def _():
    load, at_first = Paced("off"), agent.total()
    windows()
    agent.tune("syscall", "enabled=false")
    same(hooks(), set(), "off")
    same(agent.tune("syscall", "enabled=true").split()[-2:],
         ["duty=1", f"window={WINDOW}"], "on again")
    exact(load, load.cgroup)
    windows()
    time.sleep(1)
    agent.tune("syscall", "duty=1/2")
    agent.tune("syscall", "duty=1")
    time.sleep(1)
    exact(load, load.cgroup)
    same({k: n for k, n in lost(Change(at_first, agent.total())).items()
          if k[1] == "unpaired"}, {}, "unpaired")


main(setup)
