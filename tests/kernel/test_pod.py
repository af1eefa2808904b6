#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The agent as the pod of deploy/kubernetes: its image's files, run by a containerd of our
own as the kubelet asks it to, with the user, capabilities, seccomp profile, read-only root,
mounts and environment of the rendered manifest. What a node takes away is told in one line,
and the rest is measured.

Not as there: the pod is in the node's network, as no network plugin is here."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=900 memory=1024

import json
import os
import re
import subprocess
import sys
import uuid

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [TOP + "/tests", TOP + "/tests/deploy"]

from containers import Containerd, Parent, Pod, image
from kube import by_name, load
from node import ASSAY, PATIENCE, Cgroup, Load, cgroup_root, report, scratch, wait_for
from readings import Change
from receiver import Receiver
from tap import Failed, Skip, check, diag, main, need_root, need_tools, same, test

need_root()

IMAGE = "registry.test/assay:0"
CALLS = 3000
# what the kubelet has runtimes hide, or show without leave to write
MASKED = ("/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats "
          "/proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats "
          "/sys/firmware").split()
READONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()
DEFAULT, LOCALHOST = 0, 2  # kinds of seccomp profiles
SHIPPED = f"{TOP}/deploy/seccomp/assay.json"
containerd = spec = None


def setup():
    global containerd, spec
    need_tools("setcap", "containerd")
    if b"libasan" in open(ASSAY, "rb").read():
        raise Skip("an agent with sanitizers has more libraries than the image")
    containerd = Containerd(scratch())
    files = f"{scratch()}/files"
    out = subprocess.run(["sh", f"{TOP}/deploy/image/rootfs", ASSAY, files], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env={**os.environ, "LC_ALL": "C"})
    same(out.returncode, 0, out.stdout)
    os.chmod(files, 0o755)
    containerd.take(image(f"{scratch()}/assay.tar", files, (IMAGE,), User="65532:65532",
                          Entrypoint=["/usr/bin/assay"], Cmd=["agent"]))
    spec = by_name(load("deploy/kubernetes/rendered/plain.yaml"))["DaemonSet assay/assay"]
    spec = spec["spec"]["template"]["spec"]


class Deployed:
    """The agent's pod. What is another than in the manifest: without, names of mounts
    that are missing; caps, seccomp, host_pid."""

    def __init__(self, name, without=(), caps=None, seccomp=None, host_pid=None):
        self.uid, parent = str(uuid.uuid4()), Parent(name)
        self.receiver = Receiver()
        self.volumes = scratch()
        host_pid = spec["hostPID"] if host_pid is None else host_pid
        self.pod = Pod(containerd, "assay", name, self.uid,
                       f"{parent.path}/kubepods/burstable/pod{self.uid}", host_pid)
        box = spec["containers"][0]
        self.socket = f"{self.volumes}/run/assay.sock"
        config = {
            "image": {"image": IMAGE}, "args": box["args"], "command": [],
            "envs": [{"key": k, "value": v} for k, v in self.environment(box)],
            "mounts": [m for m in map(self.mount, box["volumeMounts"])
                       if m and m["container_path"] not in without],
            "linux": self.limits(box, caps, seccomp)}
        self.id = self.pod.start("agent", **config)

    def environment(self, box):
        known = {"HOST_IP": "127.0.0.1", "ASSAY_NODE_NAME": "node-1",
                 "ASSAY_HOST_NAME": "node-1"}
        for v in box["env"]:
            value = v.get("value") or known[v["name"]]
            known[v["name"]] = re.sub(r"\$\((\w+)\)", lambda m: known[m[1]], value)
        # others' agents are not waited for, and exports go to ours
        known["ASSAY_NODE_LOCK"] = self.uid[:8]
        known["ASSAY_BUDGET"] = "none"
        known["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{self.receiver.port}"
        known["OTEL_METRIC_EXPORT_INTERVAL"] = "1000"
        return known.items()

    def mount(self, m):
        """As the kubelet prepares it; None: this machine has no such path."""
        volume = {v["name"]: v for v in spec["volumes"]}[m["name"]]
        path = volume.get("hostPath", {}).get("path")
        if path == "/sys/fs/cgroup":
            path = cgroup_root()  # elsewhere on a hybrid host
        if not path or (volume["hostPath"]["type"] == "Directory" and
                        not os.path.exists(path)):
            path = f"{self.volumes}/{m['name']}"
            os.makedirs(path)
            os.chown(path, 0, spec["securityContext"]["fsGroup"])
            os.chmod(path, 0o2777 if "emptyDir" in volume else 0o2750)
        return os.path.exists(path) and {
            "container_path": m["mountPath"], "host_path": path,
            "readonly": bool(m.get("readOnly"))}

    def limits(self, box, caps, seccomp):
        security, of_pod = box["securityContext"], spec["securityContext"]
        user, group = of_pod["runAsUser"], of_pod["runAsGroup"]
        same(of_pod["seccompProfile"]["type"], "RuntimeDefault", "the manifest's profile")
        profile = {"profile_type": DEFAULT}
        if seccomp:
            profile = {"profile_type": LOCALHOST, "localhost_ref": seccomp}
        return {
            "resources": {"memory_limit_in_bytes": 128 << 20},
            "security_context": {
                "capabilities": {
                    "add_capabilities":
                        security["capabilities"]["add"] if caps is None else caps,
                    "drop_capabilities": security["capabilities"]["drop"]},
                "privileged": security["privileged"],
                "no_new_privs": not security["allowPrivilegeEscalation"],
                "readonly_rootfs": security["readOnlyRootFilesystem"],
                "run_as_user": {"value": user}, "run_as_group": {"value": group},
                "supplemental_groups": [of_pod["fsGroup"]],
                "namespace_options": self.pod.namespaces, "seccomp": profile,
                "masked_paths": MASKED, "readonly_paths": READONLY}}

    def said(self):
        return self.pod.log("agent")

    def until(self, text):
        """Waits until it has said that."""
        try:
            wait_for(lambda: text in self.said(), PATIENCE, f"the agent to say: {text}")
        except Failed as e:
            raise Failed(f"{e}; it said: {self.said()}")
        return self

    def lines(self, level):
        return [line for line in self.said().splitlines() if f" {level}: " in line]

    def status(self):
        """/proc/PID/status of the agent, as a dict."""
        at = f"{containerd.root}/run/containerd/io.containerd.runtime.v2.task/k8s.io"
        with open(f"{at}/{self.id}/init.pid") as f:
            pid = int(f.read())
        with open(f"/proc/{pid}/status") as f:
            return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}

    def total(self):
        return report("--total", "--socket", self.socket)

    def states(self):
        return {p["name"]: p["state"] for p in self.total().report["probes"]}

    def counts_calls(self):
        """Known calls of another cgroup are counted exactly."""
        cgroup = Cgroup("calls")
        load = Load(cgroup, "calls")
        before = self.total()
        load.ask("getppid", CALLS)
        load.rests()
        change = Change(before, self.total())
        change.exact("syscall", change.value(cgroup, "assay.syscall.duration",
                                             class_="process"), CALLS, "calls")
        load.close()

    def ends(self):
        self.pod.end(self.id, timeout=15)
        self.pod.remove()


SETS = "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"


def measures(agent):
    """Everything is measured, no capability is left, and exports arrive."""
    agent.until("ready: ")
    status = agent.status()
    same(status["Uid"].split()[0], str(spec["securityContext"]["runAsUser"]), "user")
    # without CAP_SETPCAP it cannot be lowered: no_new_privs has to do
    same({s: int(status[s], 16) for s in SETS if s != "CapBnd"},
         {s: 0 for s in SETS if s != "CapBnd"}, "capabilities")
    same((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "NoNewPrivs, Seccomp")
    same({*agent.states().values()}, {"attached"}, agent.said())
    agent.counts_calls()
    wait_for(lambda: agent.receiver.taken > 1, PATIENCE, "exports to arrive")


@test("as shipped, with the runtime's own seccomp profile or, where that is older than "
      "CAP_BPF, with ours: all is measured, the manifest's probes succeed")
def _():
    agent = Deployed("shipped")
    wait_for(lambda: "ready: " in agent.said() or "error: " in agent.said(), PATIENCE,
             "the agent to begin")
    if "error: " in agent.said():
        check("seccomp" in agent.lines("error")[0], agent.said())
        diag("the runtime's profile does not let bpf(2) through: " + agent.said())
        agent.pod.remove()
        agent = Deployed("shipped-with-ours", seccomp=SHIPPED)
    measures(agent)
    box = spec["containers"][0]
    for probe in "startupProbe", "readinessProbe", "livenessProbe":
        command = box[probe]["exec"]["command"]
        same(command[0], "/usr/bin/assay", probe)
        p = subprocess.run([ASSAY, *command[1:], "--socket", agent.socket], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        same(p.returncode, 0, f"{probe}: {p.stdout}")
    taken = agent.receiver.taken
    same(agent.lines("error"), [], "errors")
    agent.ends()
    check(agent.receiver.taken > taken, "no export at its end")


@test("with the profile of deploy/seccomp all is measured")
def _():
    agent = Deployed("ours", seccomp=SHIPPED)
    measures(agent)
    agent.ends()


def refused(name, line, **more):
    """The agent ends with one error, which is that line."""
    agent = Deployed(name, **{"seccomp": SHIPPED} | more).until("error: ")
    errors = agent.lines("error")
    same(len(errors), 1, agent.said())
    check(re.search(line, errors[0]), errors[0])
    diag(errors[0])
    agent.pod.remove()


@test("a capability that the container has not is named")
def _():
    refused("no-bpf", r"privilege: CAP_BPF is missing", caps=["PERFMON"])
    refused("no-perfmon", r"privilege: CAP_PERFMON is missing", caps=["BPF"])
    refused("no-caps", r"privilege: CAP_BPF and CAP_PERFMON are missing", caps=[])


@test("a seccomp profile without bpf(2) is named")
def _():
    with open(SHIPPED) as f:
        profile = json.load(f)
    for rule in profile["syscalls"]:
        rule["names"] = [n for n in rule["names"] if n != "bpf"]
    path = f"{scratch()}/profile.json"
    with open(path, "w") as f:
        json.dump(profile, f)
    refused("no-call", r"seccomp", seccomp=path)


@test("without the host's cgroup tree, without its root, without a directory for the "
      "socket: refused, with what to do")
def _():
    refused("no-cgroup", r"--cgroup-root /sys/fs/cgroup: .* mount",
            without=["/sys/fs/cgroup"])
    refused("no-host", r"--host-root /host: must be a directory",
            without=["/host/etc/machine-id", "/host/var/log/containers"])
    refused("no-run", r"cannot listen at /run/assay/assay.sock: .*Read-only file system "
            r"\(give --socket ", without=["/run/assay"])


@test("without a name's source, the token, the node's id or its PID namespace: one line "
      "each, and all is measured")
def _():
    for name, line, more in (
            ("no-logs", "names: no var/log/containers below /host:",
             {"without": ["/host/var/log/containers"]}),
            ("no-token", "the token .* cannot be read by user 65532",
             {"without": ["/var/run/secrets/kubernetes.io/serviceaccount"]}),
            ("no-id", "host.id is the boot id", {"without": ["/host/etc/machine-id"]}),
            ("no-pids", "a PID namespace of its own: .*hostPID", {"host_pid": False})):
        agent = Deployed(name, **{"seccomp": SHIPPED} | more)
        measures(agent)
        found = [s for s in agent.said().splitlines() if re.search(line, s)]
        same(len(found), 1, agent.said())
        diag(found[0])
        agent.ends()


main(setup)
