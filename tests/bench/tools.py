# SPDX-License-Identifier: Apache-2.0
"""What every part of the bench needs: paths, building, pinning, waiting."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ASSAY = os.environ.get("ASSAY", os.path.join(TOP, "build", "assay"))
OUT = os.path.join(TOP, "build", "tests", "bench")
BPF = os.path.join(OUT, "bpf")
READS = os.path.join(OUT, "reads")
EMPTY = os.path.join(OUT, "empty.bpf.o")

# The load has the last CPU for itself, whatever measures it runs on the first.
LOAD_CPU = max(os.sched_getaffinity(0))
TOOL_CPU = min(os.sched_getaffinity(0))

BPF_CC = ("ulimit -v 4000000; exec clang -O2 -g -Wall -target bpf -mcpu=v3 "
          "-I/usr/include/$(uname -m)-linux-gnu -c {0} -o {1}")
USER_CC = "exec ${{CC:-cc}} -std=gnu11 -O2 -Wall -Wextra {0} -o {1} -lbpf"


class Unavailable(Exception):
    """Something does not run on this machine: its row is skipped and says why."""


def build():
    """Compiles the helpers of the bench when their source is newer."""
    os.makedirs(OUT, exist_ok=True)
    for source, target, command in (("empty.bpf.c", EMPTY, BPF_CC),
                                    ("bpf.c", BPF, USER_CC),
                                    ("reads.c", READS, USER_CC)):
        source = os.path.join(HERE, source)
        if (os.path.exists(target)
                and os.path.getmtime(target) >= os.path.getmtime(source)):
            continue
        subprocess.run(command.format(source, target), shell=True, check=True)


def note(text):
    """Progress for the person who waits, apart from the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def pinned(cpu, argv):
    return ["taskset", "-c", str(cpu), *map(str, argv)]


def loaded(argv):
    """A load's command: on its CPU, before whatever else wants to run there."""
    first = ("renice -n -20 -p $$ > /dev/null; "
             "echo -20 > /proc/$$/autogroup 2> /dev/null; exec \"$@\"")
    return ["setsid", "-w", *pinned(LOAD_CPU, ["sh", "-c", first, "sh", *argv])]


def run(argv, seconds=60):
    """Runs a command to its end and returns what it wrote."""
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace", timeout=seconds, check=False)
    if p.returncode:
        raise Unavailable(f"{os.path.basename(argv[0])}: exit status "
                          f"{p.returncode}: {p.stdout.strip()[-200:]}")
    return p.stdout


def wait_for(condition, seconds, what):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Unavailable(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def hooks_of(*pids):
    """The raw tracepoints, with repetition, that the programs of these processes are
    on; without a process, all programs of the machine."""
    return sorted(run([BPF, "hooks", *map(str, pids)]).split())


class KernelTime:
    """The kernel's statistics of a process's programs over a with block.

    They tax every program of the machine, so never while wall time is measured."""

    def __init__(self, pid):
        self.pid = pid
        self.programs = {}

    def __enter__(self):
        self.process = subprocess.Popen([BPF, "stats", str(self.pid)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable("the kernel's program statistics cannot be read")
        return self

    def __exit__(self, *_):
        text, _ = self.process.communicate("\n")
        for line in text.splitlines():
            name, runs, ns = line.rsplit(" ", 2)
            before = self.programs.get(name, (0, 0))
            self.programs[name] = (before[0] + int(runs), before[1] + int(ns))

    def ns(self):
        return sum(ns for _, ns in self.programs.values())
