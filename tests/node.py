# SPDX-License-Identifier: Apache-2.0
"""The node under test: cgroups, loads that wait for a word, and assay itself.

The exact way to measure a load: the load is started in a cgroup of its own and
waits; total() before; the load does what it is told and waits again; total()
after. The difference is the load and nothing but the load, since a waiting load
does nothing, and no clock is involved.
"""

import contextlib
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import disturbed
import proc
from readings import Numbers
from tap import Failed, Skip, check, defer, diag, restores

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ASSAY = os.environ.get("ASSAY", os.path.join(TOP, "build", "assay"))
BIN = os.path.join(TOP, "build", "tests")
libc = ctypes.CDLL(None)
disturbed.begin()  # live tests are run again where others disturb them
# Agents under test measure beside each other, and beside the node's own.
os.environ.setdefault("ASSAY_NODE_LOCK", "none")
os.environ.setdefault("ASSAY_SERIES", "all")  # what is measured is tested
os.environ.setdefault("ASSAY_BUDGET", "none")  # and exactly, whatever it costs
os.environ.setdefault("ASSAY_HISTORY", "none")  # but for those that test it
PATIENCE = float(os.environ.get("TEST_PATIENCE", 60))  # a guest, a busy machine
IN_GUEST = os.path.exists("/run/vm-command")  # of tests/vm/run


def scratch():
    """A directory of the suite's own, removed at its end."""
    path = tempfile.mkdtemp(prefix="assay-test-")
    defer(shutil.rmtree, path, True)
    return path


def wait_for(condition, seconds, what, pause=0.02):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(pause)


def cgroup_root():
    """Where the cgroup v2 tree is mounted."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    raise Skip("no cgroup v2 tree is mounted")


def die_with_us():
    """Between fork and exec: the child is killed when this process dies."""
    PR_SET_PDEATHSIG = 1
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(argv, cgroup=None, **options):
    """Starts a command, in a cgroup or in ours."""
    def prepare():
        die_with_us()
        if cgroup:
            cgroup.enter()
    return subprocess.Popen(argv, preexec_fn=prepare, **options)


class Cgroup:
    """A cgroup of its own; its processes are killed when it is removed."""

    serial = 0

    def __init__(self, name, parent=None, **settings):
        """settings: files of the cpu controller and their content, cpu_max="...":
        for a pure v2 tree. A parent gives the controller on."""
        Cgroup.serial += 1
        self.path = f"/assay-test-{os.getpid()}-{Cgroup.serial}-{name}"
        if parent:
            self.path = parent.path + self.path
            parent.write("cgroup.subtree_control", "+cpu")
        self.dir = cgroup_root() + self.path
        os.mkdir(self.dir)
        self.number = os.stat(self.dir).st_ino  # the kernel's name for it
        defer(self.remove)
        for key, value in settings.items():
            self.write(key.replace("_", ".", 1), value)

    def below(self, name):
        """One below it, made as a user makes it: no controller is given on."""
        cgroup = Cgroup.__new__(Cgroup)
        cgroup.path, cgroup.dir = f"{self.path}/{name}", f"{self.dir}/{name}"
        os.mkdir(cgroup.dir)
        defer(cgroup.remove)
        return cgroup

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(str(text))

    def stat(self, name):
        """A file of lines KEY VALUE, as cpu.stat, as a dict."""
        with open(f"{self.dir}/{name}") as f:
            return {key: int(value) for key, value in map(str.split, f)}

    def pids(self):
        with open(self.dir + "/cgroup.procs") as f:
            return [int(line) for line in f]

    def enter(self):
        """Moves the calling process here."""
        with open(self.dir + "/cgroup.procs", "w") as f:
            f.write(str(os.getpid()))

    def start(self, argv, **options):
        """Starts a command whose whole life is in this cgroup."""
        return start(argv, self, **options)

    def run(self, argv, **options):
        """Runs a command to its end and returns what it wrote."""
        p = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, **options)
        text, _ = p.communicate(timeout=PATIENCE)
        check(p.returncode == 0, f"{argv[0]} exit status {p.returncode}: {text}")
        return text

    def remove(self):
        if not os.path.isdir(self.dir):
            return  # it was removed by its test
        end = time.monotonic() + PATIENCE  # a process that is killed has to run for it
        while time.monotonic() < end:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.02)
        diag(f"{self.dir} could not be removed")


def defined(name):
    """A number that a header of the code defines, by its name."""
    for path in glob.glob(f"{TOP}/bpf/*.h") + glob.glob(f"{TOP}/agent/*/*.h"):
        with open(path, encoding="utf-8") as f:
            found = re.search(rf"define {name}\s+(\d+)", f.read())
        if found:
            return int(found.group(1))
    raise KeyError(name)


def probes():
    """The names of all probes that there are in the code."""
    with open(f"{TOP}/bpf/cell.h", encoding="utf-8") as f:
        body = re.search(r"enum probe_id \{(.*?)PROBE_COUNT", f.read(), re.DOTALL)[1]
    return [name.lower() for name in re.findall(r"PROBE_(\w+)", body)]


def least_memory(slots=1024):
    """The least --memory for so many slots, as the refusal of less tells it: with that
    the tables of threads and connections are small."""
    p = subprocess.run([ASSAY, "agent", "--socket", scratch() + "/none", "--slots",
                        str(slots), "--memory", "4MiB", "--export", "none"], text=True,
                       capture_output=True)
    found = re.search(r"--memory (\d+MiB) would do", p.stderr)
    check(found, f"it said: {p.stderr}")
    return found.group(1)


def cgroups():
    """The cgroups that are there now, each with its number."""
    found = set()
    for path, _, _ in os.walk(cgroup_root()):
        try:
            found.add((path, os.stat(path).st_ino))
        except FileNotFoundError:
            pass  # it has just gone
    return found


def end_process(process):
    """Kills a process that is told by its stdin what to do, if it still runs."""
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


class Load:
    """A load of tests/kernel/gate.h: one line in, its work, one line out."""

    def __init__(self, cgroup, *argv, netns=None, **options):
        program = os.path.join(BIN, argv[0])
        if not os.access(program, os.X_OK):
            raise Failed(f"{program} is not built")
        prefix = ["ip", "netns", "exec", netns] if netns else []
        self.process = cgroup.start(prefix + [program, *map(str, argv[1:])],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    **options)
        self.pid = self.process.pid
        defer(self.close)
        self.ready = self.reply()

    def tell(self, *words):
        line = " ".join(map(str, words)) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()

    def machine(self):
        """The architecture of the program, by its file (e_machine, elf.h)."""
        with open(f"/proc/{self.pid}/exe", "rb") as f:
            return {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64"}[
                int.from_bytes(f.read(20)[18:20], "little")]

    def is_away(self):
        """Whether its first thread sleeps, is stopped, or is gone."""
        try:
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rpartition(")")[2].split()[0] not in "RD"
        except (FileNotFoundError, ProcessLookupError):
            return True

    def reply(self):
        """The words KEY=VALUE of the next line as a dict of integers. Who is woken by
        the line may be faster than the load is out of the call that wrote it, and in
        the one that reads the next."""
        line = self.process.stdout.readline().decode()
        if not line:
            raise Failed(f"the load died: exit status {self.process.wait()}")
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "error" in words:
            raise Failed(f"the load says: {line.strip()}")
        wait_for(self.is_away, PATIENCE, "the load to wait for its next word", 0.0002)
        return {key: int(value) for key, value in words.items()}

    def ask(self, *words):
        """Has it do one thing and waits until it is done."""
        self.tell(*words)
        return self.reply()

    def threads(self):
        return [int(t) for t in os.listdir(f"/proc/{self.pid}/task")]

    def rests(self):
        """Waits until all of its threads sleep: one that is done may still have to
        wait for a CPU to say so."""
        def asleep():
            return all(proc.fields(text)[0] == "S"
                       for text in proc.of_threads(self.pid, "stat").values())
        wait_for(asleep, PATIENCE, "the load to rest")

    def schedstat(self, field):
        """Of each of its threads, by id: see proc.schedstat()."""
        return proc.schedstat(self.pid, field)

    def ran(self):
        """Seconds that its threads had a CPU."""
        return sum(self.schedstat(0).values()) / 1e9

    def waited(self):
        """Seconds that its threads have waited for a CPU."""
        return sum(self.schedstat(1).values()) / 1e9

    def runs(self):
        """How often its threads were given a CPU."""
        return sum(self.schedstat(2).values())

    def close(self):
        end_process(self.process)


def run_delay(pid):
    """Seconds that a process' first thread was ready to run and had no CPU."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[1]) / 1e9


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Agent:
    """`assay agent` with a socket and an export file of its own, once it has said that it
    is ready, or what `until` says."""

    asks = 5  # total() asks so often at most; 1 where late passes are what is tested
    late = 0

    def __init__(self, *options, cgroup=None, prefix=(), export=None, until="ready"):
        if not os.access(ASSAY, os.X_OK):
            raise Failed(f"{ASSAY} is not built")
        self.dir = scratch()
        self.socket = self.dir + "/assay.sock"
        self.exports = self.dir + "/exports"
        self.log = self.dir + "/log"
        argv = [*prefix, ASSAY, "agent", "--socket", self.socket,
                "--export", export or "file:" + self.exports, *options]
        with open(self.log, "w") as log:
            self.process = start(argv, cgroup, stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL)
        defer(self.stop)
        try:
            wait_for(lambda: self.says(until), PATIENCE, f"the agent to say: {until}")
        except Failed as e:
            raise Failed(f"{e}; it said: {self.said()}")

    def said(self):
        with open(self.log) as f:
            return f.read()

    def says(self, text):
        if self.process.poll() is not None:
            raise Failed(f"the agent ended, status {self.process.returncode}")
        return text in self.said()

    def pid(self):
        """The agent's own process, which is not our child behind a prefix."""
        pid = self.process.pid
        while not os.path.samefile(f"/proc/{pid}/exe", ASSAY):  # it may have mounts of its own
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                pid = int(f.read().split()[0])
        return pid

    def total(self, settle=0.1):
        """Everything counted since the agent started. A load that has just told
        us that it is done is given `settle` seconds to leave its last call. Where a
        pass over tasks or descriptors did not end in time (a busy machine), what is in
        flight is of the pass before: then it is asked again."""
        time.sleep(settle)
        for _ in range(self.asks):
            numbers = report("--total", "--socket", self.socket)
            if numbers.late_passes() == self.late:
                break
            self.late = numbers.late_passes()
        return numbers

    def tune(self, *words):
        """Has `assay tune` change its probes; returns what the command printed. A test
        that is run again finds them as they were."""
        if words and self.put_back not in restores:
            self.before = self.tuned()
            restores.append(self.put_back)
        return self.tuned(*words)

    def put_back(self):
        for line in self.before.splitlines() if self.process.poll() is None else ():
            if not line.endswith("disabled"):
                self.tuned(*line.split())

    def tuned(self, *words):
        """Runs `assay tune` and returns what it printed."""
        p = subprocess.run([ASSAY, "tune", "--socket", self.socket, *words],
                           capture_output=True, text=True, timeout=PATIENCE)
        check((p.returncode, p.stderr) == (0, ""),
              f"assay tune {words}: status {p.returncode}, {p.stderr}")
        return p.stdout

    def pools(self):
        """How full the pools are, as `assay doctor` says: (used, of) by name."""
        p = subprocess.run([ASSAY, "doctor", "--socket", self.socket, "--export", "none"],
                           capture_output=True, text=True, timeout=PATIENCE)
        return {name: (int(used), int(of)) for name, used, of in
                re.findall(r"pool: (\w+): (\d+) of (\d+)", p.stdout)}

    def need(self, *probes):
        """Fails when one of these probes is not attached."""
        report = self.total(0).report
        for probe in report["probes"]:
            check(probe["name"] not in probes or probe["state"] == "attached",
                  f"{probe}; the agent said: {self.said()}")
        check({p["name"] for p in report["probes"]} >= {*probes}, "probes are missing")

    def stop(self, signal_number=signal.SIGTERM):
        """Ends the agent and returns its exit status and the seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), signal_number)  # unshare(1) takes no SIGTERM
            except (OSError, IndexError):
                self.process.kill()  # the agent has not begun, or is over
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode, time.monotonic() - began


class Report:
    """`assay report`, running; its numbers come with result()."""

    def __init__(self, *options, cgroup=None):
        self.process = start([ASSAY, "report", "--format", "json", *options], cgroup,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        status = self.process.returncode
        check(status == 0, f"assay report: exit status {status}: {err}")
        return Numbers(json.loads(out))


def report(*options, cgroup=None):
    """Numbers of `assay report`: from an agent, or measured by itself."""
    return Report(*options, cgroup=cgroup).result()


def no_agent():
    """Options that make `assay report` measure by itself."""
    return "--socket", scratch() + "/nobody.sock"
