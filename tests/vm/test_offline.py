#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A CPU that is taken away and comes back: what it only wrote down is not lost, and what
it does afterwards counts. Needs a guest whose CPUs nobody else needs."""
# vm: kernels=6.1,6.12,7.x

import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Change, Load
from tap import Skip, defer, diag, main, near, need_root, same, test

need_root()

WAIT = "assay.sched.wait.duration"
CALLS = "assay.syscall.duration"
CPU = max(os.sched_getaffinity(0))
ONLINE = f"/sys/devices/system/cpu/cpu{CPU}/online"
agent = None


def online(word):
    with open(ONLINE, "w") as f:
        f.write(word)


def setup():
    global agent
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    if not os.access(ONLINE, os.W_OK):
        raise Skip(f"cpu{CPU} cannot be taken away")
    defer(online, "1")
    agent = Agent("--probes", "sched,syscall")
    agent.need("sched", "syscall")


def work(spinner, caller):
    """Something on that CPU; then it has records that nobody has replayed."""
    spinner.ask("run", 700)
    os.sched_setaffinity(caller.pid, {CPU})
    caller.ask("getppid", 1000)


@test("what a CPU wrote down before it went offline is counted, and what it does later")
def _():
    groups = Cgroup("spin"), Cgroup("calls")
    spinner, caller = Load(groups[0], "spin", 3, CPU), Load(groups[1], "traps")
    before, waited = agent.total(1), spinner.waited()
    work(spinner, caller)
    for load in spinner, caller:
        for tid in load.threads():
            os.sched_setaffinity(tid, {0})
    online("0")
    time.sleep(0.5)
    change = Change(before, agent.total(1))
    near(change.seconds(groups[0], WAIT), spinner.waited() - waited, 0.001,
         "waits, CPU offline, s")
    same(change.value(groups[1], CALLS, class_="process"), 1000, "calls, CPU offline")
    online("1")
    for tid in spinner.threads():
        os.sched_setaffinity(tid, {CPU})
    before, waited = agent.total(1), spinner.waited()
    work(spinner, caller)
    change = Change(before, agent.total(1))
    near(change.seconds(groups[0], WAIT), spinner.waited() - waited, 0.001,
         "waits, CPU online again, s")
    same(change.value(groups[1], CALLS, class_="process"), 1000,
         "calls, CPU online again")
    diag(f"lost {change.lost()}")


main(setup)
