#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What the agent has given up once it measures, and that it measures all the same; what
it says when something that it needs was taken away before."""
# vm: kernels=6.1,6.12,7.x ci=none timeout=600

import csv
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import uuid

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import node
from node import ASSAY, PATIENCE, TOP, Agent, Cgroup, Load, probes, scratch, wait_for
from readings import Change
from tap import Skip, check, diag, main, need_root, same, test

need_root()

NOBODY = 65534
CALLS = 2000
QUICK = "--probes", "memory"  # starts quickly
SETS = "CapInh", "CapPrm", "CapEff", "CapAmb"
DAC_READ_SEARCH, PERFMON, BPF = 1 << 2, 1 << 38, 1 << 39
NUMBERS = {"x86_64": {"bpf": 321, "perf_event_open": 298, "seccomp": 317, "prctl": 157},
           "aarch64": {"bpf": 280, "perf_event_open": 241, "seccomp": 277, "prctl": 167}}
SANITIZED = b"libasan" in open(ASSAY, "rb").read()
FILTER = "0" if SANITIZED else "2"


def denying(**calls):
    """A prefix: these calls fail with that errno."""
    numbers = NUMBERS[platform.machine()]
    return (TOP + "/tests/denying.py", *(f"{numbers[k]}={v}" for k, v in calls.items()),
            "--")


def statuses(pid):
    """/proc/PID/status of each thread, as dicts."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/status") as f:
                found.append({k: v.strip() for k, _, v in (x.partition(":") for x in f)})
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has ended, as the resolver's does
    return found


def is_confined(agent, kept=0, bounded=True):
    """No thread has more than is kept, or can get more."""
    for status in statuses(agent.pid()):
        want = {s: 0 for s in SETS} | {"CapPrm": kept, "CapEff": kept}
        same({s: int(status[s], 16) for s in SETS}, want, "capabilities")
        same((status["NoNewPrivs"], status["Seccomp"]), ("1", FILTER),
             "NoNewPrivs, Seccomp")
        if bounded:
            same(int(status["CapBnd"], 16), kept, "bounding set")


def measures(agent):
    """All probes are attached, and count what is done exactly; they are switched off
    and on; nothing that the agent wanted was refused."""
    same(agent.total(0).states(), dict.fromkeys(probes(), "attached"), "states")
    cgroup = Cgroup("calls")
    load = Load(cgroup, "calls")
    for words in None, ("syscall", "enabled=false"), ("syscall", "enabled=true"):
        if words:
            agent.tune(*words)
        before = agent.total()
        same(load.ask("getppid", CALLS)["calls"], CALLS, "truth")
        change = Change(before, agent.total())
        want = 0 if words and words[1] == "enabled=false" else CALLS
        change.exact("syscall", change.value(cgroup, "assay.syscall.duration",
                                             class_="process"), want, f"calls, {words}")
    check("system call " not in agent.said(), agent.said())


def ends_well(agent):
    same(agent.stop()[0], 0, "exit status")
    check(not os.path.exists(agent.socket), "it left its socket")
    check("system call " not in agent.said(), agent.said())


@test("root's agent: no thread has a capability or can get one, and everything is "
      "measured, told, changed and exported")
def _():
    agent = Agent("--export-interval", "200ms")
    is_confined(agent)
    check("capabilities kept: none" in agent.said(), agent.said())
    measures(agent)
    is_confined(agent)
    os.rename(agent.exports, agent.exports + ".1")
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: os.path.exists(agent.exports) and os.path.getsize(agent.exports),
             PATIENCE, "an export into a new file")
    ends_well(agent)


def with_file_capabilities(capabilities):
    """A copy of the agent that gives these to whoever runs it."""
    directory = scratch()
    os.chmod(directory, 0o755)
    program = shutil.copy(ASSAY, directory + "/assay")
    os.chmod(program, 0o755)
    p = subprocess.run(["setcap", capabilities, program], capture_output=True, text=True)
    if p.returncode:
        raise Skip(f"no file capabilities at {directory}: {p.stderr.strip()}")
    return program


class NobodysAgent(Agent):
    """An agent that somebody without privilege starts, from a file with capabilities."""

    def __init__(self, capabilities, *options):
        self.program, ours = with_file_capabilities(capabilities), node.ASSAY
        directory = scratch()
        os.chown(directory, NOBODY, NOBODY)
        node.ASSAY = self.program  # what Agent starts, and looks for
        try:
            super().__init__("--socket", directory + "/s", *options, prefix=(
                "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
                export="none")
        finally:
            node.ASSAY = ours
        self.socket = directory + "/s"

    def pid(self):
        return self.process.pid  # setpriv has become the agent


@test("an agent that is not root, from a file with cap_bpf,cap_perfmon+ep: the same")
def _():
    agent = NobodysAgent("cap_bpf,cap_perfmon+ep")
    status = statuses(agent.pid())[0]
    same(status["Uid"].split()[1], str(NOBODY), "user")
    is_confined(agent, bounded=False)  # that takes CAP_SETPCAP
    measures(agent)
    ends_well(agent)


@test("one that is not root and was given CAP_DAC_READ_SEARCH keeps that, and says so")
def _():
    agent = NobodysAgent("cap_bpf,cap_perfmon,cap_dac_read_search+ep", *QUICK)
    is_confined(agent, DAC_READ_SEARCH, bounded=False)
    check("capabilities kept: CAP_DAC_READ_SEARCH" in agent.said(), agent.said())
    ends_well(agent)


@test("with CAP_DAC_READ_SEARCH a container of Docker's has its name, whose file is in a "
      "directory for root alone, as the drop-in of deploy/systemd promises; not without")
def _():
    number, root = uuid.uuid4().hex + uuid.uuid4().hex, scratch()
    os.chmod(root, 0o755)
    folder = f"{root}/var/lib/docker/containers/{number}"
    os.makedirs(folder)
    os.chmod(f"{root}/var/lib/docker/containers", 0o700)
    with open(folder + "/config.v2.json", "w") as f:
        json.dump({"ID": number, "Name": "/till", "Config": {"Image": "till:1"}}, f)
    cgroup = Cgroup("node").below(f"docker-{number}.scope")
    with open(TOP + "/deploy/systemd/examples/container-names.conf") as f:
        more = re.search(r"^AmbientCapabilities=(\w+)$", f.read(), re.M)[1].lower()
    for capabilities, name in (("cap_bpf,cap_perfmon,", number[:12]),
                               (f"cap_bpf,cap_perfmon,{more}", "till")):
        agent = NobodysAgent(capabilities.rstrip(",") + "+ep", "--probes", "syscall",
                             "--host-root", root)
        Load(cgroup, "traps").ask("getppid", 1000)
        text = subprocess.run(
            [ASSAY, "report", "--total", "--limit", "1000", "--format", "csv", "--socket",
             agent.socket], text=True, stdout=subprocess.PIPE, timeout=PATIENCE,
            check=True).stdout
        found = {cell for row in csv.reader(text.splitlines()) for cell in row}
        same(found & {"till", number[:12]}, {name}, f"with {capabilities}")
        ends_well(agent)


@test("--keep-privileges: all are kept, no call is refused, and both are told")
def _():
    with open("/proc/self/status") as f:
        ours = re.search(r"^CapEff:\s*(\w+)", f.read(), re.M)[1]
    agent = Agent("--keep-privileges", *QUICK, export="none")
    for status in statuses(agent.pid()):
        same((status["CapEff"], status["NoNewPrivs"], status["Seccomp"]), (ours, "0", "0"),
             "CapEff, NoNewPrivs, Seccomp")
    check("--keep-privileges" in agent.said(), agent.said())
    text = doctor("--socket", agent.socket)
    check(re.search("^warn privileges: the agent keeps CAP_CHOWN, ", text, re.M) and
          re.search("^warn privileges: its system calls are not filtered", text, re.M), text)


def doctor(*options, prefix=()):
    p = subprocess.run([*prefix, ASSAY, "doctor", "--export", "none", *options],
                       capture_output=True, text=True, timeout=PATIENCE)
    return p.stdout


@test("doctor says what a running agent has kept")
def _():
    agent = Agent(*QUICK, export="none")
    text = doctor("--socket", agent.socket)
    check("ok   privileges: the agent has no capability any more\n" in text, text)
    if not SANITIZED:
        check("ok   privileges: its system calls are filtered" in text, text)


@test("what cannot be opened any more is told at once, and again when it fails; "
      "exports go on")
def _():
    directory = scratch()
    os.chown(directory, NOBODY, NOBODY)
    path = directory + "/exports"
    agent = Agent("--export-interval", "100ms", *QUICK, export="file:" + path)
    check("warning: --export file:" in agent.said() and
          f"give it to user {os.geteuid()}" in agent.said(), agent.said())
    os.rename(path, path + ".1")
    agent.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "cannot be opened anew" in agent.said(), PATIENCE, "a line")
    size = os.path.getsize(path + ".1")
    wait_for(lambda: os.path.getsize(path + ".1") > size, PATIENCE, "another export")
    agent = Agent("--export-interval", "100ms", *QUICK)
    check("warning" not in agent.said(), agent.said())


def refused(prefix, *words):
    """The agent ends with one line, in which the words are; doctor has a line, too."""
    p = subprocess.run([*prefix, ASSAY, "agent", "--socket", scratch() + "/s", "--export",
                        "none"], capture_output=True, text=True, timeout=PATIENCE)
    diag(p.stderr)
    same((p.returncode, p.stderr.count("\n")), (1, 1), "status, lines")
    text = doctor("--socket", scratch() + "/none", prefix=prefix)
    fails = [x for x in text.splitlines() if x.startswith("FAIL")]
    for word in words:
        check(word in p.stderr, f"the agent does not say {word}")
        check(any(word in x for x in fails), f"doctor does not say {word}: {text}")


for what in "EPERM", "ENOSYS":
    test(f"a seccomp profile that refuses bpf(2) with {what} is named")(
        lambda what=what: refused(denying(bpf=what), "seccomp refuses bpf(2)"))


@test("a user namespace is named")
def _():
    if subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode:
        raise Skip("none can be made here: a guest's root is no mount of its own")
    refused(("unshare", "--user", "--map-root-user"), "user namespace")


for missing, named in (("bpf", "CAP_BPF is missing"), ("perfmon", "CAP_PERFMON is missing"),
                       ("bpf,-perfmon", "CAP_BPF and CAP_PERFMON are missing")):
    test(f"without {missing}: {named}")(
        lambda missing=missing, named=named: refused(
            ("setpriv", f"--bounding-set=-sys_admin,-{missing}"), named))


@test("a profile that refuses perf_event_open(2) takes nothing away")
def _():
    agent = Agent(export="none", prefix=denying(perf_event_open="EPERM"))
    same(agent.total(0).states(), dict.fromkeys(probes(), "attached"), "states")


@test("a profile that refuses seccomp(2): the agent says so, and measures")
def _():
    if SANITIZED:
        raise Skip("it does not ask for a filter")
    agent = Agent(*QUICK, export="none", prefix=denying(seccomp="EPERM", prctl="EPERM"))
    check("system calls cannot be filtered (seccomp)" in agent.said(), agent.said())
    agent.total(0)


main()
