# SPDX-License-Identifier: Apache-2.0
"""Who has the CPU: a quota, neighbours, oneself, the hypervisor."""

import time

from incident import FAULT, GUEST, KVM, Skip, diag, incident


@incident("cpu_quota", finding="cpu.quota", where=GUEST)
def _(stage):
    """30 ms of work every 100 ms, of which the quota allows a third."""
    stage.crowded = True
    stage.victim.write("cpu.max", "10000 100000")
    stage.load(stage.victim, "periodic", 30, 100)


@incident("cpu_neighbours", finding="cpu.neighbours",
          says=lambda stage: stage.neighbour.path)
def _(stage):
    stage.crowded = True
    stage.spin(stage.neighbour, 4)
    stage.load(stage.victim, "periodic", 10, 50)


@incident("own_threads", finding="cpu.itself")
def _(stage):
    """Eight threads that are bound to one CPU."""
    stage.crowded = True
    stage.spin(stage.victim, 8)


@incident("cpuset", finding="cpu.itself", where=GUEST, says="cpuset")
def _(stage):
    """Eight threads that may go anywhere, in a cgroup that may not."""
    stage.crowded = True
    stage.victim.write("cpuset.cpus", str(FAULT))
    stage.spin(stage.victim, 8, -1)


def stolen():
    """Time that the hypervisor took from us, ticks."""
    with open("/proc/stat") as f:
        return int(f.readline().split()[8])


@incident("stolen_cpu", finding="cpu.steal", where=KVM)
def _(stage):
    """In a guest whose host is busy: see stolen."""
    stage.crowded = True
    before = stolen()
    stage.load(stage.victim, "periodic", 20, 50)
    stage.lead = 20
    stage.spin(stage.neighbour, 1)  # so that its virtual CPU wants a real one
    diag("this guest's last CPU may be stolen now")
    time.sleep(5)
    if stolen() == before == 0:
        raise Skip("this guest is not told of stolen time")
