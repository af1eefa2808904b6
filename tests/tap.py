# SPDX-License-Identifier: Apache-2.0
"""Tests as functions with a sentence for a name, reported as TAP.

    @test("a quiet cgroup has no metrics")
    def _():
        same(count(), 0, "metrics")

    main()

A test passes when it returns, is skipped when it raises Skip, and fails on any
other exception. What it hands to defer() is undone when it ends, newest first;
what is handed over before the first test is undone when the suite ends, however
it ends.

A test that fails is run again, twice at most, if something that is none of the product's
was measured meanwhile (`watch`, which tests/disturbed.py sets for live suites). One that
passes then is said to have passed when run again; one that fails each time tells why each
time. Where nothing disturbs, nothing is run again. So is one that raises Busy, which is
skipped in the end.
"""

import os
import shutil
import signal
import sys
import traceback

tests = []
deferred = []
hints = {}  # what a test that fails says besides: functions, by a word for what they tell
ATTEMPTS = 3
restores = []  # functions that put back what tests share, before one is run again
watch = None  # begins to look for disturbances; returns what tells of those since: a list


class Failed(Exception):
    """An expectation that did not hold; the message says which."""


class Skip(Exception):
    """This machine lacks what the test needs; the message says what."""


class Missing(Skip):
    """Something that `make deps` installs is not here; the message says what. It is a
    failure where ASSAY_NEED_ALL is set: in CI no test goes missing with its tool."""


class Busy(Skip):
    """The machine did something else just now, so that nothing can be said."""

    def __str__(self):
        return "the machine was busy: " + super().__str__()


def test(name):
    """Registers the decorated function as the test of this name."""
    def register(function):
        tests.append((name, function))
        return function
    return register


def diag(text):
    """Prints diagnostics, each line behind a '#'."""
    for line in str(text).splitlines():
        print("#", line, flush=True)


def defer(function, *args):
    """Calls function(*args) when the running test (or the suite) ends."""
    deferred.append((function, args))


def check(condition, text):
    if not condition:
        raise Failed(text)


def same(got, want, what):
    """Exactly equal."""
    check(got == want, f"{what}: got {got}, want {want}")


def need_tools(*names):
    """Programs that `make deps` installs."""
    for name in names:
        if not shutil.which(name):
            raise Missing(f"no {name} here: make deps installs it")


def near(got, want, share, what):
    """Equal but for a share of what is wanted: 0.01 is one per cent."""
    off = abs(got - want) / abs(want) if want else float("inf") if got else 0
    text = f"{what}: got {got:.9g}, want {want:.9g}, off by {100 * off:.3f} %"
    diag(text)
    check(off <= share, text + f", allowed {100 * share:g} %")


def between(got, low, high, what):
    check(low <= got <= high, f"{what}: got {got}, want {low} to {high}")


def call(what, function, *args):
    """One step of several, of which a failing one stops no other."""
    try:
        function(*args)
    except Exception as e:
        diag(f"{what}: {type(e).__name__}: {e}")


def undo(depth):
    """Undoes what was deferred since depth."""
    while len(deferred) > depth:
        function, args = deferred.pop()
        call("clean-up", function, *args)


def run_one(function, keep=False):
    """Returns None, or a pair: 'not ok', 'skip' or 'busy', and the reason. keep: what was
    deferred by a function that returned is kept for later."""
    depth = len(deferred)
    try:
        function()
        if keep:
            depth = len(deferred)
        return None
    except Busy as e:
        return "busy", str(e)
    except Missing as e:
        return "not ok" if os.environ.get("ASSAY_NEED_ALL") else "skip", str(e)
    except Skip as e:
        return "skip", str(e)
    except Failed as e:
        return "not ok", str(e)
    except Exception:
        return "not ok", traceback.format_exc()
    finally:
        undo(depth)


def in_a_line(reason):
    """The first line, or of a traceback the last."""
    lines = reason.strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback") else 0]


def run_again(function, keep=False):
    """Runs a test as often as it takes. Returns how it ended, as run_one() does: one that
    ever failed, and never passed, has failed. And a line for each attempt that came to
    nothing: why, and what disturbed it."""
    told, failed = [], None
    while True:
        disturbances = watch() if watch else list
        result = run_one(function, keep)
        if result is None:
            return None, told
        if result[0] == "skip":
            return failed or result, told
        causes = disturbances()
        told.append("; ".join([in_a_line(result[1]), *causes]))
        if result[0] == "not ok":
            failed = result
        if len(told) == ATTEMPTS or (result[0] == "not ok" and not causes):
            return failed or result, told
        diag(result[1])
        diag(f"attempt {len(told)} of at most {ATTEMPTS}: {told[-1]}")
        while restores:
            call("what is shared", restores.pop())


def give_hints():
    for what, function in hints.items():
        try:
            diag(f"{what}: {function()}")
        except Exception as e:
            diag(f"{what}: {type(e).__name__}: {e}")


def report(number, name, result, told):
    """Says how a test has ended; returns whether it failed."""
    if result is None:
        print(f"ok {number} - {name}", flush=True)
        if told:
            diag(f"passed when run again: {number} - {name}: {' | '.join(told)}")
        return False
    if result[0] != "not ok":
        print(f"ok {number} - {name} # SKIP {result[1]}", flush=True)
        return False
    print(f"not ok {number} - {name}", flush=True)
    diag(result[1])
    for attempt, why in enumerate(told if len(told) > 1 else [], 1):
        diag(f"attempt {attempt} of {len(told)}: {why}")
    give_hints()
    return True


def main(setup=None):
    """Runs the tests named on the command line by number (all by default). What
    setup() makes stays until the suite ends; when it fails, every test does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [int(a) for a in sys.argv[1:]] or range(1, len(tests) + 1)
    failed = 0
    try:
        print(f"1..{len(chosen)}", flush=True)
        broken, _ = run_again(setup, keep=True) if setup else (None, None)
        for number, i in enumerate(chosen, 1):
            name, function = tests[i - 1]
            hints.clear()
            restores.clear()
            result, told = (broken, []) if broken else run_again(function)
            failed += report(number, name, result, told)
    finally:
        undo(0)
    sys.exit(1 if failed else 0)


def need_root():
    """Ends the suite as skipped when it is not run by root."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
