#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""By hand, as root: runs the agent by runc as containerd's CRI would run the pod of
deploy/kubernetes/overlays/plain, and asks it for a report.

    runc_pod.py ROOTFS

ROOTFS is the image's files (deploy/image/rootfs BINARY ROOTFS, or an image that buildah
mounted). User, capabilities, privileges, mounts and environment are read from the rendered
manifest. Ambient and inheritable capabilities are empty and noNewPrivileges is set, as
containerd does; the seccomp profile is that of Debian's golang-github-containers-common
(/usr/share/containers/seccomp.json) for these capabilities, where it is installed."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kube import by_name, load  # noqa: E402

PROFILE = os.environ.get("SECCOMP", "/usr/share/containers/seccomp.json")
V2 = subprocess.run(["findmnt", "-n", "-o", "TARGET", "-t", "cgroup2"], text=True,
                    stdout=subprocess.PIPE, check=True).stdout.split()[0]


def seccomp(caps):
    """The profile for these capabilities, as the runtime's specification has it."""
    if not os.path.exists(PROFILE):
        print("# no seccomp profile here")
        return None
    with open(PROFILE, encoding="utf-8") as f:
        profile = json.load(f)
    calls = []
    for rule in profile["syscalls"]:
        need = rule.get("includes", {}).get("caps") or []
        without = rule.get("excludes", {}).get("caps") or []
        arches = rule.get("includes", {}).get("arches") or []
        if set(need) <= caps and not set(without) & caps and \
                (not arches or "amd64" in arches):
            calls.append({k: rule[k] for k in ("names", "action", "args", "errnoRet")
                          if rule.get(k) is not None})
    return {"defaultAction": profile["defaultAction"],
            "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64"], "syscalls": calls}


def config(rootfs, pod, run_dir):
    box = pod["containers"][0]
    caps = {"CAP_" + c for c in box["securityContext"]["capabilities"]["add"]}
    env = [f'{v["name"]}={v.get("value", "node")}' for v in box["env"]]
    env = [re.sub(r"\$\(HOST_IP\)", "127.0.0.1", e) for e in env]
    uid = pod["securityContext"]["runAsUser"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]}]
    for m in box["volumeMounts"]:
        path = volumes[m["name"]].get("hostPath", {}).get("path")
        if path == "/sys/fs/cgroup" and V2 != path:
            path = V2  # a hybrid host
        if not path:  # an emptyDir: the kubelet's are writable for all
            path = os.path.join(run_dir, m["name"])
            os.mkdir(path)
            os.chmod(path, 0o777)
        if os.path.exists(path):
            mounts.append({"destination": m["mountPath"], "type": "bind", "source": path,
                           "options": ["rbind"] + ["ro"] * bool(m.get("readOnly"))})
    return {
        "ociVersion": "1.0.2", "root": {"path": rootfs, "readonly": True},
        "process": {
            "terminal": False, "user": {"uid": uid, "gid": uid},
            "args": ["/usr/bin/assay", *box["args"]], "cwd": "/",
            "env": ["PATH=/usr/bin", "ASSAY_NODE_LOCK=none",
                    *(e for e in env if not e.startswith("ASSAY_NODE_LOCK"))],
            "noNewPrivileges": not box["securityContext"]["allowPrivilegeEscalation"],
            "capabilities": {k: sorted(caps) for k in
                             ("bounding", "effective", "permitted")}},
        "mounts": mounts,
        "linux": {  # hostPID: no pid namespace
            "namespaces": [{"type": t} for t in ("ipc", "uts", "mount", "cgroup")],
            "cgroupsPath": f"/assay-runc-{os.getpid()}",
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
            **({"seccomp": s} if (s := seccomp(caps)) else {})},
    }


def main(rootfs):
    pod = by_name(load("deploy/kubernetes/rendered/plain.yaml"))["DaemonSet assay/assay"]
    pod = pod["spec"]["template"]["spec"]
    name = f"assay-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="assay-runc-") as folder:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config(os.path.abspath(rootfs), pod, folder), f)
        log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
        agent = subprocess.Popen(["runc", "run", "-b", folder, name], stdout=log,
                                 stderr=subprocess.STDOUT)
        try:
            for _ in range(120):
                time.sleep(0.5)
                log.seek(0)
                text = log.read()
                if "ready:" in text or agent.poll() is not None:
                    break
            print(text)
            state = json.loads(subprocess.run(["runc", "state", name], check=True,
                                              stdout=subprocess.PIPE).stdout)
            with open(f'/proc/{state["pid"]}/status', encoding="utf-8") as f:
                print(*re.findall(r"^(?:Uid|Cap\w+|NoNewPrivs|Seccomp):.*", f.read(), re.M),
                      sep="\n")
            probes = [box["exec"]["command"][1:] for box in
                      (pod["containers"][0][p] for p in
                       ("startupProbe", "readinessProbe", "livenessProbe"))]
            for words in (*probes, ["status"], ["report", "--duration", "2s"]):
                out = subprocess.run(["runc", "exec", name, "/usr/bin/assay", *words],
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, check=False)
                print(f"{words}: exit status {out.returncode}\n" + out.stdout[:1500])
        finally:
            subprocess.run(["runc", "kill", name, "TERM"], check=False)
            print("ended with", agent.wait(timeout=20))
            log.close()


if __name__ == "__main__":
    main(sys.argv[1])
