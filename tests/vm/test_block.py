#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# vm: kernels=6.1,6.12,7.x,fallbacks ci=7.x timeout=400
# vm: drive=iops=10;iops=1;size=128M modules=null_blk
"""Block requests by cgroup and on slow devices, in a guest:

  ASSAY_VM_DRIVE="iops=10;iops=1;size=128M" tests/vm/run KERNEL tests/vm/test_block.py

The first drive takes 100 ms for a request, the second a second, the third no time.
Elsewhere, and without these drives, it is skipped."""

import json
import math
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from node import Agent, Cgroup, scratch, wait_for
from readings import Change
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

OPERATION = "assay.block.operation.duration"
DEVICE = "assay.block.device.duration"
INFLIGHT = "assay.inflight.age"
BLOCK = 4096
SETTLE = 1.0  # a guest without KVM takes its time
agent = None
STEADY = HANGING = FAST = None


def drive(nsid):
    """The name of a drive by its place in ASSAY_VM_DRIVE: some kernels name them in
    another order."""
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/nsid") as f:
                if int(f.read()) == nsid:
                    return name
        except OSError:
            continue
    raise Skip(f"no NVMe drive {nsid}: ASSAY_VM_DRIVE has to be set, see above")


def setup():
    global agent, STEADY, HANGING, FAST
    if not os.path.exists("/run/vm-command"):
        raise Skip("not in a guest of tests/vm/run")
    STEADY, HANGING, FAST = (drive(i) for i in (1, 2, 3))
    agent = Agent("--probes", "block")
    agent.need("block")


def total():
    return agent.total(SETTLE)


def fio(name, *words):
    return ["fio", "--name=job", f"--filename=/dev/{name}", f"--bs={BLOCK}",
            "--ioengine=psync", "--direct=1", "--norandommap", "--output-format=json",
            *words]


def run_fio(cgroup, name, *words):
    """Runs fio in a cgroup; its numbers of the one job."""
    text = cgroup.run(fio(name, *words))
    return json.loads(text[text.index("{"):])["jobs"][0]


def io_stat(cgroup, name):
    """A cgroup's own count of what a device did for it."""
    with open(f"/sys/block/{name}/dev") as f:
        dev = f.read().strip()
    with open(cgroup.dir + "/io.stat") as f:
        for line in f:
            number, *words = line.split()
            if number == dev:
                return {k: int(v) for k, v in (w.split("=") for w in words)}
    return {"rios": 0, "wios": 0, "rbytes": 0, "wbytes": 0}


def by_direction(change, cgroup, name):
    return change.by(cgroup, OPERATION, "direction", device=name)


@test("direct reads and writes of two cgroups are each one's, as io.stat has them")
def _():
    reader, writer = Cgroup("reader"), Cgroup("writer")
    before = total()
    run_fio(reader, FAST, "--rw=randread", f"--io_size={300 * BLOCK}")
    run_fio(writer, FAST, "--rw=randwrite", f"--io_size={200 * BLOCK}")
    change = Change(before, total())
    same((io_stat(reader, FAST)["rios"], io_stat(writer, FAST)["wios"]), (300, 200),
         "truth")
    change.exact("block", by_direction(change, reader, FAST), {"read": 300}, "reads")
    change.exact("block", by_direction(change, writer, FAST), {"write": 200}, "writes")
    lost = change.lost()
    lost.pop(("block", "recursion"), None)
    same(lost, {}, "lost")


@test("buffered writes are the writer's, though another has them written")
def _():
    writer, directory = Cgroup("buffered"), scratch()
    subprocess.run(["mkfs.ext4", "-q", f"/dev/{FAST}"], check=True)
    subprocess.run(["mount", f"/dev/{FAST}", directory], check=True)
    defer(subprocess.run, ["umount", directory])
    before = total()
    writer.run(["dd", "if=/dev/zero", f"of={directory}/file", "bs=1M", "count=8"])
    subprocess.run(["sync", "-f", directory], check=True)
    change = Change(before, total())
    truth, ours = io_stat(writer, FAST), by_direction(change, writer, FAST)
    diag(f"io.stat {truth}; assay: the writer's {ours}, the root's "
         f"{by_direction(change, '/', FAST)}")
    check(truth["wbytes"] >= 8 << 20, "the kernel itself says that it wrote less")
    # a request can have several bios, each of which io.stat counts
    between(ours.get("write", 0), (8 << 20) / (2560 << 10), truth["wios"],
            "write requests of the writer")


@test("fsync: the flushes are the root cgroup's, as many as the device's")
def _():
    cgroup = Cgroup("fsync")
    before, flushes = total(), flushed(FAST)
    job = run_fio(cgroup, FAST, "--rw=randwrite", f"--io_size={50 * BLOCK}", "--fsync=1")
    change, flushes = Change(before, total()), flushed(FAST) - flushes
    diag(f"fio synced {job['sync']['total_ios']} times, diskstats' flushes: {flushes}")
    change.exact("block", by_direction(change, cgroup, FAST), {"write": 50}, "of the cgroup")
    change.exact("block", by_direction(change, "/", FAST).get("flush", 0), flushes,
                 "of the root")


def flushed(name):
    with open(f"/sys/block/{name}/stat") as f:
        return int(f.read().split()[15])


def bucket(seconds):
    """Index of the scale-3 bucket that holds this value."""
    return math.ceil(math.log2(seconds) * 8) - 1


# What fio says holds its own wake-up, for which one of a hundred in a guest of software
# emulation takes tens of ms: that is in its p99, and no part of the request.
@test("on a device of 100 ms, p50 is within two buckets of fio's, p99 between both of them")
def _():
    cgroup = Cgroup("steady")
    job = run_fio(cgroup, STEADY, "--rw=randread", f"--io_size={100 * BLOCK}",
                  "--runtime=40")
    theirs = job["read"]["clat_ns"]["percentile"]
    for name in OPERATION, DEVICE:
        points = total().points(cgroup, name, device=STEADY, direction="read")
        same([p["count"] for p in points], [job["read"]["total_ios"]],
             f"{name}: counts")
        p50, p99 = (theirs[key] / 1e9 for key in ("50.000000", "99.000000"))
        check(p50 >= 0.002, "the device is too fast for a test")
        for word, least, most in ("p50", p50, p50), ("p99", p50, p99):
            got = points[0][word]
            diag(f"{name} {word}: {got * 1e3:.3f} ms, fio's p50 {p50 * 1e3:.3f} ms, "
                 f"p99 {p99 * 1e3:.3f} ms")
            between(bucket(got), bucket(least) - 2, bucket(most) + 2, f"bucket of {word}")


def age(cgroup):
    return agent.total(0).value(cgroup, INFLIGHT, operation="block")


@test("requests that hang are in flight, as old as they are, in their cgroup")
def _():
    cgroup = Cgroup("hang")
    same(age(cgroup), 0, "age before")
    p = cgroup.start(fio(HANGING, "--rw=randread", "--ioengine=libaio", "--iodepth=16",
                         f"--io_size={16 * BLOCK}"), stdout=subprocess.DEVNULL)
    wait_for(lambda: age(cgroup), 60, "a request in flight")
    first, began = age(cgroup), time.monotonic()
    time.sleep(4)
    # the oldest may have ended; each that is left was made at the same moment
    second, passed = age(cgroup), time.monotonic() - began
    diag(f"age {first:.2f} s, and {passed:.2f} s later {second:.2f} s")
    between(second - first, 3.5, passed + 0.5, "s older")
    same(age("/"), 0, "age of the root's requests")
    same(p.wait(60), 0, "exit status of fio")
    same(age(cgroup), 0, "age when all are done")
    same(total().value(cgroup, OPERATION, device=HANGING), 16, "requests in the end")


def null_block(name):
    """A disk in memory with this name, where the kernel takes one: its device number is
    the lowest that is free."""
    directory = "/sys/kernel/config/nullb/" + name
    if not os.path.isdir("/sys/kernel/config/nullb"):
        subprocess.run(["mount", "-t", "configfs", "none", "/sys/kernel/config"])
    try:
        os.mkdir(directory)
    except OSError as e:
        raise Skip(f"no disks of null_blk: {e}")
    defer(lambda: os.path.isdir(directory) and os.rmdir(directory))
    for word in "memory_backed", "power":
        with open(f"{directory}/{word}", "w") as f:
            f.write("1")
    if not os.path.exists("/sys/block/" + name):
        raise Skip("null_blk names its disks itself here")
    wait_for(lambda: os.path.exists("/dev/" + name), 20, "/dev/" + name)
    with open(f"/sys/block/{name}/dev") as f:
        return directory, f.read()


@test("two disks that have a number one after the other are two")
def _():
    cgroup = Cgroup("renumbered")
    before, numbers = total(), []
    for name, requests in ("first", 20), ("second", 30):
        directory, number = null_block(name)
        numbers.append(number)
        run_fio(cgroup, name, "--rw=randread", f"--io_size={requests * BLOCK}")
        if name == "first":
            total()
            os.rmdir(directory)
    same(numbers[0], numbers[1], "their device numbers")
    found = Change(before, total()).by(cgroup, OPERATION, "device")
    same((found.get("first"), found.get("second")), (20, 30), f"requests, of {found}")


@test("a drive that is taken away is forgotten, and the walk goes on")
def _():
    with open(f"/sys/block/{FAST}/device/address") as f:
        pci = f.read().strip()
    cgroup = Cgroup("gone")
    run_fio(cgroup, FAST, "--rw=randread", f"--io_size={10 * BLOCK}")
    with open(f"/sys/bus/pci/devices/{pci}/remove", "w") as f:
        f.write("1")
    same(age(cgroup), 0, "age of what is gone")
    lost = {reason: n for (probe, reason), n in total().lost().items()
            if probe == "block" and reason != "recursion"}
    same(lost, {}, "lost")


main(setup)
