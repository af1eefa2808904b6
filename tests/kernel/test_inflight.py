#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What has not finished yet: told with its age, by workload, and only while it lasts."""
# vm: kernels=6.1,7.x,cpus16,cpus64,rt,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import PATIENCE, Agent, Cgroup, Load, end_process, wait_for
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

AGE = "assay.inflight.age"
DURATION = "assay.syscall.duration"
CPU = max(os.sched_getaffinity(0))
agent = None


def setup():
    global agent
    agent = Agent()
    agent.need("sched", "syscall", "tcp")


def ages(cgroup, of=None):
    return (of or agent).total(0).by(cgroup, AGE, "operation")


@test("a sleep is told with its age, and is no sample before it ends")
def _():
    cgroup = Cgroup("sleep")
    load = Load(cgroup, "traps")
    began = time.monotonic()
    load.tell("sleep", 60_000)
    time.sleep(2)
    low = time.monotonic() - began
    numbers = agent.total(0)
    high = time.monotonic() - began
    found = numbers.by(cgroup, AGE, "operation")
    diag(f"{found}, {low:.3f} to {high:.3f} s after it began")
    between(found.get("syscall.wait", 0), low - 0.5, high, "its age, s")
    same(numbers.value(cgroup, DURATION, class_="wait"), 0, "samples")


@test("a read that nobody answers is told until it is answered")
def _():
    cgroup = Cgroup("read")
    load = Load(cgroup, "traps")  # it waits for its next command
    time.sleep(1)
    between(ages(cgroup).get("syscall.pipe", 0), 0.9, 30, "age of its read, s")
    load.tell("sleep", 3_600_000)
    wait_for(lambda: "syscall.pipe" not in ages(cgroup), PATIENCE,
             "its read, which has ended, to be told no more")


TELL = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
asker = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
if "greet" in sys.argv:  # the other end has spoken once
    server.sendall(b"hello")
    asker.recv(5)
for word in iter(sys.stdin.readline, ""):
    asker.sendall(word.encode())
    server.recv(100)
    print(flush=True)
"""


def tell(cgroup, *words):
    """Who sends a line whenever told() is called, to one that never answers."""
    p = cgroup.start([sys.executable, "-c", TELL, *words], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)
    defer(end_process, p)

    def told():
        p.stdin.write("line\n")
        p.stdin.flush()
        p.stdout.readline()
    return told


@test("who sends on after a pause, and never had an answer, waits for none")
def _():
    groups = Cgroup("syslog"), Cgroup("asks")
    speak = tell(groups[0]), tell(groups[1], "greet")
    ends = "tcp.client", "tcp.server"
    for told in speak:
        told()
    time.sleep(1.5)
    for group in groups:  # nobody can know yet
        found = ages(group)
        for end in ends:
            between(found.get(end, 0), 1, 30, f"age at first, {end}")
    for told in speak:
        told()
    time.sleep(1.5)
    found = ages(groups[0])
    same([found.get(end, 0) for end in ends], [0, 0], "ages of who goes on")
    found = ages(groups[1])
    for end in ends:
        between(found.get(end, 0), 1, 30, f"age of who had an answer before, {end}")


def start_sleep(cgroup):
    """A load that sleeps now, and between which times it began to."""
    load, low = Load(cgroup, "traps"), time.monotonic()
    load.tell("sleep", 3_600_000)
    wait_for(load.is_away, PATIENCE, "it to sleep")
    return load, low, time.monotonic()


for probes in "syscall", "sched", "syscall,sched":
    @test(f"a call that fell asleep before the agent came is as old as it is ({probes})")
    def _(probes=probes):
        cgroup = Cgroup("early")
        early, low, high = start_sleep(cgroup)
        time.sleep(3)
        late = Agent("--probes", probes)
        other = Load(cgroup, "traps")  # a workload that only idles is not shown
        other.ask("getppid", 10)
        asked = time.monotonic()
        found = ages(cgroup, late)
        now = time.monotonic()
        diag(f"{found}, {asked - high:.3f} to {now - low:.3f} s after it began")
        between(found.get("syscall.wait", 0), 0.97 * (asked - high), now - low, "its age, s")
        os.kill(early.pid, signal.SIGKILL)
        early.process.wait()
        check("syscall.wait" not in ages(cgroup, late), "it is gone, and its call is told")


@test("a call that sleeps has its age when probes were off meanwhile")
def _():
    cgroup = Cgroup("meanwhile")
    _load, low, high = start_sleep(cgroup)
    for probe in "syscall", "sched":
        agent.tune(probe, "enabled=false")
    time.sleep(2)
    check("syscall.wait" not in ages(cgroup), "a call is told of though no probe looks")
    for probe in "sched", "syscall":
        agent.tune(probe, "enabled=true")
        asked = time.monotonic()
        found = ages(cgroup).get("syscall.wait", 0)
        between(found, 0.97 * (asked - high), time.monotonic() - low, f"its age, s, with {probe}")


# Fills the queue of a listener, and connects once more: that SYN is dropped.
UNANSWERED = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
full = socket.create_connection(listener.getsockname())
late = socket.socket()
late.setblocking(False)
low = time.monotonic()
late.connect_ex(listener.getsockname())
print(low, time.monotonic(), flush=True)
sys.stdin.read()
"""


def start_connect(cgroup):
    """A process that connects now, and between which times it began to."""
    p = cgroup.start([sys.executable, "-c", UNANSWERED], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)
    defer(end_process, p)
    return map(float, p.stdout.readline().split())


def told_connect(cgroup, low, high, of):
    asked = time.monotonic()
    age = ages(cgroup, of).get("tcp.connect", 0)
    # what the kernel keeps of it is in ms
    between(age, asked - high - 0.002, time.monotonic() - low + 0.002, "its age, s")


@test("a connect from before the agent, or from while its probe was off, is as old as it is")
def _():
    cgroup, another = Cgroup("syn-early"), Cgroup("syn-off")
    early = start_connect(cgroup)
    late = Agent("--probes", "tcp,sched")
    time.sleep(1)
    late.tune("tcp", "enabled=false")
    off = start_connect(another)
    time.sleep(1)
    late.tune("tcp", "enabled=true")
    told_connect(cgroup, *early, late)
    told_connect(another, *off, late)
    same([late.total(0).value(c, f"assay.tcp.connect.{what}") for c in (cgroup, another)
          for what in ("duration", "errors")], [0] * 4, "samples")


@test("a stopped process does not hide its call")
def _():
    cgroup = Cgroup("stopped")
    load = Load(cgroup, "traps")
    load.tell("sleep", 60_000)
    time.sleep(0.3)
    os.kill(load.pid, signal.SIGSTOP)
    time.sleep(1)
    between(ages(cgroup).get("syscall.wait", 0), 1, 30, "its age, s")


@test("a thread that waits for a CPU is told with the time that it waits")
def _():
    hog, idler = Cgroup("hog"), Cgroup("idler")
    if os.path.exists(idler.dir + "/cpu.idle"):
        # with the cpu controller a thread's policy counts within its cgroup only
        idler.write("cpu.idle", 1)
    load, victim = Load(hog, "spin", 2, CPU), Load(idler, "spin", 1, CPU)
    for tid in victim.threads():
        os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))
    load.tell("run", 60_000)
    began, worst = time.monotonic(), 0
    while worst < 0.01 and time.monotonic() < began + 50:
        victim.tell("run", 500)
        worst = ages(idler).get("sched.wait", 0)
        most = time.monotonic() - began
        victim.reply()
    load.close()
    diag(f"longest wait that was seen: {worst:.3f} s")
    between(worst, 0.01, most + 0.1, "age of a wait, s")
    victim.rests()
    check("sched.wait" not in ages(idler), "nobody waits, and a wait is told")


@test("a call that sleeps is told with its age while its probe is in windows, or off")
def _():
    cgroup = Cgroup("asleep")
    load = Load(cgroup, "traps")
    agent.tune("syscall", "window=10ms", "duty=1/64")
    began = time.monotonic()
    load.tell("sleep", 3_600_000)
    time.sleep(2)
    for change in ("duty=1/64", "enabled=false"):
        agent.tune("syscall", change)
        low = time.monotonic() - began
        found = ages(cgroup).get("syscall.wait", 0)
        between(found, low - 0.5, time.monotonic() - began, f"its age, s, at {change}")
    agent.tune("syscall", "enabled=true")
    same(agent.total(0).states()["syscall"], "attached", "on again")


main(setup)
