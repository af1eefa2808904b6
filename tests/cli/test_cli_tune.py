#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay tune`, and what the agent takes on its socket."""

import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from commands import fails, nobody_socket, report, run, serve, tune
from node import Agent
from tap import check, main, need_root, same, test


@test("`tune` prints the parameters of all probes, or of one, and changes them")
def _():
    agent = Agent(export="none")
    lines = tune(agent).splitlines()
    names = [p["name"] for p in agent.total(0).report["probes"]]
    check({"sched", "cgroup"} <= {*names}, f"probes of the report: {names}")
    same(sorted(line.split()[0] for line in lines), names, "probes")
    same(tune(agent, "dns"), "dns      enabled=true inflight=10ms timeout=5s duty=1 window=500ms\n", "dns")
    same(tune(agent, "dns", "timeout=1m", "enabled=false"),
         "dns      enabled=false inflight=10ms timeout=1m duty=1 window=500ms\n", "dns")
    same(tune(agent, "sched", "sample=64"), "sched    enabled=true sample=64 "
         "inflight=10ms\n", "sched")
    check("tune dns timeout=1m enabled=false" in agent.said(), agent.said())


@test("what `tune` does not take is one line that says what it would take")
def _():
    nobody = nobody_socket()
    fails(2, "'disk' is no probe: one of sched, syscall", "tune", "disk")
    fails(2, "'off': sched takes KEY=VALUE, KEY one of enabled, sample, inflight",
          "tune", "sched", "off")
    fails(2, "sample: '3': must be a power of two, 1 to 1024", "tune", "sched",
          "sample=3")
    fails(2, "'a\\?b' is no probe", "tune", "a\nb")
    fails(2, "too many words", "tune", "sched", *["enabled=true"] * 40)
    fails(1, "nobody.sock: no agent runs", "tune", "--socket", nobody)
    agent = Agent("--probes", "sched", export="none")
    fails(1, "tcp is not loaded: start the agent with it in --probes", "tune",
          "--socket", agent.socket, "tcp", "enabled=false")
    check(re.search(r"^tcp +disabled$", tune(agent), re.M), tune(agent))


@test("a change that takes the agent longer than other answers is waited for")
def _():
    late = serve(b"ok 5\ndone\n", hang=6)
    same(run("tune", "--socket", late, "sched", "enabled=false"), (0, "done\n", ""), "answer")
    fails(1, "timed out", "tune", "--socket", late)


def ask(agent, request):
    """What the agent answers to the bytes of a request."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(agent.socket)
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


@test("the agent itself is as strict, whoever asks")
def _():
    agent = Agent("--probes", "sched", export="none")
    before = tune(agent)
    for request in (b"tuna\n", b"tuned\n", b"tune\0x\n", b"snapshot\0\n", b"\n",
                    b"snapshot 1\n"):
        same(ask(agent, request), b"error unknown request\n", f"answer to {request}")
    for request in (b"tune \n", b"tune  sched\n", b"tune sched \n",
                    b"tune sched enabled=no\n", b"tune sched sample=2 sample=4\n",
                    b"tune sched sample=2 x=1\n", b"tune tcp inflight=1s\n"):
        answer = ask(agent, request)
        check(re.fullmatch(rb"error [^\n]+\n", answer), f"{request}: {answer}")
    try:
        same(ask(agent, b"tune " + b"x" * 400), b"", "answer to an endless line")
    except ConnectionResetError:
        pass  # there was more than it read
    same(tune(agent), before, "parameters after all that")
    answer = ask(agent, b"tune sched inflight=2s\n")
    same(answer, b"ok 43\nsched    enabled=true sample=1 inflight=2s\n", "answer")


@test("a probe that is off is shown as off, by every command")
def _():
    agent = Agent(export="none")
    tune(agent, "tcp", "enabled=false")
    r = report("--total", "--socket", agent.socket)
    same([(p["state"], p["reason"]) for p in r["probes"] if p["name"] == "tcp"],
         [("off", "switched off by assay tune")], "state in JSON")
    _, out, _ = run("probes", "--socket", agent.socket)
    check("\ntcp      off: switched off by assay tune\n" in out, out)
    status, out, _ = run("doctor", "--socket", agent.socket, "--export", "none")
    check(status == 0 and "warn probe: tcp: off: switched off by assay tune" in out, out)
    _, out, _ = run("report", "--duration", "100ms", "--socket", agent.socket)
    check("NOT MEASURED  tcp is off: switched off by assay tune" in out, out)
    tune(agent, "tcp", "enabled=true")
    _, out, _ = run("probes", "--socket", agent.socket)
    check(re.search(r"^tcp +attached$", out, re.M), out)


need_root()
main()
