#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Real containers: pods that a containerd of our own runs as the kubelet asks it to, and
containers by runc alone. What they do is known, and counted under their names."""
# vm: kernels=6.12,7.x ci=none timeout=600 memory=1536

import os
import sys
import threading
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from containers import Bundle, Containerd, Parent, Pod, root_files
from exports import Exports
from node import IN_GUEST, PATIENCE, Agent, cgroup_root, scratch, wait_for
from tap import Failed, between, check, diag, main, need_root, need_tools, same, test

need_root()

DURATION = "assay.syscall.duration"
N = 20000  # bytes that dd copies one by one
# each takes an emulated CPU a second
SHORT = int(os.environ.get("ASSAY_TEST_SHORT", 100 if IN_GUEST else 500))
EACH, AT_ONCE = 400, 4
root = agent = containerd = None


def setup():
    global root, agent, containerd
    root = scratch()
    os.makedirs(f"{root}/etc")
    with open(f"{root}/etc/machine-id", "w") as f:
        f.write(uuid.uuid4().hex + "\n")
    containerd = Containerd(root)
    agent = Agent("--probes", "syscall", "--export-interval", "1s", "--host-root", root)


def copying(count):
    """A command that reads and writes that often, and little else."""
    return "dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={count}"


def copying_then_sleeping(count):
    return "sh", "-c", " ".join(copying(count)) + "; exec sleep 1000"


class Counted:
    """What exports say of a pod's workloads: system calls, by container."""

    def __init__(self, pod, exports=None):
        exports = exports or Exports(agent.exports)
        self.of = [(i, r) for i, r in exports.resources.items()
                   if r.get("k8s.pod.name") == pod]
        self.calls = {r.get("k8s.container.name"): 0 for _, r in self.of}
        of = dict(self.of)
        for (instance, metric, *_), value in exports.series.items():
            if metric == DURATION and instance in of:
                self.calls[of[instance].get("k8s.container.name")] += value


def counted(pod, container, least):
    """Waits until that many calls of a container are in an export; what is there then."""
    def look():
        found = os.path.exists(agent.exports) and Counted(pod)
        return found if found and found.calls.get(container, 0) >= least else None

    try:
        return wait_for(look, PATIENCE, f"{least} calls of {pod}/{container} in an export",
                        0.3)
    except Failed as e:
        found = Counted(pod)
        raise Failed(f"{e}; there is {found.calls} of {[r for _, r in found.of]}")


@test("a pod of containerd's: each of its containers has its names, and what it did")
def _():
    uid, parent = str(uuid.uuid4()), Parent("cri")
    pod = Pod(containerd, "shop", "web-0", uid, f"{parent.path}/kubepods/burstable/pod{uid}")
    first = pod.start("nginx", command=copying_then_sleeping(N))
    second = pod.start("sidecar", command=copying_then_sleeping(2 * N))
    for name, container, did in ("nginx", first, 2 * N), ("sidecar", second, 4 * N):
        found = counted("web-0", name, did)
        # runc's own start of a container is in it, too
        between(found.calls[name], did, did + N / 4, f"calls of {name}")
        resource = [r for _, r in found.of if r.get("k8s.container.name") == name][0]
        same({k: resource.get(k) for k in ("k8s.namespace.name", "k8s.pod.uid",
                                           "container.id", "container.image.name")},
             {"k8s.namespace.name": "shop", "k8s.pod.uid": uid, "container.id": container,
              "container.image.name": "registry.test/team/box"}, f"resource of {name}")
    pod.remove()


@test("a container that is started again is counted on, under the same names and another id")
def _():
    uid, parent = str(uuid.uuid4()), Parent("restart")
    pod = Pod(containerd, "shop", "again", uid, f"{parent.path}/kubepods/pod{uid}")
    first = pod.start("app", command=copying_then_sleeping(N))
    counted("again", "app", 2 * N)
    pod.end(first)
    second = pod.start("app", attempt=1, command=copying_then_sleeping(N))
    found = counted("again", "app", 4 * N)
    between(found.calls["app"], 4 * N, 4 * N + N / 2, "calls of both")
    same({r["container.id"] for _, r in found.of if r.get("k8s.container.name") == "app"},
         {first, second}, "their ids")
    pod.remove()


@test(f"{SHORT} containers that live for less than a second are all counted by their pods'"
      " names")
def _():
    need_tools("runc")
    files, parent = root_files(f"{scratch()}/files"), Parent("short")
    bundles = [Bundle(root, files, parent, f"job-{i % 10}", "once", copying(EACH))
               for i in range(SHORT)]
    began, failures = time.monotonic(), []

    def work(mine):
        try:
            for bundle in mine:
                bundle.run()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(bundles[i::AT_ONCE],))
               for i in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, f"a container: {failures[:1]}")
    diag(f"{SHORT} containers took {time.monotonic() - began:.1f} s")
    time.sleep(2.5)  # two exports: what is not named by then is not
    names, exports = {}, Exports(agent.exports)
    for resource in exports.resources.values():
        if resource.get("process.linux.cgroup", "").startswith(parent.path):
            names.setdefault(resource["assay.workload.name"], set()).add(
                resource["container.id"])
    want = {f"batch/job-{i}/once": SHORT // 10 for i in range(10)}
    same({name: len(ids) for name, ids in names.items()}, want, "containers by name")
    least = SHORT // 10 * 2 * EACH
    for i in range(10):
        if Counted(f"job-{i}", exports).calls.get("once", 0) < least:  # parsed once
            counted(f"job-{i}", "once", least)


@test("a cgroup that a container makes for itself has the container's names before its own")
def _():
    need_tools("runc")
    files, parent = root_files(f"{scratch()}/files"), Parent("nested")
    tree = cgroup_root()
    inner = (f"mkdir /tmp/tree/app.service && echo 0 > /tmp/tree/app.service/cgroup.procs && "
             f"exec {' '.join(copying(N))}")
    bundle = Bundle(root, files, parent, "builder", "systemd", ["sh", "-c", inner])
    bundle.spec["mounts"].append({"destination": "/tmp/tree", "type": "bind",
                                  "source": tree + bundle.cgroup,
                                  "options": ["rbind", "rw"]})
    bundle.write()
    os.makedirs(f"{files}/tmp/tree")
    os.makedirs(tree + bundle.cgroup)  # the mount needs it before runc makes it
    bundle.run()
    found = counted("builder", "systemd", 2 * N)
    names = {r["assay.workload.name"] for _, r in found.of}
    check("batch/builder/systemd/app.service" in names, f"its workloads: {names}")


main(setup)
