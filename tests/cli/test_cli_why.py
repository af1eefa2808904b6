#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay why`: its schema, and what it says when it cannot be asked so."""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
from commands import TOP, fails, nobody_socket, run, scratch
from tap import check, main, same, test


def schema():
    with open(TOP + "/docs/why.schema.json", encoding="utf-8") as f:
        return json.load(f)


SPAN = {"since": "2026-11-27T03:12:00Z", "until": "2026-11-27T03:12:10Z", "duration_s": 10}
EVIDENCE = {"metric": "assay.sched.wait.duration", "attributes": {}, "stat": "time",
            "label": "waiting", "name": None, "unit": "s/s", "value": 0.5, "threshold": 0.02,
            "counts": "from", "baseline": None}
RULED_OUT = {"id": "cpu.steal", "what": "no", "evidence": [EVIDENCE]}
PEERS = {"text": "t", "top": "10.0.3.7:5432", "stands_out": True, "share": 412 / 590,
         "each_pass": False, "count": 412, "of": 590,
         "peers": 2, "and_others": False}
FINDING = {"id": "cpu.quota", "resource": "cpu", "severity": "warning", "score": 50,
           "change": "new", "workload": None, "what": "w", "peers": None,
           "evidence": [EVIDENCE],
           "cause": "c", "not": [RULED_OUT], "next": "n"}
GOOD = {"schema": 1, "node": "n", "workload": {"kind": "unit", "name": "a", "cgroup": "/a"},
        "looked_at": SPAN, "source": "agent", "baseline": None, "no_baseline": "none",
        "overall": "actionable", "why": None, "findings": [FINDING],
        "ruled_out": [RULED_OUT], "unknown": []}


@test("the schema is one, and refuses what is no answer")
def _():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(GOOD, schema())
    jsonschema.validate({**GOOD, "findings": [{**FINDING, "peers": PEERS}]}, schema())
    for bad in ({"schema": 2}, {"overall": "fine"}, {"findings": [{**FINDING, "evidence": []}]},
                {"findings": [{**FINDING, "severity": "bad"}]},
                {"findings": [{**FINDING, "peers": {**PEERS, "top": 1}}]}, {"extra": 1}, {"baseline": 1},
                {"ruled_out": [{**RULED_OUT, "id": "Quota"}]},
                {"looked_at": {**SPAN, "since": "now"}}):
        try:
            jsonschema.validate({**GOOD, **bad}, schema())
        except jsonschema.ValidationError:
            continue
        check(False, f"the schema takes {bad}")


@test("whom it is about has to be said, once")
def _():
    for words in ((), ("a", "b"), ("a", "--node"), ("",)):
        fails(2, "of whom", "why", *words, "--socket", nobody_socket())


@test("a process that is not there, a time that is none, a history that is not there")
def _():
    fails(1, "no process has this number", "why", "4194999", "--socket", nobody_socket())
    for pid in ("9223372036854775807", "9223372036854775808", "18446744073709551616",
                "18446744073709551617", "9" * 40):
        fails(1, f"[ :]{pid}: no process has this number", "why", pid, "--socket",
              nobody_socket())
    fails(2, "--last and|two beginnings", "why", "a", "--last", "5m", "--since", "10m")
    fails(1, "no agent has kept", "why", "a", "--last", "5m", "--history",
          scratch() + "/none.db")


@test("a file that is no history is no fault of the options")
def _():
    path = scratch() + "/some.db"
    with open(path, "wb") as f:
        f.write(bytes(range(256)) * 32)
    for command in (("why", "a"), ("report",), ("list", "workloads"), ("trend", "sched.wait.duration")):
        fails(1, "no history of assay", *command, "--from", path)


@test("a list of the past is of the history, and needs no agent")
def _():
    for what in "workloads", "probes":
        fails(1, "no agent has kept", "list", what, "--last", "5m", "--history", scratch() + "/none.db",
              "--socket", nobody_socket())


@test("--help says what it takes")
def _():
    status, out, _ = run("why", "--help")
    same(status, 0, "exit status")
    for word in ("WORKLOAD|PID", "--baseline", "--node", "--last", "--format"):
        check(word in out, f"{word} is not in {out}")


main()
