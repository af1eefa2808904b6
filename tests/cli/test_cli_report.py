#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay report`: the JSON interface and its schema, the table."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from commands import fails, nobody_socket, record, report, run, schema, serve
from node import Agent, Cgroup
from tap import between, check, main, need_root, same, test


@test("the schema is one, and refuses what is no report")
def _():
    jsonschema.Draft202012Validator.check_schema(schema())
    good = {"schema": 1, "node": {"name": "n", "kernel": "6", "cpus": 1},
            "duration_s": 1.0, "probes": [], "lost": [], "workloads": []}
    jsonschema.validate(good, schema())
    value = {"name": "m", "unit": "s", "attributes": {}, "type": "sum", "value": 1}
    jsonschema.validate({**good, "workloads": [
        {"kind": "unit", "name": "w", "cgroup": "/w", "metrics": [
            value, {**value, "estimated": True, "relative_standard_error": 0.1}]}]}, schema())
    metric = {"name": "m", "unit": "s", "attributes": {}, "type": "histogram"}
    w = {"kind": "unit", "name": "w", "cgroup": "/w", "metrics": [metric]}
    for bad in ({"schema": 2}, {"workloads": [w]}, {"lost": None}, {"extra": 1},
                {"probes": [{"name": "a", "state": "on", "reason": None}]},
                {"workloads": [{**w, "metrics": [{**metric, "type": "gauge"}]}]},
                {"workloads": [{**w, "metrics": [{**value, "estimated": False}]}]}):
        try:
            jsonschema.validate({**good, **bad}, schema())
        except jsonschema.ValidationError:
            continue
        check(False, f"the schema takes {bad}")


@test("a report that measures by itself keeps to the schema and to itself")
def _():
    cgroup = Cgroup("busy")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    began = time.monotonic()
    r = report("--duration", "1s", "--socket", nobody_socket())
    between(r["duration_s"], 0.95, time.monotonic() - began, "duration_s")
    same({p["name"] for p in r["probes"]} >= {"sched", "syscall", "tcp"}, True, "probes")
    paths = [w["cgroup"] for w in r["workloads"]]
    check(cgroup.path in paths, f"{cgroup.path} is not in {paths}")
    same(r["node"]["cpus"], os.cpu_count(), "cpus")
    same(r["node"]["kernel"], os.uname().release, "kernel")
    for w in r["workloads"]:
        for m in w["metrics"]:
            if m["type"] == "histogram":
                check(m["count"] > 0, f"an empty series: {m}")
                check(0 <= m["p50"] <= m["p90"] <= m["p99"] <= m["max"], f"order: {m}")
            else:
                check(m["value"] != 0, f"a series without events: {m}")


@test("two reports of the same numbers are the same text")
def _():
    _, frame = record()
    path = serve(frame)
    texts = {run("report", "--total", "--format", "json", "--socket", path)[1]
             for _ in range(2)}
    same(len(texts), 1, "different texts")
    check("workloads" in texts.pop(), "no report")


@test("the table fits into 100 columns and names the busy workload")
def _():
    cgroup = Cgroup("busy")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    status, out, err = run("report", "--duration", "1s", "--socket", nobody_socket())
    same(status, 0, f"exit status ({err})")
    check(max(map(len, out.splitlines())) <= 100, out)
    check(cgroup.path.strip("/") in out, out)
    for word in "WORKLOADS", "LATENCY", "TRAFFIC", "SATURATION", "p99":
        check(word in out, f"{word} is not in\n{out}")


@test("no agent, no total: one line and status 1")
def _():
    fails(1, "nobody.sock: no agent runs", "report", "--total", "--socket",
          nobody_socket())
    stale = nobody_socket()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    fails(1, "no agent runs", "report", "--total", "--socket", stale)


@test("a report from a running agent keeps to the schema, as do its probes")
def _():
    agent = Agent()
    began = time.monotonic()
    r = report("--duration", "500ms", "--socket", agent.socket)
    between(r["duration_s"], 0.45, time.monotonic() - began, "duration_s")
    total = report("--total", "--socket", agent.socket)
    check(total["duration_s"] >= r["duration_s"], "the total is shorter than a part")
    status, out, _ = run("probes", "--socket", agent.socket)
    check(status == 0 and "As the agent has them" in out, out)
    status, out, _ = run("report", "--duration", "100ms", "--socket", agent.socket)
    check(status == 0 and "from the agent" in out, out)


need_root()
main()
