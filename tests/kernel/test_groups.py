#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Workloads that are one in exports (--group-by), and those that have no series of their
own there (--include, --exclude): sums are those of their members, over restarts."""

import os
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import PROTO, Exports, attributes, class_of, data_of, messages, metrics
from identities import below, new_id
from kubelet import Kubelet, container, pod
from node import ASSAY, PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from tap import check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
ALL = "--limit", "1000"  # workloads, whatever else is busy on the machine
folder = kubelet = None


def setup():
    global folder, kubelet
    folder = scratch()
    os.makedirs(folder + "/etc")
    with open(folder + "/etc/machine-id", "w") as f:
        f.write(uuid.uuid4().hex + "\n")
    kubelet = Kubelet()


def start(*options):
    return Agent("--probes", "syscall,sched", "--export-interval", "500ms", "--host-root",
                 folder, "--kubelet", kubelet.url, "--node-name", "node-1", *options)


class Pod:
    """A pod that the kubelet tells of, with its containers' cgroups."""

    def __init__(self, namespace, name, owner=None, labels=None):
        self.uid = str(uuid.uuid4())
        self.top = below(Cgroup("node"), "kubepods", f"pod{self.uid}")
        self.told = pod(namespace, name, self.uid, [container("none", new_id())])
        self.told["metadata"]["labels"] = {"pod-template-hash": "5d8f7c9b4", **(labels or {})}
        if owner:
            self.told["metadata"]["ownerReferences"] = [
                {"kind": owner[0], "name": owner[1], "controller": True}]
        self.ids = {}
        kubelet.pods.append(self.told)

    def run(self, name):
        """A container, perhaps after one of this name: its load, at rest."""
        self.ids[name] = new_id()
        self.told["status"]["containerStatuses"] = [
            container(n, number) for n, number in self.ids.items()]
        cgroup = self.top.below(self.ids[name])
        load = Load(cgroup, "traps")
        load.cgroup = cgroup
        return load


def calls_of(agent, load):
    """Calls of class process, as the node has them."""
    return agent.total().value(load.cgroup, DURATION, class_="process")


def exported(agent, wanted):
    """The same in exports, of the resources that are wanted."""
    if not os.path.exists(agent.exports):
        return 0
    return Exports(agent.exports).sum(DURATION, wanted, **{"class": "process"})


def of_group(kind, name):
    return lambda r: (r["assay.workload.kind"], r["assay.workload.name"]) == (kind, name)


def resources(agent):
    """All that exports ever said of who there is, by instance."""
    found = {}
    kind = class_of(PROTO, "otlp_service.proto", agent.exports + ".desc")
    for message in messages(agent.exports):
        for resource, _ in metrics(kind.FromString(message)):
            found.setdefault(resource["service.instance.id"], [])
            if resource not in found[resource["service.instance.id"]]:
                found[resource["service.instance.id"]].append(resource)
    return found


def points(agent, instance):
    """Of one instance, as a receiver has them that knows no more: (time, start, value,
    series) in the order in which they came."""
    kind = class_of(PROTO, "otlp_service.proto", agent.exports + ".desc")
    for message in messages(agent.exports):
        for resource, metric in metrics(kind.FromString(message)):
            if resource["service.instance.id"] != instance:
                continue
            data = data_of(metric)
            if metric.WhichOneof("data") == "gauge":
                continue
            for p in data.data_points:
                value = getattr(p, "count", None)
                if value is None:
                    value = getattr(p, p.WhichOneof("value")) if not p.flags & 1 else 0
                yield (p.time_unix_nano, p.start_time_unix_nano,
                       None if p.flags & 1 else value,
                       (metric.name, tuple(sorted(attributes(p.attributes).items()))),
                       getattr(data, "is_monotonic", True))


def is_whole(agent, instance):
    """One writer, one start of each counter, no value that goes down, no end between."""
    same(len(resources(agent)[instance]), 1, f"resources of instance {instance}")
    series = {}
    for moment, begin, value, key, grows in points(agent, instance):
        if "culprit" in key[0]:
            continue
        series.setdefault(key, []).append((moment, begin, value, grows))
    for key, values in series.items():
        moments = [v[0] for v in values]
        check(moments == sorted(set(moments)), f"{key}: two points of one time")
        numbers = [v[2] for v in values if v[2] is not None]
        if values[0][3]:
            check(numbers == sorted(numbers), f"{key} goes down: {numbers}")
            same(len({v[1] for v in values}), 1, f"starts of {key}")
    return series


def report(agent):
    return subprocess.run([ASSAY, "report", "--total", *ALL, "--socket",
                           agent.socket], text=True,
                          stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout


@test("--group-by owner: two pods of one deployment are one, while a container of them is "
      "started again; the node has each")
def _():
    agent = start("--group-by", "owner")
    owner = ("ReplicaSet", "web-5d8f7c9b4")
    first, second = Pod("shop", "web-a", owner), Pod("shop", "web-b", owner)
    web = of_group("owner", "shop/deployment/web")
    loads = [first.run("nginx"), first.run("log"), second.run("nginx")]
    for i, load in enumerate(loads):
        load.ask("getppid", 1000 * (i + 1))
    wait_for(lambda: exported(agent, web) >= 6000, PATIENCE, "the deployment in an export")
    sums = [calls_of(agent, load) for load in loads]
    wait_for(lambda: exported(agent, web) >= sum(sums), PATIENCE, "all of it")
    same(exported(agent, web), sum(sums), "calls of the deployment")
    # one is started again
    loads[0].close()
    loads[0].cgroup.remove()
    loads[1].ask("getppid", 50)
    time.sleep(2)
    same(exported(agent, web), sum(sums) + 50, "calls, with one container gone")
    again = first.run("nginx")
    again.ask("getppid", 700)
    wait_for(lambda: exported(agent, web) >= sum(sums) + 750, PATIENCE, "the new one's")
    sums[1] += 50
    want = sum(sums) + calls_of(agent, again)
    text = report(agent)
    time.sleep(1)
    same(exported(agent, web), want, "calls of all that there ever were")
    instance = "shop.deployment.web:node-1"
    series = is_whole(agent, instance)
    diag(f"{len(series)} series")
    resource = resources(agent)[instance][0]
    same({k: v for k, v in resource.items() if k.startswith(("k8s.", "service", "container"))},
         {"k8s.namespace.name": "shop", "k8s.deployment.name": "web",
          "k8s.node.name": "node-1", "service.name": "web", "service.namespace": "shop",
          "service.instance.id": instance}, "its resource")
    for name in ("shop/web-a/log", "shop/web-b/nginx"):
        check(name in text, f"the report does not show {name}:\n{text}")
    # all gone: it ends, with all that it had
    for load in (again, *loads[1:]):
        load.close()
        load.cgroup.remove()
    ended = (lambda: any(value is None for _, _, value, (name, _), _ in points(agent, instance)
                         if name == DURATION))
    wait_for(ended, PATIENCE, "its end")
    same(exported(agent, web), want, "calls at its end")
    agent.stop()
    culprits = {v for key in Exports(agent.exports).series for k, v in key[3]
                if k == "assay.sched.culprit"}
    diag(f"culprits in exports: {culprits}")
    tops = (first.top.path, second.top.path)
    same([c for c in culprits if c.startswith(tops)], [], "members that are named")


@test("--group-by pod and namespace: sums are right over a restart, too, and a plain cgroup "
      "stays as it is")
def _():
    for by, kind, name, instance in (
            ("pod", "pod", "cart/redis-0", "cart.redis-0"),
            ("namespace", "namespace", "namespace/cart", "cart:node-1")):
        agent = start("--group-by", by)
        one = Pod("cart", "redis-0", ("StatefulSet", "redis"))
        plain, group = Cgroup("plain"), of_group(kind, name)
        loads = [one.run("redis"), one.run("exporter")]
        other = Load(plain, "traps")
        other.cgroup = plain
        for load in (*loads, other):
            load.ask("getppid", 1000)
        sums = [calls_of(agent, load) for load in loads]
        wait_for(lambda: exported(agent, group) >= sum(sums), PATIENCE, f"{name}")
        loads[1].close()
        loads[1].cgroup.remove()
        time.sleep(1)
        loads[1] = one.run("exporter")
        loads[1].ask("getppid", 300)
        want = sum(sums) + calls_of(agent, loads[1])
        wait_for(lambda: exported(agent, group) >= want, PATIENCE, "the new one's calls")
        for load in loads:
            load.close()
        agent.stop()
        same(exported(agent, group), want, f"calls of {name}")
        is_whole(agent, instance)
        resource = resources(agent)[instance][0]
        same(("k8s.container.name" in resource, "container.id" in resource,
              resource.get("k8s.pod.name"), resource.get("k8s.pod.uid")),
             (False, False, *(("redis-0", one.uid) if by == "pod" else (None, None))),
             "attributes of container and pod")
        plainly = [r for (_, path), r in Exports(agent.exports).resources.items()
                   if path == plain.path]
        same([r["assay.workload.kind"] for r in plainly], ["cgroup"], "the plain cgroup")
        for load in loads:
            load.cgroup.remove()
        kubelet.pods.remove(one.told)
        other.close()
        plain.remove()


@test("what is excluded or not included has no series of its own, and is in the sum")
def _():
    chosen = Pod("shop", "api-0", labels={"tier": "front"})
    others = [Pod("kube-system", "proxy-0"), Pod("shop", "batch-0")]
    agent = start("--include", "namespace=sh*,kind=unit", "--exclude", "pod=batch-*")
    labelled = None
    loads = [p.run("app") for p in (chosen, *others)]
    excluded = of_group("excluded", "excluded")
    for load in loads:
        load.ask("getppid", 1000)
    is_chosen = of_group("container", "shop/api-0/app")
    wait_for(lambda: exported(agent, is_chosen) >= 1000, PATIENCE, "who is chosen")
    wait_for(lambda: exported(agent, excluded) >= 2000, PATIENCE, "the others")
    time.sleep(1)
    before = exported(agent, excluded)
    for load in loads[1:]:
        load.ask("getppid", 100)
    loads[1].close()
    loads[1].cgroup.remove()
    time.sleep(2)
    # other cgroups of the machine are in it, too
    check(exported(agent, excluded) >= before + 200, "calls of who is excluded are missing")
    same(exported(agent, is_chosen), calls_of(agent, loads[0]), "calls of who is chosen")
    agent.stop()
    same(Exports(agent.exports).backwards, [], "series that went backwards")
    found = resources(agent)
    pods = {r["k8s.pod.name"] for rs in found.values() for r in rs if "k8s.pod.name" in r}
    same(pods, {"api-0"}, "pods in exports")
    (instance,) = [i for i, rs in found.items()
                   if rs[0].get("assay.workload.kind") == "excluded"]
    check(instance.endswith(":excluded"), instance)
    is_whole(agent, instance)
    labelled = start("--include", "label:tier=front")
    loads[0].ask("getppid", 1000)
    wait_for(lambda: exported(labelled, is_chosen) >= 1000, PATIENCE, "who has the label")
    same({r["k8s.pod.name"] for rs in resources(labelled).values() for r in rs
          if "k8s.pod.name" in r}, {"api-0"}, "pods in exports")


@test("what cannot be is refused with its cause and what to do")
def _():
    for words, said in (
            (["--exclude", "namspace=x"], "'namspace=x': must be namespace=, pod="),
            (["--include", "kind=host"], "kinds: container pod unit cgroup"),
            (["--group-by", "node"], "must be container, pod, owner or namespace"),
            (["--group-by", "owner"], "known by the kubelet alone: say where it is, with "
                                      "--kubelet"),
            (["--include", "label:a=b"], "known by the kubelet alone")):
        p = subprocess.run([ASSAY, "agent", "--export", "none", *words], text=True,
                           capture_output=True, timeout=PATIENCE)
        same((p.returncode, p.stderr.count("\n")), (2, 1), f"{words}: {p.stderr}")
        check(said in p.stderr, p.stderr)


main(setup)
