#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The commands as a user meets them: exit statuses, errors of one line, help, what
happens without privilege or without an agent."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from commands import COMMANDS, NOBODY, fails, keys, nobody_socket, report, run, visible
from node import ASSAY, TOP, Agent, scratch
from tap import check, main, need_root, same, test


@test("what is unknown ends with status 2 and one line")
def _():
    fails(2, "which command")
    fails(2, "reprot: no such command", "reprot")
    for command in COMMANDS:
        fails(2, "--colour: no such option", command, "--colour")
        fails(2, "-x: no such option", command, "-x")
        if command not in ("tune", "list", "snapshot", "why", "hist", "trend", "diff"):
            fails(2, f"now: {command} takes no arguments", command, "now")
    fails(2, "--total: no such option of this command: others have it", "agent", "--total")
    fails(2, "--duration: needs a value", "report", "--duration")


@test("a bad value ends with status 2 and names option, value and what is allowed")
def _():
    fails(2, "--duration: '10x': must be a time, 10ms to 1d",
          "report", "--duration", "10x")
    fails(2, "--duration: '': must be", "report", "--duration=")
    fails(2, "--duration: '-1': must be", "report", "--duration", "-1")
    fails(2, "--format: 'xml': must be table, json or csv", "report", "--format=xml")
    fails(2, "--format: 'csv': .* must be table or json", "status", "--format", "csv")
    fails(2, "--slots: '1000': must be a power of two", "agent", "--slots", "1000")
    fails(2, "--memory: '64': must be a size", "agent", "--memory", "64")
    fails(2, "--probes: 'sched,disk': must be .* sched syscall tcp",
          "agent", "--probes", "sched,disk")
    fails(2, "--export: 'collector': must be http://", "agent", "--export", "collector")
    fails(2, "--host-id: 'a b': must be 1 to 127 characters", "agent", "--host-id", "a b")
    fails(2, "--host-name: '': must be 1 to 127 characters", "agent", "--host-name=")


@test("so does a bad variable, but not one that the command does not take")
def _():
    fails(2, "ASSAY_DURATION: '5': must be a time", "report", env={"ASSAY_DURATION": "5"})
    fails(2, "OTEL_METRIC_EXPORT_INTERVAL: '1s': must be a number of milliseconds",
          "agent", env={"OTEL_METRIC_EXPORT_INTERVAL": "1s"})
    fails(1, "no agent runs", "report", "--total", "--socket", nobody_socket(),
          env={"OTEL_METRIC_EXPORT_INTERVAL": "1s", "ASSAY_EXPORT": "nowhere"})


@test("a protocol that is not spoken is refused, and the port of gRPC told")
def _():
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
                 "ASSAY_EXPORT_PROTOCOL"):
        fails(2, "'grpc': assay speaks http/protobuf only: set .* port 4318", "agent",
              env={name: "grpc"})
    fails(2, "'http/json': assay speaks", "agent", "--export-protocol", "http/json")
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    status, out, _ = run("doctor", "--socket", nobody_socket(), env=env)
    check(status == 1 and "FAIL collector: " in out and "http/protobuf" in out, out)
    status, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none", env=env)
    same(status, 0, "exit status without an export")
    _, out, _ = run("doctor", "--socket", nobody_socket(), "--export",
                    "http://127.0.0.1:4317/v1/metrics")
    check("warn collector: port 4317 is usually that of gRPC" in out, out)


def openssl(*argv):
    subprocess.run(["openssl", *argv], check=True, capture_output=True)


@test("certificates and keys that cannot be used are said at the start")
def _():
    d = scratch()
    for name in ("a", "b"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
                "-keyout", f"{d}/{name}.key", "-out", f"{d}/{name}.pem")
    openssl("rsa", "-aes128", "-passout", "pass:x", "-in", d + "/a.key", "-out",
            d + "/locked.key")
    with open(d + "/junk", "w") as f:
        f.write("no PEM\n")
    https = "--export", "https://127.0.0.1:1/v1/metrics", "--socket", d + "/assay.sock"

    def refused(pattern, **files):
        options = [w for k, v in files.items()
                   for w in (f"--export-{k.replace('_', '-')}", f"{d}/{v}")]
        fails(2, pattern, "agent", *https, *options)
        status, out, _ = run("doctor", *https, *options)
        check(status == 1 and re.search(f"FAIL collector: .*{pattern}", out), out)
    refused("--export-certificate: .*/none: No such file", certificate="none")
    refused("--export-certificate: .*/junk: no usable cert", certificate="junk")
    refused("--export-client-certificate: .*/junk: no usable cert", client_certificate="junk")
    refused("--export-client-key: .*/junk: no usable key", client_certificate="a.pem", client_key="junk")
    refused("b.key: is not the key of", client_certificate="a.pem", client_key="b.key")
    refused("locked.key: no usable key without a passphrase", client_certificate="a.pem", client_key="locked.key")
    refused("a.key: needs --export-client-certificate", client_key="a.key")
    refused("--export-client-certificate: .*a.pem: no usable key", client_certificate="a.pem")
    _, out, _ = run("doctor", *https, "--export-certificate", d + "/a.pem",
                    "--export-client-certificate", d + "/a.pem",
                    "--export-client-key", d + "/a.key")
    check("warn collector: 127.0.0.1 port 1 does not answer" in out, out)


@test("an attribute that cannot be is named by its key")
def _():
    fails(2, "OTEL_RESOURCE_ATTRIBUTES: must be key=value,.*: pair 2, 'b', has a %",
          "agent", env={"OTEL_RESOURCE_ATTRIBUTES": "a=1,b=50%"})
    fails(2, "pair 1, .*, is no UTF-8", "agent", "--resource-attributes", "k%ff=1")


@test("a header's value is not in the error")
def _():
    _, _, err = run("agent", env={"OTEL_EXPORTER_OTLP_HEADERS": "authorization hush"})
    check("OTEL_EXPORTER_OTLP_HEADERS" in err and "hush" not in err, err)


@test("--help names every option of the table, and a command's its own")
def _():
    known = keys()
    for key in ("socket export export-headers export-timeout export-compression "
                "export-interval snapshot-interval memory slots probes log-level "
                "cgroup-root resource-attributes service-name duration format "
                "total").split():
        check(key in known, f"--{key} is not in the table")
    status, out, err = run("--help")
    same((status, err), (0, ""), "assay --help")
    check(out.count("\n") < 24, "assay --help is more than a screen")
    helps = []
    for command in COMMANDS:
        check(f"assay {command} " in out, f"{command} is not in --help")
        status, text, err = run(command, "--help")
        same((status, err), (0, ""), f"assay {command} --help")
        helps.append(text)
        check("--socket" in text, f"{command} --help has no --socket")
        check(max(map(len, text.splitlines())) < 80, f"{command} --help has long lines")
        same("--total" in text, command == "report", f"--total in {command} --help")
    for key in known:
        check(re.search(rf"^  --{key}( |$)", "\n".join(helps), re.M),
              f"--{key} is in no --help")


@test("--version prints a version")
def _():
    status, out, _ = run("--version")
    same(status, 0, "exit status")
    check(re.fullmatch(r"assay \d+\.\d+\.\d+\S*\n", out), out)


@test("the manual page has the options of the table (else: docs/man.sh)")
def _():
    page = subprocess.run([TOP + "/docs/man.sh", ASSAY], capture_output=True, text=True,
                          check=True).stdout
    with open(TOP + "/docs/assay.1") as f:
        same(f.read() == page, True, "docs/assay.1 is current")
    for key in keys():
        check(f"\\-\\-{key.replace('-', chr(92) + '-')}" in page, f"--{key}")


@test("without privilege one line names what is missing")
def _():
    program = shutil.copy(ASSAY, visible() + "/assay")
    nobody = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    options = {"program": program, "prefix": nobody}
    for command in "report", "probes":
        fails(1, "CAP_BPF and CAP_PERFMON are missing", command, "--socket",
              "/nobody.sock", **options)
    options["prefix"] = nobody + ["--inh-caps=+bpf", "--ambient-caps=+bpf"]
    fails(1, "privilege: CAP_PERFMON is missing", "report", "--socket", "/nobody.sock",
          **options)


@test("CAP_BPF and CAP_PERFMON are enough to measure")
def _():
    program = shutil.copy(ASSAY, visible() + "/assay")
    caps = "+bpf,+perfmon"
    r = report("--duration", "200ms", "--socket", "/nobody.sock", program=program,
               prefix=["setpriv", f"--reuid={NOBODY}", "--clear-groups",
                       f"--inh-caps={caps}", f"--ambient-caps={caps}"])
    same([p for p in r["probes"] if p["state"] != "attached"], [], "probes not attached")


@test("only root and the agent's own user may ask it")
def _():
    agent = Agent()
    os.chmod(agent.dir, 0o755)
    program = shutil.copy(ASSAY, visible() + "/assay")
    fails(1, "Permission denied", "report", "--total", "--socket", agent.socket,
          program=program, prefix=["setpriv", f"--reuid={NOBODY}", "--clear-groups"])


need_root()
main()
