#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""The budget, live: under a load that costs too much a probe is on for less of the time,
or off; without the load everything is exact again; what the user says counts. The
agent's times are ten times shorter than usual, so a minute is six seconds."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import ASSAY, Agent, Cgroup, Load, start, wait_for
from readings import Change
from tap import Busy, Failed, between, check, diag, main, need_root, same, test

need_root()

CPU = max(os.sched_getaffinity(0))
HURRY = 10
MINUTE = 60 / HURRY
SLACK = 5  # of a machine that does much else
# Far below what the load costs, some 25 %, and far above what the machine does itself.
BUDGET = 5
CALLS = 100000  # a second by others: with them the machine does itself what costs too much
HOT = "import os\nwhile True: os.getppid()"


def governed(budget=f"{BUDGET}%"):
    agent = Agent("--budget", budget, prefix=("env", f"ASSAY_TEST_HURRY={HURRY}"))
    agent.tune("syscall", f"window={500 // HURRY}ms")
    return agent


@contextlib.contextmanager
def hot(cpu=CPU):
    """A thread that does nothing but make the cheapest calls."""
    process = start(["taskset", "-c", str(cpu), sys.executable, "-c", HOT])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def calls_of_all():
    """System calls a second on all CPUs now, counted by perf."""
    p = subprocess.run(["perf", "stat", "-a", "-x,", "-e", "raw_syscalls:sys_enter", "sleep", "1"],
                       text=True, capture_output=True, timeout=60, check=True)
    return int(p.stderr.split(",")[0])


def wait_in_calm(until, seconds, what):
    """wait_for(); nothing can be said where others make that many calls."""
    try:
        wait_for(until, seconds, what)
    except Failed as e:
        calls = calls_of_all()
        if calls > CALLS:
            raise Busy(f"{e}; others make {calls} calls a second") from e
        raise


def ask(agent, command, *words):
    return subprocess.run([ASSAY, command, "--socket", agent.socket, *words], text=True,
                          capture_output=True, timeout=30, check=False).stdout


def status(agent):
    found = json.loads(ask(agent, "status", "--format", "json"))
    found["probes"] = {p["name"]: p for p in found["probes"]}
    return found


def duty(agent, probe="syscall"):
    return status(agent)["probes"][probe]["duty"]


def costs(agent):
    """What all probes take of the worst CPU, in per cent."""
    return 100 * sum(p["cost"] for p in status(agent)["probes"].values())


def holds(agent):
    return duty(agent) < 1 and costs(agent) <= BUDGET


def is_exact(agent):
    return all(p["duty"] == 1 for p in status(agent)["probes"].values())


def gauges(exports, name):
    """The latest values of a gauge of the agent's own, by probe (None: it has none)."""
    return {dict(attrs).get("assay.probe"): value
            for (_, metric, _, attrs), value in exports.series.items() if metric == name}


@test("what the hooks of a call cost here was found out at the start")
def calibration():
    said = governed().said()
    found = re.search(r"calls cost (\d+) ns more here by the hooks on them", said)
    check(found, f"it said: {said}")
    diag(found.group(0))
    between(int(found.group(1)), 1, 5000, "ns of the hooks")


@test("a load that costs too much: within a minute the budget holds; without: exact")
def on_and_off():
    agent = governed()
    wait_for(lambda: status(agent)["budget"]["share"] == BUDGET / 100, 1, "its budget")
    with hot():
        began = time.monotonic()
        wait_for(lambda: holds(agent), MINUTE + SLACK, "the budget to hold")
        diag(f"{time.monotonic() - began:.1f} s under load")
        found = status(agent)
        diag(f"syscall: {found['probes']['syscall']}, budget {found['budget']}")
        check(found["probes"]["syscall"]["full_cost"] > BUDGET / 100, "its full cost")
        same({n for n, p in found["probes"].items() if p["duty"] < 1}, {"syscall"},
             "probes that are on less")
        check("budget: syscall is " in agent.said(), agent.said())
        check("if it were always on, budget 5 %" in ask(agent, "probes")
              or "off: it took" in ask(agent, "probes"), ask(agent, "probes"))
        check(re.search(r"^warn budget: syscall: (in windows|off)", ask(agent, "doctor"),
                        re.M), ask(agent, "doctor"))
        windows = duty(agent) > 0
    # one that was off is looked at anew after five minutes
    idle = time.monotonic()
    wait_in_calm(lambda: is_exact(agent), (2 if windows else 6) * MINUTE + SLACK,
                 "all to be exact again")
    diag(f"{time.monotonic() - idle:.1f} s without the load")
    time.sleep(1)  # the last window of all takes half of that, at most
    cgroup = Cgroup("calls")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 1000)
    change = Change(before, agent.total())
    same(change.value(cgroup, "assay.syscall.duration", class_="process"), 1000, "calls")
    check("budget: syscall is always on" in agent.said(), agent.said())


@test("without a budget nothing is done, but it is told what it costs")
def none():
    agent = governed("none")
    with hot():
        wait_for(lambda: costs(agent) > BUDGET, MINUTE + SLACK, "it to be seen")
        check(is_exact(agent), status(agent))
        agent.stop()  # its last export has what it knew
    found = Exports(agent.exports)
    diag(f"costs {gauges(found, 'assay.probe.cost')}")
    same(gauges(found, "assay.budget"), {}, "assay.budget")
    check(gauges(found, "assay.probe.cost")["syscall"] > BUDGET / 100, "cost")
    same(gauges(found, "assay.probe.duty")["syscall"], 1, "duty")
    check("budget: syscall" not in agent.said(), agent.said())


@test("what the user has switched off stays off; what he switches on is on, at first")
def user():
    agent = governed()
    agent.tune("syscall", "enabled=false")
    with hot():
        wait_for(lambda: status(agent)["budget"]["worst_cpu"] is not None, SLACK, "load")
        same(status(agent)["probes"]["syscall"]["reason"],
             "switched off by assay tune", "reason")
        agent.tune("syscall", "enabled=true")
        wait_for(lambda: holds(agent), MINUTE + SLACK, "the budget to hold")
        agent.tune("syscall", "enabled=true")
        wait_for(lambda: "syscall is" in agent.said().split("enabled=true")[-1],
                 MINUTE + SLACK, "it to cost too much again")
        agent.tune("syscall", "enabled=false")
    same(status(agent)["probes"]["syscall"]["reason"],
         "switched off by assay tune", "reason")


@test("where CPUs are to be quiet there is no budget, unless somebody asks for one")
def quiet():
    agent = Agent("--quiet-cpus", str(CPU), prefix=("env", "-u", "ASSAY_BUDGET"))
    check("budget: none, as hooks" in agent.said(), agent.said())
    same(status(agent)["budget"]["share"], None, "the budget")
    agent.stop()
    agent = Agent("--quiet-cpus", str(CPU), "--budget", "2%")
    check("budget: none" not in agent.said(), agent.said())
    same(status(agent)["budget"]["share"], 0.02, "the budget")


main()
