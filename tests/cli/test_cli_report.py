#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay report`: the JSON interface and its schema, the table."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from commands import fails, nobody_socket, record, report, run, schema, serve
from node import ASSAY, TOP, Agent, Cgroup
from tap import between, check, main, need_root, same, test


@test("the schema is one, and refuses what is no report")
def _():
    jsonschema.Draft202012Validator.check_schema(schema())
    good = {"schema": 1, "node": {"name": "n", "kernel": "6", "cpus": 1},
            "duration_s": 1.0, "probes": [], "lost": [], "workloads": []}
    jsonschema.validate(good, schema())
    value = {"name": "m", "unit": "s", "attributes": {}, "type": "sum", "value": 1}
    jsonschema.validate({**good, "workloads": [
        {"kind": "unit", "name": "w", "cgroup": "/w", "columns": {"p99": None, "of": "files",
         "calls": 2.5}, "estimated": ["calls"], "metrics": [
            value, {**value, "estimated": True, "relative_standard_error": 0.1}]}]}, schema())
    metric = {"name": "m", "unit": "s", "attributes": {}, "type": "histogram"}
    w = {"kind": "unit", "name": "w", "cgroup": "/w", "metrics": [metric]}
    for bad in ({"schema": 2}, {"workloads": [w]}, {"lost": None}, {"extra": 1},
                {"probes": [{"name": "a", "state": "on", "reason": None}]},
                {"workloads": [{**w, "metrics": [{**metric, "type": "gauge"}]}]},
                {"workloads": [{**w, "metrics": [{**value, "estimated": False}]}]}):
        try:
            jsonschema.validate({**good, **bad}, schema())
        except jsonschema.ValidationError:
            continue
        check(False, f"the schema takes {bad}")


@test("a report that measures by itself keeps to the schema and to itself")
def _():
    cgroup = Cgroup("busy")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    began = time.monotonic()
    r = report("--duration", "1s", "--socket", nobody_socket())
    between(r["duration_s"], 0.95, time.monotonic() - began, "duration_s")
    same({p["name"] for p in r["probes"]} >= {"sched", "syscall", "tcp"}, True, "probes")
    paths = [w["cgroup"] for w in r["workloads"]]
    check(cgroup.path in paths, f"{cgroup.path} is not in {paths}")
    same(r["node"]["cpus"], os.cpu_count(), "cpus")
    same(r["node"]["kernel"], os.uname().release, "kernel")
    for w in r["workloads"]:
        for m in w["metrics"]:
            if m["type"] == "histogram":
                check(m["count"] > 0, f"an empty series: {m}")
                check(0 <= m["p50"] <= m["p90"] <= m["p99"] <= m["max"], f"order: {m}")
            else:
                check(m["value"] != 0, f"a series without events: {m}")


@test("two reports of the same numbers are the same text")
def _():
    _, frame = record()
    path = serve(frame)
    texts = {run("report", "--total", "--format", "json", "--socket", path)[1]
             for _ in range(2)}
    same(len(texts), 1, "different texts")
    check("workloads" in texts.pop(), "no report")


@test("the table fits into 100 columns and names the busy workload")
def _():
    cgroup = Cgroup("busy")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    status, out, err = run("report", "--duration", "1s", "--limit", "1000", "--socket",
                           nobody_socket())
    same(status, 0, f"exit status ({err})")
    # A cgroup's path is as long as it is.
    lines = [line for line in out.splitlines() if not re.search(r" \(\w+\)  /", line)]
    check(max(map(len, lines)) <= 100, out)
    check(cgroup.path.strip("/") in out, out)
    for word in "WORKLOAD", "LATENCY", "TRAFFIC", "SATURATION", "p99":
        check(word in out, f"{word} is not in\n{out}")


def headings(text):
    """The two lines above the workloads, as words, but for those that come and go:
    with what there is to say, and with how long names are."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:1] == ["WORKLOAD"])
    return [[w for w in line.split() if w not in ("P50", "STUCK")] for line in lines[at - 1:at + 1]]


@test("README's first screen is what the program prints, with the names of pods")
def _():
    with open(TOP + "/README.md", encoding="utf-8") as f:
        readme = f.read()
    status, out, err = run("report", "--duration", "1s", "--socket", nobody_socket())
    same(status, 0, f"exit status ({err})")
    same(headings(readme), headings(out), "README's headings")
    legend = r"^ *(P50, )?P99: TCP responses \(s: as server, else c: as client\), else f: file calls"
    check(re.search(legend, out, re.M), f"what is below it: {out}")
    screen = readme[readme.index("WORKLOAD"):re.search(legend, readme, re.M).start()]
    rows = [line.split() for line in screen.splitlines()[1:] if line.strip()]
    pods = [row[0] for row in rows if re.fullmatch(r"[\w.-]+/[\w./-]+", row[0])]
    check(len(pods) >= 3, f"pods in README: {pods}")
    check(readme.index("WORKLOAD") < readme.index("## Install"), "the screen comes first")
    same(len(re.findall(r"^\*\*(On Kubernetes|As a Debian package|From source)", readme, re.M)), 3,
         "ways to install")


@test("no agent, no total: one line and status 1")
def _():
    fails(1, "nobody.sock: no agent runs", "report", "--total", "--socket",
          nobody_socket())
    stale = nobody_socket()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    fails(1, "no agent runs", "report", "--total", "--socket", stale)


@test("a report from a running agent keeps to the schema, as do its probes")
def _():
    agent = Agent()
    began = time.monotonic()
    r = report("--duration", "500ms", "--socket", agent.socket)
    between(r["duration_s"], 0.45, time.monotonic() - began, "duration_s")
    total = report("--total", "--socket", agent.socket)
    check(total["duration_s"] >= r["duration_s"], "the total is shorter than a part")
    status, out, _ = run("probes", "--socket", agent.socket)
    check(status == 0 and "As the agent has them" in out, out)
    status, out, _ = run("report", "--duration", "100ms", "--socket", agent.socket)
    check(status == 0 and "from the agent" in out, out)


def rows(*argv, **options):
    """The rows of a report as CSV, by the name of their workload."""
    status, out, err = run("report", "--format", "csv", *argv, **options)
    same((status, err), (0, ""), "report --format csv")
    table = list(csv.DictReader(io.StringIO(out)))
    same(len(table), len({r["cgroup"] or r["name"] for r in table}), "rows")
    return {r["name"]: r for r in table}


@test("the columns have what the metrics of the same numbers have")
def _():
    _, frame = record()
    path = serve(frame)
    r = report("--total", "--socket", path)
    table = rows("--total", "--socket", path)
    same(len(table), len(r["workloads"]), "workloads")
    for w in r["workloads"]:
        row = table[w["name"]]
        for key, value in w["columns"].items():
            if isinstance(value, float):
                check(abs(float(row[key]) - value) <= 1e-6 * abs(value), f"{key}: {row}")
            else:
                same(row[key], value or "", key)
        calls = sum(m["count"] for m in w["metrics"] if m["name"] == "assay.syscall.duration")
        check(abs(w["columns"]["calls"] - calls / r["duration_s"]) <= 1e-6 * (calls + 1),
              f"calls: {w}")
        waits = sum(m["sum"] for m in w["metrics"]
                    if m["name"] == "assay.sched.wait.duration") / r["duration_s"]
        c = w["columns"]
        check(abs(c["waiting"] - waits) <= 1e-6 * (waits + 1), f"waiting: {w}")
        check(abs(c["others"] + c["itself"] + c["quota"] - waits) <= 1e-6 * (waits + 1),
              f"the causes of waits do not add up: {c}")


@test("--sort, --limit and --filter choose the same rows in every format")
def _():
    _, frame = record()
    where = ["--total", "--socket", serve(frame)]
    everything = rows(*where)
    by_calls = sorted(everything, key=lambda n: -float(everything[n]["calls"]))
    got = list(rows("--sort", "calls", "--limit", "2", *where))
    same(got, by_calls[:2], "--sort calls --limit 2")
    r = report("--sort", "calls", "--limit", "2", *where)
    same([w["name"] for w in r["workloads"]], got, "the same as JSON")
    most = max(float(row["calls"]) for row in everything.values())
    some = {n for n, row in everything.items() if float(row["calls"]) > most / 2}
    same(set(rows("--filter", f"calls>{most / 2:.6f}", *where)), some, "--filter calls>")
    one = by_calls[0]
    same(list(rows("--filter", f"name={one}", "--filter", "calls>0", *where)), [one],
         "two filters")
    same(list(rows("--filter", f"name!={one}", "--filter", f"name={one}", *where)), [], "none")
    same(len(rows("--group-by", "namespace", *where)), len(everything),
         "without pods nothing is grouped")


@test("what cannot be chosen is one line that says what can")
def _():
    fails(2, "--filter: there is no column 'p9'; there are name, p50, p99, .*, cgroup$",
          "report", "--filter", "p9>1ms")
    fails(2, "'p99>10': must be p99 and a time with its unit, as 10ms", "report",
          "--filter", "p99>10")
    fails(2, r"there is no column 'p\\x1b\[31m'", "report", "--filter", "p\033[31m=1")
    fails(2, "--sort: 'p9': must be one of name, p50, p99", "report", "--sort", "p9")
    fails(2, "--group-by: 'node': must be container, pod, owner or namespace", "report",
          "--group-by", "node")
    fails(2, "--watch: looks at now; leave out", "report", "--watch", "--last", "5m")
    fails(2, "--watch: .* leave out --total", "report", "--watch", "--total")
    fails(2, "--watch: .* leave out --format", "report", "--watch", "--format", "csv")
    fails(2, "what is to be listed\\? one of metrics, workloads, probes", "list")
    fails(2, "what is to be listed\\?", "list", "metrics", "probes")


def on_terminal(columns, lines, *argv, env=None):
    """What a command writes to a terminal of this size."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    clean = {k: v for k, v in os.environ.items()
             if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen([ASSAY, *argv], stdout=slave, env={**clean, **(env or {})}) as p:
        os.close(slave)
        out = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            if not more:
                break
            out += more
        p.wait(30)
    os.close(master)
    same(p.returncode, 0, "exit status")
    return out.decode().replace("\r\n", "\n")


@test("of COLUMNS only a number counts: what is none, or wraps around, is the terminal's")
def _():
    _, frame = record()
    where = ["report", "--total", "--socket", serve(frame)]
    for_80 = on_terminal(80, 24, *where, env={"NO_COLOR": "1"})
    for text in ("", "-1", "40x", " 40", "0"):
        same(on_terminal(80, 24, *where, env={"NO_COLOR": "1", "COLUMNS": text}), for_80,
             f"COLUMNS={text!r}")
    most = on_terminal(80, 24, *where, env={"NO_COLOR": "1", "COLUMNS": "1000"})
    same(on_terminal(80, 24, *where,
                     env={"NO_COLOR": "1", "COLUMNS": "18446744073709551656"}),
         most, "2^64 + 40 columns")


@test("a terminal has one screen, in colour if NO_COLOR does not forbid it")
def _():
    _, frame = record()
    where = ["report", "--total", "--socket", serve(frame)]
    plain = on_terminal(80, 24, *where, env={"NO_COLOR": "1"})
    check("\033" not in plain, repr(plain))
    check(plain.count("\n") < 24, plain)
    check(max(map(len, plain.splitlines())) <= 80, plain)
    check("LATENCY" not in plain and "assay report --wide" in plain, plain)
    colour = on_terminal(80, 24, *where)
    check("\033[1mWORKLOAD\033[0m" in colour, repr(colour))
    same(re.sub(r"\033\[\d+m", "", colour), plain, "but for the colour")
    check("LATENCY" in on_terminal(80, 24, *where, "--wide"), "--wide has no details")
    long = on_terminal(200, 12, *where, "--sort", "name", env={"NO_COLOR": "1"})
    check(long.count("\n") < 12, long)


@test("a pipe has the same text whatever the terminal is, and no colour")
def _():
    _, frame = record()
    where = ["report", "--total", "--socket", serve(frame)]
    texts = {run(*where, env={"LINES": n, "TERM": t})[1]
             for n, t in (("10", "xterm"), ("100", "dumb"))}
    same(len(texts), 1, "different texts")
    text = texts.pop()
    check("\033" not in text and "LATENCY" in text, text)
    check(max(map(len, text.split("\n\n")[0].splitlines())) <= 80, text)


@test("--watch goes on until a signal, each time with the time")
def _():
    agent = Agent()
    p = subprocess.Popen([ASSAY, "report", "--watch", "--duration", "200ms", "--socket",
                          agent.socket, "--limit", "1"], stdout=subprocess.PIPE, text=True)
    stamps = []
    while len(stamps) < 3:
        line = p.stdout.readline()
        check(line, "it has ended")
        stamps += re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", line.strip())
    p.send_signal(signal.SIGINT)
    p.stdout.read()
    same(p.wait(10), 0, "exit status")


@test("assay list tells of metrics, workloads and probes in three formats")
def _():
    agent = Agent()
    cgroup = Cgroup("listed")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    time.sleep(0.3)
    for what, names in (("metrics", {"assay.syscall.duration", "assay.lost"}),
                        ("workloads", {cgroup.path.strip("/")}),
                        ("probes", {"sched", "tcp"})):
        where = ["list", what, "--socket", agent.socket]
        status, out, err = run(*where)
        same((status, err), (0, ""), what)
        check(out.startswith("NAME "), out)
        _, text, _ = run(*where, "--format", "json")
        found = json.loads(text)
        _, text, _ = run(*where, "--format", "csv")
        rows = [r["name"] for r in csv.DictReader(io.StringIO(text))]
        same(len(rows), len(found), what)
        for row, name in zip(rows, (r["name"] for r in found)):
            check(row.isprintable(), f"{row!r} is not for a terminal")
            check(row == name or not name.isprintable(), f"{row!r} is not {name!r}")
        check(names <= {r["name"].strip("/") for r in found}, f"{names} in {found}")
        for name in names:
            check(name in out, f"{name} is not in\n{out}")
    status, text, _ = run("probes", "--format", "json", "--socket", agent.socket)
    states = {p["name"]: p["state"] for p in json.loads(text)}
    same(states["sched"], "attached", "sched")


need_root()
main()
