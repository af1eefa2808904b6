#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# vm: kernels=6.1,6.12,7.x,fallbacks ci=7.x drive=size=128M
"""Reclaim and OOM kills against memory.events, in a guest:

  ASSAY_VM_DRIVE="size=128M" tests/vm/run KERNEL tests/vm/test_memory.py

Elsewhere, and without this drive, it is skipped."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, wait_for
from readings import Change
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

RECLAIM = "assay.memory.reclaim.duration"
KILLS = "assay.memory.oom_kills"
INFLIGHT = "assay.inflight.age"
DRIVE = "/dev/nvme0n1"
MIB = 1 << 20
FORCED = os.environ.get("ASSAY_TEST_FALLBACKS") == "all"
SETTLE = 1.0  # a guest without KVM takes its time
HOG = """
import sys, time
memory = bytearray(int(sys.argv[1]) << 20)
for i in range(0, len(memory), 4096):
    memory[i] = 1
print("full", flush=True)
time.sleep(1000)
"""
agent = None


def setup():
    global agent
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    if not os.path.exists(DRIVE):
        raise Skip(f"no {DRIVE}: ASSAY_VM_DRIVE has to be set, see above")
    agent = Agent("--probes", "memory")
    agent.need("memory")


def total():
    return agent.total(SETTLE)


def limited(name, mib):
    """A cgroup with memory.max."""
    cgroup = Cgroup(name)
    put(cgroup, "memory.max", mib * MIB)
    return cgroup


def put(cgroup, name, value):
    with open(f"{cgroup.dir}/{name}", "w") as f:
        f.write(str(value))


def events(cgroup):
    with open(cgroup.dir + "/memory.events") as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


class Below(Cgroup):
    """A cgroup below another."""

    def __init__(self, parent, name):
        self.path, self.dir = f"{parent.path}/{name}", f"{parent.dir}/{name}"
        os.mkdir(self.dir)
        defer(self.remove)


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("1")


def reclaims(change, cgroup, truth):
    """As many as the kernel says. On 7.x a program that is preempted can keep the next
    one on its CPU from running: then a begin or an end is missing, which is counted as a
    run skipped. An end that is missing is also a pair that is, if its task begins again."""
    lost = change.lost()
    skipped = lost.pop(("memory", "recursion"), 0)
    unpaired = lost.pop(("memory", "unpaired"), 0)
    missing = truth - change.value(cgroup, RECLAIM)
    between(unpaired, 0, skipped, "pairs that are missing, for runs skipped")
    between(missing, unpaired, skipped, "reclaims that are missing, for runs skipped")
    same(lost, {}, "lost")


@test("a reader at memory.max reclaims as often as memory.events says")
def _():
    cgroup, quiet = limited("reader", 16), limited("quiet", 64)
    drop_caches()
    before, began = total(), time.monotonic()
    cgroup.run(["dd", f"if={DRIVE}", "of=/dev/null", "bs=1M", "count=100"])
    quiet.run(["dd", f"if={DRIVE}", "of=/dev/null", "bs=1M", "count=2"])
    seconds = time.monotonic() - began
    change, truth = Change(before, total()), events(cgroup)["max"]
    took = change.seconds(cgroup, RECLAIM)
    diag(f"memory.events max {truth}; {took * 1e3:.1f} ms of {seconds:.1f} s")
    check(truth > 50, "the kernel itself says that it reclaimed too seldom")
    reclaims(change, cgroup, truth)
    between(took, truth * 1e-6, seconds, "s in reclaim")
    same(change.value(quiet, RECLAIM), 0, "reclaims of one below its limit")


@test("four writers at memory.max: their reclaims are memory.events'")
def _():
    cgroup = limited("writers", 24)
    before = total()
    writers = [cgroup.start(["dd", "if=/dev/zero", f"of={DRIVE}", "bs=1M", "count=20",
                             f"seek={i * 25}", "conv=notrunc"],
                            stderr=subprocess.DEVNULL) for i in range(4)]
    same([p.wait(120) for p in writers], [0] * 4, "exit status of the writers")
    change, truth = Change(before, total()), events(cgroup)["max"]
    diag(f"memory.events max {truth}, "
         f"{change.seconds(cgroup, RECLAIM) * 1e3:.1f} ms in reclaim")
    check(truth > 20, "the kernel itself says that it reclaimed too seldom")
    reclaims(change, cgroup, truth)


def unknown(change):
    """OOM kills of whom nobody knows."""
    before, after = ([m for w in numbers.report["workloads"] if w["kind"] == "unknown"
                      for m in w["metrics"] if m["name"] == KILLS]
                     for numbers in (change.before, change.after))
    return sum(m["value"] for m in after) - sum(m["value"] for m in before)


def hog(cgroup, mib):
    return cgroup.start([sys.executable, "-c", HOG, str(mib)], stdout=subprocess.PIPE)


@test("processes that memory.max kills are OOM kills, as many as memory.events says")
def _():
    cgroup = limited("oom", 24)
    before = total()
    status = [hog(cgroup, 64).wait(60) for _ in range(3)]
    change = Change(before, total())
    same(status, [-9] * 3, "how the processes ended")
    same(events(cgroup)["oom_kill"], 3, "truth")
    same(change.value(cgroup, KILLS), 3, "OOM kills")


@test("the kill is the victim's, not of the one who asked for memory")
def _():
    parent = limited("parent", 64)
    put(parent, "cgroup.subtree_control", "+memory")
    victim, other = Below(parent, "victim"), Below(parent, "other")
    big = hog(victim, 40)
    same(big.stdout.readline(), b"full\n", "the victim's word")
    before = total()
    hog(other, 20).stdout.readline()
    change = Change(before, total())
    same(big.wait(20), -9, "how the victim ended")
    # the kernel may kill the other one too, before the victim's memory is free
    truth = events(victim)["oom_kill"], events(other)["oom_kill"]
    same(truth[0], 1, "truth of the victim")
    if FORCED:  # by its pid alone the victim's cgroup is not known, but if it asked itself
        same((change.value(victim, KILLS), unknown(change), change.value(other, KILLS)),
             (0, *truth), "OOM kills of victim, unknown and other")
        return
    same((change.value(victim, KILLS), change.value(other, KILLS)), truth,
         "OOM kills of victim and other")


def reclaiming(cgroup):
    return agent.total(0).value(cgroup, INFLIGHT, operation="memory.reclaim")


@test("a task that is in reclaim is in flight")
def _():
    cgroup = limited("stuck", 16)
    same(reclaiming(cgroup), 0, "age before")
    for i in range(4):  # they end with their cgroup
        cgroup.start(["sh", "-c", f"while :; do dd if=/dev/zero of={DRIVE} bs=1M "
                             f"count=20 seek={i * 25} conv=notrunc; done"],
                     stderr=subprocess.DEVNULL)
    age = wait_for(lambda: reclaiming(cgroup), 90, "a reclaim that takes over 10 ms")
    diag(f"a reclaim that has lasted for {age * 1e3:.1f} ms")
    between(age, 0.010, 60, "age, s")


@test("nothing was lost since the start but ends of earlier beginnings")
def _():
    lost = total().lost()
    diag(lost)
    skipped = lost.pop(("memory", "recursion"), 0)
    between(sum(lost.values()), 0, 2 + skipped, "lost")


main(setup)
