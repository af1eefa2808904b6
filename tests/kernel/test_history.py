#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The history that an agent keeps: all that it has counted is there, once, whatever
happens to the agent, and it costs what it may."""

import datetime
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import proc  # noqa: E402
from node import ASSAY, PATIENCE, Agent, Cgroup, Load, report, scratch, wait_for  # noqa: E402
from tap import between, check, diag, main, need_root, same, test  # noqa: E402

need_root()

CALLS = "assay.syscall.duration"
SYNCS = {"x86_64": (74, 75), "aarch64": (82, 83)}  # fsync(2), fdatasync(2)
KILLS = int(os.environ.get("HISTORY_KILLS", 20))


def command(name, *words, user=None):
    """Runs one, as a user without any privilege if it has a number."""
    prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
              "--bounding-set=-all"] if user else []
    return subprocess.run([*prefix, ASSAY, name, *words], capture_output=True, text=True,
                          timeout=60)


def look_back(path, *words):
    """What was kept, as `assay report` says it."""
    return report("--history", path, *words)


def rows(path, columns="id, since, until"):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = db.execute(f"SELECT {columns} FROM reading ORDER BY id").fetchall()
    db.close()
    return found


def wait_kept(path):
    """Waits until all that has happened is kept."""
    now = time.time_ns()
    wait_for(lambda: os.path.exists(path) and any(r[2] > now for r in rows(path)), 20,
             "a reading")


def start(path, *options):
    return Agent("--history", path, "--snapshot-interval", "1s", *options)


def counted(numbers, cgroup):
    """All sums and histograms of a workload, by name and attributes."""
    found = {}
    for m in numbers.points(cgroup, CALLS) + numbers.points(cgroup, "assay.syscall.errors"):
        key = (m["name"], tuple(sorted(m["attributes"].items())))
        found[key] = ((m["count"], round(m["sum"], 9)) if m["type"] == "histogram"
                      else m["value"])
    return found


@test("what is kept adds up to what was done, and to what the agent has counted")
def _():
    path = scratch() + "/new/history.db"
    agent = start(path)
    cgroup = Cgroup("worker")
    load = Load(cgroup, "calls")
    done = agent.total().value(cgroup, CALLS, class_="file")  # of its start
    for n in (300, 7, 1200):
        load.ask("pread", n)
        done += n
        time.sleep(1.3)
    wait_kept(path)
    kept, total = look_back(path, "--last", "1h"), agent.total()
    same(kept.value(cgroup, CALLS, class_="file"), done, "calls that are kept")
    same(counted(kept, cgroup), counted(total, cgroup), "the sum of all differences")
    load.ask("pread", 11)
    agent.stop()  # what came since the latest reading is kept at the end
    kept = look_back(path, "--last", "1h")
    same(kept.value(cgroup, CALLS, class_="file"), done + 11, "with those of the end")
    spans = rows(path)
    for before, after in zip(spans, spans[1:]):
        between(after[1] - before[2], -1e6, 1e6, "ns between two readings")
    check("system call" not in agent.said().replace("system calls", ""),
          f"no call was refused: {agent.said()}")


@test("each second of work is in the reading of its time, and in no other")
def _():
    path = scratch() + "/history.db"
    agent = start(path)
    cgroup = Cgroup("worker")
    load = Load(cgroup, "calls")
    first = agent.total().value(cgroup, CALLS, class_="file")  # of its start
    moments = []
    for n in (100, 200, 400):
        wait_kept(path)
        load.ask("pread", n)
        wait_kept(path)
        moments.append((n, rows(path)[-2:]))
    time.sleep(2)
    for n, found in moments:
        since, until = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t / 1e9))
                        for t in (found[0][1] - 1e9, found[1][2] + 1e9))
        kept = look_back(path, "--since", since, "--until", until)
        between(kept.value(cgroup, CALLS, class_="file"), n, 700 + first, "calls then")
    same(look_back(path, "--last", "1h").value(cgroup, CALLS, class_="file"), 700 + first,
         "in all")


@test(f"an agent that is killed {KILLS} times loses nothing that was kept")
def _():
    path = scratch() + "/history.db"
    cgroup = Cgroup("worker")
    load = Load(cgroup, "calls")
    done, known = 0, {}
    chance = random.Random(os.environ.get("HISTORY_SEED", "1"))
    for _ in range(KILLS):
        agent = start(path, "--snapshot-interval", "100ms")
        end = time.monotonic() + chance.uniform(0, 2.5)
        while time.monotonic() < end:
            load.ask("pread", 10)
            done += 10
            time.sleep(0.02)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
        if not os.path.exists(path):
            continue
        db = sqlite3.connect(path)
        same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "the file")
        now = dict(db.execute("SELECT id, data FROM reading").fetchall())
        db.close()
        same([i for i in known if now.get(i) != known[i]], [], "readings that are gone")
        known = now
    kept = look_back(path, "--last", "1h").value(cgroup, CALLS, class_="file")
    diag(f"{len(known)} readings of {KILLS} agents; {kept} of {done} calls were kept")
    between(kept, done * 0.3, done, "calls that are kept, each once")


@test("whoever may read the file looks back, while it is written and in a copy")
def _():
    path, nobody = scratch() + "/history.db", 65534
    os.chmod(os.path.dirname(path), 0o755)
    agent = start(path)
    wait_kept(path)
    wait_kept(path)
    for name in os.listdir(os.path.dirname(path)):
        os.chmod(os.path.join(os.path.dirname(path), name), 0o644)
    p = command("report", "--history", path, "--last", "1m", user=nobody)
    same((p.returncode, p.stderr), (0, ""), "a user without privileges")
    check(re.match(r"\d{4}-\d\d-\d\dT\S+ to \S+, \d+ s of it kept; the history goes from "
                   r"\S+ to ", p.stdout), f"it says how far it looks back: {p.stdout[:200]}")
    copy = os.path.dirname(path) + "/ticket.db"
    p = command("snapshot", "--history", path, copy)
    same(p.returncode, 0, p.stderr)
    check(re.search(r": \d+ readings of \S+; the history goes from ", p.stdout), p.stdout)
    agent.stop()
    os.chmod(copy, 0o444)
    same(sorted(f for f in os.listdir(os.path.dirname(path)) if f.startswith("ticket")),
         ["ticket.db"], "it is one file")
    p = command("report", "--from", copy, user=nobody)
    same((p.returncode, p.stderr), (0, ""), "the copy, without privileges or an agent")
    facts = dict(sqlite3.connect(f"file:{copy}?mode=ro", uri=True).execute(
        "SELECT key, value FROM fact"))
    same(facts["kernel.release"], os.uname().release, "facts of the node")
    same({"host.name", "cpus", "memory.bytes", "assay.version", "snapshot.time"} - set(facts),
         set(), "facts that are missing")


@test("where nothing can be kept it is said once, and the agent goes on")
def _():
    directory = scratch()
    foreign = directory + "/foreign"
    with open(foreign, "w") as f:
        f.write("a letter to somebody\n" * 100)
    for path, why in (("/proc/nowhere/history.db", "its directory cannot be made"),
                      (foreign, "it is no history of assay's")):
        agent = start(path, "--snapshot-interval", "100ms")
        wait_for(lambda: why in agent.said(), PATIENCE, why)
        time.sleep(2.5)
        same(agent.said().count(why), 1, "how often it is said")
        check(agent.total().states()["sched"] == "attached", "it measures")
        agent.stop()
    same(open(foreign).read(200), ("a letter to somebody\n" * 100)[:200], "what was there")


@test("what hangs is seen in each reading, though nobody asks and nothing is exported")
def _():
    path, fifo = scratch() + "/history.db", scratch() + "/fifo"
    os.mkfifo(fifo)
    start(path, "--export-interval", "1h")
    cgroup = Cgroup("hangs")
    hangs = cgroup.start(["sh", "-c", f": < {fifo}"])
    time.sleep(10)
    wait_kept(path)
    for ago in "1s", "2s", "3s":
        p = command("why", cgroup.path.split("/")[-1], "--at", ago, "--history", path,
                    "--format", "json")
        same(p.returncode, 3, f"exit status, {ago} ago: {p.stdout}{p.stderr}")
        finding = json.loads(p.stdout)["findings"][0]
        same(finding["id"], "calls.stuck", f"the first finding, {ago} ago")
        between(finding["evidence"][0]["value"], 5, 14, f"s that it hung, {ago} ago")
    hangs.kill()
    hangs.wait()


@test("of what is not known any more the past does not tell how it was before")
def _():
    path, fifo = scratch() + "/history.db", scratch() + "/fifo"
    os.mkfifo(fifo)
    agent = start(path)
    cgroup = Cgroup("hangs")  # and does nothing else that a reading could tell
    hangs = cgroup.start(["sh", "-c", f": < {fifo}"])
    time.sleep(3)
    wait_kept(path)
    for probe in "syscall", "sched":
        agent.tune(probe, "enabled=false")
    off = time.time()
    time.sleep(22)  # a whole step of 10 s after that
    p = command("trend", "inflight.age", cgroup.path.split("/")[-1], "--last", "1m", "--step",
                "10s", "--history", path, "--format", "json")
    same(p.returncode, 0, p.stderr)
    since = [datetime.datetime.fromisoformat(s["since"].replace("Z", "+00:00")).timestamp()
             for series in json.loads(p.stdout) for s in series["steps"]]
    check(since, "nothing was told while it was known")
    check(max(since) < off + 1.5, f"told {max(since) - off:.1f} s after the probes were off: "
          f"{p.stdout}")
    hangs.kill()
    hangs.wait()


@test("the thread that measures never waits for the disk: another one syncs")
def _():
    path = scratch() + "/history.db"
    first, last = SYNCS[os.uname().machine]
    script = ("BEGIN { printf(\"ready\\n\"); } tracepoint:raw_syscalls:sys_enter "
              f"/args->id >= {first} && args->id <= {last}/ {{ @[pid, tid] = count(); }}")
    # bpftrace finds its tracepoints in tracefs, which need not be mounted
    watch = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", 'mount -t tracefs tracefs /sys/kernel/tracing; '
         'exec bpftrace -e "$1"', "sh", script], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    try:
        while watch.stdout.readline() not in ("ready\n", ""):
            pass
        agent = start(path)
        wait_kept(path)
        watch.send_signal(signal.SIGINT)
        said = watch.communicate(timeout=30)[0]
    finally:
        watch.kill()
        watch.wait()
    tids = {int(t) for p, t in re.findall(r"@\[(\d+), (\d+)\]", said)
            if int(p) == agent.pid()}
    diag(f"process {agent.pid()}, threads that sync: {sorted(tids)}")
    check(tids, "no thread of the agent has synced its new file: this test sees nothing")
    check(agent.pid() not in tids, "the thread that measures has synced")


@test("status tells what is kept, and what it costs is little")
def _():
    path = scratch() + "/history.db"
    agent = start(path)
    wait_kept(path)

    def thread_ms():
        ns = proc.schedstat(agent.pid(), 0)
        ns.pop(agent.pid())
        return sum(ns.values()) / 1e6

    first, before = len(rows(path)), thread_ms()
    time.sleep(6)
    n, took = len(rows(path)) - first, thread_ms() - before
    diag(f"its thread takes {took / n:.2f} ms of CPU time a reading, of {n}")
    between(took / n, 0, 5, "ms of CPU time a reading")
    status = json.loads(command("status", "--socket", agent.socket, "--format",
                                "json").stdout)["history"]
    same((status["path"], status["is_kept"], status["lost"]), (path, True, 0), "status")
    between(status["kept"], first + n, first + n + 3, "readings")
    text = command("status", "--socket", agent.socket).stdout
    check(re.search(r"^history: +" + re.escape(path) + r", \S+ back, \S+ \S+ of 64 MiB$", text,
                    re.M), f"status: {text}")


main()
