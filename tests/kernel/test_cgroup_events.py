#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Names of cgroups come from events: the tree is not read again, and no name is wrong."""

import ctypes
import os
import signal
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import Agent, Cgroup, Load, cgroup_root, defined
from tap import check, defer, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
OPTIONS = "--probes", "syscall", "--export-interval", "500ms"
# linux/fanotify.h
FAN_CLOEXEC, FAN_NONBLOCK, FAN_MARK_ADD, FAN_OPEN, FAN_ONDIR = 1, 2, 1, 0x20, 0x40000000
AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Counts how often an agent opens a directory to read it: the kernel says who does,
    by fanotify. A walk of the tree opens each directory that has others below."""

    def __init__(self, path):
        self.fd = libc.fanotify_init(FAN_NONBLOCK | FAN_CLOEXEC, os.O_RDONLY)
        check(self.fd >= 0, "fanotify_init")
        defer(os.close, self.fd)
        what = ctypes.c_uint64(FAN_OPEN | FAN_ONDIR)
        check(libc.fanotify_mark(self.fd, FAN_MARK_ADD, what,
                                 AT_FDCWD, path.encode()) == 0, f"fanotify_mark {path}")

    def count(self, agent):
        """Since the last call."""
        n = 0
        while True:
            try:
                data = os.read(self.fd, 4096)
            except BlockingIOError:
                return n
            for length, _, _, fd, pid in struct.iter_unpack("=IIQii", data):
                same(length, 24, "length of an event")
                os.close(fd)
                n += pid == agent.pid()


def make(base, name):
    """One that is removed at the test's end, if it is still there."""
    path = f"{base.dir}/{name}"
    os.mkdir(path)
    defer(lambda: os.path.isdir(path) and os.rmdir(path))
    return path


def visit(path, n):
    """n calls of class process by a process that goes into the cgroup, and ends."""
    pid = os.fork()
    if not pid:
        try:
            fd = os.open(path + "/cgroup.procs", os.O_WRONLY)
            os.write(fd, b"0")
            for _ in range(n):
                libc.getppid()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def remove(path):
    for _ in range(500):
        try:
            return os.rmdir(path)
        except OSError:
            time.sleep(0.01)
    raise AssertionError(f"{path} cannot be removed")


def settled(agent, watch):
    """The agent's first walks are over."""
    agent.total(0.5)
    agent.total(0.5)
    diag(f"{watch.count(agent)} walks at the start")


def counted(numbers, base, name):
    return numbers.value(f"{base.path}/{name}", DURATION, class_="process")


@test("the kernel refuses to rename a cgroup of v2: there is no such event to wait for")
def _():
    base = Cgroup("renamed")
    path = make(base, "a")
    try:
        os.rename(path, path + "2")
    except PermissionError:
        return
    raise AssertionError("it was renamed")


@test("cgroups that come and go have their names, and the tree is not read for them")
def _():
    base = Cgroup("events")
    make(base, "inner")
    watch = Watch(base.dir)
    agent = Agent(*OPTIONS)
    settled(agent, watch)
    for i in range(60):
        path = make(base, f"n{i}")
        visit(path, 300 + i)
        if i % 2:
            remove(path)
        if i % 20 == 19:
            time.sleep(0.7)
    agent.total()
    same(watch.count(agent), 0, "walks")
    agent.stop()
    exports = Exports(agent.exports)
    got = [exports.sum(DURATION, lambda r, i=i:
                       r.get("process.linux.cgroup") == f"{base.path}/n{i}",
                       **{"class": "process"}) for i in range(60)]
    check(all(300 + i <= n < 310 + i for i, n in enumerate(got)), f"calls {got}")


@test("more than the rings hold: one walk finds those that are there, no name is wrong")
def _():
    ring = defined("NAME_RING")
    base = Cgroup("lost")
    agent = Agent(*OPTIONS, "--slots", "4096", "--memory", "160MiB")
    watch = Watch(base.dir)
    make(base, "inner")
    settled(agent, watch)
    os.kill(agent.pid(), signal.SIGSTOP)
    defer(lambda: agent.process.poll() is None and os.kill(agent.pid(), signal.SIGCONT))
    paths = [make(base, f"n{i}") for i in range(ring + 200)]
    for i in range(60):
        visit(paths[i], 300 + i)
    gone = paths[:20] + paths[ring:ring + 200]
    for path in gone:
        remove(path)
    time.sleep(1.5)
    os.kill(agent.pid(), signal.SIGCONT)
    for _ in range(3):
        time.sleep(1)
        numbers = agent.total()
    got = [counted(numbers, base, f"n{i}") for i in range(20, 60)]
    check(all(320 + i <= n < 330 + i for i, n in enumerate(got)), f"calls {got}")
    same([counted(numbers, base, f"n{i}") for i in range(20)], [0] * 20,
         "calls of those whose names were lost")
    time.sleep(2)
    agent.total()
    walks = watch.count(agent)  # one for what was lost, one for those without a name
    check(1 <= walks <= 3, f"{walks} walks")


@test("one that no reading finds a name for is searched for once, not at every reading")
def _():
    node = Cgroup("private")
    os.mkdir(node.dir + "/inner")
    defer(os.rmdir, node.dir + "/inner")
    tree = cgroup_root()
    shell = (f"echo $$ > {node.dir}/cgroup.procs; "
             "exec unshare -C -m --propagation private sh -ec '"
             f"umount -l {tree}; mount -t cgroup2 none {tree}; "
             'exec "$@"' "' sh \"$@\"")
    watch = Watch(node.dir)
    old = [Cgroup(f"old{i}") for i in range(3)]  # before it, so that no event tells
    agent = Agent(*OPTIONS, prefix=("sh", "-ec", shell, "sh"))
    settled(agent, watch)
    loads = [Load(c, "traps") for c in (*old, Cgroup("later"))]
    for _ in range(6):
        for load in loads:
            load.ask("getppid", 200)
        time.sleep(0.7)
    after = agent.total()
    walks = watch.count(agent)
    check(walks <= 1, f"{walks} walks in six readings and more")
    check(not [p for p in after.workloads if p and "old" in p], "a name from outside")


main()
