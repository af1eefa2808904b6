#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Threads that find no entry in the probes' tables (bpf/cell.h, enum table) are measured
as all others: the node here has more threads than the tables have entries. Those that find
none beside the tables either are counted as lost. And waits that are sampled, and runs of
programs that count themselves."""
# beside: nobody
# vm: kernels=cpus16,cpus64,rt,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from crowd import crowd
from exports import Exports
from node import Agent, Cgroup, Load, least_memory
from readings import Change
from tap import Busy, between, check, defer, diag, main, near, need_root, same, test

need_root()

WAIT = "assay.sched.wait.duration"
SWITCHES = "assay.sched.context_switches"
CALLS = "assay.syscall.duration"
CPU = max(os.sched_getaffinity(0))
ASKED = 200  # times that a load is asked, in the test of runs
agent = None


def entries(table="threads"):
    """How many entries a table has, or what is beside it."""
    return bpf.entries(agent.pid(), table)


def occupied():
    """How many entries of the two tables are taken."""
    return [bpf.occupied(agent.pid(), table) for table in ("threads", "calls")]


def spilled():
    """How many have one beside the tables."""
    hashes = bpf.hashes(agent.pid())
    return [len(hashes[table]) for table in ("threads_spill", "calls_spill")]


def usage_is_true():
    """What the agent says of its tables is what is in them; threads come and go."""
    before, said, after = occupied() + spilled(), agent.pools(), occupied() + spilled()
    for name, a, b in zip(("threads", "calls", "threads_spill", "calls_spill"), before,
                          after):
        between(said[name][0], min(a, b) - 30, max(a, b) + 30, f"usage of {name}")
        same(said[name][1], entries(name), f"limit of {name}")


def setup():
    global agent
    agent = Agent("--probes", "sched,syscall", "--memory", least_memory())
    agent.need("sched", "syscall")


def wait_and_call(what):
    """64 threads that do not migrate, so that their waits are whole, and 20 that each
    make 500 calls: the change, and the cgroup of those who call."""
    cgroup, callers = Cgroup("spin"), Cgroup("callers")
    load = Load(cgroup, "spin", 63, CPU)
    calling = [Load(callers, "traps") for _ in range(20)]
    before, delay = agent.total(), load.waited()
    load.tell("run", 1500)
    for each in calling:
        each.ask("getppid", 500)
    load.reply()
    change = Change(before, agent.total())
    near(change.seconds(cgroup, WAIT), load.waited() - delay, 0.01,
         f"sum of waits and run_delay {what}, s")
    return change, callers


def measure(what):
    """Threads of which most find their entry taken, if the tables are full."""
    change, callers = wait_and_call(what)
    same(change.value(callers, CALLS, class_="process"), 20 * 500, f"calls {what}")
    lost = change.lost()
    diag(f"lost {lost}")
    # both are of the whole node: of other programs there may be some, of calls that
    # seccomp answers and of tasks outside our pid namespace, which the walk does not see
    between(lost.get(("syscall", "unpaired"), 0), 0, 100, "exits without an enter")
    between(lost.get(("sched", "no_storage"), 0), 0, entries() // 8, "threads never met")
    same(lost.get(("syscall", "table_full"), 0), 0, "calls of threads without an entry")


@test("with more threads on the node than the tables have entries, all are measured")
def _():
    measure("on a quiet node")
    n, before = entries(), occupied()  # e^-1 of them find their entry taken
    p = crowd(n)  # the agent sees them come
    diag(f"{n} threads more")
    full = occupied()
    beside = spilled()
    measure("in the crowd")
    usage_is_true()
    p.stdin.close()
    p.wait()
    measure("after it")
    diag(f"entries taken: {before}, {full}, {occupied()} of {entries()}; beside {beside}")
    check(min(full) > entries() // 2, "the tables were not full")
    check(min(beside) > entries() // 8, "none was beside the tables")
    for now, then in zip(occupied(), before):
        between(now, 0, then + 300, "entries taken when the crowd is gone")
    check(max(spilled()) < 100, f"{spilled()} are still beside the tables")
    usage_is_true()


@test("threads beyond the tables' end are lost, and counted; all others are measured")
def _():
    ends = [entries(t) + entries(t + "_spill") for t in ("threads", "calls")]
    p = crowd(2 * max(ends))
    same(spilled(), [entries("threads_spill"), entries("calls_spill")], "beside the tables")
    usage_is_true()
    change, callers = wait_and_call("beyond the tables")
    lost = change.lost()
    diag(f"lost {lost}")
    counted = change.value(callers, CALLS, class_="process")
    diag(f"{counted} calls of {20 * 500} are counted")
    check(counted < 20 * 500, "all callers have an entry")
    same(counted % 500, 0, "calls of a thread of which others are lost")
    check(lost[("syscall", "table_full")] >= 20 * 500 - counted, "calls are missing")
    check(lost[("sched", "table_full")] > 0, "no waits without an entry")
    p.stdin.close()
    p.wait()
    measure("when the crowd is gone")
    check(max(spilled()) < 100, f"{spilled()} are still beside the tables")


@test("sampled waits: 1 of 8 stands for 8; what is followed is not sampled")
def _():
    cgroup = Cgroup("sampled")
    load = Load(cgroup, "spin", 8, CPU)
    agent.tune("sched", "sample=8")
    before = agent.total()
    delay, times = load.waited(), load.runs()
    load.ask("run", 12000)
    change = Change(before, agent.total())
    delay, times = load.waited() - delay, load.runs() - times
    agent.tune("sched", "sample=1")
    samples = change.value(cgroup, WAIT)
    waits = change.seconds(cgroup, WAIT)
    diag(f"{samples} samples of {times} waits, {waits:.2f} s of {delay:.2f} s")
    if times < 400:
        raise Busy("too few waits")
    same(samples % 8, 0, "samples that do not stand for 8")
    # five times the deviation of taking one of eight; waits are not equally long
    near(samples, times, 5 * (7 / times) ** 0.5, "samples and waits")
    near(waits, delay, 5 * (3 * 7 / times) ** 0.5, "their sums")
    near(change.value(cgroup, SWITCHES), times, 0.02, "switches, not sampled")


@test("a program's runs are as many as the kernel counts")
def _():
    defer(os.close, bpf.enable_stats())
    counted = Agent("--probes", "sched,syscall", "--export-interval", "1h")
    load = Load(Cgroup("runs"), "traps")
    for _ in range(ASKED):
        load.ask("getppid", 1000)
    held = [bpf.hold("prog", i) for kind, i in bpf.held_by(counted.pid())
            if kind == "prog"]  # they and their counts stay when the agent is gone
    before = {bpf.prog_info(i)["name"]: bpf.prog_info(i)["runs"] for i, _ in held}
    counted.stop()  # its last export lies between the two
    after = {bpf.prog_info(i)["name"]: bpf.prog_info(i)["runs"] for i, _ in held}
    for _, fd in held:
        os.close(fd)
    exports = Exports(counted.exports)
    cpus = os.cpu_count()
    for counts in before, after:  # its name where the arguments are those before 5.18
        counts.setdefault("sched_switch", counts.get("sched_switch_ba"))
    for name in "syscall_enter", "syscall_exit", "sched_switch":
        ours = exports.sum("assay.bpf.runs", lambda r: True, program=name)
        diag(f"{name}: {ours} runs, the kernel said {before[name]} and {after[name]}")
        # each time it is asked the load wakes up and goes to sleep
        check(before[name] >= 2 * ASKED, "it hardly ran")
        # one that is under way on a CPU is ours already, and not the kernel's
        between(ours, before[name], after[name] + cpus, "runs")


@test("what was there before the agent finds its entry, or none, and is measured")
def _():
    global agent
    n = entries()
    agent.stop()
    crowd(n)
    setup()
    measure("in the crowd that was there")


main(setup)
