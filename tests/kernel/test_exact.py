#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whoever looks gets exact numbers of an agent whose probes run in windows; afterwards
they run as before."""
# vm: kernels=cpus16,cpus64 ci=none timeout=600 memory=3072

import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, PATIENCE, Agent, Cgroup, Load, report, wait_for
from tap import check, diag, main, need_root, same, test

need_root()

CALLS = "assay.syscall.duration"
ERRORS = "assay.syscall.errors"
N = 20000
agent = None


def setup():
    global agent
    agent = Agent("--probes", "syscall,tcp,dns")
    agent.need("syscall")


def duty():
    return next(word for word in agent.tune("syscall").split() if word.startswith("duty="))


class Look(threading.Thread):
    """`assay report` while a load works."""

    def __init__(self, *options, duration="4s"):
        super().__init__()
        self.options = ("--duration", duration, "--socket", agent.socket, *options)
        self.numbers = None
        self.start()

    def run(self):
        self.numbers = report(*self.options)


def looked(load, cgroup, *options):
    """What a report shows of N calls and N failed opens that are made meanwhile, and how."""
    look = Look(*options)
    wait_for(lambda: duty() == "duty=1" or options, PATIENCE, "all to be counted")
    time.sleep(1.5)  # the windows before are over, the first reading is made
    load.ask("getppid", N)
    load.ask("open_enoent", N)
    look.join()
    calls = look.numbers.points(cgroup, CALLS, class_="process")
    errors = look.numbers.points(cgroup, ERRORS, type="ENOENT")
    return calls, errors


@test("a report of an agent in windows has exact numbers, and is not marked")
def _():
    agent.tune("syscall", "duty=1/64")
    time.sleep(0.2)
    for i in range(3):
        cgroup = Cgroup(f"looked-{i}")
        load = Load(cgroup, "calls")
        calls, errors = looked(load, cgroup)
        same(sum(p["count"] for p in calls), N, "calls")
        same(sum(p["value"] for p in errors), N, "errors")
        same([p for p in calls + errors if "estimated" in p], [], "marked as estimates")
        same(duty(), "duty=1", "just after it, for as long as it may take")
        wait_for(lambda: duty() == "duty=1/64", PATIENCE, "windows again")


@test("--estimate leaves the probes as they run")
def _():
    same(duty(), "duty=1/64", "before")
    look = Look("--estimate", duration="500ms")
    time.sleep(0.2)
    same(duty(), "duty=1/64", "meanwhile")
    look.join()


@test("what a user tunes meanwhile stays")
def _():
    look = Look(duration="500ms")
    wait_for(lambda: duty() == "duty=1", PATIENCE, "all to be counted")
    agent.tune("syscall", "duty=1/2")
    look.join()
    time.sleep(7)
    same(duty(), "duty=1/2", "then")
    agent.tune("syscall", "duty=1")


@test("one that is off by a user's word stays off")
def _():
    agent.tune("syscall", "enabled=false")
    Look(duration="300ms").join()
    check("enabled=false" in agent.tune("syscall"), "it is on")
    agent.tune("syscall", "enabled=true")


@test("it is exact for 60 s at a time, and a report that is longer says so")
def _():
    agent.tune("syscall", "duty=1/64")
    process = subprocess.Popen([ASSAY, "report", "--duration", "10m", "--socket", agent.socket],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    killer = threading.Timer(20, process.kill)  # should it say nothing
    killer.start()
    line = process.stderr.readline()
    same(duty(), "duty=1", "meanwhile")
    killer.cancel()
    process.kill()
    process.wait()
    diag(line.strip())
    check("exact for 60 s only" in line, line)


main(setup)
