#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Real containers: pods that a containerd of our own runs as the kubelet asks it to, and
containers by runc alone. What they do is known, and counted under their names."""
# vm: kernels=6.12,7.x ci=none timeout=600 memory=1024

import json
import os
import subprocess
import sys
import threading
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from containers import Containerd, Parent, Pod, need_tools, root_files
from exports import Exports
from node import PATIENCE, Agent, cgroup_root, scratch, wait_for
from tap import Failed, between, check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
N = 20000  # bytes that dd copies one by one
SHORT, EACH, AT_ONCE = 500, 400, 4
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

    def __init__(self, pod):
        exports = Exports(agent.exports)
        self.of = [(i, r) for i, r in exports.resources.items()
                   if r.get("k8s.pod.name") == pod]
        self.calls = {}
        for instance, resource in self.of:
            name = resource.get("k8s.container.name")
            calls = exports.sum(DURATION, lambda r, i=instance:
                                (r["service.instance.id"],
                                 r.get("process.linux.cgroup")) == i)
            self.calls[name] = self.calls.get(name, 0) + calls


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


class Bundle:
    """A container of runc's, with a bundle where containerd's would be, in a cgroup as
    the systemd driver makes it."""

    def __init__(self, files, parent, pod, name, args):
        self.id, uid = uuid.uuid4().hex + uuid.uuid4().hex, str(uuid.uuid4())
        slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
        self.cgroup = (f"{parent.path}/kubepods.slice/kubepods-burstable.slice/{slice_}/"
                       f"cri-containerd-{self.id}.scope")
        self.dir, self.state = f"{root}/{TASKS}/{self.id}", f"{root}/run/runc"
        os.makedirs(self.dir)
        spec = json.loads(json.dumps(specification()))
        spec["root"] = {"path": files, "readonly": True}
        spec["process"] |= {"args": args, "terminal": False}
        spec["linux"]["cgroupsPath"] = self.cgroup
        prefix = "io.kubernetes.cri."
        spec["annotations"] = {
            prefix + "container-type": "container", prefix + "container-name": name,
            prefix + "sandbox-name": pod, prefix + "sandbox-namespace": "batch",
            prefix + "image-name": "registry.test/team/box:1.36"}
        with open(f"{self.dir}/config.json", "w") as f:
            json.dump(spec, f)

    def run(self):
        p = subprocess.run(["runc", "--root", self.state, "run", "--bundle", self.dir,
                            self.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        same(p.returncode, 0, f"exit status of runc: {p.stdout}")


def specification():
    """What runc proposes, without what it does not need here."""
    if not specification.known:
        work = scratch()
        subprocess.run(["runc", "spec", "--bundle", work], check=True)
        with open(f"{work}/config.json") as f:
            spec = json.load(f)
        spec["mounts"] = [m for m in spec["mounts"] if m["type"] in ("proc", "tmpfs")]
        specification.known.append(spec)
    return specification.known[0]


specification.known = []


@test(f"{SHORT} containers that live for less than a second are all counted by their pods'"
      " names")
def _():
    need_tools("runc")
    files, parent = root_files(f"{scratch()}/files"), Parent("short")
    bundles = [Bundle(files, parent, f"job-{i % 10}", "once", copying(EACH))
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
    names = {}
    for resource in Exports(agent.exports).resources.values():
        if resource.get("process.linux.cgroup", "").startswith(parent.path):
            names.setdefault(resource["assay.workload.name"], set()).add(
                resource["container.id"])
    want = {f"batch/job-{i}/once": SHORT // 10 for i in range(10)}
    same({name: len(ids) for name, ids in names.items()}, want, "containers by name")
    least = SHORT // 10 * 2 * EACH
    for i in range(10):
        check(counted(f"job-{i}", "once", least), f"job-{i}")


@test("a cgroup that a container makes for itself has the container's names before its own")
def _():
    need_tools("runc")
    files, parent = root_files(f"{scratch()}/files"), Parent("nested")
    tree = cgroup_root()
    inner = (f"mkdir /tmp/tree/app.service && echo 0 > /tmp/tree/app.service/cgroup.procs && "
             f"exec {' '.join(copying(N))}")
    bundle = Bundle(files, parent, "builder", "systemd", ["sh", "-c", inner])
    with open(f"{bundle.dir}/config.json") as f:
        spec = json.load(f)
    spec["mounts"].append({"destination": "/tmp/tree", "type": "bind",
                           "source": tree + bundle.cgroup, "options": ["rbind", "rw"]})
    os.makedirs(f"{files}/tmp/tree")
    os.makedirs(tree + bundle.cgroup)  # the mount needs it before runc makes it
    with open(f"{bundle.dir}/config.json", "w") as f:
        json.dump(spec, f)
    bundle.run()
    found = counted("builder", "systemd", 2 * N)
    names = {r["assay.workload.name"] for _, r in found.of}
    check("batch/builder/systemd/app.service" in names, f"its workloads: {names}")


main(setup)
