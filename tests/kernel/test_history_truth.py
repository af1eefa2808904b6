#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Each reading of the history has what a load did in its time, by the load's own count
and the kernel's: nothing is missing there, and nothing is of another time. What was not
counted is told as such."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import zstandard

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import PROTO, class_of  # noqa: E402
from node import ASSAY, PATIENCE, Agent, Cgroup, Load, scratch, wait_for  # noqa: E402
from otlp import attributes, data_of, metrics  # noqa: E402
from tap import Busy, between, check, diag, main, need_root, same, test  # noqa: E402

need_root()

CALLS = "assay.syscall.duration"
SWITCHES = "assay.sched.context_switches"
CPU_TIME = "assay.cgroup.cpu.time"
FILES = 0.1   # s: so long after a reading's end the files of cgroups may be read
STARTS = 200  # calls on files that a load makes until it is there, at most
SLACK = 0.25  # s: what CPUs have written down may be read that much later
ALL = 0.98    # of a reading's time: the probe was on


def unpacked(data):
    """A stream of zstd, which does not say how long it is."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


class Reading:
    """One row: what it says of a cgroup, and for how long probes were on."""

    def __init__(self, kind, since, until, data):
        self.since, self.until = since / 1e9, until / 1e9
        self.values, self.on, self.windows = {}, {}, {}
        for resource, metric in metrics(kind.FromString(unpacked(data))):
            for point in data_of(metric).data_points:
                self.add(resource, metric.name, point)

    def add(self, resource, name, point):
        attrs = attributes(point.attributes)
        value = getattr(point, "count", None)
        if value is None:
            value = getattr(point, point.WhichOneof("value"))
        if name == "assay.probe.attached.time":
            self.on[attrs["assay.probe"]] = value
        elif name == "assay.probe.counted.time":
            self.windows[attrs["assay.probe"]] = value
        elif name in (SWITCHES, CPU_TIME) or attrs.get("assay.syscall.class") == "file":
            key = (resource.get("process.linux.cgroup"), name)
            self.values[key] = self.values.get(key, 0) + value

    def value(self, cgroup, name):
        return self.values.get((cgroup.path, name), 0)

    def is_whole(self, probe):
        return self.on.get(probe, 0) >= ALL * (self.until - self.since)


def readings(path):
    kind = class_of(PROTO, "otlp_service.proto", path + ".desc")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = db.execute("SELECT since, until, data FROM reading ORDER BY id").fetchall()
    db.close()
    return [Reading(kind, *row) for row in found]


class Truth:
    """What a load has done, and when: by the clock that readings go by."""

    def __init__(self, cgroup):
        self.cgroup, self.done, self.maybe, self.load = cgroup, [], [], None

    def begin(self):
        before = time.time()
        self.load = Load(self.cgroup, "calls")
        self.maybe.append((before, time.time(), STARTS))
        self.sampled = time.time(), self.switches()
        self.switched = []

    def switches(self):
        """Context switches of the load, as the kernel counts them."""
        with open(f"/proc/{self.load.pid}/status") as f:
            return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)

    def work(self, seconds, meanwhile=None):
        """Reads a file some 200 times a second, in pieces of known time."""
        end = time.time() + seconds
        while time.time() < end:
            before = time.time()
            self.load.ask("pread", 10)
            now = time.time()
            self.done.append((before, now, 10))
            sample = time.time(), self.switches()
            self.switched.append((self.sampled[0], sample[0], sample[1] - self.sampled[1]))
            self.sampled = sample
            if meanwhile:
                meanwhile()
            time.sleep(0.04)

    @staticmethod
    def bounds(pieces, since, until):
        """How many there were in a time: at least, and at most."""
        least = sum(n for a, b, n in pieces if a >= since + SLACK and b <= until - SLACK)
        most = sum(n for a, b, n in pieces if b > since - SLACK and a < until + SLACK)
        return least, most

    def check_calls(self, rows):
        """Every reading; returns how many were held against the truth in both ways."""
        whole = 0
        for r in rows:
            least, most = self.bounds(self.done, r.since, r.until)
            most += self.bounds(self.maybe, r.since, r.until)[1]
            if r.is_whole("syscall"):
                whole += least > 0
            else:
                least = 0
            between(r.value(self.cgroup, CALLS), least, most,
                    f"calls from {r.since:.2f} to {r.until:.2f}")
        return whole

    def check_switches(self, rows):
        whole = 0
        for r in rows:
            least, most = self.bounds(self.switched, r.since, r.until)
            if not least or not r.is_whole("sched"):
                continue
            whole += 1
            between(r.value(self.cgroup, SWITCHES), least, most,
                    f"context switches from {r.since:.2f} to {r.until:.2f}")
        return whole


def start(path, *options):
    return Agent("--history", path, "--snapshot-interval", "1s", *options)


def wait_kept(path):
    now = time.time()
    wait_for(lambda: os.path.exists(path) and any(r.until > now for r in readings(path)),
             20, "a reading")


def begin(*options):
    path = scratch() + "/history.db"
    agent = start(path, *options)
    truth = Truth(Cgroup("worker"))
    truth.begin()
    truth.work(0.5)
    return path, agent, truth


@test("each reading has what happened in its time, whatever the node does meanwhile")
def _():
    path, agent, truth = begin()
    first = time.time()
    asking = []

    def ask():
        """Reports, findings and histograms, beside each other."""
        asking[:] = [p for p in asking if p.poll() is None]
        for words in (("report", "--duration", "1s"), ("why", "--node", "--duration", "1s"),
                      ("hist", "syscall.duration", "--last", "1m")):
            if len(asking) < 3:
                asking.append(subprocess.Popen(
                    [ASSAY, *words, "--socket", agent.socket, "--history", path],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def come_and_go():
        cgroup = Cgroup("guest")
        cgroup.run(["true"])
        cgroup.remove()

    truth.work(3, ask)
    truth.work(3, come_and_go)
    os.kill(agent.pid(), signal.SIGSTOP)
    truth.work(3)
    os.kill(agent.pid(), signal.SIGCONT)
    truth.work(2)
    for p in asking:
        p.wait()
    wait_kept(path)
    rows = [r for r in readings(path) if r.since > first]
    calls, switches = truth.check_calls(rows), truth.check_switches(rows)
    diag(f"{calls} readings of calls, {switches} of context switches")
    between(calls, 5, len(rows), "readings that were held against the load")
    between(switches, 5, len(rows), "readings that were held against the kernel")
    same(sum(r.value(truth.cgroup, CALLS) for r in readings(path)),
         agent.total().value(truth.cgroup, CALLS, class_="file"), "all readings")


class Spinner:
    """A process that always runs, and how much CPU time it had when."""

    def __init__(self):
        self.cgroup = Cgroup("spinner")
        self.process = self.cgroup.start(["sh", "-c", "while :; do :; done"])
        self.samples = []

    def sample(self):
        """Before and after: between these two times it had so much, in s."""
        before = time.time()
        with open(f"/proc/{self.process.pid}/schedstat") as f:
            had = int(f.read().split()[0]) / 1e9
        self.samples.append((before, time.time(), had))

    def had(self, since, until):
        """What it had in that time: at least, and at most."""
        first = max((s for s in self.samples if s[1] <= since), default=self.samples[0])
        last = min((s for s in self.samples if s[0] >= until), default=self.samples[-1])
        inner = [s[2] for s in self.samples if s[0] >= since and s[1] <= until]
        return max(inner) - min(inner) if inner else 0, last[2] - first[2]


@test("CPU time is of the readings' time, also when reports read the files between these")
def _():
    path, agent, _ = begin()
    spinner, asking, began = Spinner(), [], time.time()
    while time.time() < began + 8:
        spinner.sample()
        asking = [p for p in asking if p.poll() is None]
        if not asking:
            asking.append(subprocess.Popen(
                [ASSAY, "report", "--duration", "700ms", "--socket", agent.socket],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(0.02)
    for p in asking:
        p.wait()
    gap = max(b[0] - a[0] for a, b in zip(spinner.samples, spinner.samples[1:]))
    if gap > FILES:  # the agent may have been kept from reading as long
        raise Busy(f"this test was kept from a CPU for {gap:.2f} s")
    since, told = None, 0
    for r in readings(path):
        had = r.value(spinner.cgroup, CPU_TIME)
        if not had:
            continue
        if since and r.until < spinner.samples[-1][0] - FILES:
            least, most = (spinner.had(since + FILES, r.until - FILES)[0],
                           spinner.had(since - FILES, r.until + FILES)[1])
            between(had, least, most, f"CPU s from {since:.2f} to {r.until:.2f}")
            told += 1
        since = r.until
    spinner.process.kill()
    spinner.process.wait()
    check(told >= 4, f"{told} readings with the spinner's CPU time")


@test("while a probe is off, or between windows, readings do not say that nothing happened")
def _():
    path, agent, truth = begin()
    truth.work(2)
    off = time.time()
    agent.tune("syscall", "enabled=false")
    truth.work(4)
    agent.tune("syscall", "enabled=true")
    on = time.time()
    truth.work(3)
    wait_kept(path)
    rows = readings(path)
    truth.check_calls(rows)
    lacking = [r for r in rows if not r.is_whole("syscall") and r.since > off - 1]
    between(sum((r.until - r.since) - r.on.get("syscall", 0) for r in lacking),
            on - off - SLACK, on - off + SLACK, "seconds of which nothing is known")
    since = time.time()
    agent.tune("syscall", "window=100ms", "duty=1/8")  # a window in 0.8 s, on average
    truth.work(6)
    agent.tune("syscall", "duty=1")
    truth.work(2)
    wait_kept(path)
    rows = [r for r in readings(path) if r.since > since - 1]
    between(sum(r.windows.get("syscall", 0) for r in rows),
            rows[-1].until - rows[0].since - SLACK, rows[-1].until - rows[0].since + SLACK,
            "seconds that windows stand for")
    for r in rows:
        check(r.windows.get("syscall", 0) > 0 or not r.value(truth.cgroup, CALLS),
              "what is counted stands for some time")


@test("who comes again under its name, and an agent that does, leave no hole but its own")
def _():
    path, agent, truth = begin("--export-interval", "2s")
    truth.work(2)
    truth.load.close()
    truth.cgroup.remove()
    # its slot is given back at the second export, its last is told, and its end is in the
    # third: until that has arrived it is the same workload
    for _ in range(2):
        size = os.path.getsize(agent.exports)
        wait_for(lambda: os.path.getsize(agent.exports) != size, PATIENCE, "an export")
        time.sleep(0.5)
    os.mkdir(truth.cgroup.dir)
    truth.begin()
    truth.work(4)
    wait_kept(path)
    truth.check_calls(readings(path))
    agent.process.send_signal(signal.SIGKILL)
    agent.process.wait()
    killed = time.time()
    truth.work(3)
    back = time.time()
    agent = start(path)
    ready = time.time()
    truth.work(3)
    wait_kept(path)
    rows = readings(path)
    same([r for r in rows if r.until > killed and r.since < back], [],
         "readings of when there was no agent")
    between(truth.check_calls([r for r in rows if r.since > ready]), 1, 5,
            "readings of the second agent")


main()
