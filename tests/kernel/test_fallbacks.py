#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What old kernels lack is taken away from this one (CONTRIBUTING.md): counts stay what
applications say. Thorough is the lab's guest of that name, see tests/vm/matrix."""

import ctypes
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
import tcp
from node import Agent, Cgroup, Load, scratch
from readings import Change
from tap import between, check, main, need_root, same, test
from tcp import Pair, total

need_root()

VARIABLE = "ASSAY_TEST_FALLBACKS"
GUARD = "BPF_FUNC_user_ringbuf_drain"  # see HAS_GUARD, bpf/kernel.bpf.h
CACHES = 4  # CPU_CACHES
CONNECTS = 200


def agent(names):
    """An agent from which these names are hidden; it is that of tcp.py, too."""
    if tcp.agent:
        tcp.agent.stop()
    os.environ[VARIABLE] = names
    try:
        tcp.agent = Agent()
    finally:
        del os.environ[VARIABLE]
    tcp.agent.need("sched", "syscall", "tcp", "dns", "block", "memory")
    return tcp.agent


def cache_users(pid):
    """Of each CPU the runs that use its caches, or are told that another one does: in the
    last 8 bytes of struct cpu_state. A run that is under way now is gone a moment later,
    so of some readings the least counts."""
    number = next(i for kind, i in bpf.held_by(pid)
                  if kind == "map" and name_of(i) == "cpus")
    fd = bpf.map_open(number)[0]
    info = ctypes.create_string_buffer(80)
    bpf.bpf(bpf.OBJ_GET_INFO_BY_FD,
            struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
    size, entries = struct.unpack_from("II", info.raw, 12)
    least = [255] * CACHES * entries
    for _ in range(20):
        found = []
        for cpu in range(entries):
            at, value = ctypes.c_uint32(cpu), ctypes.create_string_buffer(size)
            bpf.bpf(bpf.LOOKUP, struct.pack("IIQQQ", fd, 0, ctypes.addressof(at),
                                            ctypes.addressof(value), 0))
            found += value.raw[-8:-8 + CACHES]
        least = [min(pair) for pair in zip(least, found)]
    os.close(fd)
    return least


def name_of(map_id):
    fd, name = bpf.map_open(map_id)[:2]
    os.close(fd)
    return name


def works_as_ever():
    """Connections, requests, bytes, refusals, calls and a write to the disk."""
    pair = Pair("talk")
    client, server = pair.ask("talk", 4, CONNECTS // 4, 3)
    same((client["connected"], server["accepted"]), (CONNECTS, CONNECTS), "truth")
    pair.opened(CONNECTS)
    pair.responses(3 * CONNECTS)
    pair.bytes(client, server)
    cgroup = Cgroup("calls")
    load = Load(cgroup, "calls")
    before = total()
    answer = load.ask("getppid", 3000)
    change = Change(before, total())
    same(change.by(cgroup, "assay.syscall.duration", "class")["process"],
         answer["calls"], "calls")
    with open(scratch() + "/file", "wb") as f:
        f.write(b"x" * 65536)
        f.flush()
        os.fsync(f.fileno())


@test("all fallbacks: connections, responses, bytes and calls are the applications'")
def _():
    works_as_ever()


@test("what waits for a CPU is what the kernel says")
def _():
    cgroup = Cgroup("hogs")
    load = Load(cgroup, "spin", 2, max(os.sched_getaffinity(0)))
    before, delay = total(), load.waited()
    load.ask("run", 700)
    delay = load.waited() - delay
    waited = Change(before, total()).seconds(cgroup, "assay.sched.wait.duration")
    between(waited, 0.97 * delay, 1.03 * delay, "s")
    check(delay > 0.2, f"they waited for {delay} s only")


@test("every run does without a CPU's caches then, and none loses count of who is in them")
def _():
    users = cache_users(tcp.agent.pid())
    same(set(users), {1}, "users of each cache")


@test("without the guard only, caches are used, and none stays taken")
def _():
    pid = agent(GUARD).pid()
    works_as_ever()
    same(set(cache_users(pid)), {0}, "users of each cache")


main(lambda: agent("all"))
