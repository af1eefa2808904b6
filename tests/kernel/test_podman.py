#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Containers of podman's, by the names that its storage gives them."""
# vm: kernels=6.12,7.x ci=none timeout=600 memory=1536

import os
import subprocess
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from containers import IMAGE, Parent, image, root_files
from exports import Exports
from node import PATIENCE, Agent, scratch, wait_for
from tap import between, check, defer, main, need_root, need_tools, same, test

need_root()

DURATION = "assay.syscall.duration"
N = 20000  # bytes that dd copies one by one
root = agent = None


def setup():
    global root, agent
    need_tools("podman", "runc", "busybox")
    root = scratch()
    os.makedirs(f"{root}/etc")
    with open(f"{root}/etc/machine-id", "w") as f:
        f.write(uuid.uuid4().hex + "\n")
    podman("load", "--input", image(f"{scratch()}/image.tar", root_files(f"{scratch()}/files"),
                                    (IMAGE,), Cmd=["sleep", "1000"], Env=["PATH=/bin"]))
    agent = Agent("--probes", "syscall", "--export-interval", "1s", "--host-root", root)


def podman(*words, check=True):
    """One that has all of its files below the root of ours."""
    p = subprocess.run(
        ["podman", "--root", f"{root}/var/lib/containers/storage", "--runroot",
         f"{root}/run/containers/storage", "--tmpdir", f"{root}/run/libpod",
         "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--runtime", "runc",
         "--events-backend", "none", *words], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
    if check:
        same(p.returncode, 0, f"exit status of podman {words[0]}: {p.stdout}")
    return p.stdout


def run(parent, name, *options):
    """A container that copies, and then sleeps; its id."""
    said = podman("run", "--detach", "--name", name, "--network", "none", "--log-driver", "none",
                  "--ulimit", "nofile=256:256", "--ulimit", "nproc=256:256", "--cgroup-parent", parent.path, *options, IMAGE, "sh", "-c",
                  f"dd if=/dev/zero of=/dev/null bs=1 count={N}; exec sleep 1000")
    defer(podman, "rm", "--force", "--time", "0", "--ignore", name)
    return said.split()[-1]


def counted(number, least):
    """The resource of a container and its system calls, when so many are in an export."""
    def look():
        if not os.path.exists(agent.exports):
            return None
        exports = Exports(agent.exports)
        for instance, resource in exports.resources.items():
            if resource.get("container.id") != number:
                continue
            calls = exports.sum(DURATION, lambda r: r.get("container.id") == number)
            return (resource, calls) if calls >= least else None
        return None

    return wait_for(look, PATIENCE / 2, f"{least} calls of {number[:12]} in an export", 0.3)


def names_of(resource):
    return {k: resource.get(k) for k in ("assay.workload.kind", "assay.workload.name",
                                         "container.image.name", "container.image.tags")}


@test("a container of podman's has its name and its image; so has one that is removed when it "
      "ends (--rm)")
def _():
    parent = Parent("podman")
    for name, options in ("shop-db", ()), ("once", ("--rm",)):
        number = run(parent, name, *options)
        same(len(number), 64, f"length of the id {number}")
        resource, calls = counted(number, 2 * N)
        same(names_of(resource),
             {"assay.workload.kind": "container", "assay.workload.name": name,
              "container.image.name": IMAGE.rpartition(":")[0],
              "container.image.tags": IMAGE.rpartition(":")[2]}, f"who {name} is")
        # runc's own start of a container is in it, too
        between(calls, 2 * N, 2 * N + N / 4, f"calls of {name}")


@test("one that podman starts again is counted on under its name and id")
def _():
    number = run(Parent("podman"), "again")
    counted(number, 2 * N)
    podman("restart", "--time", "0", "again")
    resource, calls = counted(number, 4 * N)
    same(resource["assay.workload.name"], "again", "its name")
    between(calls, 4 * N, 4 * N + N / 2, "calls of both")


@test("its monitor is not the container")
def _():
    parent = Parent("podman")
    number = run(parent, "alone")
    counted(number, 2 * N)
    own = {r["process.linux.cgroup"] for r in Exports(agent.exports).resources.values()
           if r.get("container.id") == number}
    same(len(own), 1, f"cgroups that have its id: {own}")
    check("conmon" not in own.pop(), "its monitor's cgroup has its id")


main(setup)
