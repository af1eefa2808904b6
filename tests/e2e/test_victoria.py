#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""A real receiver: VictoriaMetrics takes the exports and says what the report says.

ASSAY_E2E_OUTAGE is for how many seconds the receiver is away (default 20).
"""

import json
import math
import os
import socket
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

import fetch
from node import PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from tap import between, check, defer, diag, main, need_root, same, test

need_root()

OUTAGE = float(os.environ.get("ASSAY_E2E_OUTAGE", "20"))
BACKOFF = 30  # the agent's longest wait before it tries again
# what Prometheus makes job and instance of
JOB = "service_namespace, service_name, service_instance_id"
SLEEPS_MS = 1, 3, 8, 20, 21, 22, 45
state = {}


class Receiver:
    """A VictoriaMetrics on loopback that keeps its data when it is restarted."""

    def __init__(self):
        self.program = fetch.package("victoria-metrics", "usr/bin/victoria-metrics")
        self.dir = scratch()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.process = None
        defer(self.stop)
        self.start()

    def start(self):
        with open(self.dir + "/log", "a") as log:
            self.process = subprocess.Popen(
                [self.program, f"-httpListenAddr={self.address}",
                 f"-storageDataPath={self.dir}/data", "-retentionPeriod=1d",
                 "-search.latencyOffset=1ms", "-opentelemetry.usePrometheusNaming",
                 "-memory.allowedBytes=256MB"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self.is_up, PATIENCE, "VictoriaMetrics to listen")

    def is_up(self):
        try:
            return self.get("/health") == "OK"
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def get(self, path, **arguments):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        query = "?" + urllib.parse.urlencode(arguments) if arguments else ""
        with opener.open(self.url + path + query, timeout=10) as answer:
            return answer.read().decode()

    def number(self, query):
        """The one value that a query gives, None when it gives none."""
        answer = json.loads(self.get("/api/v1/query", query=query, nocache="1"))
        result = answer["data"]["result"]
        check(len(result) < 2, f"{query}: {len(result)} series")
        return float(result[0]["value"][1]) if result else None


def series(point, suffix):
    """How VictoriaMetrics calls the series of a point of our cgroup."""
    labels = {"process.linux.cgroup": state["cgroup"].path, **point["attributes"]}
    inside = ",".join(f"{k.replace('.', '_')}={json.dumps(v)}"
                      for k, v in labels.items())
    return f"{point['name'].replace('.', '_')}{suffix}{{{inside}}}"


def histograms(numbers):
    found = [m for m in numbers.workloads[state["cgroup"].path]
             if m["type"] == "histogram"]
    check(len(found) >= 3, f"{len(found)} histograms in {state['cgroup'].path}")
    return found


def counts(numbers):
    """What the receiver must have, by query: the counts of the report."""
    wanted = {}
    for m in histograms(numbers):
        # a bucket that is new is a new series, which can be seen later than the count
        for suffix in "_seconds_count", "_seconds_bucket":
            wanted[f"sum({series(m, suffix)})"] = m["count"]
    switches = numbers.points(state["cgroup"], "assay.sched.context_switches")
    check(switches, "no context switches")
    for m in switches:
        wanted[f"sum({series(m, '_total')})"] = m["value"]
    return wanted


def arrived(wanted):
    return all(state["receiver"].number(q) == n for q, n in wanted.items())


def settle(seconds):
    """Waits until the receiver has what the agent has counted for the cgroup, which
    is quiet now; returns the report."""
    numbers = state["agent"].total()
    wanted = counts(numbers)
    began = time.monotonic()
    try:
        wait_for(lambda: arrived(wanted), seconds, "the counts to arrive")
    finally:
        diag(f"{len(wanted)} series, {time.monotonic() - began:.1f} s after the load")
        for query, n in wanted.items():
            there = state["receiver"].number(query)
            if there != n:
                diag(f"{n} counted, {there} there: {query}")
    return numbers


def work():
    for ms in SLEEPS_MS * 3:
        state["traps"].ask("sleep", ms)
    state["traps"].ask("getppid", 1000)
    state["spin"].ask("run", 700)


def setup():
    """A receiver, an agent that exports to it, and a load."""
    state["receiver"] = Receiver()
    url = state["receiver"].url + "/opentelemetry/v1/metrics"
    state["agent"] = Agent("--export-interval", "1s", export=url)
    state["cgroup"] = Cgroup("victoria")
    state["traps"] = Load(state["cgroup"], "traps")
    state["spin"] = Load(state["cgroup"], "spin", 3, 0)
    work()


@test("the receiver has the counts of the report")
def _():
    settle(30)


def quantile(point, q):
    buckets = f"sum({series(point, '_seconds_bucket')}) by (vmrange)"
    return state["receiver"].number(f"histogram_quantile({q}, {buckets})")


@test("histogram_quantile agrees with the report within one bucket")
def _():
    compared = 0
    for m in histograms(settle(30)):
        for q, key in (0.5, "p50"), (0.9, "p90"), (0.99, "p99"):
            theirs, ours = quantile(m, q), m[key]
            if round(q * 100) * m["count"] % 100 == 0:
                continue  # between two values: ours is their mean, theirs is the lower
            if not ours:  # the zero bucket, or the one above it
                between(theirs, -2 ** -20, 2 ** (-20 + 1 / 8) * 1.001, m["name"])
                continue
            off = 8 * math.log2(theirs / ours)
            diag(f"{m['name']} {key}: {ours:.6g} here, {theirs:.6g} there, "
                 f"{off:+.2f} buckets")
            # ours is the middle of a bucket, theirs is anywhere in its own
            between(off, -1.51, 1.51, f"{m['name']} {key}: buckets off")
            compared += 1
    check(compared >= 6, f"{compared} quantiles compared")


@test("the sums of the histograms are those of the report")
def _():
    for m in histograms(settle(30)):
        there = state["receiver"].number(f"sum({series(m, '_seconds_sum')})")
        between(there, m["sum"] * (1 - 1e-6), m["sum"] * (1 + 1e-6), m["name"])


@test("the receiver stopped and started again: the counts after it are complete")
def _():
    before = counts(settle(30))
    state["receiver"].stop()
    began = time.monotonic()
    work()
    time.sleep(max(0, began + OUTAGE - time.monotonic()))
    state["receiver"].start()
    diag(f"away for {time.monotonic() - began:.1f} s")
    after = counts(settle(BACKOFF + 15))
    grown = [q for q, n in before.items() if after[q] > n]
    check(len(grown) >= 3, f"{len(grown)} of {len(before)} series grew meanwhile")


@test("an outage is a few lines in the log, and its end is one")
def _():
    said = state["agent"].said()
    diag(said)
    lines = [line for line in said.splitlines() if "export: " in line]
    between(len(lines), 2, 4 + OUTAGE / 30, "lines")
    check("works again" in lines[-1], f"the last line is {lines[-1]}")


def now(query):
    """What a dashboard shows at this moment; None: nothing."""
    return state["receiver"].number(query)


@test("a stall that is over is 0 in the next export, a workload that is gone is absent")
def _():
    cgroup = Cgroup("stalled")
    load = Load(cgroup, "traps")  # waits for its next command
    labels = f'process_linux_cgroup="{cgroup.path}"'
    age = f'assay_inflight_age_seconds{{{labels},assay_operation="syscall.pipe"}}'
    switches = f'sum(assay_sched_context_switches_total{{{labels}}})'
    # series that are new in one export can be seen one later than the other
    wait_for(lambda: now(switches), 60, "the context switches to be seen")
    wait_for(lambda: (now(age) or 0) > 2, 60, "the stall to be seen")
    load.tell("sleep", 3_600_000)
    began = time.monotonic()
    wait_for(lambda: now(age) == 0, PATIENCE, "its age to be 0")
    diag(f"0 after {time.monotonic() - began:.1f} s")
    load.close()
    cgroup.remove()
    began = time.monotonic()
    wait_for(lambda: now(age) is None and now(switches) is None, 20,
             "its series to be absent")
    diag(f"absent after {time.monotonic() - began:.1f} s")


def put_bundle(root, container, name):
    """What containerd leaves of a container of the pod shop/web-0."""
    path = f"{root}/run/containerd/io.containerd.runtime.v2.task/k8s.io/{container}"
    os.makedirs(path)
    cri = "io.kubernetes.cri."
    with open(path + "/config.json", "w") as f:
        json.dump({"annotations": {
            cri + "container-type": "container", cri + "container-name": name,
            cri + "sandbox-name": "web-0", cri + "sandbox-namespace": "shop"}}, f)


@test("by job and instance alone each workload is told from every other, also when a "
      "container is started again")
def _():
    root = scratch()
    agent = Agent("--export-interval", "500ms", "--host-root", root, "--host-id", "again",
                  export=state["receiver"].url + "/opentelemetry/v1/metrics")
    top = Cgroup("pods").below("kubepods").below(f"pod{uuid.uuid4()}")
    metric = 'assay_sched_context_switches_total{host_id="again"}'
    # workloads that a receiver takes for one, at this moment
    writers = f"max(count(count({metric}) by ({JOB}, process_linux_cgroup)) by ({JOB}))"
    seen, loads = [], []
    beside = top.below(uuid.uuid4().hex * 2)
    put_bundle(root, os.path.basename(beside.path), "sidecar")
    loads.append(Load(beside, "traps"))
    for _ in range(3):
        container = uuid.uuid4().hex * 2
        put_bundle(root, container, "app")
        cgroup = top.below(container)
        load = Load(cgroup, "traps")
        here = f'sum({metric[:-1]},process_linux_cgroup="{cgroup.path}"}})'

        def is_there():
            for each in *loads, load:
                each.ask("sleep", 1)
            seen.append(now(writers))
            return now(here)

        wait_for(is_there, PATIENCE, "the container to be there")
        load.close()
        cgroup.remove()
    same({n for n in seen if n}, {1}, "workloads of one job and instance")
    names = json.loads(state["receiver"].get(
        "/api/v1/query", query=f"count({metric[:-1]},k8s_pod_name=\"web-0\"}}) by ({JOB})",
        nocache="1"))["data"]["result"]
    diag(f"{len(seen)} looks; {[m['metric'] for m in names]}")
    agent.stop()


@test("at its end the agent exports once more")
def _():
    wanted = counts(state["agent"].total())
    state["traps"].ask("getppid", 777)
    calls = {q: n for q, n in wanted.items() if "syscall_duration" in q and
             '_count{' in q and '"process"' in q}
    same(len(calls), 1, "series of class process")
    status, seconds = state["agent"].stop()
    same(status, 0, "exit status")
    between(seconds, 0, 5, "seconds to the end")
    (query, n), = calls.items()
    # it is told to be over by now, so look at what there was
    was = query.replace("sum(", "sum(max_over_time(").replace(")", "[1m]))")
    wait_for(lambda: (now(was) or 0) >= n + 777, PATIENCE, "the last export to be seen")
    wait_for(lambda: now(query) is None, PATIENCE, "the series to be absent")


main(setup)
