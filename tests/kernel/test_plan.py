#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The memory plan is what the kernel takes, and what the agent goes by."""
# vm: kernels=cpus16,cpus64,rt,fallbacks ci=none
# vm: modules=veth,sch_tbf memory=3072 timeout=600

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from exports import Exports
from node import Agent, least_memory
from tap import Skip, between, check, diag, main, need_root, same, test

need_root()


def stopped(agent):
    """What an agent has exported up to its end."""
    agent.stop()
    return Exports(agent.exports)


def value(exports, metric, **attributes):
    return exports.sum(metric, lambda resource: True, **attributes)


@test("the maps take as much memory as is planned, by what the kernel says")
def _():
    with open("/sys/kernel/btf/vmlinux", "rb") as btf:
        if b"\0map_mem_usage\0" not in btf.read():  # 6.4 and later
            raise Skip("this kernel only guesses what a map takes")
    for memory in "64MiB", least_memory(), "200MiB":
        agent = Agent("--memory", memory)
        agent.need("sched", "syscall", "tcp", "dns", "block", "memory")
        taken = bpf.memory(agent.pid())
        planned = value(stopped(agent), "assay.map.size")
        diag(f"--memory {memory}: planned {planned}, taken {taken}")
        # pages that are not full, and heads of maps
        between(taken - planned, 0, max(0.01 * taken, 512 << 10), "bytes more than planned")


@test("a default that does not fit becomes less, and the log says so")
def _():
    agent = Agent("--memory", least_memory(256))
    said = agent.said()
    pools = agent.pools()
    exports = stopped(agent)
    slots = value(exports, "assay.slot.limit")
    check(f"{slots} slots instead of 1024" in said, f"it said: {said}")
    between(slots, 256, 512, "slots")
    same({name: value(exports, "assay.pool.limit", pool=name) for name in pools},
         {name: of for name, (_, of) in pools.items()}, "limits of pools")
    # a quarter of them may be busy: at least a shard's series of waits and calls
    check(pools["histograms"][1] > slots // 4 * 24, f"{pools}")


main()
