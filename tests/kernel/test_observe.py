#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Observe only: what is loaded can look at the node and cannot change it."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from node import TOP, Agent
from tap import Missing, Skip, check, defer, diag, main, need_root, same, test

need_root()

# Helpers that read, keep time, or keep our own maps and storage. None of them
# writes to user memory, to packets or to the kernel's objects, sends signals,
# changes a return value, or prints. The number is the kernel's (linux/bpf.h).
ALLOWED = {
    1: "map_lookup_elem", 2: "map_update_elem", 3: "map_delete_elem",
    5: "ktime_get_ns", 7: "get_prandom_u32", 8: "get_smp_processor_id", 14: "get_current_pid_tgid",
    35: "get_current_task", 80: "get_current_cgroup_id", 107: "sk_storage_get",
    108: "sk_storage_delete", 113: "probe_read_kernel", 115: "probe_read_kernel_str",
    118: "jiffies64", 127: "seq_write", 130: "ringbuf_output", 137: "skc_to_tcp_sock",
    156: "task_storage_get", 157: "task_storage_delete", 158: "get_current_task_btf",
    162: "sock_from_file", 164: "for_each_map_elem", 175: "task_pt_regs", 181: "loop",
    195: "map_lookup_percpu_elem",
}

# What the verifier makes of them when the program is loaded.
LOADED = re.compile(r"(__)?(htab|htab_lru|array|htab_percpu|percpu_array)"
                    r"_map_(lookup|update|delete)(_percpu)?_elem|"
                    r"bpf_for_each_(hash|array)_elem|bpf_user_rnd_u32|"
                    r"bpf_(%s)(_recur|_tracing|_norecur|_nolock|_btf|_raw)*" %
                    "|".join(ALLOWED.values()))

# On no hook, by the type that they are loaded with; 15 characters of a name are kept.
RUN_BY_AGENT = {
    "raw_tracepoint": {"rings_publish", "rings_next", "rings_drain"},
    "syscall": {"dns_timeout_wal", "block_inflight_", "sched_forget", "syscall_forget",
                "tcp_forget", "memory_forget"},
}

agent = None


def setup():
    global agent
    agent = Agent()


def hook_of(info):
    """'tp_btf/NAME' or 'iter/NAME' of a loaded tracing program, 'run' of one that the
    agent runs by itself, else what it is.

    fentry, tp_btf and iter share a program type: what tells them apart is the
    kernel's BTF type that the program was loaded for."""
    if info["name"] in RUN_BY_AGENT.get(info["type"], ()):
        return "run"
    if info["type"] != "tracing":
        return "another program type"
    kind, name = btf_type(info["btf_object"], info["btf_type"])
    if kind == "TYPEDEF" and name.startswith("btf_trace_"):
        return "tp_btf/" + name[len("btf_trace_"):]
    if kind == "FUNC" and name.startswith("bpf_iter_"):
        return "iter/" + name[len("bpf_iter_"):]
    return f"{kind} {name}"


types = {}


def btf_type(object_id, type_id):
    if object_id not in types:
        text = bpftool("btf", "dump", "id", str(object_id))
        types[object_id] = {int(i): (k, n) for i, k, n in
                            re.findall(r"^\[(\d+)\] (\w+) '([^']*)'", text, re.M)}
    return types[object_id].get(type_id, ("?", "?"))


def bpftool(*args):
    return subprocess.run(["bpftool", *args], check=True, capture_output=True,
                          text=True).stdout


def programs(pid):
    return [bpf.prog_info(i) for kind, i in sorted(bpf.held_by(pid)) if kind == "prog"]


def is_harmless(link):
    """A link of the kinds that we use. The kernel calls that of a tp_btf program
    raw_tracepoint or tracing, depending on how it was made."""
    return link["link_type"] in ("raw_tracepoint", "iter") or \
        link["link_type"] == "tracing" and \
        int(link["attach_type"]) in bpf.ATTACH_TYPES


def forbidden(pid):
    """Programs and links of a process that do more than observe."""
    found = []
    for info in programs(pid):
        hook = hook_of(info)
        if not hook.startswith(("tp_btf/", "iter/", "run")):
            found.append(f"program {info['name']}: {hook}")
    alone = {str(p["id"]) for p in programs(pid) if hook_of(p) == "run"}
    for kind, i, fields in bpf.descriptors(pid):
        if kind == "link" and fields.get("prog_id") in alone:
            found.append(f"link {i}: attaches what only the agent may run")
        if kind == "link" and not is_harmless(fields):
            found.append(f"link {i}: {fields}")
    return found


@test("every loaded program is a raw tracepoint with BTF, an iterator, or on no hook")
def _():
    loaded = programs(agent.pid())
    for info in loaded:
        diag(f"{info['name']}: {hook_of(info)}")
    check(len(loaded) >= 5, f"only {len(loaded)} programs were found")
    same(forbidden(agent.pid()), [], "programs and links that do more")


@test("bpftool sees no other attach type on our links")
def _():
    ours = {i for kind, i in bpf.held_by(agent.pid()) if kind == "link"}
    check(len(ours) >= 3, f"only {len(ours)} links were found")
    for i in sorted(ours):
        text = bpftool("link", "show", "id", str(i))
        check(re.match(r"\d+: (raw_tracepoint|iter) ", text) or
              re.search(r"attach_type trace_(raw_tp|iter)\b", text), text)


def calls(info):
    """Names of all that a loaded program calls, as the kernel resolved them."""
    text = bpftool("prog", "dump", "xlated", "id", str(info["id"]))
    return {c for c in re.findall(r"\bcall (.+?)#", text) if not c.startswith("pc")}


@test("every loaded program calls allowed helpers only")
def _():
    seen = set()
    for info in programs(agent.pid()):
        for name in calls(info):
            check(LOADED.fullmatch(name), f"{info['name']} calls {name}")
            seen.add(name)
    diag(" ".join(sorted(seen)))
    check(len(seen) >= 4, f"only {seen} were found")


def objects():
    """The object files of the probes."""
    found = [p for p in glob.glob(TOP + "/build/**/*.bpf.o", recursive=True)
             if os.path.exists(f"{TOP}/bpf/{os.path.basename(p)[:-2]}.c")]
    if not found:
        raise Skip("no object files, only the binary")
    return found


@test("the object files call helpers of the list only, and no kernel function")
def _():
    objdump = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14")
    if not objdump:
        raise Missing("no llvm-objdump here: make deps installs llvm")
    seen = set()
    for path in objects():
        text = subprocess.run([objdump, "-d", path], check=True, capture_output=True,
                              text=True).stdout
        calls = re.findall(r"\t85 (\w\w) 00 00 ((?:\w\w ?){4})", text)
        for registers, number in calls:
            number = int.from_bytes(bytes.fromhex(number), "little")
            check(registers != "20", f"{path}: calls a kernel function")
            if registers == "00":
                check(number in ALLOWED, f"{path}: calls helper {number}")
                seen.add(ALLOWED[number])
    diag(" ".join(sorted(seen)))
    check(len(seen) >= 4, f"only {seen} were found")


@test("their sections are tp_btf and iter, raw_tp and syscall for what the agent runs")
def _():
    for path in objects():
        text = subprocess.run(["readelf", "-SW", path], check=True, capture_output=True,
                              text=True).stdout
        code = [s for s in re.findall(r"\] (\S+) +PROGBITS .* AX ", text)
                if s != ".text"]
        check(code, f"{path}: no program")
        for section in code:
            check(section in ("raw_tp", "syscall") or
                  section.lstrip("?").startswith(("tp_btf/", "iter/")),
                  f"{path}: {section}")


@test("these checks refuse a tracepoint program that calls another helper")
def _():
    call_uid_gid, exit_ = 0x0000000f00000085, 0x95
    defer(os.close, bpf.load(5, call_uid_gid, exit_))
    theirs = programs(os.getpid())
    same(len(theirs), 1, "programs")
    check(forbidden(os.getpid()), "a tracepoint program passed for harmless")
    names = calls(theirs[0])
    check(names and not all(map(LOADED.fullmatch, names)), f"{names} passed")


@test("nothing of ours is pinned")
def _():
    ours = bpf.held_by(agent.pid())
    pinned = bpftool("-j", "-f", "prog", "show")
    for p in json.loads(pinned):
        if ("prog", p["id"]) in ours:
            same(p.get("pinned", []), [], f"where {p['name']} is pinned")


main(setup)
