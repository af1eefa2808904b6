#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`assay doctor` and `assay probes`: what the node has, what assay has of it."""

import os
import re
import shutil
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from commands import NOBODY, fails, nobody_socket, run, visible
from node import ASSAY, Agent, Cgroup, Load, cgroup_root, scratch
from tap import Skip, check, main, need_root, same, test


@test("`doctor` says ok, warn or FAIL for each thing; its status tells of FAIL")
def _():
    status, out, err = run("doctor", "--socket", nobody_socket(), "--export", "none")
    same((status, err), (0, ""), f"exit status and stderr of\n{out}")
    for line in out.splitlines():
        check(re.match(r"(ok  |warn) [a-z]+: \S", line), f"the line {line!r}")
    for word in ("capabilities", "BTF", "atomic operations", "all that each probe calls", "lockdown", "cgroup", "memory",
                 "collector", "probe: sched", "pressure: PSI is "):
        check(word in out, f"no line about {word}:\n{out}")
    program = shutil.copy(ASSAY, visible() + "/assay")
    status, out, _ = run("doctor", program=program, prefix=[
        "setpriv", f"--reuid={NOBODY}", "--clear-groups"])
    same(status, 1, "exit status without privilege")
    check("FAIL capabilities: not enough privilege: CAP_BPF" in out, out)


@test("what a kernel lacks is named, by `doctor` for each probe, and by the agent")
def _():
    def hiding(*names):
        return {"ASSAY_TEST_FALLBACKS": ",".join(names)}

    release = re.escape(os.uname().release)
    hidden = hiding("BPF_FUNC_task_pt_regs", "disk", "btf_trace_mark_victim")
    status, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none",
                         env=hidden)
    same(status, 1, f"exit status of\n{out}")
    found = re.findall(f"^FAIL kernel: {release} lacks (.*): no probe (.*)$", out, re.M)
    same(found, [("bpf_task_pt_regs", "sched"), ("bpf_task_pt_regs", "syscall"), ("request_queue.disk", "block"),
                 ("tracepoint mark_victim", "memory")], "what is missing, and for whom")
    status, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none",
                         "--probes", "tcp,dns", env=hidden)
    check(status == 0 and "FAIL" not in out, f"a probe that nobody wants: {out}")
    status, _, err = run("report", "--duration", "1s", "--probes", "block,memory",
                         "--socket", nobody_socket(), env=hiding("disk"))
    same(status, 0, "exit status of a report without one probe")
    check(re.fullmatch(r"assay: warning: probe block: cannot load: this kernel lacks "
                       r"request_queue\.disk; going on without it\n", err), err)


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


need_root()


def memory_line(*options):
    """What doctor says of the memory, with these options."""
    _, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none", *options)
    return next(line for line in out.splitlines() if re.search("^(ok  |FAIL) memory", line))


@test("slots that do not fit into the memory are refused with the numbers that do")
def _():
    wanted = ("--memory", "64MiB", "--slots", "16384")
    status, out, err = run("agent", "--socket", visible() + "/none", "--export", "none",
                           *wanted)
    same((status, out), (1, ""), f"exit status and stdout, stderr was\n{err}")
    found = re.fullmatch(r"assay: error: --memory 65536KiB is too little for --slots 16384 "
                         r"on \d+ CPUs: --memory (\d+MiB) would do, or --slots (\d+)\n", err)
    check(found, err)
    check(memory_line(*wanted).startswith("FAIL memory: --memory 65536KiB is too"),
          memory_line(*wanted))
    memory, slots = found.groups()
    for better in (("--memory", memory, "--slots", "16384"),
                   ("--memory", "64MiB", "--slots", slots)):
        check(memory_line(*better).startswith("ok   memory"), memory_line(*better))
    less = f"{int(memory[:-3]) - 1}MiB"
    check(memory_line("--memory", less, "--slots", "16384").startswith("FAIL memory"),
          f"{less} would do, too")


@test("fewer slots than the default are planned when they do not fit, and are told")
def _():
    _, out, _ = run("doctor", "--socket", nobody_socket(), "--export", "none", "--memory",
                    "24MiB")
    check(re.search(r"^warn memory: \d+ slots instead of 1024: with \d+ CPUs", out, re.M) and
          re.search(r"^ok   memory: ", out, re.M), out)


main()
