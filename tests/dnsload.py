# SPDX-License-Identifier: Apache-2.0
"""The two ends of kernel/resolver.py, started and spoken to, and what an agent counts
of them."""

import json
import os
import socket
import subprocess
import sys

import bpf
from node import TOP, Agent, Cgroup, end_process
from readings import Change
from tap import Failed, defer, same

LOOKUP = "assay.dns.lookup.duration"
RETRIES = "assay.dns.lookup.retries"
NAMES = {0: "ok", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED", None: "timeout",
         "unreachable": "unreachable"}
LOCAL = "127.0.0.53", "127.1.2.3", "::1"
TIMEOUT = 5
A, AAAA = 1, 28
agent = None  # of the suite
netns = None  # where its loads are if nothing else is said


def begin(*probes, options=()):
    """Starts the agent and makes the namespace."""
    global agent, netns
    agent = Agent(*options)
    agent.need(*probes)
    netns = new_netns("node")
    return agent


class DnsLoad:
    """One of them in a cgroup of its own: a line of JSON in, one out."""

    def __init__(self, cgroup, *argv, netns=None):
        prefix = ["ip", "netns", "exec", netns] if netns else []
        self.cgroup = cgroup
        self.process = cgroup.start(
            [*prefix, sys.executable, TOP + "/tests/kernel/resolver.py", *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        defer(self.close)
        self.reply()

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the load died: exit status {self.process.wait()}")
        return json.loads(line)

    def tell(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def ask(self, *words):
        self.tell(*words)
        return self.reply()

    def close(self):
        end_process(self.process)


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

    def ask(self, queries, address=None, connected=False, patience=2, port=()):
        """What the client saw, what the server says, and the change in our numbers
        from before to after."""
        before = total()
        seen = self.client.ask("ask", [address or self.addresses[0], connected, *port],
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


def resolvers():
    """The ends of the addresses of this machine's resolvers, which no test asks."""
    ends = set()
    try:
        with open("/etc/resolv.conf") as f:
            lines = f.readlines()
    except FileNotFoundError:  # of a guest that is no more than a kernel and tests
        return ends
    for line in lines:
        if line.startswith("nameserver ") and line.split()[1] not in LOCAL:
            family = socket.AF_INET6 if ":" in line else socket.AF_INET
            ends.add(socket.inet_pton(family, line.split()[1].split("%")[0])[-4:])
    return ends


def waiting(agent_=None):
    """(entries of the map, what our own count of them says), but for what others on this
    machine have asked its resolver."""
    maps = maps_of(agent_ or agent)
    # An entry that was given up between its key and its value has an error for a value.
    entries = [bytes(int(b, 16) for b in e["value"])  # struct dns_query
               for e in bpftool("map", "dump", "id", maps["dns_queries"])
               if isinstance(e["value"], list)]
    foreign = resolvers()
    others = sum(e[40:44] in foreign for e in entries)
    gate = bpftool("map", "dump", "id", maps["dns_gates"])[0]["value"]
    count = bytes(int(b, 16) for b in gate[8:12])  # struct dns_gate
    return len(entries) - others, int.from_bytes(count, "little") - others


def tune(probe, change):
    agent.tune(probe, change)


def quicker(seconds=1):
    """Queries are given up sooner, or later, while this test runs."""
    tune("dns", f"timeout={seconds}s")
    defer(tune, "dns", f"timeout={TIMEOUT}s")
