# SPDX-License-Identifier: Apache-2.0
"""Pods that take one thing more than deploy/policy allows: field by field the Pod Security
Standards of Kubernetes (baseline and restricted), and what a node agent has no use for."""

import copy


def box(spec):
    return spec["containers"][0]


def security(spec):
    return box(spec)["securityContext"]


def also(spec, kind, **more):
    """A container of another kind, as ours but for what is said."""
    spec[kind] = [{**copy.deepcopy(box(spec)), "name": "also", **more}]


def node_volume(spec, path):
    spec["volumes"].append({"name": "x", "hostPath": {"path": path}})
    box(spec)["volumeMounts"].append({"name": "x", "mountPath": "/x", "readOnly": True})


def writable(spec):
    mount = next(m for m in box(spec)["volumeMounts"] if m["name"] == "cgroup")
    del mount["readOnly"]


def annotated(value):
    """AppArmor as it was asked for before Kubernetes 1.30."""
    return {"container.apparmor.security.beta.kubernetes.io/agent": value}


def of_pod(**more):
    """A change of the pod's security context."""
    return lambda s: s["securityContext"].update(more)


def of_box(**more):
    """A change of the container's security context."""
    return lambda s: security(s).update(more)


def of_others(kind, **more):
    """A second container, of another kind, whose security context is ours and this."""
    return lambda s: also(s, kind, securityContext={**security(s), **more})


def volume(**source):
    return lambda s: s["volumes"].append({"name": "x", **source})


def host_type(kind):
    """A directory that is allowed, as another type of hostPath."""
    def change(spec):
        found = next(v for v in spec["volumes"] if v["name"] == "cgroup")["hostPath"]
        found.pop("type")
        found.update(kind)
    return change


def raw_device(spec, name="containers"):
    if name != "containers":
        also(spec, name)
    spec[name][-1]["volumeDevices"] = [{"name": "disk", "devicePath": "/dev/sda"}]


def asking(probe, **handler):
    """A probe that the kubelet sends elsewhere than to the pod."""
    return lambda s: box(s).update({probe: handler})


def hook(when, **handler):
    return lambda s: box(s).update(lifecycle={when: handler})


UNCONFINED = {"type": "Unconfined"}
ELSEWHERE = {"host": "169.254.169.254", "port": 80}

# What a variant takes, and a word of the message that refuses it.
VARIANTS = (
    ("privileged", lambda s: security(s).update(privileged=True)),
    ("allowPrivilegeEscalation",
     lambda s: security(s).update(allowPrivilegeEscalation=True)),
    ("allowPrivilegeEscalation", lambda s: security(s).pop("allowPrivilegeEscalation")),
    ("readOnlyRootFilesystem", lambda s: security(s).update(readOnlyRootFilesystem=False)),
    ("readOnlyRootFilesystem", lambda s: security(s).pop("readOnlyRootFilesystem")),
    ("drop ALL", lambda s: security(s)["capabilities"].pop("drop")),
    ("drop ALL", lambda s: security(s)["capabilities"].update(drop=["NET_RAW"])),
    ("add BPF", lambda s: security(s)["capabilities"]["add"].append("SYS_ADMIN")),
    ("add BPF", lambda s: security(s)["capabilities"].update(add=["SYS_PTRACE"])),
    ("add BPF", lambda s: security(s)["capabilities"].update(add=["ALL"])),
    ("drop ALL", lambda s: box(s).pop("securityContext")),
    ("hostNetwork", lambda s: s.update(hostNetwork=True)),
    ("hostIPC", lambda s: s.update(hostIPC=True)),
    ("hostPort", lambda s: box(s).update(ports=[{"containerPort": 80, "hostPort": 80}])),
    ("seccompProfile", lambda s: s["securityContext"].pop("seccompProfile")),
    ("seccompProfile", lambda s: s.pop("securityContext")),
    ("seccompProfile", lambda s: s["securityContext"].update(
        seccompProfile={"type": "Unconfined"})),
    ("seccompProfile", lambda s: security(s).update(seccompProfile={"type": "Unconfined"})),
    ("procMount", lambda s: security(s).update(procMount="Unmasked")),
    ("by digest", lambda s: box(s).update(image="registry.example.com/assay:latest")),
    ("by digest", lambda s: box(s).update(image="registry.example.com/assay")),
    ("by digest", lambda s: box(s).update(image="registry.example.com/assay@sha256:12")),
    ("hostPath", lambda s: node_volume(s, "/")),
    ("hostPath", lambda s: node_volume(s, "/var/run/docker.sock")),
    ("hostPath", lambda s: node_volume(s, "/sys/fs/cgroup/../../../etc")),
    ("readOnly", writable),
    ("privileged", lambda s: also(s, "initContainers", securityContext={
        "privileged": True})),
    ("by digest", lambda s: also(s, "initContainers", image="busybox")),
    ("drop ALL", lambda s: also(s, "ephemeralContainers", securityContext={})),
    ("by digest", lambda s: s["containers"].append({**copy.deepcopy(box(s)), "name": "two",
                                                    "image": "two:1"})),
    # host namespaces and the like
    ("hostProcess", of_pod(windowsOptions={"hostProcess": True})),
    ("hostProcess", of_box(windowsOptions={"hostProcess": True})),
    ("hostProcess", of_others("initContainers", windowsOptions={"hostProcess": True})),
    ("sysctls", of_pod(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
    ("sysctls", of_pod(sysctls=[{"name": "net.ipv4.ip_unprivileged_port_start",
                                 "value": "0"}])),
    ("probes and hooks", asking("livenessProbe", httpGet=ELSEWHERE)),
    ("probes and hooks", asking("readinessProbe", tcpSocket=ELSEWHERE)),
    ("probes and hooks", asking("startupProbe", httpGet=ELSEWHERE)),
    ("probes and hooks", hook("postStart", httpGet=ELSEWHERE)),
    ("probes and hooks", hook("preStop", tcpSocket=ELSEWHERE)),
    # what confines processes
    ("seccompProfile", lambda s: (of_pod(seccompProfile=UNCONFINED)(s), of_box(
        seccompProfile={"type": "RuntimeDefault"})(s))),
    ("seccompProfile", of_others("initContainers", seccompProfile=UNCONFINED)),
    ("seccompProfile", of_others("ephemeralContainers", seccompProfile=UNCONFINED)),
    ("appArmorProfile", of_pod(appArmorProfile=UNCONFINED)),
    ("appArmorProfile", of_box(appArmorProfile=UNCONFINED)),
    ("appArmorProfile", of_others("initContainers", appArmorProfile=UNCONFINED)),
    ("appArmorProfile", of_others("ephemeralContainers", appArmorProfile=UNCONFINED)),
    ("seLinuxOptions", of_pod(seLinuxOptions={"type": "unconfined_t"})),
    ("seLinuxOptions", of_box(seLinuxOptions={"type": "super_t"})),
    ("seLinuxOptions", of_box(seLinuxOptions={"user": "sysadm_u"})),
    ("seLinuxOptions", of_pod(seLinuxOptions={"role": "sysadm_r"})),
    ("seLinuxOptions", of_others("initContainers", seLinuxOptions={"type": "rpm_t"})),
    ("procMount", of_others("ephemeralContainers", procMount="Unmasked")),
    # users
    ("root", of_box(runAsUser=0)),
    ("root", of_pod(runAsUser=0)),
    ("root", of_box(runAsNonRoot=False)),
    ("root", lambda s: (s["securityContext"].pop("runAsNonRoot"),
                        security(s).pop("runAsNonRoot"))),
    ("root", of_others("initContainers", runAsUser=0)),
    ("root", of_others("ephemeralContainers", runAsNonRoot=False)),
    # volumes and devices
    ("volumeDevices", raw_device),
    ("volumeDevices", lambda s: raw_device(s, "initContainers")),
    ("volumeDevices", lambda s: raw_device(s, "ephemeralContainers")),
    ("devices", lambda s: box(s)["resources"]["limits"].update({"example.com/kvm": "1"})),
    ("devices", lambda s: s.update(resourceClaims=[{"name": "gpu"}])),
    ("volumes", volume(persistentVolumeClaim={"claimName": "x"})),
    ("volumes", volume(ephemeral={"volumeClaimTemplate": {}})),
    ("volumes", volume(nfs={"server": "192.0.2.1", "path": "/"})),
    ("volumes", volume(iscsi={"targetPortal": "192.0.2.1"})),
    ("volumes", volume(flexVolume={"driver": "example.com/x"})),
    ("volumes", volume(csi={"driver": "example.com"})),
    ("volumes", volume(image={"reference": "x"})),
    ("hostPath", lambda s: node_volume(s, "/var/log/containers/")),
    ("type of a hostPath", host_type({"type": "DirectoryOrCreate"})),
    ("type of a hostPath", host_type({"type": ""})),
    ("type of a hostPath", host_type({})),
    ("readOnly", lambda s: (also(s, "initContainers"), s["initContainers"][0][
        "volumeMounts"].append({"name": "cgroup", "mountPath": "/y"}))),
    ("readOnly", lambda s: (also(s, "ephemeralContainers"), s["ephemeralContainers"][0][
        "volumeMounts"].append({"name": "cgroup", "mountPath": "/y", "readOnly": False}))),
    # what else init and ephemeral containers could take
    ("add BPF", of_others("initContainers", capabilities={"drop": ["ALL"],
                                                          "add": ["SYS_ADMIN"]})),
    ("add BPF", of_others("ephemeralContainers", capabilities={"drop": ["ALL"],
                                                               "add": ["SYS_PTRACE"]})),
    ("privileged", of_others("ephemeralContainers", privileged=True)),
    ("allowPrivilegeEscalation", of_others("initContainers",
                                           allowPrivilegeEscalation=True)),
    ("hostPort", lambda s: also(s, "initContainers",
                                ports=[{"containerPort": 1, "hostPort": 1}])),
)

# The same of a pod's annotations.
ANNOTATED = (
    ("appArmorProfile", annotated("unconfined")),
    ("appArmorProfile", {"container.apparmor.security.beta.kubernetes.io/x": "unconfined"}),
)
