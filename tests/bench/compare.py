# SPDX-License-Identifier: Apache-2.0
"""The rows that compare: one load, with nothing, empty programs, assay, the peer.

Wall time, in ns per event; a round has the best of WALL_RUNS runs:
  none      nothing attached
  floor     an empty program on each hook of the probe that is compared
  assay     the agent with that probe alone, all its signals
  all       the agent with all probes
  peer      the peer
Then a short run of the same with the kernel's statistics on, which say how long
the programs themselves ran: steadier than wall time, and blind to caches."""

import statistics

from loads import Getppid, Http, Reads, Switches
from sides import Assay, Empty, Nothing, Runqlat, Syscount, TcpProbe
from tools import KernelTime, Unavailable, hooks_of, note

# What disturbs a run only ever makes it longer: a round's value is its best run.
WALL_RUNS = 3
WALL_S = 0.25
STATS_S = 0.2

# The hooks to put the floor on when there is no agent that could be asked.
HOOKS = {
    "sched": ["sched_switch"],
    "syscall": ["sys_enter", "sys_exit"],
    "tcp": ["inet_sock_set_state", "tcp_probe", "net_dev_queue", "tcp_send_reset",
            "tcp_receive_reset"],
}


class Row:
    """One comparison: its load, its probe, its peer and what is asked of it."""

    def __init__(self, name, load, probe, peer, target=None):
        self.name, self.load, self.probe = name, load, probe
        self.peer, self.target = peer, target


ROWS = [
    Row("sched.switch", Switches, "sched", Runqlat, 8),
    Row("syscall.pair", Getppid, "syscall", lambda: Syscount("getppid"), 2),
    Row("syscall.read", Reads, "syscall", lambda: Syscount("read")),
    Row("tcp.packet", Http, "tcp", TcpProbe),
]


class Samples:
    """The rounds of one side."""

    def __init__(self, side):
        self.side = side
        self.wall = []
        self.bpf = []
        self.reason = None

    def measure(self, load, quick):
        """One round: attach, wall time, kernel time, detach, check."""
        events = 0
        self.side.start()
        try:
            wall, events = best(load, quick)
            bpf = 0.0
            if self.side.pid:
                with KernelTime(self.side.pid) as kernel:
                    seen, _ = load.run(0.1 if quick else STATS_S)
                bpf, events = kernel.ns() / seen, events + seen
        finally:
            self.side.stop()
        self.side.check(events)
        self.wall.append(wall)
        self.bpf.append(bpf)


def best(load, quick):
    """The shortest of a few runs in ns per event, and the events of all of them."""
    runs = [load.run(0.1 if quick else WALL_S) for _ in range(load.runs or WALL_RUNS)]
    return min(ns / seen for seen, ns in runs), sum(seen for seen, _ in runs)


def quartiles(values):
    if len(values) < 2:
        return [round(v, 1) for v in values * 2]
    q = statistics.quantiles(values, n=4, method="inclusive")
    return [round(q[0], 1), round(q[2], 1)]


def agent_hooks(probe):
    """The hooks that the agent really has for a probe, or None without an agent."""
    agent = Assay([probe])
    try:
        agent.start()
    except Unavailable as e:
        return None, str(e)
    try:
        return agent.hooks(), None
    finally:
        agent.stop()


def sides_of(row):
    """The sides by name; the ones that do not run here carry the reason."""
    hooks, reason = agent_hooks(row.probe)
    sides = {"none": Samples(Nothing()),
             "floor": Samples(Empty(hooks or HOOKS[row.probe])),
             "assay": Samples(Assay([row.probe])), "all": Samples(Assay())}
    sides["assay"].reason = sides["all"].reason = reason
    try:
        sides["peer"] = Samples(row.peer())
    except Unavailable as e:
        sides["peer"] = Samples(None)
        sides["peer"].reason = str(e)
    return sides


def order(names, i):
    """Another one first in each round, and back to front in every second."""
    names = names[i % len(names):] + names[:i % len(names)]
    return names[::-1] if i % 2 else names


def measure(row, rounds, quick):
    """All rounds of a row; the finished row of bench.json."""
    load = row.load()
    load.start()
    try:
        sides, others = sides_of(row), 0
        for i in range(rounds):
            note(f"{row.name}: round {i + 1} of {rounds}")
            others = max(others, foreign(sides["floor"].side.hooks))
            for name in order(list(sides), i):
                if sides[name].reason:
                    continue
                try:
                    sides[name].measure(load, quick)
                except Unavailable as e:
                    sides[name].reason = str(e)
    finally:
        load.stop()
    return {**result(row, sides), "foreign_programs": others}


def foreign(hooks):
    """How many programs of others are on these hooks: they spoil what is measured."""
    return sum(hook in hooks for hook in hooks_of())


def middle(values):
    return statistics.median(values) if values else None


def less(a, b):
    return None if a is None or b is None else a - b


def over(a, b):
    """a / b as a ratio of costs; None when the smaller one is lost in the noise."""
    return None if a is None or b is None or b <= 0 else a / b


def paired(a, b):
    """The differences of the rounds that both have."""
    return [x - y for x, y in zip(a, b)]


def spread(good):
    """Quartiles over the rounds of each value, and of each round's own difference."""
    wall = {name: samples.wall for name, samples in good.items()}
    pairs = {"assay_net": ("assay", "floor"), "peer_net": ("peer", "floor"),
             "gross": ("all", "none")}
    named = {"none": "none", "floor": "floor", "assay": "assay", "all": "assay_all",
             "peer": "peer_value"}
    out = {"of": "quartiles over the rounds; *_net, gross: of each round's difference"}
    out.update({named[name]: quartiles(wall[name]) for name in wall})
    out.update({name: quartiles(paired(wall[a], wall[b]))
                for name, (a, b) in pairs.items() if a in wall and b in wall})
    return out


def result(row, sides):
    """The row as the issue defines it, and the same by the kernel's own clock."""
    good = {n: s for n, s in sides.items() if not s.reason and s.wall}
    wall = {n: middle(good[n].wall) if n in good else None for n in sides}
    bpf = {n: middle(good[n].bpf) if n in good else None for n in sides}
    peer = sides["peer"].side
    out = {
        "name": row.name, "unit": "ns", "none": wall["none"], "floor": wall["floor"],
        "assay": wall["assay"], "assay_net": less(wall["assay"], wall["floor"]),
        "peer": " ".join(peer.argv) if peer else None,
        "peer_value": wall["peer"], "peer_net": less(wall["peer"], wall["floor"]),
        "assay_all": wall["all"], "gross": less(wall["all"], wall["none"]),
        "floor_bpf": bpf["floor"],
        "assay_bpf_net": less(bpf["assay"], bpf["floor"]),
        "peer_bpf_net": less(bpf["peer"], bpf["floor"]),
        "rounds": len(sides["floor"].wall), "target": row.target,
    }
    out["ratio"] = over(out["peer_net"], out["assay_net"])
    out["ratio_bpf"] = over(out["peer_bpf_net"], out["assay_bpf_net"])
    out = {k: round(v, 2) if isinstance(v, float) else v for k, v in out.items()}
    out["hooks"] = getattr(sides["floor"].side, "hooks", [])
    out["spread"] = spread(good)
    reasons = {n: s.reason for n, s in sides.items() if s.reason}
    if reasons:
        out["skipped"] = "; ".join(sorted({f"{n}: {r}" for n, r in reasons.items()}))
    return out
