#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""deploy/image: what the image has is enough for the agent, small, the same each time, and
written down; made here by the script of its build stage, without a container."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import check, defer, diag, main, need_root, need_tools, same, test  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST = 20 << 20  # bytes of the layer, as it is stored and sent


def run(*args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def make_root():
    """The image's files, in a new folder that goes when the test, or the suite, ends."""
    need_tools("setcap")
    folder = tempfile.mkdtemp(prefix="assay-image-")
    defer(shutil.rmtree, folder)
    out = run("sh", os.path.join(TOP, "deploy/image/rootfs"),
              os.path.join(TOP, "build/assay"), folder, env={**os.environ, "LC_ALL": "C"})
    same(out.returncode, 0, out.stdout)
    os.chmod(folder, 0o755)
    return folder


ROOT = []


def setup():
    """One folder for all tests: they do not change it."""
    ROOT.append(make_root())


def root():
    return ROOT[0]


def containerfile():
    with open(os.path.join(TOP, "deploy/image/Containerfile"), encoding="utf-8") as f:
        return f.read()


@test("the last stage is from scratch, has a user by number, and starts the agent")
def _():
    last = containerfile().rpartition("\nFROM ")[2]
    check(last.startswith("scratch\n"), last)
    check("\nUSER 65532:65532\n" in last and "RUN" not in last, last)
    check('ENTRYPOINT ["/usr/bin/assay"]' in last and 'CMD ["agent"]' in last, last)
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", last))
    check({"title", "licenses", "version", "revision"} <= labels, f"labels: {labels}")
    with open(os.path.join(TOP, "Makefile"), encoding="utf-8") as f:
        version = re.search(r"^VERSION := (\S+)", f.read(), re.M).group(1)
    check(f"ARG VERSION={version}\n" in last, "another version than the Makefile's")


@test("the agent runs with what is in the image, and with nothing else")
def _():
    folder = root()
    out = run("chroot", folder, "/usr/bin/assay", "--version")
    same((out.returncode, out.stdout.split()[:1]), (0, ["assay"]), out.stdout)
    # a name is looked up, TLS and its certificates are loaded
    env = {"PATH": os.environ["PATH"], "ASSAY_EXPORT": "https://nobody.invalid:4318/v1/metrics"}
    out = run("chroot", folder, "/usr/bin/assay", "doctor", env=env, timeout=60)
    check("nobody.invalid" in out.stdout, out.stdout)
    check("certificate" not in out.stdout.lower().replace("authorities", ""), out.stdout)


@test("the binary has the two capabilities as file capabilities, and no more")
def _():
    path = os.path.join(root(), "usr/bin/assay")
    same(run("getcap", path).stdout.split()[1:], ["cap_perfmon,cap_bpf=p"], "capabilities")


@test("nothing in it has a set-user-id bit, a writer beside its owner, or a shell")
def _():
    folder = root()
    names = []
    for base, _dirs, files in os.walk(folder):
        for name in files:
            path = os.path.join(base, name)
            names.append(name)
            if not os.path.islink(path):
                same(os.stat(path).st_mode & 0o6022, 0, path)
    same([n for n in names if n in ("sh", "bash", "busybox", "apt", "dpkg")], [], "tools")
    same(os.stat(os.path.join(folder, "run/assay")).st_uid, 65532, "who owns /run/assay")


@test(f"the layer has {MOST >> 20} MiB at most")
def _():
    folder = root()
    whole = run("du", "-sb", folder).stdout.split()[0]
    tar = subprocess.run(["sh", "-c", "tar -C \"$1\" -c . | gzip -6 | wc -c", "sh", folder],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    diag(f"{int(tar) / 1e6:.1f} MB as a layer, {int(whole) / 1e6:.1f} MB unpacked")
    check(int(tar) <= MOST, f"{tar} bytes")


@test("the same binary makes the same files")
def _():
    sums = []
    for folder in (root(), make_root()):
        sums.append(subprocess.run(
            ["sh", "-c", "cd \"$1\" && tar --sort=name --mtime=@0 --xattrs "
             "--pax-option=delete=atime,delete=ctime -c . | sha256sum",
             "sh", folder], stdout=subprocess.PIPE, text=True, check=True).stdout)
    same(sums[0], sums[1], "digests")


# Of each kind: C with an assertion's file name, generated C, a program of the kernel's.
KINDS = "agent/workload/identity.o", "proto/rpc_status.pb-c.o", "self.bpf.o"


def compile_in(folder, build):
    """The bytes of an object of each kind, from a copy of the source in a folder."""
    for name in ("agent", "bpf", "proto"):
        shutil.copytree(os.path.join(TOP, name), os.path.join(folder, name))
    shutil.copy(os.path.join(TOP, "Makefile"), folder)
    out = run("make", "-C", folder, f"BUILD={build}", *(f"{build}/{k}" for k in KINDS))
    same(out.returncode, 0, out.stdout)
    found = []
    for kind in KINDS:
        with open(os.path.join(folder, build, kind), "rb") as f:
            found.append(f.read())
    return found


@test("compiled in another directory, and outside of the source, objects are the same")
def _():
    folder = tempfile.mkdtemp(prefix="assay-same-")
    defer(shutil.rmtree, folder)
    one = compile_in(os.path.join(folder, "one"), "build")
    other = compile_in(os.path.join(folder, "an", "other"), os.path.join(folder, "out"))
    same([k for k, a, b in zip(KINDS, one, other) if a != b], [], "objects that differ")


@test("the SBOM names the agent and the package of each library")
def _():
    folder = root()
    with open(os.path.join(folder, "usr/share/doc/assay/sbom.spdx.json"),
              encoding="utf-8") as f:
        doc = json.load(f)
    same((doc["spdxVersion"], doc["dataLicense"]), ("SPDX-2.3", "CC0-1.0"), "SPDX")
    own = [p for p in doc["packages"] if p["name"] == "assay"][0]
    same([c["checksumValue"] for c in own["checksums"]],
         [run("sha256sum", os.path.join(folder, "usr/bin/assay")).stdout.split()[0]],
         "checksum of the binary that is in the image")
    ids = [p["SPDXID"] for p in doc["packages"]]
    same(len(ids), len(set(ids)), "ids that are there twice")
    check(all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in ids), str(ids))
    ends = {x for r in doc["relationships"] for x in
            (r["spdxElementId"], r["relatedSpdxElement"])}
    same(sorted(ends - {"SPDXRef-DOCUMENT"}), sorted(ids), "packages, and related ones")
    names = {p["name"]: p["versionInfo"] for p in doc["packages"]}
    libraries = os.listdir(os.path.join(folder, "usr/lib", run(
        "cc", "-print-multiarch").stdout.strip()))
    for library, package in (("libcurl.so.4", "libcurl4"), ("libc.so.6", "libc6"),
                             ("libbpf.so.1", "libbpf1"), ("libcrypto.so.3", "libssl3")):
        check(library in libraries, f"{library} is not in the image")
        version = run("dpkg-query", "-W", "-f", "${Version}\n", package).stdout.split()[0]
        same(names.get(package), version, package)
    check("assay" in names and "ca-certificates" in names, str(sorted(names)))


need_root()
main(setup)
