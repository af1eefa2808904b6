# SPDX-License-Identifier: Apache-2.0
"""Cgroups of the bench's own, of the v2 tree."""

import os

from tools import Unavailable, wait_for


def cgroup_root():
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if " - cgroup2 " in line:
                return line.split()[4]
    raise Unavailable("no cgroup v2 tree is mounted")


class Cgroups:
    """directory/0, directory/1, ...: as many as were asked for."""

    serial = 0

    def __init__(self, count):
        Cgroups.serial += 1
        self.directory = f"{cgroup_root()}/assay-bench-{os.getpid()}-{Cgroups.serial}"
        self.paths = [f"{self.directory}/{i}" for i in range(count)]

    def make(self):
        try:
            os.mkdir(self.directory)
            for path in self.paths:
                os.mkdir(path)
        except BaseException:  # also the end of the bench: nothing stays behind
            self.remove()
            raise

    def remove(self):
        """All of them, once their processes have ended."""
        for path in [*self.paths, self.directory]:
            wait_for(lambda path=path: gone(path), 5, f"{path} to be empty")


def gone(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
