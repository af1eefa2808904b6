#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPUs that are taken away and come back, and CPUs that come when the agent is there
already: what one only wrote down is not lost, and what it does afterwards counts. Needs a
guest whose CPUs nobody else needs."""
# vm: kernels=6.1,6.12,7.x,sparse,offline ci=6.12

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, Load, wait_for
from readings import Change
from tap import Skip, check, defer, diag, main, near, need_root, same, test

need_root()

WAIT = "assay.sched.wait.duration"
CALLS = "assay.syscall.duration"
CPU = max(os.sched_getaffinity(0))
ONLINE = f"/sys/devices/system/cpu/cpu{CPU}/online"
agent = None


def online(word, path=ONLINE):
    with open(path, "w") as f:
        f.write(word)


def cpus(which):
    """The CPUs of a list of the kernel's: possible, present, online."""
    with open(f"/sys/devices/system/cpu/{which}") as f:
        ranges = [word.split("-") for word in f.read().strip().split(",")]
    return {cpu for r in ranges for cpu in range(int(r[0]), int(r[-1]) + 1)}


def monitor(line):
    """Tells QEMU, whose monitor a guest with CPUs that may come has at a serial port."""
    subprocess.run(["stty", "-F", "/dev/ttyS2", "raw", "-echo"], check=True)
    with open("/dev/ttyS2", "w") as f:
        f.write(line + "\n")


def plug():
    """A CPU comes that is possible and was not there: its number."""
    socket, before = max(cpus("possible")) - 3, cpus("present")
    monitor(f"device_add max-x86_64-cpu,id=new,socket-id={socket},core-id=0,thread-id=0")
    wait_for(lambda: cpus("present") - before, 30, "a CPU to come")
    return min(cpus("present") - before)


def setup():
    global agent
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    if not os.access(ONLINE, os.W_OK):
        raise Skip(f"cpu{CPU} cannot be taken away")
    defer(online, "1")
    agent = Agent("--probes", "sched,syscall")
    agent.need("sched", "syscall")


def work(spinner, caller, cpu=CPU):
    """Something on that CPU; then it has records that nobody has replayed."""
    spinner.ask("run", 700)
    os.sched_setaffinity(caller.pid, {cpu})
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


@test("a CPU that was not there when the agent began counts, and leaves nothing behind")
def _():
    absent = cpus("possible") - cpus("present")
    if absent:
        cpu = plug()
    else:  # it may have been there and not be online: one in the middle
        off = sorted(cpus("present") - cpus("online"))
        if not off:
            raise Skip("all possible CPUs are there")
        cpu = off[len(off) // 2]
    path = f"/sys/devices/system/cpu/cpu{cpu}/online"
    online("1", path)
    diag(f"CPU {cpu} of {sorted(cpus('possible'))}; online {sorted(cpus('online'))}")
    groups = Cgroup("new"), Cgroup("newcalls")
    spinner, caller = Load(groups[0], "spin", 3, cpu), Load(groups[1], "traps")
    before, waited = agent.total(1), spinner.waited()
    work(spinner, caller, cpu)
    for load in spinner, caller:
        for tid in load.threads():
            os.sched_setaffinity(tid, {0})
    online("0", path)
    if absent:
        monitor("device_del new")
        wait_for(lambda: cpu not in cpus("present"), 30, "it to go")
    change = Change(before, agent.total(1))
    check(cpu not in cpus("online"), "it is still there")
    near(change.seconds(groups[0], WAIT), spinner.waited() - waited, 0.001, "waits, s")
    same(change.value(groups[1], CALLS, class_="process"), 1000, "calls")
    diag(f"lost {change.lost()}")


main(setup)
