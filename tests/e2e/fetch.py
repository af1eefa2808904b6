# SPDX-License-Identifier: Apache-2.0
"""Packages of Debian's unstable branch, unpacked but not installed.

The independent decoder's .proto files and the receiver are not in the repository and
not in the stable release. They are taken from the mirror that this machine uses, with
its keyring, and kept in ASSAY_E2E_CACHE (default build/e2e) for the next run.
"""

import fcntl
import glob
import os
import re
import shutil
import subprocess

from tap import Skip, diag

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("ASSAY_E2E_CACHE", os.path.join(TOP, "build", "e2e"))
DEB822 = "/etc/apt/sources.list.d/debian.sources"
ONE_LINE = "/etc/apt/sources.list"


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def sources():
    """A one-line source of the unstable branch at this machine's own mirror."""
    text = read(DEB822)
    line = re.search(r"^deb\s+(\[.*?\]\s+)?(\S+)\s", read(ONE_LINE), re.M)
    uri = re.search(r"^URIs:\s*(\S+)", text, re.M)
    if uri:
        key = re.search(r"^Signed-By:\s*(\S+)", text, re.M)
        option = f"[signed-by={key.group(1)}] " if key else ""
        return f"deb {option}{uri.group(1)} sid main\n"
    if line:
        return f"deb {line.group(1) or ''}{line.group(2)} sid main\n"
    raise Skip(f"no mirror in {DEB822} or {ONE_LINE}: set ASSAY_E2E_CACHE to a filled "
               "cache")


def apt(*words):
    """Runs apt-get on lists of our own, so that the machine's stay as they are."""
    base = os.path.join(CACHE, "apt")
    for path in "lists/partial", "archives/partial":
        os.makedirs(os.path.join(base, path), exist_ok=True)
    with open(os.path.join(base, "sources.list"), "w") as f:
        f.write(sources())
    options = {"Dir::Etc::sourcelist": f"{base}/sources.list",
               "Dir::Etc::sourceparts": "/nonexistent",
               "Dir::State::lists": f"{base}/lists", "Dir::Cache": base,
               "APT::Sandbox::User": "root", "Acquire::Languages": "none",
               "Acquire::Retries": "3"}
    argv = ["apt-get", "-q"]
    for key, value in options.items():
        argv += ["-o", f"{key}={value}"]
    p = subprocess.run([*argv, *words], cwd=CACHE, text=True, timeout=120,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if p.returncode:
        diag(p.stdout)
        raise Skip(f"apt-get {words[0]} failed, and {CACHE} holds no copy")


def package(name, path):
    """The path of a file or directory of a package, fetched when it is not here yet."""
    root = os.path.join(CACHE, name)
    wanted = os.path.join(root, path)
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:  # suites run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(wanted):
            fetch(name, root)
    if not os.path.exists(wanted):
        raise Skip(f"{name} has no {path} any more")
    return wanted


def fetch(name, root):
    """Downloads a package and unpacks it."""
    debs = glob.glob(os.path.join(CACHE, f"{name}_*.deb"))
    if not debs:
        apt("update")
        apt("download", name)
        debs = glob.glob(os.path.join(CACHE, f"{name}_*.deb"))
    part = root + ".part"  # a run that is ended leaves no half
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["dpkg", "-x", debs[0], part], check=True)
    os.rename(part, root)
