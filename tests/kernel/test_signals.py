#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The agent's files and signals: an export file that is no file, is rotated or may not
grow, a stderr that nobody reads, no descriptor left."""

import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "e2e"))

from node import ASSAY, PATIENCE, Agent, scratch, start, wait_for
from otlp import split
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

MEMORY = "--probes", "memory"  # starts quickly
END_S = 5


def messages(path):
    """How many messages are in an export file; the last one must be whole."""
    with open(path, "rb") as f:
        return len(list(split(f.read())))


def ends(agent):
    status, seconds = agent.stop()
    diag(f"exit status {status} after {seconds:.2f} s")
    same(status, 0, "exit status")
    between(seconds, 0, END_S, "seconds to the exit")


@test("a FIFO, with and without a reader, a socket and a directory are no export file")
def _():
    top = scratch()
    for name in "fifo", "read":
        os.mkfifo(f"{top}/{name}")
    reader = os.open(top + "/read", os.O_RDONLY | os.O_NONBLOCK)
    defer(os.close, reader)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(top + "/socket")
    for name, why in (("fifo", "no file"), ("read", "no file"), ("socket", "no file"),
                      ("", "directory")):
        p = subprocess.run([ASSAY, "agent", "--export", f"file:{top}/{name}",
                            "--socket", top + "/s"], capture_output=True, text=True,
                           timeout=PATIENCE)
        same((p.returncode, p.stderr.count("\n")), (1, 1), f"{name}: {p.stderr}")
        check(why in p.stderr, p.stderr)
        p = subprocess.run([ASSAY, "doctor", "--export", f"file:{top}/{name}", "--socket",
                            top + "/s"], capture_output=True, text=True, timeout=PATIENCE)
        said = [line for line in p.stdout.splitlines() if " collector: " in line]
        check(len(said) == 1 and said[0].startswith("warn"), f"doctor: {said}")


@test("SIGHUP: the export goes on in a new file, when the old one was renamed; and "
      "signals that mean nothing to the agent do nothing")
def _():
    agent = Agent("--export-interval", "200ms", *MEMORY)
    wait_for(lambda: os.path.exists(agent.exports) and messages(agent.exports), PATIENCE,
             "the first export")
    os.rename(agent.exports, agent.exports + ".1")
    for number in signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGHUP:
        agent.process.send_signal(number)
    wait_for(lambda: os.path.exists(agent.exports) and messages(agent.exports), PATIENCE,
             "an export into the new file")
    old = messages(agent.exports + ".1")
    new = messages(agent.exports)
    wait_for(lambda: messages(agent.exports) > new, PATIENCE, "another one")
    same(messages(agent.exports + ".1"), old, "messages in the old file")
    # the new one cannot be had: the export goes on in the old one
    os.rename(agent.exports, agent.exports + ".2")
    os.mkdir(agent.exports)
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "cannot be opened anew" in agent.said(), PATIENCE, "a line")
    before = messages(agent.exports + ".2")
    wait_for(lambda: messages(agent.exports + ".2") > before, PATIENCE, "another export")
    ends(agent)


@test("a limit of the file's size (SIGXFSZ): the agent goes on, every message is whole")
def _():
    agent = Agent("--export-interval", "100ms", *MEMORY, prefix=(
        "prlimit", "--fsize=65536"))
    wait_for(lambda: "File too large" in agent.said(), PATIENCE, "the limit")
    size = os.path.getsize(agent.exports)
    check(messages(agent.exports) > 1, "no message")
    between(size, 1, 65536, "bytes")
    ends(agent)
    messages(agent.exports)


@test("kill -9 within a write, or a node that goes down: the next agent goes on behind "
      "the last whole message")
def _():
    path = scratch() + "/exports"
    agent = Agent("--export-interval", "100ms", *MEMORY, export="file:" + path)
    wait_for(lambda: os.path.exists(path) and messages(path) > 2, PATIENCE, "exports")
    agent.process.kill()
    agent.process.wait()
    before = messages(path)
    os.truncate(path, os.path.getsize(path) - 5)
    agent = Agent("--export-interval", "100ms", *MEMORY, export="file:" + path)
    check("half a message" in agent.said(), agent.said())
    same(messages(path) >= before - 1, True, "the whole ones are there")
    wait_for(lambda: messages(path) > before + 1, PATIENCE, "exports")
    ends(agent)
    messages(path)


@test("a stderr that is full: the agent measures, answers and ends; lines that are "
      "missing are counted")
def _():
    top = scratch()
    reading, writing = os.pipe()
    defer(os.close, reading)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4095 + b"\n")
    agent = start([ASSAY, "agent", "--export", "none", "--socket", top + "/s", *MEMORY],
                  stderr=writing)
    defer(agent.kill)
    os.close(writing)

    def tune(*words):
        return subprocess.run([ASSAY, "tune", "--socket", top + "/s", "memory", *words],
                              capture_output=True, timeout=PATIENCE).returncode == 0
    wait_for(tune, PATIENCE, "an answer")
    check(tune("enabled=false"), "no answer")
    same(os.read(reading, 65536)[-2:], b"x\n", "what was in the pipe")
    check(tune("enabled=true"), "no answer when the pipe is empty")
    text = os.read(reading, 65536).decode()
    other = Agent(*MEMORY, export="none")  # says as much until it is ready
    missing = other.said().count("\n") + 1  # "tune memory enabled=false"
    same(text.splitlines(), [f"assay: warning: stderr was full: {missing} lines are "
                             "missing here", "assay: info: tune memory enabled=true"],
         "the lines")
    full = os.open(f"/proc/self/fd/{reading}", os.O_WRONLY)
    os.write(full, b"y" * 4096)  # its one page
    os.close(full)
    check(tune("enabled=false"), "no answer when the pipe is full again")
    began = time.monotonic()
    agent.terminate()
    same(agent.wait(PATIENCE), 0, "exit status")
    between(time.monotonic() - began, 0, END_S, "seconds to the exit")


def has_signal(pid, kind, number):
    """Whether a process blocks (SigBlk) or catches (SigCgt) a signal."""
    with open(f"/proc/{pid}/status") as f:
        masks = dict(line.split(":", 1) for line in f if line.startswith("Sig"))
    return int(masks[kind], 16) >> number - 1 & 1


def cpu_of_start(*ends):
    """The CPU time of an agent that gets these signals while it loads, or one when it
    measures; its exit status, and whether it came to measure. CPU time, as a busy machine
    takes none of that."""
    top = scratch()
    with open(top + "/log", "w") as log:
        agent = start([ASSAY, "agent", "--export", "none", "--socket", top + "/s"],
                      stderr=log)
        defer(agent.kill)

        def measures():
            with open(top + "/log") as f:
                return "ready: " in f.read()

        wait_for(lambda: any(has_signal(agent.pid, kind, signal.SIGTERM)
                             for kind in ("SigBlk", "SigCgt")), PATIENCE, "its first steps")
        for number in ends:
            agent.send_signal(number)
        if not ends:
            wait_for(measures, PATIENCE, "the agent to measure")
            agent.terminate()
        _, status, used = os.wait4(agent.pid, 0)
        agent.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime, agent.returncode, measures()


@test("SIGTERM and SIGINT end an agent at once that still loads its programs")
def _():
    whole, status, ready = cpu_of_start()
    same((status, ready), (0, True), "one that may load")
    for number in signal.SIGTERM, signal.SIGINT:
        used, status, ready = cpu_of_start(number)
        diag(f"{used:.2f} s of CPU time, {whole:.2f} s for one that measures")
        same((status, ready), (0, False), "exit status, measured")
        check(used < whole / 2, f"it went on for {used:.2f} of {whole:.2f} s")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test("no descriptor is left while clients come: they are let go, nothing spins, and "
      "later clients are answered")
def _():
    agent = Agent(*MEMORY, export="none")
    pid = agent.process.pid
    used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    fourth = sorted(set(range(max(used) + 5)) - used)[3]
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (fourth, hard))
    clients = []
    for _ in range(7):  # four more than there are descriptors left for
        s = socket.socket(socket.AF_UNIX)
        defer(s.close)
        s.settimeout(PATIENCE)
        s.connect(agent.socket)
        clients.append(s)
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(2)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    check(share < 0.2, f"the agent takes {100 * share:.0f} % of a CPU")
    wait_for(lambda: "clients are refused" in agent.said(), PATIENCE, "a line")
    for s in clients:  # none waits for ever: the last ones are let go
        s.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    agent.total(0)
    same(agent.said().count("clients are refused"), 1, "lines")
    ends(agent)


main()
