#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/collector: each configuration is whole, keeps what backends need, fits its pod and
the agent, and asks the API server for no more than its processors use."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from kube import load, read  # noqa: E402
from tap import check, main, same, test  # noqa: E402

KINDS = {"gateway": "deployment.yaml", "node": "daemonset.yaml"}
SECTIONS = ("receivers", "processors", "exporters", "extensions")
# By what each would change: see deploy/collector/README.md.
LOSSY = {"prometheus", "prometheusremotewrite", "cumulativetodelta", "deltatocumulative",
         "groupbyattrs", "filter", "transform", "resource", "metricstransform",
         "interval", "metricstarttime", "probabilistic_sampler"}


def config(name):
    return load(f"deploy/collector/{name}/config.yaml")[0]


def workload(name):
    return load(f"deploy/collector/{name}/{KINDS[name]}")[0]


def box(name):
    return workload(name)["spec"]["template"]["spec"]["containers"][0]


def used(c, section):
    if section == "extensions":
        return set(c["service"]["extensions"])
    return {x for p in c["service"]["pipelines"].values() for x in p[section]}


@test("what pipelines use is declared, and what is declared is used")
def _():
    for name in KINDS:
        c = config(name)
        same(set(c) - {"service"}, set(SECTIONS), f"{name}: sections")
        for section in SECTIONS:
            same(used(c, section), set(c[section]), f"{name}: {section}")


@test("memory is bounded first, batches are made last")
def _():
    for name in KINDS:
        order = config(name)["service"]["pipelines"]["metrics"]["processors"]
        same((order[0], order[-1]), ("memory_limiter", "batch"), f"{name}: order")


@test("nothing converts histograms or sums, drops points or attributes")
def _():
    for name in KINDS:
        c = config(name)
        names = {x.split("/")[0] for s in SECTIONS for x in c[s]}
        same(sorted(names & LOSSY), [], f"{name}: what would lose something")
        same(set(c["exporters"]), {"otlphttp"}, f"{name}: exporters")


@test("a request of the agent is taken whole")
def _():
    # sink/otlp: exports are split at 512 KiB before compression
    check("Exports are split at 512 KiB" in read("ARCHITECTURE.md"), "another size")
    for name in KINDS:
        size = config(name)["receivers"]["otlp"]["protocols"]["http"]["max_request_body_size"]
        check(size >= 2 << 20, f"{name}: {size} bytes")


@test("each ${env:NAME} is set in the pod")
def _():
    for name in KINDS:
        text = read(f"deploy/collector/{name}/config.yaml")
        wanted = set(re.findall(r"\$\{env:(\w+)\}", text))
        wanted |= set(re.findall(r"node_from_env_var: (\w+)", text))
        same(sorted(wanted - {v["name"] for v in box(name)["env"]}), [], f"{name}: unset")
        check(not re.search(r"\$\{(?!env:)", text), f"{name}: a variable of another kind")


@test("the Collector of a node asks for its node's pods, that of the cluster for all")
def _():
    same(config("node")["processors"]["k8sattributes"]["filter"],
         {"node_from_env_var": "NODE_NAME"}, "filter")
    check("filter" not in config("gateway")["processors"]["k8sattributes"], "filter")
    check(any(v["name"] == "NODE_NAME" for v in box("node")["env"]), "NODE_NAME")


@test("names are found by what the agent sends, and known before exports are taken")
def _():
    check("`container.id`" in read("docs/metrics.md"), "the agent sends no container.id")
    for name in KINDS:
        k = config(name)["processors"]["k8sattributes"]
        same(k["pod_association"], [{"sources": [
            {"from": "resource_attribute", "name": "container.id"}]}], f"{name}: by what")
        # which the processor needs to have any container's id
        check(any(m.startswith(("k8s.container", "container.")) for m in
                  k["extract"]["metadata"]), f"{name}: no metadata of containers")
        same(k["wait_for_metadata"], True, f"{name}: wait_for_metadata")


@test("ports are the agent's default, and those of the probes")
def _():
    for name in KINDS:
        c = config(name)
        port = c["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rsplit(":", 1)[1]
        same(port, "4318", f"{name}: receiver")
        same(str(box(name)["ports"][0]["containerPort"]), port, f"{name}: container")
        health = c["extensions"]["health_check"]["endpoint"].rsplit(":", 1)[1]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            same(str(box(name)[probe]["httpGet"]["port"]), health, f"{name}: {probe}")
    same(box("node")["ports"][0]["hostPort"], 4318, "port of the node")
    same(load("deploy/collector/gateway/service.yaml")[0]["spec"]["ports"][0]["port"], 4318,
         "port of the service")


@test("the Go runtime's limit leaves room below the pod's, and names wait for their start")
def _():
    for name in KINDS:
        limit = box(name)["resources"]["limits"]["memory"]
        mib = int(limit[:-2]) * (1024 if limit.endswith("Gi") else 1)
        soft = next(v["value"] for v in box(name)["env"] if v["name"] == "GOMEMLIMIT")
        check(0.7 * mib <= int(soft.removesuffix("MiB")) <= 0.85 * mib,
              f"{name}: {soft} of {limit}")
        wait = config(name)["processors"]["k8sattributes"]["wait_for_metadata_timeout"]
        probe = box(name)["startupProbe"]
        check(probe["periodSeconds"] * probe["failureThreshold"] > int(wait.rstrip("s")),
              f"{name}: killed before its names are there")


@test("it may only read, and only what names are made of")
def _():
    role = next(o for o in load("deploy/collector/common/rbac.yaml")
                if o["kind"] == "ClusterRole")
    for rule in role["rules"]:
        same(set(rule["verbs"]), {"get", "list", "watch"}, str(rule["resources"]))
    same({r for rule in role["rules"] for r in rule["resources"]},
         {"pods", "namespaces", "jobs", "replicasets"}, "resources")


main()
