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
"""

import os
import signal
import sys
import traceback

tests = []
deferred = []
hints = {}  # what a test that fails says besides: functions, by a word for what they tell


class Failed(Exception):
    """An expectation that did not hold; the message says which."""


class Skip(Exception):
    """This machine lacks what the test needs; the message says what."""


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


def near(got, want, share, what):
    """Equal but for a share of what is wanted: 0.01 is one per cent."""
    off = abs(got - want) / abs(want) if want else float("inf") if got else 0
    text = f"{what}: got {got:.9g}, want {want:.9g}, off by {100 * off:.3f} %"
    diag(text)
    check(off <= share, text + f", allowed {100 * share:g} %")


def between(got, low, high, what):
    check(low <= got <= high, f"{what}: got {got}, want {low} to {high}")


def undo(depth):
    """Undoes what was deferred since depth; a failing step stops no other."""
    while len(deferred) > depth:
        function, args = deferred.pop()
        try:
            function(*args)
        except Exception as e:
            diag(f"clean-up: {type(e).__name__}: {e}")


def run_one(function, keep=False):
    """Returns None, or a pair: 'not ok' or 'skip', and the reason."""
    depth = len(deferred)
    try:
        function()
        return None
    except Skip as e:
        return "skip", str(e)
    except Failed as e:
        return "not ok", str(e)
    except Exception:
        return "not ok", traceback.format_exc()
    finally:
        if not keep:
            undo(depth)


def give_hints():
    for what, function in hints.items():
        try:
            diag(f"{what}: {function()}")
        except Exception as e:
            diag(f"{what}: {type(e).__name__}: {e}")


def main(setup=None):
    """Runs the tests named on the command line by number (all by default). What
    setup() makes stays until the suite ends; when it fails, every test does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [int(a) for a in sys.argv[1:]] or range(1, len(tests) + 1)
    failed = 0
    try:
        print(f"1..{len(chosen)}", flush=True)
        broken = run_one(setup, keep=True) if setup else None
        for number, i in enumerate(chosen, 1):
            name, function = tests[i - 1]
            hints.clear()
            result = broken or run_one(function)
            if result is None:
                print(f"ok {number} - {name}", flush=True)
            elif result[0] == "skip":
                print(f"ok {number} - {name} # SKIP {result[1]}", flush=True)
            else:
                print(f"not ok {number} - {name}", flush=True)
                diag(result[1])
                give_hints()
                failed += 1
    finally:
        undo(0)
    sys.exit(1 if failed else 0)


def need_root():
    """Ends the suite as skipped when it is not run by root."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
