#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is a request and what its answer where they overlap: answers that come early,
pipelining, both ends talking at will; and connections that change hands."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "60")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from node import PATIENCE, Cgroup, defined, wait_for
from readings import Change
from tap import between, check, diag, main, need_root, same, test
from tcp import (ACCEPTS, IO, OPEN, OPENED, RESPONSE, UNANSWERED, Ends,
                 Script, Steps, Wire, ip, total)

need_root()


# Refuses a body by its announced length, and does not read it before it has answered.
HTTP_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_POST(self):
        self.send_error(413)
        self.wfile.flush()
        self.close_connection = True
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read1(min(left, 65536)))
        self.connection.recv(1)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""

# Sends all of a body, whatever comes back meanwhile, as simple clients do.
HTTP_CLIENT = """
import http.client, sys
held = []
for line in sys.stdin:
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("POST", "/", b"x" * 1000000)
    status = c.getresponse().status
    if line == "keep\\n": held.append(c)
    else: c.close()
    print(status, flush=True)
"""


@test("an HTTP 413 that comes while the body is sent is one answer, nothing is in flight")
def _():
    ends = Ends("http", HTTP_SERVER, HTTP_CLIENT)
    before = total()
    same({ends.client.ask("close") for _ in range(20)}, {"413"}, "answers")
    change = Change(before, total())
    ends.responses(change, 20)
    # who has the answer and goes on with the body looks like one who asks again; that
    # the client is caught between two pieces is rare (of 20 there were 9 and 8 before)
    for group, name in zip(ends.groups, ("server", "client")):
        between(sum(change.by(group, UNANSWERED, "type").values()), 0, 2,
                f"unanswered requests of the {name}")
    same(ends.client.ask("keep"), "413", "one more, which stays open")
    time.sleep(1)
    same(ends.ages(total()), [0, 0], "in flight after it")


# Answers when it has the head, reads the rest of a megabyte, answers what comes then.
EARLY_SERVER = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    if not c.recv(100): continue
    c.sendall(b"early")
    left = 1000000 - 100
    while left: left -= len(c.recv(65536))
    while c.recv(100): c.sendall(b"later")
    c.close()
"""
EARLY_CLIENT = """
import socket, sys
c = []
for line in sys.stdin:
    if line == "early\\n":
        c.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
        c[-1].sendall(b"x" * 1000000)
        assert c[-1].recv(5) == b"early"
    elif line == "ask\\n":
        c[-1].sendall(b"x" * 100)
        assert c[-1].recv(5) == b"later"
    else:
        c.pop().close()
    print("done", flush=True)
"""


@test("a connection goes on after an early answer: the next request has its own time")
def _():
    ends = Ends("early", EARLY_SERVER, EARLY_CLIENT)
    start = total()
    for _ in range(5):
        ends.client.ask("early")
        time.sleep(0.3)
        same(ends.ages(total()), [0, 0], "in flight after the early answer")
        before = total()
        for _ in range(3):
            ends.client.ask("ask")
        change = Change(before, total())
        ends.responses(change, 3)
        for group in ends.groups:
            between(change.seconds(group, RESPONSE), 0, 0.25, "seconds of 3 responses")
        ends.client.ask("close")
    change = Change(start, total())
    ends.responses(change, 5 * 4)
    ends.unanswered(change)


PIPE_SERVER = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while c.recv(640, socket.MSG_WAITALL):
        for _ in range(10): c.sendall(b"y" * 10)
    c.close()
"""
PIPE_CLIENT = """
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in sys.stdin:
    for _ in range(20):
        c.sendall(b"x" * 640)
        c.recv(100, socket.MSG_WAITALL)
    if line == "last\\n": c.close()
    print("done", flush=True)
"""


@test("ten requests in one packet are one turn, whatever their answers come in")
def _():
    ends = Ends("pipe", PIPE_SERVER, PIPE_CLIENT)
    before = total()
    ends.client.ask("first")
    now = total()
    same(ends.ages(now), [0, 0], "in flight")
    ends.client.ask("last")
    change = Change(before, total())
    ends.responses(change, 40)
    ends.unanswered(change)


STUCK_SERVER = """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
c, _ = s.accept()
c.recv(100); c.sendall(b"y")
sys.stdin.readline()
"""
STUCK_CLIENT = """
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.sendall(b"x" * 100); c.recv(1)
for line in sys.stdin:
    c.sendall(b"x" * int(line))
    print("done", flush=True)
"""


@test("a request that gets no answer is in flight, in one piece or in two, and an error")
def _():
    for pieces in (100,), (50000, 50000):
        ends = Ends("stuck", STUCK_SERVER, STUCK_CLIENT)
        before = total()
        for n in pieces:
            ends.client.ask(n)
        began = time.monotonic()
        time.sleep(1.5)
        early = time.monotonic() - began
        ages = ends.ages(total())
        late = time.monotonic() - began
        for age in ages:
            between(age, early - 0.1, late + 0.3, "s in flight")
        ends.server.close()
        change = Change(before, total())
        check(all(sum(change.by(g, UNANSWERED, "type").values()) == 1
                  for g in ends.groups), "it is not unanswered")


# Each end talks when it likes: the server once in the middle, the client all the time.
DUPLEX_SERVER = """
import socket, sys, threading
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
c, _ = s.accept()
def drain():
    while c.recv(100): pass
    c.close()
c.recv(3); c.sendall(b"101")
threading.Thread(target=drain, daemon=True).start()
for line in sys.stdin: c.sendall(b"push"); print("pushed", flush=True)
"""
DUPLEX_CLIENT = """
import socket, sys, threading, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c.sendall(b"GET"); c.recv(3)
over = threading.Event()
longest = 0
def report():
    global longest
    last = time.monotonic()
    while not over.wait(0.2):
        c.sendall(b"report")
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
def drain():
    while c.recv(100): pass
threading.Thread(target=drain, daemon=True).start()
threading.Thread(target=report, daemon=True).start()
print("talking", flush=True)
for line in sys.stdin:
    if line == "end\\n": over.set(); time.sleep(0.5); c.shutdown(socket.SHUT_WR)
    print(longest, flush=True)
"""


@test("reports that nobody answers are in flight no longer than one takes, and no error")
def _():
    ends = Ends("duplex", DUPLEX_SERVER, DUPLEX_CLIENT)
    before = total()
    same(ends.client.reply(), "talking", "the client")
    time.sleep(1)
    ends.server.ask("push")
    for _ in range(3):
        time.sleep(1)
        ages = ends.ages(total())
        longest = float(ends.client.ask("how"))
        diag(f"in flight {ages}, the longest pause of the client {longest:.3f} s")
        # the server's age goes by the report before the latest
        check(max(ages) <= 2 * longest + 0.3, "it grows")
    ends.client.ask("end")
    change = Change(before, total())
    ends.unanswered(change)


SUPERVISOR = """
import os, socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
for line in sys.stdin:
    c, _ = s.accept()
    pid = os.fork()
    if pid == 0:
        open(sys.argv[2] + "/cgroup.procs", "w").write(str(os.getpid()))
        print("handed", flush=True)
        while c.recv(100): c.sendall(b"y" * 1000)
        os._exit(0)
    if sys.argv[3] == "0": c.close()
"""
ASKER = """
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for n in map(int, sys.stdin):
    for _ in range(n):
        c.sendall(b"x" * 100)
        c.recv(1000, socket.MSG_WAITALL)
    print("done", flush=True)
"""


def handed(keeps):
    """A connection that a supervisor has handed to another cgroup, and whether it keeps
    a descriptor of it: supervisor, service, and what 50 requests changed."""
    service = Cgroup("service")
    start = total()
    ends = Ends("supervisor", SUPERVISOR, ASKER, service.dir, int(keeps))
    same(ends.server.ask("accept"), "handed", "the supervisor")
    for _ in range(3):  # walks that see who holds it
        total()
    before = total()
    ends.client.ask(50)
    change = Change(before, total())
    home = ends.groups[0]
    result = [[change.value(g, RESPONSE), change.value(g, IO)] for g in (home, service)]
    same([change.after.value(g, ACCEPTS) for g in (home, service)], [1, 0], "accepts")
    now = [change.after.value(g, OPEN) for g in (home, service)]
    ends.client.close()
    ends.server.close()
    end = wait_for(lambda: closed(home, service), PATIENCE, "the end")
    same([end.value(g, OPEN) for g in (home, service)], [0, 0], "open at the end")
    same([Change(start, end).value(g, OPENED) for g in (home, service)], [1, 0],
         "became established")
    return result, now


def closed(*groups):
    now = total()
    return None if any(now.value(g, OPEN) for g in groups) else now


@test("a connection that is handed to another cgroup is that one's, soon")
def _():
    same(handed(False), ([[0, 0], [50, 50 * 1100]], [0, 1]),
         "responses, bytes of supervisor and service; open")


@test("while who accepted it holds it, too, it stays there")
def _():
    same(handed(True), ([[50, 50 * 1100], [0, 0]], [1, 0]),
         "responses, bytes of supervisor and service; open")


LEAVER = """
import socket, sys
held = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(5)]
print("connected", flush=True)
sys.stdin.readline()
for c in held: c.sendall(b"x")
print("sent", flush=True)
sys.stdin.readline()
"""


@test("connections that outlive a cgroup are not open in the next one of its name")
def _():
    tcp.agent.stop()
    tcp.setup("--export-interval", "1s")
    wire, group = Wire(), Cgroup("leaver")
    steps = Steps("outlived", address="10.77.1.2", netns=wire.names)
    p = Script(group, LEAVER, "10.77.1.2", steps.port, netns=wire.names[1])
    same(p.reply(), "connected", "the client")
    steps.server.ask("accept", 5)
    same(total().value(group, OPEN), 5, "open")
    ip("-n", wire.router, "route", "add", "blackhole", "10.77.1.2/32")
    same(p.ask(), "sent", "the client")
    p.close()  # what it has sent is not acknowledged: the kernel goes on
    os.rmdir(group.dir)
    for i in range(defined("NAME_RING") + 50):  # names are forgotten
        os.mkdir(f"{group.dir}-{i}")
        os.rmdir(f"{group.dir}-{i}")
    os.mkdir(group.dir)
    again = Script(group, "import time; time.sleep(60)")  # it has events
    time.sleep(4)  # the slot of the first is given back
    diag(f"open while they still close: {total().value(group, OPEN)}")
    ip("-n", wire.router, "route", "del", "blackhole", "10.77.1.2/32")
    steps.server.ask("drop", 1)
    again.close()
    same(subprocess.run(["ip", "netns", "exec", wire.names[1], "sh", "-c",
                         f"for i in $(seq 300); do ss -tanH dst :{steps.port} | grep -q "
                         ". || exit 0; sleep 0.1; done; exit 1"]).returncode, 0,
         "all sockets of the client are gone")
    next_ = Script(group, LEAVER, "10.77.1.2", steps.port, netns=wire.names[1])
    same(next_.reply(), "connected", "the next client")
    same(total().value(group, OPEN), 5, "open")


main(tcp.setup)
