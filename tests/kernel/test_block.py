#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Block requests on the live kernel, on loop devices of our own: against
/proc/diskstats, what fio did, and what the calls themselves returned."""

import errno
import fcntl
import json
import mmap
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from disturbed import HiddenRuns
from node import ASSAY, PATIENCE, Agent, cgroup_root, libc, scratch, wait_for
from readings import Change
from tap import Skip, between, check, defer, diag, main, need_root, same, test

need_root()

OPERATION = "assay.block.operation.duration"
DEVICE = "assay.block.device.duration"
ERRORS = "assay.block.errors"
INFLIGHT = "assay.inflight.age"
LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81
BLOCK = 4096
N = 500
WRITE = "--rw=write", f"--io_size={BLOCK}"  # one
agent = None
serial = 0


def setup():
    global agent
    need_loop()
    own_mounts()
    agent = Agent()
    agent.need("block")


def need_loop():
    if not os.path.exists("/dev/loop-control"):
        raise Skip("no /dev/loop-control: the kernel has no loop devices")


def own_mounts():
    """What is mounted here is seen by nobody else, who could keep it busy."""
    CLONE_NEWNS = 0x20000
    check(libc.unshare(CLONE_NEWNS) == 0, "unshare failed")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def loop_control(request, number):
    fd = os.open("/dev/loop-control", os.O_RDWR)
    try:
        return fcntl.ioctl(fd, request, number)
    finally:
        os.close(fd)


class Loop:
    """A loop device that nobody else uses, over a sparse file of 16 MiB. Its numbers
    are those of its own line in /proc/diskstats."""

    SIZE = 16 << 20

    def __init__(self, path=None):
        global serial
        serial += 1
        self.number = 1000 + os.getpid() % 10000 * 16 + serial
        self.name = f"loop{self.number}"
        self.dev = f"/dev/{self.name}"
        self.file = path or f"{scratch()}/image"
        with open(self.file, "wb") as f:
            f.truncate(self.SIZE)
        try:
            loop_control(LOOP_CTL_ADD, self.number)
        except OSError as e:
            raise Skip(f"a loop device cannot be added: {e}")
        self.open = True
        defer(self.remove)
        wait_for(lambda: os.path.exists(self.dev), PATIENCE, self.dev)
        subprocess.run(["losetup", self.dev, self.file], check=True)

    def remove(self):
        if not self.open:
            return
        self.open = False
        subprocess.run(["losetup", "-d", self.dev])
        wait_for(self.removed, PATIENCE, f"{self.dev} to be free")

    def removed(self):
        try:
            loop_control(LOOP_CTL_REMOVE, self.number)
            return True
        except OSError as e:
            if e.errno != errno.EBUSY:
                raise
            return False

    def queue(self, name, value):
        with open(f"/sys/block/{self.name}/queue/{name}", "w") as f:
            f.write(value)

    def stat(self):
        """What the kernel counted: requests and ms by direction. The writes have the
        empty ones of flushes in them, with the time of the flush."""
        with open(f"/sys/block/{self.name}/stat") as f:
            n = [int(word) for word in f.read().split()]
        return {"read": n[0], "read_ms": n[3], "write": n[4], "write_ms": n[7],
                "discard": n[11], "discard_ms": n[14], "flush": n[15],
                "flush_ms": n[16]}

    def busy(self):
        """Whether a request is under way, says the kernel."""
        with open(f"/sys/block/{self.name}/inflight") as f:
            return any(int(word) for word in f.read().split())

    def fio(self, *words):
        """Runs fio and returns what it says of its one job."""
        out = subprocess.run(
            ["fio", "--name=job", f"--filename={self.dev}", f"--bs={BLOCK}",
             "--ioengine=psync", "--direct=1", "--norandommap", "--allow_mounted_write=0",
             "--output-format=json", *words], capture_output=True, text=True, timeout=60)
        same(out.returncode, 0, f"exit status of fio: {out.stderr}{out.stdout}")
        return json.loads(out.stdout)["jobs"][0]


class Numbers:
    """The difference that a function makes, as the kernel and as we have it."""

    def __init__(self, loop, function):
        before, ours, runs = loop.stat(), agent.total(), HiddenRuns()
        self.result = function()
        self.unseen = 4 * runs.count()
        self.change = Change(ours, agent.total())
        after = loop.stat()
        self.kernel = {key: after[key] - before[key] for key in after}
        self.loop = loop
        diag(f"diskstats {self.kernel}; assay {self.counts(OPERATION)}, "
             f"lost {self.change.lost()}")

    def sum(self, function):
        """Of all workloads: who did it is not this test's question."""
        return sum(function(w) for w in self.change.after.workloads)

    def counts(self, name, **attributes):
        """Requests of our device by direction."""
        sums = {}
        for w in self.change.after.workloads:
            for key, n in self.change.by(w, name, "direction", device=self.loop.name,
                                         **attributes).items():
                sums[key] = sums.get(key, 0) + n
        return sums

    def seconds(self, name, direction):
        return self.sum(lambda w: self.change.seconds(
            w, name, device=self.loop.name, direction=direction))

    def errors(self):
        sums = {}
        for w in self.change.after.workloads:
            for key, n in self.change.by(w, ERRORS, "type").items():
                sums[key] = sums.get(key, 0) + n
        return sums

    def expect(self, **counts):
        """Counts by direction, of both durations, and nothing else. Where BPF does not
        see PID 1 it does not see the softirqs that interrupt it (perf does): then a
        few requests may be missing, if PID 1 ran meanwhile."""
        for name in OPERATION, DEVICE:
            ours = self.counts(name)
            same({*ours}, {*counts}, f"directions of {name}")
            for key, want in counts.items():
                between(want - ours[key], 0, min(self.unseen, want // 100),
                        f"requests of {name} that are missing, {key}")

    def failed(self, count):
        """So many reads, each an error; few may be missing, see expect()."""
        seen = self.counts(OPERATION)["read"]
        between(count - seen, 0, min(self.unseen, count // 4), "reads that are missing")
        same(self.counts(OPERATION), {"read": seen}, "requests")
        same(self.errors(), {"EIO": seen}, "errors")

    def time(self, direction):
        """The sum of the durations is the kernel's, which is cut to ms, and ends
        later: when the request is accounted for. In between it wakes who waits, and
        whatever else hangs on that tracepoint runs: 5 us on some machines, 25 on busy
        ones."""
        ms, count = self.kernel[direction + "_ms"], self.kernel[direction]
        ours = self.seconds(OPERATION, direction)
        diag(f"{direction}: {ours * 1e3:.3f} ms, diskstats {ms} ms")
        between(ours * 1e3, ms * 0.95 - count * 0.030 - 1, ms + 1,
                f"ms in requests, {direction}")
        between(self.seconds(DEVICE, direction), 0, ours, "s of them in the device")


@test(f"{N} direct reads are {N} requests, with diskstats' time")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randread", f"--io_size={N * BLOCK}"))
    same((n.result["read"]["total_ios"], n.kernel["read"]), (N, N), "truth")
    n.expect(read=N)
    n.time("read")


@test(f"{N} direct writes are {N} requests, with diskstats' time")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randwrite", f"--io_size={N * BLOCK}"))
    same((n.result["write"]["total_ios"], n.kernel["write"]), (N, N), "truth")
    n.expect(write=N)
    n.time("write")


@test("a write of 256 KiB is one request")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=write", "--bs=256k", "--io_size=4M"))
    same(n.kernel["write"], 16, "truth")
    n.expect(write=16)


@test("fsync after each 4th write: flushes are diskstats', an empty write is none")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randwrite", f"--io_size={N * BLOCK}",
                                       "--fsync=4"))
    same(n.result["write"]["total_ios"], N, "truth")
    same(n.kernel["flush"], n.result["sync"]["total_ios"], "flushes and fio's fsyncs")
    same(n.kernel["write"], N + n.kernel["flush"], "diskstats' writes and flushes")
    n.expect(write=N, flush=n.kernel["flush"])
    n.time("flush")


@test("O_DSYNC: a write that is flushed behind is one write and one flush")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randwrite", f"--io_size={N * BLOCK}",
                                       "--sync=dsync"))
    same(n.result["write"]["total_ios"], N, "truth")
    # diskstats has the write only, or each write twice: it depends on the kernel
    n.expect(write=N, flush=n.kernel["flush"])
    check(n.kernel["flush"] >= N, f"{n.kernel['flush']} flushes: too few")


@test("discards are diskstats'")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: subprocess.run(
        ["blkdiscard", "--force", "--step", "1M", loop.dev], check=True))
    same(n.kernel["discard"], 16, "truth")
    n.expect(discard=16)
    n.time("discard")


@test("without queue/iostats the kernel stamps no beginning, and that is said")
def _():
    loop = Loop()
    loop.queue("iostats", "0")
    n = Numbers(loop, lambda: loop.fio("--rw=randread", f"--io_size={N * BLOCK}"))
    same(n.counts(OPERATION), {}, "durations that nobody measured")
    lost = n.change.lost().get(("block", "no_stamp"))
    between(N - lost, 0, min(n.unseen, N // 100), "requests not lost as no_stamp")
    diag(f"in the device alone: {n.counts(DEVICE)}, "
         f"{n.seconds(DEVICE, 'read') * 1e3:.3f} ms")
    seconds = n.result["read"]["clat_ns"]["mean"] / 1e9 * N
    between(n.seconds(DEVICE, "read"), 0, seconds, "s in the device and fio's")


def read_at(loop, offset, length):
    """The errno of a direct read, 0: none."""
    fd = os.open(loop.dev, os.O_RDONLY | os.O_DIRECT)
    try:
        page = mmap.mmap(-1, length)
        return 0 if os.preadv(fd, [page], offset) == length else -1
    except OSError as e:
        return e.errno
    finally:
        os.close(fd)


@test("reads that fail are errors, by the errno that the application got")
def _():
    loop = Loop()
    os.truncate(loop.file, 1 << 20)  # behind the device's back
    n = Numbers(loop, lambda: [read_at(loop, (2 << 20) + i * BLOCK, BLOCK)
                               for i in range(20)])
    same({*n.result}, {errno.EIO}, "errno of the application")
    n.failed(20)


@test("a request that is done in two parts, the last of which fails, is one error")
def _():
    loop = Loop()
    os.truncate(loop.file, BLOCK * 10)
    n = Numbers(loop, lambda: [read_at(loop, BLOCK * 8, BLOCK * 4) for i in range(10)])
    same({*n.result}, {errno.EIO}, "errno of the application")
    n.failed(10)


def hybrid():
    with open(cgroup_root() + "/cgroup.controllers") as f:
        return "io" not in f.read().split()


@test("where blkio is a v1 hierarchy, all is the root cgroup's")
def _():
    if not hybrid():
        raise Skip("io is a controller of the v2 tree: see tests/vm/test_block.py")
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randread", f"--io_size={N * BLOCK}"))
    n.expect(read=N)
    same(n.change.by("/", OPERATION, "direction", device=loop.name),
         n.counts(OPERATION), "requests of the root cgroup")
    doctor = subprocess.run([ASSAY, "doctor", "--socket", agent.socket], text=True,
                            capture_output=True).stdout
    check("block requests count for the root workload" in doctor,
          f"doctor is silent: {doctor}")


class Frozen:
    """A loop device whose file is in a file system that can be frozen: its requests
    hang until it is thawed."""

    def __init__(self):
        self.under = Loop()
        self.dir = scratch()
        subprocess.run(["mkfs.ext4", "-q", self.under.dev], check=True)
        subprocess.run(["mount", self.under.dev, self.dir], check=True)
        defer(wait_for, self.unmounted, 10, f"{self.dir} to be unmounted")
        Loop.SIZE, size = 4 << 20, Loop.SIZE
        try:
            self.loop = Loop(self.dir + "/image")
        finally:
            Loop.SIZE = size

    def unmounted(self):
        return subprocess.run(["umount", self.dir], capture_output=True).returncode == 0

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", self.dir], check=True)
        self.frozen = True
        defer(self.thaw)

    def hang(self):
        """Has a write wait for thaw(), in a thread that it returns."""
        self.freeze()
        writer = threading.Thread(target=self.loop.fio, args=WRITE)
        writer.start()
        wait_for(self.loop.busy, PATIENCE, "the request to hang")
        return writer

    def thaw(self):
        if self.frozen:
            self.frozen = False
            subprocess.run(["fsfreeze", "-u", self.dir], check=True)


def oldest():
    """Age of the oldest block request of all workloads, in seconds."""
    numbers = agent.total(0)
    return max(numbers.value(w, INFLIGHT, operation="block")
               for w in numbers.workloads)


def hang(frozen):
    """Has a write to the frozen device under way, and compares its age."""
    early = time.monotonic()
    writer = frozen.hang()
    late = time.monotonic()
    time.sleep(1)
    low = time.monotonic() - late
    age = oldest()
    high = time.monotonic() - early
    diag(f"a request that was made {low:.2f} to {high:.2f} s ago is {age:.2f} s old")
    frozen.thaw()
    writer.join()
    between(age, low, high, "age of the request that hangs, s")
    between(oldest(), 0, low, "age of the oldest, others', when it is over")


@test("a request that hangs is in flight, as old as it is")
def _():
    hang(Frozen())


@test("a request that was made before the probe was on is no sample, the next one is")
def _():
    frozen = Frozen()
    def switched():
        writer = frozen.hang()
        for word in "false", "true":
            agent.tune("block", "enabled=" + word)
        frozen.thaw()
        writer.join()
    Numbers(frozen.loop, switched).expect()
    Numbers(frozen.loop, lambda: frozen.loop.fio(*WRITE)).expect(write=1)


def noted_queues():
    """Places that the probe's table of queues has in use."""
    fd, size = bpf.open_table(agent.pid(), "block.bss")
    value = bpf.element(fd, size, 0)
    os.close(fd)
    return sum(any(value[i:i + 8]) for i in range(0, size, 8))


def live_devices():
    """Devices with a queue that has had a request."""
    def used(name):
        try:
            with open(f"/sys/block/{name}/stat") as f:
                return any(int(word) for word in f.read().split())
        except FileNotFoundError:  # it has just been removed
            return False
    return [name for name in os.listdir("/sys/block") if used(name)]


@test("fio, 2 s of mixed requests: counts are fio's and diskstats'")
def _():
    loop = Loop()
    n = Numbers(loop, lambda: loop.fio("--rw=randrw", "--time_based", "--runtime=2"))
    reads, writes = n.result["read"], n.result["write"]
    same((n.kernel["read"], n.kernel["write"]),
         (reads["total_ios"], writes["total_ios"]), "truth")
    n.expect(read=reads["total_ios"], write=writes["total_ios"])
    n.time("read")
    n.time("write")


def by_device():
    """Requests that were ever counted, by device, of all workloads."""
    sums = {}
    numbers = agent.total()
    for w in numbers.workloads:
        for key, n in numbers.by(w, OPERATION, "device").items():
            sums[key] = sums.get(key, 0) + n
    return sums


@test("a device that is gone keeps its name and its count, and one that comes adds to it")
def _():
    loop = Loop()
    loop.fio("--rw=randread", f"--io_size={N * BLOCK}")
    before = by_device()
    between(before.get(loop.name, 0), N - N // 100, N, f"requests of {loop.name}")
    loop.remove()
    agent.total()
    after = by_device()
    same(after.get(loop.name), before[loop.name], "its requests when it is gone")
    same({*after} - {*before} - {*os.listdir("/sys/block")}, set(), "new names")
    global serial
    serial -= 1  # the same number
    again = Loop()
    same(again.name, loop.name, "name of the next one")
    again.fio("--rw=randread", f"--io_size={N * BLOCK}")
    more = by_device()[loop.name] - before[loop.name]
    between(more, N - N // 100, N, "requests of the next one")


# The last: a workload has at most OPEN_MAX devices of its own, and these use them up.
@test("devices that are removed leave nothing, and one in their place is seen")
def _():
    for _ in range(20):
        loop = Loop()
        loop.fio("--rw=randread", f"--io_size={10 * BLOCK}")
        loop.remove()
    live = live_devices()

    def forgotten():
        agent.total(0)  # has the walk drop them, unless it is called off in time
        return noted_queues() <= len(live)
    wait_for(forgotten, PATIENCE, "the queues of removed devices to be forgotten")
    diag(f"{len(live)} devices have done something: {live}")
    hang(Frozen())


@test("nothing else was lost")
def _():
    lost = {reason: n for (probe, reason), n in agent.total().lost().items()
            if probe == "block"}
    diag(f"lost: {lost}")
    lost.pop("no_stamp", None)  # the test above made them
    same(lost, {}, "lost")


main(setup)
