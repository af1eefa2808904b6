# SPDX-License-Identifier: Apache-2.0
"""The rows about whole applications: how much slower they get, in per cent of what
they take with nothing attached, with all of assay, with all
of its probes switched off, and with all peers together.

In each round nothing is attached at first and in the middle, so that what changes on
the machine within a round is seen (none_spread) and halved."""

from compare import best
from figures import less, middle, paired, quartiles, rounded
from loads import Keys, Requests, Switches
from peers import Biolatency, Runqlat, SegmentScript, Syscount, Tcplife, Together
from sides import Assay, Nothing, Off
from tools import Unavailable, note

LOADS = {"app.pipe": Switches, "app.http": Requests, "app.kv": Keys}
UNIT = "%"
SETTLE_S, WHOLE_S = 8, 10  # before and for a run with a budget


def peers():
    return Together([Runqlat, lambda: Syscount(""), Biolatency, Tcplife, SegmentScript])


class Side:
    """One of the sides and its rounds: ns an operation of each load, by the best of some
    short runs, and by a long one where `whole` is true; settles: only that."""

    def __init__(self, make, whole=False, settles=False):
        self.times, self.long_times = {}, {}
        self.whole, self.settles = whole, settles
        self.reason = self.side = None
        try:
            self.side = make()
        except Unavailable as e:
            self.reason = str(e)

    def measure(self, loads, quick):
        if self.reason:
            return
        try:
            self.side.start()
            try:
                times = {name: self.run(load, quick) for name, load in loads.items()}
            finally:
                self.side.stop()
        except Unavailable as e:
            self.reason = str(e)
            return
        for name, (time, long_time) in times.items():
            self.times.setdefault(name, []).append(time)
            self.long_times.setdefault(name, []).append(long_time)

    def run(self, load, quick):
        short = long_time = None
        if not self.settles:
            short = best(load, quick)[0]
        else:
            load.run(1 if quick else SETTLE_S)
        if self.whole:
            events, ns = load.run(1 if quick else WHOLE_S)
            long_time = ns / events
        return short, long_time


def slowdowns(times, none):
    """Per cent, of each round."""
    return [100 * (t / n - 1) for t, n in zip(times, none)]


NONES = "none 1", "none 2"


def slow_sides(name, sides):
    """Of each side that is compared, by runs as long as its own: per cent, and of nothing
    ns an operation, and its two rounds."""
    nones = [sides[n].times.get(name, []) for n in NONES]
    none = [(a + b) / 2 for a, b in zip(*nones)]
    long_none = [(a + b) / 2 for a, b in
                 zip(*[sides[n].long_times.get(name, []) for n in NONES])]
    slow = {n: slowdowns(sides[n].times.get(name, []), none)
            for n in ("assay", "off", "peer")}
    slow["budget"] = slowdowns(sides["budget"].long_times.get(name, []), long_none)
    return slow, none, nones


def result(name, sides, rounds):
    """A row: budget, assay, off and peer_value are per cent, none is ns an operation."""
    slow, none, nones = slow_sides(name, sides)
    apart = slowdowns(nones[1], nones[0])
    dearer = paired(slow["assay"], slow["peer"])
    values = {n: None if sides[n].reason else middle(v) for n, v in slow.items()}
    row = {"name": name, "unit": UNIT, "none": rounded(middle(none)), "floor": None,
           "budget": rounded(values["budget"]),
           "assay": rounded(values["assay"]), "assay_net": None,
           "off": rounded(values["off"]),
           "peer": str(sides["peer"].side) if sides["peer"].side else None,
           "peer_value": rounded(values["peer"]), "peer_net": None, "ratio": None,
           "gross": rounded(less(values["assay"], 0)), "rounds": rounds,
           "target": None, "dearer": rounded(middle(dearer)),
           "spread": {"of": "quartiles over the rounds; none: of the second from the "
                            "first, in per cent"}}
    row["spread"].update({key: quartiles(v) for key, v in
                          (("budget", slow["budget"]), ("assay", slow["assay"]),
                           ("off", slow["off"]), ("peer_value", slow["peer"]),
                           ("dearer", dearer), ("none", apart)) if v})
    reasons = [f"{n}: {s.reason}" for n, s in sides.items() if s.reason]
    reasons += getattr(sides["peer"].side, "reasons", [])
    if reasons:
        row["skipped"] = "; ".join(reasons)
    return row


def start(names):
    """The loads that run here, started, and why the others do not."""
    loads, reasons = {}, {}
    for name in names:
        try:
            load = LOADS[name]()
            loads[name] = load
            load.start()
        except Unavailable as e:
            reasons[name] = str(e)
            if loads.pop(name, None):
                load.stop()
    return loads, reasons


def measure(names, rounds, quick, before=None):
    """The rows of these names: a side is attached once a round for all loads. before:
    another build's agent, in the place of the peers."""
    loads, reasons = start(names)
    other = (lambda: Assay(binary=before)) if before else peers
    sides = {"none 1": Side(Nothing, whole=True), "assay": Side(Assay),
             "budget": Side(lambda: Assay(budget="1%"), whole=True, settles=True),
             "none 2": Side(Nothing, whole=True), "off": Side(Off), "peer": Side(other)}
    try:
        for i in range(rounds if loads else 0):
            note(f"applications: round {i + 1} of {rounds}")
            for name in list(sides)[::-1 if i % 2 else 1]:
                sides[name].measure(loads, quick)
    finally:
        for load in loads.values():
            load.stop()
    return [result(name, sides, rounds) if name in loads else
            {"name": name, "unit": UNIT, "skipped": reasons[name]} for name in names]
