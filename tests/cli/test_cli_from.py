#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What a tired person types, without an agent and without BPF: a history that
tests/unit/make_history made, and a peer on the socket that answers as an agent does."""

import contextlib
import csv
import fcntl
import io
import itertools
import json
import os
import pty
import re
import shlex
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import jsonschema
from commands import NOBODY, TOP, fails, listening, run, visible
from node import ASSAY
from tap import Skip, check, defer, main, same, test

MAKE = TOP + "/build/unit/make_history"
END = 1700000040  # 2023-11-14T22:14:00Z
WEB = "shop/web-7d4b9c-x2k8p/nginx"
SERIES = 13  # of assay.sched.wait.duration: three pods, ten units; and the hostile one
WORKLOADS = SERIES + 2  # that one, and the pod that is gone at the end
NOBODYS = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
copy = None


def made(*words):
    return subprocess.run([MAKE, *map(str, words)], check=True, capture_output=True).stdout


def setup():
    global copy
    os.environ["TZ"] = "UTC"
    subprocess.run(["make", "-s", "-C", TOP, "build/unit/make_history"], check=True,
                   stdout=sys.stderr)
    copy = visible() + "/ticket.db"
    made(copy, END, 10, 60)
    os.chmod(copy, 0o644)


def of_copy(*words, env=None):
    """Of the copy, by a user without privileges."""
    return run(*words, "--from", copy, env={"LC_ALL": "C.UTF-8", **(env or {})},
               prefix=NOBODYS if os.geteuid() == 0 else ())


COMMANDS = (("report",), ("why", WEB), ("why", "--node"), ("hist", "sched.wait.duration"),
            ("trend", "sched.wait.duration"), ("diff", "10m..5m", "2m..now"),
            ("list", "workloads"), ("list", "probes"))


def schema(name):
    with open(f"{TOP}/docs/{name}.schema.json", encoding="utf-8") as f:
        return json.load(f)


@test("every command reads a copy in three formats, without privileges")
def _():
    for words in COMMANDS:
        wanted = (3, "") if words[0] == "why" else (0, "")
        for form in "table", "json", "csv":
            status, out, err = of_copy(*words, "--format", form)
            same((status, err), wanted, f"{words} {form}")
            check(out.endswith("\n"), f"{words} {form}: {out}")
            check("\033" not in out and "\r" not in out and "\u009b" not in out,
                  f"{words} {form}: control characters in {out!r}")
            if form == "csv":
                lines = list(csv.reader(io.StringIO(out)))
                check(len(lines) > 1 and len({len(line) for line in lines}) == 1, f"{words}: {out}")
            if form == "json":
                document = json.loads(out)
                if words[0] != "list":
                    jsonschema.validate(document, schema(words[0]))
            if form == "table" and words[0] not in ("list", "hist"):
                check(max(map(len, out.split("\n\n", 1)[1].splitlines())) <= 100, out)


@test("lists of a copy: probes as they were then, metrics as they always are")
def _():
    status, out, err = of_copy("list", "probes", "--format", "json")
    same((status, err), (0, ""), "list probes")
    found = {p["name"]: p for p in json.loads(out)}
    same(found["sched"]["state"], "attached", f"{out}")
    check(found["sched"]["lost"] > 0, f"its losses then: {out}")
    of_last, of_all = (json.loads(of_copy("list", "probes", "--format", "json", "--last", t)[1])
                       for t in ("1m", "9m"))
    check(of_last[0]["lost"] < of_all[0]["lost"], f"they are of the time: {of_last[0]} {of_all[0]}")
    same(of_copy("list", "metrics"), run("list", "metrics"), "list metrics")
    same(of_copy("list", "metrics", "--last", "5m")[0], 0, "list metrics --last")


@test("a pipe gets the same text whatever the terminal, the colours and the time are")
def _():
    for words in COMMANDS:
        texts = {of_copy(*words, env={"LINES": n, "TERM": t, "NO_COLOR": c})[1]
                 for n, t, c in (("10", "xterm", ""), ("100", "dumb", "1"))}
        same(len(texts), 1, f"{words}: different texts")


@test("programs get all series, a table the first ones and how many there are more")
def _():
    for command in "hist", "trend":
        _, out, _ = of_copy(command, "sched.wait.duration", "--format", "json")
        names = {s["workload"] for s in json.loads(out)}
        same(len(names), SERIES + 1, f"{command}: workloads")
        _, out, _ = of_copy(command, "sched.wait.duration", "--format", "csv")
        same({row["workload"] for row in csv.DictReader(io.StringIO(out))} >= {WEB}, True, out)
        same(len({row["workload"] for row in csv.DictReader(io.StringIO(out))}), SERIES + 1,
             f"{command}: workloads of CSV")
        _, out, _ = of_copy(command, "sched.wait.duration")
        check("and 8 more with less" in out, f"{command}: {out}")
        _, out, _ = of_copy(command, "sched.wait.duration", "--format", "json", "--limit", "2")
        same(len(json.loads(out)), 2, f"{command} --limit 2")


@test("a trend and its heat have what happened when; a level is no rate")
def _():
    _, out, _ = of_copy("trend", "tcp.response.duration", "shop/web", "--format", "json",
                        "--step", "10s", "--last", "10m")
    steps = [s for s in json.loads(out) if s["attributes"]["assay.tcp.role"] == "server"][0]["steps"]
    same(len(steps), 60, "steps")
    check(steps[0]["p99"] < 0.01 < 0.04 < steps[-1]["p99"], f"{steps[0]} {steps[-1]}")
    same([round(s["rate"]) for s in (steps[0], steps[-1])], [50, 80], "rates")
    _, out, _ = of_copy("hist", "tcp.response.duration", "shop/web")
    heat = out[out.index("over time"):].splitlines()[1:]
    slow = [line for line in heat if "to 53ms" in line][0].split("53ms")[1]
    check(not slow[2:11].strip() and slow.rstrip()[-1] in "▒▓█", f"{out}")
    _, out, _ = of_copy("trend", "cgroup.memory.usage", "shop/web")
    check("value" in out and "rate" not in out, out)


@test("a time is read as it is meant, or said in one line what is wrong with it")
def _():
    for words, since, until in (
            (("--last", "1m"), "22:13:00Z", "22:14:00Z"),
            (("--at", "22:10"), "22:10:00Z", "22:10:10Z"),
            (("--at", "3m"), "22:11:00Z", "22:11:10Z"),
            (("--since", "22:05", "--until", "22:06"), "22:05:00Z", "22:06:00Z"),
            (("--since", "2023-11-14T23:05:00+01:00", "--until", "8m"), "22:05:00Z", "22:06:00Z"),
            (("--last", "1m", "--until", "22:10"), "22:09:00Z", "22:10:00Z"),
            (("--since", "2023-11-14"), "22:04:00Z", "22:14:00Z"),
            ((), "22:09:00Z", "22:14:00Z")):
        status, out, err = of_copy("report", "--format", "json", *words)
        same((status, err), (0, ""), str(words))
        found = json.loads(out)
        same((found["since"][-9:], found["until"][-9:]), (since, until), str(words))
    status, out, _ = of_copy("report", "--at", "23:10", env={"TZ": "Europe/Berlin"})
    check(out.startswith("2023-11-14T23:10:00+0100 to "), out)
    for status, pattern, words in (
            (1, "nothing is kept of that time: the history goes from 2023-11-14T22:04", ("--at", "21:00")),
            (1, "nothing is kept of that time", ("--since", "20:00", "--until", "21:00")),
            (2, "--until 22:20: that is yet to come.*leave it out", ("--since", "22:05", "--until", "22:20")),
            (2, "--since 5m: is not before --until 6m", ("--since", "5m", "--until", "6m")),
            (1, "nothing is kept of that time", ("--at", "2023-11-14")),
            (1, "nothing is kept of that time", ("--since", "2023-11-13", "--until", "2023-11-14")),
            (2, "--since 2030-01-01: that is yet to come", ("--since", "2030-01-01")),
            (2, "--at 2023-11-31: must be a time.*2026-11-27 .its midnight.", ("--at", "2023-11-31")),
            (2, "--at tea: must be a time, as 03:12", ("--at", "tea")),
            (2, "--last: '5': must be a time, 1s to 400d", ("--last", "5")),
            (2, "--until needs", ("--until", "5m"))):
        fails(status, pattern, "report", "--from", copy, *words)
    fails(2, "--at: no such option of this command", "trend", "sched.wait.duration", "--at", "5m",
          "--from", copy)
    fails(2, "22:05..22:20: its end is yet to come", "diff", "22:05..22:20", "1m..now", "--from", copy)
    fails(2, "5m..6m: must be from when to when, the earlier first", "diff", "5m..6m", "1m..now",
          "--from", copy)
    fails(2, "--baseline 22:05..22:20: its end is yet to come", "why", WEB, "--last", "1m",
          "--baseline", "22:05..22:20", "--from", copy)


@test("a file that is not there, an empty one, a directory: what is wrong with it")
def _():
    folder = visible()
    with open(folder + "/empty.db", "wb"):
        pass
    for words in COMMANDS:
        fails(1, "--from .*/none.db: No such file", *words, "--from", folder + "/none.db")
        fails(1, "empty.db: no agent has kept anything there", *words, "--from", folder + "/empty.db")
        fails(1, "no history of assay's", *words, "--from", folder)
        if words[0] not in ("diff", "why"):
            fails(1, "no agent has kept", *words, "--last", "5m", "--history", folder + "/empty.db")
    fails(1, "no agent has kept", "snapshot", folder + "/t.db", "--history", folder + "/none.db")
    same(os.path.exists(folder + "/t.db"), False, "a copy of nothing")


@test("a snapshot says what it has, once, and is not written over another file")
def _():
    target = visible() + "/again.db"
    status, out, err = run("snapshot", target, "--history", copy)
    same((status, err), (0, ""), "snapshot")
    same(out.count("2023-11-14T22:04:00"), 1, f"the beginning in {out}")
    check(f"assay report --from {target}" in out, out)
    fails(1, "again.db: it is there already", "snapshot", target, "--history", copy)
    same(run("report", "--from", target)[1], run("report", "--from", copy)[1], "the copy's copy")
    same([n for n in os.listdir(os.path.dirname(target)) if n.startswith("again")], ["again.db"],
         "what readers left beside it")


PAGE = 4096


def damaged(folder, pages, keep=None):
    """A copy of the copy of which one page is junk, or only the first ones are there."""
    path = folder + "/damaged.db"
    with open(copy, "rb") as f:
        content = bytearray(f.read())
    for n in pages:
        content[n * PAGE:(n + 1) * PAGE] = b"\xa5" * PAGE
    with open(path, "wb") as f:
        f.write(content[:keep])
    return path


@test("a damaged page changes no number without a word, whichever it is; the file stays as it is")
def _():
    folder, said = visible(), 0
    times = ("--last", "2m"), ("--last", "9m"), ("--since", "22:08:30", "--until", "22:11:20")
    whole = {t: run("report", "--from", copy, "--format", "json", *t)[1] for t in times}
    pages = os.path.getsize(copy) // PAGE
    for n in range(1, pages):
        path = damaged(folder, [n])
        with open(path, "rb") as f:
            before = f.read()
        for t in times:
            status, out, err = run("report", "--from", path, "--format", "json", *t)
            if (status, out) == (0, whole[t]):
                continue
            check(err.count("damaged") >= 1 and "malformed" not in err, f"page {n} {t}: {status} {err}")
            said += 1
            if status:
                continue
            found = json.loads(out)
            lost = re.search(r"damaged, and left out: (\d+) s of that time", err)
            span = json.loads(whole[t])["duration_s"]
            if lost:
                same(round(found["duration_s"]), round(span - int(lost[1])), f"page {n} {t}: {err}")
        with open(path, "rb") as f:
            check(f.read() == before, f"page {n}: the file was changed")
    check(said > 20, f"{said} of {pages} pages, three times each")


@test("of a file whose end is missing there is the rest, and it is said what is not")
def _():
    folder, size = visible(), os.path.getsize(copy)
    got = []
    for keep in range(PAGE, size, PAGE):
        status, out, err = run("report", "--from", damaged(folder, [], keep), "--format", "json",
                               "--last", "10m", prefix=NOBODYS if os.geteuid() == 0 else ())
        check("damaged" in err or keep > size - 4 * PAGE, f"{keep}: {err}")
        check("malformed" not in err, f"{keep}: {err}")
        got.append(json.loads(out)["duration_s"] if status == 0 else 0)
    same(got, sorted(got), "the more there is of it, the more is read")
    check(got[len(got) // 2] > 60 and got[-1] > 500, f"{got}")
    path = damaged(folder, [], PAGE)
    fails(1, "damaged", "report", "--from", path)
    path = damaged(folder, [0], PAGE)
    fails(1, "no history of assay's", "report", "--from", path)


@test("a trend, a difference and a copy say what is damaged, too")
def _():
    folder, said = visible(), dict.fromkeys(("trend", "diff", "snapshot"), 0)
    for n in range(1, os.path.getsize(copy) // PAGE):
        path = damaged(folder, [n])
        for words in (("trend", "sched.wait.duration", "--format", "csv", "--step", "10s", "--from", path),
                      ("diff", "9m..5m", "2m..now", "--format", "csv", "--from", path),
                      ("snapshot", folder + "/t.db", "--history", path)):
            status, out, err = run(*words)
            of_whole = run(*(copy if w == path else folder + "/u.db" if w.endswith("/t.db") else w
                             for w in words))[1].replace("u.db", "t.db")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder + "/t.db")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(folder + "/u.db")
            check((status == 0 and out == of_whole) or "damaged" in err, f"page {n} {words}: {err}")
            said[words[0]] += "damaged" in err
    check(min(said.values()) > 3, f"{said}")


@test("why says which of its two times is damaged")
def _():
    folder = visible()
    for early, said in (True, "baseline: 6 readings"), (False, "6 readings"):
        path = f"{folder}/{early}.db"
        shutil.copy(copy, path)
        first = (END - (540 if early else 60)) * 10 ** 9
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM minute")
            n = db.execute("UPDATE reading SET data = zeroblob(length(data)) WHERE until > ? "
                           "AND until <= ?", (first, first + 60 * 10 ** 9)).rowcount
        same(n, 6, "readings that were damaged")
        status, _, err = run("why", WEB, "--last", "2m", "--baseline", "5m", "--from", path)
        same(status, 3, "exit status")
        same([line for line in err.splitlines() if "damaged, and left out" in line],
             [f"assay: warning: {said} of the history are damaged, and left out: 60 s of that time"], "said")


@test("what cannot be written is said with its cause, by every command")
def _():
    sock = act_as_agent()
    looked = [(*w, "--from", copy, "--format", f) for w in COMMANDS for f in ("table", "json", "csv")]
    others = [("list", "metrics", "--format", f) for f in ("table", "json", "csv")]
    others += [("--help",), ("report", "--help"), ("--version",), ("help-man",),
               ("snapshot", visible() + "/t.db", "--history", copy),
               ("report", "--socket", sock, "--duration", "300ms"), ("list", "probes", "--socket", sock),
               ("probes", "--socket", sock), ("tune", "--socket", sock)]
    for words in looked + others:
        with open("/dev/full", "w", encoding="utf-8") as full:
            p = subprocess.run([ASSAY, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        same(p.returncode, 1, f"{words}: {p.stderr}")
        check(re.fullmatch(r"assay: error: .*: No space left on device\n", p.stderr), f"{words}: {p.stderr!r}")


@test("who may not ask the agent is told who may")
def _():
    if os.geteuid() != 0:
        raise Skip("needs root, to be another user")
    path = act_as_agent()
    for words in ("report",), ("why", "--node"), ("status",), ("tune",):
        fails(1, r"sock: Permission denied: the agent answers root, and its own user",
              *words, "--socket", path, prefix=NOBODYS)
    for words in ("report",), ("why", "--node"), ("hist", "sched.wait.duration"), ("list", "probes"):
        fails(1, "none.sock: no agent runs; without one: not enough privilege", *words, "--socket",
              visible() + "/none.sock", prefix=NOBODYS)


@test("who is meant: several are listed, a hostile name is typed as it is shown")
def _():
    status, out, err = of_copy("why", "shop")
    same((status, out), (2, ""), "several")
    check("2 workloads have that in their name" in err and WEB in err and "shop/cart" in err, err)
    status, out, err = of_copy("why", r"evil\x1b[31mname\x0d\u009b0m")
    same((status, err), (3, ""), "the hostile one")
    check("ENOSPC" in out, out)
    status, out, err = of_copy("report", "--filter", "name=*evil*", "--format", "csv")
    same(len(out.splitlines()), 2, out)
    fails(1, "nobody: no workload of that name", "why", "nobody", "--from", copy)
    for command in "hist", "trend":
        fails(1, "nobody: no workload has that in its name", command, "sched.wait.duration", "nobody",
              "--from", copy)


@test("who was there before, and did nothing in the time that is looked at, is answered for")
def _():
    gone = ("why", "post/mail-5c9d8-2bq7w/app", "--last", "1m")
    status, out, err = of_copy(*gone)
    same((status, err), (0, ""), f"{gone}")
    check("inconclusive: hardly anything happened there in 60 s" in out, out)
    fails(1, "mail.*: no workload of that name", *gone, "--baseline", "2m..1m", "--from", copy)


@test("a column is found as the screen has it; one that there is not is told with all")
def _():
    def names(*words):
        return [r["name"] for r in csv.DictReader(io.StringIO(
            of_copy("report", "--format", "csv", *words)[1]))]
    same(names("--sort", "OTHER", "--limit", "1"), [WEB], "--sort OTHER")
    same(names("--filter", "P99 > 10 ms"), names("--filter", "p99>10ms"), "spaces")
    same(names("--filter", "p99>10ms", "--filter", "name=shop/*"), [WEB], "two filters")
    same(len(names("--filter", "name!=shop/*")), WORKLOADS - 2, "all but two")
    grouped = names("--group-by", "namespace")
    check("namespace/shop" in " ".join(grouped) or "shop" in grouped, f"{grouped}")
    for option in ("--sort", "nosuch"), ("--filter", "nosuch=1"):
        fails(2, "name, p50, p99, .*, cgroup$", "report", *option, "--from", copy)


def act_as_agent():
    """A socket on which each reading is a second later than the one before; its path."""
    readings = itertools.cycle([made(n) for n in range(1, 9)])

    def answer(peer):
        exact = peer.recv(100).startswith(b"exact")
        with contextlib.suppress(BrokenPipeError):  # who asked was ended meanwhile
            peer.sendall(b"ok 5\n60000" if exact else next(readings))

    return listening(answer)


def watched(send, env=None):
    """What --watch leaves on a terminal, and its status: `send` is done to it once it has
    shown something."""
    path = act_as_agent()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    clean = {k: v for k, v in os.environ.items()
             if k not in ("NO_COLOR", "LINES", "COLUMNS") and not k.startswith("ASSAY_")}

    def as_a_shell_does():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    p = subprocess.Popen([ASSAY, "report", "--watch", "--duration", "300ms", "--socket", path],
                         stdin=slave, stdout=slave, stderr=slave,
                         preexec_fn=as_a_shell_does, env={**clean, **(env or {})})
    defer(p.kill)
    os.close(slave)
    out = b""
    end = time.monotonic() + 20
    while b"nginx" not in out:
        check(time.monotonic() < end, f"no workload is shown: {out}")
        out += os.read(master, 65536)
    send(p, master)
    status = p.wait(10)
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        out += more
    os.close(master)
    return status, out.decode()


@test("--watch ends by Ctrl-C or SIGTERM with status 0, its colours off, the prompt on a new line")
def _():
    for send in (lambda p, tty: os.write(tty, b"\x03"), lambda p, tty: p.send_signal(signal.SIGTERM)):
        status, out = watched(send)
        same(status, 0, "exit status")
        check(out.endswith("\033[0m\r\n"), repr(out[-200:]))
        status, out = watched(send, env={"NO_COLOR": "1"})
        same(status, 0, "exit status")
        check(out.endswith("\n") and "\033[0m" not in out, repr(out[-200:]))


# The others measure, or change what is measured: tests/cli/test_cli_examples.py, and suites of theirs.
LOOKING = ("report", "why", "hist", "trend", "diff", "list", "snapshot")


def examples(path):
    """The commands of a document, as somebody would copy them, but for those of the man page
    that are of now, or of a pipe (test_cli_examples.py)."""
    with open(f"{TOP}/{path}", encoding="utf-8") as f:
        text = f.read()
    if path.endswith(".1"):
        text = text.split(".SH EXAMPLES")[1].split("\n.SH")[0].replace("\\-", "-")
        text = re.sub(r"^\.B (?!.*([|;]|--duration|--estimate))", "    ", text, flags=re.M)
    lines = re.findall(r"^    (?:\$ )?(assay .*)$", text, re.M)
    return [line for line in lines if line.split()[1] in LOOKING and "--watch" not in line]


def stand_in(line):
    """A name of the document's machine is one of ours; a metric stands for METRIC."""
    words = shlex.split(line, comments=True)
    names = {"METRIC": "sched.wait.duration", "NAME": "shop/web", "THAT": "shop/web", "WORKLOAD": "shop/web",
             "FILE": "other.db", "web-7c5f9d8b6-x2k4q": "web-7d4b9c-x2k8p", "web-7c5f9d8b6": "web-7d4b9c",
             "batch/report-28816-q7v9d/job": "report"}
    return [names.get(w, w) for w in words[1:]]


def at_noon():
    """A zone in which 02:00 and 03:30 are some hours ago."""
    return f"NOON{time.gmtime().tm_hour - 12:+d}"


def half_a_day(path):
    """A history until now."""
    now = int(time.time()) // 10 * 10
    if os.path.exists(path):
        os.unlink(path)
    made(path, now - 600, 60, 60 * 12)
    made(path, now, 10, 60)
    return now


@test("the commands of README and docs run as they stand")
def _():
    folder, ran, now = visible(), 0, 0
    env = {**os.environ, "ASSAY_HISTORY": folder + "/history.db", "ASSAY_SOCKET": act_as_agent(),
           "ASSAY_DURATION": "300ms", "LC_ALL": "C.UTF-8", "TZ": at_noon()}
    for document in "README.md", "docs/first-incident.md", "docs/for-assistants.md", "docs/assay.1":
        for line in examples(document):
            words = stand_in(line)
            if time.time() - now > 15:  # some look at what is half a minute old
                now = half_a_day(folder + "/history.db")
            p = subprocess.run([ASSAY, *words], cwd=folder, env=env, text=True,
                               capture_output=True, timeout=60)
            check(p.returncode in ((0, 3) if words[0] == "why" else (0,)) and p.stdout,
                  f"{document}: {line}: status {p.returncode}: {p.stderr}{p.stdout}")
            ran += 1
    check(ran >= 20, f"{ran} commands")


main(setup)
