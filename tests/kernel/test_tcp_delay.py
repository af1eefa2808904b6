#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Round-trip times and losses over a path that we make ourselves, so that they are
known: two network namespaces with a tun device each, and packets that wait 25 ms in
between."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from readings import Change
from tap import Busy, check, diag, main, near, need_root, same, test
from tcp import CONNECT, RESPONSE, RTT, Ends, Steps, total
from tunpath import ADDRESSES, Path

need_root()

DELAY = 0.025  # one way
path = None


def setup():
    global path
    path = Path(DELAY)
    tcp.setup()


@test("over a path of 50 ms the median round-trip time is 50 ms, within 5 %")
def _():
    steps = Steps("delay", address=ADDRESSES[0], netns=path.names)
    client = steps.groups[1]
    before = total()
    steps.client.ask("connect", 3)
    steps.server.ask("accept", 3)
    steps.talk(60)
    kernel = steps.client.ask("rtt")["rtt"] / 3e6
    after = total()
    change = Change(before, after)
    count = change.value(client, RTT)
    mean = change.seconds(client, RTT) / max(count, 1)
    late = sorted(path.late)
    diag(f"{count} samples, mean {mean * 1e3:.2f} ms, the kernel's now "
         f"{kernel * 1e3:.2f} ms; packets were late by {late[len(late) // 2] * 1e3:.2f} "
         f"ms in the median, {late[-1] * 1e3:.2f} ms at most")
    check(count >= 3, f"{count} samples of 3 connections")
    check(kernel > 0.05, f"the kernel's own estimate is {kernel} s")
    before = total()
    kernel = steps.client.ask("rtt")["rtt"] / 3e6
    steps.client.ask("drop", 1)
    change = Change(before, total())
    same(change.value(client, RTT), 3, "samples at the end of 3 connections")
    near(change.seconds(client, RTT) / 3, kernel, 0.001, "mean at the end and TCP_INFO, s")
    if kernel > 0.0525 or 2 * late[len(late) * 9 // 10] > 0.0025:
        raise Busy("our path took longer than 50 ms")
    points = after.points(client, RTT)
    same(len(points), 1, "points")
    near(points[0]["p50"], 0.05, 0.05, "median and the delay, s")
    near(mean, 0.05, 0.1, "mean and the delay, s")
    connects = after.points(client, CONNECT)
    near(connects[0]["p50"], 0.05, 0.1, "median of connects and the delay, s")


SERVER = """
import socket, sys, time
s = socket.create_server((sys.argv[2], int(sys.argv[1])))
print("ready", flush=True)
c, _ = s.accept()
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c.recv(100)
c.sendall(b"head")
c.sendall(b"lost tail")
c.recv(100)
began = time.monotonic()
time.sleep(2)
took = time.monotonic() - began
c.sendall(b"end")
print(took, flush=True)
c.recv(100)
"""
CLIENT = """
import socket, sys
c = socket.create_connection((sys.argv[2], int(sys.argv[1])))
sys.stdin.readline()
c.sendall(b"one")
assert c.recv(4) == b"head"
c.sendall(b"two")
while not c.recv(100).endswith(b"end"): pass
print("done", flush=True)
sys.stdin.readline()
"""


@test("what of the last answer is sent again does not answer the next request")
def _():
    path.lose = b"lost tail"
    ends = Ends("again", SERVER, CLIENT, ADDRESSES[0], netns=path.names)
    before = total()
    same(ends.client.ask(), "done", "the client")
    took = float(ends.server.reply())
    change = Change(before, total())
    if path.seen < 2:
        raise Busy("nothing was sent again before the answer")
    same(change.value(ends.groups[0], RESPONSE), 2, "the server's responses")
    seconds = change.seconds(ends.groups[0], RESPONSE)
    check(seconds >= took, f"{seconds} s, of which the application waited {took}")


main(setup)
