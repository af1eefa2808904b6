#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a task sleeps is no wait for a CPU, though the kernel's own sums take it for one
when the task is moved while its dequeue is delayed (Linux 6.12 and later). The truth is
from the moments of waking, by a program of the test's own: wakes.bpf.c."""
# vm: kernels=6.1,6.12,7.x,cpus16,rt,fallbacks ci=none timeout=2700

import os
import sys
import time

sys.dont_write_bytecode = True
os.environ.setdefault("TEST_PATIENCE", "100")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bpf
from crowd import crowd
from node import IN_GUEST, Agent, Cgroup, Load, least_memory, wait_for
from tap import Busy, Skip, between, check, diag, main, need_root, same, test
from waits import Waits, since

need_root()

WAIT = "assay.sched.wait.duration"
CULPRIT = "assay.sched.wait.culprit.time"
AGE = "assay.inflight.age"
LOST = "sched", "delayed_dequeue"
MILLISECONDS = int(os.environ.get("ASSAY_TEST_BALANCE_MS", 6000))  # of load
CPUS = sorted(os.sched_getaffinity(0))
ROUNDS = 40  # at most, until three of them have met a delayed dequeue
SLEEP_MS = 300
# The truth looks at the clock a little later than the run queue's was set, and the
# machine may be elsewhere meanwhile; a sleep is longer by far. There are machines where
# BPF sees nothing of what happens while PID 1 runs: the truth says how many wake-ups
# it has missed.
LATER_S = 100e-6 if IN_GUEST else 10e-6
LATER_SHARE = 0.1 if IN_GUEST else 0.01
ELSEWHERE_S = SLEEP_MS / 2000
with open("/sys/kernel/btf/vmlinux", "rb") as btf:
    DELAYS = b"\0sched_delayed\0" in btf.read()
agent = truth = None


def setup():
    global agent, truth
    if len(CPUS) < 2:
        raise Skip("one CPU")
    agent = Agent("--probes", "sched", "--memory", least_memory())
    agent.need("sched")
    truth = Waits()


def watched(name):
    cgroup = Cgroup(name)
    truth.of(cgroup)
    return cgroup


class Moment:
    """The agent's numbers and the truth of a cgroup, while nothing happens in there."""

    def __init__(self, cgroup, of=None):
        for _ in range(30):
            self.truth = truth.of(cgroup)
            self.numbers = (of or agent).total()
            if truth.of(cgroup) == self.truth:
                break
        else:
            raise Busy("the load is never at rest")
        if not self.numbers.workloads.get(cgroup.path) and \
                self.numbers.lost().get(("sched", "slots_full")):
            raise Skip("the machine is full of others' cgroups")
        self.cgroup = cgroup
        self.lost = self.numbers.lost().get(LOST, 0)

    def samples(self):
        return self.numbers.value(self.cgroup, WAIT)

    def waited(self):
        return self.numbers.seconds(self.cgroup, WAIT)

    def longest(self):
        return max((p["max"] for p in self.numbers.points(self.cgroup, WAIT)), default=0)


def agree(before, after):
    """Each wait is a sample but for those that cannot be told, and none is longer than
    from the wake-up. Returns how many could not be told."""
    t = since(before.truth, after.truth)
    waited = after.waited() - before.waited()
    samples = after.samples() - before.samples()
    lost = after.lost - before.lost
    diag(f"truth {t}; ours {waited:.6f} s in {samples}, lost {lost}")
    clear, half = t["clear_ns"] / 1e9, t["half_ns"] / 1e9
    longest = max(t["longest_ns"] / 1e9, 1e-6)
    between(samples - t["clear"] - t["half"], 0, t["unseen"], "samples beside the truth's")
    slack = LATER_SHARE * clear + LATER_S * samples + ELSEWHERE_S
    check(waited >= clear - slack, f"waits {waited} s, in truth {clear} s")
    if not after.truth["unseen"]:  # of those nobody knows how long they were
        check(waited <= clear + half + slack, f"waits {waited} s, in truth {clear} s")
        check(after.longest() <= 1.1 * longest + ELSEWHERE_S + half,
              f"the longest is {after.longest()} s, in truth {longest} s")
    blamed = sum(after.numbers.by(after.cgroup, CULPRIT, "culprit").values()) - \
        sum(before.numbers.by(before.cgroup, CULPRIT, "culprit").values())
    # less, when one of them is told no more
    check(blamed < waited + 1e-6, f"blamed {blamed} s, waited {waited} s")
    check(lost >= t["moved"], f"{lost} are lost, {t['moved']} were moved asleep")
    return t["moved"]


def some_are_met(enough, turn):
    """Has a turn happen until enough of them have met a delayed dequeue, as far as this
    kernel has that."""
    found = 0
    for _ in range(ROUNDS):
        found += turn()
        if found >= enough or not DELAYS:
            break
    if not DELAYS:
        same(found, 0, "delayed dequeues of a kernel without")
    elif found < enough:
        raise Busy(f"{found} of {ROUNDS} were moved in time")


def delayed(name):
    cgroup = watched(name)
    return cgroup, Load(cgroup, "delayed", CPUS[-1], CPUS[0])


@test("a sleeper that is moved while its dequeue is delayed does not wait meanwhile")
def _():
    cgroup, load = delayed("moved")

    def turn():
        before = Moment(cgroup)
        load.ask("round", SLEEP_MS)
        return agree(before, Moment(cgroup))
    some_are_met(3, turn)


@test("while it sleeps nobody is told to wait for a CPU")
def _():
    cgroup, load = delayed("age")

    def turn():
        moves = truth.of(cgroup)["moves"]
        load.ask("still")
        time.sleep(1)
        for _ in range(3):
            found = agent.total(0).by(cgroup, AGE, "operation")
            check(found.get("sched.wait", 0) < 0.9, f"{found} while all of it sleeps")
        load.ask("over")
        return truth.of(cgroup)["moves"] - moves
    some_are_met(1, turn)


@test("what was asleep like that when the agent came is no wait, either")
def _():
    cgroup, load = delayed("early")

    def turn():
        moves = truth.of(cgroup)["moves"]
        load.ask("still")
        if truth.of(cgroup)["moves"] == moves:
            load.ask("over")
            return 0
        late = Agent("--probes", "sched")
        before = Moment(cgroup, late)
        load.ask("over")
        return agree(before, Moment(cgroup, late))
    some_are_met(1, turn)


@test("nor what went to sleep while the probe was off")
def _():
    cgroup, load = delayed("off")

    def turn():
        agent.tune("sched", "enabled=false")
        load.ask("still")
        agent.tune("sched", "enabled=true")
        before = Moment(cgroup)
        load.ask("over")
        return agree(before, Moment(cgroup))
    some_are_met(1, turn)


@test("what was over while the probe was off takes no later wait with it")
def _():
    cgroup, load = delayed("over")

    def turn():
        agent.tune("sched", "enabled=false")
        moved = truth.of(cgroup)["moved"]
        load.ask("round", SLEEP_MS)
        agent.tune("sched", "enabled=true")
        before = Moment(cgroup)
        load.ask("nap", 10)
        same(agree(before, Moment(cgroup)), 0, "naps that were moved")
        return before.truth["moved"] - moved
    some_are_met(1, turn)


def in_a_crowd(cgroup, loads, of):
    def turn():
        before = Moment(cgroup, of)
        for load in loads:
            load.ask("round", 50)
        return agree(before, Moment(cgroup, of))
    some_are_met(6, turn)


def take_all_entries():
    if IN_GUEST:
        raise Skip("too many threads for a guest")
    crowd(bpf.entries(agent.pid(), "threads"))


def six_of(name):
    cgroup = watched(name)
    return cgroup, [Load(cgroup, "delayed", CPUS[-1], CPUS[0]) for _ in range(6)]


@test("it is so for threads whose entry in the table is taken")
def _():
    take_all_entries()
    in_a_crowd(*six_of("crowded"), agent)


def outsiders(name):
    """Loads outside the PID namespace of an agent, which has no entry for them."""
    cgroup, loads = six_of(name)
    inside = Agent("--probes", "sched", "--memory", least_memory(),
                   prefix=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"))
    take_all_entries()
    for load in loads:
        load.ask("round", 1)  # this is where they are met
    return cgroup, loads, inside


@test("and for those that are outside the agent's PID namespace, too: they have none")
def _():
    in_a_crowd(*outsiders("outside"))


@test("what is noted of one of those goes with it, also while the probe is off")
def _():
    cgroup, loads, inside = outsiders("gone")
    inside.tune("sched", "enabled=false")

    def asleep():
        return set(bpf.hashes(inside.pid()).get("sched_asleep", ()))

    def is_told():
        """The gauge says how many are noted; some may come and go."""
        before, (said, _), after = (len(asleep()),
                                    inside.pools()["threads_moved_asleep"], len(asleep()))
        between(said, min(before, after) - 5, max(before, after) + 5, "noted, as told")

    def turn():
        """What is noted of the last load, if it was moved; others of the node may be, too."""
        moves, before = truth.of(cgroup)["moves"], asleep()
        loads[-1].ask("still")
        return asleep() - before if truth.of(cgroup)["moves"] > moves else set()
    noted = 0
    while loads:
        new = turn()
        loads.pop().close()
        if len(new) == 1:  # else it has run again meanwhile, or who is it?
            noted += 1
            is_told()
            wait_for(lambda key=new: not key & asleep(), 20,
                     "what is noted of the dead to be forgotten")
    is_told()
    if not noted:
        raise Skip("nobody was moved asleep, or not for long")


@test("with no room to note it, none of their sleeps is a wait: all are counted as lost")
def _():
    cgroup, loads, inside = outsiders("full")
    bpf.fill(inside.pid(), "sched_asleep", 1024)

    def turn():
        before = Moment(cgroup, inside)
        for load in loads:
            load.ask("round", SLEEP_MS)
        after = Moment(cgroup, inside)
        t = since(before.truth, after.truth)
        waited = after.waited() - before.waited()
        lost = after.lost - before.lost
        diag(f"truth {t}; ours {waited:.6f} s, lost {lost}")
        if not after.truth["unseen"]:
            check(waited <= (t["clear_ns"] + t["half_ns"]) / 1e9 + ELSEWHERE_S,
                  f"waits {waited} s")
        check(lost >= t["moved"], f"{lost} are lost, {t['moved']} were moved asleep")
        return t["moved"]
    some_are_met(3, turn)


@test(f"waits under {MILLISECONDS / 1000:g} s of load that is balanced are true")
def _():
    cgroup = watched("restless")
    load = Load(cgroup, "restless", 12, 3)
    before = Moment(cgroup)
    moves = load.ask("run", MILLISECONDS)["moves"]
    found = agree(before, Moment(cgroup))
    diag(f"{moves} moves, {found} of them of a delayed dequeue")


@test("migrations are looked at on a kernel that delays dequeues, and on no other")
def _():
    names = {bpf.prog_info(i)["name"] for kind, i in bpf.held_by(agent.pid())
             if kind == "prog"}
    check(names & {"sched_switch", "sched_switch_se", "sched_switch_ba"},
          f"what the agent holds: {names}")
    same("sched_migrate" in names, DELAYS, "its program is attached")


main(setup)
