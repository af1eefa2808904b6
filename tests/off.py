# SPDX-License-Identifier: Apache-2.0
"""Probes that are switched off and on: how, and what a load counts meanwhile."""

from node import Cgroup, Load, free_port, probes
from tap import same

# What may be lost all the same: waits of threads outside our PID namespace, once each
# time (no_storage), what the kernel itself got wrong or skipped, passes on a busy machine.
ALLOWED = "no_storage", "delayed_dequeue", "recursion", "walk_interrupted"


def lost(change):
    """What was lost in a change but for what may be: halves of pairs whose other half the
    kernel skipped (Change.skipped) are no fault of ours, either."""
    return {k: n for k, n in change.lost().items() if k[1] not in ALLOWED and
            not (k[1] == "unpaired" and n <= change.skipped(k[0]))}


class Talk:
    """A server and a client of tests/kernel/tcpload.c."""

    def __init__(self, name):
        port = free_port()
        self.groups = Cgroup(name + "-server"), Cgroup(name + "-client")
        self.server = Load(self.groups[0], "tcpload", "server", "127.0.0.1", port)
        self.client = Load(self.groups[1], "tcpload", "client", "127.0.0.1", port)

    def talk(self):
        """5 connections with 4 requests each."""
        same(self.client.ask("talk", 1, 5, 4)["requests"], 20, "truth")

    def counted(self, change, times):
        names = ("assay.tcp.connections", "assay.tcp.response.duration",
                 "assay.tcp.response.errors")
        for group in self.groups:
            same([change.value(group, n) for n in names], [5 * times, 20 * times, 0],
                 f"connections, responses, errors of {group.path}")


def switch(agent, word, *names):
    """These probes, or all."""
    for name in names or probes():
        agent.tune(name, "enabled=" + word)
