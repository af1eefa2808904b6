#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Containers by the names that files of the node give them: processes in cgroups as the
kubelet makes them under both drivers, with bundles and links below --host-root."""

import csv
import json
import os
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import PROTO, Exports, attributes, class_of, data_of, messages, metrics
from identities import below, new_id, resource_of, work
from node import ASSAY, PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from tap import check, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
ALL = "--limit", "1000", "--wide"  # whatever else is busy on the machine, by whole names
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


def put_bundle(container, namespace, pod, name, kind="container"):
    notes = {CRI + "container-type": kind, CRI + "sandbox-name": pod,
             CRI + "sandbox-namespace": namespace,
             CRI + "image-name": "registry.example:5000/team/app:1.2"}
    if kind == "container":
        notes[CRI + "container-name"] = name
    put(f"{TASKS}/{container}/config.json", json.dumps({"annotations": notes}))


def named(resource):
    return {k: v for k, v in resource.items()
            if k.startswith(("k8s.", "service.name", "assay.workload.name",
                             "container.image"))}


def holding(hold):
    """An agent whose exports wait for a name for so long."""
    return Agent("--probes", "syscall,sched", "--export-interval", "500ms", "--host-root",
                 root, prefix=("env", f"ASSAY_TEST_HOLD={hold}"))


def calls(agent_, wanted):
    """Calls of class process, over all series of resources that are wanted."""
    if not os.path.exists(agent_.exports):
        return 0
    return Exports(agent_.exports).sum(DURATION, wanted, **{"class": "process"})


def is_unknown(resource):
    return resource["assay.workload.kind"] == "unknown"


def is_of(cgroup):
    return lambda resource: resource.get("process.linux.cgroup") == cgroup.path


def all_points(agent_, instance):
    """Of a receiver that knows resources by their instance only: (time, start, value or
    None, container id) of calls of class process, in the order in which they came."""
    kind = class_of(PROTO, "otlp_service.proto", agent_.exports + ".desc")
    for message in messages(agent_.exports):
        for resource, metric in metrics(kind.FromString(message)):
            if resource["service.instance.id"] != instance or metric.name != DURATION:
                continue
            for p in data_of(metric).data_points:
                if attributes(p.attributes)["assay.syscall.class"] == "process":
                    yield (p.time_unix_nano, p.start_time_unix_nano,
                           None if p.flags & 1 else p.count, resource["container.id"])


@test("a unit has the description of its file, an instance that of its template")
def _():
    put("run/systemd/transient/assay-test.service",
        "[Unit]\nDescription=Tests of assay\n\n[Service]\nDescription=none\n")
    put("etc/systemd/system/assay-test@.service", "[Unit]\nDescription=Instance %i\n")
    for unit, text in (("assay-test.service", "Tests of assay"),
                       ("assay-test@one.service", "Instance one"),
                       ("assay-other.service", None)):
        cgroup = below(Cgroup("units"), "system.slice", unit)
        work(cgroup).close()
        resource = resource_of(agent, cgroup)
        same(resource["assay.workload.kind"], "unit", f"kind of {unit}")
        same(resource.get("assay.unit.description"), text, f"description of {unit}")


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
        work(cgroup).close()
        resource = resource_of(agent, cgroup)
        same(named(resource),
             {"k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.pod.uid": uid,
              "k8s.container.name": "nginx", "service.name": "web-0",
              "service.namespace": "shop", "assay.workload.name": "shop/web-0/nginx",
              "container.image.name": "registry.example:5000/team/app",
              "container.image.tags": "1.2"}, "its names")
        same((resource["container.id"], resource["service.version"],
              resource["service.instance.id"]), (container, "1.2", "shop.web-0.nginx"),
             "its id, version, instance")
        cgroup.remove()  # the next one has its instance


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
    same(named(resource_of(agent, first)),
         {"k8s.namespace.name": "kube-system", "k8s.pod.name": "dns-node",
          "k8s.pod.uid": uid, "k8s.container.name": "dns",
          "k8s.container.restart_count": "3", "service.name": "dns-node",
          "service.namespace": "kube-system",
          "assay.workload.name": "kube-system/dns-node/dns"}, "its names")
    found = resource_of(agent, pod)
    same(named(found),
         {"k8s.namespace.name": "kube-system", "k8s.pod.name": "dns-node",
          "k8s.pod.uid": uid, "service.name": "dns-node",
          "service.namespace": "kube-system",
          "assay.workload.name": "kube-system/dns-node"}, "the pod's")
    same((found["assay.workload.kind"], found["service.instance.id"]),
         ("pod", "kube-system.dns-node"), "its kind and instance")
    same(calls(agent, is_of(second)), 0, "calls of the sandbox")
    check(calls(agent, is_of(pod)) >= 1000, "the pod has not the calls of its sandbox")


@test("a name that comes while exports wait for it has all that was counted")
def _():
    uid, container = str(uuid.uuid4()), new_id()
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uid}", container)
    load = work(cgroup)
    time.sleep(1.5)
    same(calls(agent, is_of(cgroup)), 0, "calls exported without a name")
    text = subprocess.run([ASSAY, "report", "--total", *ALL, "--socket", agent.socket],
                          text=True, stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
    check(container[:12] in text, f"the report does not show it:\n{text}")
    put_bundle(container, "late", "in-time", "app")
    same(resource_of(agent, cgroup)["assay.workload.name"], "late/in-time/app", "its name")
    check(calls(agent, is_of(cgroup)) >= 1000, "calls from before its name are missing")
    load.close()


@test("a name that comes when exports have given up begins at zero; what was before stays "
      "in `unknown`")
def _():
    late = holding("2s")
    uid, container = str(uuid.uuid4()), new_id()
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uid}", container)
    load = work(cgroup)
    wait_for(lambda: calls(late, is_unknown) >= 1000, PATIENCE, "its calls in unknown")
    same(calls(late, is_of(cgroup)), 0, "calls exported without a name")
    check("no name for 2 s" in late.said(), f"the log says: {late.said()}")
    put_bundle(container, "late", "too-late", "app")

    def has_name():
        text = subprocess.run([ASSAY, "report", "--total", *ALL, "--socket", late.socket],
                              text=True, stdout=subprocess.PIPE, timeout=PATIENCE,
                              check=True).stdout
        return "late/too-late/app" in text

    before = calls(late, is_unknown)
    # the report shows who has counts since then
    wait_for(lambda: (load.ask("getppid", 1), has_name())[1], PATIENCE, "its name", 0.2)
    load.ask("getppid", 5000)
    wait_for(lambda: calls(late, is_of(cgroup)) >= 5000, PATIENCE, "its own calls")
    own = calls(late, is_of(cgroup))
    check(own < 6000, f"its own series have {own} calls: more than since its name")
    check(calls(late, is_unknown) >= before, "unknown has gone back")
    load.close()


@test("a container that is gone before anything named it counts in `unknown`")
def _():
    slow = Agent("--probes", "syscall", "--export-interval", "2s", "--host-root", root)
    wait_for(lambda: os.path.exists(slow.exports), PATIENCE, "an export")
    before = calls(slow, is_unknown)
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())
    work(cgroup).close()
    cgroup.remove()
    wait_for(lambda: calls(slow, is_unknown) >= before + 1000, PATIENCE,
             "its calls in unknown")
    time.sleep(2.5)
    same(calls(slow, is_of(cgroup)), 0, "calls under its own path")
    check(calls(slow, is_unknown) >= before + 1000, "unknown has gone back")


@test("a container that is started again has the instance of the one before, and begins "
      "when that one has ended")
def _():
    uid, first, second = str(uuid.uuid4()), new_id(), new_id()
    pod = below(Cgroup("node"), "kubepods", f"pod{uid}")
    for container in first, second:
        put_bundle(container, "shop", "again-0", "app")
    one = pod.below(first)
    work(one).close()
    resource_of(agent, one)
    one.remove()
    two = pod.below(second)
    load = work(two)
    resource_of(agent, two)
    time.sleep(1.5)
    load.close()
    points = list(all_points(agent, "shop.again-0.app"))
    ids = [p[3] for p in points]
    values = [i for i, p in enumerate(points) if p[2] is not None]
    last = max(i for i in values if ids[i] == first)
    begin = min(i for i in values if ids[i] == second)
    check(last < begin, "a value of the first one after the second one's began")
    check(any(ids[i] == first and points[i][2] is None for i in range(last, begin)),
          f"no end of the first one before the second one: {points}")
    times = [p[0] for p in points]
    same(times, sorted(times), "times")
    check(len(set(times)) == len(times), f"two points of one time: {points}")


@test("each restart of a container has its number, its id and its own calls")
def _():
    uid, base = str(uuid.uuid4()), Cgroup("node")
    os.makedirs(f"{root}/var/log/containers", exist_ok=True)
    pod, found = below(base, "kubepods", f"pod{uid}"), []
    for n in range(3):
        container = new_id()
        os.symlink(f"/var/log/pods/shop_count-0_{uid}/app/{n}.log",
                   f"{root}/var/log/containers/count-0_shop_app-{container}.log")
        cgroup = pod.below(container)
        load = work(cgroup)
        load.ask("getppid", 100 * n)
        done = agent.total().value(cgroup, DURATION, class_="process")
        found.append((resource_of(agent, cgroup), container, cgroup, done))
        wait_for(lambda: calls(agent, is_of(cgroup)) == done, PATIENCE, "its calls")
        load.close()
        cgroup.remove()
    for n, (resource, container, cgroup, done) in enumerate(found):
        same((resource["k8s.container.restart_count"], resource["container.id"],
              resource["service.instance.id"]), (str(n), container, "shop.count-0.app"),
             f"of restart {n}")
        same(calls(agent, is_of(cgroup)), done, f"calls of restart {n}")


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


@test("containers that live 50 ms, and their bundles no longer, are named: the agent is woken "
      "by their cgroups")
def _():
    quick = Agent("--probes", "syscall", "--export-interval", "2s", "--host-root", root)
    pod = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}")
    made = []
    for i in range(8):
        container = new_id()
        put_bundle(container, "batch", f"blink-{i}", "once")
        began = time.monotonic()
        made.append(pod.below(container))
        load = made[-1].start(["/bin/true"])
        time.sleep(max(0, 0.05 - (time.monotonic() - began)))
        os.unlink(f"{root}/{TASKS}/{container}/config.json")
        load.wait()
        made[-1].remove()
        time.sleep(0.037)  # at another time of the loop's

    def names():
        if not os.path.exists(quick.exports):
            return None
        found = {r.get("process.linux.cgroup"): r.get("assay.workload.name")
                 for r in Exports(quick.exports).resources.values()}
        got = [found.get(c.path) for c in made]
        return got if all(got) else None

    # several exports: who was missed, as the agent had no CPU in those 50 ms, never comes
    same(wait_for(names, 20, "all of them in an export"),
         [f"batch/blink-{i}/once" for i in range(8)], "their names")


def assay(*argv):
    return subprocess.run([ASSAY, *argv], text=True, stdout=subprocess.PIPE,
                          timeout=PATIENCE, check=True).stdout


def sources(cgroups, *where):
    """Where the report says that the names of these are from."""
    rows = list(csv.DictReader(assay("report", "--format", "csv", *where).splitlines()))
    return [[row["source"] for row in rows if row["cgroup"] == c.path] for c in cgroups]


@test("where nothing but the directory of its logs tells the pod, its containers have that "
      "name, each as an instance of its own")
def _():
    uid = str(uuid.uuid4())
    os.makedirs(f"{root}/var/log/pods/shop_logged-0_{uid}/app")
    late = Agent("--probes", "syscall", "--export-interval", "500ms", "--host-root", root,
                 "--identity-source", prefix=("env", "ASSAY_TEST_HOLD=2s"))
    pod = below(Cgroup("node"), "kubepods", f"pod{uid}")
    both = pod.below(new_id()), pod.below(new_id())
    for cgroup in both:
        work(cgroup)
    time.sleep(1)
    same([calls(late, is_of(c)) for c in both], [0, 0], "exported while more may be told")
    found = [resource_of(late, cgroup) for cgroup in both]
    for cgroup, resource in zip(both, found):
        same(named(resource),
             {"k8s.namespace.name": "shop", "k8s.pod.name": "logged-0", "k8s.pod.uid": uid,
              "service.name": "logged-0", "service.namespace": "shop",
              "assay.workload.name": "shop/logged-0"}, "its names")
        same((resource["assay.identity.source"], resource["container.id"]),
             ("pod-log", os.path.basename(cgroup.path)), "its source and id")
        wait_for(lambda c=cgroup: calls(late, is_of(c)) >= 1000, PATIENCE, "its calls")
        check(calls(late, is_of(cgroup)) < 1100, "calls of another one, too")
    check(found[0]["service.instance.id"] != found[1]["service.instance.id"], "one instance")


@test("the report says where each name is from, now and of the past; exports do not")
def _():
    past = scratch() + "/history.db"
    keeper = Agent("--probes", "syscall", "--export-interval", "500ms", "--host-root", root,
                   "--history", past, "--snapshot-interval", "1s")
    container, plain = new_id(), Cgroup("plain")
    put_bundle(container, "ci", "told", "app")
    cgroups = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", container), plain
    for cgroup in cgroups:
        work(cgroup)
    exported = [resource_of(keeper, c).get("assay.identity.source") for c in cgroups]
    same(exported, [None, None], "what exports have of it")
    wanted = [["bundle"], ["path"]]
    same(sources(cgroups, "--total", "--socket", keeper.socket), wanted, "sources")
    keeper.stop()
    same(sources(cgroups, "--history", past, "--last", "1h"), wanted, "of the past")
    assay("snapshot", past + ".copy", "--history", past)
    same(sources(cgroups, "--from", past + ".copy"), wanted, "of a copy")


@test("what a container makes below its own cgroup has its own name behind; the report "
      "shows names")
def _():
    uid, container = str(uuid.uuid4()), new_id()
    put_bundle(container, "ci", "builder", "docker")
    own = below(Cgroup("node"), "kubepods", f"pod{uid}", container)
    inner = own.below("buildkit")
    work(inner)
    resource = resource_of(agent, inner)
    same((resource["assay.workload.name"], resource["service.name"],
          resource["k8s.container.name"]), ("ci/builder/docker/buildkit", "builder",
                                            "docker"), "its names")
    text = subprocess.run([ASSAY, "report", "--total", *ALL, "--socket", agent.socket],
                          text=True, stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
    check("ci/builder/docker/buildkit" in text, f"no such workload:\n{text}")


main(setup)
