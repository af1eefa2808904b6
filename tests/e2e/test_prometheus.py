#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""A real Prometheus, which knows a resource by job and instance alone: each workload is told
from every other there, and has the calls that it made.

Debian's Prometheus is built without its OTLP receiver. So vmagent takes the exports, keeps of
each resource what Prometheus' own receiver makes of it by default (job: service.namespace and
service.name; instance: service.instance.id), and hands that on by remote write."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import fetch  # noqa: E402
from identities import below, new_id, put_bundle  # noqa: E402
from node import Agent, Cgroup, Load, free_port, scratch, wait_for  # noqa: E402
from tap import check, defer, diag, main, need_root, same, test  # noqa: E402

need_root()

# what users are told to put into theirs; one that Prometheus does not take ends it
CONFIG = f"{fetch.TOP}/deploy/kubernetes/overlays/prometheus/prometheus.yml"
DURATION = "assay.syscall.duration"
CALLS = 'assay_syscall_duration_seconds_count{assay_syscall_class="process"}'
KEPT = "service.namespace", "service.name", "service.instance.id"
RELABEL = """
- source_labels: [service_namespace, service_name]
  separator: /
  regex: "(.+/.+)"
  target_label: job
- source_labels: [service_namespace, service_name]
  separator: /
  regex: "/(.+)"
  target_label: job
- source_labels: [service_instance_id]
  target_label: instance
- action: labeldrop
  regex: service_.*
"""
state = {}


def get(port, path, **arguments):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    query = "?" + urllib.parse.urlencode(arguments) if arguments else ""
    with opener.open(f"http://127.0.0.1:{port}{path}{query}", timeout=10) as answer:
        return answer.read().decode()


def is_up(port, path):
    try:
        return get(port, path)
    except (urllib.error.URLError, ConnectionError):
        return None


def run(program, *words):
    """A server until the end of the suite; its log."""
    log = scratch() + "/log"
    with open(log, "w") as f:
        process = subprocess.Popen([program, *words], stdout=f, stderr=f,
                                   stdin=subprocess.DEVNULL)

    def stop():
        process.terminate()
        process.wait(30)
    defer(stop)
    return log


def start_prometheus():
    folder, port = scratch(), free_port()
    run(fetch.package("prometheus", "usr/bin/prometheus"), f"--config.file={CONFIG}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver")
    wait_for(lambda: is_up(port, "/-/ready"), 60, "Prometheus to listen")
    return port


def start_translator(prometheus):
    folder, port = scratch(), free_port()
    with open(folder + "/relabel.yml", "w") as f:
        f.write(RELABEL)
    state["log"] = run(
        fetch.package("victoria-metrics", "usr/bin/vmagent"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-remoteWrite.url=http://127.0.0.1:{prometheus}/api/v1/write",
        "-remoteWrite.forcePromProto=true", "-remoteWrite.queues=1",
        "-remoteWrite.flushInterval=100ms", f"-remoteWrite.tmpDataPath={folder}/queue",
        f"-remoteWrite.urlRelabelConfig={folder}/relabel.yml",
        "-opentelemetry.usePrometheusNaming", "-opentelemetry.promoteScopeMetadata=false",
        "-opentelemetry.promoteAllResourceAttributes=false",
        *(f"-opentelemetry.promoteResourceAttributes={a}" for a in KEPT))
    wait_for(lambda: is_up(port, "/health"), 60, "vmagent to listen")
    return port


def setup():
    state["prometheus"] = start_prometheus()
    state["translator"] = start_translator(state["prometheus"])
    state["root"] = scratch()
    state["agent"] = Agent("--probes", "syscall", "--export-interval", "1s", "--host-root",
                           state["root"], export=f"http://127.0.0.1:{state['translator']}"
                           "/opentelemetry/v1/metrics")


def query(text):
    """The values by their labels, as a frozen set of pairs."""
    answer = json.loads(get(state["prometheus"], "/api/v1/query", query=text))
    return {frozenset((k, v) for k, v in s["metric"].items() if k != "__name__"):
            float(s["value"][1]) for s in answer["data"]["result"]}


def metric(port, name):
    """The sum of one of a server's own numbers."""
    return sum(float(line.rpartition(" ")[2]) for line in get(port, "/metrics").splitlines()
               if line.split("{")[0].split(" ")[0] == name)


def value_of(pairs, job, instance):
    return pairs.get(frozenset({("job", job), ("instance", instance)}), 0)


def calls():
    return query(f"sum({CALLS}) by (job, instance)")


@test("containers of one name in several pods, of several names in one, plain cgroups: each has "
      "its own calls by job and instance")
def _():
    agent, root = state["agent"], state["root"]
    loads = {}
    for pod in "web-0", "web-1":
        base = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}")
        for name in "app", "sidecar":
            number = new_id()
            put_bundle(root, number, "shop", pod, name)
            loads[f"shop/{pod}", f"shop.{pod}.{name}"] = Load(base.below(number), "traps")
    for folder in "one", "other":  # of one name, and no pod's
        load = Load(Cgroup(folder).below("app"), "traps")
        path = load_path(load)
        loads[path[1:], host_id() + ":" + path] = load
    before = agent.total()
    first = {w: value_of(calls(), *w) for w in loads}
    for i, load in enumerate(loads.values()):
        load.ask("getppid", 1000 + i)
    own = {w: before.value(load_path(load), DURATION, class_="process") + 1000 + i
           for i, (w, load) in enumerate(loads.items())}
    diag(f"at first {list(first.values())}, then {list(own.values())}")
    wait_for(lambda: {w: value_of(calls(), *w) for w in loads} == own, 60,
             "each to have its calls", 0.5)
    series = query(CALLS)
    diag(f"{len(series)} series of {len({dict(k).get('job') for k in series})} jobs")
    same(len(series), len({(dict(k)["job"], dict(k)["instance"]) for k in series}),
         "series, and pairs of job and instance")
    names = {k for s in series for k, _ in s}
    same(names, {"job", "instance", "assay_syscall_class"}, "labels")


def host_id():
    """What comes before the path in the instance of what is no pod's."""
    def found():
        return [i for i in (dict(k)["instance"] for k in calls()) if ":/" in i]

    return wait_for(found, 60, "a workload that is no pod's")[0].partition(":/")[0]


def load_path(load):
    with open(f"/proc/{load.pid}/cgroup") as f:
        return next(line for line in f if line.startswith("0::"))[3:].strip()


@test("a container that is started again goes on under its job and instance")
def _():
    agent, root = state["agent"], state["root"]
    base = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}")
    who, done = ("shop/again-0", "shop.again-0.app"), []
    for i in range(3):
        number = new_id()
        put_bundle(root, number, "shop", "again-0", "app")
        cgroup = base.below(number)
        load = Load(cgroup, "traps")
        load.ask("getppid", 500 * (i + 1))
        done.append(agent.total().value(cgroup, DURATION, class_="process"))
        wait_for(lambda: value_of(calls(), *who) == done[-1], 60, "its calls", 0.5)
        load.close()
        cgroup.remove()
        # told to be over, before the next one of its instance
        wait_for(lambda: not value_of(calls(), *who), 60, "its end", 0.5)
    diag(f"{done}")


@test("Prometheus and what is before it have refused nothing")
def _():
    time.sleep(2)
    out = {name: metric(state["prometheus"], name) for name in
           ("prometheus_tsdb_out_of_order_samples_total",
            "prometheus_tsdb_out_of_bound_samples_total",
            "prometheus_tsdb_too_old_samples_total",
            "prometheus_api_remote_write_invalid_labels_samples_total")}
    same({k: v for k, v in out.items() if v}, {}, "samples that were refused")
    same(metric(state["translator"], "vmagent_remotewrite_packets_dropped_total"), 0,
         "packets that were dropped")
    check(metric(state["prometheus"], "prometheus_tsdb_head_samples_appended_total") > 0,
          "no sample came")


main(setup)
