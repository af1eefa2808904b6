#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""System calls under hard conditions, while the agent reads 100 times a second."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load
from readings import Change
from tap import between, check, diag, main, near, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
CPU = max(os.sched_getaffinity(0))
CALLS = int(os.environ.get("TEST_STRESS_CALLS", 10_000_000))
STORM_MS = int(os.environ.get("TEST_STORM_MS", 8000))
agent = None


def setup():
    global agent
    agent = Agent("--snapshot-interval", "10ms")
    agent.need("sched", "syscall")


def measure(name, *words, cpu=None):
    cgroup = Cgroup(name)
    load = Load(cgroup, "stress")
    if cpu is not None:
        os.sched_setaffinity(load.pid, {cpu})
    before = agent.total()
    load.tell(*words)
    answer = load.reply()
    return answer, Change(before, agent.total()), cgroup


@test(f"{CALLS} calls of two threads on one CPU are {CALLS}, at 100 readings a second")
def _():
    answer, change, cgroup = measure("pinned", "pinned", CALLS, cpu=CPU)
    same(answer["calls"], CALLS, "truth")
    same(change.value(cgroup, DURATION, class_="socket"), CALLS, "calls")


@test("they are on all CPUs")
def _():
    answer, change, cgroup = measure("free", "pinned", CALLS // 10)
    same(change.value(cgroup, DURATION, class_="socket"), CALLS // 10, "calls")


@test("with SIGKILLs, forks, and execs from threads: what was done was counted, once")
def _():
    answer, change, cgroup = measure("storm", "storm", 4, STORM_MS)
    calls = change.value(cgroup, DURATION, class_="socket")
    lost = change.lost().get(("syscall", "unpaired"), 0)
    diag(f"{answer}; counted {calls}; unpaired {lost}")
    check(answer["kills"] > 50 and answer["execs"] > 20 and answer["forks"] > 50,
          "the storm was a breeze")
    # Who is killed between a call and its note has made it, or has not.
    between(calls, answer["done"] - lost, answer["started"], "calls")
    check(lost <= answer["kills"] + answer["execs"] + 20,
          f"{lost} unpaired for {answer['kills']} kills and {answer['execs']} execs")


@test("with one call of eight taken, counts and errors are right on average")
def _():
    n = 400_000
    agent.tune("syscall", "sample=8")
    try:
        answer, change, cgroup = measure("sampled", "pinned", n)
    finally:
        agent.tune("syscall", "sample=1")
    calls = change.value(cgroup, DURATION, class_="socket")
    same(calls % 8, 0, "calls, modulo 8")
    near(calls, n, 0.03, "calls")  # the error of 50,000 draws of one in eight is 0.4 %
    same(change.lost().get(("syscall", "unpaired"), 0) < 20, True, "hardly unpaired")


@test("no call of the storm took longer than it lasted")
def _():
    answer, change, cgroup = measure("long", "storm", 2, 1500)
    for point in change.after.points(cgroup, DURATION):
        check(point["max"] < 8, f"a call of {point['max']} s in {point['attributes']}")


main(setup)
