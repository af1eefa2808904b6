#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Passes over all tasks and descriptors are read in slices: however many there are, no
read(2) shows more than a slice of them, the agent serves others in between, and what is
under way is told all the same, none of it twice."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import os
import re
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from crowd import crowd
from node import TOP, Agent, Cgroup, Load
from readings import Change
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()
Agent.asks = 1  # passes that do not end in time are what is tested

with open(f"{TOP}/bpf/inflight.bpf.h", encoding="utf-8") as f:
    SLICE = int(re.search(r"define SLICE (\d+)", f.read()).group(1))
THREADS = 2 * SLICE  # a guest takes its time to make them
DESCRIPTORS = 12 * SLICE
CONNECTIONS = SLICE // 2 + 100  # with both ends in one process: two slices of them
AGE = "assay.inflight.age"
IO = "assay.tcp.io"
OPEN = "assay.tcp.connections"
agent = None

DUPS = """
import os, resource, sys
left = int(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
r, w = os.pipe()
n = 0
try:
    while n < left:
        os.dup(r)
        n += 1
except OSError:
    pass
print(n, flush=True)
sys.stdin.read()
"""
BOTH_ENDS = """
import resource, socket, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
pairs = []
for _ in range(int(sys.argv[1])):
    client = socket.create_connection(listener.getsockname())
    pairs.append((client, listener.accept()[0]))
print("ready", flush=True)
for line in sys.stdin:
    for client, server in pairs:
        client.sendall(b"x" * 100)
        server.recv(100, socket.MSG_WAITALL)
    print("done", flush=True)
"""


def setup():
    global agent
    agent = Agent("--export-interval", "1h", export="none")
    agent.need("sched", "syscall", "tcp", "memory")


def python(code, *args, cgroup=None):
    p = subprocess.Popen([sys.executable, "-c", code, *map(str, args)], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         preexec_fn=cgroup.enter if cgroup else None)
    defer(p.wait)
    defer(p.stdin.close)
    return p


def descriptors(n):
    """n descriptors, of as many processes as that takes."""
    while n > 0:
        p = python(DUPS, n)
        made = int(p.stdout.readline())
        if not made:
            raise Skip("no descriptors to be had")
        n -= made


def reads():
    """How often the agent has read, by the kernel's count."""
    with open(f"/proc/{agent.pid()}/io") as f:
        return int(re.search(r"syscr: (\d+)", f.read()).group(1))


def ask(line):
    """A client that has asked, and waits."""
    s = socket.socket(socket.AF_UNIX)
    defer(s.close)
    s.settimeout(60)
    s.connect(agent.socket)
    s.sendall(line)
    return s


def answer(s):
    """All that there is to come; returns whether it is one."""
    first = s.recv(1 << 20)
    while s.recv(1 << 20):
        pass
    return first.startswith(b"ok")


def reads_of_a_reading():
    before = reads()
    check(answer(ask(b"snapshot\n")), "no answer")
    return reads() - before


@test(f"{THREADS} threads and {DESCRIPTORS} descriptors are read in slices of {SLICE}")
def _():
    without = min(reads_of_a_reading() for _ in range(3))
    crowd(THREADS)
    descriptors(DESCRIPTORS)
    more = min(reads_of_a_reading() for _ in range(3)) - without
    diag(f"{without} reads without them, {more} more with them")
    # others on the machine come and go meanwhile, at most some slices of them
    between(more, (THREADS + DESCRIPTORS) // SLICE - 4,
            2 * (8 * THREADS + DESCRIPTORS) // SLICE, "reads more")


def iterators(over):
    """The programs of the agent's iterators over this, by the kernel's links."""
    return {int(fields["prog_id"]) for kind, _, fields in bpf.descriptors(agent.pid())
            if kind == "link" and fields.get("target_name") == over}


def runs(programs):
    return sum(bpf.prog_info(i)["runs"] for i in programs)


def entries(what):
    """How many threads ("task") or descriptors ("fd") all processes have."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            count += len(os.listdir(f"/proc/{pid}/{what}"))
        except OSError:  # it has ended
            pass
    return count


@test(f"a reading shows each of {THREADS} threads and {DESCRIPTORS} descriptors once, to "
      "one program for all probes")
def _():
    crowd(THREADS)
    descriptors(DESCRIPTORS)
    readings = 3
    over_tasks, over_files = iterators("task"), iterators("task_file")
    same((len(over_tasks), len(over_files)), (1, 1), "iterators over tasks, and over files")
    defer(os.close, bpf.enable_stats())
    tasks, files = [entries("task")], [entries("fd")]
    tasks_shown, files_shown = runs(over_tasks), runs(over_files)
    for _ in range(readings):
        check(answer(ask(b"snapshot\n")), "no answer")
        tasks.append(entries("task"))
        files.append(entries("fd"))
    tasks_shown = (runs(over_tasks) - tasks_shown) / readings
    files_shown = (runs(over_files) - files_shown) / readings
    diag(f"of {tasks} tasks {tasks_shown:.1f} were shown for a reading; of {files} "
         f"descriptors {files_shown:.1f}")
    # a slice ends at one that the next begins with, and the end is shown, too
    again = 1.02 * (1 + 1 / SLICE)
    between(tasks_shown, 0.98 * min(tasks), again * max(tasks) + 1, "tasks shown")
    # a pass that is late is not waited for, and there is no other before its end
    between(files_shown, DESCRIPTORS / readings, again * max(files) + 1, "descriptors shown")


@test("while no probe looks at tasks, none is shown")
def _():
    over_tasks = iterators("task")
    defer(os.close, bpf.enable_stats())
    looks = ("sched", "syscall", "memory")
    for probe in looks:
        agent.tune(probe, "enabled=false")
        defer(agent.tune, probe, "enabled=true")
    before = runs(over_tasks)
    check(answer(ask(b"snapshot\n")), "no answer")
    same(runs(over_tasks) - before, 0, "tasks shown")
    agent.tune("memory", "enabled=true")
    there = entries("task")
    check(answer(ask(b"snapshot\n")), "no answer")
    check(runs(over_tasks) - before > there / 2, "none was shown to memory's part")


@test("while a reading waits for its passes, others are served")
def _():
    crowd(THREADS)
    descriptors(DESCRIPTORS)
    served = 0
    for _ in range(5):
        first = ask(b"snapshot\n")
        check(answer(ask(b"tune\n")), "no answer to tune")
        first.setblocking(False)
        try:
            first.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            served += 1
        first.settimeout(60)
        check(answer(first), "no answer")
    diag(f"{served} of 5 that asked later were answered before")
    check(served, "nobody was served before the reading was done")


@test("what is under way is told, whichever slice shows it")
def _():
    loads = []
    for i in range(4):
        cgroup = Cgroup(f"asleep{i}")
        load = Load(cgroup, "traps")
        began = time.monotonic()
        load.tell("sleep", 600_000)
        loads.append((cgroup, load, began))
        crowd(SLICE)  # its threads come between this load and the next one
    time.sleep(0.1)
    low = time.monotonic()
    numbers = agent.total(0)
    high = time.monotonic()
    for cgroup, load, began in loads:
        age = numbers.by(cgroup, AGE, "operation").get("syscall.wait", 0)
        between(age, low - began - 0.5, high - began, f"age of the sleep in {cgroup.path}")
    for cgroup, load, _ in loads[::2]:
        load.close()
    numbers = agent.total(0)
    same(["syscall.wait" in numbers.by(cgroup, AGE, "operation")
          for cgroup, _, _ in loads], [False, True] * 2, "told after half of them ended")


@test(f"{CONNECTIONS} connections carry what they carry, in several slices and passes")
def _():
    cgroup = Cgroup("pairs")
    p = python(BOTH_ENDS, CONNECTIONS, cgroup=cgroup)
    if p.stdout.readline() != "ready\n":
        raise Skip(f"no {CONNECTIONS} connections here")
    before = agent.total()
    for n in (1, 2, 3):
        p.stdin.write("\n")
        p.stdin.flush()
        same(p.stdout.readline(), "done\n", "the load")
        for _ in range(2):  # who is silent is counted by the pass, once
            change = Change(before, agent.total())
            same(change.by(cgroup, IO, "direction"),
                 {"transmit": n * 100 * CONNECTIONS, "receive": n * 100 * CONNECTIONS},
                 "bytes")
    same(change.after.value(cgroup, OPEN), 2 * CONNECTIONS, "open connections")


main(setup)
