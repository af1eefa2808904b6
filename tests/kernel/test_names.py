#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Names of workloads: whole or none, however long, and of the host's tree alone."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import ASSAY, Agent, Cgroup, Load, cgroup_root, scratch
from readings import Change
from tap import check, defer, diag, main, need_root, same, test

need_root()

DURATION = "assay.syscall.duration"
CPU_TIME = "assay.cgroup.cpu.time"
OPTIONS = "--probes", "syscall", "--export-interval", "500ms"


class Deep(Cgroup):
    """A cgroup below another one, with those between; a path may be too long for one
    call."""

    def __init__(self, base, parts):
        self.parts = [base.path[1:], *parts]
        self.path = "/" + "/".join(self.parts)
        self.dir = cgroup_root() + self.path
        defer(self.remove)
        for depth in range(2, len(self.parts) + 1):
            try:
                os.mkdir(self.parts[depth - 1], dir_fd=self.open(depth - 1))
            except FileExistsError:
                pass
        self.fd = self.open(len(self.parts))

    def open(self, depth):
        """The directory at this depth; closed when the test ends."""
        fd = os.open(cgroup_root(), os.O_RDONLY | os.O_DIRECTORY)
        for part in self.parts[:depth]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        defer(os.close, fd)
        return fd

    def enter(self):
        fd = os.open("cgroup.procs", os.O_WRONLY, dir_fd=self.fd)
        os.write(fd, str(os.getpid()).encode())
        os.close(fd)

    def remove(self):
        """Those between as well, if nothing else is in them. Only the last has had
        processes, which take their time to go."""
        for depth in range(len(self.parts), 1, -1):
            for _ in range(100 if depth == len(self.parts) else 1):
                try:
                    os.rmdir(self.parts[depth - 1], dir_fd=self.open(depth - 1))
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def parts_of(length, base, last):
    """Components that make a path of this length below base, the last one given."""
    room = length - len(base.path) - 1 - len(last) - 1
    parts = []
    while room > 0:
        n = min(room, 251) if room - min(room, 251) != 1 else room - 2
        parts.append("p" * (n - (1 if room > n else 0)))
        room -= len(parts[-1]) + 1 if room > n else n
    return [*parts, last]


def series_of(agent, base):
    """Calls of class process by the path that they were exported under."""
    exports = Exports(agent.exports)
    same(exports.backwards, [], "series that went backwards")
    paths = {r.get("process.linux.cgroup", "") for r in exports.resources.values()}
    return {p: exports.sum(DURATION, lambda r: r.get("process.linux.cgroup") == p,
                           **{"class": "process"})
            for p in paths if p.startswith(base.path + "/")}


@test("siblings with paths of 239 to 4095 bytes are counted apart, over several exports")
def _():
    agent = Agent(*OPTIONS)
    agent.total(0.5)  # what came while it started is known
    base = Cgroup("long")
    groups = [Deep(base, parts_of(n, base, last))
              for n in (238, 239, 240, 255, 256, 300, 1023, 1024, 4000, 4095)
              for last in ("one", "two")]
    diag(f"lengths {sorted(len(g.path) for g in groups)}")
    loads = [Load(g, "traps") for g in groups]
    before = agent.total()
    for _ in range(3):
        for i, load in enumerate(loads):
            load.ask("getppid", 100 + i)
        time.sleep(0.7)
    change = Change(before, agent.total())
    same([change.value(g, DURATION, class_="process") for g in groups],
         [3 * (100 + i) for i in range(len(groups))], "calls")
    for g in groups:
        check(change.after.value(g, CPU_TIME) > 0, f"no CPU time of {len(g.path)} bytes")
    agent.stop()
    series = series_of(agent, base)
    same({p for p, n in series.items() if n} - {g.path for g in groups}, set(),
         "paths that nobody has")
    for i, g in enumerate(groups):
        check(series[g.path] >= 3 * (100 + i), f"{len(g.path)} bytes: {series[g.path]}")


@test("a short-lived one has its name, however long, and its parents gone with it")
def _():
    agent = Agent(*OPTIONS, "--snapshot-interval", "10s", "--export-interval", "1m")
    agent.total(0.5)
    base = Cgroup("short")
    paths = []
    for i, length in enumerate((300, 1500, 4095)):
        deep = Deep(base, parts_of(length, base, f"s{i}"))
        load = Load(deep, "traps")
        load.ask("getppid", 200 + i)
        load.close()
        deep.remove()
        paths.append(deep.path)
    numbers = agent.total()
    same([numbers.value(p, DURATION, class_="process") >= 200 + i
          for i, p in enumerate(paths)], [True] * len(paths),
         f"calls {[numbers.value(p, DURATION, class_='process') for p in paths]}")


@test("a path over 4095 bytes is no name: its calls are in `unknown`, and none is lost")
def _():
    agent = Agent(*OPTIONS)
    base = Cgroup("over")
    deep = Deep(base, parts_of(4300, base, "far"))
    load = Load(deep, "traps")
    before = agent.total()
    for _ in range(3):
        load.ask("getppid", 1000)
        time.sleep(0.7)
    change = Change(before, agent.total())
    unknown = [w for w in change.after.report["workloads"] if w["kind"] == "unknown"]
    calls = sum(m["count"] for w in unknown for m in w["metrics"]
                if m["name"] == DURATION and
                m["attributes"].get("assay.syscall.class") == "process")
    check(calls >= 3000, f"{calls} calls in unknown")
    check(not [p for p in change.after.workloads if p and p.startswith(base.path + "/")],
          "a part of it became a name")


def agent_inside(node, *options):
    """An agent in a cgroup namespace of its own, with its own mount of the tree."""
    tree = cgroup_root()
    shell = (f"echo $$ > {node.dir}/cgroup.procs; "
             "exec unshare -C -m --propagation private sh -ec '"
             f"umount -l {tree}; mount -t cgroup2 none {tree}; "
             'exec "$@"' "' sh \"$@\"")
    return Agent(*options, prefix=("sh", "-ec", shell, "sh"))


def unknown_calls(numbers):
    return sum(m["count"] for w in numbers.report["workloads"] if w["kind"] == "unknown"
               for m in w["metrics"] if m["name"] == DURATION and
               m["attributes"].get("assay.syscall.class") == "process")


@test("in a cgroup namespace it says so, names what is below, and the rest is `unknown`")
def _():
    node = Cgroup("node")
    agent = agent_inside(node, *OPTIONS)
    check("is the cgroup tree of a container" in agent.said(), agent.said())
    inner, outer = Deep(node, ["kubelet", "new"]), Cgroup("outer")
    inside, outside = Load(inner, "traps"), Load(outer, "traps")
    before = agent.total()
    for _ in range(3):  # over several exports
        inside.ask("getppid", 300)
        outside.ask("getppid", 1000)
        time.sleep(0.7)
    change = Change(before, agent.total())
    same(change.value("/kubelet/new", DURATION, class_="process"), 900, "calls inside")
    check(change.after.value("/kubelet/new", CPU_TIME) > 0, "no CPU time inside")
    check(unknown_calls(change.after) - unknown_calls(change.before) >= 3000,
          "calls outside are not in unknown")
    paths = {p for p in change.after.workloads if p}
    check(not [p for p in paths if outer.path in p or node.path in p],
          f"paths of another tree: {paths}")
    pid = agent.pid()
    out = subprocess.run(["nsenter", "-t", str(pid), "-m", "-C", ASSAY, "doctor",
                          "--socket", agent.socket, "--export", "none"],
                         capture_output=True, text=True, timeout=60).stdout
    check(f"warn cgroup: {cgroup_root()} is the tree of a container" in out, out)


@test("the tree is found by another spelling of its path, too")
def _():
    link = scratch() + "/link"
    os.symlink(cgroup_root(), link)
    agent = Agent(*OPTIONS, "--cgroup-root", link + "/.//")
    cgroup = Cgroup("spelled")
    load = Load(cgroup, "traps")
    before = agent.total()
    load.ask("getppid", 500)
    time.sleep(0.7)
    load.ask("getppid", 500)
    change = Change(before, agent.total())
    same(change.value(cgroup, DURATION, class_="process"), 1000, "calls")
    check(change.after.value(cgroup, CPU_TIME) > 0, "no CPU time")


POD = """
echo $1 >$2/machine-id; mount --bind $2/machine-id /etc/machine-id; shift 2
hostname pod-1
exec "$@"
"""


def node_of(machine_id, *options):
    """host.id and host.name that an agent exports from a container: it has a machine-id,
    a host name and process ids of its own."""
    agent = Agent("--probes", "sched", "--export-interval", "500ms", *options,
                  prefix=("unshare", "--pid", "--fork", "--mount-proc", "--uts", "sh",
                          "-ec", POD, "sh", machine_id, scratch()))
    time.sleep(1)
    os.kill(agent.pid(), 15)
    agent.process.wait(20)
    resources = Exports(agent.exports).resources.values()
    return {(r["host.id"], r["host.name"]) for r in resources}


@test("in a container host.id is the node's, the same after a restart of the pod")
def _():
    one, two = (node_of(c * 32) for c in "12")
    diag(one)
    same(len(one), 1, "identities of the node")
    same(one, two, "identities in two containers")
    check(not {i for i, _ in one} & {"1" * 32, "2" * 32}, f"the container's own: {one}")
    root = scratch()
    os.mkdir(root + "/etc")
    for name, text in (("machine-id", "ABCDEF" + "0" * 26), ("hostname", "node-7")):
        with open(f"{root}/etc/{name}", "w") as f:
            f.write(text + "\n")
    same(node_of("3" * 32, "--host-root", root), {("abcdef" + "0" * 26, "node-7")},
         "with --host-root")
    same(node_of("3" * 32, "--host-root", root, "--host-id", "i-42", "--host-name", "n"),
         {("i-42", "n")}, "with --host-id and --host-name")


main()
