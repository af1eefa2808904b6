# SPDX-License-Identifier: Apache-2.0
"""What the suites of the tcp probe share: an agent, pairs of server and client, and
network namespaces of their own."""

import math
import os
import subprocess
import sys

from node import Agent, Cgroup, Load, end_process, free_port
from readings import Change
from tap import Failed, Skip, between, defer, same

OPENED = "assay.tcp.connections"
OPEN = "assay.tcp.connection.count"
CONNECT = "assay.tcp.connect.duration"
FAILED = "assay.tcp.connect.errors"
RESPONSE = "assay.tcp.response.duration"
IO = "assay.tcp.io"
RESETS = "assay.tcp.resets"
RETRANSMITS = "assay.tcp.retransmits"
RTT = "assay.tcp.rtt"
ACCEPT = "assay.tcp.accept.wait.duration"
ACCEPTS = "assay.tcp.accepts"
OVERFLOWS = "assay.tcp.accept.overflows"
SYN_RETRANSMITS = "assay.tcp.connect.retransmits"
UNANSWERED = "assay.tcp.response.errors"
INFLIGHT = "assay.inflight.age"
SETTLE = 0.3
agent = None


def setup(*options):
    """Starts the agent of the suite, or another one."""
    global agent
    agent = Agent(*options)
    agent.need("tcp", "syscall")


def restart():
    """Another agent, which finds what is there already."""
    agent.stop()
    setup()


def total():
    return agent.total(SETTLE)


def only(points):
    """The one point of a list of one."""
    same(len(points), 1, "points")
    return points[0]


def answered(change, groups, n):
    """n responses at both ends, whose cgroups these are, each in its role."""
    for group, role in zip(groups, ("server", "client")):
        change.exact("tcp", change.by(group, RESPONSE, "role"), {role: n},
                     f"responses of the {role}")


class Pair:
    """A server and a client, each in a cgroup of its own."""

    def __init__(self, name, *options, server=(), client=(), address="127.0.0.1",
                 netns=(None, None)):
        port = self.port = free_port()
        self.server_group = Cgroup(name + "-server")
        self.client_group = Cgroup(name + "-client")
        self.server = Load(self.server_group, "tcpload", "server", address, port,
                           *options, *server, netns=netns[0])
        self.client = Load(self.client_group, "tcpload", "client", address, port,
                           *options, *client, netns=netns[1])

    def ask(self, *words):
        """Has the client do something; what it says, what the server says, and the
        change in our numbers."""
        self.server.ask("stats")
        before = total()
        client = self.client.ask(*words)
        self.change = Change(before, total())
        return client, self.server.ask("stats")

    def both(self, metric, **attributes):
        """The change of a metric: (server's, client's)."""
        return (self.change.value(self.server_group, metric, **attributes),
                self.change.value(self.client_group, metric, **attributes))

    def roles(self, metric):
        """The change of a metric by role: (server's, client's)."""
        return (self.change.by(self.server_group, metric, "role"),
                self.change.by(self.client_group, metric, "role"))

    def opened(self, n):
        same(self.roles(OPENED), ({"server": n}, {"client": n}), "connections by role")
        server, client = self.both(CONNECT)
        unpaired = self.change.lost().get(("tcp", "unpaired"), 0)
        between(unpaired, 0, self.change.skipped("tcp"), "connects without a sample")
        same((server, client + unpaired), (0, n), "connect samples, and those without")

    def responses(self, n):
        answered(self.change, (self.server_group, self.client_group), n)

    def bytes(self, client, server):
        """Bytes of payload: (server's, client's), as they counted them."""
        same(self.both(IO, direction="receive"),
             (server["received"], client["received"]), "bytes received")
        same(self.both(IO, direction="transmit"), (server["sent"], client["sent"]),
             "bytes sent")


class Steps:
    """Both ends of tests/kernel/tcpnet.c, each in a cgroup of its own."""

    def __init__(self, name, *server, client=(), address="127.0.0.1",
                 netns=(None, None), **options):
        port = self.port = free_port()
        self.groups = Cgroup(name + "-server"), Cgroup(name + "-client")
        self.server = Load(self.groups[0], "tcpnet", "server", address, port, *server,
                           netns=netns[0], **options)
        self.client = Load(self.groups[1], "tcpnet", "client", address, port, *client,
                           netns=netns[1])

    def talk(self, requests):
        self.server.tell("answer", requests)
        self.client.ask("ask", requests)
        self.server.reply()


class Script:
    """A Python program in a cgroup of its own, which says a line when it has done what
    the latest line told it."""

    def __init__(self, cgroup, code, *args, netns=None):
        prefix = ["ip", "netns", "exec", netns] if netns else []
        self.process = cgroup.start([*prefix, sys.executable, "-c", code,
                                     *map(str, args)],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    text=True)
        defer(self.close)

    def reply(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise Failed(f"a script ended, status {self.process.wait()}")
        return line

    def tell(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def ask(self, word=""):
        self.tell(word)
        return self.reply()

    def close(self):
        end_process(self.process)


class Ends:
    """A server and a client that are scripts, in cgroups of their own."""

    def __init__(self, name, server, client, *args, netns=(None, None)):
        self.port = free_port()
        self.groups = Cgroup(name + "-server"), Cgroup(name + "-client")
        self.server = Script(self.groups[0], server, self.port, *args, netns=netns[0])
        same(self.server.reply(), "ready", "the server")
        self.client = Script(self.groups[1], client, self.port, *args, netns=netns[1])

    def responses(self, change, n):
        answered(change, self.groups, n)

    def unanswered(self, change, want=({}, {})):
        same(tuple(change.by(g, UNANSWERED, "type") for g in self.groups), want,
             "unanswered requests of the server, of the client")

    def ages(self, numbers):
        """Seconds in flight over TCP, of the server and of the client."""
        return [sum(v for k, v in numbers.by(g, INFLIGHT, "operation").items()
                    if k.startswith("tcp")) for g in self.groups]


class Switch:
    """Switches a probe of the agent off and on; it is on when the block ends."""

    def __init__(self, probe):
        self.probe = probe

    def off(self):
        agent.tune(self.probe, "enabled=false")

    def on(self):
        agent.tune(self.probe, "enabled=true")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.on()


class Wire:
    """Two network namespaces, 10.77.1.2 and 10.77.2.2, and a router between them:
    what is lost there is lost behind the sender's back, as on a network."""

    def __init__(self, loss=False):
        names = [f"assay-{os.getpid()}-{i}" for i in range(3)]
        self.names, self.router = names[1:], names[0]
        router = self.router
        for name in names:
            ip("netns", "add", name)
            defer(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        for i, name in enumerate(self.names, 1):
            ip("link", "add", "veth0", "netns", name, "type", "veth", "peer", "name",
               f"veth{i}", "netns", router)
            ip("-n", name, "addr", "add", f"10.77.{i}.2/24", "dev", "veth0")
            ip("-n", name, "link", "set", "veth0", "up")
            ip("-n", name, "route", "add", "default", "via", f"10.77.{i}.1")
            ip("-n", router, "addr", "add", f"10.77.{i}.1/24", "dev", f"veth{i}")
            ip("-n", router, "link", "set", f"veth{i}", "up")
            if loss:  # a short queue: a burst does not fit
                subprocess.run(["tc", "-n", router, "qdisc", "add", "dev", f"veth{i}",
                                "root", "tbf", "rate", "20mbit", "burst", "6000",
                                "limit", "9000"], check=True)
        ip("netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def snmp(self, i, key):
        """A counter of /proc/net/snmp's Tcp of one of the two."""
        text = subprocess.run(["ip", "netns", "exec", self.names[i], "cat",
                               "/proc/net/snmp"], capture_output=True, text=True,
                              check=True).stdout
        names, values = [line.split() for line in text.splitlines()
                         if line.startswith("Tcp:")]
        return int(values[names.index(key)])

    def netstat(self, i, *keys):
        """Counters of /proc/net/netstat of one of the two."""
        text = subprocess.run(["ip", "netns", "exec", self.names[i], "cat",
                               "/proc/net/netstat"], capture_output=True, text=True,
                              check=True).stdout.split("\n")
        values = {}
        for names, numbers in zip(text[::2], text[1::2]):
            values.update(zip(names.split(), numbers.split()))
        return [int(values[key]) for key in keys]


class Bridge:
    """Two network namespaces, 10.78.0.1 and 10.78.0.2, on a bridge in a third, or
    with a cable between them."""

    def __init__(self, netfilter=None):
        names = [f"assay-{os.getpid()}-b{i}" for i in range(3)]
        self.names, bridge = names[1:], names[0]
        for name in names:
            ip("netns", "add", name)
            defer(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        if netfilter is None:
            ip("link", "add", "veth0", "netns", names[1], "type", "veth", "peer",
               "name", "veth0", "netns", names[2])
        else:
            self.bridge(bridge, netfilter)
        for i, name in enumerate(self.names, 1):
            ip("-n", name, "addr", "add", f"10.78.0.{i}/24", "dev", "veth0")
            ip("-n", name, "link", "set", "veth0", "up")

    def bridge(self, where, netfilter):
        ip("-n", where, "link", "add", "br0", "type", "bridge")
        ip("-n", where, "link", "set", "br0", "up")
        for i, name in enumerate(self.names, 1):
            ip("link", "add", "veth0", "netns", name, "type", "veth", "peer", "name",
               f"veth{i}", "netns", where)
            ip("-n", where, "link", "set", f"veth{i}", "master", "br0", "up")
        knob = "/proc/sys/net/bridge/bridge-nf-call-iptables"
        if os.path.exists(knob):
            subprocess.run(["ip", "netns", "exec", where, "sh", "-c",
                            f"echo {netfilter} >{knob}"], check=True)
        elif netfilter:
            raise Skip("no br_netfilter on this kernel")


def queued(client, server):
    """Seconds that connections waited in an accept queue, in all: at least, at most, by
    the clocks of both ends (tcpnet's connect and accept). Each became established while
    its connect ran, but for the last ACK's way to the server: 20 ms of all of them
    together where softirqs come late; and was taken while its accept ran."""
    return (server["begin"] - client["sum"]) / 1e9 - 0.02, \
        (server["sum"] - client["begin"]) / 1e9


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def bucket(seconds):
    """Index of the scale-3 bucket that holds this value."""
    return math.ceil(math.log2(seconds) * 8) - 1
