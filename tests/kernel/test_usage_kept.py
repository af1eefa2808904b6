#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Files of cgroups that exports read are kept open: what they say stays right when their
cgroup goes, and when another one has its path."""
# vm: kernels=6.1,6.12,7.x ci=none

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import proc
from exports import Exports
from node import IN_GUEST, PATIENCE, Agent, Cgroup, Load, wait_for
from tap import between, check, diag, main, need_root, same, test

need_root()

CPU_TIME = "assay.cgroup.cpu.time"
INTERVAL_MS = 3000 if IN_GUEST else 300
agent = None


def setup():
    global agent
    agent = Agent("--export-interval", f"{INTERVAL_MS}ms")


def kept(path):
    """The files below a cgroup that the agent has open, by name. The kernel shows a path
    from where the tree is mounted."""
    return {os.path.basename(to) for to in proc.links(agent.pid()).values()
            if f"{path}/" in to}


def usage(directory):
    with open(f"{directory}/cpu.stat") as f:
        return dict(map(str.split, f))["usage_usec"]


def exported(cgroup):
    """CPU seconds of a cgroup, as they came to the file."""
    return Exports(agent.exports).sum(
        CPU_TIME, lambda r: r.get("process.linux.cgroup") == cgroup.path)


def busy(group):
    """A load whose cgroup's cpu.stat is read by exports while it works."""
    load = Load(group, "traps")
    end = time.monotonic() + PATIENCE
    while "cpu.stat" not in kept(group.path):
        check(time.monotonic() < end, f"cpu.stat of {group.path} was never kept")
        load.ask("getppid", 20_000)
        time.sleep(INTERVAL_MS / 3000)
    return load


@test("the CPU time of a path is that of all cgroups that had it, one after the other")
def _():
    cgroup = Cgroup("again")
    truth, numbers = 0, set()
    for _ in range(3):
        os.makedirs(cgroup.dir, exist_ok=True)
        numbers.add(os.stat(cgroup.dir).st_ino)
        load = busy(cgroup)
        # what comes after an export's last reading is only in the next one
        load.close()
        wait_for(lambda: not cgroup.pids(), PATIENCE, "its end")
        last = usage(cgroup.dir)
        time.sleep(3 * INTERVAL_MS / 1000)
        same(usage(cgroup.dir), last, "cpu.stat stands still")
        truth += int(last)
        os.rmdir(cgroup.dir)
    same(len(numbers), 3, "cgroups of the path")
    wait_for(lambda: exported(cgroup) * 1e6 > truth - 1, PATIENCE, "the exports")
    diag(f"cpu.stat {truth} us, exported {exported(cgroup) * 1e6:.0f} us")
    between(exported(cgroup) * 1e6, truth - 1, truth + 1, "us of CPU time")


@test("nothing is kept of a cgroup that is gone")
def _():
    cgroup = Cgroup("gone")
    load = busy(cgroup)
    diag(f"kept: {sorted(kept(cgroup.path))}")
    load.close()
    cgroup.remove()
    wait_for(lambda: not kept(cgroup.path), PATIENCE, "its descriptors to be closed")


main(setup)
