#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Both ends of known DNS lookups: a resolver that does what the names tell it, and
a client that sends exactly the packets it is told to.

    resolver.py server ADDRESS[#PORT]...
    resolver.py client

A name is ACTION-MS-ANYTHING.test: the action is a key of CODES or "drop", "big" (an
answer of 3000 bytes), "header" (no question in the answer); MS is the delay. Another
name is answered at once: 127.0.0.1 or ::1. Each request is a line of JSON on stdin,
and so is the answer to it on stdout.

The server's "log" is a list of [action, address, port, id, name, seconds from the
arrival to the answer or null, when it arrived by the monotonic clock]. The client's "ask" is a list of [at, socket, id, name,
type]: when to send in seconds, from which of its sockets, and what; to all of the
ADDRESS,ADDRESS... that it is given, an empty one is a pause. It answers with [code or null, seconds or null] for
each query, those sent again taken together; the code is "unreachable" when that is
what the kernel says to the socket.
"""

import heapq
import json
import select
import socket
import struct
import sys
import time

CODES = {"ok": 0, "formerr": 1, "servfail": 2, "nx": 3, "notimp": 4, "refused": 5,
         "big": 0, "header": 1}
A, AAAA = 1, 28


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def question(name, qtype):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split("."))
    return labels + b"\0" + struct.pack("!HH", qtype, 1)


def read_question(packet):
    """The name, the type, and where the question ends."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from("!H", packet, at + 1)[0], at + 5


def answer(packet, action):
    name, qtype, end = read_question(packet)
    code = CODES.get(action, 0)
    flags = 0x8180 | code
    if action == "header":
        return packet[:2] + struct.pack("!5H", flags, 0, 0, 0, 0)
    data = {A: b"\x7f\0\0\1", AAAA: b"\0" * 15 + b"\1"}.get(qtype)
    count = 1 if code == 0 and data else 0
    record = struct.pack("!HHHIH", 0xc00c, qtype, 1, 0, len(data)) + data if count else b""
    if action == "big":
        count = 3000 // len(record)
    return (packet[:2] + struct.pack("!5H", flags, 1, count, 0, 0) + packet[12:end] +
            record * count)


class Server:
    def __init__(self, addresses):
        self.sockets = []
        for address in addresses:
            s = socket.socket(family(address), socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            address, _, port = address.partition("#")
            s.bind((address, int(port or 53)))
            self.sockets.append(s)
        self.log = []
        self.due = []

    def receive(self, s):
        packet, peer = s.recvfrom(4096)
        now = time.monotonic()
        name = read_question(packet)[0]
        action, _, rest = name.partition("-")
        delay = 0
        if action != "drop" and action not in CODES:
            action = "ok"
        elif rest:
            delay = int(rest.split("-")[0]) / 1000
        entry = [action, peer[0], peer[1], struct.unpack_from("!H", packet)[0], name,
                 None, now]
        self.log.append(entry)
        if action != "drop":
            heapq.heappush(self.due, (now + delay, len(self.log), s, peer, packet,
                                      now, entry))

    def send(self):
        while self.due and self.due[0][0] <= time.monotonic():
            _, _, s, peer, packet, began, entry = heapq.heappop(self.due)
            packet = answer(packet, entry[0])
            entry[5] = time.monotonic() - began
            s.sendto(packet, peer)

    def run(self):
        say({"ready": True})
        while True:
            wait = max(0, self.due[0][0] - time.monotonic()) if self.due else None
            ready, _, _ = select.select([sys.stdin, *self.sockets], [], [], wait)
            self.send()
            for s in ready:
                if s is not sys.stdin:
                    self.receive(s)
            self.send()
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                say(self.log)
                self.log = []


class Client:
    def __init__(self):
        self.sockets = {}

    def socket_of(self, where, number):
        """The client's socket with this number: connected or not. Its port is where[2]
        and the number, if there is one."""
        key = tuple(where), number
        if key not in self.sockets:
            address, connected, *port = where
            s = socket.socket(family(address), socket.SOCK_DGRAM)
            if port:
                s.bind(("", port[0] + number))
            if connected:
                s.connect((address, 53))
            self.sockets[key] = s
        return self.sockets[key]

    def send(self, where, number, packet):
        s = self.socket_of(where, number)
        if where[1]:
            s.send(packet)
        else:
            for address in where[0].split(","):
                if address:
                    s.sendto(packet, (address, 53))
                else:
                    time.sleep(0.05)

    def ask(self, where, queries, patience):
        """where is [addresses, connected] or [addresses, connected, port]."""
        results = {}
        for _, number, ident, name, qtype in queries:
            self.socket_of(where, number)
            results[number, ident, name, qtype] = [None, None, None]
        sockets = {self.socket_of(where, n): n for _, n, *_ in queries}
        todo = sorted(map(tuple, queries))
        began = time.monotonic()
        while True:
            now = time.monotonic() - began
            if todo and todo[0][0] <= now:
                _, number, ident, name, qtype = todo.pop(0)
                packet = (struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) +
                          question(name, qtype))
                result = results[number, ident, name, qtype]
                if result[2] is None:
                    result[2] = time.monotonic()
                self.send(where, number, packet)
                continue
            missing = any(r[0] is None for r in results.values())
            if now > patience or not (todo or missing):
                break
            wait = todo[0][0] - now if todo else patience - now
            for s in select.select(sockets, [], [], max(0, wait))[0]:
                self.receive(s, sockets[s], results)
        for s in list(self.sockets.values()):
            s.close()
        self.sockets = {}
        return [[code, seconds] for code, seconds, _ in results.values()]

    def receive(self, s, number, results):
        try:
            packet = s.recv(65536)
        except OSError:  # an ICMP error
            now = time.monotonic()
            for key, result in results.items():
                if key[0] == number and result[2] is not None and result[0] is None:
                    result[:2] = "unreachable", now - result[2]
            return
        now = time.monotonic()
        ident, flags, count = struct.unpack_from("!3H", packet)
        if count:
            name, qtype, _ = read_question(packet)
            keys = [(number, ident, name, qtype)]
        else:
            keys = [k for k in results if k[:2] == (number, ident)]
        for key in keys:
            result = results.get(key)
            if result and result[0] is None:
                result[:2] = flags & 15, now - result[2]

    def flood(self, where, count):
        """Queries that nobody will answer: a key for each."""
        for n in range(count):
            self.send(where, n >> 16, struct.pack("!6H", n & 0xffff, 0x0100, 1, 0, 0, 0)
                      + question("drop-0-flood.test", A))
        return count

    def resolve(self, names):
        """Through the C library, as /etc/resolv.conf says."""
        results = []
        for name in names:
            try:
                results.append(len(socket.getaddrinfo(name, 80,
                                                      type=socket.SOCK_STREAM)))
            except socket.gaierror as e:
                results.append(e.errno)
        return results

    def run(self):
        say({"ready": True})
        for line in sys.stdin:
            what, *args = json.loads(line)
            say(getattr(self, what)(*args))


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "server":
        # unbuffered input: select must not be fooled by what Python has read already
        sys.stdin = open(0, "rb", buffering=0)
        Server(sys.argv[2:]).run()
    else:
        Client().run()
