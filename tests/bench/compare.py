# SPDX-License-Identifier: Apache-2.0
"""The rows that compare: one load, with nothing, empty programs, assay, each peer.

Two measures, in ns per event, a round of each side after the other:

wall time:
  none      nothing attached
  floor     an empty program on each hook of the probe that is compared
  assay     the agent with that probe alone, all its signals
  all       the agent with all probes
  peer      the peer; with --before, the agent of another build instead of the peers
program time: the kernel's statistics of the programs themselves in short runs of the
  same, net: less what an empty program on the same hook takes in the same round,
  as often as the program ran. It decides: it is far steadier than wall time. It is
  blind to what a tracepoint takes to prepare its arguments, which favours the peers."""

import re

from figures import at_least, less, middle, over, paired, quartiles, rounded
from loads import Blocks, Connections, Datagrams, Getppid, Http, Reads, Ring, Switches
from peers import (Biolatency, BlockScript, ConnectionScript, DnsScript, Runqlat,
                   SegmentScript, Syscount, Tcplife, Tcpstates)
from sides import Assay, Empty, Nothing
from tools import KernelTime, Unavailable, note, strangers

# What disturbs a run only ever makes it longer: a round's value is its best run.
RUNS = 3
WALL_S = 0.25
STATS_S = 0.15

# The hooks to put the floor on when there is no agent that could be asked.
HOOKS = {
    "sched": ["sched_switch"],
    "syscall": ["sys_enter", "sys_exit"],
    "tcp": ["inet_sock_set_state", "tcp_probe", "net_dev_queue", "tcp_send_reset",
            "tcp_receive_reset"],
    "block": ["block_rq_complete"],
    "dns": ["netif_receive_skb", "net_dev_queue"],
}


class Row:
    """One comparison: its load, its probe, its peers and what is asked of it.

    only: of the probe's programs these are compared, the others have another row.
    steady: how often a side's busiest program runs an event. What the rest of the
    machine does on the same hooks is then not charged to the load's events.
    gross: whether the agent with all probes is measured too."""

    def __init__(self, name, load, probe, peers, target, only=None, steady=None,
                 gross=False):
        self.name, self.load, self.probe, self.peers = name, load, probe, peers
        self.target, self.only, self.steady, self.gross = target, only, steady, gross


ROWS = [
    Row("sched.switch", Switches, "sched", [Runqlat], 8, steady=1, gross=True),
    Row("sched.cold", Ring, "sched", [Runqlat], 8, steady=1),
    Row("syscall.pair", Getppid, "syscall", [lambda: Syscount("getppid")], 2, steady=1,
        gross=True),
    Row("syscall.read", Reads, "syscall", [lambda: Syscount("read")], 2, steady=1),
    Row("tcp.packet", Http, "tcp", [SegmentScript], 2, gross=True),
    Row("tcp.connection", Connections, "tcp", [Tcplife, Tcpstates, ConnectionScript], 2,
        only="tcp_(state|gone)", gross=True),
    Row("dns.packet", Datagrams, "dns", [DnsScript], 2, only="dns_packet_in", steady=1),
    Row("block.request", Blocks, "block", [Biolatency, BlockScript], 2),
]


class Programs:
    """The kernel's statistics of a side's programs over some events."""

    def __init__(self, programs, events, steady):
        self.programs = programs
        busiest = max((runs for runs, _ in programs.values()), default=0)
        self.events = max(events, busiest / steady) if steady else events

    def each_run(self):
        """ns of a run by hook, and over all, if these are the empty programs."""
        by = {hook: ns / runs for (hook, _), (runs, ns) in self.programs.items()
              if runs >= 1000}
        runs, ns = map(sum, zip(*self.programs.values()))
        by[None] = ns / max(runs, 1)
        return by

    def gross(self):
        return sum(ns for _, ns in self.programs.values()) / self.events

    def net(self, empty, only=None):
        """ns an event above empty programs, all or those whose name fits only."""
        return sum(self.net_of(key, empty) * self.programs[key][0] / self.events
                   for key in self.programs if fits(key, only))

    def net_of(self, key, empty):
        """ns a run of one of them above an empty one."""
        runs, ns = self.programs[key]
        return ns / runs - empty.get(key[0], empty[None]) if runs else 0.0

    def table(self, empty):
        """By name: net ns of a run, and runs an event."""
        return {name: {"net_ns": round(self.net_of((hook, name), empty), 1),
                       "runs": round(self.programs[hook, name][0] / self.events, 3)}
                for hook, name in sorted(self.programs)
                if self.programs[hook, name][0] >= self.events / 1000}


def fits(key, only):
    return not only or re.fullmatch(only, key[1])


class Samples:
    """The rounds of one side."""

    def __init__(self, side, row):
        self.side = side
        self.row = row
        self.wall = []
        self.bpf = []
        self.reason = None

    def measure(self, load, quick):
        """One round: attach, wall time, program time, detach, check."""
        bpf = None
        self.side.start()
        try:
            wall, events = best(load, quick)
            if self.side.pids:
                runs = [self.programs(load, quick) for _ in repeats(load, quick)]
                events += sum(seen for seen, _ in runs)
                bpf = min((p for _, p in runs), key=Programs.gross)
        finally:
            self.side.stop()
        self.side.check(events)
        self.wall.append(wall)
        self.bpf.append(bpf)

    def programs(self, load, quick):
        """The events of a run, and the statistics of the programs over it."""
        with KernelTime(self.side.pids) as kernel:
            seen, _ = load.run(0.1 if quick else STATS_S)
        return seen, Programs(kernel.programs, seen, self.row.steady)


def repeats(load, quick):
    return range(1 if quick else load.runs or RUNS)


def best(load, quick):
    """The shortest of a few runs in ns per event, and the events of all of them."""
    runs = [load.run(0.1 if quick else WALL_S) for _ in repeats(load, quick)]
    return min(ns / seen for seen, ns in runs), sum(seen for seen, _ in runs)


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


def sides_of(row, before):
    """The sides by name; the ones that do not run here carry the reason."""
    hooks, reason = agent_hooks(row.probe)
    made = {"none": Nothing(), "floor": Empty(hooks or HOOKS[row.probe]),
            "assay": Assay([row.probe])}
    if row.gross:
        made["all"] = Assay()
    sides = {name: Samples(side, row) for name, side in made.items()}
    for name in set(sides) - {"none", "floor"}:
        sides[name].reason = reason
    peers = [lambda: Assay([row.probe], binary=before)] if before else row.peers
    for kind in peers:
        name = f"peer {sum(n.startswith('peer') for n in sides)}"
        try:
            sides[name] = Samples(kind(), row)
        except Unavailable as e:
            sides[name] = Samples(None, row)
            sides[name].reason = str(e)
    return sides


def order(names, i):
    """Another one first in each round, and back to front in every second."""
    names = names[i % len(names):] + names[:i % len(names)]
    return names[::-1] if i % 2 else names


def measure(row, rounds, quick, before=None):
    """All rounds of a row; the finished row of bench.json."""
    load = row.load()
    load.start()
    try:
        sides, others = sides_of(row, before), set()
        for i in range(rounds):
            note(f"{row.name}: round {i + 1} of {rounds}")
            others.update(strangers(sides["floor"].side.hooks))
            for name in order(list(sides), i):
                if sides[name].reason:
                    continue
                sides[name].reason = twice(sides[name], load, quick)
    finally:
        load.stop()
    return {**result(row, sides), "foreign_programs": sorted(others)}


def twice(samples, load, quick):
    """A round of a side, tried again once; why it does not run here, or None."""
    reason = None
    for _ in range(2):
        try:
            samples.measure(load, quick)
            return None
        except Unavailable as e:
            reason = str(e)
    return reason


class Figures:
    """The rounds of a row in numbers: wall and net program time of each good side."""

    def __init__(self, row, sides):
        self.good = {n: s for n, s in sides.items() if not s.reason and s.wall}
        floor = self.good.get("floor")
        self.empty = [p.each_run() for p in floor.bpf] if floor else []
        self.wall = {n: s.wall for n, s in self.good.items()}
        self.net = {n: self.nets(s, row.only if isinstance(s.side, Assay) else None)
                    for n, s in self.good.items() if n not in ("none", "floor")}
        peers = [n for n in self.good if n.startswith("peer")]
        self.best = min(peers, key=lambda n: middle(self.net[n]) or 0, default=None)

    def nets(self, samples, only):
        return [p.net(e, only) for p, e in zip(samples.bpf, self.empty)]

    def program_table(self, name):
        """The middle round's programs of a side, as the middle is by its net."""
        if not self.net.get(name):
            return None
        i = sorted(range(len(self.net[name])), key=self.net[name].__getitem__)
        i = i[len(i) // 2]
        return self.good[name].bpf[i].table(self.empty[i])

    def ratios(self):
        """Of each round."""
        a, p = self.net.get("assay", []), self.net.get(self.best, [])
        return [at_least(y, x) for x, y in zip(a, p)]

    def dearer(self):
        """By how many ns we cost more than the best peer, in each round."""
        return paired(self.net.get("assay", []), self.net.get(self.best, []))

    def spread(self):
        """Quartiles over the rounds of each value, and of each round's difference."""
        pairs = {"assay_net": ("assay", "floor"), "peer_net": (self.best, "floor"),
                 "dearer": ("assay", self.best),
                 "gross": ("all", "none")}
        named = {"none": "none", "floor": "floor", "assay": "assay", "all": "assay_all",
                 self.best: "peer_value"}
        out = {"of": "quartiles over the rounds; *_net, gross: of each round's "
                     "difference; *_bpf_net, ratio_bpf: of each round's own"}
        out.update({named[n]: quartiles(v) for n, v in self.wall.items() if n in named})
        out.update({n: quartiles(paired(self.wall[a], self.wall[b]))
                    for n, (a, b) in pairs.items() if a in self.wall and b in self.wall})
        for name, key in (("assay", "assay_bpf_net"), (self.best, "peer_bpf_net")):
            if self.net.get(name):
                out[key] = quartiles(self.net[name])
        if self.ratios():
            out["ratio_bpf"] = quartiles(self.ratios())
            out["dearer_bpf"] = quartiles(self.dearer())
        return out


def peer_rows(sides, figures):
    """Every peer, also those that were dearer or did not run."""
    floor = middle(figures.wall.get("floor"))
    return [{"name": str(s.side) if s.side else None, "skipped": s.reason,
             "value": rounded(middle(figures.wall.get(n))),
             "net": rounded(less(middle(figures.wall.get(n)), floor)),
             "bpf_net": rounded(middle(figures.net.get(n))),
             "programs": figures.program_table(n)}
            for n, s in sides.items() if n.startswith("peer")]


def result(row, sides):
    """The row as the issue defines it by wall time, and *_bpf by program time."""
    figures = Figures(row, sides)
    wall = {n: middle(figures.wall.get(n)) for n in ("none", "floor", "assay", "all")}
    peer = middle(figures.wall.get(figures.best))
    bpf = {n: middle(v) for n, v in figures.net.items()}
    out = {
        "name": row.name, "unit": "ns", "none": wall["none"], "floor": wall["floor"],
        "assay": wall["assay"], "assay_net": less(wall["assay"], wall["floor"]),
        "peer": str(sides[figures.best].side) if figures.best else None,
        "peer_value": peer, "peer_net": less(peer, wall["floor"]),
        "assay_all": wall["all"], "gross": less(wall["all"], wall["none"]),
        "floor_bpf": middle([p.gross() for p in sides["floor"].bpf]),
        "assay_bpf_net": bpf.get("assay"), "peer_bpf_net": bpf.get(figures.best),
        "ratio_bpf": middle(figures.ratios()), "dearer_bpf": middle(figures.dearer()),
    }
    out["ratio"] = over(out["peer_net"], out["assay_net"])
    out = {k: rounded(v) for k, v in out.items()}
    out.update(rounds=len(sides["floor"].wall), target=row.target,
               hooks=getattr(sides["floor"].side, "hooks", []),
               compared=row.only, programs=figures.program_table("assay"),
               peers=peer_rows(sides, figures), spread=figures.spread())
    if row.only and "assay" in figures.good:
        everything = figures.nets(figures.good["assay"], None)
        out["assay_bpf_net_probe"] = rounded(middle(everything))
    reasons = {n: s.reason for n, s in sides.items() if s.reason}
    if reasons:
        out["skipped"] = "; ".join(sorted({f"{n}: {r}" for n, r in reasons.items()}))
    return out
