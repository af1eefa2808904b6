#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TCP over a network that is slow or loses packets, as netem makes one. Needs a guest:
ASSAY_VM_MODULES="sch_netem veth" tests/vm/run KERNEL tests/vm/test_net.py"""
# vm: kernels=6.1,6.12,7.x ci=none modules=sch_netem,veth timeout=400

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from readings import Change
from tap import Skip, between, check, diag, main, near, need_root, same, test
from tcp import (FAILED, OPENED, RETRANSMITS, RTT, SYN_RETRANSMITS, Pair, Steps, Wire,
                 total)

need_root()
tcp.SETTLE = 1.0  # a guest without KVM takes its time


def setup():
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    tcp.setup()


def netem(wire, towards, *what):
    """What happens to packets on their way to one of the two ends."""
    p = subprocess.run(["tc", "-n", wire.router, "qdisc", "replace", "dev",
                        f"veth{towards + 1}", "root", "netem", *what],
                       capture_output=True, text=True)
    if p.returncode:
        raise Skip(f"no netem: {p.stderr.strip()}")


@test("round-trip times over a path of 50 ms are the kernel's, within 5 % if those are")
def _():
    wire = Wire()
    netem(wire, 0, "delay", "50ms")  # one way: the answer comes at once
    steps = Steps("delay", address="10.77.1.2", netns=wire.names)
    client = steps.groups[1]
    steps.client.ask("connect", 3)
    steps.server.ask("accept", 3)
    for _ in range(5):  # a guest on a busy machine adds its own, now and then
        before = total()
        steps.talk(20)
        kernel = steps.client.ask("rtt")["rtt"] / 3e6
        change = Change(before, total())
        count = change.value(client, RTT)
        mean = change.seconds(client, RTT) / max(count, 1)
        diag(f"{count} samples, mean {mean * 1e3:.2f} ms, now {kernel * 1e3:.2f} ms")
        between(count, 3, 60, "samples of 3 connections that are busy for seconds")
        between(mean, 0.05, 0.2, "mean, s")
        if kernel < 0.0525:
            break
    before = total()
    kernel = steps.client.ask("rtt")["rtt"] / 3e6
    steps.client.ask("drop", 1)
    change = Change(before, total())
    same(change.value(client, RTT), 3, "samples at the end of 3 connections")
    mean = change.seconds(client, RTT) / 3
    near(mean, kernel, 0.001, "mean and TCP_INFO, s")
    if kernel < 0.0525:
        near(mean, 0.05, 0.05, "mean and the delay, s")


def ratio(wire, before):
    """Retransmitted segments of all that were sent, by either end: [(again, all)]."""
    return [tuple(wire.snmp(i, key) - was for key, was in zip(SENT, before[i]))
            for i in (0, 1)]


SENT = "RetransSegs", "OutSegs"


@test("with 5 % loss the share of segments sent again is the kernel's")
def _():
    wire = Wire()
    for end in 0, 1:
        netem(wire, end, "loss", "5%")
    pair = Pair("loss", "-r", 100000, "-s", 100000, address="10.77.1.2",
                netns=wire.names)
    before = [[wire.snmp(i, key) for key in SENT] for i in (0, 1)]
    client, server = pair.ask("talk", 4, 4, 6)
    truth = ratio(wire, before)
    seen = pair.both(RETRANSMITS)
    for end, (again, sent), ours in zip(("server", "client"), truth, seen):
        diag(f"{end}: {again} of {sent} segments sent again, we say {ours}")
        check(again > 10, "too little was lost")
        between(ours / sent - again / sent, -0.005, 0.005, "difference of the shares")
    pair.bytes(client, server)
    pair.responses(96)


@test("SYNs that are lost and sent again are TCPSynRetrans")
def _():
    wire = Wire()
    netem(wire, 0, "loss", "20%")
    steps = Steps("syn", address="10.77.1.2", netns=wire.names)
    truth = -wire.netstat(1, "TCPSynRetrans")[0]
    before = total()
    answer = steps.client.ask("epoll", 150)
    change = Change(before, total())
    truth += wire.netstat(1, "TCPSynRetrans")[0]
    diag(f"{answer}; TCPSynRetrans {truth}")
    check(truth > 10, "too few were lost")
    client = steps.groups[1]
    same(change.value(client, SYN_RETRANSMITS), truth, "sent again")
    same((change.value(client, OPENED), change.value(client, FAILED)),
         (answer["connected"], answer["failed"]), "connections, errors")


@test("a request whose packets are lost is slow, and one response")
def _():
    wire = Wire()
    steps = Steps("slow", address="10.77.1.2", netns=wire.names)
    steps.client.ask("connect", 10)
    steps.server.ask("accept", 10)
    steps.talk(1)
    before = total()
    netem(wire, 0, "loss", "100%")
    steps.server.tell("answer", 1)
    steps.client.tell("ask", 1)
    time.sleep(0.3)
    netem(wire, 0, "delay", "0ms")
    steps.client.reply()
    steps.server.reply()
    change = Change(before, total())
    client = steps.groups[1]
    tcp.answered(change, steps.groups, 10)
    check(change.value(client, RETRANSMITS) >= 1, "nothing was sent again")
    check(change.seconds(client, tcp.RESPONSE) > 0.3, "the client did not wait")


main(setup)
