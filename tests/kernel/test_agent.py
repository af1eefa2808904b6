#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""The agent's life on the node: what it leaves behind, and that it is not seen."""

import glob
import http.server
import os
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import PATIENCE, Agent, Cgroup, Load, no_agent, report, scratch, wait_for
from readings import Change
from tap import between, check, defer, diag, main, near, need_root, same, test

need_root()

KILLS = int(os.environ.get("TEST_KILLS", 8))  # nightly: 20


def left_of(ours, newest):
    """Which of our objects are still there, and new ones that nobody holds."""
    now = bpf.everything()
    new = {o for o in now if o[1] > newest[o[0]]}
    return (now & ours) or (new and new - bpf.held_by_anyone())


@test(f"kill -9, {KILLS} times: no program, map or link is left a second later")
def _():
    slowest = 0
    for i in range(KILLS):
        newest = {kind: max(bpf.ids(kind), default=0) for kind in bpf.NEXT_ID}
        agent = Agent()
        ours = bpf.held_by(agent.pid())
        count = {kind: sum(k == kind for k, _ in ours) for kind in bpf.NEXT_ID}
        if i == 0:
            diag(f"one agent holds {count}")
        check(min(count.values()) >= 3, f"it holds next to nothing: {count}")
        os.kill(agent.pid(), signal.SIGKILL)
        began = time.monotonic()
        agent.process.wait()
        left = left_of(ours, newest)
        while left and time.monotonic() < began + 1:
            time.sleep(0.05)
            left = left_of(ours, newest)
        slowest = max(slowest, time.monotonic() - began)
        same(left, set(), f"left after kill {i + 1}")
    diag(f"all gone after {slowest:.2f} s at most")


@test("the next start after a kill -9 measures")
def _():
    agent = Agent()
    os.kill(agent.pid(), signal.SIGKILL)
    agent.process.wait()
    agent = Agent()
    states = agent.total().states()
    same(set(states.values()), {"attached"}, f"states {states}")
    cgroup = Cgroup("after")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 1000)
    same(Change(before, agent.total()).value(cgroup, "assay.syscall.duration",
                                             class_="process"), 1000, "calls")


def messages(path):
    """Number of messages in an export file, each behind its varint length."""
    with open(path, "rb") as f:
        data = f.read()
    at = count = 0
    while at < len(data):
        length = shift = 0
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        at += length
        count += 1
    same(at, len(data), "bytes in whole messages")
    return count


@test("SIGTERM: the agent exports once more and exits 0 within 5 s")
def _():
    agent = Agent()
    ours = bpf.held_by(agent.pid())
    before = messages(agent.exports) if os.path.exists(agent.exports) else 0
    status, seconds = agent.stop()
    diag(f"exit status {status} after {seconds:.2f} s")
    same(status, 0, "exit status")
    between(seconds, 0, 5, "seconds to the exit")
    check(messages(agent.exports) > before, "no last export")
    wait_for(lambda: not bpf.everything() & ours, 1, "its BPF objects to go")
    check(not os.path.exists(agent.socket), "it left its socket")


def is_unseen(agent, cgroup):
    """Nothing of the agent in its cgroup, while others in there are counted."""
    for _ in range(10):
        agent.total(0)
    same(agent.total().workloads.get(cgroup.path, []), [], "metrics of the agent")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 500)
    change = Change(before, agent.total())
    same(change.value(cgroup, "assay.syscall.duration", class_="process"), 500,
         "calls of another process in its cgroup")


@test("the agent's own activity is in no workload")
def _():
    cgroup = Cgroup("self")
    is_unseen(Agent(cgroup=cgroup), cgroup)


@test("nor is it when the agent runs in a PID namespace of its own")
def _():
    cgroup = Cgroup("pidns")
    is_unseen(Agent(cgroup=cgroup, prefix=("unshare", "--pid", "--fork", "--kill-child",
                                           "--mount-proc")), cgroup)


@test("a thread outside its PID namespace is met at its first switch, and measured then")
def _():
    cgroup = Cgroup("outside")
    load = Load(cgroup, "spin", 3, max(os.sched_getaffinity(0)))
    agent = Agent(prefix=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
    load.ask("run", 200)
    before, delay = agent.total(), load.waited()
    load.ask("run", 1000)
    change = Change(before, agent.total())
    near(change.seconds(cgroup, "assay.sched.wait.duration"), load.waited() - delay,
         0.01, "sum of waits and run_delay, s")
    unseen = change.lost().get(("sched", "no_storage"), 0)
    everyone = len(glob.glob("/proc/[0-9]*/task/[0-9]*"))  # those that end meanwhile: not
    between(unseen, 0, everyone, "threads that were met late")
    between(change.value(cgroup, "assay.sched.wait.duration"), everyone + 1, 1e6,
            "waits, more than threads")


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes whatever is exported and says thank you."""

    taken = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Collector.taken += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@test("nor are its exports over TCP")
def _():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    defer(server.server_close)
    defer(server.shutdown)
    cgroup = Cgroup("exports")
    agent = Agent("--export-interval", "1s", cgroup=cgroup,
                  export=f"http://127.0.0.1:{server.server_port}/v1/metrics")
    wait_for(lambda: Collector.taken >= 3, PATIENCE, "three exports")
    same(agent.total().workloads.get(cgroup.path, []), [], "metrics of the agent")


def certificate(directory, name):
    """One that signed itself, for 127.0.0.1; returns its PEM file, with the key."""
    key, pem = f"{directory}/{name}.key", f"{directory}/{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem],
                   check=True, capture_output=True)
    return pem, key


@test("a collector that another authority vouches for: the log names the option to set")
def _():
    directory = scratch()
    pem, key = certificate(directory, "collector")
    other, _ = certificate(directory, "other")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.handle_error = lambda *_: None  # hands are not shaken
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    defer(server.server_close)
    defer(server.shutdown)
    taken = Collector.taken
    for authority, said in ((other, True), (pem, False)):
        agent = Agent("--probes", "memory", "--export-interval", "100ms",
                      "--export-certificate", authority,
                      export=f"https://127.0.0.1:{server.server_port}/v1/metrics")
        wait_for(lambda: "certificate problem" in agent.said() or Collector.taken > taken,
                 PATIENCE, "an export to fail or to arrive")
        time.sleep(0.5)  # some more of them
        agent.stop()
        same("see --export-certificate" in agent.said(), said, agent.said())
        same(Collector.taken > taken, not said, "whether something arrived")


@test("nor is the activity of a `report` that measures by itself")
def _():
    cgroup = Cgroup("report")
    numbers = report("--duration", "2s", *no_agent(), cgroup=cgroup)
    check(len(numbers.workloads) > 0, "it measured nothing at all")
    same(numbers.workloads.get(cgroup.path, []), [], "metrics of the report")


@test("nothing is lost under a storm of new cgroups, threads and calls")
def _():
    agent = Agent()
    before = agent.total()
    for i in range(40):
        cgroup = Cgroup(f"storm{i}")
        Load(cgroup, "calls").ask("threads", 4, 500)
    change = Change(before, agent.total())
    lost = change.lost()
    diag(f"lost {lost}; since the start {agent.total().lost()}")
    # Calls of the rest of the node that began before the agent did are no loss.
    lost.pop(("syscall", "unpaired"), None)
    lost.pop(("sched", "delayed_dequeue"), None)  # see test_delayed.py
    unseen = lost.pop(("sched", "no_storage"), 0)
    between(unseen, 0, len(os.listdir("/proc/1/task")), "threads that are met late")
    same(lost, {}, "lost")


main()
