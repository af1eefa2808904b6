#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What the agent exports, read by a decoder that is not ours."""

import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import otlp
from node import Agent, Cgroup, Load
from tap import check, diag, main, need_root, same, test

need_root()

NO_RECORDED_VALUE = 1  # DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
state = {}


def setup():
    """Runs the agent under a known load until three exports are in its file."""
    state["class"] = otlp.request_class()
    agent = Agent("--export-interval", "1s")
    state["cgroup"] = Cgroup("decode")
    load = Load(state["cgroup"], "traps")
    for _ in range(3):
        load.ask("getppid", 1000)
        time.sleep(1)
    state["report"] = agent.total()
    agent.stop()
    with open(agent.exports, "rb") as f:
        data = f.read()
    state["bytes"] = list(otlp.split(data))
    state["requests"] = [state["class"].FromString(m) for m in state["bytes"]]
    diag(f"{len(state['requests'])} requests, {len(data)} bytes")


def all_metrics():
    for request in state["requests"]:
        yield from otlp.metrics(request)


def all_points(kind=None, ended=False):
    """Triples of resource, metric and data point: those with a value, or those that
    say that their series has ended."""
    for resource, metric in all_metrics():
        if kind in (None, metric.WhichOneof("data")):
            for point in otlp.data_of(metric).data_points:
                if bool(point.flags & NO_RECORDED_VALUE) == ended:
                    yield resource, metric, point


@test("the decoder finds an unknown field in the depth")
def _():
    request = state["class"]()
    m = request.resource_metrics.add().scope_metrics.add().metrics.add()
    same(otlp.unknown(request), [], "before")
    m.MergeFromString(b"\xf8\x06\x01")  # field 111, a number
    same(otlp.unknown(request), ["/resource_metrics/scope_metrics/metrics/111"],
         "after")


@test("every request decodes, with no unknown field at any depth")
def _():
    check(len(state["requests"]) >= 3, f"{len(state['requests'])} requests")
    for request in state["requests"]:
        same(sorted(set(otlp.unknown(request))), [], "unknown fields")
        check(request.resource_metrics, "a request without a resource")


@test("what the decoder understood is all there was: it writes as many bytes")
def _():
    for data, request in zip(state["bytes"], state["requests"]):
        same(len(request.SerializeToString()), len(data), "bytes")


@test("count is zero_count and the buckets, in every histogram")
def _():
    seen = 0
    for _, metric, p in all_points("exponential_histogram"):
        buckets = sum(p.positive.bucket_counts)
        same(p.count, p.zero_count + buckets, metric.name)
        same((p.scale, p.zero_threshold), (3, 2 ** -20), metric.name)
        same(len(p.negative.bucket_counts), 0, metric.name)
        check(p.HasField("sum") and p.sum >= 0, f"{metric.name}: no sum")
        if buckets:
            check(p.positive.bucket_counts[0] and p.positive.bucket_counts[-1],
                  f"{metric.name}: empty buckets at an end")
        seen += p.count > 0
    check(seen > 10, f"{seen} histograms with counts")


@test("no two resources of an export share their service identity")
def _():
    keys = "service.namespace", "service.name", "service.instance.id"
    for request in state["requests"]:
        seen = set()
        for rm in request.resource_metrics:
            resource = otlp.attributes(rm.resource.attributes)
            identity = tuple(resource.get(k) for k in keys)
            check(identity[1] and identity[2], f"no service in {resource}")
            check(identity not in seen, f"{identity} comes twice")
            seen.add(identity)
    check(len(seen) > 2, f"{len(seen)} resources")


@test("no metric is empty, and none comes twice in a resource")
def _():
    for request in state["requests"]:
        for rm in request.resource_metrics:
            names = [m.name for s in rm.scope_metrics for m in s.metrics]
            same(len(set(names)), len(names), f"names {names}")
    for _, metric in all_metrics():
        check(len(otlp.data_of(metric).data_points) > 0, f"{metric.name} is empty")


@test("sums and histograms are cumulative and start before they end")
def _():
    now = time.time_ns()
    for _, metric, p in all_points():
        check(now - 60e9 < p.time_unix_nano <= now, f"{metric.name}: the time is off")
        if metric.WhichOneof("data") == "gauge":
            same(p.start_time_unix_nano, 0, f"{metric.name}: start of a gauge")
            continue
        same(otlp.data_of(metric).aggregation_temporality, 2, metric.name)
        check(0 < p.start_time_unix_nano < p.time_unix_nano, f"{metric.name}: start")


@test("at the end every series is told to be over, later and without a value")
def _():
    def key(resource, metric, p):
        return (tuple(sorted(resource.items())), metric.name,
                tuple(sorted(otlp.attributes(p.attributes).items())))

    values = {key(*t): t[2].time_unix_nano for t in all_points()}
    ends = {key(*t): t[2] for t in all_points(ended=True)}
    same(set(values) - set(ends), set(), "series without an end")
    same(set(ends) - set(values), set(), "series with nothing but an end")
    for k, p in ends.items():
        check(p.time_unix_nano > values[k], f"{k}: the end is not later")
        if hasattr(p, "count"):
            same((p.count, p.HasField("sum"), p.HasField("positive")),
                 (0, False, False), f"{k}: what the end says")
        else:
            same(p.WhichOneof("value"), None, f"{k}: the value of the end")
    same(len(list(all_points(ended=True))), len(ends), "ends, each told once")


@test("the points of a metric differ in their attributes")
def _():
    for resource, metric in all_metrics():
        keys = [tuple(sorted(otlp.attributes(p.attributes).items()))
                for p in otlp.data_of(metric).data_points]
        same(len(set(keys)), len(keys), f"{metric.name} of {resource}")


@test("counts never go down from one export to the next")
def _():
    last, grown = {}, 0
    for resource, metric, p in all_points("exponential_histogram"):
        key = (tuple(sorted(resource.items())), metric.name, p.start_time_unix_nano,
               tuple(sorted(otlp.attributes(p.attributes).items())))
        check(p.count >= last.get(key, 0), f"{metric.name} went down in {resource}")
        grown += p.count > last.get(key, p.count)
        last[key] = p.count
    check(grown > 0, "nothing ever grew")


@test("the last export holds what the report says of a load, to the event")
def _():
    counts = {}
    for resource, metric, p in all_points("exponential_histogram"):
        attrs = otlp.attributes(p.attributes)
        if (resource.get("process.linux.cgroup") == state["cgroup"].path and
                metric.name == "assay.syscall.duration"):
            counts[attrs["assay.syscall.class"]] = p.count
    want = state["report"].by(state["cgroup"], "assay.syscall.duration", "class")
    diag(f"{counts}")
    check(counts.get("process", 0) >= 3000, f"calls: {counts}")
    same(counts, want, "calls by class")


main(setup)
