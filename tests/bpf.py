# SPDX-License-Identifier: Apache-2.0
"""The BPF objects that the kernel holds, asked of the kernel itself."""

import ctypes
import errno
import os
import platform
import re
import struct

import proc

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
LOOKUP = 1
UPDATE = 2
GET_NEXT_KEY = 4
PROG_LOAD = 5
OBJ_GET_INFO_BY_FD = 15
ENABLE_STATS = 32
NEXT_ID = {"prog": 11, "map": 12, "link": 31}
FD_BY_ID = {"prog": 13, "map": 14, "link": 30}
PROG_TYPES = {17: "raw_tracepoint", 26: "tracing", 31: "syscall"}
MAP_TYPES = {1: "hash", 9: "lru_hash", 24: "sk_storage", 29: "task_storage"}
ATTACH_TYPES = {23: "trace_raw_tp", 28: "trace_iter"}

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    ret = libc.syscall(SYS_BPF, command, buf, 128)
    if ret < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return ret, buf.raw


def ids(kind):
    """Ids of all objects of a kind: prog, map or link."""
    found, last = [], 0
    while True:
        try:
            last = struct.unpack_from("I", bpf(NEXT_ID[kind],
                                               struct.pack("II", last, 0))[1], 4)[0]
        except OSError as e:
            if e.errno == errno.ENOENT:
                return found
            raise
        found.append(last)


def everything():
    return {(kind, i) for kind in NEXT_ID for i in ids(kind)}


def load(prog_type, *instructions):
    """Loads a program of 64-bit instructions and returns its descriptor."""
    code = ctypes.create_string_buffer(struct.pack(f"{len(instructions)}Q",
                                                   *instructions))
    license_ = ctypes.create_string_buffer(b"GPL")
    return bpf(PROG_LOAD, struct.pack("IIQQ", prog_type, len(instructions),
                                      ctypes.addressof(code),
                                      ctypes.addressof(license_)))[0]


def enable_stats():
    """While this descriptor is open, the kernel counts the runs of all programs."""
    return bpf(ENABLE_STATS, struct.pack("I", 0))[0]


def prog_info(prog_id, maps=64):
    """What the kernel knows about a program, or None when it is gone."""
    try:
        fd, _ = bpf(FD_BY_ID["prog"], struct.pack("II", prog_id, 0))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return None
        raise
    map_ids = (ctypes.c_uint32 * maps)()
    info = bytearray(232)
    struct.pack_into("I", info, 52, maps)
    struct.pack_into("Q", info, 56, ctypes.addressof(map_ids))
    buf = ctypes.create_string_buffer(bytes(info), len(info))
    try:
        bpf(OBJ_GET_INFO_BY_FD,
            struct.pack("IIQ", fd, len(info), ctypes.addressof(buf)))
    finally:
        os.close(fd)
    raw = buf.raw
    count = struct.unpack_from("I", raw, 52)[0]
    return {
        "id": prog_id,
        "type": PROG_TYPES.get(*struct.unpack_from("I", raw, 0) * 2),
        "name": raw[64:80].split(b"\0")[0].decode(),
        "jited": struct.unpack_from("I", raw, 16)[0],  # bytes of machine code
        "load_time": struct.unpack_from("Q", raw, 40)[0],
        "runs": struct.unpack_from("Q", raw, 200)[0],  # while statistics are on
        "verified": struct.unpack_from("I", raw, 216)[0],  # instructions; from 5.16
        "maps": list(map_ids)[:count],
        "btf_object": struct.unpack_from("I", raw, 220)[0],
        "btf_type": struct.unpack_from("I", raw, 224)[0],
    }


def hold(kind, i):
    """Keeps an object alive: its id, and the descriptor to close."""
    return i, bpf(FD_BY_ID[kind], struct.pack("II", i, 0))[0]


def map_open(map_id):
    """A map's descriptor, name, type and size of its keys."""
    fd, _ = bpf(FD_BY_ID["map"], struct.pack("II", map_id, 0))
    info = ctypes.create_string_buffer(80)
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
    kind, _, key_size = struct.unpack_from("III", info.raw)
    return fd, info.raw[24:40].split(b"\0")[0].decode(), MAP_TYPES.get(kind), key_size


def keys(fd, key_size):
    """The keys that a hash has now, each once: where one goes while it is read, the
    kernel begins anew."""
    key, following = (ctypes.create_string_buffer(key_size) for _ in range(2))
    found, at = [], 0
    while True:
        try:
            bpf(GET_NEXT_KEY, struct.pack("IIQQ", fd, 0, at, ctypes.addressof(following)))
        except OSError as e:
            if e.errno == errno.ENOENT:
                return list(dict.fromkeys(found))
            raise
        found.append(following.raw)
        key.raw = following.raw
        at = ctypes.addressof(key)


def fill(pid, table, count):
    """Fills a hash of a process with keys of 8 bytes that are nobody's, and zeroes: it has
    room for so many, less those that are there already."""
    for kind, i in sorted(held_by(pid)):
        fd, name = map_open(i)[:2] if kind == "map" else (None, None)
        for key in range(1, count + 1 if name == table else 0):
            at, value = ctypes.c_uint64(key), ctypes.c_uint64(0)
            try:
                bpf(UPDATE, struct.pack("IIQQQ", fd, 0, ctypes.addressof(at),
                                        ctypes.addressof(value), 0))
            except OSError as e:
                if e.errno != errno.E2BIG:
                    raise
                break
        if fd:
            os.close(fd)


def entries(pid, table):
    """How many entries a map has that a process holds, in all."""
    for kind, i in sorted(held_by(pid)):
        if kind != "map":
            continue
        fd, name = map_open(i)[:2]
        info = ctypes.create_string_buffer(80)
        bpf(OBJ_GET_INFO_BY_FD, struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
        os.close(fd)
        if name == table:
            return struct.unpack_from("I", info.raw, 16)[0]
    raise KeyError(table)


def open_table(pid, table):
    """The descriptor of a map that a process holds, and the size of its values."""
    for kind, i in sorted(held_by(pid)):
        fd, name = map_open(i)[:2] if kind == "map" else (None, None)
        if name == table:
            info = ctypes.create_string_buffer(80)
            bpf(OBJ_GET_INFO_BY_FD, struct.pack("IIQ", fd, len(info),
                                                ctypes.addressof(info)))
            return fd, struct.unpack_from("I", info.raw, 12)[0]
        if fd:
            os.close(fd)
    raise KeyError(table)


def element(fd, size, key):
    """An array's element."""
    at, value = ctypes.c_uint32(key), ctypes.create_string_buffer(size)
    bpf(LOOKUP, struct.pack("IIQQQ", fd, 0, ctypes.addressof(at),
                            ctypes.addressof(value), 0))
    return value.raw


def set_element(fd, key, value):
    at, buf = ctypes.c_uint32(key), ctypes.create_string_buffer(value, len(value))
    bpf(UPDATE, struct.pack("IIQQQ", fd, 0, ctypes.addressof(at), ctypes.addressof(buf),
                            0))


def occupied(pid, table):
    """How many entries of a table have an owner: in each element of that array the second
    word is the owner's address (struct tcp_conn, struct call, ...)."""
    found = set()
    for kind, i in sorted(held_by(pid)):
        fd, name = map_open(i)[:2] if kind == "map" else (None, None)
        if name == table:
            found = {key for key in range(entries(pid, table)) if owner_in(fd, key)}
        if fd:
            os.close(fd)
    return len(found)


def words(pid, table):
    """How many words of an array of words are not 0."""
    fd, size = open_table(pid, table)
    try:
        return sum(struct.unpack_from("Q", element(fd, size, key))[0] != 0
                   for key in range(entries(pid, table)))
    finally:
        os.close(fd)


def memory(pid):
    """What the kernel says that the maps of a process take, in bytes; from 6.4 on it
    counts."""
    return sum({i: int(fields["memlock"]) for kind, i, fields in descriptors(pid)
                if kind == "map"}.values())


def owner_in(fd, key):
    """The second word of an array's element."""
    return struct.unpack_from("Q", element(fd, 256, key), 8)[0]


def hashes(pid):
    """The keys in each hash that a process has, by its name."""
    found = {}
    for kind, i in sorted(held_by(pid)):
        if kind != "map":
            continue
        fd, name, type_, key_size = map_open(i)
        try:
            if type_ in ("hash", "lru_hash"):
                found[name] = keys(fd, key_size)
        finally:
            os.close(fd)
    return found


def descriptors(pid):
    """Every BPF object that a process holds open, with its fields in fdinfo."""
    held = []
    for text in proc.fdinfo(pid).values():
        fields = dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))
        if "link_id" in fields:
            held.append(("link", int(fields["link_id"]), fields))
        elif "prog_id" in fields:
            held.append(("prog", int(fields["prog_id"]), fields))
        elif "map_id" in fields:
            held.append(("map", int(fields["map_id"]), fields))
    return held


def held_by(pid):
    """Ids of all objects that live because of a process, as (kind, id)."""
    found = set()
    for kind, i, fields in descriptors(pid):
        found.add((kind, i))
        if kind == "link" and "prog_id" in fields:
            found.add(("prog", int(fields["prog_id"])))
    for kind, i in list(found):
        info = prog_info(i) if kind == "prog" else None
        if info:
            found |= {("map", m) for m in info["maps"]}
    return found


def held_by_anyone():
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            found |= held_by(int(name))
    return found
