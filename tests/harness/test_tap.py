#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""tests/tap.py itself: which tests are run again, and what is said of them; and what
tests/disturbed.py takes for somebody else's."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

import disturbed
from tap import between, check, defer, main, same, test

SUITE = f"""
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {TESTS!r})
import tap
from tap import Busy, Skip, check, defer, test
tap.watch = lambda: lambda: disturbances
runs, disturbances = [], []

def nth():
    "Which run of the test this is, and says that it was."
    runs.append(0)
    print("# ran", len(runs), flush=True)
    return len(runs)

@test("it")
def it():
    n = nth()
    CODE
tap.main()
"""


def suite(code, disturbances=()):
    """Runs a suite of one test; returns its exit status, how often it ran, its lines."""
    text = SUITE.replace("CODE", code).replace("runs, disturbances = [], []",
                                               f"runs, disturbances = [], {[*disturbances]}")
    p = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    same(p.stderr, "", "what it said")
    lines = p.stdout.splitlines()
    return p.returncode, sum(line.startswith("# ran ") for line in lines), lines


def verdict(lines):
    found = [line for line in lines if line.startswith(("ok ", "not ok "))]
    same(len(found), 1, "results of one test")
    return found[0]


@test("a test without a tool that make deps installs is skipped, and fails in CI")
def _():
    before = os.environ.pop("ASSAY_NEED_ALL", None)  # as in CI
    defer(os.environ.update, {} if before is None else {"ASSAY_NEED_ALL": before})
    status, _, lines = suite("tap.need_tools('sh', 'no-such-tool')")
    same((status, verdict(lines)),
         (0, "ok 1 - it # SKIP no no-such-tool here: make deps installs it"), "elsewhere")
    os.environ["ASSAY_NEED_ALL"] = "1"
    defer(os.environ.pop, "ASSAY_NEED_ALL")
    status, _, lines = suite("tap.need_tools('no-such-tool')")
    same((status, verdict(lines)), (1, "not ok 1 - it"), "in CI")
    check("# no no-such-tool here: make deps installs it" in lines, lines)
    for code in "tap.need_tools('sh')", "raise Skip('no such thing')":
        same(suite(code)[0], 0, code)


@test("a test that fails while nothing disturbs it is not run again")
def _():
    status, n, lines = suite("check(n > 1, 'the first one fails')")
    same((status, n, verdict(lines)), (1, 1, "not ok 1 - it"), "status, runs, result")


@test("one that is disturbed, and passes then, is ok, and it is said why it was run again")
def _():
    for passes in 2, 3:
        status, n, lines = suite(f"check(n == {passes}, f'run {{n}} fails')",
                                 ["PID 1 ran 7 times"])
        same((status, n, verdict(lines)), (0, passes, "ok 1 - it"), "status, runs, result")
        why = " | ".join(f"run {i} fails; PID 1 ran 7 times" for i in range(1, passes))
        check(f"# passed when run again: 1 - it: {why}" in lines, lines)


@test("one that fails three times is not ok, with all three reasons")
def _():
    status, n, lines = suite("check(False, f'run {n} fails')", ["A", "B"])
    same((status, n, verdict(lines)), (1, 3, "not ok 1 - it"), "status, runs, result")
    for i in 1, 2, 3:
        check(f"# attempt {i} of 3: run {i} fails; A; B" in lines, lines)
    same([line for line in lines if "passed when" in line], [], "said to have passed")


@test("of a reason of many lines the first is told, of a traceback the last")
def _():
    for code, why in (("check(n > 1, 'why\\nand what it said')", "why"),
                      ("assert n > 1, 'why'", "AssertionError: why")):
        _, _, lines = suite(code, ["A"])
        check(f"# passed when run again: 1 - it: {why}; A" in lines, lines)


@test("one that passes at once, or is skipped, is run once whatever disturbs")
def _():
    same(suite("pass", ["A"])[:2], (0, 1), "status, runs")
    status, n, lines = suite("raise Skip('no such thing')", ["A"])
    same((status, n, verdict(lines)), (0, 1, "ok 1 - it # SKIP no such thing"),
         "status, runs, result")


@test("one to which the machine is too busy is run again, and skipped if it stays so")
def _():
    status, n, lines = suite("check(n != 1, '') if n > 1 else (_ for _ in ()).throw(Busy('x'))")
    same((status, n, verdict(lines)), (0, 2, "ok 1 - it"), "status, runs, result")
    check("# passed when run again: 1 - it: the machine was busy: x" in lines, lines)
    status, n, lines = suite("raise Busy('x')")
    same((status, n, verdict(lines)), (0, 3, "ok 1 - it # SKIP the machine was busy: x"),
         "status, runs, result")


@test("one that ever failed and never passed has failed, though it was skipped, too")
def _():
    for skip in "Busy('x')", "Skip('x')":
        status, n, lines = suite("check(n > 1, 'the first one fails'); "
                                 f"raise {skip}", ["A"])
        same((status, verdict(lines)), (1, "not ok 1 - it"), "status, result")


@test("what an attempt deferred is undone before the next one")
def _():
    _, n, lines = suite("defer(print, '# undone', n); check(n > 2, '')", ["A"])
    same([line for line in lines if line.startswith(("# ran", "# undone"))],
         [f"# {what} {i}" for i in (1, 2, 3) for what in ("ran", "undone")], "order")


HOG = """
import sys, time
while time.process_time() < 0.5:
    pass
print("had", flush=True)
sys.stdin.read()
"""


def hog(prefix=()):
    """A process that has had a CPU for half a second, and waits."""
    p = subprocess.Popen([*prefix, sys.executable, "-c", HOG], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    defer(p.wait)
    defer(p.stdin.close)
    same(p.stdout.readline(), "had\n", "the hog")
    return p


@test("the CPU time of a test's own processes is its own, while they live and afterwards")
def _():
    began, before = time.monotonic(), disturbed.ours()
    p = hog()
    between(disturbed.ours() - before, 0.45, time.monotonic() - began + 0.1, "s, of one that lives")
    p.stdin.close()
    p.wait()
    between(disturbed.ours() - before, 0.45, time.monotonic() - began + 0.1, "s, of one that ended")
    before = disturbed.ours()
    hog(("sh", "-c", '"$@"; :', "sh"))
    check(disturbed.ours() - before > 0.45, "the time of a child's child")


@test("that of others is told, and no other")
def _():
    since, before = disturbed.watch(), disturbed.machine()[0] - disturbed.ours()
    # its parent ends, so it is PID 1's
    stranger = subprocess.Popen(["sh", "-c", '"$@" <&3 & :', "sh", sys.executable, "-c", HOG],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: os.dup2(0, 3), close_fds=False)
    defer(stranger.wait)
    defer(stranger.stdin.close)
    same(stranger.stdout.readline(), "had\n", "the hog")
    check(disturbed.machine()[0] - disturbed.ours() - before > 0.4, "time of others")
    check(any("others had a CPU for" in cause for cause in since()), f"told: {since()}")


@test("where it cannot be found out whether PID 1 is hidden, it is not")
def _():
    defer(setattr, disturbed, "COUNTER", disturbed.COUNTER)
    for program in "/nowhere", "/bin/true":
        disturbed.is_init_hidden.cache_clear()
        disturbed.COUNTER = program
        same(disturbed.hidden(7), [], f"what is told with {program}")


main()
