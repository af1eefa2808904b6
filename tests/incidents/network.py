# SPDX-License-Identifier: Apache-2.0
"""Connections, the way to the other end, and who is at it."""

from incident import incident
from node import free_port
from tunpath import ADDRESSES, Path

PORT = 7000


def over_path(stage, delay, *words):
    """The victim speaks with a server over a path of ours."""
    path = Path(delay)
    here, there = path.names
    stage.load(stage.neighbour, "serve", PORT, 0, ADDRESSES[1], netns=there)
    stage.load(stage.victim, *words, netns=here)
    return path


@incident("packet_loss", finding="net.loss")
def _(stage):
    path = over_path(stage, 0.001, "ask", PORT, 50, ADDRESSES[1])
    for _ in range(3):
        stage.load(stage.victim, "ask", PORT, 50, ADDRESSES[1], netns=path.names[0])
    path.loss = 0.15


@incident("long_way", finding="net.way")
def _(stage):
    """A round trip of 400 ms."""
    path = over_path(stage, 0.2, "ask", PORT, 50, ADDRESSES[1])
    for _ in range(3):
        stage.load(stage.victim, "ask", PORT, 50, ADDRESSES[1], netns=path.names[0])


@incident("connects_refused", finding="net.connect", says="ECONNREFUSED")
def _(stage):
    stage.load(stage.victim, "connect", free_port(), 20)


@incident("connects_without_answer", finding="net.connect", says="aborted")
def _(stage):
    """All packets are lost, and the application gives up after a second."""
    path = Path(0)
    path.loss = 1.1
    for _ in range(3):
        stage.load(stage.victim, "connect", PORT, 1, ADDRESSES[1], 1, netns=path.names[0])
    stage.lead = 4


@incident("accept_queue_full", finding="net.accept_full")
def _(stage):
    port = free_port()
    stage.load(stage.victim, "full_queue", port)
    stage.load(stage.neighbour, "connect", port, 50, "127.0.0.1", 1)
    stage.load(stage.neighbour, "connect", port, 50, "127.0.0.1", 1)


@incident("accept_late", finding="net.accept_slow")
def _(stage):
    """It accepts four times a second, all who have come meanwhile."""
    port = free_port()
    stage.load(stage.victim, "accept_late", port, 250)
    for _ in range(2):
        stage.load(stage.neighbour, "connect", port, 20)


@incident("crashing_dependency", finding="net.no_answer")
def _(stage):
    """Each request ends with its connection, as if a process had died of it."""
    port = free_port()
    stage.load(stage.neighbour, "reset", port)
    stage.load(stage.victim, "ask", port, 10)


def chain(stage, wait_ms):
    """Somebody asks the victim, which asks its dependency first."""
    ports = free_port(), free_port()
    stage.load(stage.neighbour, "serve", ports[1], wait_ms)
    stage.load(stage.victim, "relay", *ports)
    stage.load(stage.neighbour, "ask", ports[0], 20)


@incident("slow_dependency", finding="net.dependency_slow")
def _(stage):
    chain(stage, 300)


@incident("hanging_dependency", finding="net.dependency_hangs")
def _(stage):
    port = free_port()
    stage.load(stage.neighbour, "hang", port)
    for _ in range(3):
        stage.load(stage.victim, "ask", port, 1)
    stage.lead = 12


@incident("hanging_server", finding="net.server_hangs", says=("tcp.server", "threads sleep"))
def _(stage):
    """It takes a request, and sleeps."""
    port = free_port()
    stage.load(stage.victim, "serve", port, 3600 * 1000)
    for _ in range(3):
        stage.load(stage.neighbour, "ask", port, 1)
    stage.lead = 12
