#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What names cost the agent: CPU time of one that finds pods' names in bundles and asks a
kubelet, above that of one beside it that finds none, while pods are replaced; and above its own
before that, while none were, with all that the changes cost it then: the wakes, the tree of
cgroups. A third one has a history, too: what that takes of the memory. Each is the median of
several windows.

    tests/bench/names_cost.py [PODS [CHANGES_PER_SECOND [SECONDS [BINARY...]]]]

250 pods, 10 changes, 60 s; build/assay. Several builds are measured beside each other, by the
same pods at the same moment. The kubelet is tests/kubelet.py; pods and bundles are as long as
real ones (tests/fuzz/corpus), have a container each, and no load."""

import json
import os
import re
import shutil
import statistics
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import node
import proc
from kubelet import Kubelet, container, make_ca, make_certificate, pod
from node import ASSAY, TOP, Agent, Cgroup, scratch
from tap import undo

RESTS = 4  # windows in which nothing changes, of all the seconds of one in which it does
TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRI = "io.kubernetes.cri."


def corpus(name):
    with open(f"{TOP}/tests/fuzz/corpus/{name}") as f:
        text = f.read()
    return json.loads(text[text.index("{"):])  # some begin with what fuzzers go by


# With a list of allowed system calls, as containerd writes it: 9 kB.
BUNDLE = {**corpus("names/bundle"), "seccomp": {"syscalls": [
    {"names": [f"call_{i}" for i in range(360)], "action": "SCMP_ACT_ALLOW"}]}}
TOLD = next(p for p in corpus("pods/kubelet")["items"]
            if p["metadata"]["name"].startswith("checkout-"))


def host_root():
    root = scratch()
    os.makedirs(root + "/etc")
    with open(root + "/etc/machine-id", "w") as f:
        f.write(uuid.uuid4().hex + "\n")
    return root


def like_real(name, uid, number):
    """A pod as the kubelet tells it, with one container."""
    mine = pod("shop", name, uid, [container("app", number)])
    labels = {"app": "app", "pod-template-hash": "7d9f8b6c5"}
    owner = {"kind": "ReplicaSet", "name": "app-7d9f8b6c5", "controller": True}
    return {"metadata": {**TOLD["metadata"], **mine["metadata"], "labels": labels,
                         "ownerReferences": [owner]},
            "spec": {**TOLD["spec"], "containers": [
                {**TOLD["spec"]["containers"][0], "name": "app", "image": "r/app:1"}]},
            "status": {**TOLD["status"], **mine["status"]}}


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
            json.dump({**BUNDLE, "annotations": {CRI + k: v for k, v in notes.items()}}, f)
        self.kubelet.pods.append(like_real(name, uid, number))
        own = self.base.below(f"pod{uid}")
        self.live.append((own, own.below(number), bundle, self.kubelet.pods[-1]))

    def remove(self):
        own, inner, bundle, told = self.live.pop(0)
        inner.remove()
        own.remove()
        shutil.rmtree(bundle)
        self.kubelet.pods.remove(told)


def cpu_seconds(agent):
    """Of its first thread, and of those that ask."""
    spent = proc.schedstat(agent.process.pid, 0)  # there is no prefix
    first = spent.pop(agent.process.pid)
    return first / 1e9, sum(spent.values()) / 1e9


def resident(agent):
    with open(f"/proc/{agent.process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) / 1024


def parts(agent):
    """What is resident: heap and written data, pages of files, the mapped cells."""
    with open(f"/proc/{agent.process.pid}/status") as f:
        found = re.findall(r"^Rss(Anon|File|Shmem):\s+(\d+) kB", f.read(), re.M)
    return ", ".join(f"{name.lower()} {int(n) / 1024:.1f}" for name, n in found)


class Side:
    """One build: an agent with names, and one that finds none. Each is asked by a kubelet of
    its own."""

    def __init__(self, binary, root, token, ca, kubelet):
        self.binary, self.kubelet, self.shares = binary, kubelet, []
        node.ASSAY = binary
        both = "--node-lock", "none", "--export-interval", "60s"
        named = ("--host-root", root, "--kubelet", kubelet.url, "--kubelet-token", token,
                 "--kubelet-ca", ca)
        self.agents = [Agent(*both, *named), Agent(*both, "--host-root", host_root()),
                       Agent(*both, *named, "--history", scratch() + "/history.db")]
        self.rest, self.all, self.seen = [], [], []

    def spent(self):
        return [cpu_seconds(a) for a in self.agents]

    def begin(self):
        self.asked, self.before = self.kubelet.count(), self.spent()

    def note_rest(self, passed):
        """In % of a core, while nothing changes."""
        self.rest.append(sum(n - b for n, b in zip(self.spent()[0], self.before[0])) /
                         passed * 100)

    def end(self, passed, what):
        """In % of a core: what looks files up and reads, what asks, all of the other one."""
        spent = [[(now - was) / passed * 100 for now, was in zip(n, b)]
                 for n, b in zip(self.spent(), self.before)]
        bare = sum(spent[1])
        self.shares.append(sum(spent[0]) - bare)
        self.all.append(sum(spent[0]) - statistics.median(self.rest))
        self.seen.append([resident(a) for a in self.agents])
        print(f"{what}: {self.binary}: {sum(spent[0]):.3f} % of a core with names, {bare:.3f} "
              f"without, {self.shares[-1]:.3f} more ({spent[0][0] - bare:.3f} files, "
              f"{spent[0][1]:.3f} kubelet, asked {self.kubelet.count() - self.asked} times)",
              flush=True)

    def tell(self, pods):
        self.resident = [statistics.median(sizes) for sizes in zip(*self.seen)]
        print(f"{self.binary}: median {statistics.median(self.shares):.3f} % of a core for "
              f"names, {statistics.median(self.all):.3f} for all that changes, with wakes "
              f"({statistics.median(self.rest):.3f} at rest); resident "
              f"{self.resident[0]:.1f} MiB with names of {pods} pods, "
              f"{self.resident[1]:.1f} without, {self.resident[2]:.1f} with a history, too; "
              f"of these {' | '.join(map(parts, self.agents))}", flush=True)


def replace(pods, changes, seconds):
    """So many pods a second come or go; how long it took, and how many did."""
    began, done = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        pods.remove()
        pods.add()
        done += 2
        time.sleep(max(0, began + done / changes - time.monotonic()))
    return time.monotonic() - began, done


def measure(binaries, count, changes, seconds, rounds=3):
    """The sides, after so many windows."""
    root = host_root()
    ca = make_ca(root, "ca")
    certificate = make_certificate(root, ca, "IP:127.0.0.1")
    with open(root + "/token", "w") as f:
        f.write("t")
    kubelets = [Kubelet(certificate) for _ in binaries]
    for kubelet in kubelets:
        kubelet.token, kubelet.pods = "t", kubelets[0].pods
    pods = Pods(root, kubelets[0])
    for _ in range(count):
        pods.add()
    print(f"{len(kubelets[0].list())} bytes for {count} pods", flush=True)
    sides = [Side(binary, root, root + "/token", ca, kubelet)
             for binary, kubelet in zip(binaries, kubelets)]
    time.sleep(12)
    for _ in range(RESTS):
        for side in sides:
            side.begin()
        time.sleep(seconds / RESTS)
        for side in sides:
            side.note_rest(seconds / RESTS)
    for _ in range(rounds):
        for side in sides:
            side.begin()
        passed, done = replace(pods, changes, seconds)
        for side in sides:
            side.end(passed, f"{done / passed:.1f} changes a second for {passed:.0f} s")
    for side in sides:
        side.tell(count)
    return sides


def main():
    count, changes, seconds = ([int(x) for x in sys.argv[1:4]]
                               + [250, 10, 60][len(sys.argv[1:4]):])
    measure(sys.argv[4:] or [ASSAY], count, changes, seconds)


if __name__ == "__main__":
    try:
        main()
    finally:
        undo(0)
