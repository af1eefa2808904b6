#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""One agent per node, whatever containers they are in; and what is at the path of the
agent's socket: only a dead socket of ours is ever removed."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import os
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import ASSAY, IN_GUEST, PATIENCE, Agent, run_delay, scratch, start, wait_for
from tap import check, defer, diag, main, need_root, same, test

need_root()

NAME = f"test_{os.getpid()}"  # of the node lock: the node's own agent has another
ROUNDS = 4
AT_ONCE = 4
TAKEOVER_S = 3 if IN_GUEST else 1  # a guest without KVM is slow
NOBODY = 65534
CONTAINER = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork",
             "--kill-child", "--mount-proc")


class Contender:
    """An agent that may have to wait for its turn, or to give up."""

    def __init__(self, path, probes="memory", prefix=(), lock=NAME):
        self.path, self.log = path, scratch() + "/log"
        argv = [*prefix, ASSAY, "agent", "--socket", path, "--export", "none",
                "--node-lock", lock, *(["--probes", probes] if probes else [])]
        with open(self.log, "w") as log:
            self.process = start(argv, stderr=log, stdout=log)
        # `unshare` takes no SIGTERM while its child runs
        defer(self.stop, signal.SIGKILL if prefix else signal.SIGTERM)

    def said(self):
        with open(self.log) as f:
            return f.read()

    def measures(self):
        return "ready: " in self.said()

    def waits(self):
        return "waiting: " in self.said() and not self.measures()

    def ended(self):
        return self.process.poll() is not None

    def settled(self):
        return self.measures() or self.waits() or self.ended()

    def stop(self, signal_number=signal.SIGTERM):
        if not self.ended():
            self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)


def all_settled(agents):
    wait_for(lambda: all(a.settled() for a in agents), PATIENCE,
             f"all to measure, wait or end: {[a.said() for a in agents]}")


def dead_socket(path):
    """As an agent leaves it that is killed."""
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.close()


def ask(path, line=b"tune\n"):
    """What the agent there says to a line."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(path)
        s.sendall(line)
        return s.recv(100)


def answers(path):
    """Whether an agent that waits says there how it is."""
    try:
        return b"waiting" in ask(path, b"status\n")
    except (ConnectionError, FileNotFoundError):
        return False


def take_over(agents, holder):
    """kill -9 for who measures: after how many seconds the next one does, less those
    that it wanted a CPU and had none."""
    waiting = [a for a in agents if a is not holder]
    delays = {a: run_delay(a.process.pid) for a in waiting}
    began = time.monotonic()
    holder.stop(signal.SIGKILL)
    heirs = wait_for(lambda: [a for a in waiting if a.measures() or a.ended()], PATIENCE,
                     "another one to take over")
    check(heirs[0].measures(), f"it gave up: {heirs[0].said()}")
    seconds = time.monotonic() - began
    check("measures now" in heirs[0].said(), heirs[0].said())
    return seconds - min(seconds, run_delay(heirs[0].process.pid) - delays[heirs[0]])


@test(f"{AT_ONCE} agents at once, {ROUNDS} times, each with a socket of its own or at one "
      "path: one measures, and when it is killed another one, within a second")
def _():
    slowest = 0
    for i in range(ROUNDS):
        top = scratch()
        paths = [f"{top}/{k if i % 2 else 0}.sock" for k in range(AT_ONCE)]
        if i % 4 == 0:
            dead_socket(paths[0])
        agents = [Contender(path) for path in paths]
        for left in range(AT_ONCE, 1, -1):
            all_settled(agents)
            measuring = [a for a in agents if a.measures()]
            same((len(measuring), sum(a.waits() for a in agents)), (1, left - 1),
                 f"round {i}: agents that measure and that wait")
            check(ask(measuring[0].path).startswith(b"ok"), "it cannot be reached")
            slowest = max(slowest, take_over(agents, measuring[0]))
            agents.remove(measuring[0])
        same(agents[0].stop(), 0, "the last one's exit status")
    diag(f"the slowest took over after {slowest:.2f} s")
    check(slowest <= TAKEOVER_S, f"it took over after {slowest:.2f} s")


@test("one with all probes takes over within a second, too")
def _():
    first, second = (Contender(scratch() + "/s", probes=None) for _ in range(2))
    all_settled([first, second])
    if not first.measures():
        first, second = second, first
    seconds = take_over([first, second], first)
    diag(f"it measured after {seconds:.2f} s")
    check(seconds <= TAKEOVER_S, f"it took over after {seconds:.2f} s")


@test("the socket of one that was killed may be open for longer than its mark is there")
def _():
    first = Contender(scratch() + "/s")
    all_settled([first])
    with socket.socket(socket.AF_UNIX) as still_open:
        second = Contender(scratch() + "/s")
        still_open.bind(second.path)
        still_open.listen()
        all_settled([second])
        check(second.waits(), second.said())
        first.stop(signal.SIGKILL)
        wait_for(lambda: "measures now" in second.said(), PATIENCE, "its turn")
        time.sleep(0.5)
    wait_for(lambda: second.measures() or second.ended(), PATIENCE, "it to measure")
    check(second.measures(), second.said())


@test("an agent in a container of its own is seen, and sees the others")
def _():
    first = Contender(scratch() + "/a", prefix=CONTAINER)
    all_settled([first])
    check(first.measures(), first.said())
    others = [Contender(scratch() + "/b", prefix=CONTAINER), Contender(scratch() + "/c")]
    all_settled(others)
    check(all(a.waits() for a in others), f"{[a.said() for a in others]}")
    with open(f"/proc/{first.process.pid}/task/{first.process.pid}/children") as f:
        pid = f.read().split()[0]
    check(f"process {pid} " in others[1].said(), f"not {pid}: {others[1].said()}")


@test("CAP_BPF and CAP_PERFMON are enough for it")
def _():
    first = Contender(scratch() + "/a")
    all_settled([first])
    directory = scratch()
    os.chown(directory, NOBODY, NOBODY)
    second = Contender(directory + "/b", prefix=(
        "setpriv", f"--reuid={NOBODY}", "--clear-groups", "--inh-caps=+bpf,+perfmon",
        "--ambient-caps=+bpf,+perfmon", "--bounding-set=-all,+bpf,+perfmon"))
    all_settled([second])
    check(second.waits(), second.said())
    first.stop()
    wait_for(second.measures, PATIENCE, "it to measure")


@test("SIGTERM ends one that waits, with status 0; it leaves nothing")
def _():
    first, path = Contender(scratch() + "/a"), scratch() + "/b"
    all_settled([first])
    second = Contender(path)
    all_settled([second])
    check(second.waits(), second.said())
    same(second.stop(), 0, "exit status")
    same(os.listdir(os.path.dirname(path)), [], "files")


@test("one that waits has its socket again when it was removed, or another one's is gone; "
      "who measures clears what one that was killed has left")
def _():
    path = scratch() + "/s"
    mark = path + ".waiting"
    first = Contender(path)
    all_settled([first])
    second = Contender(path)
    all_settled([second])
    os.unlink(mark)
    wait_for(lambda: os.path.exists(mark), PATIENCE, "it to be made anew")
    third = Contender(path)
    all_settled([third])
    check(third.waits() and "assay status is not answered" in third.said(), third.said())
    second.stop(signal.SIGKILL)  # and leaves it: dead
    wait_for(lambda: answers(mark), PATIENCE, "the third's socket in its place")
    third.stop(signal.SIGKILL)
    check(os.path.exists(mark), "a killed one has left nothing: this proves nothing")
    first.stop()
    heir = Contender(path)
    all_settled([heir])
    check(heir.measures(), heir.said())
    same(os.listdir(os.path.dirname(path)), ["s"], "files")


@test("other names, and `none`, measure beside each other; `none` says so")
def _():
    agents = [Contender(scratch() + "/s", lock=lock)
              for lock in (NAME, f"b_{os.getpid()}", "none")]
    all_settled(agents)
    same([a.measures() for a in agents], [True] * 3, "measures")
    same(["node lock: none" in a.said() for a in agents], [False, False, True], "said so")


def refused(path, what):
    """The agent ends, with one line."""
    a = Contender(path)
    status = a.process.wait(PATIENCE)
    same((status, a.said().count("\n")), (1, 1), f"{what}: status and lines: {a.said()}")
    return a.said()


@test("what is at the socket's path and no socket is refused, and stays")
def _():
    top = scratch()
    for name in "regular", "target":
        with open(f"{top}/{name}", "w") as f:
            f.write("precious")
    os.symlink("target", top + "/link")
    os.symlink("nowhere", top + "/dangling")
    os.mkdir(top + "/directory")
    os.mkfifo(top + "/fifo")
    before = {n: os.lstat(f"{top}/{n}").st_ino for n in os.listdir(top)}
    for name in before:
        check("is no socket" in refused(f"{top}/{name}", name), name)
    same({n: os.lstat(f"{top}/{n}").st_ino for n in os.listdir(top)}, before, "files")
    with open(top + "/target") as f:
        same(f.read(), "precious", "the file behind the link")


@test("a socket of another user, or with a full backlog, is refused, and stays")
def _():
    path = scratch() + "/s"
    dead_socket(path)
    os.chown(path, NOBODY, NOBODY)
    check("user 65534's" in refused(path, "another user's"), "the reason")
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        clients = []
        while True:
            clients.append(socket.socket(socket.AF_UNIX))
            defer(clients[-1].close)
            clients[-1].setblocking(False)
            try:
                clients[-1].connect(path)
            except BlockingIOError:
                break
        check("another agent listens" in refused(path, "a full backlog"), "the reason")
        check(os.path.exists(path), "the socket is gone")


@test("at one path and without a node lock one measures, the others end")
def _():
    path = scratch() + "/s"
    dead_socket(path)
    agents = [Contender(path, lock="none") for _ in range(AT_ONCE)]
    wait_for(lambda: all(a.measures() or a.ended() for a in agents), PATIENCE, "all")
    same(sum(not a.ended() for a in agents), 1, "agents that run")
    same(sum("another agent listens" in a.said() for a in agents), AT_ONCE - 1, "refused")
    check(ask(path).startswith(b"ok"), "the one cannot be reached")


@test("an agent removes its own socket at its end, and not who came after it")
def _():
    agent = Agent(export="none")
    os.unlink(agent.socket)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(agent.socket)
        same(agent.stop()[0], 0, "exit status")
        check(os.path.exists(agent.socket), "it took the other's socket away")
    agent = Agent(export="none")
    agent.stop()
    check(not os.path.exists(agent.socket), "it left its socket")


@test("a name that the kernel would not take is refused in one line")
def _():
    for name in "", "a b", "sixteen_letters_", "a/b":
        p = subprocess.run([ASSAY, "agent", "--node-lock", name], capture_output=True,
                           text=True, timeout=60)
        same((p.returncode, p.stderr.count("\n")), (2, 1), p.stderr)
        check("must be 1 to 15 letters, digits, _ or ." in p.stderr, p.stderr)


main()
