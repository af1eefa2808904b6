#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""DNS lookups by the ways that containers take to their resolver: devices that share
the host's (macvlan, ipvlan, VLAN), veth with and without NAT, a resolver on another port
that NAT leads to; several servers asked at once. What the clients saw is the truth. See
test_dns.py."""
# vm: kernels=6.1,7.x ci=none timeout=600
# vm: modules=veth,macvlan,ipvlan,8021q,nft_chain_nat,nft_nat,nft_masq

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import dnsload
from dnsload import (A, AAAA, RETRIES, DnsLoad, Pair, begin, ip, lost, new_netns,
                     of_client, queries, quicker, results, total, waiting)
from node import Cgroup
from readings import Change
from tap import Skip, check, main, need_root, need_tools, same, test

need_root()

PATIENCE = 30  # s: of clients whose answers come for certain
STUB = "127.0.0.11"


def setup():
    begin("tcp", "dns", options=("--probes", "tcp,dns"))


class Node:
    """A resolver behind a veth of a node, and on the node's end of it a container:
    10.79.0.1 (fd79::1) the node, .53 the resolver, .10 the container."""

    def __init__(self):
        self.node, self.resolver, self.pod = (new_netns(n) for n in
                                              ("host", "resolver", "pod"))
        ip("-n", self.node, "link", "add", "h0", "type", "veth", "peer", "name", "r0",
           "netns", self.resolver)
        ip("-n", self.node, "link", "set", "h0", "up")
        ip("-n", self.resolver, "link", "set", "r0", "up")

    def address(self, netns, device, number):
        ip("-n", netns, "link", "set", device, "up")
        ip("-n", netns, "addr", "add", f"10.79.0.{number}/24", "dev", device)
        ip("-n", netns, "addr", "add", f"fd79::{number}/64", "dev", device, "nodad")

    def add(self, netns, name, *words):
        """Makes a device and switches it on."""
        p = subprocess.run(["ip", "-n", netns, "link", "add", "name", name, *words],
                           capture_output=True, text=True)
        if p.returncode:
            raise Skip(f"ip link add {' '.join(words)}: {p.stderr.strip()}")
        ip("-n", netns, "link", "set", name, "up")

    def give(self, *kind, link="h0", to=None):
        """Makes a device on the node's and moves it to the container."""
        self.add(self.node, "c0", "link", link, "type", *kind)
        ip("-n", self.node, "link", "set", "c0", "netns", to or self.pod)

    def shared(self, *kind):
        """A container whose device is one on the node's."""
        self.give(*kind)
        self.address(self.pod, "c0", 10)
        self.address(self.resolver, "r0", 53)

    def tagged(self, *tags):
        """One whose device is a VLAN on the node's, or a VLAN in one."""
        ends = {self.node: "h0", self.resolver: "r0"}
        for netns in ends:
            for i, tag in enumerate(tags[:-1] if netns == self.node else tags):
                self.add(netns, f"v{i}", "link", ends[netns], "type", "vlan", "id", tag)
                ends[netns] = f"v{i}"
        self.give("vlan", "id", tags[-1], link=ends[self.node])
        self.address(self.pod, "c0", 10)
        self.address(self.resolver, f"v{len(tags) - 1}", 53)

    def routed(self):
        """A container behind a veth of its own; the node forwards. It has 10.80.0.2
        (fd80::2)."""
        ip("-n", self.node, "link", "add", "p0", "type", "veth", "peer", "name", "c0",
           "netns", self.pod)
        for netns, device, number in (self.node, "p0", 1), (self.pod, "c0", 2):
            ip("-n", netns, "link", "set", device, "up")
            ip("-n", netns, "addr", "add", f"10.80.0.{number}/24", "dev", device)
            ip("-n", netns, "addr", "add", f"fd80::{number}/64", "dev", device, "nodad")
        self.address(self.node, "h0", 1)
        self.address(self.resolver, "r0", 53)
        for family, of_node, of_pod in ("-4", "10.79.0.1", "10.80.0.1"), \
                                       ("-6", "fd79::1", "fd80::1"):
            ip(family, "-n", self.pod, "route", "add", "default", "via", of_pod)
            ip(family, "-n", self.resolver, "route", "add", "default", "via", of_node)
        subprocess.run(["ip", "netns", "exec", self.node, "sh", "-ec",
                        "echo 1 >/proc/sys/net/ipv4/ip_forward;"
                        "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"], check=True)

    def lookups(self, addresses=("10.79.0.53", "fd79::53")):
        """Both kinds of sockets, both families: each lookup once, with its result."""
        pair = Pair("way", "10.79.0.53", "fd79::53", where=(self.resolver, self.pod))
        for address in addresses:
            for connected in False, True:
                several_results(pair, address, connected)
        same(waiting(), (0, 0), "waiting queries")


def several_results(pair, address, connected):
    seen, log = pair.ask(queries("ok", 20) + queries("nx", 10, ms=20, first=50),
                         address, connected, patience=PATIENCE)
    want = {"ok": 20, "NXDOMAIN": 10}
    same((of_client(seen), len(log)), (want, 30), f"truth, {address}")
    pair.counted(**want)
    same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
    same(lost(pair.change), {}, "lost")
    server = sum(entry[5] for entry in log)
    ours = pair.change.seconds(pair.group, dnsload.LOOKUP)
    client = sum(seconds for _, seconds in seen)
    check(server <= ours <= client, f"s: {server:.6f} <= {ours:.6f} <= {client:.6f}")


def nft(netns, rules):
    need_tools("nft")
    p = subprocess.run(["ip", "netns", "exec", netns, "nft", "-f", "-"], input=rules,
                       capture_output=True, text=True)
    if p.returncode:
        raise Skip(f"no NAT here: {p.stderr.splitlines()[0]}")


@test("by a macvlan device in a container")
def _():
    net = Node()
    net.shared("macvlan", "mode", "bridge")
    net.lookups()


@test("by an ipvlan device in a container, mode L2")
def _():
    net = Node()
    net.shared("ipvlan", "mode", "l2")
    net.lookups()


@test("by an ipvlan device in a container, mode L3")
def _():
    net = Node()
    net.give("ipvlan", "mode", "l3")
    net.address(net.node, "h0", 1)
    net.address(net.resolver, "r0", 53)
    ip("-n", net.pod, "link", "set", "c0", "up")
    ip("-n", net.pod, "addr", "add", "10.81.0.2/24", "dev", "c0")
    ip("-n", net.pod, "route", "add", "default", "dev", "c0")
    ip("-n", net.resolver, "route", "add", "10.81.0.0/24", "via", "10.79.0.1")
    net.lookups(["10.79.0.53"])


@test("by a VLAN's device in a container")
def _():
    net = Node()
    net.tagged("7")
    net.lookups()


@test("by a VLAN within a VLAN: the inner tag is in the packet when we see it")
def _():
    net = Node()
    net.tagged("7", "8")
    net.lookups()


@test("by two macvlan devices of one host, the resolver behind the other one")
def _():
    net = Node()
    ip("-n", net.resolver, "link", "set", "r0", "up")
    net.resolver = new_netns("neighbour")
    for netns, number in (net.resolver, 53), (net.pod, 10):
        net.give("macvlan", "mode", "bridge", to=netns)
        net.address(netns, "c0", number)
    net.lookups()


@test("by a veth whose packets the node forwards")
def _():
    net = Node()
    net.routed()
    net.lookups()


@test("the same when the node hides the container behind its own address")
def _():
    net = Node()
    net.routed()
    nft(net.node, "add table inet n; add chain inet n post "
        "{ type nat hook postrouting priority 100; };"
        "add rule inet n post oifname h0 masquerade")
    net.lookups()


@test("the same by the address of a service, which the node translates")
def _():
    net = Node()
    net.routed()
    nft(net.node, "add table ip n; add chain ip n pre "
        "{ type nat hook prerouting priority -100; };"
        "add rule ip n pre ip daddr 10.96.0.10 dnat to 10.79.0.53")
    net.lookups(["10.96.0.10"])


def lookups_of_stub(pair, address):
    for connected in False, True:
        several_results(pair, address, connected)
    same(waiting(), (0, 0), "waiting queries")


@test("a container's stub on another port, which NAT leads to, is asked at port 53")
def _():
    netns = new_netns("stub")
    nft(netns, "add table ip n;"
        "add chain ip n out { type nat hook output priority -100; };"
        "add chain ip n post { type nat hook postrouting priority 100; };"
        f"add rule ip n out ip daddr {STUB} udp dport 53 dnat to {STUB}:40053;"
        f"add rule ip n post ip saddr {STUB} udp sport 40053 snat to {STUB}:53")
    lookups_of_stub(Pair("stub", STUB + "#40053", where=(netns, netns)), STUB)


@test("so is a resolver elsewhere: its answers come from that port")
def _():
    net = Node()
    net.shared("macvlan", "mode", "bridge")
    nft(net.pod, "add table ip n;"
        "add chain ip n out { type nat hook output priority -100; };"
        "add rule ip n out ip daddr 10.9.9.9 udp dport 53 dnat to 10.79.0.53:5353")
    ip("-n", net.pod, "route", "add", "default", "dev", "c0")
    pair = Pair("elsewhere", "10.79.0.53#5353", where=(net.resolver, net.pod))
    lookups_of_stub(pair, "10.9.9.9")


@test("a socket that asks two servers has one lookup, with the first answer")
def _():
    quicker()
    pair = Pair("two", "127.0.53.1", "127.0.53.2")
    both = "127.0.53.1,127.0.53.2"
    for asked, answers in (both, 60), ("127.0.53.1,127.0.53.9", 30), \
                          ("127.0.53.9,127.0.53.1", 30):
        # some are answered before the second server is asked, some are not
        seen, log = pair.ask(queries("ok", 20) + queries("nx", 10, ms=20, first=30),
                             asked, patience=PATIENCE)
        same((of_client(seen), len(log)), ({"ok": 20, "NXDOMAIN": 10}, answers), "truth")
        time.sleep(1.2)  # what has not been answered would be a timeout
        pair.change = Change(pair.change.before, total())
        pair.counted(ok=20, NXDOMAIN=10)
        same(pair.change.value(pair.group, RETRIES), 0, "queries sent again")
        same(waiting(), (0, 0), "waiting queries")
    seen, log = pair.ask(queries("ok", 10), "127.0.53.1,,127.0.53.2", patience=PATIENCE)
    same((of_client(seen), len(log)), ({"ok": 10}, 20), "truth, answered between the two")
    pair.counted(ok=10)
    pair.ask(queries("drop", 15), both, patience=0.1)
    time.sleep(1.2)
    pair.change = Change(pair.change.before, total())
    pair.counted(timeout=15)


@test("its A and AAAA stay two; a round of questions later is a retry each")
def _():
    pair = Pair("rounds", "127.0.53.1", "127.0.53.2")
    batch = [[at, i, ident, "ok-300-rounds.test", kind] for at in (0, 0.1)
             for i in range(10) for ident, kind in ((1, A), (2, AAAA))]
    seen, log = pair.ask(batch, "127.0.53.1,127.0.53.2", patience=PATIENCE)
    same((of_client(seen), len(log)), ({"ok": 20}, 80), "truth")
    time.sleep(0.4)  # the other answers, for which nobody waits
    pair.change = Change(pair.change.before, total())
    pair.counted(ok=20)
    same(pair.change.value(pair.group, RETRIES), 20, "queries sent again")


@test("two namespaces with all the same in their queries do not answer each other")
def _():
    quicker()
    pair = Pair("same")
    for first, wants in ("deaf", ({"timeout": 10}, {"ok": 10})), \
                        ("heard", ({"ok": 10}, {"timeout": 10})):
        deaf = DnsLoad(Cgroup(first), "client", netns=new_netns(first))
        asks = [[0, i, 5, "ok-300-same.test", A] for i in range(10)]
        before = total()
        loads = [deaf, pair.client] if first == "deaf" else [pair.client, deaf]
        for load in loads:
            load.tell("ask", ["127.0.0.53", False, 20000], asks, 1)
            time.sleep(0.1)
        for load in loads:
            load.reply()
        time.sleep(1)
        change = Change(before, total())
        same([results(change, load.cgroup) for load in loads], [*wants], first + " first")
    same(waiting(), (0, 0), "waiting queries")


main(setup)
