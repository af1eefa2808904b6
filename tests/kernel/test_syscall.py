#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""System calls on the live kernel: counts and errors against what was called."""
# vm: kernels=cpus16,cpus64,rt,rt-6.1,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import errno
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import PATIENCE, Agent, Cgroup, Load, Report, libc, no_agent, scratch, wait_for
from readings import Change
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
ERRORS = "assay.syscall.errors"
N = 20000
NO_32 = "no 32-bit calls here: int 0x80 is forbidden, or a 64-bit program cannot make them"
agent = None


def block_device():
    """A node of our own for some block device, or a path that does not exist."""
    for name in sorted(os.listdir("/sys/block"), key=lambda n: n.startswith("loop")):
        with open(f"/sys/block/{name}/dev") as f:
            major, minor = map(int, f.read().split(":"))
        path = f"{scratch()}/{name}"
        os.mknod(path, 0o060600, os.makedev(major, minor))
        try:
            os.close(os.open(path, os.O_RDONLY))
            return path
        except OSError:
            continue
    return "/nonexistent"


def measure(load, cgroup, *words, **attributes):
    """Has the load do something: its answer and the change in our numbers."""
    before = agent.total()
    answer = load.ask(*words)
    return answer, Change(before, agent.total())


def classes(change, cgroup):
    """Calls by class, without the load's own reading and answering."""
    found = change.by(cgroup, DURATION, "class")
    found["pipe"] = found.get("pipe", 0) - 2
    return {k: n for k, n in found.items() if n}


def setup():
    global agent
    agent = Agent()
    agent.need("syscall")


def exact(name, class_, n=N):
    """n rounds of a load: all its calls and errors, in this class, no others."""
    cgroup = Cgroup(name)
    load = Load(cgroup, "calls", block_device())
    answer, change = measure(load, cgroup, name, n)
    same(answer["mixed"], 0, "different errors in the load itself")
    same(classes(change, cgroup), {class_: answer["calls"]}, "calls by class")
    want = {errno.errorcode[answer["errno"]]: answer["errors"]} \
        if answer["errors"] else {}
    same(change.by(cgroup, ERRORS, "type"), want, "errors by errno")
    same(change.by(cgroup, ERRORS, "class"),
         {class_: answer["errors"]} if want else {}, "errors by class")


TABLE = [
    ("getppid", "process", "N calls of getppid are N in class process"),
    ("pread", "file", "N reads of a regular file are N in class file"),
    ("readv", "file", "lseek and readv of a regular file are in class file"),
    ("pwrite", "file", "N writes of a regular file are N in class file"),
    ("getdents", "file", "reading a directory is in class file"),
    ("open_enoent", "file", "M failed opens are M errors ENOENT"),
    ("read_isdir", "file", "M failed reads of a directory are M errors EISDIR"),
    ("write_null", "pipe", "writes to a character device are in class pipe"),
    ("read_eagain", "pipe", "EAGAIN is not an error"),
    ("eventfd", "pipe", "writes to an eventfd are in class pipe"),
    ("rw_socket", "socket", "read and write of a socket are in class socket"),
    ("sendrecv", "socket", "send and recv are in class socket"),
    ("connect_refused", "socket", "M refused connects are M errors ECONNREFUSED"),
    ("mprotect", "memory", "N calls of mprotect are N in class memory"),
    ("futex", "sync", "N futex wakes are N in class sync"),
    ("poll", "wait", "N polls are N in class wait"),
    ("epoll", "wait", "N epoll_waits are N in class wait"),
]

for row in TABLE:
    test(row[2])(lambda row=row: exact(row[0], row[1]))


@test("reads of a block device are in class file")
def _():
    if not os.path.exists(block_device()):
        raise Skip("no block device can be opened")
    exact("read_block", "file", 2000)


@test("a sleep is as long as it was, in class wait")
def _():
    cgroup = Cgroup("sleep")
    load = Load(cgroup, "calls")
    began = time.monotonic()
    answer, change = measure(load, cgroup, "sleep", 200)
    same(classes(change, cgroup), {"wait": answer["calls"]}, "calls by class")
    between(change.seconds(cgroup, DURATION, class_="wait"), 200 * 100e-6,
            time.monotonic() - began, "seconds in 200 sleeps of 100 us")


@test("M failed reads of a bad descriptor are M errors EBADF")
def _():
    cgroup = Cgroup("ebadf")
    load = Load(cgroup, "calls")
    answer, change = measure(load, cgroup, "read_ebadf", N)
    found = classes(change, cgroup)
    diag(f"their class is {found}")
    same(sum(found.values()), N, "calls")
    same(change.by(cgroup, ERRORS, "type"), {"EBADF": N}, "errors")


@test("32-bit calls are not read with the 64-bit table")
def _():
    cgroup = Cgroup("compat")
    load = Load(cgroup, "calls")
    if not load.ask("has_32")["has"]:
        raise Skip(NO_32)
    answer, change = measure(load, cgroup, "getpid_32", 5000)
    found = classes(change, cgroup)
    check(found in ({"process": 5000}, {"other": 5000}),
          f"5000 times getpid, whose number is writev's, are {found}")
    answer, change = measure(load, cgroup, "write_32_ebadf", 5000)
    diag(f"32-bit write is in class {classes(change, cgroup)}")
    same(change.by(cgroup, ERRORS, "type"), {"EBADF": 5000}, "errors")
    same(sum(classes(change, cgroup).values()), 5000, "calls")


DENIED = {("file", "EPERM"): 1, ("process", "EACCES"): 1, ("memory", "ENOSYS"): 1,
          ("file", "EROFS"): 1, ("socket", "EROFS"): 1, ("socket", "ENOBUFS"): 1,
          ("memory", "ENOTSUPP"): 1, ("memory", "_OTHER"): 2}


def error_points(numbers, cgroup):
    """The errors of a workload, point by point: class, type and value."""
    return sorted((p["attributes"]["assay.syscall.class"], p["attributes"]["error.type"],
                   p["value"]) for p in numbers.points(cgroup, ERRORS))


@test("calls that seccomp denies are errors by class and errno, each with one point")
def _():
    cgroup = Cgroup("denied")
    load = Load(cgroup, "denied")
    answer, change = measure(load, cgroup, "deny", 1000)
    same((answer["good"], answer["traps"]), (1000, 1000), "calls as the filter wants")
    found = [e for e in error_points(change.after, cgroup) if e[1] != "ENOENT"]  # ld.so's
    same(found, sorted((*key, 1000 * n) for key, n in DENIED.items()), "errors")
    found = classes(change, cgroup)
    same([found.get(c, 0) for c in ("file", "memory", "socket")], [0, 0, 0], "samples")
    # one in eight taken is of those that have an enter: these are all counted
    agent.tune("syscall", "sample=8")
    try:
        answer, change = measure(load, cgroup, "deny", 1000)
    finally:
        agent.tune("syscall", "sample=1")
    same(answer["good"], 1000, "calls as the filter wants, sampled")
    same(change.by(cgroup, ERRORS, "class"),
         {"file": 2000, "process": 1000, "memory": 4000, "socket": 2000}, "errors")


@test("32-bit calls that seccomp denies are errors")
def _():
    cgroup = Cgroup("denied32")
    if not Load(cgroup, "calls").ask("has_32")["has"]:
        raise Skip(NO_32)
    answer, change = measure(Load(cgroup, "denied"), cgroup, "deny_32", 1000)
    same(answer["good"], 1000, "calls as the filter wants")
    same(change.by(cgroup, ERRORS, "type"), {"EPERM": 1000}, "errors")


@test("nothing is lost when 8 threads make calls on all CPUs at once")
def _():
    cgroup = Cgroup("threads")
    load = Load(cgroup, "calls")
    answer, change = measure(load, cgroup, "threads", 8, N)
    got = change.value(cgroup, DURATION, class_="process")
    # pthread_create and the threads' start add a few calls of their own
    between(got - answer["calls"], 0, 8 * 6, "calls of class process beyond getppid")


@test("workloads are told apart when they run at the same time")
def _():
    groups = [Cgroup(f"apart{i}") for i in range(4)]
    loads = [Load(g, "calls") for g in groups]
    before = agent.total()
    for i, load in enumerate(loads):
        load.tell("getppid", (i + 1) * 5000)
    for load in loads:
        load.reply()
    change = Change(before, agent.total())
    same([change.value(g, DURATION, class_="process") for g in groups],
         [5000, 10000, 15000, 20000], "calls of the four")


@test("errors beyond the sixteenth errno of a class are _OTHER, none is lost")
def _():
    cgroup = Cgroup("errnos")
    load = Load(cgroup, "calls")
    answer, change = measure(load, cgroup, "errnos", 7)
    names = {errno.errorcode[answer[f"e{i}"]] for i in range(answer["errnos"])}
    check(len(names) > 16, f"the load made only {names}")
    same(change.by(cgroup, ERRORS, "class"), {"file": 7 * answer["errnos"]}, "errors")
    found = change.by(cgroup, ERRORS, "type")
    other = found.pop("_OTHER", 0)
    check(set(found) <= names, f"{set(found) - names} never happened")
    same(set(found.values()), {7}, "errors of each named kind")
    same(len(found), 16, "named kinds")
    same(other, 7 * (answer["errnos"] - 16), "_OTHER")


# The load's sleep, and the clock before and after it.
SLEPT = {"wait": 1, "other": 2}


def lasted(change, cgroup, least, answer):
    """The sleep is at least what it was meant to be; and the load's clock, which it looked
    at before and after, says what it is at most."""
    seconds = change.seconds(cgroup, DURATION, class_="wait")
    between(seconds, least, answer["ns"] / 1e9 + 1e-6, "its length, s")


@test("a sleep with SIGSTOP and SIGCONT in its middle is one sample of its length")
def _():
    cgroup = Cgroup("stop")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.tell("sleep", 600)
    for _ in range(2):
        time.sleep(0.1)
        os.kill(load.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(load.pid, signal.SIGCONT)
    answer = load.reply()
    change = Change(before, agent.total())
    same(answer["ret"], 0, "what nanosleep returned")
    same(classes(change, cgroup), SLEPT, "calls by class")
    lasted(change, cgroup, 0.6, answer)
    same(change.by(cgroup, ERRORS, "type"), {}, "errors")


@test("a call that sleeps keeps its length when it moves to another CPU")
def _():
    cpus = sorted(os.sched_getaffinity(0))
    cgroup, other = Cgroup("moved"), Cgroup("busy")
    load, busy = Load(cgroup, "traps"), Load(other, "calls")
    for pid in load.pid, busy.pid:
        os.sched_setaffinity(pid, {cpus[0]})
    before = agent.total()
    load.tell("sleep", 400)
    busy.ask("getppid", N)  # its calls pass by on the same CPU
    os.sched_setaffinity(load.pid, {cpus[-1]})
    answer = load.reply()
    change = Change(before, agent.total())
    same(classes(change, cgroup), SLEPT, "calls by class")
    same(classes(change, other), {"process": N}, "calls that passed by")
    lasted(change, cgroup, 0.4, answer)


@test("a sleep that a handler ends is one sample and no error")
def _():
    cgroup = Cgroup("caught")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.tell("sleep_caught", int(1000 * PATIENCE))
    blocked_in(load, "nanosleep")
    time.sleep(0.3)
    os.kill(load.pid, signal.SIGUSR1)
    answer = load.reply()
    change = Change(before, agent.total())
    same(answer["ret"], -1, "what nanosleep returned")
    same(change.value(cgroup, DURATION, class_="wait"), 1, "samples")
    lasted(change, cgroup, 0.3, answer)
    same(change.by(cgroup, ERRORS, "type"), {}, "errors")


def idle(pid):
    """Whether a process sleeps, and no signal is on its way to it: a second of the same
    kind would be lost."""
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines())
    return status["State"][0] == "S" and not int(status["SigPnd"], 16) | \
        int(status["ShdPnd"], 16)


def interrupted_read(name, restart):
    """A read that five signals interrupt: the answer and the change."""
    cgroup = Cgroup(name)
    load = Load(cgroup, "traps")
    before = agent.total()
    load.tell("read", restart)
    for _ in range(5):
        time.sleep(0.05)
        wait_for(lambda: idle(load.pid), PATIENCE, "the program to read again")
        os.kill(load.pid, signal.SIGUSR1)
    time.sleep(0.05)
    wait_for(lambda: idle(load.pid), PATIENCE, "the program to read again")
    load.tell()
    answer = load.reply()
    change = Change(before, agent.total())
    same(answer["signals"], 5, "signals that arrived")
    same(change.by(cgroup, ERRORS, "type"), {}, "errors")
    return answer, classes(change, cgroup).get("pipe", 0)


@test("a read that fails with EINTR is a sample and no error")
def _():
    answer, got = interrupted_read("eintr", 0)
    same(answer["interrupted"], 5, "EINTR that the program saw")
    same(got, answer["reads"], "samples")


@test("a read that SA_RESTART goes on with is one sample, however often")
def _():
    answer, got = interrupted_read("restart", 1)
    same((answer["reads"], answer["interrupted"]), (1, 0), "reads of the program")
    same(got, 1, "samples")


@test("rt_sigreturn over a register that looks like an errno is no error")
def _():
    cgroup = Cgroup("sigreturn")
    load = Load(cgroup, "traps")
    answer, change = measure(load, cgroup, "sigreturn", 50)
    same(answer["ax"], -2, "the register")
    check(change.value(cgroup, DURATION) > 50, "its calls were not even seen")
    same(change.by(cgroup, ERRORS, "type"), {}, "errors")


@test("execve by a thread that is not the leader is counted like the leader's")
def _():
    cgroup = Cgroup("exec")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("exec_leader")
    middle = agent.total()
    load.ask("exec_thread")
    after = agent.total()
    leader = Change(before, middle).by(cgroup, DURATION, "class")
    thread = Change(middle, after).by(cgroup, DURATION, "class")
    diag(f"leader {leader}, thread {thread}")
    for name in ("process", "file", "memory"):
        check(leader.get(name, 0) > 0, f"no calls of class {name}")
        same(thread.get(name, 0), leader[name], f"calls of class {name}")
    same(Change(middle, after).by(cgroup, ERRORS, "type"),
         Change(before, middle).by(cgroup, ERRORS, "type"), "errors")
    answer, change = measure(load, cgroup, "getppid", 1000)
    same(classes(change, cgroup), {"process": 1000}, "calls afterwards")


def children(kind):
    cgroup = Cgroup(kind)
    load = Load(cgroup, "traps")
    answer, change = measure(load, cgroup, kind, 300)
    found = classes(change, cgroup)
    same({k: found.get(k, 0) for k in ("process", "wait")},
         {"process": 600, "wait": 300},
         "300 clones and 300 getppids; 300 wait4s; no exit and no child's return")
    same(change.by(cgroup, ERRORS, "type"), {}, "errors")


test("a fork is one call, not two, and exit is none")(lambda: children("fork"))
test("a vfork is one call, not two, and exit is none")(lambda: children("vfork"))


@test("a process killed inside its calls leaves no error and no sample behind")
def _():
    cgroup = Cgroup("killed")
    before = agent.total()
    for i in range(20):
        load = Load(cgroup, "traps")
        load.tell("sleep", 60000)
        time.sleep(0.02)
        os.kill(load.pid, signal.SIGKILL)
        load.process.wait()
    change = Change(before, agent.total())
    same(change.value(cgroup, DURATION, class_="wait"), 0, "sleeps that returned")
    between(change.seconds(cgroup, DURATION), 0, 10, "seconds in calls")
    load = Load(cgroup, "traps")
    answer, change = measure(load, cgroup, "getppid", 1000)
    same(classes(change, cgroup), {"process": 1000}, "calls of the next process")


@test("a call in flight when the agent starts is no sample")
def _():
    global agent
    cgroup = Cgroup("inflight")
    load = Load(cgroup, "traps")
    load.tell("sleep", 3000)
    agent.stop()
    agent = Agent()
    load.reply()
    answer, change = measure(load, cgroup, "getppid", 1000)
    total = change.after.by(cgroup, DURATION, "class")
    same(total.get("wait", 0), 0, "samples of the sleep that began before")
    same(total.get("process", 0), 1000, "calls after it")


# Of calls that block: what /proc/PID/syscall says, by the architecture of the program.
NUMBERS = {"read": {"x86_64": 0, "aarch64": 63, "arm": 3},
           "nanosleep": {"x86_64": 35, "aarch64": 101, "arm": 162},
           "msgrcv": {"x86_64": 70, "aarch64": 188, "arm": 302}}


def blocked_in(load, name):
    """Waits until a load is blocked in this call."""
    number = NUMBERS[name][load.machine()]

    def is_blocked():
        with open(f"/proc/{load.pid}/syscall") as f:
            return f.read().startswith(f"{number} ")

    wait_for(is_blocked, PATIENCE, f"a load to be in {name}")


@test("calls in flight when the agent starts are not lost; if they fail, errors")
def _():
    global agent
    IPC_PRIVATE, IPC_RMID = 0, 0
    queue = libc.msgget(IPC_PRIVATE, 0o600)
    defer(libc.msgctl, queue, IPC_RMID, None)
    ending, failing = Cgroup("earlier"), Cgroup("earlier-failed")
    n = 40
    loads = [Load(ending, "traps") for _ in range(n)]
    receivers = [Load(failing, "traps") for _ in range(n)]
    agent.stop()
    for load in receivers:
        load.tell("receive", queue)
        blocked_in(load, "msgrcv")
    for load in loads:
        blocked_in(load, "read")
    agent = Agent()
    before = agent.total(0)
    for load in loads:
        load.ask("getppid", 1)
    libc.msgctl(queue, IPC_RMID, None)
    same({load.reply()["removed"] for load in receivers}, {1}, "receivers that fail")
    change = Change(before, agent.total())
    same(change.by(failing, ERRORS, "type"), {"EIDRM": n}, "errors")
    same(change.value(ending, DURATION, class_="pipe"), n, "samples: the answers")
    same(change.value(failing, DURATION, class_="pipe"), n, "samples: theirs")
    same(change.value(failing, DURATION), n, "samples in all")
    # of the whole node, so some others may be in it
    between(change.lost().get(("syscall", "unpaired"), 0), 0, n // 2, "lost")


def sleeps(pid):
    """Whether a process does nothing at all for a second."""
    def now():
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return fields[0], fields[11], fields[12]  # its state, its CPU time

    before = now()
    time.sleep(1)
    return before[0] == "S" and now() == before


@test("`assay report --duration` that measures by itself counts the same")
def _():
    cgroup = Cgroup("alone")
    agent.stop()
    load = Load(cgroup, "traps")
    began = time.monotonic()
    measuring = Report("--duration", "10s", *no_agent())
    pid = measuring.process.pid
    wait_for(lambda: any(kind == "link" for kind, _ in bpf.held_by(pid)), PATIENCE,
             "its first probe")
    # until it has them all and has read for the first time: it only sleeps then
    wait_for(lambda: sleeps(pid), PATIENCE, "it to wait for its second reading")
    load.ask("getppid", N)
    numbers = measuring.result()
    same(numbers.value(cgroup, DURATION, class_="process"), N, "calls")
    between(numbers.report["duration_s"], 9.9, time.monotonic() - began, "duration_s")


main(setup)
