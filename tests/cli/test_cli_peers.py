#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What a peer on the socket, or whoever makes a cgroup, may do to a command and to the
terminal of who typed it: nothing."""

import json
import os
import subprocess
import sys
import time
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from commands import fails, record, report, serve
from node import ASSAY, Agent, Cgroup, Load
from tap import between, check, main, need_root, same, test


@test("what is no agent's answer is an error of one line")
def _():
    def broken(pattern, answer):
        fails(1, pattern, "report", "--total", "--socket", serve(answer))
    broken("the agent says: not now", b"error not now\n")
    broken("no assay agent's", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    broken("no assay agent's", b"")
    broken("no assay agent's", b"ok 1x\nA")
    broken("has 3 bytes of 10", b"ok 10\nabc")
    broken("fake.sock: the answer is no assay agent's", b"ok 3\n\xff\xff\xff")
    broken(r"says: a\\x1b\[2Jb\\u202e\\xff$", b"error a\x1b[2Jb\xe2\x80\xae\xff\n")


def peak_kib(*argv):
    """The most memory that the command had, and what it said."""
    small = "import resource as r, subprocess as s, sys; p = s.run(sys.argv[1:]); " \
        "print(p.returncode, r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)"
    p = subprocess.run([sys.executable, "-c", small, ASSAY, *argv], capture_output=True,
                       text=True, timeout=60)
    status, kib = map(int, p.stdout.split())
    same(status, 1, f"exit status ({p.stderr})")
    return kib, p.stderr


def field(number, body):
    """A field of a message, its length in 5 bytes."""
    length = len(body)
    return bytes([number << 3 | 2, *(length >> s & 0x7f | 0x80 for s in (0, 7, 14, 21)),
                  length >> 28]) + body


@test("an answer of 60 MiB that decodes to 6 GiB costs less than 700 MiB")
def _():
    points = b"\x0a\x00" * (30 << 20)
    answer = field(1, field(2, field(2, field(5, points))))
    kib, err = peak_kib("report", "--total", "--socket",
                        serve(b"ok %d\n" % len(answer) + answer))
    check("would take more memory than any agent's" in err, err)
    more = 300 << 10 if "ASAN_OPTIONS" in os.environ else 0  # what is free is kept
    between(kib, 60 << 10, (700 << 10) + more, "KiB of memory")
    kib, err = peak_kib("report", "--total", "--socket", serve(b"ok 9\n" + points * 2))
    check("more than 64 MiB are no answer of an assay agent" in err, err)
    between(kib, 30 << 10, (140 << 10) + more, "KiB of memory")


# The screen is cleared, a line forged, a name turned round; one is cut in a character.
HOSTILE = ("\x1b[2Kesc", "x\rroot", "rtl\u202egnp.exe", "zero\u200bwidth", "c1\u009b31m",
           "\udcff\udcfe", "\\xff\\xfe", "\u6f22" * 60, "\u2067isolate")


def clean(text, what):
    """Bytes that a terminal may get: UTF-8, lines, and nothing that is not to be seen."""
    for c in text.decode("utf-8"):
        check(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"),
              f"U+{ord(c):04x} in {what}")


def shown(*argv):
    p = subprocess.run([ASSAY, *argv], capture_output=True, timeout=60)
    clean(p.stdout, " ".join(argv))
    clean(p.stderr, "stderr of " + " ".join(argv))
    return p.stdout.decode()


SOON = "--history", "none", "--duration", "100ms"
COMMANDS_ASK = (["report", "--total"], ["probes"], ["doctor", "--export=none"], ["tune"],
                ["status"], ["list", "workloads"], ["list", "metrics"],
                ["why", "--node", *SOON], ["hist", "sched.wait.duration", *SOON])


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@test("names of cgroups do not tell a terminal what to do; JSON has each of them")
def _():
    agent = Agent(export="none")
    cgroups = [Cgroup(name) for name in HOSTILE]
    for cgroup in cgroups:
        Load(cgroup, "calls").ask("getppid", 3000)
    time.sleep(0.1)
    out = shown("report", "--total", "--limit", "1000", "--socket", agent.socket)
    # Where there are many workloads the report shortens names.
    whole = shown("list", "workloads", "--socket", agent.socket)
    check("\\x1b[2Kesc" in whole and "\\u202egnp" in whole and "x\\x0droot" in whole, whole)
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("WORKLOAD "))
    last = next(i for i, line in enumerate(lines) if line.startswith("P50, P99: "))
    rows = [line for line in lines[first:last] if not line.startswith("(")]
    check(len(rows) > len(HOSTILE), out)
    same({width(row) for row in rows}, {width(rows[0])}, "widths of the table's lines")
    names = {w["cgroup"] for w in report("--total", "--socket", agent.socket)["workloads"]}
    for cgroup in cgroups:
        path = cgroup.path.replace("\\xf", "\\\\xf")
        path = path.replace("\udcff\udcfe", "\\xff\\xfe")
        check(path in names, f"{path!r} is not in {names}")


@test("a peer on the socket does not tell a terminal what to do")
def _():
    agent, answer = record()
    agent.stop()
    name = os.uname().nodename.encode()
    for old in (b"attached", b"sched", name):
        check(old in answer, f"{old} is not in the agent's answer")
        for evil in (b"\x1b[2J", b"\xe2\x80\xae", b"\r\n", b"\xff\x9b"):
            new = answer.replace(old, (evil * len(old))[:len(old)])
            path = serve(new)
            for argv in COMMANDS_ASK:
                shown(*argv, "--socket", path)
            document = subprocess.run([ASSAY, "report", "--total", "--format", "json",
                                       "--socket", path], capture_output=True).stdout
            json.loads(document or b"{}")


@test("an agent that does not answer is waited for 5 s, not for ever")
def _():
    began = time.monotonic()
    fails(1, "timed out", "report", "--total", "--socket", serve(b"ok 0\n", hang=8))
    check(4.5 < time.monotonic() - began < 7, f"{time.monotonic() - began:.1f} s")


@test("an answer that takes longer is read while it comes")
def _():
    fails(1, "the answer is no assay agent.s", "report", "--total",
          "--socket", serve(b"ok 30\n" + b"\xff" * 30, pause=2.5))


need_root()
main()
