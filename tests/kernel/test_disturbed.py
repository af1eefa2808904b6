#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Whether BPF is told of PID 1 is found out by measurement: where PID 1 is a process of our
own, in a PID namespace of its own, it is, whatever this machine's is."""
# vm: kernels=6.1,6.12,7.x ci=none

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import disturbed
from node import IN_GUEST, PATIENCE
from tap import between, check, diag, main, need_root, same, test

need_root()

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# PID 1 naps until its child has looked.
NAPS = f"""
import subprocess, sys, time
p = subprocess.Popen([sys.executable, "-c", "import sys; sys.path.insert(0, {TESTS!r}); "
                      "import disturbed; print(disturbed.is_init_hidden())"])
while p.poll() is None:
    time.sleep(0.005)
sys.exit(p.returncode)
"""


def look(code):
    p = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                        sys.executable, "-B", "-c", code], capture_output=True, text=True,
                       timeout=PATIENCE)
    same((p.returncode, p.stderr), (0, ""), "exit status and what it said")
    diag(p.stdout)
    return p.stdout


@test("BPF is told of each run of a PID 1 that is our own")
def _():
    found = re.search(r"PID 1 ran (\d+) times, BPF was told of (\d+)", look(NAPS))
    check(found, "it did not look")
    ran, told = map(int, found.groups())
    check(ran >= disturbed.RUNS_TO_SEE, "it hardly ran")
    # it runs between the two looks, too, of which a slow machine takes its time
    between(told, ran / 2, 2 * ran + disturbed.CPUS, "runs that it was told of")


@test("so it is not hidden, and a guest's is not, either")
def _():
    same(look(NAPS).splitlines()[-1], "False", "whether it is hidden")
    hidden = disturbed.is_init_hidden()
    runs = disturbed.HiddenRuns()
    if IN_GUEST:
        check(not hidden, "a guest's PID 1 is hidden")
    if not hidden:
        same(runs.count(), 0, "hidden runs")


main()
