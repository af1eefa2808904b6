#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gauges of small tables (bpf/cell.h, enum small_table) say what is in them."""
# vm: kernels=rt,fallbacks ci=none

import os
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import PATIENCE, Agent, wait_for
from tap import between, check, main, need_root, same, test

need_root()

PORTS = 200
agent = None


def setup():
    global agent
    agent = Agent("--probes", "tcp,memory,block")
    agent.need("tcp", "memory", "block")


def used(pool):
    return agent.pools()[pool]


def in_map(table):
    return len(bpf.hashes(agent.pid()).get(table, ()))


def agrees(pool, table):
    """What the gauge says is what the table has; others may come and go meanwhile."""
    before, (said, limit), after = in_map(table), used(pool), in_map(table)
    between(said, min(before, after) - 1, max(before, after) + 1, f"usage of {pool}")
    same(limit, bpf.entries(agent.pid(), table), f"limit of {pool}")
    return said


def listeners(n):
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    same(len({s.getsockname()[1] for s in found}), n, "ports")
    return found


@test("ports that are listened on are counted as they come and go")
def _():
    before = agrees("ports_listened_on", "tcp_listeners")
    check(before < 2000, f"{before} ports before")
    sockets = listeners(PORTS)
    wait_for(lambda: used("ports_listened_on")[0] >= before + PORTS - 5, PATIENCE,
             "the ports")
    between(agrees("ports_listened_on", "tcp_listeners"), before + PORTS - 5,
            before + PORTS + 5, "ports with them")
    # a second one on the same port is no further entry
    port = sockets[0].getsockname()[1]
    more = socket.create_server(("127.0.0.2", port))
    agrees("ports_listened_on", "tcp_listeners")
    for s in sockets + [more]:
        s.close()
    wait_for(lambda: used("ports_listened_on")[0] <= before + 5, PATIENCE,
             "the ports to go")
    agrees("ports_listened_on", "tcp_listeners")


@test("a probe that is off keeps none, and finds them again")
def _():
    sockets = listeners(PORTS)
    agent.tune("tcp", "enabled=false")
    same(used("ports_listened_on")[0], 0, "ports while it is off")
    same(in_map("tcp_listeners"), 0, "entries while it is off")
    agent.tune("tcp", "enabled=true")
    check(agrees("ports_listened_on", "tcp_listeners") >= PORTS, "all are found again")
    for s in sockets:
        s.close()


@test("the other small tables agree, too")
def _():
    agrees("reclaims", "reclaims")
    agrees("disks", "disks")


main(setup)
