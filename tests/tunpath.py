# SPDX-License-Identifier: Apache-2.0
"""A path between two network namespaces that we make ourselves, so that its delay and its
losses are known: a tun device at each end, and a thread that carries the packets."""

import collections
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time

from tap import Skip, defer

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
CLONE_NEWNET = 0x40000000
ADDRESSES = "10.78.0.1", "10.78.0.2"
libc = ctypes.CDLL(None, use_errno=True)
serial = 0


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def enter(path):
    """The calling thread's network namespace from here on."""
    with open(path) as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Path(threading.Thread):
    """Carries packets between the two namespaces of these names, each `delay` s after it
    came. It is there until the test ends."""

    def __init__(self, delay):
        global serial
        super().__init__(daemon=True)
        if not os.path.exists("/dev/net/tun"):
            raise Skip("no /dev/net/tun")
        serial += 1
        self.names = [f"assay-p{os.getpid()}-{serial}{end}" for end in "ab"]
        self.delay = delay
        self.ready = threading.Event()
        self.late = []  # how much later than that, s
        self.lose = None  # the first packet that holds these bytes is lost
        self.seen = 0  # packets that hold them
        self.loss = 0  # so much of all packets is lost, by chance
        self.error = None
        self.over = False
        self.fds = []
        for name in self.names:
            ip("netns", "add", name)
            defer(ip, "netns", "del", name)
        self.begin()

    def begin(self):
        self.start()
        self.ready.wait()
        if self.error:
            raise Skip(f"no tun device: {self.error}")
        defer(self.stop)
        for name, address, peer in zip(self.names, ADDRESSES, reversed(ADDRESSES)):
            ip("-n", name, "addr", "add", address, "peer", peer, "dev", "tun0")
            ip("-n", name, "link", "set", "tun0", "up")

    def open(self):
        """Our ends of the two tun devices."""
        for name in self.names:
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
        if random.random() < self.loss:
            return True
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
                    waiting.append((time.monotonic() + self.delay, to, packet))
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
