#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sleeps in system calls and page faults, against the sleepers' own clocks."""
# vm: kernels=6.1,6.12,7.x,fallbacks,cpus16,cpus64 ci=none timeout=600 drive=iops=200

import os
import re
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from disturbed import HiddenRuns
from node import BIN, IN_GUEST, PATIENCE, Agent, Cgroup, Load, wait_for
from readings import Change
from tap import Busy, Skip, between, check, defer, diag, main, near, need_root, same, test

need_root()

BLOCKED = "assay.blocked.duration"
WAIT = "assay.sched.wait.duration"
CPUS = sorted(os.sched_getaffinity(0))
BUCKET = 2 ** (1 / 8)
TASK_AT = 24  # struct sched_ring.task
agent = None


def setup():
    global agent
    agent = Agent()
    agent.need("sched")


class Sleeper:
    """A load of asleep.c, and the one that wakes it, in a cgroup beside its own."""

    def __init__(self, name, *file):
        self.cgroup, partner = Cgroup(name), Cgroup(name + "-partner")
        self.load = Load(self.cgroup, "asleep", partner.dir, *file)
        for pid in partner.pids():
            os.sched_setaffinity(pid, {CPUS[0]})
        self.load.ask("pin", CPUS[-1])  # nobody moves it: its run_delay is right

    def measure(self, *words, meanwhile=None):
        """Has it do something: its answer and the change in our numbers."""
        before = agent.total()
        self.load.tell(*words)
        if meanwhile:
            meanwhile()
        answer = self.load.reply()
        return answer, Change(before, agent.total())

    def classes(self, change):
        """Sleeps by class, without the one in which it waited for its word."""
        found = change.by(self.cgroup, BLOCKED, "class")
        found["pipe"] = found.get("pipe", 0) - 1
        return {k: n for k, n in found.items() if n}


def asleep_by_its_clocks(answer, share, roughly):
    """Between how many seconds its sleeps were. roughly: where the machine is emulated,
    the clock of its CPU time runs ahead of ours."""
    most = (answer["slept"] - answer["waited"]) / 1e9
    truth = most - answer["ran"] / 1e9
    if roughly:
        return 0.97 * truth, 1.01 * most
    return (1 - share) * truth, (1 + share) * truth


def exact(kind, class_, n=100, us=5000, beside=()):
    """n sleeps of a length are n samples of that, in their class and in no other but
    these. (On a slow machine a few naps and vforks may be over before they sleep: the
    kernel's count of switches knows. Who is woken by the partner sleeps each time.)"""
    sleeper = Sleeper(kind)
    runs = HiddenRuns()
    answer, change = sleeper.measure(kind, n, us)
    init = runs.count()
    found = sleeper.classes(change)
    diag(f"{kind}: {found}; {answer}; lost {change.lost()}; PID 1 ran {init} times")
    if class_ != "fault" and found.get("fault", 0) <= 3:
        found.pop("fault", None)  # of memory that was not there: a sleep, too
    if kind == "flock" and 0 < found.get("pipe", 0) <= 3:
        # both ends of the pipe by which the partner says that it has the lock, at once
        answer["switches"] -= found.pop("pipe")
    called, n = n, min(n, answer["switches"])
    share = 0.98 if kind in ("nanosleep", "vfork") else 1
    between(n, share * called, called, f"calls that slept, of {called}")
    judge(sleeper, change, answer, found, init, (class_, n), beside)
    p50, middle = change.after.p50(sleeper.cgroup, BLOCKED, class_=class_), answer["p50"] / 1e9
    between(p50, middle / BUCKET, middle * BUCKET, f"p50 of {kind}, s")


SHORT_NS = 200000  # a sleep's length that a hypervisor may take at any time


def judge(sleeper, change, answer, found, init, want, beside=()):
    """As many sleeps in this class as it had, and as long; init: how often PID 1 ran."""
    class_, n = want
    # a run of PID 1 may hide the end of one sleep and the beginning of the next
    if n - 2 * init <= found.get(class_, 0) < n:
        raise Busy(f"PID 1 ran {init} times")
    same({k: v for k, v in found.items() if k not in beside}, {class_: n}, "sleeps by class")
    seconds = change.seconds(sleeper.cgroup, BLOCKED, class_=class_)
    if class_ == "pipe":  # the sleep before it was told, of the agent's clock
        seconds -= answer["idle"] / 1e9
    low, high = asleep_by_its_clocks(answer, 0.01, answer["ran"] >= 0.02 * answer["slept"])
    if init and not low <= seconds <= high:
        raise Busy(f"PID 1 ran {init} times")
    if answer["p50"] < SHORT_NS and not low <= seconds <= high:
        raise Busy(f"{seconds} s asleep, not {low} to {high}, in sleeps of {answer['p50']} ns: "
                   "what is stolen meanwhile is as long")
    between(seconds, low, high, f"seconds asleep in class {class_}")


def slow_file(size):
    """A drive of a guest that is slow, or a file beside this one."""
    if IN_GUEST:
        return "/dev/nvme0n1"
    f = tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.dirname(BIN)))
    defer(f.close)
    f.truncate(size)
    return f.name


def on_disk(kind, class_, n=100):
    """Who waits for a drive sleeps as often as the kernel's count of its switches says."""
    sleeper = Sleeper(kind, slow_file(n << 16))
    if sleeper.load.ask("chill", n)["warm"]:
        raise Skip("this file system keeps in memory what is no longer needed there")
    runs = HiddenRuns()
    answer, change = sleeper.measure(kind, n, 0)
    init = runs.count()
    found = sleeper.classes(change)
    diag(f"{kind}: {found}; {answer}; lost {change.lost()}; PID 1 ran {init} times")
    if answer["switches"] < 0.9 * n:
        raise Skip("the drive is too fast, or the file is in memory: calls did not sleep")
    judge(sleeper, change, answer, found, init, (class_, answer["switches"]))


@test("fsync on a drive: each sleep is in class file, and they are as long as the calls")
def _():
    on_disk("fsync", "file")


@test("pages of a mapped file that are not in memory: each is a sleep in class fault")
def _():
    on_disk("cold", "fault")


for row in (("pipe", "pipe", "reads of a pipe"),
            ("recv", "socket", "recv on a socket"),
            ("socket", "socket", "reads of a socket"),
            ("poll", "wait", "polls"),
            ("epoll", "wait", "epoll_waits"),
            ("futex", "sync", "futex waits"),
            ("nanosleep", "wait", "naps"),
            ("flock", "file", "locks of a file that another has"),
            ("fault", "fault", "page faults that another resolves"),
            ("vfork", "process", "vforks")):
    test(f"N {row[2]} are N sleeps in class {row[1]}, as long as they were")(
        lambda row=row: exact(*row[:2], beside=("wait",) if row[0] == "vfork" else ()))


@test("short sleeps and long ones are as long as they were")
def _():
    exact("nanosleep", "wait", 2000, 200)
    exact("futex", "sync", 4, 1200000)


def run_delay(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


def all_its_time(sleeper, load, hogs):
    """Has it work beside hogs. Nothing can be said where PID 1 ran, and so much is missing,
    or was slept too much, that one of its sleeps or waits may have ended unseen behind that."""
    load.tell("run", 4000)
    delay, runs = run_delay(sleeper.load.pid), HiddenRuns()
    answer, change = sleeper.measure("work", 150, 2000)
    delay, init = run_delay(sleeper.load.pid) - delay, runs.count()
    load.reply()
    asleep = change.seconds(sleeper.cgroup, BLOCKED)
    waits = change.seconds(sleeper.cgroup, WAIT)
    wall, cpu = (answer["wall"] + answer["idle"]) / 1e9, answer["cpu"] / 1e9
    diag(f"{hogs} hogs: asleep {asleep:.4f}, waited {waits:.4f}, ran {cpu:.4f}, wall "
         f"{wall:.4f} s; PID 1 ran {init} times")
    found = sleeper.classes(change)
    if init and (asleep + waits + cpu < 0.99 * wall or found.get("pipe", 0) < 0):
        raise Busy(f"PID 1 ran {init} times")
    # before 6.6 hogs give way to who has slept
    check(waits > 0.1 or delay < 0.1, f"it waited for {waits} s only")
    near(asleep + waits + cpu, wall, 0.03 if IN_GUEST else 0.01,
         "asleep, waiting and running, s")  # see asleep_by_its_clocks()
    # who is kept waiting on the way to sleep may find that its time is over
    between(found.pop("wait"), 140, 150, "naps that slept")
    same(found, {}, "other sleeps")
    naps = change.seconds(sleeper.cgroup, BLOCKED, class_="wait")
    # what it waited before it slept is in its naps by both clocks; after, by neither
    low, high = asleep_by_its_clocks(answer, 0.02, IN_GUEST)
    if init and not low <= naps <= high:
        raise Busy(f"PID 1 ran {init} times, and naps were {naps} s, not {low} to {high}")
    between(naps, low, high, "seconds in 150 naps of 2 ms")


@test("waits for a CPU are not in it: asleep, waiting and running are all of the time")
def _():
    for hogs in 1, 4:
        sleeper, group = Sleeper(f"beside{hogs}"), Cgroup(f"hogs{hogs}")
        load = Load(group, "spin", hogs, CPUS[-1])
        all_its_time(sleeper, load, hogs)


def state(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


@test("a task that is stopped, or frozen, is not blocked")
def _():
    sleeper = Sleeper("stopped")
    pid = sleeper.load.pid

    def stop():
        time.sleep(0.1)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: state(pid) == "T", PATIENCE, "it to stop")
        time.sleep(0.3)
        os.kill(pid, signal.SIGCONT)

    def freeze():
        time.sleep(0.1)
        sleeper.cgroup.write("cgroup.freeze", 1)
        wait_for(lambda: sleeper.cgroup.stat("cgroup.events")["frozen"], PATIENCE, "the freeze")
        time.sleep(0.3)
        sleeper.cgroup.write("cgroup.freeze", 0)

    for meanwhile in stop, freeze:
        _, change = sleeper.measure("spin", 800, meanwhile=meanwhile)
        same(sleeper.classes(change), {}, f"sleeps of who is told to {meanwhile.__name__}")


def off_and_on(between_them=lambda: None):
    agent.tune("sched", "enabled=false")
    between_them()
    agent.tune("sched", "enabled=true")
    agent.need("sched")


def naps_are_told(sleeper, known):
    """Each of 5 naps is a sleep in class wait, and the sleep before them is one if it is
    to be known. (A nap may be over before it sleeps, on a slow machine.)"""
    runs = HiddenRuns()
    answer, change = sleeper.measure("nanosleep", 5, 20000)
    init = runs.count()
    slept = min(5, answer["switches"])
    found = change.by(sleeper.cgroup, BLOCKED, "class")
    diag(f"{found}, of {slept} that slept")
    check(slept >= 3, f"of 5 naps {slept} slept")
    found.pop("fault", None)  # of memory that was not there
    if init and slept - 2 * init <= found.get("wait", 0) < slept:
        raise Busy(f"PID 1 ran {init} times")
    same(found, {"wait": slept, **({"pipe": 1} if known else {})}, "sleeps by class")


@test("a sleep that began before the probe was on is none; the next one is")
def _():
    sleeper = Sleeper("before")
    off_and_on()
    naps_are_told(sleeper, False)


@test("who runs when the probe is switched on is told from its first sleep on")
def _():
    sleeper = Sleeper("running")

    def switch():
        time.sleep(0.1)
        off_and_on()
        same(state(sleeper.load.pid), "R", "who is to run all the time: its state")
        os.kill(sleeper.load.pid, signal.SIGUSR1)

    sleeper.measure("spin", 100000, meanwhile=switch)  # until the signal
    naps_are_told(sleeper, True)


def switches(pid):
    """How often a task was switched out, by the kernel."""
    with open(f"/proc/{pid}/status") as f:
        return re.findall(r"ctxt_switches:\s*(\d+)", f.read())


def keep_off(cpu):
    """Keeps the agent and the commands that we start away from a CPU until the test ends:
    behind a real-time task they would have 5 % of it."""
    others = set(CPUS) - {cpu} or {cpu}
    for tid in [0, *map(int, os.listdir(f"/proc/{agent.pid()}/task"))]:
        defer(os.sched_setaffinity, tid, os.sched_getaffinity(tid))
        os.sched_setaffinity(tid, others)


def cross(sleeper):
    """Switches the probe off and on while it runs, as if its switch-in had crossed with
    the word that the probe is off: its CPU's ring says afterwards that it runs there.
    False: it did not run all the time."""
    pid = sleeper.load.pid
    ring, size = bpf.open_table(agent.pid(), "sched_rings")

    def undo():
        value = bpf.element(ring, size, CPUS[-1])
        bpf.set_element(ring, CPUS[-1], value[:TASK_AT] + task + value[TASK_AT + 8:])

    try:
        before = switches(pid)
        task = bpf.element(ring, size, CPUS[-1])[TASK_AT:TASK_AT + 8]
        off_and_on(undo)
        return switches(pid) == before
    finally:
        os.close(ring)


@test("a switch that crosses with the probe's being switched off costs no sleep later")
def _():
    keep_off(CPUS[-1])
    for attempt in range(5):
        sleeper = Sleeper(f"crossed{attempt}")
        pid = sleeper.load.pid
        sleeper.load.tell("spin", 100000)
        time.sleep(0.05)
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
        alone = cross(sleeper)
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        os.kill(pid, signal.SIGUSR1)
        sleeper.load.reply()
        if alone:
            naps_are_told(sleeper, True)
            return
        sleeper.load.close()
    raise Busy("others ran on its CPU each time")


@test("threads of the kernel and the agent itself are not in it")
def _():
    before = agent.total()
    time.sleep(1)
    change = Change(before, agent.total())
    same(change.value("", BLOCKED), 0, "sleeps of kernel threads")


main(setup)
