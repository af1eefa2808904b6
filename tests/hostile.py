#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of an agent's socket that mean no good, as many at once as are wanted; what they
did is printed as JSON when their stdin ends.

    hostile.py SOCKET COUNT KIND[,KIND...]
"""

import asyncio
import collections
import json
import os
import socket
import struct
import sys

HOLD_S = 12  # longer than the agent has patience
did = collections.Counter()


class Client:
    """One connection; what it waits for takes HOLD_S at most."""

    def __init__(self, s):
        self.s, self.loop = s, asyncio.get_running_loop()

    async def say(self, data):
        await asyncio.wait_for(self.loop.sock_sendall(self.s, data), HOLD_S)

    async def hear(self, most=65536):
        return await asyncio.wait_for(self.loop.sock_recv(self.s, most), HOLD_S)


async def silent(c):
    await c.hear()


async def deaf(c):
    """Asks for all there is, and reads none of it."""
    await c.say(b"snapshot\n")
    await asyncio.sleep(HOLD_S)


async def slow(c):
    """Reads its answer at 100 bytes a second."""
    await c.say(b"snapshot\n")
    for _ in range(HOLD_S * 5):
        if not await c.hear(20):
            return
        await asyncio.sleep(0.2)


async def dribble(c):
    for byte in b"snapshot and more":
        await c.say(bytes([byte]))
        await asyncio.sleep(1)


async def oversized(c):
    for _ in range(64):
        await c.say(b"x" * 65536)


async def cut(c):
    await c.say(b"snap")


async def gone(c):
    """A whole request, and nobody who reads the answer."""
    await c.say(b"snapshot\n")
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def storm(_):
    pass


def ask(*lines):
    async def kind(c):
        for line in lines:
            await c.say(line)
        while await c.hear():
            pass
    return kind


KINDS = {
    "silent": silent, "deaf": deaf, "slow": slow, "dribble": dribble,
    "oversized": oversized, "cut": cut, "gone": gone, "storm": storm,
    "snapshot": ask(b"snapshot\n"), "status": ask(b"status\n"),
    "tune": ask(b"tune\n"), "exact": ask(b"exact 1000\n"),
    "switch": ask(b"tune dns enabled=false\n"),
    "noise": ask(b"GET / HTTP/1.1\r\n\r\n", b"\0" * 200, b"snapshot\n" * 500),
}


async def be(kind, path):
    """Again and again. A socket whose queue is full says so at once."""
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(path)
            did[kind] += 1
            await KINDS[kind](Client(s))
        except (OSError, asyncio.TimeoutError):
            did["refused"] += 1
        finally:
            s.close()
        await asyncio.sleep(0.01)


async def main(path, count, kinds):
    tasks = [asyncio.create_task(be(kinds[i % len(kinds)], path))
             for i in range(int(count))]  # kept: nobody else holds them
    print("ready", flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    await over.wait()
    print(json.dumps(did | {"clients": len(tasks)}), flush=True)
    os._exit(0)  # with all that they hold: one that is cancelled might go on


if __name__ == "__main__":
    os.nice(19)  # what they take of the CPUs is not what is looked at
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3].split(",")))
