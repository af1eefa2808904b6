#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# vm: kernels=6.1,6.12,7.x
"""What exports say of cgroups without reading their files (an iterator over cgroups) is
what the files say: in a guest, whose v2 tree has all controllers."""

import os
import shutil
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import Agent, Cgroup, Load
from tap import check, diag, main, near, need_root, same, test

if not os.path.exists("/run/vm-command"):
    print("1..0 # SKIP needs a guest of tests/vm/run")
    sys.exit(0)
need_root()

CPU = max(os.sched_getaffinity(0))


def words(cgroup, file):
    with open(f"{cgroup.dir}/{file}") as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


def stalled(cgroup, resource):
    with open(f"{cgroup.dir}/{resource}.pressure") as f:
        return {line.split()[0]: int(line.split("total=")[1]) / 1e6 for line in f}


def iterates(pid):
    """Has the process a link of an iterator over cgroups?"""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}") as f:
            if "cgroup_path:" in f.read():
                return True
    return False


def quiet(cgroup):
    """cpu.stat, when nothing moves there any more."""
    while True:
        before = words(cgroup, "cpu.stat")
        time.sleep(0.5)
        if words(cgroup, "cpu.stat") == before:
            return before


def values_of(path, cgroup):
    """The latest values of a cgroup in a file of exports, by metric and attributes."""
    exports = Exports(path)
    return {(name, *(v for _, v in attrs)): value
            for (instance, name, _, attrs), value in exports.series.items()
            if exports.resources[instance].get("process.linux.cgroup") == cgroup.path}


@test("exports say what the files say, but do not read them")
def _():
    agent = Agent("--probes", "sched,syscall", "--export-interval", "1s")
    cgroup = Cgroup("quota")
    with open(cgroup.dir + "/cpu.max", "w") as f:
        f.write("20000 100000")
    with open(cgroup.dir + "/memory.max", "w") as f:
        f.write(str(64 << 20))
    load = Load(cgroup, "spin", 2, CPU)
    load.ask("run", 2500)
    stat = quiet(cgroup)
    time.sleep(5)  # pressure is 2 s old, then there is an export
    exports = agent.exports + ".copy"  # the last one of all reads files
    shutil.copy(agent.exports, exports)
    same(words(cgroup, "cpu.stat"), stat, "cpu.stat stood still")
    check(iterates(agent.pid()), "no iterator over cgroups is attached")
    values = values_of(exports, cgroup)
    diag(values)
    near(values["assay.cgroup.cpu.time",], stat["usage_usec"] / 1e6, 1e-9, "CPU time")
    near(values["assay.cgroup.cpu.throttled.time",], stat["throttled_usec"] / 1e6, 1e-9,
         "throttled")
    check(stat["nr_throttled"] > 5, f"no quota at work: {stat}")
    same(values["assay.cgroup.cpu.periods", True], stat["nr_throttled"], "throttled")
    same(values["assay.cgroup.cpu.periods", False],
         stat["nr_periods"] - stat["nr_throttled"], "not throttled")
    same(values["assay.cgroup.memory.limit",], 64 << 20, "limit")
    with open(cgroup.dir + "/memory.current") as f:
        now = int(f.read())
    check(abs(values["assay.cgroup.memory.usage",] - now) <= now / 5 + 65536,
          f"memory {values['assay.cgroup.memory.usage',]}, {now}")
    same(values["assay.cgroup.memory.major_faults",],
         words(cgroup, "memory.stat")["pgmajfault"], "major faults")
    want = stalled(cgroup, "cpu")
    for kind in "some", "full":
        near(values[f"assay.pressure.{kind}.time", "cpu"], want[kind], 1e-5, kind)


main()
