#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""`assay verify` on the live kernel: it finds nothing wrong, leaves nothing behind and says
what it could not look at. That it finds what is wrong: tests/unit/test_verify.c."""
# vm: kernels=6.1,6.12,7.x,fallbacks ci=none timeout=600

import csv
import glob
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, IN_GUEST, PATIENCE, Agent, cgroup_root, no_agent, start, wait_for
from tap import Busy, between, check, diag, main, need_root, same, test

need_root()

LAST = re.compile(r"verify: ok=(\d+) failed=(\d+) skipped=(\d+) seconds=([\d.]+) "
                  r"cpu_seconds=([\d.]+)")
KINDS = {"calls", "sleeps", "waits", "tcp-server", "tcp-client", "dns", "block"}
agent = None


def setup():
    global agent
    agent = Agent()


def verify(*options, **more):
    """Its exit status, what it printed, and what it said."""
    p = subprocess.run([ASSAY, "verify", *options], capture_output=True, text=True,
                       timeout=PATIENCE * 2, **more)
    return p.returncode, p.stdout, p.stderr


def left():
    return glob.glob(cgroup_root() + "/assay-verify-*")


def not_ok(text):
    return [line for line in text.splitlines()[:-2] if not line.startswith("ok ")]


def bad(text):
    """What is wrong in a table, or in JSON."""
    return [line for line in text.splitlines() if "FAILED" in line or "expected" in line]


def all_right(*options):
    """All is right; returns the numbers of its last line."""
    status, out, err = verify(*options)
    for line in not_ok(out):
        diag(line)
    check(status in (0, 3), f"exit status {status}: {err}")
    same([line for line in not_ok(out) if line.startswith("FAILED")], [], "what is wrong")
    same(left(), [], "cgroups left behind")
    found = LAST.fullmatch(out.splitlines()[-1])
    check(found, f"its last line is {out.splitlines()[-1]}")
    ok, failed, skipped, seconds, cpu = map(float, found.groups())
    same(ok + failed + skipped, len(out.splitlines()) - 2, "lines")
    check(ok >= 38, f"only {ok:.0f} checks were made")
    return seconds, cpu


@test("all numbers of a running agent are right, in 20 s and 5 % of one core")
def _():
    seconds, cpu = all_right("--socket", agent.socket)
    diag(f"{seconds} s, {cpu} s of CPU time")
    if not IN_GUEST:  # there all takes some 20 times as long
        check(seconds < 20, f"it took {seconds} s")
        check(cpu < 0.05 * seconds + 0.005, f"{cpu} s of CPU time in {seconds} s")


@test("they are when no agent runs")
def _():
    all_right(*no_agent())


@test("they are of an agent that measures in windows, as it counts all meanwhile")
def _():
    agent.tune("syscall", "duty=1/8")
    try:
        all_right("--socket", agent.socket)
    finally:
        agent.tune("syscall", "duty=1")


@test("as JSON: a line for each check, and what came of all")
def _():
    status, out, err = verify("--socket", agent.socket, "--format", "json")
    check(status == 0, f"exit status {status}: {bad(out)}{err}")
    said = json.loads(out)
    same({c["kind"] for c in said["checks"]}, KINDS, "kinds")
    for result in "ok", "failed", "skipped":
        same(said[result], sum(c["result"] == result for c in said["checks"]), result)
    same((said["result"], said["source"]), ("ok", "agent"), "result and source")


@test("as CSV: a row for each check, and nothing else")
def _():
    status, out, err = verify("--socket", agent.socket, "--format", "csv")
    check(status == 0, f"exit status {status}: {bad(out)}{err}")
    rows = list(csv.DictReader(io.StringIO(out)))
    same({r["kind"] for r in rows}, KINDS, "kinds")
    same({r["result"] for r in rows} - {"skipped"}, {"ok"}, "results")
    check(all(r["text"] and None not in r for r in rows), out)


@test("who is started at the lowest priority waits behind its hog all the same")
def _():
    lowest = {"preexec_fn": lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))}
    status, out, err = verify("--socket", agent.socket, "--format", "json", **lowest)
    check(status == 0, f"exit status {status}: {bad(out)}{err}")
    waits = next(c for c in json.loads(out)["checks"] if c["what"] == "waits behind a hog")
    if waits["result"] == "skipped":
        raise Busy(waits["text"])
    check(re.search(r" \d\d+ms of", waits["text"]), f"it waited {waits['text']}")


@test("what a probe does not measure is skipped, and said")
def _():
    agent.tune("dns", "enabled=false")
    try:
        status, out, err = verify("--socket", agent.socket)
    finally:
        agent.tune("dns", "enabled=true")
    check(status == 0, f"exit status {status}: {bad(out)}{err}")
    dns = [line for line in out.splitlines() if line.split()[1] == "dns"]
    check(dns and all(line.startswith("skipped") and "the probe dns is off" in line
                      for line in dns), f"of dns: {dns}")


def begin():
    p = start([ASSAY, "verify", "--socket", agent.socket], stdout=subprocess.PIPE,
              stderr=subprocess.PIPE, text=True)
    wait_for(lambda: glob.glob(cgroup_root() + "/assay-verify-*/block"), PATIENCE,
             "its cgroups")
    time.sleep(1)
    return p


@test("who interrupts it gets nothing, and nothing is left")
def _():
    for number in signal.SIGINT, signal.SIGTERM:
        p = begin()
        p.send_signal(number)
        out, err = p.communicate(timeout=PATIENCE)
        same((p.returncode, out), (1, ""), f"exit status and output after {number}")
        check("interrupted" in err, f"it said: {err}")
        same(left(), [], "cgroups left behind")


@test("what one leaves that is killed the next one removes")
def _():
    p = begin()
    p.kill()
    p.communicate(timeout=PATIENCE)
    check(left(), "nothing was left")
    status, out, err = verify("--socket", agent.socket)
    same(status, 0, f"exit status: {bad(out)}{err}")
    check("removed what 1 runs left that were killed" in err, f"it said: {err}")
    same(left(), [], "cgroups left behind")


@test("two at once do not disturb each other")
def _():
    both = [begin(), begin()]
    for p in both:
        out, err = p.communicate(timeout=PATIENCE)
        same(p.returncode, 0, f"exit status: {bad(out)}{err}")
    same(left(), [], "cgroups left behind")


@test("who may not make a cgroup is told so, and what to do")
def _():
    status, out, err = verify("--socket", agent.socket, user=65534, group=65534)
    same((status, out), (1, ""), "exit status and output")
    check(len(err.splitlines()) == 1 and "run it as root" in err, f"it said: {err}")
    between(len(left()), 0, 0, "cgroups")


main(setup)
