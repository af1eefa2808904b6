#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Which peer a workload has trouble with: two servers of which one is behind a path that
loses packets, a port that nobody listens on, an address that nobody has, name servers that
are dead, slow or fail. What happened to whom is known: from the path, from the counters of
the client's network namespace, and as the client was told so often to do it."""

import json
import os
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dnsload
import jsonschema
from node import ASSAY, IN_GUEST, PATIENCE, TOP, Agent, Cgroup, scratch
from readings import Change
from tap import between, check, diag, main, need_root, same, test
from tcp import Script
from tunpath import ADDRESSES, Path, ip

# vm: kernels=6.1,6.12,7.x,fallbacks ci=none modules=tun timeout=600

need_root()

HERE, GOOD = ADDRESSES
LOSSY, HOLE = "10.78.0.3", "10.78.0.4"
PORT, CLOSED = 7000, 7001
TCP, DNS = "assay.tcp.peer.events", "assay.dns.server.events"
SECONDS = 5  # that assay why looks
agent = path = history = None

SERVER = """
import socket, sys, threading, time
def attend(s, wait):
    with s:
        while data := s.recv(65536):
            time.sleep(wait)
            s.sendall(b"a" * 100)
def listen(address, port, wait):
    listener = socket.create_server((address, port), backlog=1000)
    def take():
        while True:
            threading.Thread(target=attend, args=(listener.accept()[0], wait),
                             daemon=True).start()
    threading.Thread(target=take, daemon=True).start()
for address, port, wait in eval(sys.argv[1]):
    listen(address, port, wait)
print("ready", flush=True)
sys.stdin.read()
"""

# Each line is an expression; what it is comes back. Counts are those that the client saw.
CLIENT = """
import errno, socket, sys, threading, time
def dial(address, port, wait=None):
    return socket.create_connection((address, port), wait)
def ask(address, port, n):
    with dial(address, port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n):
            s.sendall(b"q" * 100)
            s.recv(65536)
    return n
def ask_for(seconds, *peers):
    end = time.monotonic() + seconds
    def go(peer):
        while time.monotonic() < end:
            ask(*peer, 5)
            time.sleep(0.05)
    together([lambda p=p: go(p) for p in peers])
    return "done"
def together(calls):
    threads = [threading.Thread(target=c) for c in calls]
    [t.start() for t in threads]
    [t.join() for t in threads]
def fail(address, port, n, at_once=False):
    seen = {}
    def one():
        try:
            dial(address, port).close()
            name = "none"
        except OSError as e:
            name = errno.errorcode.get(e.errno, str(e))
        seen[name] = seen.get(name, 0) + 1
    if at_once:
        together([one] * n)
    else:
        [one() for _ in range(n)]
    return seen
held = []
def begin(address, port):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((address, port))
    held.append(s)
    return "begun"
def wait_at(address, port):
    s = dial(address, port)
    s.sendall(b"q")
    held.append(s)
    return "asked"
print("ready", flush=True)
for line in sys.stdin:
    print(repr(eval(line)), flush=True)
"""


class TwoServers(Path):
    """Every third segment with data to one of the servers is lost, and all that is for
    the address that nobody has."""

    data = lost = 0

    def is_lost(self, packet):
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return False
        to, head = socket.inet_ntoa(packet[16:20]), (packet[0] & 15) * 4
        if to == HOLE:
            return True
        if to != LOSSY or len(packet) <= head + (packet[head + 12] >> 4) * 4:
            return False
        self.data += 1
        self.lost += self.data % 3 == 0
        return self.data % 3 == 0


def setup():
    global agent, path, history
    history = scratch() + "/history"
    agent = Agent("--history", history, "--snapshot-interval", "1s")
    agent.need("tcp", "dns")
    dnsload.agent, dnsload.netns = agent, dnsload.new_netns("node")


def make_path():
    """The servers and the way to them, for one test."""
    path = TwoServers(0)
    here, there = path.names
    for address in LOSSY, HOLE:
        ip("-n", here, "route", "add", address, "dev", "tun0")
    ip("-n", there, "addr", "add", f"{LOSSY}/32", "dev", "tun0")
    for name in path.names:
        ip("-n", name, "link", "set", "lo", "up")
    ip("netns", "exec", here, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
    return path


class Client(Script):
    """The client's cgroup, and what it did."""

    def __init__(self, name, netns=None):
        self.cgroup = Cgroup(name)
        super().__init__(self.cgroup, CLIENT, netns=netns)
        same(self.reply(), "ready", "the client")
        self.netns = netns

    def do(self, expression):
        return eval(self.ask(expression))

    def retransmits(self):
        """Of its network namespace, as the kernel says."""
        text = subprocess.run(["ip", "netns", "exec", self.netns, "cat", "/proc/net/snmp"],
                              capture_output=True, text=True, check=True).stdout
        names, values = [l.split() for l in text.splitlines() if l.startswith("Tcp:")]
        return int(values[names.index("RetransSegs")])

    def change(self, call):
        """What it did, and how our numbers changed."""
        before = agent.total()
        done = call()
        return done, Change(before, agent.total(0.3))

    def peers(self, change, event, metric=TCP):
        return change.by(self.cgroup, metric, "peer", event=event)


def serve(path, *servers):
    server = Script(Cgroup("servers"), SERVER, repr(servers), netns=path.names[1])
    same(server.reply(), "ready", "the servers")
    return server


@test("segments are sent again to the server behind the loss, and to no other")
def _():
    path = make_path()
    serve(path, (GOOD, PORT, 0), (LOSSY, PORT, 0))
    client = Client("loss", path.names[0])
    kernel = client.retransmits()
    _, change = client.change(lambda: (client.do(f"ask('{GOOD}', {PORT}, 200)"),
                                       client.do(f"ask('{LOSSY}', {PORT}, 40)")))
    kernel = client.retransmits() - kernel
    diag(f"{path.lost} of {path.data} segments were lost, {kernel} sent again")
    check(path.lost >= 10, "the path lost some")
    same(client.peers(change, "retransmit"), {f"{LOSSY}:{PORT}": kernel}, "sent again to")
    same(change.value(client.cgroup, "assay.tcp.retransmits"), kernel, "in all")


@test("connects that fail are told by whom they were to, and how")
def _():
    path = make_path()
    serve(path, (GOOD, PORT, 0))
    client = Client("connects", path.names[0])

    def fail():
        same(client.do(f"ask('{GOOD}', {PORT}, 5)"), 5, "good ones")
        same(client.do(f"fail('{GOOD}', {CLOSED}, 12)"), {"ECONNREFUSED": 12}, "refused")
        same(client.do(f"fail('::1', {CLOSED}, 7)"), {"ECONNREFUSED": 7}, "over IPv6")
        same(client.do(f"fail('::ffff:127.0.0.1', {CLOSED}, 6)"), {"ECONNREFUSED": 6},
             "mapped")
        same(client.do(f"fail('{HOLE}', {PORT}, 5, True)"), {"ETIMEDOUT": 5}, "no answer")

    kernel = client.retransmits()
    _, change = client.change(fail)
    kernel = client.retransmits() - kernel
    same(client.peers(change, "refused"),
         {f"{GOOD}:{CLOSED}": 12, f"[::1]:{CLOSED}": 7, f"127.0.0.1:{CLOSED}": 6},
         "refused by")
    same(client.peers(change, "timed_out"), {f"{HOLE}:{PORT}": 5}, "no answer of")
    same(client.peers(change, "failed"), {}, "other errors")
    same(client.peers(change, "retransmit"), {f"{HOLE}:{PORT}": kernel}, "SYNs again to")


@test("who answers slowly, is far away, does not answer or is waited for is known")
def _():
    path = make_path()
    serve(path, (GOOD, PORT, 0), (GOOD, PORT + 2, 0.15), (GOOD, PORT + 3, 0.02),
          (GOOD, PORT + 4, 3600))
    client = Client("slow", path.names[0])
    _, change = client.change(lambda: [client.do(f"ask('{GOOD}', {PORT + p}, {n})")
                                       for p, n in ((0, 50), (2, 8), (3, 11))])
    slow, slower = (client.peers(change, e) for e in ("slow", "slower"))
    same(slower, {f"{GOOD}:{PORT + 2}": 8}, "100 ms or more")
    same({p: slow.get(f"{GOOD}:{PORT + p}") for p in (2, 3)}, {2: 8, 3: 11}, "10 ms")
    near = sum(client.peers(change, "far").values())  # the path waits for its CPU, too
    check(near <= (20 if IN_GUEST else 3), f"{near} samples are of somebody who is far")
    client.do(f"wait_at('{GOOD}', {PORT + 4})")
    client.do(f"begin('{HOLE}', {PORT})")
    time.sleep(1.5)
    before = agent.total()  # the connect is old enough, the request is not
    time.sleep(4)
    change = Change(before, agent.total())
    same(set(client.peers(change, "waited")), {f"{GOOD}:{PORT + 4}"}, "who is waited for")
    same(set(before.by(client.cgroup, TCP, "peer", event="connecting")), {f"{HOLE}:{PORT}"},
         "the connect that waits")
    same(before.by(client.cgroup, TCP, "peer", event="waited"), {}, "nobody yet")
    path.delay = 0.01
    _, change = client.change(lambda: [client.do(f"ask('{GOOD}', {PORT}, 2)")
                                       for _ in range(9)])
    far = client.peers(change, "far")
    same(set(far), {f"{GOOD}:{PORT}"}, "who is far away")
    check(far[f"{GOOD}:{PORT}"] >= 9, f"a sample at least of each connection: {far}")


@test("a name server that is dead, one that fails and one that is slow are told apart")
def _():
    pair = dnsload.Pair("servers")
    fine, slow, fails = pair.addresses
    dead, q = "127.8.8.8", dnsload.queries
    before = agent.total()
    asked, seen = time.monotonic(), {}
    for address, batch, patience in ((fine, q("ok", 30) + q("nx", 10, first=50), 2),
                                     (slow, q("ok", 6, ms=150), 2),
                                     (fails, q("servfail", 9) + q("refused", 4, first=20), 2),
                                     (dead, q("ok", 5), 0.2)):
        seen[address] = pair.client.ask("ask", [address, False], batch, patience)
    time.sleep(max(0, asked + 11 - time.monotonic()))
    change = Change(before, agent.total())
    by = {e: change.by(pair.group, DNS, "peer", event=e) for e in ("timeout", "failed", "slow")}
    late = by["slow"].pop(f"{fine}:53", 0)  # on a machine that does other work
    between(late, 0, sum(s >= 0.1 for _, s in seen[fine]), "answers that were slow there, too")
    same(by, {"timeout": {f"{dead}:53": 5}, "failed": {f"[{fails}]:53": 13},
              "slow": {f"{slow}:53": 6}}, "which server")


@test("whoever has trouble with many peers leaves the entries of others alone")
def _():
    path = make_path()
    many, one = (Client(n, path.names[0]) for n in ("many", "one"))
    before = agent.total()
    for i in range(1, 41):
        same(many.do(f"fail('127.0.1.{i}', {CLOSED}, 2)"), {"ECONNREFUSED": 2}, "many")
    same(one.do(f"fail('127.0.0.1', {CLOSED}, 3)"), {"ECONNREFUSED": 3}, "one")
    change = Change(before, agent.total())
    peers = many.peers(change, "refused")
    same(sum(peers.values()), 80, f"all of them: {peers}")
    same(sorted(peers.values()), [2] * 10 + [60], "ten have an entry, the rest none")
    same(peers["_OTHER"], 60, "the rest")
    same(one.peers(change, "refused"), {f"127.0.0.1:{CLOSED}": 3}, "the other workload")
    time.sleep(13)  # now their entries may be another's
    before = agent.total()
    same(many.do(f"fail('127.0.2.1', {CLOSED}, 5)"), {"ECONNREFUSED": 5}, "later")
    same(many.peers(Change(before, agent.total()), "refused"), {f"127.0.2.1:{CLOSED}": 5},
         "who comes later has an entry, and who lost it is told once")


def why(client, *words):
    p = subprocess.run([ASSAY, "why", "--format", "json", *words, client.cgroup.path],
                       capture_output=True, text=True, timeout=PATIENCE)
    check(p.returncode == 3, f"why {words}: {p.returncode} {p.stderr} {p.stdout}")
    answer = json.loads(p.stdout)
    with open(f"{TOP}/docs/why.schema.json", encoding="utf-8") as f:
        jsonschema.validate(answer, json.load(f))
    return answer["findings"]


def blamed(findings, rule):
    found = [f for f in findings if f["id"] == rule]
    check(found, f"no {rule}: {json.dumps(findings, indent=1)}")
    check(found[0]["peers"], f"no peers: {json.dumps(found[0], indent=1)}")
    diag(found[0]["peers"]["text"])
    return found[0]["peers"]


@test("assay why names the lossy server and who refuses, now and from the history")
def _():
    path = make_path()
    serve(path, (GOOD, PORT, 0), (LOSSY, PORT, 0))
    client = Client("why", path.names[0])
    client.tell(f"ask_for({SECONDS + 4}, ('{GOOD}', {PORT}), *4 * "
                f"[('{LOSSY}', {PORT})])")
    live = ("--socket", agent.socket, "--history", "none", "--duration", f"{SECONDS}s")
    peers = blamed(why(client, *live), "net.loss")
    same((peers["top"], peers["stands_out"], peers["peers"]), (f"{LOSSY}:{PORT}", True, 1),
         "who")
    same(client.reply(), "'done'", "the client")
    client.tell(f"[fail('{GOOD}', {CLOSED}, 5) and time.sleep(0.1) for _ in "
                f"range({SECONDS * 10 + 30})] and 'done'")
    peers = blamed(why(client, *live), "net.connect")
    same((peers["top"], peers["peers"]), (f"{GOOD}:{CLOSED}", 1), "who refuses")
    same(client.reply(), "'done'", "the client")
    time.sleep(3)
    copy = scratch() + "/copy"
    p = subprocess.run([ASSAY, "snapshot", "--history", history, copy], capture_output=True,
                       text=True, timeout=PATIENCE)
    same(p.returncode, 0, f"snapshot: {p.stderr}")
    for words in (("--history", history, "--last", "1m"), ("--from", copy, "--last", "1m")):
        peers = blamed(why(client, *words), "net.connect")
        same((peers["top"], peers["peers"]), (f"{GOOD}:{CLOSED}", 1), f"who refused, {words}")
    with open(agent.exports, "rb") as f:
        exported = f.read()
    for address in LOSSY, HOLE, "assay.peer":
        check(address.encode() not in exported, f"{address} is in the exports")


main(setup)
