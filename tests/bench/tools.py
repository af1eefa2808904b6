# SPDX-License-Identifier: Apache-2.0
"""What every part of the bench needs: paths, building, pinning, waiting."""

import os
import re
import subprocess
import sys
import time

import proc

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ASSAY = os.environ.get("ASSAY", os.path.join(TOP, "build", "assay"))
OUT = os.path.join(TOP, "build", "tests", "bench")
BPF = os.path.join(OUT, "bpf")
WORK = os.path.join(OUT, "work")
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
                                    ("work.c", WORK, USER_CC)):
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


def run(argv, seconds=60, ok=(0,)):
    """Runs a command to its end and returns what it wrote."""
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace", timeout=seconds, check=False)
    if p.returncode not in ok:
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
    lines = run([BPF, "hooks", *map(str, pids)]).splitlines()
    return sorted(line.split()[0] for line in lines)


def programs_of(pid):
    """The numbers of the programs that a process holds."""
    return {number for text in proc.fdinfo(pid).values()
            for number in re.findall(r"^prog_id:\s+(\d+)", text, re.M)}


def holder(number):
    """The process that holds a program."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if number in programs_of(pid):
            try:
                with open(f"/proc/{pid}/comm") as f:
                    return f"{f.read().strip()}[{pid}]"
            except OSError:
                pass
    return "no process: it is being freed"


def strangers(hooks, patience=5):
    """Who holds programs on these hooks, when none is ours.

    The kernel frees the programs of a side that has ended only after a while: those
    are waited for."""
    end = time.monotonic() + patience
    while True:
        lines = [line.split() for line in run([BPF, "hooks"]).splitlines()]
        there = [(hook, number, name) for hook, number, name in lines if hook in hooks]
        if not there or time.monotonic() > end:
            break
        time.sleep(0.05)
    return sorted({holder(number) for _, number, _ in there})


class KernelTime:
    """The kernel's statistics of some processes' programs over a with block.

    They tax every program of the machine, so never while wall time is measured."""

    def __init__(self, pids):
        self.pids = pids
        self.programs = {}  # (hook, name): [runs, ns]

    def __enter__(self):
        self.process = subprocess.Popen([BPF, "stats", *map(str, self.pids)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable("the kernel's program statistics cannot be read")
        return self

    def __exit__(self, *_):
        text, _ = self.process.communicate("\n")
        for line in text.splitlines():
            hook, name, runs, ns = line.split(" ")
            sums = self.programs.setdefault((hook, name), [0, 0])
            sums[0] += int(runs)
            sums[1] += int(ns)
