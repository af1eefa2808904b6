#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing that a user or another machine does keeps the agent from reading, answering
and ending."""

import os
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import BIN, PATIENCE, Agent, Cgroup, scratch, wait_for
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

LINGER_S = float(os.environ.get("LINGER_S", 12))
RESOLVE_S = 8  # the first attempt and one or two after a backoff
SOCKETS, PROCESSES = 1000, 4
ANSWER_S = 3  # the load leaves less than a second of a quiet machine to wait for
END_S = 5


def run_delay(pid):
    """Seconds that a process' first thread was ready to run and had no CPU."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


def ask(agent, line):
    """The seconds until the agent's whole answer is there, less those that it had to
    wait for a CPU, as far as they are more than those."""
    delay, began = run_delay(agent.process.pid), time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(agent.socket)
        s.sendall(line)
        first = s.recv(1 << 20)
        check(first.startswith(b"ok"), f"the answer {first[:80]}")
        while s.recv(1 << 20):
            pass
    seconds = time.monotonic() - began
    return seconds - min(seconds, run_delay(agent.process.pid) - delay)


def ends(agent):
    status, seconds = agent.stop()
    diag(f"exit status {status} after {seconds:.2f} s")
    same(status, 0, "exit status")
    between(seconds, 0, END_S, "seconds to the exit")


@test(f"lingering sockets of a user for {LINGER_S:g} s: the agent answers within "
      f"{ANSWER_S} s, and ends within {END_S} s")
def _():
    agent = Agent("--export-interval", "100ms", export="none")
    load = Cgroup("linger").start([BIN + "/linger", str(int(LINGER_S)), str(SOCKETS),
                                   str(PROCESSES)])
    defer(load.kill)
    worst = count = 0
    while load.poll() is None:
        # each snapshot walks over all files: more often than any export
        worst = max(worst, ask(agent, b"snapshot\n"))
        count += 1
    diag(f"{count} snapshots, the slowest after {worst:.2f} s")
    same(load.returncode, 0, "the load's exit status")
    check(worst < ANSWER_S, f"an answer took {worst:.2f} s")
    ends(agent)


@test("an agent that starts beside lingering sockets measures all, and ends within "
      f"{END_S} s")
def _():
    load = Cgroup("start").start([BIN + "/linger", "20", str(SOCKETS), str(PROCESSES)])
    defer(load.kill)
    for _ in range(3):
        agent = Agent(export="none")
        report = agent.total().report
        same([p["name"] for p in report["probes"] if p["state"] != "attached"], [],
             "probes that do not measure")
        ends(agent)


@test(f"a name server that does not answer: the agent answers within {ANSWER_S} s, and "
      f"ends within {END_S} s")
def _():
    pid = os.getpid()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(server.close)
    address = f"127.67.{pid >> 8 & 255}.{pid & 255}"
    server.bind((address, 53))
    conf = scratch() + "/resolv.conf"
    with open(conf, "w") as f:
        f.write(f"nameserver {address}\noptions timeout:5 attempts:2\n")
    agent = Agent("--probes", "memory", "--export-interval", "1s", "--export-timeout",
                  "500ms", export="http://collector.example:4318/v1/metrics", prefix=(
                      "unshare", "--mount", "sh", "-c", "mount --make-rprivate / && "
                      f"mount --bind {conf} /etc/resolv.conf && exec \"$@\"", "sh"))
    wait_for(lambda: "Resolving timed out" in agent.said(), PATIENCE, "an attempt")
    worst, end = 0, time.monotonic() + RESOLVE_S
    while time.monotonic() < end:
        worst = max(worst, ask(agent, b"snapshot\n"))
        time.sleep(0.05)
    server.setblocking(False)
    check(b"collector" in server.recv(512), "the name server was not asked")
    diag(f"the slowest answer after {worst:.2f} s")
    check(worst < ANSWER_S, f"an answer took {worst:.2f} s")
    ends(agent)


main()
