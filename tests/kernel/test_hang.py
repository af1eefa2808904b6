#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing that a user or another machine does keeps the agent from reading, answering
and ending. Its queries without an answer wait in the tables of all agents of the node:
suites that look at those must not run beside this one."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import ctypes
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dnsload
import proc
from node import BIN, PATIENCE, TOP, Agent, Cgroup, libc, run_delay, scratch, wait_for
from receiver import Receiver
from tap import between, check, defer, diag, main, need_root, same, test

need_root()
Agent.asks = 1  # passes that do not end in time are what is tested

LINGER_S = float(os.environ.get("LINGER_S", 12))
RESOLVE_S = 8  # the first attempt and one or two after a backoff
SOCKETS, PROCESSES = 1000, 4
QUERIES = 20
ANSWER_S = 3  # the load leaves less than a second of a quiet machine to wait for
END_S = 5
KEPT_S = 10  # INFLIGHT_KEPT_NS


def ask(agent, line):
    """The seconds until the agent's whole answer is there, less those that it had to
    wait for a CPU, as far as they are more than those."""
    delay, began = run_delay(agent.process.pid), time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(agent.socket)
        s.sendall(line)
        first = s.recv(1 << 20)
        check(first.startswith(b"ok"), f"the answer {first[:80]}")
        while s.recv(1 << 20):
            pass
    seconds = time.monotonic() - began
    return seconds - min(seconds, run_delay(agent.process.pid) - delay)


def ptrace(request, pid, data=0):
    check(not libc.ptrace(request, pid, None, ctypes.c_void_p(data)),
          f"ptrace({request:#x}, {pid})")


def hold_walk(agent):
    """Stops the agent's next thread before its first instruction, as a file that takes
    for ever to close would stop it later: it walks over files. Lets it go at the end."""
    DETACH, SEIZE, TRACE_CLONE, WALL = 17, 0x4206, 8, 0x40000000
    main_thread = agent.pid()
    ptrace(SEIZE, main_thread, TRACE_CLONE)
    stopped = set()
    while len(stopped) < 2:  # the new thread, and the one that made it
        stopped.add(os.waitpid(-1, WALL)[0])
    thread = max(stopped - {main_thread})
    ptrace(DETACH, main_thread)
    defer(ptrace, DETACH, thread)


def ask_nobody(address, count):
    """Sends DNS queries, each with an id of its own, to where no server is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(count):
            s.sendto(struct.pack(">6H", i, 0x100, 1, 0, 0, 0) +
                     b"\5assay\4test\0\0\1\0\1", (address, 53))


def ends(agent):
    status, seconds = agent.stop()
    diag(f"exit status {status} after {seconds:.2f} s")
    same(status, 0, "exit status")
    between(seconds, 0, END_S, "seconds to the exit")


@test(f"lingering sockets of a user for {LINGER_S:g} s: the agent answers within "
      f"{ANSWER_S} s, and ends within {END_S} s")
def _():
    agent = Agent("--export-interval", "100ms", export="none")
    load = Cgroup("linger").start([BIN + "/linger", str(int(LINGER_S)), str(SOCKETS),
                                   str(PROCESSES)])
    defer(load.kill)
    worst = count = 0
    while load.poll() is None:
        # each snapshot walks over all files: more often than any export
        worst = max(worst, ask(agent, b"snapshot\n"))
        count += 1
    diag(f"{count} snapshots, the slowest after {worst:.2f} s")
    same(load.returncode, 0, "the load's exit status")
    check(worst < ANSWER_S, f"an answer took {worst:.2f} s")
    ends(agent)


@test("an agent that starts beside lingering sockets measures all, and ends within "
      f"{END_S} s")
def _():
    load = Cgroup("start").start([BIN + "/linger", "20", str(SOCKETS), str(PROCESSES)])
    defer(load.kill)
    for _ in range(3):
        agent = Agent(export="none")
        report = agent.total().report
        same([p["name"] for p in report["probes"] if p["state"] != "attached"], [],
             "probes that do not measure")
        ends(agent)


@test("queries without an answer are given up in time while a walk over files hangs")
def _():
    agent = Agent("--export-interval", "500ms", export="none")
    agent.need("tcp", "dns")
    agent.tune("dns", "timeout=60s")  # none is given up before it was seen to wait
    hold_walk(agent)
    ask_nobody(f"127.68.{os.getpid() >> 8 & 255}.{os.getpid() & 255}", QUERIES)
    same(dnsload.waiting(agent), (QUERIES, QUERIES), "waiting queries")
    agent.tune("dns", "timeout=1s")
    # the table is looked through every 5 s
    wait_for(lambda: dnsload.waiting(agent) == (0, 0), 15, "the sweep of the queries")
    lost = agent.total().lost()
    check(lost.get(("tcp", "walk_interrupted"), 0) > 0, f"tcp's walk hung: {lost}")
    same([k for k in lost if k[1] == "walk_interrupted" and k[0] != "tcp"], [],
         "walks over no files that waited for it")


UNANSWERED = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server = listener.accept()[0]
client.sendall(b"x")
server.recv(1)
print("ready", flush=True)
input()
"""


@test("while a pass over files hangs, what is found without it is told; what the one "
      f"before found, for {KEPT_S} s, as old as it was then")
def _():
    agent = Agent("--export-interval", "200ms", export="none")
    agent.need("tcp", "syscall")
    cgroup = Cgroup("unanswered")
    load = cgroup.start([sys.executable, "-c", UNANSWERED], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, text=True)
    defer(load.kill)
    same(load.stdout.readline(), "ready\n", "the load")
    began, held = time.monotonic(), None

    def ages():
        low = time.monotonic() - began
        found = agent.total(0).by(cgroup, "assay.inflight.age", "operation")
        found = {k: found.get(k) for k in ("tcp.client", "syscall.pipe")}
        now = time.monotonic() - began
        for k, age in found.items():
            seen = (low, now)  # by the latest whole pass over it
            if held and k == "tcp.client":
                seen = (held - began - 0.5, held - began)
            check(age is None or seen[0] - 0.5 < age < seen[1] + 0.5,
                  f"{found}, {low:.3f} s after they began; seen after {seen}")
        return [k for k, age in found.items() if age]

    wait_for(lambda: ages() == ["tcp.client", "syscall.pipe"], PATIENCE, "its ages")
    hold_walk(agent)
    held = time.monotonic()
    same(ages(), ["tcp.client", "syscall.pipe"], "told at once")
    wait_for(lambda: ages() == ["syscall.pipe"], PATIENCE, "the request to be told no more")
    seconds = time.monotonic() - held
    diag(f"told for {seconds:.1f} s")
    check(seconds > KEPT_S - 2, f"told for only {seconds:.1f} s")
    same(ages(), ["syscall.pipe"], "told after it")


@test(f"a name server that does not answer: the agent answers within {ANSWER_S} s, and "
      f"ends within {END_S} s")
def _():
    pid = os.getpid()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(server.close)
    address = f"127.67.{pid >> 8 & 255}.{pid & 255}"
    server.bind((address, 53))
    conf = scratch() + "/resolv.conf"
    with open(conf, "w") as f:
        f.write(f"nameserver {address}\noptions timeout:5 attempts:2\n")
    agent = Agent("--probes", "memory", "--export-interval", "1s", "--export-timeout",
                  "500ms", export="http://collector.example:4318/v1/metrics", prefix=(
                      "unshare", "--mount", "sh", "-c", "mount --make-rprivate / && "
                      f"mount --bind {conf} /etc/resolv.conf && exec \"$@\"", "sh"))
    wait_for(lambda: "Resolving timed out" in agent.said(), PATIENCE, "an attempt")
    worst, end = 0, time.monotonic() + RESOLVE_S
    while time.monotonic() < end:
        worst = max(worst, ask(agent, b"snapshot\n"))
        time.sleep(0.05)
    server.setblocking(False)
    check(b"collector" in server.recv(512), "the name server was not asked")
    diag(f"the slowest answer after {worst:.2f} s")
    check(worst < ANSWER_S, f"an answer took {worst:.2f} s")
    ends(agent)


def failing_libcurl():
    """What makes libcurl fail (tests/preload/curl_fails.c): the words before a command, and
    a map whose first byte says how."""
    where = scratch()
    library, path = where + "/curl_fails.so", where + "/says"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library,
                    TOP + "/tests/preload/curl_fails.c", "-ldl"], check=True)
    with open(path, "w+b") as f:
        f.write(bytes(mmap.PAGESIZE))
        f.flush()
        says = mmap.mmap(f.fileno(), mmap.PAGESIZE)
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"  # tests/san
    return ("env", f"LD_PRELOAD={library}", f"CURL_FAILS={path}", f"ASAN_OPTIONS={asan}"), says


@test("libcurl that cannot wait, or not go on, ends no agent: it says so, answers, and "
      "exports when that is over")
def _():
    prefix, says = failing_libcurl()
    sink = Receiver()
    agent = Agent("--probes", "memory", "--export-interval", "1s", export=sink.url, prefix=prefix)
    wait_for(lambda: sink.taken, PATIENCE, "an export")
    for how, words in (b"w", "waiting for the exporter's sockets"), (b"p", "Internal error"):
        before, cpu, began = sink.taken, proc.cpu_s(agent.pid()), time.monotonic()
        says[8:16] = bytes(8)
        says[0:1] = how
        worst = 0
        while time.monotonic() < began + 4:
            worst = max(worst, ask(agent, b"snapshot\n"))
            time.sleep(0.5)
        cpu = (proc.cpu_s(agent.pid()) - cpu) / (time.monotonic() - began)
        failed = struct.unpack_from("Q", says, 8)[0]
        diag(f"{how}: failed {failed} times; the slowest answer after {worst:.2f} s, "
             f"{100 * cpu:.1f} % of a CPU")
        check(failed and worst < ANSWER_S, f"failed {failed} times, an answer took {worst:.2f} s")
        between(cpu, 0, 0.25, "of a CPU")
        wait_for(lambda: words in agent.said(), PATIENCE, f"it to say: {words}")
        if how == b"p":  # who cannot wait gets on all the same, a step at a time
            between(sink.taken - before, 0, 1, "exports meanwhile")
        says[0:1] = b"-"
        before = sink.taken
        wait_for(lambda: sink.taken > before + 1, PATIENCE, "exports again")
    says[0:1] = b"w"
    time.sleep(0.5)
    ends(agent)


main()
