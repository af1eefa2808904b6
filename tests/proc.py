# SPDX-License-Identifier: Apache-2.0
"""What /proc says of processes and threads: one that ends while it is looked at is none."""

import contextlib
import os


# A sandbox's PID 1 may be one that not even root may look into.
NOT_THERE = FileNotFoundError, ProcessLookupError, PermissionError


def _texts(base, name):
    """(number, text of it, or of the file of this name in it) of each in a directory of
    numbers."""
    try:
        numbers = [int(n) for n in os.listdir(base) if n.isdigit()]
    except NOT_THERE:
        return
    for number in numbers:
        with contextlib.suppress(*NOT_THERE):
            with open(f"{base}/{number}{name}") as f:
                text = f.read()
            yield number, text


def of_threads(pid, name):
    """The texts of such a file of all threads of a process, by their numbers."""
    return dict(_texts(f"/proc/{pid}/task", "/" + name))


def of_processes(name):
    """The same of all processes."""
    return dict(_texts("/proc", "/" + name))


def fdinfo(pid):
    """What the kernel says of each descriptor of a process, by its number."""
    return dict(_texts(f"/proc/{pid}/fdinfo", ""))


def fields(text):
    """Of a line of /proc/PID/stat, from the state on: the name before may be anything."""
    return text.rpartition(")")[2].split()


def schedstat(pid, field):
    """Of each thread the kernel's own count: ns on a CPU (0), ns waited for one (1), how
    often it was given one (2)."""
    return {tid: int(text.split()[field])
            for tid, text in of_threads(pid, "schedstat").items() if text}


def cpu_s(pid):
    """Seconds of CPU time that the threads of a process had, to the nanosecond."""
    return sum(schedstat(pid, 0).values()) / 1e9


def links(pid):
    """Where the descriptors of a process lead, by their numbers."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found
