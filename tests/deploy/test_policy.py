#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/policy: our own manifests pass, and each variant that takes more is refused, by the
very sentence that is about it."""

import copy
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import chart  # noqa: E402
from kube import TOP, load, name_of, parse, pod_specs, read, validate  # noqa: E402
from renders import KUSTOMIZE, kustomize_file  # noqa: E402
from tap import Skip, check, main, same, test  # noqa: E402
from variants import ANNOTATED, VARIANTS, annotated, box, node_volume, security  # noqa: E402

POLICY = "deploy/policy/validating-admission-policy.yaml"
CEL = os.path.join(TOP, "build/cel")
LIBRARY = os.path.join(CEL, "node_modules/@marcbachmann/cel-js/lib/index.js")


def library():
    """The implementation of CEL, of the npm registry, by the digest in package-lock.json."""
    if not shutil.which("node"):
        raise Skip("no node here (Debian's nodejs, 20.19 or later)")
    if not os.path.exists(LIBRARY):
        if not shutil.which("npm"):
            raise Skip("no npm here, and build/cel is empty")
        os.makedirs(CEL, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(TOP, "tests/deploy/cel", name), CEL)
        out = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                             cwd=CEL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=120, check=False)
        if out.returncode:
            raise Skip("npm ci failed: " + out.stdout.strip().replace("\n", " ")[:200])
    return LIBRARY


def refusals(objs, text=None):
    """For each object the messages that the policy, or another text of it, refuses it with."""
    policy = parse(text)[0] if text else load(POLICY)[0]
    document = json.dumps({"spec": policy["spec"], "objects": objs})
    out = subprocess.run(["node", os.path.join(TOP, "tests/deploy/cel/evaluate.mjs"),
                          library()], input=document, text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    same(out.returncode, 0, out.stderr)
    return json.loads(out.stdout)


# A container that is not ours; a directory of the node that is written to.
NOT_ALLOWED = "everything", "history-on-node"
HISTORY = "/var/lib/assay"


def agents():
    """The agent's DaemonSets of all that is rendered in deploy/, and passes."""
    files = [kustomize_file(f) for f in KUSTOMIZE if "kubernetes" in f]
    files += [chart.example_file(n) for n in chart.examples()
              if n not in NOT_ALLOWED]
    for name in files:
        for obj, _ in pod_specs(load(name)):
            if "assay" in obj["metadata"]["name"]:
                yield name, obj


def agent():
    return copy.deepcopy(next(agents())[1])


def pod_of(daemonset):
    """The pod that a controller makes of it."""
    template = copy.deepcopy(daemonset["spec"]["template"])
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "assay-x", **template["metadata"]},
            "spec": template["spec"]}


@test("policies are as the schemas of Kubernetes want them")
def _():
    for obj in load(POLICY):
        validate(obj)


@test("Kyverno's policy has the same expressions")
def _():
    out = subprocess.run([os.path.join(TOP, "deploy/policy/kyverno.py")], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    check(out == read("deploy/policy/kyverno.yaml"),
          "python3 deploy/policy/kyverno.py > deploy/policy/kyverno.yaml")


@test("our own manifests pass, and so do the pods that are made of them")
def _():
    found = list(agents())
    check(len(found) >= 9, f"agents: {len(found)}")
    objs = [o for _, obj in found for o in (obj, pod_of(obj))]
    for (name, obj), got in zip([f for f in found for _ in (0, 1)], refusals(objs)):
        same(got, [], f"{name}: {name_of(obj)}")


def writable_volumes(obj):
    """What the agent may write to: the volume of each mount, by its path."""
    spec = obj["spec"]["template"]["spec"]
    volumes = {v["name"]: v for v in spec["volumes"]}
    return {m["mountPath"]: volumes[m["name"]] for m in box(spec)["volumeMounts"]
            if not m.get("readOnly")}


@test("what is written to is in memory or goes with the pod; without a history, in memory alone")
def _():
    found = {name: writable_volumes(obj) for name, obj in agents()}
    for name, volumes in found.items():
        check(all("emptyDir" in v for v in volumes.values()), f"{name}: {volumes}")
        kept = {p for p, v in volumes.items() if v["emptyDir"].get("medium") != "Memory"}
        same(kept, set() if "no-history" in name else {HISTORY}, f"{name}: on the disk")
    same(sum("no-history" in name for name in found), 2, "renderings without a history")


@test("a history in a directory of the node is refused as such, and as written to")
def _():
    path = chart.example_file("history-on-node")
    obj = next(o for o, _ in pod_specs(load(path)))
    same(writable_volumes(obj)[HISTORY]["hostPath"]["path"], HISTORY, "the example")
    for each in (obj, pod_of(obj)):
        got = refusals([each])[0]
        same(len(got), 2, f"sentences: {got}")
        check("hostPath" in got[0] and "readOnly" in got[1], f"sentences: {got}")
    # as README.md says to allow it
    text = read(POLICY)
    allowed = text.replace("in ['/sys/fs/cgroup',", f"in ['{HISTORY}', '/sys/fs/cgroup',")
    check(allowed != text, "the list of paths is not there")
    allowed = allowed.replace("filter(v, has(v.hostPath))", "filter(v, has(v.hostPath) && "
                              f"v.hostPath.path != '{HISTORY}')")
    also_etc = copy.deepcopy(obj)
    node_volume(also_etc["spec"]["template"]["spec"], "/etc")
    got = refusals([obj, pod_of(obj), also_etc], allowed)
    same(got[:2], [[], []], "with what README.md says")
    check(got[2], "/etc passes then")


@test(f"{len(VARIANTS) + len(ANNOTATED)} variants that take more are refused, as sets and as pods")
def _():
    objs, wanted = [], []
    for word, change in VARIANTS:
        obj = agent()
        change(obj["spec"]["template"]["spec"])
        objs += [obj, pod_of(obj)]
        wanted += [word, word]
    for word, annotations in ANNOTATED:
        obj = agent()
        obj["spec"]["template"]["metadata"].setdefault("annotations", {}).update(annotations)
        objs += [obj, pod_of(obj)]
        wanted += [word, word]
    wrong = [f"{i // 2} ({word}): {got}"
             for i, (word, got) in enumerate(zip(wanted, refusals(objs)))
             if not any(word in message for message in got) or
             any(m.startswith("error") for m in got)]
    same(wrong, [], "variants that are not refused for what they are")


@test("what Kubernetes leaves out or adds by itself is not refused")
def _():
    quiet = agent()
    spec = quiet["spec"]["template"]["spec"]
    for key in ("hostNetwork", "hostIPC"):
        del spec[key]
    del security(spec)["privileged"]
    # seccomp of each container instead of the pod's
    security(spec)["seccompProfile"] = spec["securityContext"].pop("seccompProfile")
    served = pod_of(agent())
    box(served["spec"])["ports"] = [{"containerPort": 80, "hostPort": 0}]
    served["spec"]["volumes"].append({"name": "kube-api-access", "projected": {}})
    box(served["spec"])["volumeMounts"].append({"name": "kube-api-access",
                                                "mountPath": "/var/run/secrets"})
    confined = pod_of(agent())
    confined["metadata"]["annotations"] = annotated("localhost/assay")
    for at in confined["spec"]["securityContext"], security(confined["spec"]):
        at.update(appArmorProfile={"type": "RuntimeDefault"}, sysctls=[], seLinuxOptions={},
                  windowsOptions={"hostProcess": False})
    bare = pod_of(agent())
    del bare["metadata"]["annotations"]
    box(bare["spec"])["livenessProbe"] = {"httpGet": {"port": 80, "host": ""}}
    box(bare["spec"])["lifecycle"] = {"preStop": {"exec": {"command": ["x"]}}}
    same(refusals([quiet, served, confined, bare]), [[], [], [], []], "refusals")


main()
