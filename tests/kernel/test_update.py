#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""An update as a DaemonSet with maxSurge 1 makes it, as a receiver sees it: the new agent
waits, ready, for the old one to end, and goes on. Never do two write, nothing counts twice,
and what is not counted was done between the two."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import IN_GUEST, PATIENCE, Agent, Cgroup, Load, run_delay, wait_for
from receiver import GONE, Receiver
from tap import between, check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
AT_ONCE = 50  # calls
HOOKS_NS = 100_000_000  # from a start until all hooks are there; it is before the first
TAKEOVER_S = 3 if IN_GUEST else 1  # a guest without KVM is slow


class Steady:
    """A workload that makes system calls all the time; when it made how many is known."""

    def __init__(self):
        self.cgroup = Cgroup("steady")
        self.load = Load(self.cgroup, "calls")
        self.done = []  # (began, ended, calls), wall clock in ns
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.over.is_set():
            began = time.time_ns()
            calls = self.load.ask("getppid", AT_ONCE)["calls"]
            self.done.append((began, time.time_ns(), calls))
            time.sleep(0.003)

    def stop(self):
        self.over.set()
        self.thread.join()

    def calls(self, since=0, until=1 << 63):
        """Those of which some may have been made in that time."""
        return sum(n for began, ended, n in self.done if ended >= since and began <= until)


def agent_of(receiver, **more):
    return Agent("--probes", "syscall", "--node-lock", f"up_{os.getpid()}",
                 "--export-interval", "500ms", export=receiver.url, **more)


def one_writer(points):
    """Of a series: one start after the other, the second not before the first's end."""
    starts = list(dict.fromkeys(start for start, _, _ in points))
    same([start for start, _, _ in points], sorted(start for start, _, _ in points),
         "starts, in the order of arrival")
    same([t for _, t, _ in points], sorted(t for _, t, _ in points), "times")
    for before, after in zip(starts, starts[1:]):
        latest = max(t for start, t, _ in points if start == before)
        check(latest <= after, f"a start {(latest - after) / 1e9} s before the end before")
    return starts


@test("never two writers, nothing twice; what is missing was done between the two, which "
      "takes less than a second")
def _():
    receiver = Receiver()
    old = agent_of(receiver)
    steady = Steady()
    time.sleep(2)
    new = agent_of(receiver, until="waiting: ")
    time.sleep(1)
    waited = run_delay(new.pid())
    same(old.stop()[0], 0, "exit status of the old one")
    wait_for(lambda: new.says("ready: "), PATIENCE, "the new one to measure")
    waited = run_delay(new.pid()) - waited
    time.sleep(2)
    steady.stop()
    same(new.stop()[0], 0, "exit status of the new one")

    series = receiver.of(steady.cgroup.path)
    for points in series.values():
        one_writer(points)
    (calls,) = receiver.of(steady.cgroup.path, DURATION, class_="process").values()
    starts = one_writer(calls)
    same(len(starts), 2, "starts")
    ends = [max(t for start, t, v in calls if start == s and v is not GONE) for s in starts]
    counts = [max(v for start, _, v in calls if start == s and v is not GONE)
              for s in starts]
    begins = starts[1]
    gap_s = (begins - ends[0]) / 1e9
    diag(f"{len(series)} series; {counts[0]} + {counts[1]} of {steady.calls()} calls; "
         f"{gap_s:.3f} s between the two, {waited:.3f} s of them without a CPU")
    between(gap_s, 0, TAKEOVER_S + waited, "seconds that nobody measured")
    missing = steady.calls() - sum(counts)
    between(missing, 0, steady.calls(ends[0], begins + HOOKS_NS), "calls that nobody counted")
    check(min(counts) > 10 * AT_ONCE, "each has counted some")


main()
