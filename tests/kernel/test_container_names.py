#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Containers by the names that files of the node give them: processes in cgroups as the
kubelet makes them under both drivers, with bundles and links below --host-root."""

import json
import os
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import ASSAY, PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from tap import check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRI = "io.kubernetes.cri."
root = agent = None


def setup():
    global root, agent
    root = scratch()
    put("etc/machine-id", uuid.uuid4().hex + "\n")
    agent = Agent("--probes", "syscall,sched", "--export-interval", "500ms", "--host-root",
                  root)


def put(path, text):
    whole = f"{root}/{path}"
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w") as f:
        f.write(text)


def new_id():
    return uuid.uuid4().hex + uuid.uuid4().hex


def below(cgroup, *parts):
    """A cgroup further down, whose name is its last component."""
    for part in parts:
        cgroup = cgroup.below(part)
    return cgroup


def put_bundle(container, namespace, pod, name, kind="container"):
    notes = {CRI + "container-type": kind, CRI + "sandbox-name": pod,
             CRI + "sandbox-namespace": namespace,
             CRI + "image-name": "registry.example:5000/team/app:1.2"}
    if kind == "container":
        notes[CRI + "container-name"] = name
    put(f"{TASKS}/{container}/config.json", json.dumps({"annotations": notes}))


def resource_of(cgroup):
    """The resource of a cgroup in the exports, when it is there."""
    def look():
        if not os.path.exists(agent.exports):
            return None
        for resource in Exports(agent.exports).resources.values():
            if resource.get("process.linux.cgroup") == cgroup.path:
                return resource
        return None

    return wait_for(look, PATIENCE, f"{cgroup.path} in an export")


def work(cgroup):
    Load(cgroup, "traps").ask("getppid", 1000)


def named(resource):
    return {k: v for k, v in resource.items()
            if k.startswith(("k8s.", "service.name", "assay.workload.name",
                             "container.image"))}


@test("a container of either driver has its pod's names from its bundle")
def _():
    uid = str(uuid.uuid4())
    slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    paths = (("kubepods.slice", "kubepods-burstable.slice", slice_, "cri-containerd-{}.scope"),
             ("kubepods", "burstable", f"pod{uid}", "{}"))
    for parts in paths:
        container = new_id()
        put_bundle(container, "shop", "web-0", "nginx")
        cgroup = below(Cgroup("node"), *parts[:-1], parts[-1].format(container))
        work(cgroup)
        resource = resource_of(cgroup)
        same(named(resource),
             {"k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.pod.uid": uid,
              "k8s.container.name": "nginx", "service.name": "web-0",
              "service.namespace": "shop", "assay.workload.name": "shop/web-0/nginx",
              "container.image.name": "registry.example:5000/team/app"}, "its names")
        same(resource["container.id"], container, "its id")


@test("without a bundle that may be read, the kubelet's link to its log names it; and a "
      "sandbox is its pod's")
def _():
    uid, container, pause = uuid.uuid4().hex, new_id(), new_id()
    os.makedirs(f"{root}/var/log/containers", exist_ok=True)
    os.symlink(f"/var/log/pods/kube-system_dns-node_{uid}/dns/3.log",
               f"{root}/var/log/containers/dns-node_kube-system_dns-{container}.log")
    put_bundle(pause, "kube-system", "dns-node", None, kind="sandbox")
    pod = below(Cgroup("node"), "kubepods", f"pod{uid}")
    first, second = pod.below(container), pod.below(pause)
    work(first)
    work(second)
    same(named(resource_of(first)),
         {"k8s.namespace.name": "kube-system", "k8s.pod.name": "dns-node",
          "k8s.pod.uid": uid, "k8s.container.name": "dns", "service.name": "dns-node",
          "service.namespace": "kube-system",
          "assay.workload.name": "kube-system/dns-node/dns"}, "its names")
    found = named(resource_of(second))
    same((found.get("k8s.container.name"), found["assay.workload.name"]),
         (None, "kube-system/dns-node"), "the sandbox's")


@test("a container that nothing names is its id, and keeps to that once it was exported")
def _():
    uid, container = str(uuid.uuid4()), new_id()
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uid}", container)
    work(cgroup)
    want = {"k8s.pod.uid": uid, "service.name": container[:12],
            "assay.workload.name": container[:12]}
    same(named(resource_of(cgroup)), want, "its names")
    put_bundle(container, "late", "late", "late")
    work(cgroup)
    time.sleep(1.5)
    same(named(resource_of(cgroup)), want, "its names later")


@test("a container that lives 200 ms between two exports, and its bundle no longer, is "
      "named")
def _():
    slow = Agent("--probes", "syscall", "--export-interval", "4s", "--host-root", root)
    wait_for(lambda: os.path.exists(slow.exports), PATIENCE, "an export")
    uid, container = str(uuid.uuid4()), new_id()
    pod = below(Cgroup("node"), "kubepods", f"pod{uid}")
    put_bundle(container, "batch", "job-1", "once")
    cgroup = pod.below(container)
    began = time.monotonic()
    load = Load(cgroup, "traps")
    load.ask("getppid", 1000)
    time.sleep(max(0, 0.2 - (time.monotonic() - began)))
    load.close()
    cgroup.remove()
    os.unlink(f"{root}/{TASKS}/{container}/config.json")
    diag(f"it lived {time.monotonic() - began:.3f} s")

    def names():
        found = [r for r in Exports(slow.exports).resources.values()
                 if r.get("process.linux.cgroup") == cgroup.path]
        return found and found[0]["assay.workload.name"]

    same(wait_for(names, PATIENCE, "it in an export"), "batch/job-1/once", "its name")


@test("what a container makes below its own cgroup has its own name behind; the report "
      "shows names")
def _():
    uid, container = str(uuid.uuid4()), new_id()
    put_bundle(container, "ci", "builder", "docker")
    own = below(Cgroup("node"), "kubepods", f"pod{uid}", container)
    inner = own.below("buildkit")
    work(inner)
    resource = resource_of(inner)
    same((resource["assay.workload.name"], resource["service.name"],
          resource["k8s.container.name"]), ("ci/builder/docker/buildkit", "builder",
                                            "docker"), "its names")
    text = subprocess.run([ASSAY, "report", "--total", "--socket", agent.socket], text=True,
                          stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
    check("ci/builder/docker/buildkit" in text, f"no such workload:\n{text}")


main(setup)
