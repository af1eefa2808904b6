#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TCP through tunnels: each packet passes several devices with the sender's socket in
it, and stands behind headers that are not its own. Everything is counted once. Tunnels
that this kernel does not have are skipped; a guest has them all."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600
# vm: modules=veth,vxlan,geneve,ip_gre,ipip,8021q,xfrm_user,esp4,crypto_null,authenc,echainiv,wireguard

import os
import subprocess
import sys

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import tcp
from node import IN_GUEST, scratch
from readings import Change
from tap import Skip, between, defer, main, need_root, need_tools, same, test
from tcp import INFLIGHT, OPEN, UNANSWERED, Pair, ip, total

need_root()
if IN_GUEST:
    tcp.SETTLE = 1.0  # a guest without KVM takes its time


def may(what, *args):
    """ip, where the kernel may not have what it is asked for."""
    p = subprocess.run(["ip", *args], capture_output=True, text=True)
    if p.returncode:
        raise Skip(f"no {what} on this kernel: {p.stderr.strip()}")


def wg(word, text=""):
    """What the configuration tool of WireGuard says."""
    need_tools("wg")
    return subprocess.run(["wg", word], input=text, capture_output=True, text=True,
                          check=True).stdout.strip()


class Below:
    """Two namespaces with a cable between, 10.80.0.1 and 10.80.0.2. One of them may be
    that of the host, whose names and addresses must not be in use."""

    def __init__(self, host=False):
        self.names = [f"assay-{os.getpid()}-t{i}" for i in range(2)]
        self.cable = f"at{os.getpid()}"
        for name in self.names[host:]:
            ip("netns", "add", name)
            defer(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        if host:
            self.names[0] = None
        ip("link", "add", self.cable, "type", "veth", "peer", "name", self.cable,
           "netns", self.names[1])
        if host:
            defer(lambda: subprocess.run(["ip", "link", "del", self.cable],
                                         capture_output=True))
        else:
            ip("link", "set", self.cable, "netns", self.names[0])
        for i in 0, 1:
            self.address(i, self.cable, "10.80.0")

    def at(self, i):
        return ("-n", self.names[i]) if self.names[i] else ()

    def address(self, i, device, net):
        ip(*self.at(i), "addr", "add", f"{net}.{i + 1}/24", "dev", device)
        ip(*self.at(i), "link", "set", device, "up")

    def tunnel(self, kind, *words):
        """A tunnel over the cable; its addresses are 10.81.0.1 and 10.81.0.2."""
        device = f"tu{os.getpid()}"
        for i in 0, 1:
            ends = {"LOCAL": f"10.80.0.{i + 1}", "REMOTE": f"10.80.0.{2 - i}",
                    "CABLE": self.cable}
            may(kind, *self.at(i), "link", "add", *(["link", self.cable] if kind == "vlan"
                else []), "name", device, "type", kind,
                *(ends.get(word, word) for word in words))
            if not self.names[i]:
                defer(lambda: subprocess.run(["ip", "link", "del", device],
                                             capture_output=True))
            self.address(i, device, "10.81.0")

    def wireguard(self):
        """What is sent by it is encrypted by other threads, and leaves from there."""
        device, files = f"tu{os.getpid()}", [f"{scratch()}/key{i}" for i in (0, 1)]
        keys = [wg("genkey") for _ in files]
        for name, key in zip(files, keys):
            with open(name, "w") as f:
                f.write(key)
        for i in 0, 1:
            may("WireGuard", *self.at(i), "link", "add", device, "type", "wireguard")
            ip("netns", "exec", self.names[i], "wg", "set", device, "private-key",
               files[i], "listen-port", "5182", "peer", wg("pubkey", text=keys[1 - i]),
               "allowed-ips", "10.81.0.0/24", "endpoint", f"10.80.0.{2 - i}:5182")
            self.address(i, device, "10.81.0")

    def esp(self):
        """IPsec on the cable itself: encapsulation without a device of its own."""
        for i in 0, 1:
            for way in 0, 1:
                ends = ["src", f"10.80.0.{way + 1}", "dst", f"10.80.0.{2 - way}"]
                may("ESP", *self.at(i), "xfrm", "state", "add", *ends, "proto", "esp",
                    "spi", str(100 + way), "mode", "transport", "enc", "cipher_null", "",
                    "auth", "digest_null", "")
                may("ESP", *self.at(i), "xfrm", "policy", "add", *ends, "dir",
                    ("out", "in")[i != way], "tmpl", *ends, "proto", "esp", "mode",
                    "transport")


def exact(below, address):
    """1000 requests on 20 connections: all of it at both ends, and once; nothing is
    left open, nothing seems to wait."""
    pair = Pair("tunnel", "-s", 3000, address=address, netns=below.names)
    start = total()
    client, server = pair.ask("talk", 4, 5, 50)
    same((client["requests"], server["requests"]), (1000, 1000), "truth")
    pair.opened(20)
    pair.responses(1000)
    pair.bytes(client, server)
    pair.ask("hold", 3)
    client, _ = pair.ask("ask", 5)
    pair.responses(15)
    groups = pair.server_group, pair.client_group
    same([{k for k in pair.change.after.by(g, INFLIGHT, "operation") if "tcp" in k}
          for g in groups], [set(), set()], "in flight")
    pair.ask("drop")
    change = Change(start, total())
    skipped = change.skipped("tcp")
    for group in groups:
        between(change.value(group, UNANSWERED), 0, skipped, "unanswered")
    same([change.value(g, OPEN) for g in groups], [0, 0], "left open")


VXLAN = "vxlan", "id", "42", "remote", "REMOTE", "local", "LOCAL", "dev", "CABLE", \
    "dstport", "4789"


for where, host in ("two namespaces", False), ("the host and a namespace", True):
    @test(f"all is counted once over VXLAN between {where}")
    def _(host=host):
        below = Below(host)
        below.tunnel(*VXLAN)
        exact(below, "10.81.0.1")


for kind, words in (("geneve", ("id", "42", "remote", "REMOTE")),
                    ("gre", ("remote", "REMOTE", "local", "LOCAL")),
                    ("gretap", ("remote", "REMOTE", "local", "LOCAL")),
                    ("ipip", ("remote", "REMOTE", "local", "LOCAL")),
                    ("vlan", ("id", "42")),
                    ("vlan", ("id", "42", "reorder_hdr", "off"))):
    @test(f"all is counted once over {kind} {' '.join(words[2:] if kind == 'vlan' else ())}")
    def _(kind=kind, words=words):
        below = Below()
        below.tunnel(kind, *words)
        exact(below, "10.81.0.1")


@test("all is counted once over VXLAN in VXLAN")
def _():
    below = Below()
    below.tunnel(*VXLAN)
    for i in 0, 1:
        ip(*below.at(i), "link", "add", "inner", "type", "vxlan", "id", "43", "remote",
           f"10.81.0.{2 - i}", "dstport", "4790", "dev", f"tu{os.getpid()}")
        below.address(i, "inner", "10.82.0")
    exact(below, "10.82.0.1")


@test("all is counted once over WireGuard")
def _():
    below = Below()
    below.wireguard()
    exact(below, "10.81.0.1")


@test("all is counted once over IPsec, which has no device")
def _():
    below = Below()
    below.esp()
    exact(below, "10.80.0.1")


main(tcp.setup)
