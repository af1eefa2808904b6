#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Round-trip times and losses over a path that we make ourselves, so that they are
known: two network namespaces with a tun device each, and packets that wait 25 ms in
between."""

import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from readings import Change
from tap import Skip, check, defer, diag, main, near, need_root, same, test
from tcp import CONNECT, RESPONSE, RTT, Ends, Steps, total

need_root()

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
CLONE_NEWNET = 0x40000000
NAMES = f"assay-d{os.getpid()}-a", f"assay-d{os.getpid()}-b"
ADDRESSES = "10.78.0.1", "10.78.0.2"
DELAY = 0.025  # one way
path = None
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def enter(path):
    """The calling thread's network namespace from here on."""
    with open(path) as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Path(threading.Thread):
    """Carries packets between the two namespaces, each DELAY after it came."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.late = []  # how much later than that, s
        self.lose = None  # the first packet that holds these bytes is lost
        self.seen = 0  # packets that hold them
        self.error = None
        self.over = False

    def open(self):
        """Our ends of the two tun devices."""
        for name in NAMES:
            enter(f"/run/netns/{name}")
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF,
                        struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
            yield fd

    def run(self):
        try:
            self.fds = list(self.open())
        except OSError as e:
            self.error = e
        self.ready.set()
        if not self.error:
            self.carry()

    def is_lost(self, packet):
        if not self.lose or self.lose not in packet:
            return False
        self.seen += 1
        return self.seen == 1

    def carry(self):
        waiting = collections.deque()  # (when due, to which descriptor, packet)
        while not self.over:
            patience = waiting[0][0] - time.monotonic() if waiting else 0.1
            came, _, _ = select.select(self.fds, [], [], max(patience, 0))
            for fd in came:
                to, packet = self.fds[1 - self.fds.index(fd)], os.read(fd, 65536)
                if not self.is_lost(packet):
                    waiting.append((time.monotonic() + DELAY, to, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                due, to, packet = waiting.popleft()
                self.late.append(time.monotonic() - due)
                try:
                    os.write(to, packet)
                except OSError:
                    pass  # the other end is not up yet: as on any network

    def stop(self):
        self.over = True
        self.join()
        for fd in self.fds:
            os.close(fd)


def setup():
    global path
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun")
    for name in NAMES:
        ip("netns", "add", name)
        defer(ip, "netns", "del", name)
    path = Path()
    path.start()
    path.ready.wait()
    if path.error:
        raise Skip(f"no tun device: {path.error}")
    defer(path.stop)
    for name, address, peer in zip(NAMES, ADDRESSES, reversed(ADDRESSES)):
        ip("-n", name, "addr", "add", address, "peer", peer, "dev", "tun0")
        ip("-n", name, "link", "set", "tun0", "up")
    tcp.setup()


@test("over a path of 50 ms the median round-trip time is 50 ms, within 5 %")
def _():
    steps = Steps("delay", address=ADDRESSES[0], netns=NAMES)
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
        raise Skip("the machine was busy: our path took longer than 50 ms")
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
    ends = Ends("again", SERVER, CLIENT, ADDRESSES[0], netns=NAMES)
    before = total()
    same(ends.client.ask(), "done", "the client")
    took = float(ends.server.reply())
    change = Change(before, total())
    if path.seen < 2:
        raise Skip("the machine was busy: nothing was sent again before the answer")
    same(change.value(ends.groups[0], RESPONSE), 2, "the server's responses")
    seconds = change.seconds(ends.groups[0], RESPONSE)
    check(seconds >= took, f"{seconds} s, of which the application waited {took}")


main(setup)
