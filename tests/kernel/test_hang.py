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

from node import BIN, Agent, Cgroup, PATIENCE, start
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

LINGER_S = float(os.environ.get("LINGER_S", 12))
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


main()
