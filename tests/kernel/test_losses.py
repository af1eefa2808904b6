#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What is taken away from an agent while it runs: the directory of its socket, its disk, and
names that come late or never. A known number of calls is in its exports and in its history,
each once. (The token that rotates: test_kubelet.py; the receiver: test_outage.py.)

TEST_NAMES_SCALE makes the times of late names shorter: 1 are those of the documents."""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports  # noqa: E402
from identities import below, new_id, put_bundle  # noqa: E402
from node import (ASSAY, PATIENCE, Agent, Cgroup, Load, libc, report, scratch,  # noqa: E402
                  wait_for)
from tap import Skip, between, check, defer, diag, main, need_root, same, test  # noqa: E402

need_root()

DURATION = "assay.syscall.duration"
CLONE_NEWNS = 0x20000
SCALE = float(os.environ.get("TEST_NAMES_SCALE", 0.3))
HOLD = 30 * SCALE  # seconds that exports wait for a name
SOON, LATE, END = 10 * SCALE, 40 * SCALE, 48 * SCALE
OPTIONS = "--probes", "syscall", "--export-interval", "1s", "--snapshot-interval", "1s"


def run(*argv):
    subprocess.run(argv, check=True)


def setup():
    """Mounts of the suite's own, which its agents see."""
    if libc.unshare(CLONE_NEWNS):
        raise Skip("no mount namespace can be made")
    run("mount", "--make-rprivate", "/")


def small_disk(options):
    """A small file system of its own; a directory in it would be the agent's."""
    path = scratch()
    run("mount", "-t", "tmpfs", "-o", options, "assay-test", path)
    defer(subprocess.run, ["umount", "-l", path])
    return path


def exported(path, wanted):
    """Calls of class process of resources that are wanted, in an export file."""
    return Exports(path).sum(DURATION, wanted, **{"class": "process"})


def of(cgroup):
    return lambda resource: resource.get("process.linux.cgroup") == cgroup.path


def is_unknown(resource):
    return resource["assay.workload.kind"] == "unknown"


def looked_back(history):
    return report("--history", history, "--last", "1h")


def calls(numbers, cgroup):
    return numbers.value(cgroup, DURATION, class_="process")


def status(agent):
    p = subprocess.run([ASSAY, "status", "--socket", agent.socket, "--format", "json"],
                       capture_output=True, text=True, timeout=PATIENCE)
    return json.loads(p.stdout) if p.stdout else None


class Counted:
    """A load whose calls are counted here, too."""

    def __init__(self, agent, cgroup):
        self.cgroup, self.load = cgroup, Load(cgroup, "traps")
        self.done = calls(agent.total(), cgroup)  # of its start

    def work(self, n):
        self.load.ask("getppid", n)
        self.done += n


def fill(directory):
    """All of a disk, to the last page."""
    with open(directory + "/fill", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


@test("the directory of the socket is removed: it is made anew, and nothing is missing")
def _():
    directory = scratch() + "/run"
    os.mkdir(directory)
    history = scratch() + "/history.db"
    agent = Agent(*OPTIONS, "--history", history, "--socket", directory + "/s")
    agent.socket = directory + "/s"
    one = Counted(agent, Cgroup("socket"))
    one.work(700)
    began = time.monotonic()
    shutil.rmtree(directory)
    one.work(300)
    wait_for(lambda: os.path.exists(agent.socket), PATIENCE, "the socket")
    diag(f"there again after {time.monotonic() - began:.1f} s")
    same(oct(os.stat(agent.socket).st_mode & 0o777), oct(0o600), "its mode")
    same(calls(agent.total(), one.cgroup), one.done, "calls")
    check("was removed: it is made anew" in agent.said(), agent.said())
    check("system call" not in agent.said().replace("system calls", ""), agent.said())
    same(agent.stop()[0], 0, "exit status")
    check(not os.path.exists(agent.socket), "it left its socket")
    same(exported(agent.exports, of(one.cgroup)), one.done, "calls in exports")
    same(calls(looked_back(history), one.cgroup), one.done, "calls in the history")


@test("the disk of exports and history is full for a while: both have all of it later")
def _():
    disk = small_disk("size=6m")
    history, exports = disk + "/history.db", disk + "/exports"
    agent = Agent(*OPTIONS, "--history", history, export="file:" + exports)
    one = Counted(agent, Cgroup("full"))
    gone = Counted(agent, Cgroup("gone"))
    one.work(100)
    wait_for(lambda: os.path.exists(history) and os.path.getsize(exports), PATIENCE, "a reading")
    time.sleep(2.5)
    fill(disk)
    end = time.monotonic() + 12
    while time.monotonic() < end:
        one.work(100)
        gone.work(10)
        time.sleep(0.25)
    gone.load.close()
    gone.cgroup.remove()
    time.sleep(3)
    now = status(agent)["history"]
    diag(f"while it is full: {now}")
    same((now["is_kept"], now["lost"]), (False, 0), "the history's status")
    check("No space left" in now["error"], f"why: {now}")
    check("nothing is kept until that is over; then all of it is" in agent.said(),
          agent.said())
    os.unlink(disk + "/fill")
    one.work(100)
    wait_for(lambda: status(agent)["history"]["is_kept"], PATIENCE, "it to be kept again")
    one.work(100)
    same(agent.stop()[0], 0, "exit status")
    numbers = looked_back(history)
    for each in one, gone:
        same(exported(exports, of(each.cgroup)), each.done, "calls in exports")
        same(calls(numbers, each.cgroup), each.done, "calls in the history")


@test("the history's directory may only be read for a while: it has all of it later")
def _():
    disk = small_disk("size=8m")
    history = disk + "/history.db"
    agent = Agent(*OPTIONS, "--history", history)
    one = Counted(agent, Cgroup("ro"))
    one.work(100)
    wait_for(lambda: os.path.exists(history), PATIENCE, "a reading")
    run("mount", "-t", "tmpfs", "-o", "ro", "assay-test", disk)
    end = time.monotonic() + 6
    while time.monotonic() < end:
        one.work(100)
        time.sleep(0.25)
    now = status(agent)["history"]
    check("Read-only file system" in now["error"], f"status: {now}")
    run("umount", "-l", disk)
    wait_for(lambda: status(agent)["history"]["is_kept"], PATIENCE, "it to be kept again")
    one.work(100)
    same(agent.stop()[0], 0, "exit status")
    same(calls(looked_back(history), one.cgroup), one.done, "calls in the history")
    same(exported(agent.exports, of(one.cgroup)), one.done, "calls in exports")


@test("what cannot be written until the end is said, and exports have it all the same")
def _():
    disk = small_disk("size=1m,ro")
    agent = Agent(*OPTIONS, "--history", disk + "/history.db")
    one = Counted(agent, Cgroup("end"))
    one.work(500)
    wait_for(lambda: "Read-only file system" in agent.said(), PATIENCE, "the agent to say so")
    result, seconds = agent.stop()
    same(result, 0, "exit status")
    between(seconds, 0, 5, "seconds to the end")
    check("readings are lost: " in agent.said(), agent.said())
    same(exported(agent.exports, of(one.cgroup)), one.done, "calls in exports")


@test("an export file where nothing may be written is refused at the start, in one line")
def _():
    disk = small_disk("size=1m,ro")
    p = subprocess.run([ASSAY, "agent", "--socket", scratch() + "/s", "--export",
                        f"file:{disk}/exports"], capture_output=True, text=True, timeout=60)
    same((p.returncode, p.stderr.count("\n")), (1, 1), p.stderr)
    check("cannot export to" in p.stderr and "Read-only file system" in p.stderr, p.stderr)


@test(f"names that come after {SOON:g} s, after {LATE:g} s and never: each call is in exports "
      "and in the history once")
def _():
    root, history = scratch(), scratch() + "/history.db"
    agent = Agent("--probes", "syscall", "--export-interval", "3s", "--history", history,
                  "--host-root", root,  # a reading for the history each 10 s
                  prefix=("env", f"ASSAY_TEST_HOLD={HOLD:g}s"))
    loads, ids = {}, {}
    for name in "soon", "late", "never":
        ids[name] = new_id()
        loads[name] = Counted(agent, below(Cgroup("node"), "kubepods",
                                           f"pod{uuid.uuid4()}", ids[name]))
    began, named = time.monotonic(), {}

    def passed():
        return time.monotonic() - began

    while passed() < END:
        for name, at in ("soon", SOON), ("late", LATE):
            if passed() >= at and name not in named:
                put_bundle(root, ids[name], "late", name, "app")
                named[name] = loads[name].done
        for load in loads.values():
            load.work(10)
        time.sleep(0.1)
    agent.total()
    never = loads["never"]
    never.load.close()
    never.cgroup.remove()

    def is_named():
        loads["late"].work(1)
        found = [w for w in agent.total(0).report["workloads"]
                 if w["cgroup"] == loads["late"].cgroup.path]
        return found and found[0]["name"] == "late/late/app"

    wait_for(is_named, PATIENCE, "the name of the late one", 0.5)
    loads["late"].work(500)
    others = agent.total()
    noise = sum(m["count"] for w in others.report["workloads"] if w["kind"] == "unknown"
                for m in w["metrics"] if m["name"] == DURATION and
                m["attributes"]["assay.syscall.class"] == "process")
    same(agent.stop()[0], 0, "exit status")
    own = {name: exported(agent.exports, of(load.cgroup)) for name, load in loads.items()}
    unknown = exported(agent.exports, is_unknown)
    diag(f"done {({n: l.done for n, l in loads.items()})}; in exports {own}, {unknown} in "
         f"unknown, where {noise} are others'; done when a name came: {named}")
    same(own["soon"], loads["soon"].done, "of the one named in time, by its name")
    same(own["never"], 0, "of the one that was never named, by its path")
    between(own["late"], 500, loads["late"].done - named["late"], "of the late one")
    between(own["late"] + unknown, loads["late"].done + never.done + noise,
            loads["late"].done + never.done + noise + 20, "of the others, with unknown")
    numbers = looked_back(history)
    for name, load in loads.items():
        same(calls(numbers, load.cgroup), load.done, f"{name}: calls in the history")
    by_name = {w["name"]: sum(m["count"] for m in w["metrics"] if m["name"] == DURATION and
                              m["attributes"]["assay.syscall.class"] == "process")
               for w in numbers.report["workloads"]
               if w["cgroup"] == loads["late"].cgroup.path}
    diag(f"the late one in the history: {by_name}")
    check(by_name.get("late/late/app", 0) >= own["late"], "what it has by its name")


main(setup)
