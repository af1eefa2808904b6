#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/systemd: the unit as `make install` leaves it is one that systemd takes, exposes
little, lets the agent do what it does, and names options that the agent has."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import check, defer, diag, main, need_tools, same, test  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST = 3.0  # of 10: what `systemd-analyze security` calls OK ends at 4.9

# What the agent calls, as strace showed it (a start as a user with the two capabilities,
# exports, a report, SIGTERM), and what it gives up privileges with.
CALLS = """accept4 access arch_prctl bind bpf brk capget capset clone3 close connect dup3
    eventfd2 execve exit exit_group faccessat2 fcntl flock fstatfs futex getdents64 getpid
    getrandom getrusage getsockopt gettid listen lseek madvise mkdir mmap mprotect munmap
    newfstatat openat openat2 pwrite64 fdatasync ftruncate rename perf_event_open poll prctl pread64 prlimit64 read rseq rt_sigaction
    rt_sigprocmask rt_sigreturn seccomp set_robust_list set_tid_address setsockopt
    signalfd4 socket socketpair statfs sysinfo tgkill umask uname unlink write""".split()


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=TOP, check=False)


def analyze(*args):
    need_tools("systemd-analyze")
    return run("systemd-analyze", *args)


def installed():
    """A folder that `make install` has filled; it goes when the test ends."""
    folder = tempfile.mkdtemp(prefix="assay-unit-")
    defer(shutil.rmtree, folder)
    out = run("make", "-s", "install", f"DESTDIR={folder}", "PREFIX=/usr")
    same(out.returncode, 0, out.stdout)
    return folder


def unit_of(folder):
    return os.path.join(folder, "usr/lib/systemd/system/assay.service")


def settings(path):
    """A unit's lines KEY=VALUE; each value is a list of those that were given."""
    out = {}
    with open(path, encoding="utf-8") as f:
        for key, value in re.findall(r"^(\w+)=(.*)$", f.read(), re.M):
            out.setdefault(key, []).append(value)
    return out


@test("make install leaves a unit that systemd takes, with the binary it starts")
def _():
    folder = installed()
    s = settings(unit_of(folder))
    binary = s["ExecStart"][0].split()[0]
    check(os.access(folder + binary, os.X_OK), f"{binary} is not installed")
    check("@" not in s["ExecStart"][0], s["ExecStart"][0])
    copy = os.path.join(folder, "assay.service")  # of which the binary is where it says
    with open(unit_of(folder), encoding="utf-8") as f, open(copy, "w",
                                                             encoding="utf-8") as to:
        to.write(f.read().replace(binary, folder + binary))
    out = analyze("verify", "--man=no", copy)
    same([x for x in out.stdout.splitlines() if "assay" in x], [], "complaints")


@test("make install keeps options that are there")
def _():
    folder = installed()
    path = os.path.join(folder, "etc/default/assay")
    with open(path, "w", encoding="utf-8") as f:
        f.write("ASSAY_MEMORY=32MiB\n")
    same(run("make", "-s", "install", f"DESTDIR={folder}", "PREFIX=/usr").returncode, 0,
         "installed again")
    with open(path, encoding="utf-8") as f:
        same(f.read(), "ASSAY_MEMORY=32MiB\n", "options")


@test(f"the unit exposes {MOST} of 10 at most, by systemd-analyze security")
def _():
    out = analyze("security", "--offline=true", "--no-pager", unit_of(installed()))
    found = re.search(r"Overall exposure level for assay.service: ([\d.]+)", out.stdout)
    check(found, out.stdout)
    diag(f"exposure {found.group(1)}")
    check(float(found.group(1)) <= MOST, out.stdout)


@test("with the drop-in for names of containers it may read everything, and exposes little")
def _():
    folder = installed()
    drop_in = os.path.join(folder, "etc/systemd/system/assay.service.d")
    os.makedirs(drop_in)
    shutil.copy(os.path.join(TOP, "deploy/systemd/examples/container-names.conf"), drop_in)
    s = settings(os.path.join(drop_in, "container-names.conf"))
    same(s, {k: ["CAP_DAC_READ_SEARCH"] for k in (
        "AmbientCapabilities", "CapabilityBoundingSet")}, "settings, which add to the unit's")
    out = analyze("security", "--offline=true", f"--root={folder}", "--no-pager",
                  "assay.service")
    found = re.search(r"Overall exposure level for assay.service: ([\d.]+)", out.stdout)
    check(found, out.stdout)
    diag(f"exposure {found.group(1)}")
    check("✗ CapabilityBoundingSet=~CAP_(DAC_" in out.stdout, "the drop-in was not read")
    check(float(found.group(1)) <= MOST, out.stdout)


@test("the unit has the two capabilities, ambient and as a bound, and a user of its own")
def _():
    s = settings(os.path.join(TOP, "deploy/systemd/assay.service.in"))
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        same(s[key], ["CAP_BPF CAP_PERFMON"], key)
    same((s["DynamicUser"], s["NoNewPrivileges"]), (["yes"], ["yes"]), "user")


def calls_of(word):
    """The system calls of a group, of groups in it, too; a call's name is itself."""
    if not word.startswith("@"):
        return {word}
    out = analyze("syscall-filter", "--no-pager", word).stdout
    inner = re.findall(r"^ {4}([@a-z][\w-]*)$", out, re.M)
    return set().union(*(calls_of(w) for w in set(inner)))


@test("the filter of system calls allows what the agent calls, and no mount or module")
def _():
    allowed = calls_of("@default")
    check("execve" in allowed, "systemd-analyze does not say what is in @default")
    for line in settings(os.path.join(TOP, "deploy/systemd/assay.service.in"))[
            "SystemCallFilter"]:
        words = line.lstrip("~").split()
        named = set().union(*(calls_of(w) for w in words))
        allowed = allowed - named if line.startswith("~") else allowed | named
    same([c for c in CALLS if c not in allowed], [], "calls that would be refused")
    bad = {"mount", "init_module", "ptrace", "reboot", "kexec_load", "swapon"}  # setns: RestrictNamespaces
    same(sorted(bad & allowed), [], "calls that are not refused")


def own_filter():
    """What the agent lets through itself, once it measures."""
    with open(os.path.join(TOP, "agent/kernel/call_filter.c"), encoding="utf-8") as f:
        names = set(re.findall(r'\b(?:ANY|EQUAL|MASKED)\("(\w+)"', f.read()))
    check(len(names) > 50, "the agent's own filter was not found")
    return names


@test("deploy/seccomp allows what the agent calls, and no mount, module or ptrace")
def _():
    with open(os.path.join(TOP, "deploy/seccomp/assay.json"), encoding="utf-8") as f:
        profile = json.load(f)
    same(profile["defaultAction"], "SCMP_ACT_ERRNO", "defaultAction")
    allowed = {n for r in profile["syscalls"] for n in r["names"]}
    same({r["action"] for r in profile["syscalls"]}, {"SCMP_ACT_ALLOW"}, "actions")
    same(sorted((set(CALLS) | own_filter()) - allowed), [], "calls that would be refused")
    bad = {"mount", "init_module", "ptrace", "reboot", "setns", "unshare", "kexec_load",
           "keyctl", "open_by_handle_at", "process_vm_readv", "userfaultfd"}
    same(sorted(bad & allowed), [], "calls that are not refused")


@test("the options in assay.default are the agent's, and the agent takes them")
def _():
    with open(os.path.join(TOP, "deploy/systemd/assay.default"), encoding="utf-8") as f:
        pairs = re.findall(r"^# ((?:ASSAY|OTEL)_\w+)=(.*)$", f.read(), re.M)
    check(len(pairs) > 4, "options")
    with open(os.path.join(TOP, "docs/assay.1"), encoding="utf-8") as f:
        manual = f.read()
    same([k for k, _ in pairs if k not in manual], [], "options that are not in the manual")
    out = subprocess.run([os.path.join(TOP, "build/assay"), "agent", "--no-such"],
                         env=dict(pairs), stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.STDOUT, timeout=20, check=False)
    check("--no-such" in out.stdout and len(out.stdout.splitlines()) == 1, out.stdout)


@test("the unit's memory limit has room for the plan and the start")
def _():
    s = settings(os.path.join(TOP, "deploy/systemd/assay.service.in"))
    same(s["MemoryMax"], ["128M"], "64 MiB of the plan and 64 beside it")
    with open(os.path.join(TOP, "docs/assay.1"), encoding="utf-8") as f:
        check("The default is 64MiB." in f.read(), "the default of --memory is another one")


main()
