#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The receiver is away: what ends meanwhile arrives later, once; and what is over is told
to be over."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from receiver import Receiver, has_ended, total
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
AGE = "assay.inflight.age"
EACH = 10  # calls of class memory that each cgroup of a churn makes
JOBS = 1500
BACKOFF = 30  # the agent's longest wait before it tries again


def churn(name):
    """A load that makes cgroups below one of its own, and that one's path."""
    base = Cgroup(name)
    own = base.below("own")
    return Load(own, "churn", base.dir), base.path


def below(base):
    return lambda path: path.startswith(base + "/c")


def calls(receiver, base):
    """Calls of the cgroups below base that have arrived under their names."""
    return total(receiver.of(below(base), DURATION, class_="memory"))


def elsewhere(receiver):
    return sum(total(receiver.kind_of(kind, DURATION, class_="memory"))
               for kind in ("overflow", "unknown"))


def exports(receiver, n):
    """Waits until n more exports were taken or refused."""
    seen = receiver.taken + receiver.refused
    wait_for(lambda: receiver.taken + receiver.refused >= seen + n, 20 + BACKOFF,
             f"{n} exports")


def check_ends(series):
    """Each ended once it had its last value, and time always went on."""
    check(series, "no series")
    for key, points in series.items():
        check(has_ended(points), f"{key} is not told to be over: {points}")
        times = [t for _, t, _ in points]
        same(times, sorted(set(times)), f"{key}: times")
        values = [v for _, _, v in points]
        check(values[0] is not None, f"{key} was never there: {points}")
        check(None not in values[:values.index(None)], f"{key}: {points}")


def away_and_back(leave, come_back):
    """Ten jobs end while the receiver is away."""
    receiver = Receiver()
    agent = Agent("--probes", "syscall", "--export-interval", "500ms",
                  export=receiver.url)
    load, base = churn("outage")
    wait_for(lambda: receiver.taken, PATIENCE, "an export")
    leave(receiver)
    before = elsewhere(receiver)
    load.ask("churn", 10)
    time.sleep(2.5)  # several exports
    same(calls(receiver, base), 0, "calls that arrived while it was away")
    come_back(receiver)
    seen = receiver.taken
    wait_for(lambda: receiver.taken > seen + 1, BACKOFF + 20, "two exports")
    named = calls(receiver, base)
    if named < 10 * EACH:  # the names of new cgroups are in a ring that others fill too
        diag(f"{named} under their names, {elsewhere(receiver) - before} elsewhere")
        check(named + elsewhere(receiver) - before >= 10 * EACH, "calls are missing")
    same(named, 10 * EACH, "calls that arrived under their names")
    return receiver, agent, base


@test("jobs that end while exports are refused arrive whole, and then are over")
def _():
    receiver, agent, base = away_and_back(
        lambda r: setattr(r, "status", 503), lambda r: setattr(r, "status", 200))
    exports(receiver, 3)
    series = receiver.of(below(base))
    check_ends(series)
    count = {k: len(v) for k, v in series.items()}
    exports(receiver, 2)
    series = receiver.of(below(base))
    same({k: len(v) for k, v in series.items()}, count, "points after the end")


@test("the same when nobody listens")
def _():
    away_and_back(lambda r: r.stop(), lambda r: r.listen())


@test("the end of a series is told again when that export is refused")
def _():
    receiver = Receiver()
    Agent("--probes", "syscall", "--export-interval", "500ms", export=receiver.url)
    load, base = churn("ends")
    load.ask("churn", 3)
    wait_for(lambda: calls(receiver, base) == 3 * EACH, PATIENCE, "the calls to arrive")
    receiver.status = 400  # for good: it is not retried
    exports(receiver, 3)
    check(not any(has_ended(p) for p in receiver.of(below(base)).values()),
          "the end arrived too early for this test")
    receiver.status = 200
    # the last of them may not have been missed yet when the others' ends were refused
    wait_for(lambda: all(map(has_ended, receiver.of(below(base)).values())), 20,
             "all of it to end")
    check_ends(receiver.of(below(base)))


@test("more jobs than there are entries, nobody listens: the rest is in the overflow")
def _():
    receiver = Receiver()
    agent = Agent("--probes", "syscall", "--slots", "256", "--export-interval", "500ms",
                  export=receiver.url)
    load, base = churn("many")
    wait_for(lambda: receiver.taken, PATIENCE, "an export")
    before = elsewhere(receiver)
    receiver.stop()
    jobs = 0

    def folded():
        return agent.total().lost().get(("cgroup", "folded"), 0)

    def folded_by_more():
        """On a busy machine slots are given back more slowly, and most jobs find none."""
        nonlocal jobs
        load.ask("churn", JOBS)
        jobs += JOBS
        time.sleep(1)  # slots are given back at readings
        return folded()

    wait_for(folded_by_more, 60, "some to be folded")
    kept = sum(path.startswith(base + "/c") for path in agent.total().workloads)
    diag(f"{kept} are kept, {folded()} folded")
    between(kept, 1, 2 * 256, "workloads kept")
    receiver.listen()

    def arrived():
        return calls(receiver, base), elsewhere(receiver) - before

    # others on this machine end up in the overflow too
    try:
        wait_for(lambda: sum(arrived()) >= jobs * EACH, BACKOFF + 20, "all calls")
    finally:
        diag(f"of {jobs * EACH} calls {arrived()} arrived, by name and elsewhere; lost: "
             f"{agent.total().lost()}")
    _, other = arrived()
    check(folded() * EACH <= other, f"{folded()} were folded, {other} calls elsewhere")


@test("an in-flight age is 0 when what was stuck is over, and the workload lives")
def _():
    receiver = Receiver()
    Agent("--probes", "syscall", "--export-interval", "500ms", export=receiver.url)
    cgroup = Cgroup("stall")
    load = Load(cgroup, "traps")

    def ages():
        found = receiver.of(cgroup.path, AGE, operation="syscall.pipe")
        return [value for points in found.values() for _, _, value in points]

    load.ask("getppid", 10)
    wait_for(lambda: any(a and a > 1 for a in ages()), 60, "its read to be told")
    load.tell("sleep", 3_600_000)
    exports(receiver, 3)
    found = ages()
    diag(f"{found}")
    same(found[-1], 0, "age after the read")
    check(None not in found, f"the series ended: {found}")


@test("at SIGTERM everything is told to be over, after its last values")
def _():
    receiver = Receiver()
    agent = Agent("--export-interval", "500ms", export=receiver.url)
    cgroup = Cgroup("term")
    load = Load(cgroup, "traps")
    load.ask("getppid", 100)
    before = agent.total().value(cgroup, DURATION, class_="process")
    exports(receiver, 2)
    load.ask("getppid", 677)
    status, seconds = agent.stop()
    same(status, 0, "exit status")
    between(seconds, 0, 5, "seconds to the end")
    same(total(receiver.of(cgroup.path, DURATION, class_="process")) - before, 677,
         "calls")
    check(len(receiver.series) > 20, f"{len(receiver.series)} series")
    check_ends(receiver.series)


@test("a probe that is switched off: the series of its old state is over")
def _():
    receiver = Receiver()
    agent = Agent("--probes", "syscall,sched", "--export-interval", "500ms",
                  export=receiver.url)
    states = lambda: {dict(k[2])["assay.state"]: v for k, v in
                      receiver.of(lambda _: True, "assay.probe.attached",
                                  probe="sched").items()}
    wait_for(states, PATIENCE, "a state")
    receiver.status = 400
    agent.tune("sched", "enabled=false")
    exports(receiver, 2)
    receiver.status = 200
    exports(receiver, 3)
    same({k: has_ended(v) for k, v in states().items()},
         {"attached": True, "off": False}, "states that are over")
    agent.tune("sched", "enabled=true")
    exports(receiver, 3)
    same({k: has_ended(v) for k, v in states().items()},
         {"attached": False, "off": True}, "states that are over, switched on again")


def full_disk(directory):
    """Fills a file system; returns what empties it again."""
    path = directory + "/fill"
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    return lambda: os.unlink(path)


@test("jobs that end while the disk of the export file is full are in it later")
def _():
    directory = scratch()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs",
                       directory]).returncode:
        raise Skip("tmpfs cannot be mounted")
    defer(subprocess.run, ["umount", "-l", directory])
    path = directory + "/exports"
    agent = Agent("--probes", "syscall", "--export-interval", "500ms",
                  export="file:" + path)
    load, base = churn("full")
    wait_for(lambda: os.path.getsize(path), PATIENCE, "an export")
    empty = full_disk(directory)
    time.sleep(1)
    size = os.path.getsize(path)
    load.ask("churn", 10)
    time.sleep(2)
    same(os.path.getsize(path), size, "size of the file while the disk is full")
    empty()
    wait_for(lambda: os.path.getsize(path) > size, PATIENCE, "the file to grow")
    agent.stop()
    found = Exports(path)
    same(found.sum(DURATION, lambda r: below(base)(r.get("process.linux.cgroup", "")),
                   **{"class": "memory"}), 10 * EACH, "calls")
    check("No space left" in agent.said(), f"the log: {agent.said()}")


main()
