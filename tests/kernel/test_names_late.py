#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Names that come at once, after 10 s, after 40 s and never, with the 30 s for which exports
wait: each call is counted once, at any moment."""

import os
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from identities import below, new_id, put_bundle
from node import PATIENCE, Agent, Cgroup, Load, scratch, wait_for
from tap import between, diag, main, need_root, same, test

need_root()

# of calls whose errno nobody else on the machine has: other suites have containers, too,
# that nothing names to this agent
ERRORS = "assay.syscall.errors"
WHEN = "at once", "10 s", "40 s", "never"


class Late:
    """Four pods that do the same, and an agent."""

    def __init__(self):
        self.root = scratch()
        os.makedirs(f"{self.root}/etc")
        with open(f"{self.root}/etc/machine-id", "w") as f:
            f.write(uuid.uuid4().hex + "\n")
        self.agent = Agent("--probes", "syscall", "--export-interval", "1s", "--host-root",
                           self.root)
        wait_for(lambda: os.path.exists(self.agent.exports), PATIENCE, "an export")
        self.ids = {when: new_id() for when in WHEN}
        self.cgroups = {when: below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", number)
                        for when, number in self.ids.items()}
        self.name("at once", "at-once")
        self.began, self.asked = time.monotonic(), 0
        self.loads = [Load(cgroup, "traps") for cgroup in self.cgroups.values()]

    def name(self, when, name):
        put_bundle(self.root, self.ids[when], "late", name, "app")

    def calls(self, wanted):
        return Exports(self.agent.exports).sum(ERRORS, wanted, type="ENOTBLK")

    def unknown(self):
        return self.calls(lambda r: r["assay.workload.kind"] == "unknown")

    def own(self, when):
        return self.calls(lambda r: r.get("process.linux.cgroup") == self.cgroups[when].path)

    def say(self, when):
        """What exports have of this one, series by series."""
        exports = Exports(self.agent.exports)
        for (instance, name, start, attrs), value in exports.series.items():
            if name == ERRORS and instance[1] == self.cgroups[when].path:
                diag(f"{instance[0]} from {start}: {value} {dict(attrs)}")
        diag(f"the agent: {self.agent.said()}")

    def ask(self, count):
        """Has each of them make so many calls."""
        for load in self.loads:
            load.ask("enotblk", count)
        self.asked += count

    def until(self, seconds):
        time.sleep(max(0, self.began + seconds - time.monotonic()))

    def seen(self):
        """What exports have now: of the one with its name, which is what each of them did;
        of the others, and in `unknown`."""
        time.sleep(2.5)  # two exports
        each = self.own("at once")
        if each != self.asked:
            self.say("at once")
        same(each, self.asked, "calls of the one that has its name")
        return (each, *map(self.own, WHEN[1:]), self.unknown())

    def is_named(self, when):
        """Who has its name too late has series of its own from its next calls on."""
        self.ask(1)
        return self.own(when)

    def end(self):
        for load in self.loads:
            load.close()
        for cgroup in self.cgroups.values():
            cgroup.remove()


@test("names that come after 10 s, after 40 s, and never: each call is counted once, under its "
      "name or in `unknown`, at any moment")
def _():
    late = Late()
    late.ask(1000)
    each, ten, forty, never, unknown = late.seen()
    same((ten, forty, never, unknown), (0, 0, 0, 0), "calls before there are names")

    late.until(10)
    late.name("10 s", "ten")
    wait_for(lambda: late.own("10 s"), 8, "the one that has its name after 10 s", 0.3)
    late.ask(2000)
    each, ten, forty, never, unknown = late.seen()
    same((ten, forty, never, unknown), (each, 0, 0, 0), "calls when one has its name in time")

    late.until(34)
    each, ten, forty, never, unknown = late.seen()
    same((ten, forty, never, unknown), (each, 0, 0, 2 * each), "calls when 30 s are over")
    at_30 = each

    late.until(40)
    late.name("40 s", "forty")
    wait_for(lambda: late.is_named("40 s"), PATIENCE, "the name of 40 s", 1)
    diag(f"the name of 40 s is there after {time.monotonic() - late.began:.1f} s")
    late.ask(3000)
    each, ten, forty, never, unknown = late.seen()
    same((ten, never, forty + unknown), (each, 0, 2 * each),
         "calls when one has its name too late")
    between(forty, 3000, each - at_30, "calls of that one: those since it has its name")

    late.end()
    after = late.seen()
    same((after[1], after[3], after[2] + after[4]), (after[0], 0, 2 * after[0]),
         "calls when all are gone")
    same(after[2], forty, "calls of the one whose name came too late")


main()
