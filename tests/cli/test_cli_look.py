#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""assay hist, trend and diff: sleeps of known number and length, now and looking back."""

import calendar
import copy
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from commands import fails
from node import ASSAY, TOP, Agent, Cgroup, Load, scratch
from tap import Busy, between, check, diag, main, need_root, same, test

need_root()

BLOCKED = "assay.blocked.duration"
PHASE = 50  # seconds
EDGE = 5  # of these: a reading that reaches over the edge of a time may belong to it
agent = sleeper = None
spans, bursts = [], []


def assay(*words, wanted=(0,)):
    p = subprocess.run([ASSAY, *words], capture_output=True, text=True, timeout=90,
                       env={**os.environ, "LC_ALL": "C"})
    check(p.returncode in wanted, f"exit status of {words}: {p.returncode}: {p.stderr}")
    return p.stdout


def document(command, *words):
    """What a command says as JSON, which its schema agrees with."""
    # why: what else this machine does may keep a workload from a CPU, which is a finding
    found = json.loads(assay(command, *words, "--format", "json",
                             wanted=(0, 3) if command == "why" else (0,)))
    jsonschema.validate(found, schema(command))
    return found


def schema(command):
    with open(f"{TOP}/docs/{command}.schema.json", encoding="utf-8") as f:
        return json.load(f)


def moment():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def shifted(text, seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds_of(text) + seconds))


def sleep_on(n, us):
    """So many naps a second, of this length; how many it were. A busy machine has fewer:
    when they were is noted."""
    done, end = 0, time.monotonic() + PHASE
    while time.monotonic() < end:
        began, since = time.monotonic(), time.time()
        sleeper.ask("nanosleep", n, us)
        bursts.append((since, time.time(), n))
        done += n
        time.sleep(max(0, 1 - (time.monotonic() - began)))
    return done


def naps_of(step):
    """The fewest and the most naps a second that can have been in a step of a trend, whose
    times are whole seconds."""
    since, until = seconds_of(step["since"]), seconds_of(step["until"])
    least = sum(n for b, e, n in bursts if since + 1 < b and e < until)
    most = sum(n for b, e, n in bursts if b < until + 1 and since < e)
    return least / (until - since + 1), most / (until - since - 1)


def setup():
    """Two phases: naps of 5 ms, then almost three times as many, four times as long."""
    global agent, sleeper
    history = scratch() + "/history.db"
    agent = Agent("--history", history, "--snapshot-interval", "1s")
    agent.history = history
    agent.need("sched")
    group = Cgroup("look")
    sleeper = Load(group, "asleep", Cgroup("look-partner").dir)
    sleeper.name, sleeper.group = group.path.lstrip("/"), group
    time.sleep(2)
    for n, us in ((15, 5000), (40, 20000)):
        since = moment()
        done = sleep_on(n, us)
        spans.append((since, moment(), done, us / 1e6))
        time.sleep(2)
    time.sleep(1)


def words(span):
    return ("--history", agent.history, "--since", span[0], "--until", span[1])


def the_naps(series):
    found = [s for s in series if s["attributes"].get("assay.syscall.class") == "wait"]
    same(len(found), 1, "series of class wait")
    return found[0]


@test("hist: as many as there were, as long as they were, of a time in the past")
def _():
    for span in spans:
        series = document("hist", "blocked", sleeper.name, *words(span))
        naps = the_naps(series)
        same(naps["metric"], BLOCKED, "metric")
        diag({k: v for k, v in naps.items() if k != "buckets"})
        between(naps["count"], 0.9 * span[2], span[2], "naps")  # a second at either end
        same(sum(b["count"] for b in naps["buckets"]), naps["count"], "all buckets")
        between(naps["p50"], span[3] / 1.1, span[3] * 1.3, "p50, s")


@test("hist: the table is drawn, in 80 columns, with time to the right")
def _():
    text = assay("hist", "blocked.duration", sleeper.name, "--history", agent.history,
                 "--last", "2m")
    check("over time" in text and "p99.9" in text and "#" in text, text)
    same([line for line in text.splitlines()[2:] if len(line) > 80], [], "lines that are too long")
    csv = assay("hist", "blocked", sleeper.name, "--format", "csv", *words(spans[0]))
    same(csv.splitlines()[0], "metric,workload,cgroup,attributes,from_s,to_s,count", "CSV")


@test("hist, trend: without a workload, options behind the metric: of all workloads")
def _():
    for command in "hist", "trend":
        series = json.loads(assay(command, "blocked.duration", "--limit", "1000", "--format",
                                  "json", *words(spans[0])))
        check(sleeper.name in [s["workload"] for s in series], f"{command}: {series}")


@test("hist: now, from the agent")
def _():
    began = time.monotonic()
    sleeper.tell("nanosleep", 800, 5000)  # longer than it looks, on a quiet machine, too
    series = document("hist", "blocked", sleeper.name, "--socket", agent.socket,
                      "--duration", "2s")
    sleeper.reply()
    rate = 800 / (time.monotonic() - began)
    between(the_naps(series)["count"], max(20, rate), min(420, 4 * rate), "naps in 2 s")


@test("trend: a rate and a median for each step, and what they were")
def _():
    since, until = spans[0][0], spans[1][1]
    series = document("trend", "blocked", sleeper.name, "--step", "10s", "--history", agent.history,
                      "--since", since, "--until", until)
    steps = the_naps(series)["steps"]
    diag([(round(s["rate"], 1), s.get("p50")) for s in steps])
    between(len(steps), 9, 12, "steps")
    for step in steps[1], steps[-2]:
        least, most = naps_of(step)
        if most > 2.5 * least:
            raise Busy(f"{least} to {most} naps a second: they took too long to be a measure")
        between(step["rate"], least, most, f"naps a second of {step}")
    between(steps[-2]["p50"] / steps[1]["p50"], 3.2, 5, "how much longer they are")
    text = assay("trend", "blocked", sleeper.name, "--history", agent.history, "--last", "2m")
    check("rate" in text and "p99" in text, text)


@test("diff: what has changed is named, and nothing that has not")
def _():
    pairs = [f"{shifted(s[0], EDGE)}..{shifted(s[1], -EDGE)}" for s in spans]
    found = document("diff", *pairs, "--history", agent.history)
    ours = [c for c in found["changes"] if c["workload"] == sleeper.name]
    named = {(c["metric"], c["what"]): c["ratio"] for c in ours
             if c["attributes"].get("assay.syscall.class", "wait") == "wait"}
    diag(named)
    rates = [s[2] / (seconds_of(s[1]) - seconds_of(s[0])) for s in spans]
    more = named.get((BLOCKED, "rate"))
    if more is None:
        raise Busy(f"how many naps there were differed too much from step to step: {rates}")
    between(more / (rates[1] / rates[0]), 0.85, 1.15, "how many more naps than there were")
    longer = named.get((BLOCKED, "duration"))
    if longer is None:  # steps of a busy machine differ by more than naps of 5 and 20 ms
        raise Busy("how long its naps were differed too much from step to step")
    between(longer, 3.2, 5, "how much longer they are")
    half = shifted(spans[0][0], PHASE // 2)
    found = document("diff", f"{spans[0][0]}..{half}", f"{half}..{spans[0][1]}", "--history",
                     agent.history)
    same([c for c in found["changes"] if c["workload"] == sleeper.name and
          c["metric"] == BLOCKED], [], "changes within the first phase")
    text = assay("diff", *pairs, "--history", agent.history)
    check("numbers changed" in text and text.startswith("the history goes from"), text)
    own = [c for c in found["changes"] if not c["cgroup"] and c["metric"].startswith("assay.")
           and c["metric"] != "assay.cpu.steal.time" and c["workload"] != "kernel"]
    same(own, [], "changes of the measuring itself are not among those of others")


@test("each form is published: every metric keeps to it, and nothing else does")
def _():
    for command in ("hist", "trend", "diff"):
        jsonschema.Draft202012Validator.check_schema(schema(command))
    metrics = json.loads(assay("list", "metrics", "--format", "json"))
    seen = {"hist": 0, "trend": 0}
    for metric in metrics:
        for command in ("trend", "hist") if metric["kind"] == "histogram" else ("trend",):
            seen[command] += len(document(command, metric["name"], "--history",
                                          agent.history, "--last", "2m"))
    diag(seen)
    between(min(seen.values()), 10, 1e6, "series that were looked at")
    naps = document("hist", "blocked", sleeper.name, *words(spans[0]))
    steps = document("trend", "blocked", sleeper.name, *words(spans[0]))
    changes = document("diff", *(f"{s[0]}..{s[1]}" for s in spans), "--history", agent.history)
    for command, good, breaks in (
            ("hist", naps, lambda d: d[0].pop("p99")),
            ("hist", naps, lambda d: d[0]["buckets"][0].update(count=0)),
            ("trend", steps, lambda d: d[0]["steps"][0].update(value=1)),
            ("trend", steps, lambda d: d[0].update(more=1)),
            ("diff", changes, lambda d: d["changes"][0].update(what="much")),
            ("diff", changes, lambda d: d["changes"][0]["before"].clear()),
            ("diff", changes, lambda d: d["measuring"].append({})),
            ("diff", changes, lambda d: d.pop("tested"))):
        bad = copy.deepcopy(good)
        breaks(bad)
        try:
            jsonschema.validate(bad, schema(command))
        except jsonschema.ValidationError:
            continue
        check(False, f"{command}: what is broken agrees with the schema: {bad}")


@test("who looks back is told how far that goes")
def _():
    for command in (("list", "workloads"), ("report",), ("why", sleeper.name),
                    ("trend", "blocked", sleeper.name)):
        text = assay(*command, "--last", "1m", "--history", agent.history, wanted=(0, 3))
        check("the history goes " in " ".join(text.split()), f"{command}: {text}")
    for command in (("report", "--last", "1m"), ("why", sleeper.name, "--last", "1m"),
                    ("diff", "40s..20s", "20s..now")):
        found = document(*command, "--history", agent.history)
        kept = found["history"]
        check(kept["since"] < kept["until"], f"{command}: {kept}")
        whole = json.loads(assay("report", "--last", "1h", "--history", agent.history,
                                 "--format", "json"))
        same(kept["since"], whole["since"], f"{command}: what there is since")
        bad = copy.deepcopy(found)
        del bad["history"]["until"]
        try:
            jsonschema.validate(bad, schema(command[0]))
        except jsonschema.ValidationError:
            continue
        check(False, f"{command}: half a time agrees with the schema")


@test("a process is its workload, in a cgroup namespace, too; a kernel thread the kernel's")
def _():
    def who(*prefix, pid):
        p = subprocess.run([*prefix, ASSAY, "why", str(pid), "--socket", agent.socket,
                            "--history", agent.history, "--duration", "1s"],
                           capture_output=True, text=True, timeout=60)
        check(p.returncode in (0, 3), f"{prefix} {pid}: {p.stderr}")
        return p.stdout.split(": ")[0]

    same(who(pid=sleeper.pid), sleeper.name, "the sleeper's process")
    same(who("unshare", "-C", pid=sleeper.pid), sleeper.name, "from another namespace")
    # from its own cgroup, whose path is "/" there
    own = ("sh", "-c", f'echo $$ > "{sleeper.group.dir}/cgroup.procs"; exec unshare -C "$@"', "sh")
    same(who(*own, pid=sleeper.pid), sleeper.name, "from its own namespace")
    same(who(pid=2), "kernel", "kthreadd's workload")


@test("what cannot be meant is said in one line")
def _():
    for command in "hist", "trend":
        fails(2, "which metric", command)
        fails(2, "nothing.at.all: no ", command, "nothing.at.all")
        fails(2, "which one of ", command, "duration")
    fails(2, "tcp.io: no histogram", "hist", "tcp.io")
    fails(1, "no workload has that", "hist", "blocked", "nobody-at-all", "--history",
          agent.history, "--last", "1m")
    fails(2, "which two times", "diff", "1h..now")
    fails(2, "yesterday: must be from when to when", "diff", "yesterday", "1h..now",
          "--history", agent.history)


main(setup)
