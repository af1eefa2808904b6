# SPDX-License-Identifier: Apache-2.0
"""Disks and memory. What is of GUEST has the drives of run's line `# vm:`."""

import glob
import os
import subprocess
import sys

from incident import GUEST, HERE, Skip, incident, mount
from node import scratch
from tap import defer

MIB = 1 << 20
SLOW, SHARED, FAST = 1, 2, 3  # 20 requests/s; 100; 1000


def drive(number):
    """The file of a drive by its place in that line."""
    for path in glob.glob("/sys/block/nvme*/nsid"):
        with open(path) as f:
            if int(f.read()) == number:
                return "/dev/" + path.split("/")[3]
    raise Skip(f"no NVMe drive {number}: see tests/vm/run, ASSAY_VM_DRIVE")


def formatted(number, name, mib):
    """A file of so many MiB in a new file system on a drive."""
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", drive(number)], check=True)
    path = f"{mount(drive(number))}/{name}"
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={mib}",
                    "conv=fsync"], check=True, capture_output=True)
    with open(path, "rb") as f:  # out of the cache
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


@incident("slow_disk", finding="disk.slow", where=GUEST)
def _(stage):
    stage.load(stage.victim, "read", drive(SLOW), 100)


@incident("disk_neighbour", finding="disk.neighbour", where=GUEST,
          says=lambda stage: stage.neighbour.path)
def _(stage):
    stage.load(stage.neighbour, "flood", drive(SHARED), 16)
    stage.load(stage.victim, "read", drive(SHARED), 5)
    stage.lead = 5


@incident("cold_file", finding="memory.faults", where=GUEST)
def _(stage):
    """A file that is read by touching its pages, which are not in memory; the disk takes a
    ms for each."""
    stage.load(stage.victim, "map", formatted(FAST, "data", 28))


@incident("memory_limit", finding="memory.limit", where=GUEST)
def _(stage):
    """A file that is always in use, and a limit that leaves room for half of it."""
    path = formatted(FAST, "data", 28)
    stage.victim.write("memory.max", 24 * MIB)
    stage.load(stage.victim, "thrash", path)
    stage.lead = 8


@incident("oom_kills", finding="memory.oom", where=GUEST)
def _(stage):
    """Whoever wants 100 MiB is killed, and started again."""
    stage.victim.write("memory.max", 32 * MIB)
    stage.start(stage.victim, ["sh", "-c", "while :; do head -c 100M /dev/zero | tail "
                               ">/dev/null; sleep 0.5; done"], until=None)


@incident("slow_file_system", finding="disk.files")
def _(stage):
    """One that is in somebody else's hands, as those of a network are."""
    if not os.path.exists("/dev/fuse"):
        raise Skip("no /dev/fuse")
    directory = scratch()
    defer(subprocess.run, ["umount", "-l", directory])
    stage.start(stage.neighbour, [sys.executable, f"{HERE}/slowfs.py", directory, 100])
    stage.load(stage.victim, "read", directory + "/file", 10)


def loop_device(path):
    """A block device over a file."""
    p = subprocess.run(["losetup", "--find", "--show", path], text=True, check=False,
                       capture_output=True)
    if p.returncode:
        raise Skip(f"no loop device: {p.stderr.strip()}")
    defer(subprocess.run, ["losetup", "--detach", p.stdout.strip()])
    return p.stdout.strip()


@incident("broken_disk", finding="disk.errors", where=GUEST)
def _(stage):
    """Of a disk most blocks are gone: the file behind it ends before them."""
    path = scratch() + "/disk"
    with open(path, "wb") as f:
        f.truncate(16 * MIB)
    device = loop_device(path)
    stage.load(stage.victim, "read", device, 20)
    os.truncate(path, MIB)


@incident("memory_high", finding="memory.pressure", where=GUEST, says="memory.high")
def _(stage):
    """It wants more and more memory, and above memory.high the kernel slows it down; there
    is no limit at which it would be killed."""
    stage.victim.write("memory.high", 24 * MIB)
    stage.load(stage.victim, "hoard", 1000)
    stage.lead = 8
