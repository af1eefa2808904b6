#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A big node, in small: many CPUs, 250 busy containers, 5,000 cgroups, 50,000 threads.
All is counted where it belongs, and nothing in the overflow."""
# vm: kernels=cpus16,cpus64,cpus64-6.1,cpus64-7.x ci=none drive=size=64M memory=4096
# vm: timeout=400

import os
import re
import sys

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from crowd import crowd
from node import Agent, Cgroup, Load, defined
from readings import Change, Numbers
from tap import Skip, between, defer, diag, main, near, need_root, same, test

need_root()

Numbers.skip_when_full = False
CPUS = len(os.sched_getaffinity(0))
SHARDS = min(CPUS, defined("SHARDS_MAX"))
BUSY = int(os.environ.get("ASSAY_TEST_BUSY", 250))
MEMORY = os.environ.get("ASSAY_TEST_MEMORY", "64MiB")
SLOTS = os.environ.get("ASSAY_TEST_SLOTS", "1024")
CGROUPS, THREADS = 5000, 50000
CALLS = "assay.syscall.duration"
ERRORS = "assay.syscall.errors"
WAIT = "assay.sched.wait.duration"
CLASSES = "file", "socket", "pipe", "memory", "process", "sync", "wait", "other"
SETTLE = 2.0


def setup():
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    diag(f"{CPUS} CPUs, {os.uname().release}")


def resident(agent):
    """MiB, as the kernel counts them: all, and what is the agent's alone."""
    with open(f"/proc/{agent.pid()}/status") as f:
        found = dict(re.findall(r"(VmRSS|RssAnon|RssFile|RssShmem):\s+(\d+) kB", f.read()))
    return {key: int(value) / 1024 for key, value in found.items()}


def load(name, program):
    """A load that makes cgroups beside its own."""
    base = Cgroup(name)
    base.write("cgroup.subtree_control", "+cpu +io")  # else what is read is the parent's
    own = base.below("own")
    defer(sweep, base)
    return base, Load(own, program, base.dir)


def sweep(base):
    for name in os.listdir(base.dir):
        if name.startswith("c") and name[1:].isdigit():
            os.rmdir(f"{base.dir}/{name}")


def in_overflow(numbers):
    """What is counted in the overflow, by metric."""
    return {m["name"]: m.get("count", m.get("value")) for w in numbers.report["workloads"]
            if w["kind"] == "overflow" for m in w["metrics"]}


def check_one(numbers, path):
    """A container has all its series, with the numbers of its work."""
    calls = numbers.by(path, CALLS, "class")
    same({*calls}, {*CLASSES}, f"{path}: classes")
    same(calls["wait"], SHARDS + 2, f"{path}: calls of class wait")
    # two are closed again; two fail
    same(calls["pipe"], 3 * SHARDS + 2, f"{path}: calls of class pipe")
    same({*numbers.by(path, ERRORS, "class")}, {*CLASSES}, f"{path}: errors")
    same(numbers.by(path, "assay.tcp.connections", "role"),
         {"server": SHARDS, "client": SHARDS}, f"{path}: connections")
    same(numbers.value(path, "assay.tcp.response.duration"), 2 * SHARDS,
         f"{path}: responses")
    same(numbers.value(path, "assay.dns.lookup.duration"), 6, f"{path}: lookups")
    same({*numbers.by(path, WAIT, "cause")}, {"contention", "throttled"}, f"{path}: waits")
    same(numbers.value(path, "assay.block.operation.duration"), 2, f"{path}: block")


@test(f"{BUSY} busy containers, each with all its series: no event in the overflow")
def _():
    agent = Agent("--memory", MEMORY, "--slots", SLOTS)
    agent.need("sched", "syscall", "tcp", "dns", "block")
    base, busy = load("busy", "busy")
    at_rest = resident(agent)
    busy.ask("busy", BUSY, CPUS, CPUS // SHARDS)
    busy.ask("throttle")
    busy.ask("disk")
    numbers = agent.total(SETTLE)
    pools, lost = agent.pools(), numbers.lost()
    full = {key: n for key, n in lost.items() if key[1].endswith("_full")}
    over = in_overflow(numbers)
    diag(f"figure: {CPUS} CPUs, --memory {MEMORY} --slots {SLOTS}, {BUSY} busy containers: "
         f"{sum(over.values())} events in overflow, lost {full}; "
         f"resident {resident(agent)} MiB ({at_rest} before)")
    diag(f"pools {pools}; lost {lost}")
    same((full, over), ({}, {}), "lost for want of memory; in the overflow")
    for i in range(BUSY):
        check_one(numbers, f"{base.path}/c{i}")
    least = BUSY * SHARDS * (len(CLASSES) + 4)  # of the sharded series alone
    between(pools["histograms"][0], least, pools["histograms"][1], "histograms in use")
    between(resident(agent)["VmRSS"], 0, 64, "resident memory, MiB")


@test(f"{CGROUPS} cgroups, each with calls of its own: the sum over all series is exact")
def _():
    agent = Agent("--memory", "640MiB", "--slots", "8192", "--probes", "syscall,cgroup")
    base, churn = load("many", "churn")
    answer = churn.ask("fill", CGROUPS)
    numbers = agent.total(SETTLE)
    failed = [numbers.value(f"{base.path}/c{i}", ERRORS, class_="memory", type="EINVAL")
              for i in range(CGROUPS)]
    diag(f"figure: {CPUS} CPUs, {CGROUPS} cgroups: {sum(failed)} of {answer['calls']} "
         f"calls; lost {numbers.lost()}; resident {resident(agent)} MiB")
    same((sum(failed), {*failed}), (answer["calls"], {answer["calls"] // CGROUPS}),
         "calls, of all and of each")
    churn.ask("drop")


@test(f"{THREADS} threads: waits are the kernel's, calls exact, nothing is lost")
def _():
    agent = Agent("--memory", "256MiB", "--probes", "sched,syscall")
    crowd(THREADS)
    groups = Cgroup("spin"), Cgroup("calls")
    cpu = max(os.sched_getaffinity(0))
    spinner, caller = Load(groups[0], "spin", 4, cpu), Load(groups[1], "traps")
    before, waited = agent.total(SETTLE), spinner.waited()
    answer = spinner.ask("run", 2000)
    caller.ask("getppid", 1000)
    spinner.rests()
    waited = spinner.waited() - waited
    change = Change(before, agent.total(SETTLE))
    diag(f"figure: {CPUS} CPUs, {THREADS} threads: pools {agent.pools()}; lost "
         f"{change.lost()}; resident {resident(agent)} MiB")
    same(change.value(groups[1], CALLS, class_="process"), 1000, "calls")
    near(change.seconds(groups[0], WAIT), waited, 0.01, "waits and run_delay, s")
    near(change.seconds(groups[0], WAIT) + answer["had"] / 1e9, answer["wanted"] / 1e9, 0.1,
         "waits and CPU time, s")
    full = {key: n for key, n in change.lost().items() if key[1].endswith("_full")}
    same(full, {}, "lost for want of memory")


main(setup)
