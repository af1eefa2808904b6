#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many series exports have of a busy workload, by an independent decoder; and that
culprits which exports name, with the rest, are all that was waited."""

import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from exports import Exports
from node import PATIENCE, Agent, Cgroup, Load, defined, free_port, scratch, wait_for
from otlp import attributes, data_of, metrics
from tap import Busy, between, check, diag, main, near, need_root, same, test

need_root()

SECONDS = 6
TYPICAL = 25
SENT, ENDING = defined("CULPRITS_SENT"), defined("CULPRITS_ENDING")
AGES = 2  # operations that are under way for long: more of them is a slow node
WAIT = "assay.sched.wait.duration"
CULPRIT = "assay.sched.wait.culprit.time"
NGINX = """daemon off; worker_processes 2; pid {0}/pid; error_log {0}/errors;
events {{ worker_connections 256; }}
http {{ access_log off; server {{ listen 127.0.0.1:{1}; root {0}; }} }}"""


class Live(Exports):
    """Also the series of each cgroup that had not ended, when there were most."""

    def __init__(self, path):
        self.live, self.most = {}, {}
        super().__init__(path)

    def add(self, request):
        super().add(request)
        for resource, metric in metrics(request):
            path = resource.get("process.linux.cgroup")
            live = self.live.setdefault(path, set())
            for point in data_of(metric).data_points:
                key = (metric.name, tuple(sorted(attributes(point.attributes).items())))
                if point.flags & 1:
                    live.discard(key)
                else:
                    live.add(key)
        for path, live in self.live.items():
            if len(live) > len(self.most.get(path, ())):
                self.most[path] = {*live}


def limit(group):
    """As a container of Kubernetes has it, where there are the controllers."""
    for file, value in ("memory.max", 1 << 30), ("cpu.max", "200000 100000"):
        path = os.path.join(group.dir, file)
        if os.path.exists(path):
            group.write(file, str(value))


def serve_and_load(agent_options):
    """Exports of a web server and its client, busy for a while."""
    top, port = scratch(), free_port()
    with open(top + "/nginx.conf", "w") as f:
        f.write(NGINX.format(top, port))
    with open(top + "/index.html", "w") as f:
        f.write("x" * 2000)
    web, client = Cgroup("web"), Cgroup("client")
    for group in web, client:
        limit(group)
    server = web.start(["nginx", "-c", top + "/nginx.conf", "-p", top],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(top + "/pid"), PATIENCE, "nginx")
    agent = Agent("--export-interval", "2s", *agent_options)
    client.run(["wrk", "-t2", "-c20", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/"])
    agent.stop()
    server.kill()
    server.wait()
    exports = Live(agent.exports)
    same(exports.backwards, [], "series that went backwards")
    return agent, exports.most[web.path], exports.most[client.path]


@test(f"a web server and its client have at most {TYPICAL} series each, by default")
def _():
    agent, *both = serve_and_load(["--series", "basic"])
    for series in both:
        names = sorted({name for name, _ in series})
        diag(f"{len(series)} series: {' '.join(names)}")
        culprits = sum(name == CULPRIT for name, _ in series)
        between(culprits, 1, SENT + 1 + ENDING, "culprits, the rest and those that end")
        ends = max(0, culprits - SENT - 1)
        ages = sum(name == "assay.inflight.age" for name, _ in series)
        between(len(series) - ends - max(0, ages - AGES), 12, TYPICAL, "series")
        check(WAIT in names and "assay.tcp.response.duration" in names, f"{names}")
        check("assay.sched.migrations" not in names, f"{names}")
    said = re.search(r"exports: about (\d+) series .* at most (\d+) series", agent.said())
    check(said, f"the agent said: {agent.said()}")
    check(int(said[1]) < int(said[2]), said[0])


@test("--series all has what basic leaves out")
def _():
    _, web, client = serve_and_load(["--series", "all"])
    diag(f"{len(web)} and {len(client)} series")
    for series in web, client:
        names = {name for name, _ in series}
        check({"assay.sched.migrations", "assay.sched.context_switches",
               "assay.tcp.connections"} <= names, f"{names}")


@test("of many culprits exports name few, and all together are what was waited")
def _():
    cpu = max(os.sched_getaffinity(0))
    agent = Agent("--probes", "sched", "--export-interval", "500ms",
                  "--export-culprits", "2")
    group = Cgroup("victim")
    victim = Load(group, "spin", 1, cpu)
    crowd = [Load(Cgroup(f"crowd{i}"), "spin", 1, cpu) for i in range(6)]
    for turn in range(12):  # two have most, and others later
        for i, load in enumerate(crowd):
            ms = 150 if i in ((0, 1) if turn < 6 else (4, 5)) else 15
            victim.tell("run", ms)
            load.ask("run", ms)
            victim.reply()
    victim.rests()
    before = agent.total()
    time.sleep(1.5)
    agent.stop()
    exports = Exports(agent.exports)
    ours = {key: value for key, value in exports.series.items()
            if exports.resources[key[0]].get("process.linux.cgroup") == group.path
            and key[1] == CULPRIT}
    waited = before.seconds(group, WAIT, cause="contention")
    names = {dict(attrs)["assay.sched.culprit"] for _, _, _, attrs in ours}
    diag(f"waited {waited:.6f} s: " +
         ", ".join(f"{dict(k[3])['assay.sched.culprit']} {v:.6f}" for k, v in ours.items()))
    if waited < 0.5:
        raise Busy("the victim hardly waited")
    near(sum(ours.values()), waited, 1e-6, "sum over all series there ever were, s")
    same(exports.backwards, [], "series that went backwards")
    on_node = before.by(group, CULPRIT, "culprit")
    check({g for g in on_node if "crowd" in g} >= {g for g in names if "crowd" in g},
          f"on the node: {on_node}")
    check("_OTHER" in names and ours, f"{names}")
    check(len(on_node) > len(names) - 1, f"on the node {on_node}, exported {names}")


main()
