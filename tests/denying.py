#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: tests/denying.py NUMBER=ERRNO... -- COMMAND [ARGUMENT]...
Runs a command for which a seccomp filter refuses these system calls, as the profile of a
container does. Needs root, as it does not set no_new_privs."""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD_NUMBER = struct.pack("HBBI", 0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS
ALLOW, FAIL = 0x7fff0000, 0x00050000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def main():
    at = sys.argv.index("--")
    code = LOAD_NUMBER
    for word in sys.argv[1:at]:
        number, name = word.split("=")
        code += struct.pack("HBBI", 0x15, 0, 1, int(number))  # not that one: pass by
        code += struct.pack("HBBI", 0x06, 0, 0, FAIL | getattr(errno, name))
    code += struct.pack("HBBI", 0x06, 0, 0, ALLOW)
    program = Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[at + 1], sys.argv[at + 1:])


main()
