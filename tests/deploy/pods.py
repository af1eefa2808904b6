# SPDX-License-Identifier: Apache-2.0
"""What must be right in a pod that runs assay, and in any pod of deploy/."""

import re

from tap import check, same

CAPABILITIES = {"BPF", "PERFMON"}
HOST_PATHS = {"/sys/fs/cgroup": "Directory", "/etc/machine-id": "File",
              "/var/log/containers": "Directory"}


def box_of(spec):
    """The one container of an agent's pod."""
    same(len(spec["containers"]), 1, "containers")
    return spec["containers"][0]


def check_privileges(spec, user=65532):
    box = box_of(spec)
    sec, pod = box["securityContext"], spec["securityContext"]
    same(sec["capabilities"]["drop"], ["ALL"], "drop")
    same(set(sec["capabilities"]["add"]), CAPABILITIES, "add")
    same(sec["privileged"], False, "privileged")
    same(sec["allowPrivilegeEscalation"], False, "allowPrivilegeEscalation")
    same(sec["readOnlyRootFilesystem"], True, "readOnlyRootFilesystem")
    same((pod["runAsNonRoot"], pod["runAsUser"]), (user != 0, user), "user")
    same(pod["seccompProfile"], {"type": "RuntimeDefault"}, "seccompProfile")
    same((spec["hostPID"], spec["hostNetwork"], spec["hostIPC"]), (True, False, False),
         "hostPID, hostNetwork, hostIPC")
    same(spec["automountServiceAccountToken"], False, "automountServiceAccountToken")


def check_host_paths(spec, more=()):
    """Of the node there is the cgroup tree, its id, links that name containers, and what
    more is said, all read-only."""
    box = box_of(spec)
    mounts = {m["name"]: m for m in box["volumeMounts"]}
    seen = {}
    for v in spec["volumes"]:
        if "hostPath" in v:
            seen[v["hostPath"]["path"]] = v["hostPath"]["type"]
            check(mounts[v["name"]].get("readOnly"), f'{v["name"]} is not read-only')
    same(seen, HOST_PATHS | {p: "Directory" for p in more}, "paths of the node")
    env = {v["name"]: v.get("value") for v in box["env"]}
    at = {m["mountPath"] for m in box["volumeMounts"]}
    check(env["ASSAY_CGROUP_ROOT"] in at, "the cgroup tree is not where the agent looks")
    check(env["ASSAY_HOST_ROOT"] + "/etc/machine-id" in at,
          "the machine-id is not where the agent looks")
    for path in ("/var/log/containers", *more):
        check(env["ASSAY_HOST_ROOT"] + path in at, f"{path} is not where the agent looks")
    check("/run/assay" in at, "no place for the socket")


MIB = {"MiB": 1, "GiB": 1024, "Mi": 1, "Gi": 1024}


def mib(text):
    n, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()
    return int(n) * MIB[unit]


def check_memory(spec):
    """The limit has room for the plan and for the start beside it."""
    box = box_of(spec)
    plan = next(v["value"] for v in box["env"] if v["name"] == "ASSAY_MEMORY")
    limit = box["resources"]["limits"]["memory"]
    check(mib(limit) >= mib(plan) + 64, f"a limit of {limit} for a plan of {plan}")


def check_disk(spec):
    """What its volumes may take of the node's disk counts against its limit: above it the
    kubelet evicts the pod."""
    limit = box_of(spec)["resources"]["limits"].get("ephemeral-storage")
    may = sum(mib(v["emptyDir"]["sizeLimit"]) for v in spec["volumes"]
              if "sizeLimit" in v.get("emptyDir", ()) and
              v["emptyDir"].get("medium") != "Memory")
    check(not limit or mib(limit) >= may + 32, f"a limit of {limit} for volumes of {may}Mi")
    env = {v["name"]: v.get("value") for v in box_of(spec)["env"]}
    if may:  # and a damaged file stays beside the new one
        check(may >= 3 * mib(env["ASSAY_HISTORY_SIZE"]), f"{may}Mi for the history")


def check_probes(spec):
    """Each of the three asks the agent what it is for, answers before the kubelet gives up,
    and does not ask for the receiver of exports."""
    box = box_of(spec)
    for probe, word in (("startupProbe", "--started"), ("readinessProbe", "--ready"),
                        ("livenessProbe", "--live")):
        command = box[probe]["exec"]["command"]
        same(command[:3], ["/usr/bin/assay", "status", word], probe)
        seconds = re.fullmatch(r"--timeout=(\d+)s", command[3]).group(1)
        check(int(seconds) < box[probe]["timeoutSeconds"], f"{probe}: the kubelet's is shorter")
        same(command[4:], [], probe)
    live, start = box["livenessProbe"], box["startupProbe"]
    check(live["periodSeconds"] * live["failureThreshold"] >= 120, "restarts are too eager")
    check(start["periodSeconds"] * start["failureThreshold"] >= 120, "no time to load")


def check_agent(spec, user=65532, paths=()):
    """What each agent of ours is: as user, with these directories of the node besides."""
    check_privileges(spec, user)
    check_host_paths(spec, paths)
    check_memory(spec)
    check_disk(spec)
    check_probes(spec)
    same(spec["tolerations"], [{"operator": "Exists"}], "tolerations")
    check(spec["terminationGracePeriodSeconds"] > 5, "no time for the last export")


TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"  # where the agent looks


def check_kubelet(spec, url="https://$(HOST_IP):10250/pods"):
    """The agent asks the kubelet with a short-lived token, which nobody else has."""
    box = box_of(spec)
    env = {v["name"]: v.get("value") for v in box["env"]}
    same(env["ASSAY_KUBELET"], url, "ASSAY_KUBELET")
    mount = next(m for m in box["volumeMounts"] if m["mountPath"] == TOKENS)
    same(mount["readOnly"], True, "readOnly of the token")
    token = next(v for v in spec["volumes"] if v["name"] == mount["name"])["projected"]
    same(token["defaultMode"], 0o440, "mode of the token")
    same([s.get("serviceAccountToken") for s in token["sources"]],
         [{"path": "token", "expirationSeconds": 3600}, None], "token")
    same(token["sources"][1]["configMap"]["items"][0]["path"], "ca.crt", "CA")


def check_selector(obj):
    chosen = obj["spec"]["selector"]["matchLabels"]
    labels = obj["spec"]["template"]["metadata"]["labels"]
    check(chosen.items() <= labels.items(), f"{chosen} does not choose {labels}")


def check_mounts(spec):
    """Each mount has its volume, each volume its mount."""
    volumes = [v["name"] for v in spec.get("volumes", [])]
    mounts = [m["name"] for c in spec["containers"] + spec.get("initContainers", [])
              for m in c.get("volumeMounts", [])]
    same(sorted(set(mounts)), sorted(volumes), "mounts and volumes")


def check_env_order(spec):
    """$(NAME) is replaced only where NAME stands before it."""
    for box in spec["containers"]:
        before = set()
        for var in box.get("env", []):
            for name in re.findall(r"\$\((\w+)\)", var.get("value", "")):
                check(name in before, f'{var["name"]} uses {name}, which comes later')
            before.add(var["name"])


def check_image(spec):
    for box in spec["containers"]:
        check(re.fullmatch(r"[^@\s]+@sha256:[0-9a-f]{64}", box["image"]),
              f'{box["image"]} is not by digest')
