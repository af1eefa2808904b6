# SPDX-License-Identifier: Apache-2.0
"""What an agent says, and how that changes."""

from tap import Busy, between, check, diag, hints, same


class Numbers:
    """What one `assay report --format json` said."""

    skip_when_full = True  # False where slots that run out are what is tested

    def __init__(self, report):
        self.report = report
        self.workloads = {}
        for w in report["workloads"]:
            self.workloads.setdefault(w["cgroup"], []).extend(w["metrics"])

    def points(self, cgroup, name, **attributes):
        """The points of a metric with these attributes, which are named by their
        last word: class_="file", type="ENOENT", role="server"."""
        path = cgroup if isinstance(cgroup, str) else cgroup.path
        if self.skip_when_full and path not in self.workloads and self.was_full():
            # another suite's, or the machine's own: their agents share the node with ours
            raise Busy(f"others' cgroups took all slots, {path} "
                       "counts in the overflow")
        want = {k.rstrip("_"): v for k, v in attributes.items()}
        return [m for m in self.workloads.get(path, []) if m["name"] == name and
                all(match(m["attributes"], k, v) for k, v in want.items())]

    def value(self, cgroup, name, **attributes):
        """Sum of the values, or of the counts of a histogram; 0 if there is none."""
        return sum(m["count"] if m["type"] == "histogram" else m["value"]
                   for m in self.points(cgroup, name, **attributes))

    def seconds(self, cgroup, name, **attributes):
        """Sum of a histogram's sums."""
        return sum(m["sum"] for m in self.points(cgroup, name, **attributes))

    def by(self, cgroup, name, attribute, **attributes):
        """The values as a dict keyed by the last word of an attribute's name."""
        values = {}
        for m in self.points(cgroup, name, **attributes):
            for key, value in m["attributes"].items():
                if key.split(".")[-1] == attribute:
                    number = m["count"] if m["type"] == "histogram" else m["value"]
                    values[value] = values.get(value, 0) + number
        return {k: v for k, v in values.items() if v}

    def errors(self, cgroup):
        """What the column ERRORS has of all the time of the report, and the worst kind."""
        columns = [w["columns"] for w in self.report["workloads"] if w["cgroup"] == cgroup.path]
        check(len(columns) == 1, f"{cgroup.path}: {len(columns)} rows, want 1")
        return round(columns[0]["errors"] * self.report["duration_s"], 3), columns[0]["worst"]

    def p50(self, cgroup, name, **attributes):
        points = self.points(cgroup, name, **attributes)
        check(len(points) == 1, f"{name}: {len(points)} points, want 1")
        return points[0]["p50"]

    def was_full(self):
        """Whether a cgroup has ever found no slot."""
        return any(reason == "slots_full" for _, reason in self.lost())

    def lost(self):
        return {(l["probe"], l["reason"]): l["count"] for l in self.report["lost"]}

    def late_passes(self):
        return sum(n for (_, reason), n in self.lost().items() if reason == "walk_interrupted")

    def states(self):
        return {p["name"]: p["state"] for p in self.report["probes"]}


def match(attributes, key, value):
    return any(v == value and k.split(".")[-1] == key for k, v in attributes.items())


class Change:
    """The difference of two Numbers of the same agent."""

    def __init__(self, before, after):
        self.before, self.after = before, after
        hints["lost in the latest change"] = self.lost

    def value(self, *args, **attributes):
        return (self.after.value(*args, **attributes) -
                self.before.value(*args, **attributes))

    def seconds(self, *args, **attributes):
        return (self.after.seconds(*args, **attributes) -
                self.before.seconds(*args, **attributes))

    def by(self, *args, **attributes):
        before = self.before.by(*args, **attributes)
        after = self.after.by(*args, **attributes)
        return difference(before, after)

    def lost(self):
        return difference(self.before.lost(), self.after.lost())

    def skipped(self, probe):
        """How often a program of the probe did not run. One that is preempted (7.x), or
        interrupted by what it should run for, keeps others of its hook out: the kernel
        skips them, and counts that. Each may have been the end of something."""
        return self.lost().get((probe, "recursion"), 0)

    def exact(self, probe, got, want, what):
        """As many as wanted, in a number or by key, but for what the kernel skipped."""
        allowed = self.skipped(probe)
        if not allowed:
            same(got, want, what)
            return
        diag(f"{what}: got {got}, want {want}, {allowed} skipped")
        if not isinstance(want, dict):
            got, want = {"": got}, {"": want}
        for key in {*got, *want}:
            between(got.get(key, 0), want.get(key, 0) - allowed, want.get(key, 0), what)


def difference(before, after):
    """after - before, key by key, without zeroes."""
    keys = {*before, *after}
    change = {k: after.get(k, 0) - before.get(k, 0) for k in keys}
    return {k: n for k, n in change.items() if n}
