#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""What the agent takes of the node's memory with 300 busy workloads: all that is resident,
the mapped cells, which are the kernel's, too, and the history, which it keeps as it does
by default, among it."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, PATIENCE, Agent, Cgroup, Load, defined, scratch, wait_for
from receiver import Receiver
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

CPUS = len(os.sched_getaffinity(0))
SHARDS = min(CPUS, defined("SHARDS_MAX"))
BUSY = 300
MIB = 1024  # KiB
CALLS = "assay.syscall.duration"
LIMIT = 24 * MIB
CELLS_OF_2_CPUS = 11.5 * MIB  # the plan's: they grow with the CPUs
EXPORTS = 4


class Sink(Receiver):
    """A collector that only counts."""

    def answer(self, request, body):
        self.bytes = getattr(self, "bytes", 0) + len(body)
        self.taken += 1
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()


def busy_load():
    """A load that makes cgroups beside its own; the directory that they are in."""
    base = Cgroup("busy")
    own = base.below("own")
    defer(sweep, base)
    return base, Load(own, "busy", base.dir)


def sweep(base):
    for name in os.listdir(base.dir):
        if re.fullmatch(r"c\d+", name):
            os.rmdir(f"{base.dir}/{name}")


def resident(pid):
    """KiB by the kernel's counters, all of it."""
    with open(f"/proc/{pid}/status") as f:
        found = re.findall(r"^Rss(?:Anon|File|Shmem):\s+(\d+) kB", f.read(), re.M)
    return sum(map(int, found))


def kind_of(name, mode):
    if "bpf-map" in name:
        return "cells"
    if name == "[heap]" or not name:
        return "heap"
    if name.startswith("/") and "(deleted)" not in name:
        return "written data of files" if "w" in mode else "files"
    return "rest"


def parts(pid):
    """KiB by what they are for; pages of files that were written to are apart."""
    found, kind = {}, None
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            m = re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \d+\s*(.*)", line)
            if m:
                kind = kind_of(m[2], m[1])
            elif line.startswith("Rss:"):
                found[kind] = found.get(kind, 0) + int(line.split()[1])
            elif line.startswith("Anonymous:") and kind == "files":
                written = int(line.split()[1])
                found[kind] -= written
                found["written data of files"] = \
                    found.get("written data of files", 0) + written
    return found


def heap(agent):
    """KiB that the agent's numbers take, and may take, as `assay doctor` says."""
    p = subprocess.run([ASSAY, "doctor", "--socket", agent.socket, "--export", "none"],
                       capture_output=True, text=True, timeout=60)
    found = re.search(r"heap: the agent's numbers take ([\d.]+) (\w+) of ([\d.]+) (\w+)",
                      p.stdout)
    check(found, f"doctor said: {p.stdout}")
    unit = {"B": 1 / 1024, "KiB": 1, "MiB": 1024}
    return float(found[1]) * unit[found[2]], float(found[3]) * unit[found[4]]


def watch(agent, sink):
    """All that is resident, every 10 ms over some exports."""
    seen, sizes, end = sink.taken, [], time.monotonic() + 60
    pid = agent.pid()
    while sink.taken < seen + EXPORTS:
        sizes.append(resident(pid))
        check(time.monotonic() < end, f"{EXPORTS} exports in 60 s; it said: {agent.said()}")
        time.sleep(0.01)
    return sorted(sizes)


@test(f"{BUSY} busy workloads: at most {LIMIT // MIB} MiB are resident, with the cells")
def _():
    sink = Sink()
    history = scratch() + "/history.db"
    agent = Agent("--export-interval", "2s", "--history", history, export=sink.url)
    wait_for(lambda: sink.taken >= 2, PATIENCE, "exports")
    at_rest, heap_at_rest = resident(agent.pid()), parts(agent.pid())["heap"]
    base, busy = busy_load()
    busy.ask("busy", BUSY, CPUS, CPUS // SHARDS)
    wait_for(lambda: sink.taken >= 5, PATIENCE, "exports with all workloads")
    sizes, of = watch(agent, sink), parts(agent.pid())
    sent = sink.bytes
    wait_for(lambda: sink.bytes > sent, PATIENCE, "an export")
    diag(f"figure: {BUSY} busy workloads, {CPUS} CPUs: {sizes[len(sizes) // 2] / MIB:.1f} MiB "
         f"resident, at most {sizes[-1] / MIB:.1f} during exports; {at_rest / MIB:.1f} without "
         "them; " + ", ".join(f"{k} {v / MIB:.1f}" for k, v in sorted(of.items())))
    pools, report = agent.pools(), agent.total()
    unnamed = [i for i in range(BUSY) if not report.value(f"{base.path}/c{i}", CALLS)]
    diag(f"{pools}; an export has {sink.bytes - sent} bytes")
    same(unnamed, [], "workloads without calls")
    with contextlib.closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as db:
        kept = db.execute("SELECT count(*) FROM reading").fetchone()[0]
    diag(f"{kept} readings are in the history")
    check(kept >= EXPORTS, "each export is a reading of the history")
    used, planned = heap(agent)
    diag(f"numbers: {used / MIB:.2f} MiB of {planned / MIB:.2f} planned")
    between(used, 0, planned, "KiB that the numbers take")
    # what malloc gave for them is resident, and hardly anything beside them is; the answer
    # in which doctor reads it is among it
    between(used, 0.5 * (of["heap"] - heap_at_rest), of["heap"] + 4 * MIB, "KiB of the heap")
    between(pools["histograms"][0], BUSY * SHARDS * 12, pools["histograms"][1], "histograms")
    more = max(0, of["cells"] - CELLS_OF_2_CPUS)
    between(sizes[-1], 0, LIMIT + more, "KiB resident")


main()
