#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""The commands as a user meets them: exit statuses, errors of one line, help, the
JSON interface and its schema, what happens without privilege or without an agent."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from node import ASSAY, TOP, Agent, Cgroup, Load, cgroup_root, scratch
from tap import Skip, between, check, defer, main, need_root, same, test

COMMANDS = "agent", "report", "probes", "doctor", "tune"
NOBODY = 65534


def run(*argv, env=None, prefix=(), program=ASSAY):
    """Returns exit status, stdout and stderr; no variable of ours is inherited."""
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith(("ASSAY_", "OTEL_"))}
    p = subprocess.run([*prefix, program, *argv], capture_output=True, text=True,
                       env=dict(clean, **(env or {})), timeout=60)
    return p.returncode, p.stdout, p.stderr


def fails(status, pattern, *argv, **options):
    """The command ends with this status and one line, which the pattern is in."""
    got, out, err = run(*argv, **options)
    what = "assay " + " ".join(argv)
    same(got, status, what + ": exit status")
    same(out, "", what + ": stdout")
    check(err.count("\n") == 1 and err.endswith("\n"), f"{what}: no single line: {err!r}")
    check(re.search(pattern, err), f"{what}: {err!r} has no {pattern!r}")


def nobody_socket():
    return scratch() + "/nobody.sock"


def schema():
    with open(TOP + "/docs/report.schema.json") as f:
        return json.load(f)


def report(*argv, **options):
    """A JSON report that the schema agrees with."""
    status, out, err = run("report", "--format", "json", *argv, **options)
    same(status, 0, f"exit status ({err})")
    document = json.loads(out)
    jsonschema.validate(document, schema())
    return document


def keys():
    """All options, from the text that the manual is made of."""
    _, out, _ = run("help-man")
    return [k.replace("\\", "") for k in re.findall(r"^\.B \\-\\-(\S+)", out, re.M)]


@test("what is unknown ends with status 2 and one line")
def _():
    fails(2, "which command")
    fails(2, "reprot: no such command", "reprot")
    for command in COMMANDS:
        fails(2, "--colour: no such option", command, "--colour")
        fails(2, "-x: no such option", command, "-x")
        if command != "tune":
            fails(2, f"now: {command} takes no arguments", command, "now")
    fails(2, "--total: no such option", "agent", "--total")
    fails(2, "--duration: needs a value", "report", "--duration")


@test("a bad value ends with status 2 and names option, value and what is allowed")
def _():
    fails(2, "--duration: '10x': must be a time, 10ms to 24h",
          "report", "--duration", "10x")
    fails(2, "--duration: '': must be", "report", "--duration=")
    fails(2, "--duration: '-1': must be", "report", "--duration", "-1")
    fails(2, "--format: 'xml': must be table or json", "report", "--format=xml")
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
    for key in known:
        check(re.search(rf"^  --{key}( |$)", out, re.M), f"--{key} is not in --help")
    for command in COMMANDS:
        check(f"assay {command} " in out, f"{command} is not in --help")
        status, text, err = run(command, "--help")
        same((status, err), (0, ""), f"assay {command} --help")
        check("--socket" in text, f"{command} --help has no --socket")
        same("--total" in text, command == "report", f"--total in {command} --help")


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


@test("the schema is one, and refuses what is no report")
def _():
    jsonschema.Draft202012Validator.check_schema(schema())
    good = {"schema": 1, "node": {"name": "n", "kernel": "6", "cpus": 1},
            "duration_s": 1.0, "probes": [], "lost": [], "workloads": []}
    jsonschema.validate(good, schema())
    metric = {"name": "m", "unit": "s", "attributes": {}, "type": "histogram"}
    w = {"kind": "unit", "name": "w", "cgroup": "/w", "metrics": [metric]}
    for bad in ({"schema": 2}, {"workloads": [w]}, {"lost": None}, {"extra": 1},
                {"probes": [{"name": "a", "state": "on", "reason": None}]},
                {"workloads": [{**w, "metrics": [{**metric, "type": "gauge"}]}]}):
        try:
            jsonschema.validate({**good, **bad}, schema())
        except jsonschema.ValidationError:
            continue
        check(False, f"the schema takes {bad}")


@test("a report that measures by itself keeps to the schema and to itself")
def _():
    cgroup = Cgroup("busy")
    cgroup.start(["sh", "-c", "while :; do cat /proc/version >/dev/null; done"])
    r = report("--duration", "1s", "--socket", nobody_socket())
    check(0.95 <= r["duration_s"] <= 1.5, f"duration_s {r['duration_s']}")
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
    status, out, err = run("report", "--duration", "1s", "--socket", nobody_socket())
    same(status, 0, f"exit status ({err})")
    check(max(map(len, out.splitlines())) <= 100, out)
    check(cgroup.path.strip("/") in out, out)
    for word in "WORKLOADS", "LATENCY", "TRAFFIC", "SATURATION", "p99":
        check(word in out, f"{word} is not in\n{out}")


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


@test("`doctor` says ok, warn or FAIL for each thing; its status tells of FAIL")
def _():
    status, out, err = run("doctor", "--socket", nobody_socket(), "--export", "none")
    same((status, err), (0, ""), f"exit status and stderr of\n{out}")
    for line in out.splitlines():
        check(re.match(r"(ok  |warn) [a-z]+: \S", line), f"the line {line!r}")
    for word in ("capabilities", "BTF", "task storage", "lockdown", "cgroup", "memory",
                 "collector", "probe: sched", "pressure: PSI is "):
        check(word in out, f"no line about {word}:\n{out}")
    program = shutil.copy(ASSAY, visible() + "/assay")
    status, out, _ = run("doctor", program=program, prefix=[
        "setpriv", f"--reuid={NOBODY}", "--clear-groups"])
    same(status, 1, "exit status without privilege")
    check("FAIL capabilities: not enough privilege: CAP_BPF" in out, out)


@test("`doctor` tells whether the collector answers, and fails when memory does not do")
def _():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    url = f"http://user:hush@127.0.0.1:{port}/v1/metrics"
    _, out, _ = run("doctor", "--export", url)
    check(f"ok   collector: 127.0.0.1 port {port} takes" in out and "hush" not in out, out)
    listener.close()
    status, out, _ = run("doctor", "--export", url)
    same(status, 0, "exit status without collector")
    check(f"warn collector: 127.0.0.1 port {port} does not answer" in out, out)
    status, out, _ = run("doctor", "--export", "none", "--memory", "4MiB", "--slots",
                         "16384")
    same(status, 1, "exit status without memory")
    check("FAIL memory: " in out, out)


@test("`probes` shows each probe with its hooks and its state")
def _():
    status, out, err = run("probes", "--probes", "sched", "--socket", nobody_socket())
    same((status, err), (0, ""), "exit status and stderr")
    check(re.search(r"^sched +attached\n.*\n +hooks: sched_switch", out, re.M), out)
    check(re.search(r"^tcp +disabled", out, re.M), out)


def v2_controllers():
    with open(cgroup_root() + "/cgroup.controllers") as f:
        return f.read().split()


@test("`doctor` says which controllers the v2 tree lacks, and what is missing then")
def _():
    _, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none")
    for name, words in (("cpu", "no CPU quota"), ("memory", "no memory use"),
                        ("io", "block requests count for the root workload")):
        line = re.search(rf"^(ok  |warn) controllers: {name} is (.*)$", out, re.M)
        check(line, f"no line about {name}:\n{out}")
        want = ("ok  ", "on the v2 tree") if name in v2_controllers() else (
            "warn", f"not on the v2 tree: {words}")
        same(line[1], want[0], name)
        check(line[2].startswith(want[1]), line[0])


@test("a --cgroup-root that is not the host's v2 tree is refused in one line")
def _():
    part = Cgroup("part")
    link = scratch() + "/link"
    os.symlink(part.dir, link)
    for root, why in ((part.dir, "not the root of the host's tree"),
                      (part.dir + "/", "not the root of the host's tree"),
                      (link, "not the root of the host's tree"),
                      (scratch(), "no cgroup v2 tree is mounted there"),
                      (cgroup_root() + "/cgroup.procs/", "Not a directory"),
                      ("/nonexistent", "No such file or directory")):
        fails(1, f"^assay: error: --cgroup-root {re.escape(root)}: {why}", "agent",
              "--export", "none", "--socket", nobody_socket(), "--cgroup-root", root)
    fails(1, "--host-root /nonexistent: must be a directory", "agent", "--export",
          "none", "--socket", nobody_socket(), "--host-root", "/nonexistent")
    _, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none",
                    "--cgroup-root", part.dir)
    check(f"FAIL cgroup: --cgroup-root {part.dir}: not the root" in out, out)


@test("nor a tree of cgroup v1")
def _():
    with open("/proc/self/mounts") as f:
        v1 = [line.split()[1] for line in f if line.split()[2] == "cgroup"]
    if not v1:
        raise Skip("no v1 tree is mounted")
    fails(1, f"--cgroup-root {v1[0]}: this is a tree of cgroup v1", "agent", "--export",
          "none", "--socket", nobody_socket(), "--cgroup-root", v1[0])


def tune(agent, *words):
    """What `assay tune` prints; it must succeed in silence otherwise."""
    status, out, err = run("tune", "--socket", agent.socket, *words)
    same((status, err), (0, ""), f"assay tune {words}")
    return out


@test("`tune` prints the parameters of all probes, or of one, and changes them")
def _():
    agent = Agent(export="none")
    lines = tune(agent).splitlines()
    same([line.split()[0] for line in lines],
         ["sched", "syscall", "tcp", "dns", "block", "memory", "cgroup"], "probes")
    same(tune(agent, "dns"), "dns      enabled=true inflight=10ms timeout=5s\n", "dns")
    same(tune(agent, "dns", "timeout=1m", "enabled=false"),
         "dns      enabled=false inflight=10ms timeout=1m\n", "dns")
    same(tune(agent, "sched", "sample=64"), "sched    enabled=true sample=64 "
         "inflight=10ms\n", "sched")
    check("tune dns timeout=1m enabled=false" in agent.said(), agent.said())


@test("what `tune` does not take is one line that says what it would take")
def _():
    nobody = nobody_socket()
    fails(2, "'disk' is no probe: one of sched, syscall", "tune", "disk")
    fails(2, "'off': sched takes KEY=VALUE, KEY one of enabled, sample, inflight",
          "tune", "sched", "off")
    fails(2, "sample: '3': must be a power of two, 1 to 1024", "tune", "sched",
          "sample=3")
    fails(2, "'a\\?b' is no probe", "tune", "a\nb")
    fails(2, "too many words", "tune", "sched", *["enabled=true"] * 40)
    fails(1, "nobody.sock: no agent runs", "tune", "--socket", nobody)
    agent = Agent("--probes", "sched", export="none")
    fails(1, "tcp is not loaded: start the agent with it in --probes", "tune",
          "--socket", agent.socket, "tcp", "enabled=false")
    check(re.search(r"^tcp +disabled$", tune(agent), re.M), tune(agent))


def ask(agent, request):
    """What the agent answers to the bytes of a request."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(agent.socket)
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


@test("the agent itself is as strict, whoever asks")
def _():
    agent = Agent("--probes", "sched", export="none")
    before = tune(agent)
    for request in (b"tuna\n", b"tuned\n", b"tune\0x\n", b"snapshot\0\n", b"\n",
                    b"snapshot 1\n"):
        same(ask(agent, request), b"error unknown request\n", f"answer to {request}")
    for request in (b"tune \n", b"tune  sched\n", b"tune sched \n",
                    b"tune sched enabled=no\n", b"tune sched sample=2 sample=4\n",
                    b"tune sched sample=2 x=1\n", b"tune tcp inflight=1s\n"):
        answer = ask(agent, request)
        check(re.fullmatch(rb"error [^\n]+\n", answer), f"{request}: {answer}")
    try:
        same(ask(agent, b"tune " + b"x" * 400), b"", "answer to an endless line")
    except ConnectionResetError:
        pass  # there was more than it read
    same(tune(agent), before, "parameters after all that")
    answer = ask(agent, b"tune sched inflight=2s\n")
    same(answer, b"ok 43\nsched    enabled=true sample=1 inflight=2s\n", "answer")


@test("a probe that is off is shown as off, by every command")
def _():
    agent = Agent(export="none")
    tune(agent, "tcp", "enabled=false")
    r = report("--total", "--socket", agent.socket)
    same([(p["state"], p["reason"]) for p in r["probes"] if p["name"] == "tcp"],
         [("off", "switched off by assay tune")], "state in JSON")
    _, out, _ = run("probes", "--socket", agent.socket)
    check("\ntcp      off: switched off by assay tune\n" in out, out)
    status, out, _ = run("doctor", "--socket", agent.socket, "--export", "none")
    check(status == 0 and "warn probe: tcp: off: switched off by assay tune" in out, out)
    _, out, _ = run("report", "--duration", "100ms", "--socket", agent.socket)
    check("NOT MEASURED  tcp is off: switched off by assay tune" in out, out)
    tune(agent, "tcp", "enabled=true")
    _, out, _ = run("probes", "--socket", agent.socket)
    check(re.search(r"^tcp +attached$", out, re.M), out)


@test("`probes` and `doctor` say what each probe of an agent costs and lost")
def _():
    agent = Agent(export="none")
    cgroup = Cgroup("calls")
    Load(cgroup, "calls").ask("getppid", 20000)
    _, out, _ = run("probes", "--socket", agent.socket)
    cost = r"([\d.]+[kMG]?) runs of [\d.]+(ns|us): [\d.]+ % of one CPU"
    part = out[out.index("\nsyscall "):out.index("\ntcp ")]
    for line in (r" +cost: " + cost, r" +syscall_enter +" + cost,
                 r" +syscall_exit +" + cost):
        check(re.search("^" + line + "$", part, re.M), f"no {line!r} in {part}")
    check(re.search("^ +lost: .", part, re.M), part)
    runs = re.search("cost: " + cost, part)[1]
    check(runs[-1] in "kM" and float(runs[:-1]) >= (40 if runs[-1] == "k" else 0), runs)
    _, out, _ = run("doctor", "--socket", agent.socket, "--export", "none")
    check(re.search("^ok   probe: syscall: attached; " + cost + "$", out, re.M), out)


def visible():
    """A scratch directory that everybody may read."""
    path = scratch()
    os.chmod(path, 0o755)
    return path


def serve(answer, hang=0):
    """A socket that answers every request so; returns its path."""
    path = scratch() + "/fake.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    defer(server.close)

    def loop():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(100)
                time.sleep(hang)
                try:
                    peer.sendall(answer)
                except OSError:
                    pass

    threading.Thread(target=loop, daemon=True).start()
    return path


def record():
    """An agent, and what it answers on its socket."""
    agent = Agent("--export-interval", "60s", export="none")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(agent.socket)
        s.sendall(b"snapshot\n")
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    return agent, answer


@test("what is no agent's answer is an error of one line")
def _():
    def broken(pattern, answer):
        fails(1, pattern, "report", "--total", "--socket", serve(answer))
    broken("the agent says: not now", b"error not now\n")
    broken("no assay agent's", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    broken("no assay agent's", b"")
    broken("no assay agent's", b"ok 1x\nA")
    broken("has 3 bytes of 10", b"ok 10\nabc")
    broken("fake.sock: the answer is no assay agent's", b"ok 3\n\xff\xff\xff")
    broken(r"says: a\\x1b\[2Jb\\u202e\\xff$", b"error a\x1b[2Jb\xe2\x80\xae\xff\n")


def peak_kib(*argv):
    """The most memory that the command had, and what it said."""
    small = "import resource as r, subprocess as s, sys; p = s.run(sys.argv[1:]); " \
        "print(p.returncode, r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)"
    p = subprocess.run([sys.executable, "-c", small, ASSAY, *argv], capture_output=True,
                       text=True, timeout=60)
    status, kib = map(int, p.stdout.split())
    same(status, 1, f"exit status ({p.stderr})")
    return kib, p.stderr


def field(number, body):
    """A field of a message, its length in 5 bytes."""
    length = len(body)
    return bytes([number << 3 | 2, *(length >> s & 0x7f | 0x80 for s in (0, 7, 14, 21)),
                  length >> 28]) + body


@test("an answer of 60 MiB that decodes to 6 GiB costs less than 700 MiB")
def _():
    points = b"\x0a\x00" * (30 << 20)
    answer = field(1, field(2, field(2, field(5, points))))
    kib, err = peak_kib("report", "--total", "--socket",
                        serve(b"ok %d\n" % len(answer) + answer))
    check("would take more memory than any agent's" in err, err)
    most = 1000 << 10 if "ASAN_OPTIONS" in os.environ else 700 << 10
    between(kib, 60 << 10, most, "KiB of memory")
    kib, err = peak_kib("report", "--total", "--socket", serve(b"ok 9\n" + points * 2))
    check("more than 64 MiB are no answer of an assay agent" in err, err)
    between(kib, 30 << 10, 140 << 10, "KiB of memory")


# The screen is cleared, a line forged, a name turned round; one is cut in a character.
HOSTILE = ("\x1b[2Kesc", "x\rroot", "rtl\u202egnp.exe", "zero\u200bwidth", "c1\u009b31m",
           "\udcff\udcfe", "\\xff\\xfe", "\u6f22" * 60, "\u2067isolate")


def clean(text, what):
    """Bytes that a terminal may get: UTF-8, lines, and nothing that is not to be seen."""
    for c in text.decode("utf-8"):
        check(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"),
              f"U+{ord(c):04x} in {what}")


def shown(*argv):
    p = subprocess.run([ASSAY, *argv], capture_output=True, timeout=60)
    clean(p.stdout, " ".join(argv))
    clean(p.stderr, "stderr of " + " ".join(argv))
    return p.stdout.decode()


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@test("names of cgroups do not tell a terminal what to do; JSON has each of them")
def _():
    agent = Agent(export="none")
    cgroups = [Cgroup(name) for name in HOSTILE]
    for cgroup in cgroups:
        Load(cgroup, "calls").ask("getppid", 3000)
    time.sleep(0.1)
    out = shown("report", "--total", "--socket", agent.socket)
    check("\\x1b[2Kesc" in out and "\\u202egnp" in out and "x\\x0droot" in out, out)
    rows = out[out.index("WORKLOADS"):].split("\n\n")[0].splitlines()
    rows = [row for row in rows if "Details" not in row and "quieter" not in row]
    same({width(row) for row in rows}, {width(rows[0])}, "widths of the table's lines")
    names = {w["cgroup"] for w in report("--total", "--socket", agent.socket)["workloads"]}
    for cgroup in cgroups:
        path = cgroup.path.replace("\\xf", "\\\\xf")
        path = path.replace("\udcff\udcfe", "\\xff\\xfe")
        check(path in names, f"{path!r} is not in {names}")


@test("a peer on the socket does not tell a terminal what to do")
def _():
    agent, answer = record()
    agent.stop()
    name = os.uname().nodename.encode()
    for old in (b"attached", b"sched", name):
        check(old in answer, f"{old} is not in the agent's answer")
        for evil in (b"\x1b[2J", b"\xe2\x80\xae", b"\r\n", b"\xff\x9b"):
            new = answer.replace(old, (evil * len(old))[:len(old)])
            path = serve(new)
            for argv in (["report", "--total"], ["probes"], ["doctor", "--export=none"],
                         ["tune"]):
                shown(*argv, "--socket", path)
            document = subprocess.run([ASSAY, "report", "--total", "--format", "json",
                                       "--socket", path], capture_output=True).stdout
            json.loads(document or b"{}")


@test("an agent that does not answer is waited for 5 s, not for ever")
def _():
    began = time.monotonic()
    fails(1, "timed out", "report", "--total", "--socket", serve(b"ok 0\n", hang=8))
    check(4.5 < time.monotonic() - began < 7, f"{time.monotonic() - began:.1f} s")


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
    r = report("--duration", "500ms", "--socket", agent.socket)
    check(0.45 <= r["duration_s"] <= 0.9, f"duration_s {r['duration_s']}")
    total = report("--total", "--socket", agent.socket)
    check(total["duration_s"] >= r["duration_s"], "the total is shorter than a part")
    status, out, _ = run("probes", "--socket", agent.socket)
    check(status == 0 and "As the agent has them" in out, out)
    status, out, _ = run("report", "--duration", "100ms", "--socket", agent.socket)
    check(status == 0 and "from the agent" in out, out)


@test("only root and the agent's own user may ask it")
def _():
    agent = Agent()
    os.chmod(agent.dir, 0o755)
    program = shutil.copy(ASSAY, visible() + "/assay")
    fails(1, "Permission denied", "report", "--total", "--socket", agent.socket,
          program=program, prefix=["setpriv", f"--reuid={NOBODY}", "--clear-groups"])


need_root()
main()
