#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What names cost the agent: CPU time of one that finds pods' names in bundles and asks a
kubelet, above that of one beside it that finds none, while pods are replaced.

    tests/bench/names_cost.py [PODS [CHANGES_PER_SECOND [SECONDS]]]     (250, 10, 60)

The kubelet is tests/kubelet.py; pods have a container each, and no load."""

import json
import os
import re
import shutil
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from kubelet import Kubelet, container, make_ca, make_certificate, pod
from node import Agent, Cgroup, scratch
from tap import undo

TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRI = "io.kubernetes.cri."
# About as long as what containerd writes.
REST = {"process": {"env": ["A=B"] * 40}, "mounts": [{"source": "x" * 100}] * 40}


def host_root():
    root = scratch()
    os.makedirs(root + "/etc")
    with open(root + "/etc/machine-id", "w") as f:
        f.write(uuid.uuid4().hex + "\n")
    return root


class Pods:
    """Pods on the node: their cgroups, their bundles, and what the kubelet says."""

    def __init__(self, root, kubelet):
        self.root, self.kubelet, self.made = root, kubelet, 0
        self.base = Cgroup("node").below("kubepods")
        self.live = []

    def add(self):
        uid, number, name = str(uuid.uuid4()), uuid.uuid4().hex * 2, f"pod-{self.made}"
        self.made += 1
        bundle = f"{self.root}/{TASKS}/{number}"
        notes = {"container-type": "container", "container-name": "app",
                 "sandbox-name": name, "sandbox-namespace": "shop"}
        os.makedirs(bundle)
        with open(bundle + "/config.json", "w") as f:
            json.dump({"annotations": {CRI + k: v for k, v in notes.items()}, **REST}, f)
        self.kubelet.pods.append(pod("shop", name, uid, [container("app", number)],
                                     containers=[{"name": "app", "image": "r/app:1"}]))
        own = self.base.below(f"pod{uid}")
        self.live.append((own, own.below(number), bundle, self.kubelet.pods[-1]))

    def remove(self):
        own, inner, bundle, told = self.live.pop(0)
        inner.remove()
        own.remove()
        shutil.rmtree(bundle)
        self.kubelet.pods.remove(told)


def cpu_seconds(agent):
    total = 0
    for tid in os.listdir(f"/proc/{agent.pid()}/task"):
        with open(f"/proc/{agent.pid()}/task/{tid}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def resident(agent):
    with open(f"/proc/{agent.pid()}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) / 1024


def measure(pods, agents, changes, seconds):
    """CPU time of each agent, in % of a core, while so many pods a second come or go."""
    began, asked = time.monotonic(), pods.kubelet.count()
    before, done = [cpu_seconds(a) for a in agents], 0
    while time.monotonic() - began < seconds:
        pods.remove()
        pods.add()
        done += 2
        time.sleep(max(0, began + done / changes - time.monotonic()))
    passed = time.monotonic() - began
    share = [(cpu_seconds(a) - b) / passed * 100 for a, b in zip(agents, before)]
    print(f"{done / passed:.1f} changes a second for {passed:.0f} s: {share[0]:.2f} % of a "
          f"core with names, {share[1]:.2f} without, {share[0] - share[1]:.2f} more; the "
          f"kubelet was asked {pods.kubelet.count() - asked} times", flush=True)


def main():
    count, changes, seconds = ([int(x) for x in sys.argv[1:]] + [250, 10, 60][len(sys.argv) - 1:])
    root = host_root()
    ca = make_ca(root, "ca")
    kubelet = Kubelet(make_certificate(root, ca, "IP:127.0.0.1"))
    kubelet.token = "t"
    with open(root + "/token", "w") as f:
        f.write("t")
    pods = Pods(root, kubelet)
    for _ in range(count):
        pods.add()
    both = "--node-lock", "none", "--export-interval", "60s"
    agents = [Agent(*both, "--host-root", root, "--kubelet", kubelet.url, "--kubelet-token",
                    root + "/token", "--kubelet-ca", ca),
              Agent(*both, "--host-root", host_root())]
    time.sleep(12)
    for _ in range(3):
        measure(pods, agents, changes, seconds)
    print(f"resident: {resident(agents[0]):.1f} MiB with names of {count} pods, "
          f"{resident(agents[1]):.1f} without")


try:
    main()
finally:
    undo(0)
