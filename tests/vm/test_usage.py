#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# vm: ci=7.x
"""Quota, memory and pressure where the v2 tree has all controllers, so in a guest:
tests/vm/run 6.12 tests/vm/test_usage.py"""

import glob
import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load
from tap import Skip, between, check, diag, main, near, need_root, same, test

if not os.path.exists("/run/vm-command"):
    print("1..0 # SKIP needs a guest of tests/vm/run")
    sys.exit(0)
need_root()

CPU = max(os.sched_getaffinity(0))
SETTLE = 1.0  # a guest without KVM takes its time
agent = None


def setup():
    global agent
    agent = Agent("--probes", "syscall,cgroup", "--export-interval", "60s")


def put(cgroup, file, text):
    with open(f"{cgroup.dir}/{file}", "w") as f:
        f.write(text)


def words(cgroup, file):
    """A file of lines "KEY VALUE", as numbers."""
    with open(f"{cgroup.dir}/{file}") as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


def number(cgroup, file):
    with open(f"{cgroup.dir}/{file}") as f:
        return int(f.read())


def stalled(cgroup, resource):
    """Seconds of some and of full."""
    with open(f"{cgroup.dir}/{resource}.pressure") as f:
        return {line.split()[0]: int(line.split("total=")[1]) / 1e6 for line in f}


def quiet(cgroup):
    """cpu.stat, when nothing moves there any more."""
    while True:
        before = words(cgroup, "cpu.stat")
        time.sleep(0.5)
        if words(cgroup, "cpu.stat") == before:
            return before


@test("under a quota, throttled time and periods equal cpu.stat")
def _():
    cgroup = Cgroup("quota")
    put(cgroup, "cpu.max", "20000 100000")
    load = Load(cgroup, "spin", 2, CPU)
    load.ask("run", 3000)
    stat = quiet(cgroup)
    numbers = agent.total(SETTLE)
    same(words(cgroup, "cpu.stat"), stat, "cpu.stat stood still")
    diag(stat)
    check(stat["nr_throttled"] > 10, f"no quota at work: {stat}")
    near(numbers.value(cgroup, "assay.cgroup.cpu.throttled.time"),
         stat["throttled_usec"] / 1e6, 1e-9, "throttled, s")
    near(numbers.value(cgroup, "assay.cgroup.cpu.time"), stat["usage_usec"] / 1e6, 1e-9,
         "CPU time, s")
    same(numbers.by(cgroup, "assay.cgroup.cpu.periods", "throttled"),
         {"true": stat["nr_throttled"],
          "false": stat["nr_periods"] - stat["nr_throttled"]}, "periods")


@test("memory use is memory.current, the limit memory.max, and none when it is max")
def _():
    cgroup = Cgroup("memory")
    put(cgroup, "memory.max", str(64 << 20))
    load = Load(cgroup, "spin", 2, CPU)
    load.ask("run", 200)
    low = number(cgroup, "memory.current")
    numbers = agent.total(SETTLE)
    high = number(cgroup, "memory.current")
    low, high = min(low, high), max(low, high)
    between(numbers.value(cgroup, "assay.cgroup.memory.usage"), low * 0.9, high * 1.1,
            "memory use")
    check(low > 100000, f"{low} bytes are no memory use")
    same(numbers.value(cgroup, "assay.cgroup.memory.limit"), 64 << 20, "limit")
    put(cgroup, "memory.max", "max")
    same(agent.total(SETTLE).points(cgroup, "assay.cgroup.memory.limit"), [], "limit")


@test("major faults are memory.stat's, and a tight limit shows in the pressure")
def _():
    cgroup = Cgroup("tight")
    put(cgroup, "memory.max", str(16 << 20))
    # a file of the host, since those of the guest are in memory
    big = next((f for f in glob.glob("/usr/lib/x86_64-linux-gnu/libLLVM*") +
                glob.glob("/usr/lib/llvm*/lib/libLLVM*")
                if os.path.getsize(f) > 32 << 20), None)
    if not big:
        raise Skip("no large file to read")
    cgroup.run(["sh", "-c", f"for i in 1 2; do head -c 32M {big} >/dev/null; done"])
    load = Load(cgroup, "spin", 1, CPU)
    load.ask("run", 100)
    numbers = agent.total(SETTLE)
    faults = words(cgroup, "memory.stat")["pgmajfault"]
    diag(f"{faults} major faults")
    same(numbers.value(cgroup, "assay.cgroup.memory.major_faults"), faults, "faults")
    for resource in "cpu", "memory", "io":
        want = stalled(cgroup, resource)
        diag(f"{resource}: {want}")
        for kind in "some", "full":
            got = numbers.value(cgroup, f"assay.pressure.{kind}.time", resource=resource)
            check(abs(got - want[kind]) < 2e-6, f"{resource} {kind}: {got}, {want}")


@test("pressure is what the files say")
def _():
    cgroup = Cgroup("stalled")
    load = Load(cgroup, "spin", 3, CPU)
    load.ask("run", 2000)
    low = stalled(cgroup, "cpu")
    numbers = agent.total(SETTLE)
    high = stalled(cgroup, "cpu")
    for kind in "some", "full":
        between(numbers.value(cgroup, f"assay.pressure.{kind}.time", resource="cpu"),
                low[kind] - 1e-6, high[kind] + 1e-6, kind)
    check(high["some"] > 1, f"three threads on one CPU: {high}")


main(setup)
