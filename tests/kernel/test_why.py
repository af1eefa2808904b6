#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""`assay why` of a running agent: three faults are named first, a calm workload beside
them is not accused, and the answer is what its schema says. (tests/incidents has all.)"""

import datetime
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from node import (ASSAY, PATIENCE, TOP, Agent, Cgroup, Load, cgroup_root, free_port,
                  scratch)
from tap import Busy, Skip, between, check, defer, main, need_root, same, test

need_root()

CPU = max(os.sched_getaffinity(0))
SECONDS = 4
CALM = """
import time
while True:
    sum(range(20000))
    time.sleep(0.05)
"""
CONNECT = """
import socket, sys, time
while True:
    with socket.socket() as s:
        s.connect_ex(("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.05)
"""
agent = None


def setup():
    global agent
    agent = Agent("--history", "none")
    time.sleep(2)  # so that at the end of the first answer it knows what is 5 s old


def ask(*words, status, of=None):
    """The answer, which the schema agrees with."""
    p = subprocess.run([ASSAY, "why", "--socket", (of or agent).socket, "--format", "json",
                        "--history", "none", "--duration", f"{SECONDS}s", *words],
                       capture_output=True, text=True, timeout=PATIENCE)
    check(p.returncode in status, f"assay why {words}: {p.returncode}: {p.stderr} {p.stdout}")
    answer = json.loads(p.stdout)
    with open(f"{TOP}/docs/why.schema.json", encoding="utf-8") as f:
        jsonschema.validate(answer, json.load(f))
    same(p.returncode == 3, answer["overall"] == "actionable", f"status {p.returncode}")
    return answer


def first(cgroup, expected):
    answer = ask(cgroup.path, status=[3])
    finding = answer["findings"][0]
    same(finding["id"], expected, json.dumps(answer["findings"], indent=1))
    same(finding["workload"]["cgroup"], cgroup.path, "whom it is about")
    check(answer["baseline"] is None and "--history none" in answer["no_baseline"],
          f"a baseline: {answer['baseline']}, {answer['no_baseline']}")
    return finding


def values(finding, metric, **attributes):
    return [e["value"] for e in finding["evidence"] if e["metric"] == metric
            and attributes.items() <= e["attributes"].items()]


def start_python(cgroup, program, *words):
    p = cgroup.start([sys.executable, "-c", program, *map(str, words)])
    defer(p.wait)
    defer(p.kill)
    return p


@test("a workload that is well is not accused")
def _():
    calm = Cgroup("calm")
    process = start_python(calm, CALM)
    # by its process; on a busy machine others may really have the CPU
    answer = ask(str(process.pid), status=[0, 3])
    same(answer["workload"]["cgroup"], calm.path, "the cgroup of a process")
    blamed = [f["id"] for f in answer["findings"] if f["severity"] != "notice"]
    check(not blamed or blamed == ["cpu.neighbours"], f"accused: {answer['findings']}")
    if not blamed:
        same(answer["overall"], "nothing_unusual", answer["why"])
    check({"cpu.quota", "calls.stuck"} <= {r["id"] for r in answer["ruled_out"]},
          f"ruled out: {answer['ruled_out']}")


@test("connects that are refused: all of them, by errno")
def _():
    cgroup = Cgroup("refused")
    start_python(cgroup, CONNECT, free_port())
    finding = first(cgroup, "net.connect")
    refused = values(finding, "assay.tcp.connect.errors", **{"error.type": "ECONNREFUSED"})
    check(refused and 5 <= refused[0] <= SECONDS / 0.05, f"refused: {refused}")
    check("refused" in finding["what"], finding["what"])


@test("neighbours have the CPU, and are named")
def _():
    victim, hog = Cgroup("victim"), Cgroup("hog")
    for cgroup, threads in ((hog, 3), (victim, 1)):
        Load(cgroup, "spin", threads, CPU).tell("run", 60 * 1000)
    finding = first(victim, "cpu.neighbours")
    behind = values(finding, "assay.sched.wait.culprit.time",
                    **{"assay.sched.culprit": hog.path})
    # three of four seconds, less what this machine's other work had of them
    check(behind and 0.3 <= behind[0] <= 0.9, f"behind the hog: {behind}")


def limit_cpu(cgroup, share):
    """A CPU quota, where the controller is."""
    if "cpu" in open(cgroup_root() + "/cgroup.controllers").read().split():
        cgroup.write("cpu.max", f"{int(share * 100000)} 100000")
        return cgroup
    directory = f"/sys/fs/cgroup/cpu{cgroup.path}"
    if not os.path.exists("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        raise Skip("no CPU controller")
    os.mkdir(directory)
    defer(os.rmdir, directory)
    with open(directory + "/cpu.cfs_quota_us", "w") as f:
        f.write(str(int(share * 100000)))
    return directory


@test("out of CPU quota")
def _():
    cgroup = Cgroup("limited")
    limited = limit_cpu(cgroup, 0.1)
    load = Load(cgroup, "spin", 1, CPU)
    if limited is not cgroup:
        with open(f"{limited}/cgroup.procs", "w") as f:
            f.write(str(load.pid))
    load.tell("run", 60 * 1000)
    finding = first(cgroup, "cpu.quota")
    lost = values(finding, "assay.sched.wait.duration",
                  **{"assay.sched.wait.cause": "throttled"})
    check(0.3 <= lost[0] <= 0.95, f"throttled: {lost} s/s")
    check("cpu.neighbours" not in [f["id"] for f in ask(cgroup.path, status=[3])["findings"]
                                   if f["severity"] != "notice"], "a neighbour is accused")
    load.close()


LOCK = """
import fcntl, sys, threading
files = []
def wait():
    files.append(open(sys.argv[1]))
    fcntl.flock(files[-1], fcntl.LOCK_EX)
if len(sys.argv) > 2:
    wait()
else:
    for _ in range(3):
        threading.Thread(target=wait).start()
print("ready", flush=True)
input()
"""


@test("what hangs since before the agent came is stuck for as long as it is: which call, since "
      "when, how many threads; of what began since there is no all-clear for 5 s")
def _():
    holder, stuck, calm = Cgroup("holder"), Cgroup("stuck"), Cgroup("calm")
    path = scratch() + "/lock"
    open(path, "w").close()
    for cgroup, words in (holder, [path, "hold"]), (stuck, [path]):
        p = cgroup.start([sys.executable, "-c", LOCK, *words], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        defer(p.kill)
        same(p.stdout.readline(), "ready\n", "the load")
        began = time.time()
    time.sleep(7)
    start_python(calm, CALM)
    started = time.monotonic()
    late = Agent("--history", "none")
    asked = time.time()
    answer = ask(stuck.path, "--duration", "1s", status=[3], of=late)
    age = time.time() - began
    finding = answer["findings"][0]
    same(finding["id"], "calls.stuck", json.dumps(answer["findings"], indent=1))
    ages = values(finding, "assay.inflight.age", **{"assay.operation": "syscall.file"})
    # it began a little before it said that it was ready
    between(ages[0], 0.95 * (asked - began), age + 1, "age of the oldest call, s")
    between(values(finding, "/proc/PID/syscall")[0], 3, 3, "threads in such a call")
    check("3 of its 4 threads sleep in such a call, python" in finding["cause"] and
          "in flock" in finding["cause"], finding["cause"])
    since = datetime.datetime.fromisoformat(
        re.search(r"since (\S+):", finding["what"])[1].replace("Z", "+00:00")).timestamp()
    between(since, began - 1, began + 1.1 + 0.05 * age, "since when")
    same(finding["severity"], "warning", "of a wait for a lock, severity")
    check("lslocks" in finding["next"], finding["next"])
    answer = ask(calm.path, "--duration", "1s", status=[0, 3], of=late)
    if time.monotonic() > started + 5:
        raise Busy("the agent has looked for 5 s already")
    unknown = {u["id"]: u["why"] for u in answer["unknown"]}
    check("may be older than" in unknown.get("net.dependency_hangs", ""), f"not known: {unknown}")
    # on a busy machine others may really have the CPU
    check(answer["overall"] != "nothing_unusual", answer["why"])


@test("what means nobody or several is one line and a status")
def _():
    for cgroup in Cgroup("twin-a"), Cgroup("twin-b"):
        start_python(cgroup, CALM)
    for word, status, text in (("twin-", 2, "twin-a"), ("no-such-name", 1, "no workload")):
        p = subprocess.run([ASSAY, "why", "--socket", agent.socket, "--history", "none",
                            "--duration", "500ms", word], capture_output=True, text=True,
                           timeout=PATIENCE)
        same((p.returncode, p.stdout), (status, ""), f"assay why {word}: {p.stderr}")
        check(text in p.stderr, p.stderr)


@test("a cgroup in which nothing happens is no error, and nothing is known of it")
def _():
    idle = Cgroup("idle")
    for word in idle.path, os.path.basename(idle.path):
        answer = ask(word, status=[0])
        same(answer["overall"], "inconclusive", answer)
        check("hardly anything" in answer["why"], answer["why"])
        same(answer["workload"]["name"], os.path.basename(idle.path), "its name")


def since(text):
    """The moment that a sentence says."""
    found = re.search(r"since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z", text)
    check(found, f"no time: {text}")
    moment = datetime.datetime.fromisoformat(found[1])
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


@test("since when a probe is off, and another one estimates, is told by the history")
def _():
    past = scratch() + "/history.db"
    measuring = Agent("--history", past, "--snapshot-interval", "1s")
    calm = Cgroup("since")
    start_python(calm, CALM)
    time.sleep(3)  # steps of the history in which all is well
    began = time.time()
    measuring.tune("tcp", "enabled=false")
    measuring.tune("syscall", "duty=1/4", "window=100ms")
    ended = time.time()
    time.sleep(3)

    def why(*words):
        p = subprocess.run([ASSAY, "why", calm.path, "--socket", measuring.socket,
                            "--format", "json", "--history", past, *words],
                           capture_output=True, text=True, timeout=PATIENCE)
        return json.loads(p.stdout)
    # of the past first: who asks now has all counted for a while
    windows = [f for f in why("--last", "2s")["findings"] if f["id"] == "self.windows"]
    off = [u["why"] for u in why("--duration", "1s")["unknown"] if u["id"] == "net.connect"]
    check(off and windows, f"off: {off}, in windows: {windows}")
    for text in off[0], windows[0]["what"]:
        check("or before" not in text, text)
        # a step has about a second, and a time of it no more than that
        between(since(text), began - 3, ended + 2, text)
    ago = [e["value"] for e in windows[0]["evidence"] if "ago" in e["label"]]
    check(ago and 1 <= ago[0] <= time.time() - began + 3, f"so long ago: {ago}")


@test("the node: the worst of all, in 80 columns")
def _():
    cgroup = Cgroup("refused")
    start_python(cgroup, CONNECT, free_port())
    answer = ask("--node", status=[3])
    check(answer["workload"] is None, "a workload")
    check(any(f["id"] == "net.connect" and f["workload"]["cgroup"] == cgroup.path
              for f in answer["findings"]), f"findings: {answer['findings']}")
    p = subprocess.run([ASSAY, "why", "--socket", agent.socket, "--history", "none",
                        "--duration", "2s", "--node"], capture_output=True, text=True,
                       timeout=PATIENCE)
    same(p.returncode, 3, p.stderr)
    check(all(len(line) <= 80 for line in p.stdout.splitlines()), p.stdout)


main(setup)
