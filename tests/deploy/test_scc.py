#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The chart's SCC for OpenShift: it admits the pod of the same values, whatever these are,
and nothing that the pod does not take. How an SCC judges is written down here from what
OpenShift's types say of each field: no such cluster is at hand."""

import copy
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from chart import example, objects, one, pod  # noqa: E402
from tap import check, main, same, test  # noqa: E402

OTHER_NAMES = {"cephfs": "cephFS", "storageos": "storageOS", "vsphereVolume": "vsphere"}


def seccomp_name(profile):
    return {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined",
            "Localhost": f'localhost/{profile.get("localhostProfile")}'}[profile["type"]]


def complaints_of_pod(scc, spec):
    """What the SCC does not allow of the pod as a whole."""
    context = spec.get("securityContext", {})
    for key in ("hostPID", "hostNetwork", "hostIPC"):
        if spec.get(key) and not scc["allow" + key[0].upper() + key[1:]]:
            yield key
    for v in spec["volumes"]:
        for kind in v.keys() - {"name"} or {"emptyDir"}:
            if OTHER_NAMES.get(kind, kind) not in scc["volumes"]:
                yield f"volume {kind}"
            if kind == "hostPath" and not scc["allowHostDirVolumePlugin"]:
                yield "hostPath"
    group = scc["fsGroup"]
    if group["type"] == "MustRunAs" and not any(
            r["min"] <= context.get("fsGroup", -1) <= r["max"] for r in group["ranges"]):
        yield "fsGroup"
    for s in context.get("sysctls", []):
        if s["name"] not in scc.get("allowedUnsafeSysctls", []):
            yield "sysctls"
    if "seccompProfile" in context and \
            seccomp_name(context["seccompProfile"]) not in scc["seccompProfiles"]:
        yield "seccompProfile of the pod"


def complaints_of_box(scc, spec, box):
    """What it does not allow of a container."""
    s = {**{k: v for k, v in spec.get("securityContext", {}).items() if k in (
        "runAsUser", "seLinuxOptions", "seccompProfile")}, **box.get("securityContext", {})}
    if s.get("privileged") and not scc["allowPrivilegedContainer"]:
        yield "privileged"
    if s.get("allowPrivilegeEscalation") and not scc["allowPrivilegeEscalation"]:
        yield "allowPrivilegeEscalation"
    if s.get("readOnlyRootFilesystem") is False and scc["readOnlyRootFilesystem"]:
        yield "readOnlyRootFilesystem"
    if set(s.get("capabilities", {}).get("add", [])) - set(scc["allowedCapabilities"]):
        yield "capabilities"
    if any(p.get("hostPort") for p in box.get("ports", [])) and not scc["allowHostPorts"]:
        yield "hostPort"
    if "seccompProfile" in s and \
            seccomp_name(s["seccompProfile"]) not in scc["seccompProfiles"]:
        yield "seccompProfile"
    user = scc["runAsUser"]
    if user["type"] == "MustRunAs" and s.get("runAsUser", user["uid"]) != user["uid"]:
        yield "runAsUser"
    labels = scc["seLinuxContext"]
    if labels["type"] == "MustRunAs":
        want = labels["seLinuxOptions"]
        # without a level the namespace's own is wanted
        if not want.get("level") or s.get("seLinuxOptions", want) != want:
            yield "seLinuxOptions"


def complaints(objs):
    """What the SCC of a rendering has against the pod of another, or of the same."""
    scc, spec = one(objs, "SecurityContextConstraints"), pod(objs)
    out = list(complaints_of_pod(scc, spec))
    for box in spec["containers"] + spec.get("initContainers", []):
        out += complaints_of_box(scc, spec, box)
    return sorted(set(out))


def openshift(**over):
    return objects({"platform": "openshift", **over})


@test("OpenShift's SCC says of the pod what the pod says of itself")
def _():
    objs = example("openshift")
    scc, spec = one(objs, "SecurityContextConstraints"), pod(objs)
    meta = one(objs, "DaemonSet")["spec"]["template"]["metadata"]
    same(meta["annotations"]["openshift.io/required-scc"], scc["metadata"]["name"], "SCC")
    caps = spec["containers"][0]["securityContext"]["capabilities"]
    same(scc["allowedCapabilities"], caps["add"], "capabilities")
    same(scc["requiredDropCapabilities"], caps["drop"], "dropped")
    same(scc["runAsUser"], {"type": "MustRunAs", "uid": 65532}, "user")
    same(scc["seLinuxContext"]["seLinuxOptions"], spec["securityContext"]["seLinuxOptions"],
         "SELinux")
    same(scc["seccompProfiles"], ["runtime/default"], "seccompProfiles")
    same(scc["volumes"], ["emptyDir", "hostPath", "projected"], "volumes")
    same(scc["users"], ["system:serviceaccount:assay:" + spec["serviceAccountName"]], "users")
    same((scc["allowPrivilegedContainer"], scc["allowPrivilegeEscalation"],
          scc["readOnlyRootFilesystem"]), (False, False, True), "privileges")
    same(complaints(objs), [], "what it has against its own pod")


LOCAL = {"type": "Localhost", "localhostProfile": "assay.json"}

# Values, and what an SCC of other values (the example's) has against their pod.
VALUES = (
    (["capabilities"], {"capabilities": {"add": ["BPF", "PERFMON", "DAC_READ_SEARCH"]}}),
    (["fsGroup", "runAsUser"], {"node": {"bundles": "/run/x"}}),
    (["seccompProfile"], {"podSecurityContext": {"seccompProfile": LOCAL}}),
    (["seccompProfile"], {"securityContext": {"seccompProfile": LOCAL}}),
    (["seLinuxOptions"], {"podSecurityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
    (["runAsUser"], {"podSecurityContext": {"runAsUser": 7}}),
    (["runAsUser"], {"securityContext": {"runAsUser": 7}}),
    ([], {"podSecurityContext": {"runAsUser": None, "seccompProfile": None}}),
    (["fsGroup"], {"podSecurityContext": {"fsGroup": None}}),
    (["sysctls"], {"podSecurityContext": {"sysctls": [{"name": "kernel.msgmax",
                                                       "value": "1"}]}}),
    (["privileged"], {"securityContext": {"privileged": True}}),
    (["volume secret"], {"export": {"tls": {"secretName": "t"}}}),
    (["volume persistentVolumeClaim"], {"extraVolumes": [
        {"name": "x", "persistentVolumeClaim": {"claimName": "x"}}]}),
    (["volume csi"], {"extraVolumes": [{"name": "x", "csi": {"driver": "x"}}]}),
    (["volume cephfs"], {"extraVolumes": [{"name": "x", "cephfs": {}}]}),
    ([], {"extraVolumes": [{"name": "x"}]}),
    ([], {"kubelet": {"enabled": False}, "history": {"enabled": False}}),
    (["hostPort"], {"extraContainers": [{"name": "x", "ports": [{"hostPort": 1}]}]}),
    (["allowPrivilegeEscalation", "readOnlyRootFilesystem"], {"initContainers": [
        {"name": "x", "securityContext": {"readOnlyRootFilesystem": False,
                                          "allowPrivilegeEscalation": True}}]}),
    (["capabilities", "runAsUser", "seLinuxOptions", "seccompProfile"], {"extraContainers": [
        {"name": "x", "securityContext": {
            "runAsUser": 1, "capabilities": {"add": ["NET_RAW"]}, "seccompProfile": LOCAL,
            "seLinuxOptions": {"type": "container_t"}}}]}),
)


def mixed(values):
    """The pod of these values, judged by the SCC of the example."""
    objs = {k: o for k, o in openshift(**values).items()
            if o["kind"] != "SecurityContextConstraints"}
    scc = one(example("openshift"), "SecurityContextConstraints")
    return complaints({**objs, "scc": scc})


@test("the SCC of any values admits their pod, and that of others refuses what they take more")
def _():
    for want, values in VALUES:
        same(complaints(openshift(**copy.deepcopy(values))), [], f"{values}: its own SCC")
        got = [w.removesuffix(" of the pod") for w in mixed(copy.deepcopy(values))]
        same(sorted(set(got)), want, f"{values}: the SCC of the example")


@test("the SCC allows no kind of volume and no seccomp profile that the pod has not")
def _():
    def both(**values):
        scc = one(openshift(**values), "SecurityContextConstraints")
        return scc["volumes"], scc["seccompProfiles"]

    off = {"kubelet": {"enabled": False}, "history": {"enabled": False}}
    same(both(**off), (["emptyDir", "hostPath"], ["runtime/default"]), "without the kubelet")
    same(both(**off, serviceAccount={"automount": True})[0],
         ["emptyDir", "hostPath", "projected"], "with a token for all containers")
    same(both(podSecurityContext={"seccompProfile": LOCAL})[1], ["localhost/assay.json"],
         "with a profile of the node")
    same(both(podSecurityContext={"seccompProfile": None})[1], [], "without any")
    check("*" not in str(both()), "a wildcard")


main()
