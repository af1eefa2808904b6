#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A file system (FUSE) with one file, `file`, of which each read takes a while.
usage: slowfs.py DIRECTORY WAIT_MS"""

import ctypes
import errno
import os
import struct
import sys
import time

ROOT, FILE = 1, 2
SIZE = 16 << 20
DIRECTORY_MODE, FILE_MODE = 0o40755, 0o100444
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 14, 15, 18, 25, 26, 36, 42)
ENOENT, ENOSYS = 2, 38
IN, OUT = "=IIQQIIIHH", "=IiQ"  # what each request and each reply begins with
KNOWN_S = 3600  # attributes may be kept so long
DIRECT_IO = 1  # each read is asked for here
libc = ctypes.CDLL(None, use_errno=True)


def attributes(node):
    mode, size = (DIRECTORY_MODE, 0) if node == ROOT else (FILE_MODE, SIZE)
    return struct.pack("=6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0,
                       0, 4096, 0)


def init(_node, body):
    major, minor = struct.unpack_from("=II", body)
    return struct.pack("=4I2H2I2H8I", major, min(minor, 31), 0, 0, 12, 9, 1 << 17, 1, 32,
                       0, *[0] * 8)


def lookup(_node, body):
    if body.rstrip(b"\0") != b"file":
        return -ENOENT
    return struct.pack("=4Q2I", FILE, 0, KNOWN_S, KNOWN_S, 0, 0) + attributes(FILE)


def getattr_(node, _body):
    return struct.pack("=Q2I", KNOWN_S, 0, 0) + attributes(node)


def open_(_node, _body):
    return struct.pack("=Q2I", 0, DIRECT_IO, 0)


def read(_node, body):
    _, offset, length = struct.unpack_from("=QQI", body)
    time.sleep(float(sys.argv[2]) / 1000)
    return bytes(max(0, min(length, SIZE - offset)))


def nothing(_node, _body):
    return b""


ANSWERS = {INIT: init, LOOKUP: lookup, GETATTR: getattr_, OPEN: open_, READ: read,
           RELEASE: nothing, FLUSH: nothing}


def mount(directory):
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode={DIRECTORY_MODE & 0o170000:o},user_id=0,group_id=0"
    if libc.mount(b"slowfs", directory.encode(), b"fuse.slowfs", 0, options.encode()):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    return fd


def serve(fd):
    head = struct.calcsize(IN)
    while True:
        try:
            request = os.read(fd, 1 << 18)
        except OSError as e:
            if e.errno == errno.ENODEV:
                return  # it is not mounted any more
            raise
        _, opcode, unique, node = struct.unpack_from(IN, request)[:4]
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            continue  # nobody waits for an answer
        answer = ANSWERS.get(opcode, lambda *_: -ENOSYS)(node, request[head:])
        error, data = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(fd, struct.pack(OUT, struct.calcsize(OUT) + len(data), error, unique)
                 + data)


if __name__ == "__main__":
    device = mount(sys.argv[1])
    print("ready", flush=True)
    serve(device)
