#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""On a real-time kernel (PREEMPT_RT), where a hook that allocates or takes a lock that
sleeps is a fault: nothing that the programs use is made while they run; and with all
tables full, of threads and of connections, the kernel has no complaint."""
# vm: kernels=rt,rt-6.1 ci=none memory=1536

import os
import re
import resource
import subprocess
import sys

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from crowd import crowd
from node import Agent, Cgroup, Load, least_memory
from readings import Change
from tap import Skip, between, check, diag, main, near, need_root, same, test
from tcp import free_port

need_root()

STORAGE = 19, 21, 24, 28, 29, 32  # of sockets, tasks, inodes, cgroups: made when used
HASHES = 1, 5, 9, 10
NO_PREALLOC = 1
COMPLAINTS = re.compile(r"BUG:|WARNING:|sleeping function|while atomic|wait context|"
                        r"lock state|Oops")
SLOW = re.compile(r"soft lockup|workqueue lockup")  # the guest's CPUs are not there for it
HELD = 8000  # at most; tcpload.c's limit is a little more
CPU = max(os.sched_getaffinity(0))
agent = None


def checks_sleep():
    """Whether this kernel looks itself for sleepers in a hook (DEBUG_ATOMIC_SLEEP)."""
    with open("/proc/kallsyms") as f:
        return any(line.split()[2] == "__might_resched" for line in f)


def setup():
    global agent
    if "PREEMPT_RT" not in os.uname().version:
        raise Skip("not a real-time kernel")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3 * HELD, 3 * HELD))  # the loads', too
    diag(f"{os.uname().release}, DEBUG_ATOMIC_SLEEP: {'yes' if checks_sleep() else 'no'}")
    agent = Agent("--memory", least_memory())
    agent.need("sched", "syscall", "tcp", "dns", "block", "memory", "cgroup")


@test("no map of the programs allocates: none is storage, all hashes are made beforehand")
def _():
    maps = {i: fields for kind, i, fields in bpf.descriptors(agent.pid()) if kind == "map"}
    check(len(maps) > 20, f"{len(maps)} maps")
    for number, fields in maps.items():
        type_, flags = int(fields["map_type"]), int(fields["map_flags"], 16)
        check(type_ not in STORAGE, f"map {number} is storage: {fields}")
        check(type_ not in HASHES or not flags & NO_PREALLOC, f"map {number}: {fields}")


def end_of(*tables):
    """How many entries there are in a table and beside it."""
    return sum(bpf.entries(agent.pid(), t) for t in tables)


def connections(count):
    """A server and a client that hold so many; it says how many there are."""
    port = free_port()
    server = Load(Cgroup("server"), "tcpload", "server", "127.0.0.1", port, "-R")
    client = Load(Cgroup("client"), "tcpload", "client", "127.0.0.1", port, "-R")
    server.ask("stats")
    client.ask("hold", count)
    return client, server


@test("with all tables full the hooks count exactly, and the kernel does not complain")
def _():
    threads = end_of("threads", "threads_spill")
    conns = end_of("conns", "conns_spill")
    groups = Cgroup("spin"), Cgroup("calls")
    spinner, caller = Load(groups[0], "spin", 8, CPU), Load(groups[1], "traps")
    people = crowd(threads * 5 // 4)
    held = min(conns, HELD)
    client, server = connections(held)
    before, waited = agent.total(1), spinner.waited()
    answer = spinner.ask("run", 3000)
    caller.ask("getppid", 2000)
    requests = client.ask("ask", 2)["requests"]
    spinner.rests()
    waited = spinner.waited() - waited
    change, pools = Change(before, agent.total(1)), agent.pools()
    diag(f"pools {pools}; lost {change.lost()}; {agent.total(0).lost()}")
    for pool in "threads_spill", "connections_spill":
        between(pools[pool][0], 0.95 * pools[pool][1], pools[pool][1], f"{pool}, in use")
    same(change.value(groups[1], "assay.syscall.duration", class_="process"), 2000, "calls")
    near(change.seconds(groups[0], "assay.sched.wait.duration"), waited, 0.01,
         "waits and run_delay, s")
    near(waited + answer["had"] / 1e9, answer["wanted"] / 1e9, 0.05,
         "waits and CPU time, s")
    same((requests, server.ask("stats")["requests"]), (2 * held,) * 2, "truth")
    people.stdin.close()
    people.wait()


@test("the kernel's log has no complaint")
def _():
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    check("Linux version" in log or len(log) > 1000, "no log")
    same([line for line in log.splitlines()
          if COMPLAINTS.search(line) and not SLOW.search(line)], [], "complaints")


main(setup)
