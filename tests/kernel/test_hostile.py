#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Who may use the agent's socket or read its history, and means no good: readings, history
and exports come at their time, memory and CPU time stay within bounds, and the commands of
others are answered."""

import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import proc
from node import ASSAY, PATIENCE, TOP, Agent, Cgroup, Load, scratch, start, wait_for
from receiver import Receiver
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

CLIENTS = 1000
TUNES_TOLD = 100  # in a minute
BUSY = 100
EXPORT_S = 2
PERIOD_S = 7
LATE_S = 0.4  # beside what is late without an attack
READERS = 8
SHARE = 0.25  # of the agent's time is for clients
NOISE = 0.10  # what it takes to be woken so often, and what one pass over tasks takes


class Sink(Receiver):
    """A collector that notes when an export came."""

    def __init__(self):
        self.times = []
        super().__init__()

    def answer(self, request, body):
        self.times.append(time.time())
        self.taken += 1
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()


def sweep(base):
    for name in os.listdir(base.dir):
        if re.fullmatch(r"c\d+", name):
            os.rmdir(f"{base.dir}/{name}")


class Measured:
    """An agent with a history, a collector and so many busy workloads."""

    def __init__(self):
        self.sink = Sink()
        self.history = scratch() + "/history.db"
        self.agent = Agent("--history", self.history, "--snapshot-interval", "1s",
                           "--export-interval", f"{EXPORT_S}s", export=self.sink.url)
        self.pid = self.agent.pid()
        base = Cgroup("busy")
        own = base.below("own")
        defer(sweep, base)
        Load(own, "busy", base.dir).ask("busy", BUSY, 1, 1)
        wait_for(lambda: self.sink.taken >= 2 and os.path.exists(self.history), PATIENCE, "exports")

    def cpu_s(self):
        return proc.cpu_s(self.pid)

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M)[1])

    def sockets(self):
        return sum(to.startswith("socket:") for to in proc.links(self.pid).values())

    def readings(self, since, until):
        db = sqlite3.connect(f"file:{self.history}?mode=ro", uri=True)
        found = [row[0] / 1e9 for row in db.execute("SELECT until FROM reading ORDER BY id")]
        db.close()
        return [t for t in found if since <= t <= until]

    def watch(self, what, meanwhile=lambda: None):
        """What it was like for a while."""
        began, cpu, peak, beside = time.time(), self.cpu_s(), 0, Beside(meanwhile)
        while time.time() < began + PERIOD_S or beside.is_alive():
            peak = max(peak, self.resident_kib())
            time.sleep(0.02)
        beside.result()
        now = time.time()
        seen = {
            "readings": gaps(self.readings(began, now)),
            "exports": gaps([t for t in self.sink.times if began <= t <= now]),
            "cpu": (self.cpu_s() - cpu) / (now - began), "peak": peak,
        }
        diag(f"figure: {what}: the longest time between two readings is "
             f"{max(seen['readings']):.3f} s, between two exports "
             f"{max(seen['exports']):.3f} s; {100 * seen['cpu']:.1f} % of a CPU, "
             f"{peak / 1024:.1f} MiB")
        return seen


class Beside(threading.Thread):
    """A function that runs while something else is looked at."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function, self.error = function, None
        self.start()

    def run(self):
        try:
            self.function()
        except Exception as e:  # it is the test's, not this thread's
            self.error = e

    def result(self):
        self.join()
        if self.error:
            raise self.error


def gaps(times):
    check(len(times) > 2, f"there are {len(times)} of them")
    return [b - a for a, b in zip(times, times[1:])]


def on_time(calm, seen):
    for what, every in (("readings", 1), ("exports", EXPORT_S)):
        worst = max(max(calm[what]), every)
        between(max(seen[what]), 0, worst + LATE_S, f"s between two {what}")


def command(*argv, statuses=(0,)):
    """Somebody else's: it is answered."""
    p = subprocess.run([ASSAY, *argv], capture_output=True, text=True, timeout=60)
    check(p.returncode in statuses, f"assay {argv}: status {p.returncode}: {p.stderr}")
    check(p.stdout, f"assay {argv} says nothing")


def attack(socket, kinds):
    """So many clients of these kinds; what ends them, and says what they did."""
    p = start([sys.executable, TOP + "/tests/hostile.py", socket, str(CLIENTS), kinds],
              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(p.stdout.readline(), "ready\n", "the attackers' word")

    def end():
        out, _ = p.communicate(timeout=60)
        return json.loads(out)
    return end


EVERYTHING = ("silent", "deaf", "slow", "dribble", "oversized", "cut", "gone", "storm",
              "snapshot", "status", "tune", "exact", "switch", "noise")


@test(f"{CLIENTS} hostile clients delay no reading and no export, and others are answered")
def _():
    with_ = Measured()
    agent, sockets = with_.agent, with_.sockets()
    calm = with_.watch("nobody asks")
    for kinds in (EVERYTHING, ("snapshot",), ("silent", "deaf", "storm")):
        def others():
            time.sleep(1)
            for argv in (("report", "--total"), ("report", "--duration", "1s"), ("status",),
                         ("list", "workloads"), ("tune",)):
                command(*argv, "--socket", agent.socket)
            command("why", "--node", "--duration", "1s", "--history", with_.history,
                    "--socket", agent.socket, statuses=(0, 3))
        end = attack(agent.socket, ",".join(kinds))
        seen = with_.watch("+".join(kinds), others)
        did = end()
        diag(did)
        between(min(did.get(kind, 0) for kind in kinds), CLIENTS / len(kinds) / 10, 1e9,
                "connections of each kind")
        on_time(calm, seen)
        between(seen["cpu"] - calm["cpu"], -1, SHARE + NOISE, "of a CPU more")
        between(seen["peak"] - calm["peak"], -1e9, 8 << 10, "KiB more")
    wait_for(lambda: with_.sockets() <= sockets, PATIENCE, "all of them to be let go")
    for _ in range(TUNES_TOLD + 20):
        agent.tune("dns", "enabled=false")
    said = agent.said()
    between(said.count("info: tune dns"), TUNES_TOLD, 2 * TUNES_TOLD, "changes that are told")
    between(said.count("not all are told"), 1, 2, "times that some are not")
    between(len(said), 0, 20000, "bytes of its log")
    same(agent.stop()[0], 0, "exit status")


def read_all(history, until, n, ran):
    """All that is kept, by each command that looks back, again and again."""
    span = ("--history", history, "--last", "9600h")
    words = [("report", *span), ("why", "--node", *span),
             ("hist", "assay.syscall.duration", *span),
             ("trend", "assay.syscall.duration", *span),
             ("report", "--history", history, "--since", "1971-01-01T00:00:00Z"),
             ("diff", "9600h..6s", "5s..now", "--history", history),
             ("snapshot", "--history", history, f"{history}.{n}.copy")]
    i = n
    while time.time() < until:
        argv = words[i % len(words)]
        if argv[0] == "snapshot" and os.path.exists(argv[-1]):
            os.unlink(argv[-1])
        p = subprocess.run(["nice", "-n", "19", ASSAY, *argv], capture_output=True, text=True,
                           timeout=60)
        check(p.returncode in (0, 3), f"assay {argv}: {p.returncode}: {p.stderr}")
        ran.append(argv[0])
        i += 1


@test(f"{READERS} readers of all of the history at once, and one that never ends, delay nothing")
def _():
    with_ = Measured()
    calm = with_.watch("nobody reads")
    kept = len(with_.readings(0, time.time()))
    endless = sqlite3.connect(f"file:{with_.history}?mode=ro", uri=True,
                              check_same_thread=False)
    reading = endless.execute("SELECT * FROM reading")
    reading.fetchone()  # and it keeps what it has begun
    until, ran = time.time() + PERIOD_S, []
    readers = [Beside(lambda n=n: read_all(with_.history, until, n, ran))
               for n in range(READERS)]
    seen = with_.watch(f"{READERS} readers")
    for reader in readers:
        reader.result()
    ended = endless.close()
    same(ended, None, "the endless one is closed")
    diag({name: ran.count(name) for name in sorted(set(ran))})
    same(set(ran), {"report", "why", "hist", "trend", "diff", "snapshot"}, "commands")
    on_time(calm, seen)
    between(seen["peak"] - calm["peak"], -1e9, 2 << 10, "KiB more")
    between(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 1, 200 << 10,
            "KiB of the largest command")
    between(len(with_.readings(0, time.time())) - kept, PERIOD_S - 2, 1e9, "readings more")
    status = json.loads(subprocess.run([ASSAY, "status", "--format", "json", "--socket",
                                        with_.agent.socket], capture_output=True).stdout)
    same((status["history"]["is_kept"], status["history"]["lost"], status["history"]["late"]),
         (True, 0, 0), "kept, lost, late")


main()
