#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""How many instructions the verifier goes through for each program of a running agent:
printed, and below a ceiling. The kernel gives up at a million; long before that the
agent's start takes its time. What a kernel's verifier prunes differs between versions,
so this runs on all of them."""
# vm: kernels=6.1,6.12,7.x,fallbacks

import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import Agent
from tap import check, diag, main, need_root, same, test

need_root()

# The most that any kernel of the matrix needed, and about half as much again. A program
# without a row has DEFAULT.
DEFAULT = 28000
CEILINGS = {
    "block_complete": 54000,
    "dns_packet_in": 28000,
    "rings_drain": 160000,
    "sched_switch": 180000,
    "syscall_exit": 170000,
    "tcp_gone": 90000,
    "tcp_packet_out": 50000,
    "tcp_segment_in": 40000,
    "tcp_state": 95000,
}
NAME_LEN = 15  # of a name in the kernel
FORCED = os.environ.get("ASSAY_TEST_FALLBACKS") == "all"
if FORCED:  # both ways to a CPU's cache are looked at, and another program is taken
    CEILINGS |= {"tcp_state": 180000, "tcp_gone": 120000,
                 "sched_switch_bare": CEILINGS.pop("sched_switch")}
programs = {}
seconds, said = 0.0, ""


def setup():
    global seconds, said
    began = time.monotonic()
    agent = Agent()
    seconds = time.monotonic() - began
    for i in {i for kind, i in bpf.held_by(agent.pid()) if kind == "prog"}:
        info = bpf.prog_info(i)
        if info["type"]:
            programs[info["name"]] = info
    states, said = agent.total(0).states(), agent.said()
    check(set(states.values()) == {"attached"}, f"{states}; it said {said}")


def ceiling(name):
    for full, most in CEILINGS.items():
        if full[:NAME_LEN] == name:
            return most
    return DEFAULT


@test("the kernel tells how many instructions it verified of each program")
def _():
    kernel = FORCED * "fallbacks-" + os.uname().release
    for name, info in sorted(programs.items()):
        diag(f"insns: {kernel} {name} {info['verified']} {info['jited']}")
    diag(f"insns: {kernel} all {sum(p['verified'] for p in programs.values())} "
         f"{sum(p['jited'] for p in programs.values())} ready {seconds:.2f} s")
    check(len(programs) > 10, f"only {len(programs)} programs")
    # what the agent goes on without, where a kernel does not take it
    check("tasks_walk" in programs, f"no pass over tasks: {said}")
    same([n for n, p in programs.items() if not p["verified"]], [], "without a number")


@test("no program is above its ceiling")
def _():
    same({n: p["verified"] for n, p in programs.items() if p["verified"] > ceiling(n)},
         {}, "above")


@test("each ceiling is for a program that exists")
def _():
    same([n for n in CEILINGS if n[:NAME_LEN] not in programs], [], "rows for nothing")


main(setup)
