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


def peers():
    return Together([Runqlat, lambda: Syscount(""), Biolatency, Tcplife, SegmentScript])


class Side:
    """One of the sides and its rounds: ns an operation of each load."""

    def __init__(self, make):
        self.times = {}
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
                times = {name: best(load, quick)[0] for name, load in loads.items()}
            finally:
                self.side.stop()
        except Unavailable as e:
            self.reason = str(e)
            return
        for name, time in times.items():
            self.times.setdefault(name, []).append(time)


def slowdowns(times, none):
    """Per cent, of each round."""
    return [100 * (t / n - 1) for t, n in zip(times, none)]


def result(name, sides, rounds):
    """A row: assay and peer_value are per cent, none is ns an operation."""
    nones = [sides[n].times.get(name, []) for n in ("none 1", "none 2")]
    none = [(a + b) / 2 for a, b in zip(*nones)]
    slow = {n: slowdowns(sides[n].times.get(name, []), none) for n in ("assay", "off", "peer")}
    apart = slowdowns(nones[1], nones[0])
    dearer = paired(slow["assay"], slow["peer"])
    values = {n: None if sides[n].reason else middle(v) for n, v in slow.items()}
    row = {"name": name, "unit": UNIT, "none": rounded(middle(none)), "floor": None,
           "assay": rounded(values["assay"]), "assay_net": None,
           "off": rounded(values["off"]),
           "peer": str(sides["peer"].side) if sides["peer"].side else None,
           "peer_value": rounded(values["peer"]), "peer_net": None, "ratio": None,
           "gross": rounded(less(values["assay"], 0)), "rounds": rounds,
           "target": None, "dearer": rounded(middle(dearer)),
           "spread": {"of": "quartiles over the rounds; none: of the second from the "
                            "first, in per cent"}}
    row["spread"].update({key: quartiles(v) for key, v in
                          (("assay", slow["assay"]), ("off", slow["off"]),
                           ("peer_value", slow["peer"]),
                           ("dearer", dearer),
                           ("none", apart)) if v})
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
    sides = {"none 1": Side(Nothing), "assay": Side(Assay), "none 2": Side(Nothing),
             "off": Side(Off), "peer": Side(other)}
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
