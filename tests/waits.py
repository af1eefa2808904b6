# SPDX-License-Identifier: Apache-2.0
"""How long the threads of a cgroup have waited for a CPU, from the moments of their
wake-ups: tests/kernel/wakes.bpf.c, a program of the tests' own."""

from node import Cgroup, Load


class Waits:
    def __init__(self):
        self.load = Load(Cgroup("truth"), "wakes")

    def of(self, cgroup):
        """What there was since the cgroup was first asked for: the number of waits and
        their ns. clear: from a wake-up or a preemption; moved: those behind a sleep in
        which the kernel began to count (Linux 6.12 and later); half: of who was
        preempted on the way to sleep, which the kernel does not count; unseen: the
        number of those with a wake-up or a move that BPF was not told of, as there are
        machines where it is not while PID 1 runs. moves: tasks moved in their sleep."""
        return self.load.ask("of", cgroup.number)


def since(before, after):
    """What came between two answers; the longest wait is that of all of them."""
    change = {key: after[key] - before[key] for key in after}
    change["longest_ns"] = after["longest_ns"]
    return change
