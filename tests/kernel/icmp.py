#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends to this host the ICMP error "destination unreachable" with each code, about the
queries that resolver.py's client has sent to a server: the first by the first code, and
so on. It waits for a line on its stdin.

    icmp.py SERVER PORT CODES
"""

import socket
import struct
import sys

from resolver import A, family, question

UDP = 17


def checksum(data):
    """RFC 1071, of an even number of bytes."""
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def query(code, port):
    """What followed the IP header, to an even number of bytes."""
    dns = struct.pack("!6H", code, 0x100, 1, 0, 0, 0) + question(f"drop-0-{code}.test", A)
    udp = struct.pack("!4H", port + code, 53, 8 + len(dns), 0) + dns
    return udp + b"\0" * (len(udp) % 2)


def ip_header(me, server, length):
    ends = b"".join(socket.inet_pton(family(server), x) for x in (me, server))
    if family(server) == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, length, UDP, 64) + ends
    return struct.pack("!BBHIBBH", 0x45, 0, 20 + length, 0, 64, UDP, 0) + ends


def main():
    server, port, codes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    v6 = family(server) == socket.AF_INET6
    me = "::1" if v6 else "127.0.0.1"
    s = socket.socket(family(server), socket.SOCK_RAW,
                      socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    sys.stdin.readline()
    for code in range(codes):
        sent = query(code, port)
        rest = struct.pack("!HH", 0, 1280) + ip_header(me, server, len(sent)) + sent
        kind = bytes([1 if v6 else 3, code])
        # of ICMPv6 the kernel makes the checksum
        found = 0 if v6 else checksum(kind + b"\0\0" + rest)
        s.sendto(kind + struct.pack("!H", found) + rest, (me, 0))


main()
