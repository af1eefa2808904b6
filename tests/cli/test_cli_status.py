#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay status`: what an agent that is there, not there, not yet there, in turn, stopped,
or without a receiver says of itself, and the exit status that follows from it."""

import json
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from commands import fails, nobody_socket, run, serve, tune
from node import ASSAY, PATIENCE, TOP, Agent, scratch, start, wait_for
from receiver import Receiver
from tap import between, check, defer, diag, main, need_root, same, test

QUESTIONS = "--live", "--started", "--ready"
LOCK = f"status_{os.getpid()}"


def status(path, *words):
    """Exit status and output of `assay status`, which says nothing else."""
    code, out, err = run("status", "--socket", path, *words)
    check(bool(out) != bool(err), f"assay status {words}: {out!r} and {err!r}")
    return code, out or err


def document(path, *words, ok=True):
    """Its JSON form, which the schema agrees with."""
    code, out = status(path, "--format", "json", *words)
    found = json.loads(out)
    with open(TOP + "/docs/status.schema.json", encoding="utf-8") as f:
        jsonschema.validate(found, json.load(f))
    same((code, found["ok"]), (0 if ok else 1, ok), f"exit status, ok: {found}")
    return found


def levels(found):
    return {p["level"] for p in found["problems"]} - {"note"}


def begin(path, *options):
    """An agent that is not waited for, and its log."""
    log = scratch() + "/log"
    with open(log, "w", encoding="utf-8") as f:
        process = start([ASSAY, "agent", "--socket", path, "--export", "none",
                         "--node-lock", LOCK, *options], stdout=f, stderr=f)

    def stop():
        if process.poll() is None:
            process.kill()
        process.wait()
    defer(stop)
    return process


@test("without an agent each question fails in one line, at once")
def _():
    nobody = nobody_socket()
    for words in ((), *([q] for q in QUESTIONS), ["--format", "json"]):
        began = time.monotonic()
        fails(1, "nobody.sock: no agent runs, or it still loads", "status", "--socket",
              nobody, *words)
        between(time.monotonic() - began, 0, 2, "seconds")
    with socket.socket(socket.AF_UNIX) as dead:  # as one that was killed leaves it
        dead.bind(nobody)
    fails(1, "no agent runs", "status", "--socket", nobody)
    fails(1, "no agent runs", "status", "--socket", "/" + "x" * 98)
    for command in "status", "agent", "report":
        fails(2, "--socket: .*: must be a path of 1 to 99 bytes", command, "--socket",
              "/" + "x" * 99)
    fails(2, "--timeout: '1': must be a time", "status", "--timeout", "1")


@test("an agent that measures is live, started and ready, and says how it is")
def _():
    agent = Agent("--export-interval", "1s", "--probes", "sched,tcp")
    for question in QUESTIONS:
        code, out = status(agent.socket, question)
        same(code, 0, out)
        check(re.fullmatch(question[2:] + r": measuring for \S+, 3 of 3 probes attached\n",
                           out), out)
    wait_for(lambda: document(agent.socket)["export"]["arrived_s"] is not None, PATIENCE,
             "an export")
    found = document(agent.socket)
    same((found["state"], found["holder"], found["asked"]), ("measuring", None, "ready"),
         "state")
    same(found["pid"], agent.pid(), "pid")
    same({p["name"]: p["state"] for p in found["probes"]},
         dict(sched="attached", tcp="attached", cgroup="attached", syscall="disabled",
              dns="disabled", block="disabled", memory="disabled"), "probes")
    same(found["export"]["to"], "file:" + agent.exports, "export")
    between(found["export"]["arrived_s"], 0, PATIENCE, "age of the export")
    between(found["read_s"], 0, PATIENCE, "age of the reading")
    same((found["memory"]["limit"], found["memory"]["planned"]),
         (64 << 20, found["memory"]["kernel"] + found["memory"]["agent"]), "memory")
    if "ASAN_OPTIONS" not in os.environ:  # which has an allocator of its own
        check(found["memory"]["agent_used"] > 0, "nothing is used")
    same(levels(found), set(), "problems")
    same(status(agent.socket, "--strict")[0], 0, "strict")
    code, out = status(agent.socket)
    for line in (r"^assay \d\S*, process \d+, up for .*: measuring for", r"^readings: ",
                 r"^exports: +to file:\S+ every 1\.?0?s, the last one arrived \S+ ago",
                 r"^memory: .* of 64 MiB", r"\nready$"):
        check(re.search(line, out.strip(), re.M), f"no {line} in {out}")


@test("a probe that is switched off is no problem, all of them neither")
def _():
    agent = Agent("--probes", "sched", export="none")
    tune(agent, "sched", "enabled=false")
    code, out = status(agent.socket, "--ready", "--strict")
    same(code, 0, out)
    check("1 of 2 probes attached, 1 switched off" in out, out)
    same(document(agent.socket)["export"], None, "export")


@test("a receiver that refuses, and one that is away, are told, and are no failure but "
      "with --strict; when it is back all is well")
def _():
    receiver = Receiver()
    receiver.status = 400
    agent = Agent("--export-interval", "200ms", "--snapshot-interval", "100ms",
                  export=receiver.url)
    wait_for(lambda: receiver.refused, PATIENCE, "a refusal")

    def failing():
        return document(agent.socket)["export"]["failing_s"] is not None
    wait_for(failing, PATIENCE, "a failure")
    for question in QUESTIONS:
        same(status(agent.socket, question)[0], 0, question)
    found = document(agent.socket)
    same(found["export"]["arrived_s"], None, "arrived")
    check("HTTP 400" in found["export"]["error"], found["export"])
    same(levels(found), {"strict"}, "problems")
    for words in ((), *([q] for q in QUESTIONS)):
        code, out = status(agent.socket, "--strict", *words)
        same(code, 1, out)
        check(re.search(r"^not \w+ \(strict\): exports have failed for \S+ \(none has "
                        r"arrived yet\): HTTP 400", out, re.M), out)
    document(agent.socket, "--strict", ok=False)
    receiver.status = 200
    wait_for(lambda: not failing(), PATIENCE, "an export that arrives")
    same(status(agent.socket, "--ready", "--strict")[0], 0, "exit status when it is back")
    receiver.stop()
    wait_for(failing, PATIENCE, "a failure")
    code, out = status(agent.socket, "--ready", "--strict")
    same(code, 1, out)
    check(re.search(r"the last one arrived \S+ ago\): .*onnect", out), out)
    same(status(agent.socket, "--ready")[0], 0, "exit status while it is away")


@test("one that loads is not started; one that waits for its node is ready, by a socket of "
      "its own, and stays so when it takes over")
def _():
    first, second = scratch() + "/s", scratch() + "/s"
    holder = begin(first)
    began = [status(first, "--started")[0]]

    def started():
        began.append(status(first, "--started")[0])
        return began[-1] == 0
    same(began[0], 1, "exit status before it could load")
    wait_for(started, PATIENCE, "the first one")
    waiter = begin(second)
    wait_for(lambda: status(second, "--started")[0] == 0, PATIENCE, "the second one")
    for question in QUESTIONS:
        code, out = status(second, question, "--strict")
        same(code, 0, out)
        check(re.search(rf"^{question[2:]}: waiting for \S+ while process {holder.pid} of the"
                        " node measures it, 7 of 7 probes loaded$", out, re.M), out)
    found = document(second)
    same((found["state"], found["holder"], found["pid"], found["read_s"]),
         ("waiting", holder.pid, waiter.pid, None), "state")
    check(os.path.exists(second + ".waiting") and not os.path.exists(second), "sockets")
    for request in (b"snapshot\n", b"tune\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(second + ".waiting")
            s.sendall(request)
            same(s.recv(100), b"error this agent waits for its node\n", "answer")
    holder.send_signal(signal.SIGTERM)
    answers = []
    while not answers or "measuring" not in answers[-1][1]:
        answers.append(status(second, "--ready"))
        check(len(answers) < 2000, "it does not take over")
    same([a for a in answers if a[0]], [], "answers on the way")
    diag(f"{len(answers)} answers")
    same(os.listdir(os.path.dirname(second)), ["s"], "sockets")
    waiter.send_signal(signal.SIGTERM)
    same(waiter.wait(PATIENCE), 0, "exit status")


@test("agents that wait at one path: one of them answers, each takes over")
def _():
    path = scratch() + "/s"
    agents = [begin(path, "--probes", "sched") for _ in range(3)]

    def states():
        return [document(path)["pid"]] if status(path)[0] == 0 else []
    wait_for(lambda: os.path.exists(path) and os.path.exists(path + ".waiting"), PATIENCE,
             "one that measures and one that waits")
    for left in (2, 1, 0):
        pid = wait_for(states, PATIENCE, "an agent")[0]
        one = [a for a in agents if a.pid == pid]
        same(len(one), 1, f"agents with the pid {pid}")
        wait_for(lambda: document(path)["state"] == "measuring", PATIENCE, "it to measure")
        agents.remove(one[0])
        one[0].kill()
        one[0].wait()
        same(len(agents), left, "agents left")


@test("one that waits and is ended leaves no socket")
def _():
    first, second = scratch() + "/s", scratch() + "/s"
    begin(first, "--probes", "sched")
    wait_for(lambda: status(first)[0] == 0, PATIENCE, "the first one")
    waiter = begin(second, "--probes", "sched")
    wait_for(lambda: status(second)[0] == 0, PATIENCE, "the second one")
    waiter.send_signal(signal.SIGTERM)
    same(waiter.wait(PATIENCE), 0, "exit status")
    same(os.listdir(os.path.dirname(second)), [], "sockets")


@test("an agent that is stopped is not live, which takes as long as --timeout, however "
      "often it is asked")
def _():
    agent = Agent("--probes", "sched", export="none")
    os.kill(agent.pid(), signal.SIGSTOP)
    defer(os.kill, agent.pid(), signal.SIGCONT)
    for _ in range(12):  # more than its queue of clients has room for
        began = time.monotonic()
        fails(1, "no answer within 200ms: the agent is stopped", "status", "--live",
              "--timeout", "200ms", "--socket", agent.socket)
        between(time.monotonic() - began, 0.2, 1.5, "seconds")
    os.kill(agent.pid(), signal.SIGCONT)
    wait_for(lambda: status(agent.socket, "--live")[0] == 0, PATIENCE, "an answer")


@test("an agent that answers, if only that it is busy, is live; and not ready")
def _():
    busy = serve(b"error 8 clients are served already: try again\n")
    code, out = status(busy, "--live")
    same((code, out), (0, "live: the agent says: 8 clients are served already: try again\n"),
         "answer")
    fails(1, "8 clients are served", "status", "--ready", "--socket", busy)
    fails(1, "8 clients are served", "status", "--socket", busy)
    for answer in (b"ok 2\n{}", b"ok 3\n{}\n", b"junk\n"):
        fails(1, "answer", "status", "--live", "--socket", serve(answer))


@test("a status costs next to nothing: no pass, no reading, no export is made for it")
def _():
    agent = Agent("--export-interval", "1h", "--snapshot-interval", "1m", export="none")
    document(agent.socket)

    def ran():
        with open(f"/proc/{agent.pid()}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before, read, rounds = ran(), document(agent.socket)["read_s"], 200
    for _ in range(rounds):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(agent.socket)
            s.sendall(b"status\n")
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        check(answer.startswith(b"ok "), answer)
    each = (ran() - before) / rounds
    diag(f"{each * 1e6:.0f} us of the agent's CPU time for each, {len(answer)} bytes")
    check(each < 0.001, f"{each} s each")
    check(document(agent.socket)["read_s"] >= read, "the cells were read meanwhile")
    check(len(answer) < 4096, f"{len(answer)} bytes")


need_root()
main()
