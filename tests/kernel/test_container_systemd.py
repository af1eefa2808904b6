#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""systemd as the first process of a container: this machine's own, in a root of its own files
and in namespaces by runc, with the tree of cgroups below the container's. What its units do is
known, and counted under the container's names."""
# vm: kernels=6.12,7.x ci=none timeout=600 memory=1536

import os
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from containers import Bundle, Parent
from exports import Exports
from node import PATIENCE, Agent, scratch, wait_for
from tap import Missing, between, check, diag, main, need_root, need_tools, same, test

need_root()

DURATION = "assay.syscall.duration"
SYSTEMD = "/lib/systemd/systemd"
UNITS = "etc/systemd/system"
COPIES = {"copy.service": 20000, "other.service": 30000}  # bytes, read and written one by one
# As the usual runtimes give them to a container; nothing of the node's may be mounted.
CAPABILITIES = [f"CAP_{name}" for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT").split()]
root = agent = None


def setup():
    global root, agent
    need_tools("runc")
    if not os.path.exists(SYSTEMD):
        raise Missing("no systemd here: make deps installs it")
    root = scratch()
    put("etc/machine-id", uuid.uuid4().hex + "\n")
    # what units of the host are called is not what those of a container are
    put("etc/systemd/system/copy.service", "[Unit]\nDescription=of the host\n")
    agent = Agent("--probes", "syscall", "--export-interval", "1s", "--host-root", root)


def put(path, text, below=None):
    whole = f"{below or root}/{path}"
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w") as f:
        f.write(text)


def files():
    """The container's root: this machine's programs, and units of its own, which end it."""
    top = scratch()
    for name in ("usr", "dev", "proc", "sys", "run", "tmp", "var"):
        os.makedirs(f"{top}/{name}")
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink(f"usr/{name}", f"{top}/{name}")
    put("etc/machine-id", uuid.uuid4().hex + "\n", top)
    put("etc/passwd", "root:x:0:0::/:/bin/sh\n", top)
    put("etc/os-release", "ID=test\n", top)
    units = " ".join([*COPIES, "end.service"])
    put(f"{UNITS}/test.target", f"[Unit]\nDefaultDependencies=no\nWants={units}\n", top)
    put(f"{UNITS}/end.service",
        f"[Unit]\nDefaultDependencies=no\nAfter={' '.join(COPIES)}\nSuccessAction=exit-force\n"
        "SuccessActionExitStatus=0\n"
        "[Service]\nType=oneshot\nExecStart=/bin/true\n", top)
    for name, count in COPIES.items():
        put(f"{UNITS}/{name}",
            "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
            f"ExecStart=/bin/dd if=/dev/zero of=/dev/null bs=1 count={count} status=none\n", top)
    return top


def machine(parent, pod, cgroupfs):
    """A bundle of a container that systemd runs."""
    bundle = Bundle(root, files(), parent, pod, "machine",
                    [SYSTEMD, "--unit=test.target", "--log-target=console"], cgroupfs)
    spec = bundle.spec
    spec["process"]["env"] = ["PATH=/bin", "container=oci"]
    spec["process"]["capabilities"] = {
        kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    spec["mounts"] += [
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["ro", "nosuid", "noexec", "nodev"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup2", "source": "cgroup2",
         "options": ["rw", "nosuid", "noexec", "nodev"]}]
    spec["mounts"] += [
        {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}
        for path in ("/run", "/run/lock", "/tmp", "/var", "/dev/shm")]
    namespaces = spec["linux"]["namespaces"]
    if {"type": "cgroup"} not in namespaces:
        namespaces.append({"type": "cgroup"})
    bundle.write()
    return bundle


def workloads_below(cgroup):
    """What exports say of what is below a cgroup, by the path from there on: its resource and
    its system calls."""
    if not os.path.exists(agent.exports):
        return {}
    exports, found = Exports(agent.exports), {}
    for instance, resource in exports.resources.items():
        path = resource.get("process.linux.cgroup", "")
        if path != cgroup and not path.startswith(cgroup + "/"):
            continue
        calls = exports.sum(DURATION, lambda r, i=instance: i == (
            r["service.instance.id"], r.get("process.linux.cgroup")))
        before = found.get(path[len(cgroup):], (None, 0))[1]
        found[path[len(cgroup):]] = resource, before + calls
    return found


def has_all(found):
    return all(found.get(f"/system.slice/{name}", (None, 0))[1] >= 2 * count
               for name, count in COPIES.items())


def look_at(cgroupfs):
    pod = "fs" if cgroupfs else "sd"
    bundle = machine(Parent("machine"), pod, cgroupfs)
    began = time.monotonic()
    said = bundle.run()
    diag(f"systemd ran for {time.monotonic() - began:.1f} s")
    try:
        found = wait_for(lambda: (f := workloads_below(bundle.cgroup)) and has_all(f) and f,
                         PATIENCE / 3, "what its units did", 0.3)
    except Exception as e:
        e.args = (f"{e}: {workloads_below(bundle.cgroup)}; systemd said: {said}",)
        raise
    for name, count in COPIES.items():
        resource, calls = found[f"/system.slice/{name}"]
        same({k: resource.get(k) for k in (
            "assay.workload.kind", "assay.workload.name", "k8s.pod.name", "k8s.container.name",
            "container.id", "assay.unit.description")},
             {"assay.workload.kind": "container",
              "assay.workload.name": f"batch/{pod}/machine/{name}", "k8s.pod.name": pod,
              "k8s.container.name": "machine", "container.id": bundle.id,
              "assay.unit.description": None}, f"who {name} is")
        # systemd's own preparations of it and the loader are in it, too
        between(calls, 2 * count, 2 * count + 3000, f"calls of {name}")
    check("/init.scope" in found, f"systemd itself is not among {sorted(found)}")
    others = {r["assay.workload.name"] for r, _ in found.values()}
    same({n for n in others if not n.startswith(f"batch/{pod}/machine")}, set(),
         "workloads below it that do not have its name")


@test("systemd in a pod's container, in a cgroup as the systemd driver makes it: its units are "
      "that container's, and not the node's")
def _():
    look_at(False)


@test("the same in a cgroup as the kubelet itself makes it")
def _():
    look_at(True)


main(setup)
