# SPDX-License-Identifier: Apache-2.0
"""What disturbs a live test and is none of the product's, measured: tap.py runs a test
again that fails while there is any of it.

- PID 1. There are machines where BPF is told nothing of its threads: not of the switches
  away from them, and not of what happens in interrupts meanwhile. A sleep, a wait, a
  request may be missing then. Whether this machine is one is found out once.
- Time that a hypervisor stole.
- CPU time that processes had which are not of this suite.
- The wall clock: when it is set, all series of an export begin anew.
"""

import functools
import os
import subprocess
import time

import proc
import tap

TICK = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count()
LEAST_S = 0.05  # of others or of a hypervisor, and
LEAST_SHARE = 0.05  # of the time of one CPU: less is on every machine
STEP_S = 0.05  # of the wall clock
RUNS_TO_SEE = 5  # of PID 1: in fewer nothing is found out
COUNTER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build",
                       "tests", "init")
# Two processes that end, the second without a parent but PID 1: that runs then.
ORPHAN = ["sh", "-c", "(sleep 0.01 &)"]


class Runs(dict):
    """How often each of some threads was given a CPU."""

    def __sub__(self, before):
        """How often since then; of threads that have ended it is not known: some."""
        return sum(n - before.get(tid, 0) for tid, n in self.items()) + \
            5 * len(before.keys() - self.keys())


def runs_of_init():
    """Of PID 1's threads."""
    return Runs(proc.schedstat(1, 2))


def told(counter):
    """How often BPF was told of a switch away from PID 1 so far."""
    counter.stdin.write(b"switches\n")
    counter.stdin.flush()
    line = counter.stdout.readline().decode()
    tap.check(line.startswith("switches="), f"the program that counts PID 1 said: {line!r}")
    return int(line.split("=")[1])


@functools.cache
def is_init_hidden():
    """Whether BPF is told of less than nine tenths of the switches away from PID 1, by a
    program of our own (tests/kernel/init.bpf.c) against the kernel's count of its runs.
    False where PID 1 hardly runs in three seconds, though it is given cause."""
    with subprocess.Popen([COUNTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as counter:
        try:
            tap.check(counter.stdout.readline() == b"ready=1\n", f"{COUNTER} does not run")
            before, seen, end = runs_of_init(), -told(counter), time.monotonic() + 3
            while runs_of_init() - before < RUNS_TO_SEE and time.monotonic() < end:
                subprocess.run(ORPHAN, check=True)
                time.sleep(0.02)
            runs = runs_of_init() - before
            seen += told(counter)
        finally:
            counter.kill()
    # those that run at this moment have not been switched away
    found = runs >= RUNS_TO_SEE and seen < 0.9 * runs - CPUS
    tap.diag(f"PID 1 ran {runs} times, BPF was told of {seen}"
             + (": it is hidden from it" if found else ""))
    return found


class HiddenRuns:
    """How often PID 1 runs, from now on, on a machine where that is hidden from BPF: for
    numbers of which each run may hide some. Elsewhere 0."""

    def __init__(self):
        self.before = runs_of_init() if is_init_hidden() else None

    def count(self):
        return 0 if self.before is None else runs_of_init() - self.before


def machine():
    """Seconds of CPU time since the start: all that was had, and all that was stolen."""
    with open("/proc/stat") as f:
        ticks = [int(word) for word in f.readline().split()[1:]]
    return sum(ticks[:3]) / TICK, (ticks[7] if len(ticks) > 7 else 0) / TICK


def stats():
    """Of each process (its parent, its CPU time with that of its dead children, in s)."""
    found = {}
    for pid, text in proc.of_processes("stat").items():
        fields = proc.fields(text)
        found[pid] = int(fields[1]), sum(map(int, fields[11:15])) / TICK
    return found


def ours():
    """Seconds of CPU time that this process and all below it had so far."""
    found, own = stats(), os.getpid()
    below = {own}
    while True:
        more = {pid for pid, (parent, _) in found.items() if parent in below} - below
        if not more:
            return sum(found[pid][1] for pid in below if pid in found)
        below |= more


def hidden(ran):
    """What tells of so many runs of PID 1, if they are hidden and that is known."""
    try:
        if ran and is_init_hidden():
            return [f"PID 1 ran {ran} times, which is hidden from BPF"]
    except (tap.Failed, OSError) as e:
        tap.diag(f"whether PID 1 is hidden from BPF is not known: {e}")
    return []


def wall():
    """What the wall clock is ahead of the time since boot, in s: it changes when it is set.
    Of tries, as one may be interrupted between the two clocks, and is less then."""
    return max(time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)
               for _ in range(5))


def watch():
    """Begins to look. What it returns tells what there was since then: a list of texts,
    empty where nothing disturbs."""
    began, runs, own, (had, stolen) = time.monotonic(), runs_of_init(), ours(), machine()
    ahead = wall()

    def since():
        seconds = time.monotonic() - began
        now, now_stolen = machine()
        step = wall() - ahead
        others, steal = now - had - (ours() - own), now_stolen - stolen
        least = max(LEAST_S, LEAST_SHARE * seconds)
        causes = []
        if steal > least:
            causes.append(f"{steal:.2f} s of {seconds:.1f} s were stolen")
        if others > least:
            causes.append(f"others had a CPU for {others:.2f} s of {seconds:.1f} s")
        if abs(step) > STEP_S:
            causes.append(f"the wall clock was set by {step:+.3f} s")
        return causes + hidden(runs_of_init() - runs)
    return since


def begin():
    """Has tests that fail run again where they were disturbed. ASSAY_TEST_ONCE: not."""
    if "ASSAY_TEST_ONCE" not in os.environ:
        tap.watch = watch
