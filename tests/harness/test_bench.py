#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The bench itself: one short row of it has what bench.json promises. No figure is
judged here, for a figure of a short run on a busy machine says nothing."""

import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
sys.path.insert(0, os.path.join(TOP, "tests", "bench"))
import agent  # noqa: E402
import before  # noqa: E402
import tools  # noqa: E402
from tap import check, diag, main, need_root, same, test  # noqa: E402

OUTPUT = os.path.join(TOP, "build", "tests", "bench-quick.json")
KEYS = ("none", "floor", "assay", "assay_net", "peer", "peer_value", "peer_net",
        "assay_bpf_net", "peer_bpf_net", "ratio_bpf", "verdict", "programs", "spread")


def bench(*options):
    return subprocess.run([os.path.join(TOP, "tests", "bench", "bench"), *options],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=100, check=False)


@test("a quick run of one row measures assay and its peer")
def one_row():
    if os.path.exists(OUTPUT):
        os.unlink(OUTPUT)
    done = bench("--quick", "--only", "syscall.pair", "--output", OUTPUT)
    same(done.returncode, 0, f"exit status, with the output {done.stdout}")
    with open(OUTPUT) as f:
        rows = json.load(f)
    same([row["name"] for row in rows], ["syscall.pair"], "rows")
    row = rows[0]
    check("skipped" not in row, f"skipped: {row.get('skipped')}")
    missing = [key for key in KEYS if row.get(key) is None]
    check(not missing, f"null or missing: {missing}")
    # A system call is one run of each program: what did not count shows here.
    for name in ("syscall_enter", "syscall_exit"):
        runs = row["programs"].get(name, {}).get("runs", 0)
        check(0.99 <= runs <= 1.01, f"{name} ran {runs} times a call")
    check(row["peer_bpf_net"] > 0, "the peer's programs took no time")


@test("a build that costs more than the one before is called worse, noise is not")
def worse():
    def judged(unit, theirs, dearer, quartiles):
        key = "_bpf" if unit == "ns" else ""
        return before.judge({
            "unit": unit, "peer_bpf_net": theirs, "peer_value": theirs,
            "dearer" + key: dearer, "spread": {"dearer" + key: quartiles}})

    same(judged("ns", 100, 4, [3, 5]), "no worse", "4 of 100 ns")
    same(judged("ns", 100, 12, [8, 15]), "worse", "12 of 100 ns")
    same(judged("ns", 100, 12, [-3, 25]), "unsure", "12 of 100 ns, wide")
    same(judged("ns", 10, 2.5, [2, 3]), "no worse", "2.5 of 10 ns")
    same(judged("%", 24, 5, [4, 6]), "worse", "5 % of an application's time")
    same(judged("MiB", 16, 1, [0.9, 1.1]), "worse", "1 of 16 MiB")
    same(judged("ns", 100, None, []), "not measured", "nothing")


@test("the rows about many cgroups are of the time that reading their files takes")
def files_of_cgroups():
    tools.build()
    readings, whole = agent.cgroup_cost(20, 50, 3, agent.ASSAY, interval_s=1)
    files = sum(readings) / 3
    diag(f"files {files:.3f} ms an export, the agent {whole:.3f} ms")
    # a few dozen reads of files, each of some us: far from all that it does
    check(0.02 < files < whole / 2, f"files {files} ms of {whole}")


@test("two builds are compared in one run")
def two_builds():
    done = bench("--quick", "--only", "syscall.pair", "--output", OUTPUT, "--before",
                 os.path.join(TOP, "build", "assay"))
    same(done.returncode, 0, f"exit status, with the output {done.stdout}")
    with open(OUTPUT) as f:
        row = json.load(f)[0]
    check(row["verdict"] in ("no worse", "worse", "unsure"), f"verdict {row['verdict']}")
    check(row["peer"].endswith("build/assay"), f"the peer is {row['peer']}")
    check(row["peer_bpf_net"] > 0, "the other build's programs took no time")


@test("a row that does not exist is refused")
def no_such_row():
    done = bench("--only", "no.such.row")
    same(done.returncode, 2, "exit status")
    check("no row is called no.such.row" in done.stdout, done.stdout)


if __name__ == "__main__":
    need_root()
    main()
