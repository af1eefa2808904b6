# SPDX-License-Identifier: Apache-2.0
"""An incident: a fault with real load in one workload, the victim, and next to it another
one that is well, the control. What `assay why` says of the two has to be the fault, first,
and nothing.

    @incident("lock_convoy", finding="locks")
    def _(stage):
        stage.program(stage.victim, "locks", "convoy", 16, 50)

Each is two tests in TAP, one of the victim's answer and one of the control's. The faults
are on the last CPU, the control is on the first, as a node of two CPUs has no other place
for it.
"""

import importlib
import json
import os
import re
import subprocess
import sys
import time

import proc
import tap
from node import (ASSAY, BIN, IN_GUEST, PATIENCE, Agent, Cgroup, Load, end_process, libc,
                  report, scratch)
from readings import Change
from tap import Busy, Failed, Skip, check, defer, diag, same, test

FAMILIES = "cpu", "storage", "locks", "network", "lookups", "calls", "own"
HERE = os.path.dirname(os.path.abspath(__file__))
CPUS = sorted(os.sched_getaffinity(0))
CALM, FAULT = CPUS[0], CPUS[-1]
SECONDS = int(os.environ.get("ASSAY_INCIDENT_S", 10))  # that are looked at
CALM_WAIT = 0.015  # of the time; more, and somebody else took the CPU away from us
STOLEN = 0.05  # of the time of the CPU of those that are calm: so it did
OTHERS_RUN = 0.2  # CPUs that an agent and a test take
FIRST = "nice", "-n", "-10"  # so that this machine's other work hardly does
HOST, GUEST, KVM = "host", "guest", "kvm"

incidents = {}
agents = []  # the one for all incidents, once it is needed


class Incident:
    def __init__(self, name, finding, where, says, overall, stage):
        self.name, self.finding, self.where = name, finding, where
        self.says, self.overall, self.stage = says, overall, stage
        self.results = []  # of each run: (victim's, control's), None: it was skipped


def incident(name, finding, where=HOST, says=(), overall="actionable"):
    """Registers a function that makes the fault on a stage. `finding`: the id that comes
    first, None: there is none, but the reason for that. `says`: what that has to name,
    whom or which error; a function of the stage where it is not known before."""
    def register(stage):
        incidents[name] = Incident(name, finding, where, says, overall, stage)
        return stage
    return register


def shared_agent():
    if not agents:
        agents.append(Agent())
    return agents[0]


class Loads:
    """How to start loads; they are there until the test is over, or are ended before."""

    first = ()  # words before each command

    def start(self, cgroup, argv, cpu=FAULT, netns=None, until=b"ready\n"):
        """Starts a command, and waits until it says that it is ready."""
        prefix = [*self.first, *(["ip", "netns", "exec", netns] if netns else [])]
        if cpu is not None:
            prefix += ["taskset", "-c", str(cpu)]
        p = cgroup.start([*prefix, *map(str, argv)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        defer(end_process, p)
        if until:
            line = p.stdout.readline()
            check(line == until, f"{argv}: it said {line}")
        return p

    def load(self, cgroup, *words, **options):
        """One of loads.py."""
        return self.start(cgroup, [sys.executable, f"{HERE}/loads.py", *words], **options)

    def program(self, cgroup, name, *words, **options):
        """A program that the Makefile builds, and that says nothing."""
        return self.start(cgroup, [f"{BIN}/{name}", *words], until=None, **options)

    def spin(self, cgroup, threads, cpu=FAULT):
        """Threads that want the CPU all the time."""
        load = Load(cgroup, "spin", threads, cpu)
        load.tell("run", 3600 * 1000)
        return load


class Stage(Loads):
    """Where an incident happens: three cgroups, in one of which all is well."""

    def __init__(self, agent):
        self.agent = self.control_agent = agent
        self.victim, self.neighbour, self.control = (
            Cgroup(name) for name in ("victim", "neighbour", "control"))
        self.lead = 2  # s from the last load's start to the first look
        self.crowded = False  # a fault that is a wait for the CPU
        self.options = ()  # of the `assay why` of the victim, besides
        self.start(self.control, [*FIRST, sys.executable, f"{HERE}/loads.py", "control",
                                  5 if IN_GUEST else 20], cpu=CALM)


def own_mounts():
    """What is mounted from here on is seen by nobody else."""
    CLONE_NEWNS = 0x20000
    check(libc.unshare(CLONE_NEWNS) == 0, "unshare failed")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def mount(*words):
    """Mounts something on a directory of the incident's own."""
    directory = scratch()
    subprocess.run(["mount", *words, directory], check=True)
    defer(subprocess.run, ["umount", "-l", directory])
    return directory


def waited(cgroup):
    """Seconds that the threads of a cgroup have waited for a CPU, as the kernel says."""
    return sum(sum(proc.schedstat(pid, 1).values()) for pid in cgroup.pids()) / 1e9


def stolen():
    """Seconds in which a hypervisor had the CPU of those that are calm."""
    with open("/proc/stat") as f:
        line = next(line for line in f if line.startswith(f"cpu{CALM} "))
    return int(line.split()[8]) / os.sysconf("SC_CLK_TCK")


def others_ran(groups):
    """Seconds of CPU that all but these cgroups had since the machine started."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq = map(int, f.readline().split()[1:8])
    ran = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return ran - sum(g.stat("cpu.stat")["usage_usec"] for g in groups) / 1e6


class Answer:
    """What `assay why` says of a cgroup. Begun at once, so that several may measure at
    the same time; get() waits for it."""

    def __init__(self, cgroup, agent, *options):
        self.cgroup, self.before = cgroup, waited(cgroup)
        self.stolen_before = stolen()
        self.begin(os.path.basename(cgroup.path), agent, *options)

    def begin(self, whom, agent, *options):
        self.whom = whom
        self.process = subprocess.Popen(
            [ASSAY, "why", whom, "--socket", agent.socket, "--format", "json",
             "--duration", f"{SECONDS}s", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        defer(self.end)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def get(self):
        out, err = self.process.communicate(timeout=PATIENCE + 2 * SECONDS)
        self.status = self.process.returncode
        check(self.status in (0, 3), f"assay why: status {self.status}: {err}{out}")
        self.said = json.loads(out)
        self.findings = self.said["findings"]
        self.wait = max(0, self.waits() - self.before) / SECONDS
        self.stolen = (stolen() - self.stolen_before) / SECONDS
        return self

    def waits(self):
        return waited(self.cgroup)

    def __str__(self):
        lines = [f"{self.whom}: {self.said['overall']}, it waited for a CPU "
                 f"{self.wait:.1%} of the time, status {self.status}"]
        for f in self.findings:
            lines += [f"{f['severity']}: {f['id']}: {f['what']}",
                      f"    {json.dumps(f['evidence'])}"[:700]]
        return "\n".join(lines)


class WholeNode(Answer):
    """The same of the whole node."""

    def __init__(self, agent):
        self.before, self.stolen_before = self.waits(), stolen()
        self.begin("--node", agent)

    def waits(self):
        """Whatever else this machine does is the node's own."""
        return 0


def check_victim(incident_, stage, answer):
    """The fault is named first, and what made it."""
    ids = [f["id"] for f in answer.findings]
    want = [incident_.finding] if incident_.finding else []
    check(ids[:1] == want, f"first: {ids}, want {want}")
    same(answer.said["overall"], incident_.overall, "overall")
    same(answer.status, 3 if incident_.overall == "actionable" else 0, "exit status")
    says = incident_.says(stage) if callable(incident_.says) else incident_.says
    told = json.dumps(answer.findings[0] if ids else answer.said)
    for word in [says] if isinstance(says, str) else says:
        check(word in told, f"{word} is not named")


def check_control(answer):
    """Nothing unusual: at most a notice, which is no accusation."""
    grave = [f["id"] for f in answer.findings if f["severity"] != "notice"]
    same(grave, [], "findings of the control")
    same((answer.said["overall"], answer.status), ("nothing_unusual", 0),
         "overall and status")


def verdict(answer, wait, function, *args):
    """None, or what is wrong; Skip where somebody else, who is none of ours, had the CPU
    for so much of the time."""
    try:
        function(*args)
        return None
    except Failed as e:
        if wait > CALM_WAIT:
            return Busy(f"{wait:.1%} of the time waited for a CPU; {e}")
        if answer.stolen > STOLEN:
            return Busy(f"{answer.stolen:.1%} of a CPU's time was stolen; {e}")
        return str(e)


class Run:
    """One run of an incident: what is wrong with each answer, None, or Skip's text."""

    def __init__(self, incident_):
        self.wrong = {}
        self.stage = Stage(shared_agent())
        incident_.stage(self.stage)
        time.sleep(self.stage.lead)
        stage = self.stage
        groups = stage.victim, stage.neighbour, stage.control
        others = others_ran(groups)
        asked = {"victim": Answer(stage.victim, stage.agent, *stage.options),
                 "control": Answer(stage.control, stage.control_agent)}
        for answer in asked.values():
            diag(answer.get())
        victim, control = asked["victim"], asked["control"]
        wait = victim.wait
        if stage.crowded:  # it waits by design: what did the rest of this machine take?
            wait = max(0, (others_ran(groups) - others) / SECONDS - OTHERS_RUN)
        self.wrong["victim"] = verdict(victim, wait, check_victim, incident_, stage,
                                       victim)
        self.wrong["control"] = verdict(control, control.wait, check_control, control)


def add_tests(incident_):
    """Two tests for one run; one that is run again makes another."""
    left = {}  # of the latest run, what no test has told

    def tell(whose):
        if whose not in left:
            left.clear()
            left.update(Run(incident_).wrong)
        wrong = left.pop(whose)
        incident_.results.append((whose, wrong))
        if isinstance(wrong, Skip):
            raise wrong
        check(wrong is None, wrong)

    @test(f"{incident_.name}: `assay why` names {incident_.finding or 'no cause'} first")
    def _():
        tell("victim")

    @test(f"{incident_.name}: nothing unusual in the workload next to it")
    def _():
        tell("control")


def numbers(incident_):
    """Makes an incident and prints what `assay report` has of it: does the fault show, and
    is the control calm?"""
    stage = Stage(shared_agent())
    incident_.stage(stage)
    time.sleep(stage.lead)
    groups = stage.victim, stage.neighbour, stage.control
    waits = [waited(g) for g in groups]
    change = Change(report("--total", "--socket", stage.agent.socket),
                    report("--duration", f"{SECONDS}s", "--socket", stage.agent.socket))
    for group, wait in zip(groups, waits):
        diag(f"{incident_.name}: {group.path}, waited for a CPU: "
             f"{waited(group) - wait:.3f} s of {SECONDS}")
        for m in change.after.workloads.get(group.path, []):
            print_metric(m)


def print_metric(m):
    words = " ".join(re.sub(r".*\.", "", k) + "=" + str(v) for k, v in
                     m["attributes"].items())
    if m["type"] == "histogram":
        if m["count"]:
            diag(f"    {m['name']} {words}: {m['count']} times, {m['sum']:.4g} s, "
                 f"p50 {m['p50']:.3g} s, max {m['max']:.3g} s")
    elif m["value"]:
        diag(f"    {m['name']} {words}: {m['value']:.6g}")


def fits(where):
    """Whether incidents of this kind are made here."""
    return where == (GUEST if IN_GUEST else HOST)


def table(chosen):
    """A line for each incident: how often the fault was named first, and how often the
    control was found to be well, of the runs that tell."""
    for i in chosen:
        cells = []
        for whose in "victim", "control":
            told = [w for who, w in i.results if who == whose and not isinstance(w, Skip)]
            cells.append(f"{sum(w is None for w in told)}/{len(told)}")
        diag(f"table: {i.name} | {'guest' if IN_GUEST else 'host'} | {cells[0]} | {cells[1]}")


def choose(names):
    """The incidents of these names, or all that can be made here."""
    for family in FAMILIES:
        importlib.import_module(family)
    unknown = {*names} - {*incidents}
    if unknown:
        sys.exit(f"no such incident: {', '.join(sorted(unknown))}; there are: "
                 f"{', '.join(incidents)}")
    return [i for i in incidents.values() if (i.name in names if names else fits(i.where))]


def setup():
    own_mounts()
    shared_agent()


def suite(chosen, runs=1):
    """Makes each of them so often, as a suite of tests."""
    for i in chosen:
        for _ in range(runs):
            add_tests(i)
    try:
        tap.main(setup)
    finally:
        table(chosen)
