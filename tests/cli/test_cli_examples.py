#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Every example of --help runs as it stands."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, PATIENCE, Agent, Cgroup, cgroup_root, scratch
from tap import check, defer, main, need_root, test

need_root()

HISTORY_S = 45  # an example compares with 40 s ago
SHOP = """
import time
while True:
    sum(range(20000))
    time.sleep(0.05)
"""


def shop():
    """A busy workload that is called shop/web."""
    for path in "shop", "shop/web":
        if not os.path.isdir(f"{cgroup_root()}/{path}"):
            os.mkdir(f"{cgroup_root()}/{path}")
            defer(os.rmdir, f"{cgroup_root()}/{path}")
    web = Cgroup.__new__(Cgroup)
    web.dir = f"{cgroup_root()}/shop/web"
    p = web.start([sys.executable, "-c", SHOP])
    defer(p.wait)
    defer(p.kill)


def examples(command):
    text = subprocess.run([ASSAY, command, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return [line for line in text.splitlines() if line.startswith("  assay ")]


@test("every example of --help runs as it stands")
def _():
    """With the socket and the history of an agent of ours, and a workload shop/web; lists
    look into the file that an example of snapshot made."""
    shop()
    directory, ran = scratch(), 0
    agent = Agent("--history", directory + "/history.db", "--snapshot-interval", "1s")
    time.sleep(HISTORY_S)
    env = {**os.environ, "ASSAY_SOCKET": agent.socket, "LC_ALL": "C",
           "ASSAY_HISTORY": directory + "/history.db",
           "PATH": os.path.dirname(ASSAY) + ":" + os.environ["PATH"]}
    for command in "why", "report", "hist", "trend", "diff", "snapshot", "list", "tune":
        for line in examples(command):
            p = subprocess.run(line, shell=True, cwd=directory, env=env, text=True,
                               capture_output=True, timeout=PATIENCE)
            check(p.returncode in ([0, 3] if " why " in line else [0]) and p.stdout,
                  f"{line}: status {p.returncode}: {p.stderr}{p.stdout}")
            ran += 1
    check(ran > 15, f"{ran} examples")


main()
