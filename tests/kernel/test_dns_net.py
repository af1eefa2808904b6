#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""DNS lookups over bridges and in fragments, of real resolver libraries and of the agent
itself, and with one of the two probes alone. See test_dns.py."""

import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
import dnsload
from dnsload import (LOCAL, RETRIES, TIMEOUT, DnsLoad, Pair, begin, ip, new_netns,
                     of_client, queries, quicker, results, total, waiting)
from node import PATIENCE, Agent, Cgroup, wait_for
from readings import Change
from tap import check, defer, diag, main, need_root, need_tools, same, test

need_root()

agent = None


def setup():
    global agent
    agent = begin("tcp", "dns")


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


def resolv_conf(text):
    """What processes of `ip netns exec` see as /etc/resolv.conf."""
    directory = "/etc/netns/" + dnsload.netns
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
    need_tools("busybox")
    busybox = shutil.which("busybox")
    before = total()
    for name in "ok-20-1.test.", "nx-0-2.test.":
        pair.group.start(["ip", "netns", "exec", dnsload.netns, busybox, "nslookup",
                          name], stdout=subprocess.DEVNULL).wait(20)
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
                          f"/etc/netns/{dnsload.netns}/resolv.conf", dnsload.netns])
    other.need("dns")
    wait_for(lambda: results(total(), group).get("ok", 0) >= 4, PATIENCE, "its lookups")
    seen = pair.client.ask("ask", [LOCAL[0], False], queries("ok", 9), 2)
    same(of_client(seen), {"ok": 9}, "truth")
    theirs = other.total()
    same(results(theirs, pair.group), {"ok": 9}, "the client's, as that agent counts")
    same(results(theirs, group), {}, "its own")
    same(waiting(other), (0, 0), "waiting queries of that agent")
    other.stop()
    log = [e for e in pair.log() if "collector" in e[4]]
    same(results(Change(before, total()), group), of_log(log)[0],
         "its own, as another agent counts")


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


main(setup)
