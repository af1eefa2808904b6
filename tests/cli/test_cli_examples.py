#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Every example of --help runs as it stands, and what README and the man page say to a
running agent, and how they start one. (Examples that look back: test_cli_from.py.)"""

import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, PATIENCE, Agent, Cgroup, cgroup_root, scratch
from tap import check, defer, main, need_root, test

need_root()

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
READY_S = 15  # an agent is there by then
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


def documented(*commands):
    """The examples of README and the man page of these commands, without comments."""
    found = set()
    with open(f"{TOP}/README.md", encoding="utf-8") as f:
        found.update(re.findall(r"^    (assay .*?)(?:  +#.*)?$", f.read(), re.M))
    with open(f"{TOP}/docs/assay.1", encoding="utf-8") as f:
        page = f.read().split(".SH EXAMPLES")[1].split("\n.SH")[0]
    found.update(line.replace("\\-", "-") for line in re.findall(r"^\.B (.*assay .*)$", page, re.M))
    return sorted(line for line in found
                  if re.search(f"assay ({'|'.join(commands)})\\b", line) and "..." not in line)


def runs(line, env, directory, statuses=(0,)):
    p = subprocess.run(line, shell=True, cwd=directory, env=env, text=True,
                       capture_output=True, timeout=PATIENCE)
    check(p.returncode in statuses and p.stdout + p.stderr,
          f"{line}: status {p.returncode}: {p.stderr}{p.stdout}")
    return p.stdout + p.stderr


@test("what README and the man page say to a running agent runs as it stands")
def _():
    agent, directory = Agent(), scratch()
    env = {**os.environ, "ASSAY_SOCKET": agent.socket, "ASSAY_EXPORT": "none",
           "PATH": os.path.dirname(ASSAY) + ":" + os.environ["PATH"]}
    lines = documented("doctor", "status", "verify", "bench", "tune", "probes")
    # on again is the last word
    for line in sorted(lines, key=lambda line: "enabled=true" in line):
        runs(line, env, directory)
    check(len(lines) >= 9, f"{len(lines)} examples")


@test("the agents of README and the man page start as they stand, and end when told to")
def _():
    directory = scratch()
    env = {**os.environ, "ASSAY_SOCKET": directory + "/socket", "ASSAY_HISTORY": "none",
           "PATH": os.path.dirname(ASSAY) + ":" + os.environ["PATH"]}
    lines = [line for line in documented("agent") if "/var/lib" not in line]
    for line in lines:
        words = line.replace("assay agent", f"timeout --preserve-status {READY_S} assay agent")
        said = runs(words, env, directory)
        check("ready" in said, f"{line}: was not ready: {said}")
    check(len(lines) >= 3, f"{len(lines)} examples")


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
