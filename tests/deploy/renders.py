# SPDX-License-Identifier: Apache-2.0
"""What tests/deploy/render makes: the examples of deploy/ as a cluster gets them."""

import os
import re
import shutil
import subprocess

from kube import TOP, digest

OVERLAYS = ("plain", "bundles", "hardened", "gateway", "prometheus", "no-history")
KUSTOMIZE = ([f"deploy/kubernetes/overlays/{o}" for o in OVERLAYS] +
             [f"deploy/collector/{c}" for c in ("gateway", "node")])


def kustomize():
    """A command that renders a folder, or None: kubectl has had one since 1.14, of which
    that before 1.21 does not know our files."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if not shutil.which("kubectl"):
        return None
    out = subprocess.run(["kubectl", "version", "--client"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, check=False).stdout
    found = re.search(r"v1\.(\d+)", out)
    return ["kubectl", "kustomize"] if found and int(found.group(1)) >= 21 else None


def render_kustomize(folder):
    out = subprocess.run([*kustomize(), folder], cwd=TOP, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    if out.returncode:
        raise RuntimeError(f"{folder}: {out.stderr.strip()}")
    return out.stdout


def kustomize_file(folder):
    """Where the rendering of a folder is kept."""
    return os.path.join("deploy/kubernetes/rendered",
                        folder.removeprefix("deploy/").replace("kubernetes/overlays/", "")
                        .replace("/", "-") + ".yaml")


def kustomize_digest(folder):
    """All that a folder may take something from."""
    own = ["deploy/collector"]
    if "kubernetes" in folder:
        own += ["deploy/kubernetes/base", folder]
    return digest(own)
