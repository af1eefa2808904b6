#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""`assay bench` on the live kernel: its rates against calls that were counted, its times
against the kernel's statistics, and that it changes nothing."""
# vm: kernels=6.1,7.x ci=none

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, IN_GUEST, PATIENCE, Agent, Cgroup, Load, no_agent, wait_for
from tap import between, check, diag, main, near, need_root, same, test

need_root()

N = 300000
agent = None


def setup():
    global agent
    agent = Agent()


def begin(*options):
    return subprocess.Popen([ASSAY, "bench", *options], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def end(p):
    out, err = p.communicate(timeout=PATIENCE)
    same(p.returncode, 0, f"exit status ({err})")
    return out


def bench(*options):
    return json.loads(end(begin("--format", "json", *options)))


def row(said, probe, program=None):
    found = [r for r in said["rows"] if (r["probe"], r["program"]) == (probe, program)]
    same(len(found), 1, f"rows of {probe} {program}")
    return found[0]


class CallsOfAll:
    """All system calls of this machine, counted by perf, which stands on the same tracepoint
    and shares nothing else with the agent. Where there is no perf (guests): None."""

    def __init__(self):
        self.perf = None if IN_GUEST else subprocess.Popen(
            ["perf", "stat", "-a", "-x,", "-I", "200", "-e", "raw_syscalls:sys_enter"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if self.perf is not None:
            self.perf.stderr.readline()  # it counts from before that line on

    def end(self):
        if self.perf is None:
            return None
        self.perf.send_signal(signal.SIGINT)
        _, said = self.perf.communicate(timeout=PATIENCE)
        return sum(int(line.split(",")[1]) for line in said.splitlines() if line)


def stats_are_on():
    with open("/proc/sys/kernel/bpf_stats_enabled") as f:
        return f.read().strip() != "0"


@test("so many calls are so many runs of the programs on them")
def _():
    load = Load(Cgroup("load"), "calls")
    counted = CallsOfAll()
    p = begin("--format", "json", "--socket", agent.socket, "--duration", "4s")
    time.sleep(1)
    load.ask("getppid", N)
    said = json.loads(end(p))
    calls = counted.end()
    diag(f"{calls} calls of all while it ran")
    for program in "syscall_enter", "syscall_exit":
        r = row(said, "syscall", program)
        runs = r["runs_per_second"] * said["seconds"]
        diag(f"{runs:.0f} runs of {program}, {r['program_ns']} ns, hook {r['hook_ns']} ns")
        check(runs >= N, f"{runs} runs of {program}, at least {N} were made")
        if calls is not None:
            check(runs <= calls, f"{runs} runs of {program}, but {calls} calls were made")
    total = row(said, "syscall")
    near(total["percent_of_node"] * said["cpus"], total["percent_of_one_cpu"], 0.001,
         "per cent of the node's CPUs and of one")
    programs = [r for r in said["rows"] if r["probe"] == "syscall" and r["program"]]
    near(sum(r["percent_of_one_cpu"] for r in programs), total["percent_of_one_cpu"], 0.01,
         "per cent of all programs and of the probe")
    for r in programs:
        near(r["runs_per_second"] * r["run_ns"] * 1e-7, r["percent_of_one_cpu"], 0.01,
             f"rate times ns of {r['program']}")


@test("the kernel's statistics, if asked for, are on for a second and say much the same")
def _():
    check(not stats_are_on(), "they are on already")
    load = Load(Cgroup("load2"), "calls")
    load.ask("getppid", N)
    p = begin("--format", "json", "--socket", agent.socket, "--duration", "3s",
              "--kernel-stats")
    wait_for(lambda: load.ask("getppid", 20000) and p.poll() is not None, PATIENCE,
             "bench to end")
    said = json.loads(end(p))
    between(said["kernel_stats_seconds"], 0.9, 2, "seconds that they were on")
    same(said["kernel_stats_missing"], "", "why they are missing")
    check(not stats_are_on(), "they are still on")
    for program in "syscall_enter", "syscall_exit":
        r = row(said, "syscall", program)
        diag(f"{program}: {r['program_ns']} ns by itself, {r['kernel_ns']} by the kernel")
        # the kernel's has two readings of the clock in it, and all interrupts
        if not IN_GUEST:  # an emulated CPU may stand still in any run
            between(r["kernel_ns"], r["program_ns"] / 3, r["program_ns"] * 4 + 200,
                    "ns by the kernel")


@test("nobody asked for them: they are not switched on")
def _():
    p = begin("--socket", agent.socket, "--duration", "1s")
    while p.poll() is None:
        check(not stats_are_on(), "they are on")
        time.sleep(0.05)
    out = end(p)
    check("not asked for (--kernel-stats, as root)" in out, out)


@test("CSV has a row of numbers for each probe, table and JSON the same probes")
def _():
    rows = list(csv.DictReader(io.StringIO(
        end(begin("--socket", agent.socket, "--duration", "500ms", "--format", "csv")))))
    probes = [r["probe"] for r in rows if not r["program"]]
    said = bench("--socket", agent.socket, "--duration", "500ms")
    same(probes, [r["probe"] for r in said["rows"] if not r["program"]], "probes")
    for r in rows:
        float(r["runs_per_second"])
        same(r["state"], "attached", f"state of {r['probe']}")
    table = end(begin("--socket", agent.socket, "--duration", "500ms"))
    for probe in probes:
        check(f"\n{probe} " in table, f"no {probe} in {table}")


@test("without an agent it measures by itself, and nothing is left")
def _():
    said = bench(*no_agent(), "--duration", "4s")
    same((said["source"], said["agent_percent_of_one_cpu"]), ("self", None), "source")
    check(row(said, "sched")["runs_per_second"] > 0, "nobody was switched")
    check(row(said, "syscall")["hook_ns"] is not None, "hooks were not measured")


main(setup)
