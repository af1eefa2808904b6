#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`assay verify` where a file system lies on a disk and each cgroup has its own requests:
reads and writes past the page cache are looked at, too."""
# vm: kernels=6.1,6.12 ci=none drive=size=64M modules=ext4

import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, PATIENCE, Agent, cgroup_root
from tap import check, diag, main, need_root, same, test

need_root()

DRIVE = "/dev/nvme0n1"
agent = None


def setup():
    global agent
    for command in (["mkfs.ext2", "-q", DRIVE], ["mount", DRIVE, "/var/tmp"]):
        subprocess.run(command, check=True, capture_output=True)
    with open(cgroup_root() + "/cgroup.subtree_control", "w") as f:
        f.write("+io")
    agent = Agent()


@test("nothing is skipped, and all is right")
def _():
    p = subprocess.run([ASSAY, "verify", "--socket", agent.socket], capture_output=True,
                       text=True, timeout=PATIENCE * 2)
    lines = p.stdout.splitlines()
    for line in lines:
        diag(line)
    same([line for line in lines[:-2] if not line.startswith("ok ")], [], "not right")
    same(p.returncode, 0, f"exit status ({p.stderr})")
    check(sum(" block " in line for line in lines) == 3, "no requests were looked at")


main(setup)
