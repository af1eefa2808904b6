#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""DNS lookups on the live kernel: against the log of a scripted resolver and what the
clients themselves saw. All of it in network namespaces of the suite's own."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from dnsload import DnsLoad
from node import ASSAY, Agent, Cgroup, Change
from tap import Skip, between, check, defer, diag, main, near, need_root, same, test

need_root()

LOOKUP = "assay.dns.lookup.duration"
RETRIES = "assay.dns.lookup.retries"
AGE = "assay.inflight.age"
NAMES = {0: "ok", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED", None: "timeout"}
BUCKET = 2 ** (1 / 8)  # the width of one
LOCAL = "127.0.0.53", "127.1.2.3", "::1"
TIMEOUT = 5
A, AAAA = 1, 28
agent = None
netns = None


def setup():
    global agent, netns
    agent = Agent()
    agent.need("tcp", "dns")
    netns = new_netns("node")


def total():
    return agent.total(0.1)


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def new_netns(name):
    name = f"assay-dns-{os.getpid()}-{name}"
    ip("netns", "add", name)
    defer(ip, "netns", "del", name)
    ip("-n", name, "link", "set", "lo", "up")
    return name


class Pair:
    """A resolver and a client, each in a cgroup of its own."""

    def __init__(self, name, *addresses, where=(None, None)):
        self.addresses = addresses or LOCAL
        self.server = DnsLoad(Cgroup(name + "-server"), "server", *self.addresses,
                           netns=where[0] or netns)
        self.client = DnsLoad(Cgroup(name + "-client"), "client",
                              netns=where[1] or netns)
        self.group = self.client.cgroup

    def log(self):
        """What the server was asked since the last time."""
        return self.server.ask("log")

    def ask(self, queries, address=None, connected=False, patience=2):
        """What the client saw, what the server says, and the change in our numbers
        from before to after."""
        before = total()
        seen = self.client.ask("ask", [address or self.addresses[0], connected],
                               queries, patience)
        self.change = Change(before, total())
        return seen, self.log()

    def counted(self, **want):
        """Exactly these results for the client, and none for the server."""
        same(results(self.change, self.group), want, "lookups by result")
        same(results(self.change, self.server.cgroup), {}, "lookups of the server")


def results(change, cgroup):
    """Lookups by result, NOERROR as "ok"."""
    found = change.by(cgroup, LOOKUP, "type")
    found["ok"] = change.value(cgroup, LOOKUP) - sum(found.values())
    return {k: n for k, n in found.items() if n}


def lost(change):
    """What our probe says that it lost."""
    return {reason: n for (probe, reason), n in change.lost().items() if probe == "dns"}


def of_client(seen):
    """The same, as the client saw it."""
    found = {}
    for code, _ in seen:
        name = NAMES.get(code, "_OTHER")
        found[name] = found.get(name, 0) + 1
    return found


def queries(action, count, ms=0, first=0, every=0.0, qtype=A, sockets=1):
    """That many queries, one after the other, each with an id of its own."""
    return [[i * every, i % sockets, first + i, f"{action}-{ms}-{i}.test", qtype]
            for i in range(count)]


def maps_of(agent_):
    """Ids of the agent's maps by name; they stay while it lives."""
    found = agent_.__dict__.setdefault("maps", {})
    if found:
        return found
    for kind, i in bpf.held_by(agent_.pid()):
        if kind == "map":
            found[bpftool("map", "show", "id", i)["name"]] = i
    return found


def bpftool(*args):
    return json.loads(subprocess.run(["bpftool", "-j", *map(str, args)], check=True,
                                     capture_output=True, text=True).stdout)


def waiting(agent_=None):
    """(entries of the map, what our own count of them says)."""
    maps = maps_of(agent_ or agent)
    entries = bpftool("map", "dump", "id", maps["dns_queries"])
    state = bpftool("map", "dump", "id", maps[".data.dns"])[0]["value"]
    return len(entries), int.from_bytes(bytes(int(b, 16) for b in state[:4]), "little")


def tune(probe, change):
    p = subprocess.run([ASSAY, "tune", "--socket", agent.socket, probe, change],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    same(p.returncode, 0, f"assay tune {probe} {change}: {p.stdout}")


def quicker(seconds=1):
    """Queries are given up sooner while this test runs."""
    tune("dns", f"timeout={seconds}s")
    defer(tune, "dns", f"timeout={TIMEOUT}s")


@test("every response code is counted as what it is, connected or not, v4 and v6")
def _():
    pair = Pair("codes")
    asked = {"ok": 40, "nx": 30, "servfail": 20, "refused": 10, "notimp": 5,
             "formerr": 4}
    for address, connected in ((LOCAL[0], False), (LOCAL[0], True), ("::1", False),
                               ("::1", True), ("::ffff:127.1.2.3", False)):
        batch = []
        for action, n in asked.items():
            batch += queries(action, n, first=len(batch), sockets=7)
        seen, log = pair.ask(batch, address, connected)
        want = {"ok": 40, "NXDOMAIN": 30, "SERVFAIL": 20, "REFUSED": 10, "_OTHER": 9}
        same(of_client(seen), want, "what the client saw")
        same(len(log), 109, "queries that the server got")
        pair.counted(**want)
        same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    same(waiting(), (0, 0), "waiting queries")


@test("a lookup takes longer than the server and less than its client says")
def _():
    pair = Pair("delay")
    seen, log = pair.ask(queries("ok", 100, ms=20, every=0.005))
    pair.counted(ok=100)
    server = sum(entry[5] for entry in log)
    client = sum(seconds for _, seconds in seen)
    ours = pair.change.seconds(pair.group, LOOKUP)
    diag(f"sums: server {server:.6f}, ours {ours:.6f}, client {client:.6f} s")
    check(server <= ours <= client, f"{server:.6f} <= {ours:.6f} <= {client:.6f} s")
    p50 = pair.change.after.p50(pair.group, LOOKUP)
    median = statistics.median(seconds for _, seconds in seen)
    between(p50, 0.02 / BUCKET, median * BUCKET, "p50 of 20 ms, s")
    near(p50, median, BUCKET - 1, "p50 and the client's")


@test("the same id on ten sockets at once, and A and AAAA from one socket")
def _():
    pair = Pair("parallel")
    batch = [[0, i, 77, "nx-50-same.test", A] for i in range(10)]
    for i in range(10, 20):
        batch += [[0, i, 100, "ok-50-pair.test", A], [0, i, 101, "ok-50-pair.test", AAAA]]
    seen, log = pair.ask(batch)
    same((len(log), of_client(seen)), (30, {"ok": 20, "NXDOMAIN": 10}), "truth")
    pair.counted(ok=20, NXDOMAIN=10)
    same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")


@test("two names under one id on one socket are two lookups")
def _():
    pair = Pair("names")
    seen, _ = pair.ask([[0, 0, 5, "ok-50-x.test", A], [0, 0, 5, "nx-60-x.test", A]])
    same(of_client(seen), {"ok": 1, "NXDOMAIN": 1}, "truth")
    pair.counted(ok=1, NXDOMAIN=1)


@test("a query sent again is counted so, and its lookup began with the first")
def _():
    pair = Pair("again")
    batch = [[at, i, 9, "ok-300-again.test", A] for at in (0, 0.1, 0.2)
             for i in range(20)]
    seen, log = pair.ask(batch, patience=3)
    time.sleep(0.3)  # the answers to the second and third: nobody waits for them
    log += pair.log()
    pair.change = Change(pair.change.before, total())
    same((len(log), of_client(seen)), (60, {"ok": 20}), "truth")
    pair.counted(ok=20)
    same(pair.change.value(pair.group, RETRIES), 40, "queries sent again")
    client = sum(seconds for _, seconds in seen)
    between(pair.change.seconds(pair.group, LOOKUP), 20 * 0.3, client, "sum, s")
    same(waiting(), (0, 0), "waiting queries")


@test("lookups are counted where their socket was made")
def _():
    pair = Pair("owner")
    other = DnsLoad(Cgroup("other"), "client", netns=netns)
    before = total()
    for load, action, n in (pair.client, "ok", 11), (other, "nx", 7):
        load.tell("ask", [LOCAL[0], False], queries(action, n, ms=20), 2)
    for load in pair.client, other:
        load.reply()
    change = Change(before, total())
    same((results(change, pair.group), results(change, other.cgroup)),
         ({"ok": 11}, {"NXDOMAIN": 7}), "lookups of the two")


@test("no answer in 5 s is a timeout with its age, whatever comes later")
def _():
    pair = Pair("timeout")
    before = total()
    began = time.monotonic()
    pair.client.tell("ask", [LOCAL[0], False], queries("drop", 20) +
                     queries("ok", 10, ms=6500, first=100), 7)
    time.sleep(2)
    now = total()
    same(results(Change(before, now), pair.group), {}, "results after 2 s")
    age = now.value(pair.group, AGE, operation="dns")
    between(age, 1.9, time.monotonic() - began, "the oldest in flight, s")
    same(waiting(), (30, 30), "waiting queries")
    time.sleep(max(0, began + 5.5 - time.monotonic()))
    pair.change = Change(before, total())
    pair.counted(timeout=30)
    between(pair.change.seconds(pair.group, LOOKUP), 30 * 5,
            30 * (time.monotonic() - began), "sum, s")
    same(waiting(), (0, 0), "waiting queries")
    seen = pair.client.reply()
    same(of_client(seen), {"timeout": 20, "ok": 10}, "what the client saw")
    pair.change = Change(before, total())
    pair.counted(timeout=30)
    same(lost(pair.change), {}, "lost")
    same(pair.change.after.value(pair.group, AGE, operation="dns"), 0, "in flight")


@test("the same when nobody looks between the timeout and the late answer")
def _():
    quicker()
    pair = Pair("late")
    seen, _ = pair.ask(queries("nx", 25, ms=1300))
    same(of_client(seen), {"NXDOMAIN": 25}, "what the client saw")
    pair.counted(timeout=25)
    same(waiting(), (0, 0), "waiting queries")


@test("a query sent again after its timeout is a lookup of its own")
def _():
    quicker()
    pair = Pair("restart")
    seen, log = pair.ask([[at, i, 4, "ok-1400-restart.test", A] for at in (0, 1.2)
                          for i in range(15)], patience=1.5)
    same(of_client(seen), {"ok": 15}, "what the client saw")
    pair.counted(timeout=15, ok=15)
    same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    between(pair.change.seconds(pair.group, LOOKUP), 15 * (1.2 + 0.1), 15 * 2, "sum, s")


@test("twice as many unanswered queries as fit leave nothing behind")
def _():
    quicker(2)
    pair = Pair("flood")
    room = bpftool("map", "show", "id", maps_of(agent)["dns_queries"])["max_entries"]
    before = total()
    pair.client.ask("flood", ["127.9.9.9", False], 2 * room)  # nobody is there
    change = Change(before, total())
    full = lost(change).get("state_full", 0)
    done = change.value(pair.group, LOOKUP, type="timeout")
    same(done + waiting()[0] + full, 2 * room, "counted, waiting and lost")
    check(full >= room - done > 0, f"lost {full} of {2 * room}, room {room}")
    time.sleep(2)
    change = Change(before, total())
    same(results(change, pair.group), {"timeout": 2 * room - full}, "results")
    same(lost(change), {"state_full": full}, "lost")
    same(waiting(), (0, 0), "waiting queries")
    pair.ask(queries("ok", 50))
    pair.counted(ok=50)


class Bridge:
    """A client and a server behind a bridge in a third namespace, which has an address
    too: 10.78.0.1 (fd78::1) the bridge, .2 the server, .3 the client."""

    def __init__(self):
        self.node, *self.ends = (new_netns(n) for n in ("bridge", "server", "client"))
        ip("-n", self.node, "link", "add", "br0", "type", "bridge")
        self.up(self.node, "br0", 1)
        for i, end in enumerate(self.ends, 2):
            ip("-n", self.node, "link", "add", f"port{i}", "type", "veth", "peer",
               "name", "eth0", "netns", end)
            ip("-n", self.node, "link", "set", f"port{i}", "master", "br0", "up")
            self.up(end, "eth0", i)
        for address in "10.78.0.2", "fd78::2":
            subprocess.run(["ip", "netns", "exec", self.ends[1], sys.executable, "-c",
                            REACH, address], check=True, timeout=20)

    def up(self, name, device, i):
        ip("-n", name, "addr", "add", f"10.78.0.{i}/24", "dev", device)
        ip("-n", name, "addr", "add", f"fd78::{i}/64", "dev", device, "nodad")
        ip("-n", name, "link", "set", device, "up")


# Sends UDP until the other side says that the port is closed: the way is open then.
REACH = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.settimeout(0.2)
s.connect((sys.argv[1], 9))
while True:
    try:
        s.send(b"x")
        s.recv(1)
    except TimeoutError:
        pass
    except OSError:
        break
"""


@test("each lookup is counted once over veth and a bridge, from behind and on it")
def _():
    net = Bridge()
    addresses = "10.78.0.2", "fd78::2"
    pair = Pair("bridge", *addresses, where=net.ends)
    on_it = DnsLoad(Cgroup("on-bridge"), "client", netns=net.node)
    for client in pair.client, on_it:
        pair.client, pair.group = client, client.cgroup
        for address in addresses:
            for connected in False, True:
                seen, log = pair.ask(queries("ok", 50) + queries("nx", 30, first=50),
                                     address, connected)
                same((of_client(seen), len(log)), ({"ok": 50, "NXDOMAIN": 30}, 80),
                     "truth")
                pair.counted(ok=50, NXDOMAIN=30)
                same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    same(waiting(), (0, 0), "waiting queries")


@test("an answer in IP fragments counts by its first one")
def _():
    net = Bridge()
    addresses = "10.78.0.2", "fd78::2"
    pair = Pair("fragments", *addresses, where=net.ends)
    for address in addresses:
        seen, _ = pair.ask(queries("big", 20), address)
        same(of_client(seen), {"ok": 20}, "truth")
        pair.counted(ok=20)
    same(waiting(), (0, 0), "waiting queries")


@test("an answer without the question is told of as unreadable")
def _():
    quicker()
    pair = Pair("header")
    seen, _ = pair.ask(queries("header", 5))
    same(of_client(seen), {"_OTHER": 5}, "truth")
    same(lost(pair.change), {"unreadable": 5}, "lost")
    time.sleep(1)
    pair.change = Change(pair.change.before, total())
    pair.counted(timeout=5)


def resolv_conf(text):
    """What processes of `ip netns exec` see as /etc/resolv.conf."""
    directory = "/etc/netns/" + netns
    fresh = not os.path.exists("/etc/netns")
    os.makedirs(directory)
    defer(lambda: fresh and os.rmdir("/etc/netns"))
    defer(shutil.rmtree, directory)
    with open(directory + "/resolv.conf", "w") as f:
        f.write(text)


def of_log(log, timeout=TIMEOUT):
    """(lookups by result, queries sent again), as the server knows them: a query is
    sent again if it has the port, id and name of one that has no answer yet."""
    found, again, open_until = {}, 0, {}
    for action, address, port, ident, name, seconds, began in log:
        key = port, ident, name
        if began < open_until.get(key, 0):
            again += 1
            continue
        open_until[key] = began + (timeout if seconds is None else seconds)
        result = {"ok": "ok", "nx": "NXDOMAIN", "servfail": "SERVFAIL",
                  "refused": "REFUSED", "drop": "timeout"}[action]
        found[result] = found.get(result, 0) + 1
    return found, again


@test("what getaddrinfo asks is counted as the server's log has it")
def _():
    quicker(3)
    resolv_conf("nameserver 127.0.0.53\noptions timeout:1 attempts:2\n")
    pair = Pair("libc")
    before = total()
    names = [f"{action}-{ms}-{i}.test." for action, ms in
             (("ok", 0), ("ok", 30), ("nx", 0), ("servfail", 0), ("refused", 0))
             for i in range(10)] + ["drop-0-0.test."]
    seen = pair.client.ask("resolve", names)
    time.sleep(3)
    pair.change = Change(before, total())
    want, again = of_log(pair.log(), 3)
    diag(f"{want}, sent again {again}")
    same(seen[:20], [2] * 20, "addresses")
    check(want.get("ok") == 40 and want.get("NXDOMAIN") == 20 and want.get("timeout"),
          f"the log says {want}")
    pair.counted(**want)
    same(pair.change.value(pair.group, RETRIES), again, "queries sent again")


@test("what busybox's resolver asks, too")
def _():
    resolv_conf("nameserver ::1\n")
    pair = Pair("busybox")
    busybox = shutil.which("busybox")
    if not busybox:
        raise Skip("no busybox")
    before = total()
    for name in "ok-20-1.test.", "nx-0-2.test.":
        pair.group.start(["ip", "netns", "exec", netns, busybox, "nslookup", name],
                         stdout=subprocess.DEVNULL).wait(20)
    pair.change = Change(before, total())
    want, again = of_log(pair.log())
    check(want.get("ok") and want.get("NXDOMAIN"), f"the log says {want}")
    pair.counted(**want)
    same(pair.change.value(pair.group, RETRIES), again, "queries sent again")


@test("an agent leaves its own lookups out, and only those")
def _():
    resolv_conf("nameserver 127.0.0.53\n")
    pair = Pair("own")
    group = Cgroup("own-agent")
    before = total()
    # not by `ip netns exec`, which hides the tree of cgroups
    enter = ('mount --bind "$1" /etc/resolv.conf && N=$2 && shift 2 && '
             'exec nsenter --net="/run/netns/$N" "$@"')
    other = Agent("--export-interval", "1s", cgroup=group, export=
                  "http://ok-0-collector.test:9/v1/metrics",
                  prefix=["unshare", "-m", "sh", "-c", enter, "sh",
                          f"/etc/netns/{netns}/resolv.conf", netns])
    other.need("dns")
    began = other.total()
    time.sleep(2.5)
    seen = pair.client.ask("ask", [LOCAL[0], False], queries("ok", 9), 2)
    change, theirs = Change(before, total()), Change(began, other.total())
    same(of_client(seen), {"ok": 9}, "truth")
    same(results(theirs, pair.group), {"ok": 9}, "the client's, as that agent counts")
    same(results(theirs, group), {}, "its own")
    log = [e for e in pair.log() if "collector" in e[4]]
    same(results(change, group), of_log(log)[0], "its own, as another agent counts")
    check(len(log) >= 2, f"it asked {len(log)} times")
    same(waiting(other), (0, 0), "waiting queries of that agent")


@test("switched off it counts nothing, and what waited then is forgotten")
def _():
    quicker()
    pair = Pair("off")
    before = total()
    pair.client.tell("ask", [LOCAL[0], False], queries("ok", 20, ms=3000) +
                     queries("drop", 5, first=20), 4)
    time.sleep(0.2)
    same(waiting(), (25, 25), "waiting queries")
    tune("dns", "enabled=false")
    try:
        pair.client.reply()
        seen = pair.client.ask("ask", [LOCAL[0], False], queries("nx", 30), 2)
        same(of_client(seen), {"NXDOMAIN": 30}, "truth")
        same(waiting(), (25, 25), "waiting queries: nobody looked at the answers")
    finally:
        tune("dns", "enabled=true")
    pair.log()
    pair.ask(queries("ok", 10, first=300))
    pair.counted(ok=10)
    same(results(Change(before, total()), pair.group), {"ok": 10}, "since the start")
    same(waiting(), (0, 0), "waiting queries")


@test("it goes on counting while tcp is switched off")
def _():
    pair = Pair("no-tcp")
    tune("tcp", "enabled=false")
    try:
        pair.ask(queries("ok", 30))
    finally:
        tune("tcp", "enabled=true")
    pair.counted(ok=30)


def programs(agent_):
    return {bpf.prog_info(i)["name"] for kind, i in bpf.held_by(agent_.pid())
            if kind == "prog"}


@test("without tcp it has a program of its own, with it none")
def _():
    pair = Pair("alone")
    check("dns_packet_out" not in programs(agent), "tcp and dns both look at packets")
    alone = Agent("--probes", "dns,sched")
    check("dns_packet_out" in programs(alone), f"{programs(alone)}")
    before = alone.total()
    seen, _ = pair.ask(queries("ok", 40) + queries("nx", 10, first=40))
    pair.change = Change(before, alone.total())
    pair.counted(ok=40, NXDOMAIN=10)
    same(waiting(alone), (0, 0), "waiting queries")


@test("without dns tcp notes no queries")
def _():
    quicker()
    pair = Pair("none")
    without = Agent("--probes", "tcp")
    before = without.total()
    pair.ask(queries("drop", 10), patience=0.3)
    pair.change = Change(before, without.total())
    pair.counted()
    same(waiting(without), (0, 0), "waiting queries")
    time.sleep(1)
    total()


@test("nothing of all that was lost but what was meant to be")
def _():
    found = {k[1]: n for k, n in total().lost().items() if k[0] == "dns"}
    found.pop("state_full", None)
    found.pop("unreadable", None)
    same(found, {}, "lost")


main(setup)
