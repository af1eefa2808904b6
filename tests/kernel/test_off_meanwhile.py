#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""What is under way while a probe is switched off and on: connections go on, requests,
connects and waits across the gap are no samples, and nothing of them is lost."""
# vm: kernels=6.1,6.12,7.x,fallbacks ci=none timeout=600

import os
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import PATIENCE, Agent, Cgroup, Load, free_port, wait_for
from off import lost, switch
from readings import Change
from tap import Busy, between, check, defer, diag, main, need_root, same, test

need_root()

CPU = max(os.sched_getaffinity(0))
CONNECTIONS = "assay.tcp.connection.count"
agent = None


def setup():
    global agent
    agent = Agent("--export-interval", "1s")
    agent.need("sched", "tcp")


@test("what a connection has carried until it is off is counted, and what after it is on")
def _():
    me = Cgroup("bytes")
    reader, writer = os.pipe()  # a word when the bytes are there
    tell, told = os.pipe()
    if not os.fork():
        me.enter()
        listener = socket.create_server(("127.0.0.1", 0))
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
        for _ in range(3):
            os.read(tell, 1)
            one.sendall(bytes(100_000))
            got = 0
            while got < 100_000:
                got += len(other.recv(100_000))
            os.write(writer, b"1")
        time.sleep(60)
        os._exit(0)

    def send():
        os.write(told, b"1")
        os.read(reader, 1)
    before = agent.total()
    send()
    switch(agent, "false", "tcp")
    same(Change(before, agent.total()).by(me, "assay.tcp.io", "direction"),
         {"receive": 100_000, "transmit": 100_000}, "bytes up to off")
    send()
    switch(agent, "true", "tcp")
    send()
    same(Change(before, agent.total()).by(me, "assay.tcp.io", "direction"),
         {"receive": 200_000, "transmit": 200_000}, "bytes but for those while off")


@test("a request and a connect that were under way are no sample, and not unpaired")
def _():
    me = Cgroup("under-way")
    reader, writer = os.pipe()
    tell, told = os.pipe()  # that the probe has been off, and is on
    if not os.fork():
        me.enter()
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        asker = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        full = [socket.create_connection(listener.getsockname())]
        late = socket.socket()
        late.setblocking(False)
        late.connect_ex(listener.getsockname())  # its SYN is dropped, and sent again
        asker.send(b"question")
        os.write(writer, b"1")
        os.read(tell, 1)
        server.recv(100)
        server.send(b"answer")
        asker.recv(100)
        for _ in range(2):
            full.append(listener.accept()[0])
        late.setblocking(True)
        late.send(b"x")
        os.write(writer, b"2")
        time.sleep(60)
        os._exit(0)
    defer(os.close, reader)
    os.read(reader, 1)
    switch(agent, "false", "tcp")
    time.sleep(0.1)
    switch(agent, "true", "tcp")
    before = agent.total(0)
    os.write(told, b"1")
    os.read(reader, 1)
    change = Change(before, agent.total())
    same([change.value(me, n) for n in ("assay.tcp.connect.duration",
                                        "assay.tcp.connect.errors",
                                        "assay.tcp.response.errors")], [0] * 3,
         "connects, errors")
    same(change.value(me, "assay.tcp.response.duration", role="client"), 0, "responses")
    same(lost(change), {}, "lost")


@test("a wait for a CPU that was under way is no sample")
def _():
    hog_group, group = Cgroup("hog"), Cgroup("waits")
    hog, load = Load(hog_group, "spin", 1, CPU), Load(group, "spin", 1, CPU)
    agent.total()
    thread = [t for t in hog.threads() if t != hog.pid][0]
    os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
    before = agent.total()
    began = time.monotonic()
    hog.tell("run", 700)
    time.sleep(0.05)
    waited = load.waited()
    load.tell("run", 10)  # its thread is woken behind the hog
    time.sleep(0.15)
    switch(agent, "false", "sched")
    switch(agent, "true", "sched")
    took = time.monotonic() - began
    hog.reply()
    load.reply()
    if took > 0.6:
        raise Busy(f"{took:.2f} s until it was on again")
    check(load.waited() - waited > 0.5, "the kernel knows of no long wait")
    after = agent.total()
    longest = max((m["max"] for m in after.points(group, "assay.sched.wait.duration")),
                  default=0)
    diag(f"the longest wait {longest}, {Change(before, after).seconds(group, 'assay.sched.wait.duration')} s")
    between(longest, 0, 0.15, "the longest wait that is a sample, s")


@test("a connection that is open all the time is none while off, then the same again")
def _():
    groups = Cgroup("open-server"), Cgroup("open-client")
    port = free_port()
    server = Load(groups[0], "tcpload", "server", "127.0.0.1", port)
    client = Load(groups[1], "tcpload", "client", "127.0.0.1", port)
    client.ask("hold", 3)

    def count():
        now = agent.total()
        return [now.value(g, CONNECTIONS) for g in groups]
    same(count(), [3, 3], "at first")
    before = agent.total()
    for _ in range(3):
        switch(agent, "false", "tcp")
        same(count(), [0, 0], "while off")
        switch(agent, "true", "tcp")
        same(count(), [3, 3], "on again")
    change = Change(before, agent.total())
    same([change.value(g, "assay.tcp.connections") for g in groups], [0, 0], "opened")
    same(lost(change), {}, "lost")
    client.close()
    wait_for(lambda: count() == [0, 0], PATIENCE, "the connections to be closed")
    server.close()


main(setup)
