# SPDX-License-Identifier: Apache-2.0
"""Commands that are run as a user would, and peers for them to talk to."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from node import ASSAY, TOP, Agent, scratch
from tap import check, defer, same

COMMANDS = ("agent", "report", "probes", "doctor", "tune", "status", "list", "why", "verify",
            "bench", "hist", "trend", "diff")
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


def visible():
    """A scratch directory that everybody may read."""
    path = scratch()
    os.chmod(path, 0o755)
    return path


def tune(agent, *words):
    """What `assay tune` prints; it must succeed in silence otherwise."""
    status, out, err = run("tune", "--socket", agent.socket, *words)
    same((status, err), (0, ""), f"assay tune {words}")
    return out


def listening(answer):
    """The path of a socket at which answer(peer) is called for each that connects, one
    after the other."""
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
                answer(peer)

    threading.Thread(target=loop, daemon=True).start()
    return path


def serve(answer, hang=0, pause=0):
    """A socket that answers every request so, in pieces if it pauses between them; returns
    its path."""
    def send(peer):
        peer.recv(100)
        time.sleep(hang)
        third = len(answer) // 3 + 1 if pause else len(answer) or 1
        with contextlib.suppress(OSError):
            for at in range(0, len(answer), third):
                peer.sendall(answer[at:at + third])
                time.sleep(pause)

    return listening(send)


def record():
    """An agent, and what it answers on its socket."""
    agent = Agent("--export-interval", "60s", export="none")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(agent.socket)
        s.sendall(b"snapshot\n")
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    return agent, answer
