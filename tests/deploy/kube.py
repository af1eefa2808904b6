# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects in YAML: read strictly, compared with the schemas of Kubernetes, and
the rendered examples of deploy/ with what they are rendered from."""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys

import jsonschema
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
from tap import Failed  # noqa: E402


class Strict(yaml.SafeLoader):
    """A key that is there twice is an error, and not the last one of them."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k, deep=True) for k, _ in node.value]
        twice = {k for k in keys if keys.count(k) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"keys that are there twice: {sorted(twice)}",
                node.start_mark)
        return super().construct_mapping(node, deep)


def parse(text):
    return [d for d in yaml.load_all(text, Loader=Strict) if d]


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def load(name):
    return parse(read(name))


@functools.lru_cache
def schema():
    return json.loads(read("tests/deploy/schemas/kubernetes.json"))


def name_of(obj):
    meta = obj.get("metadata", {})
    return f'{obj.get("kind")} {meta.get("namespace", "")}/{meta.get("name")}'


def validate(obj):
    """Raises Failed, with the path of what is wrong."""
    kind = f'{obj.get("apiVersion")} {obj.get("kind")}'
    model = schema()["kinds"].get(kind)
    if not model:
        raise Failed(f"{name_of(obj)}: no schema of {kind}: see KINDS in "
                     "tests/deploy/schemas/make.py")
    checker = jsonschema.Draft202012Validator(
        {"$ref": "#/$defs/" + model, "$defs": schema()["$defs"]})
    for e in checker.iter_errors(obj):
        at = "/".join(str(p) for p in e.absolute_path)
        raise Failed(f"{name_of(obj)}: {at}: {e.message}")


def by_name(objs):
    """Objects by kind and name; two of one name are an error."""
    out = {}
    for obj in objs:
        if name_of(obj) in out:
            raise Failed(f"{name_of(obj)} is there twice")
        out[name_of(obj)] = obj
    return out


def differences(a, b, at=""):
    """Where two objects differ, as lines."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [line for k in sorted(a.keys() | b.keys(), key=str)
                for line in differences(a.get(k), b.get(k), f"{at}/{k}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [line for i, (x, y) in enumerate(zip(a, b))
                for line in differences(x, y, f"{at}/{i}")]
    return [] if a == b else [f"{at}: {a!r} and {b!r}"]


def pod_specs(objs):
    """Each object that makes pods, and the specification of these."""
    for obj in objs:
        if obj.get("kind") in ("DaemonSet", "Deployment", "StatefulSet", "Job"):
            yield obj, obj["spec"]["template"]["spec"]


# --- rendered examples ---

SUM = re.compile(r"^# Made by tests/deploy/render of files with the SHA-256 (\w{64})", re.M)


def digest(folders, words=()):
    """Of all files in the folders but what is for people, by name, and of words: what a
    rendering is made of."""
    total = hashlib.sha256("\n".join(words).encode())
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                          *folders], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True)
    for name in sorted(set(out.stdout.split())):
        if not name.endswith(".md") and os.path.exists(os.path.join(TOP, name)):
            with open(os.path.join(TOP, name), "rb") as f:
                part = hashlib.sha256(f.read()).hexdigest()
            total.update(f"{name} {part}\n".encode())
    return total.hexdigest()


def header(checksum):
    return ("# SPDX-License-Identifier: Apache-2.0\n"
            f"# Made by tests/deploy/render of files with the SHA-256 {checksum}; "
            "do not edit.\n")


def digest_in(name):
    """The digest that a rendered file says it was made of."""
    found = SUM.search(read(name))
    if not found:
        raise Failed(f"{name}: does not say what it was made of")
    return found.group(1)
