#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/kubernetes and deploy/collector: what is rendered is what is in git, objects are
as Kubernetes wants them, and the agent gets no more than it needs and all that it needs."""

import copy
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from kube import (TOP, by_name, differences, digest_in, load, parse, pod_specs,  # noqa: E402
                  validate)
from pods import (check_agent, check_env_order, check_image, check_kubelet,  # noqa: E402
                  check_mounts, check_selector)
from renders import (KUSTOMIZE, kustomize, kustomize_digest, kustomize_file,  # noqa: E402
                     render_kustomize)
from tap import Failed, Skip, check, main, same, test  # noqa: E402


def rendered(folder):
    return load(kustomize_file(folder))


def agent(folder):
    """The agent's DaemonSet of an overlay."""
    return by_name(rendered(folder))["DaemonSet assay/assay"]


BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
AGENTS = [f for f in KUSTOMIZE if "kubernetes" in f]


@test("each rendered example was made of the files that are there now")
def _():
    old = [f for f in KUSTOMIZE if digest_in(kustomize_file(f)) != kustomize_digest(f)]
    same(old, [], "folders to be rendered anew by tests/deploy/render")


@test("kustomize makes exactly the rendered examples")
def _():
    if not kustomize():
        raise Skip("neither kustomize nor kubectl 1.21 or later is here")
    for folder in KUSTOMIZE:
        now, then = (by_name(o) for o in (parse(render_kustomize(folder)),
                                          rendered(folder)))
        same(differences(now, then), [], f"{folder}: rendered now, and in git")


@test("objects are as the schemas of Kubernetes want them")
def _():
    for folder in KUSTOMIZE:
        for obj in rendered(folder):
            validate(obj)


def refused(obj, path, value, what):
    broken = at = copy.deepcopy(obj)
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    try:
        validate(broken)
    except Failed:
        return
    raise Failed(f"not refused: {what}")


@test("the schemas refuse an unknown field, a wrong type, a missing field")
def _():
    obj = agent(AGENTS[0])
    pod = ["spec", "template", "spec"]
    refused(obj, pod + ["hostPid"], True, "hostPid")
    refused(obj, pod + ["containers", 0, "securityContext", "capabilities", "drop"], "ALL",
            "drop that is no list")
    refused(obj, ["spec", "minReadySeconds"], "15", "a number in quotes")
    refused(obj, pod + ["containers", 0], {"image": "x"}, "a container without a name")


@test("the agent has BPF and PERFMON, a read-only root, and no privilege")
def _():
    for folder in AGENTS:
        bundles = folder.endswith("/bundles")  # which are for root
        check_agent(agent(folder)["spec"]["template"]["spec"], 0 if bundles else 65532,
                    [BUNDLES] if bundles else [])


@test("an update starts the new pod before the old one ends")
def _():
    for folder in AGENTS:
        spec = agent(folder)["spec"]
        same(spec["updateStrategy"], {"type": "RollingUpdate", "rollingUpdate": {
            "maxSurge": 1, "maxUnavailable": 0}}, "updateStrategy")
        # ... and ends it when the new one says that it is ready, which it does while it
        # waits: tests/cli/test_cli_status.py.
        check("readinessProbe" in spec["template"]["spec"]["containers"][0], "no readiness")


@test("selectors choose their pods, mounts have volumes, variables stand in order")
def _():
    for folder in KUSTOMIZE:
        objs = rendered(folder)
        for obj, spec in pod_specs(objs):
            check_selector(obj)
            check_mounts(spec)
            check_env_order(spec)
            check_image(spec)


def leaves(folder):
    """All mappings of an overlay, with the object they are in."""
    def walk(x):
        if isinstance(x, dict):
            yield x
        for y in x.values() if isinstance(x, dict) else x if isinstance(x, list) else ():
            yield from walk(y)
    for obj in rendered(folder):
        for x in walk(obj):
            yield obj, x


@test("each ConfigMap and each ServiceAccount that a pod names is there")
def _():
    for folder in KUSTOMIZE:
        there = by_name(rendered(folder))
        for obj, x in leaves(folder):
            space = obj["metadata"].get("namespace")
            for kind, name in (("ServiceAccount", x.get("serviceAccountName")),
                               ("ConfigMap", (x.get("configMap") or {}).get("name"))):
                # every namespace is given that one by the cluster
                check(not name or name == "kube-root-ca.crt" or
                      f"{kind} {space}/{name}" in there,
                      f"{folder}: no {kind} {space}/{name}")


@test("the agent may ask the kubelet for its pods, by a token of its own, and no more")
def _():
    for folder in AGENTS:
        check_kubelet(agent(folder)["spec"]["template"]["spec"])
        roles = [o for o in rendered(folder) if o["kind"] == "ClusterRole" and
                 o["metadata"]["name"] == "assay"]
        same([r["rules"] for r in roles], [[{"apiGroups": [""], "resources": ["nodes/pods"],
                                             "verbs": ["get"]}]], "rules")
        binding = by_name(rendered(folder))["ClusterRoleBinding /assay"]
        same(binding["roleRef"]["name"], "assay", "role")
        same(binding["subjects"], [{"kind": "ServiceAccount", "name": "assay",
                                    "namespace": "assay"}], "subjects")


@test("what Prometheus is told to keep of a resource is what the agent sends")
def _():
    kept = load("deploy/kubernetes/overlays/prometheus/prometheus.yml")[0]["otlp"]
    with open(os.path.join(TOP, "docs/metrics.md"), encoding="utf-8") as f:
        known = f.read()
    missing = [k for k in kept["promote_resource_attributes"] if f"`{k}`" not in known]
    same(missing, [], "attributes that docs/metrics.md does not have")


@test("each option that the manifests set is one of the agent's")
def _():
    # cmd/option_rows.c feeds the manual: what is in it is what there is.
    with open(os.path.join(TOP, "docs/assay.1"), encoding="utf-8") as f:
        manual = f.read()
    for folder in AGENTS:
        for box in agent(folder)["spec"]["template"]["spec"]["containers"]:
            for var in box["env"]:
                name = var["name"]
                check(not re.match("ASSAY_|OTEL_", name) or name in manual,
                      f"{folder}: assay knows no variable {name}")


@test("the agent takes the options of the manifests")
def _():
    env = {"PATH": os.environ["PATH"]}
    for folder in AGENTS:
        box = agent(folder)["spec"]["template"]["spec"]["containers"][0]
        for var in box["env"]:
            env[var["name"]] = re.sub(r"\$\((\w+)\)", "192.0.2.1", var.get("value", "node"))
        # --help alone says nothing of values: a wrong word after all of them shows that
        # what stands before it was taken.
        out = subprocess.run([os.path.join(TOP, "build/assay"), *box["args"], "--no-such"],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=20, check=False)
        same(out.returncode, 2, "exit status")
        check("--no-such" in out.stdout and len(out.stdout.splitlines()) == 1,
              f"{folder}: {out.stdout}")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            out = subprocess.run(
                [os.path.join(TOP, "build/assay"), *box[probe]["exec"]["command"][1:],
                 "--socket", "/nobody.sock"], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
            check((out.returncode, "no agent runs" in out.stdout) == (1, True),
                  f"{probe}: status {out.returncode}: {out.stdout}")


main()
