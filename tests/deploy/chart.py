# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: its values, put together as Helm does, and its templates, rendered by
tests/deploy/gotemplate (Go's templates and Sprig, as in Helm, which cannot be had here)."""

import copy
import json
import os
import re
import shutil
import subprocess

import jsonschema
from kube import TOP, by_name, digest, load, parse, read
from tap import Failed, Missing, same

CHART = "deploy/helm/assay"
EXAMPLES = "deploy/helm/examples"
RENDERER = os.path.join(TOP, "build/tests/gotemplate")
GO = next((g for g in ("/usr/lib/go-1.19/bin/go", shutil.which("go") or "")
           if os.path.exists(g)), None)
SPRIG = "/usr/share/gocode/src/github.com/Masterminds/sprig"
NOT_HERE = "no Go here, or no Sprig: make deps installs golang-go, golang-github-masterminds-sprig-dev, " \
    "golang-k8s-sigs-yaml-dev"


def renderer():
    """The renderer, built when there is a Go, or None."""
    source = os.path.join(TOP, "tests/deploy/gotemplate/main.go")
    if os.path.exists(RENDERER) and os.path.getmtime(RENDERER) > os.path.getmtime(source):
        return RENDERER
    if not GO or not os.path.isdir(SPRIG):
        return None
    os.makedirs(os.path.dirname(RENDERER), exist_ok=True)
    subprocess.run([GO, "build", "-o", RENDERER, "./tests/deploy/gotemplate"], cwd=TOP,
                   check=True, env=os.environ | {
                       "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                       "GOFLAGS": "", "GOCACHE": os.path.join(TOP, "build/gocache")})
    return RENDERER


def merged(base, over):
    """Values over those of the chart: mappings are merged, null takes away."""
    out = copy.deepcopy(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = copy.deepcopy(value)
    return out


def values(over=None):
    return merged(load(f"{CHART}/values.yaml")[0], over or {})


def check_values(all_values):
    """As `helm install` does: jsonschema.ValidationError says what is wrong."""
    jsonschema.Draft7Validator(json.loads(read(f"{CHART}/values.schema.json"))).validate(
        all_values)


def render(over=None, apis=(), namespace="assay"):
    """The text of all templates, or an error of which the text says why."""
    all_values = values(over)
    check_values(all_values)
    chart = load(f"{CHART}/Chart.yaml")[0]
    folder = os.path.join(TOP, CHART, "templates")
    # Helm gives the chart's fields with a capital letter.
    document = {
        "chart": {key[0].upper() + key[1:]: v for key, v in chart.items()},
        "values": all_values, "apis": list(apis),
        "release": {"Name": "assay", "Namespace": namespace, "Service": "Helm",
                    "IsInstall": True, "IsUpgrade": False, "Revision": 1},
        "templates": {n: read(f"{CHART}/templates/{n}") for n in os.listdir(folder)}}
    out = subprocess.run([renderer()], input=json.dumps(document), text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if out.returncode:
        raise RuntimeError(out.stderr.strip())
    return out.stdout


def parts(text):
    """The notes, and the rest of a rendering, without templates that made nothing."""
    notes, rest = "", []
    for part in re.split(r"^---\n(?=# Source: )", text, flags=re.M):
        name, _, body = part.partition("\n")
        if name.endswith("NOTES.txt"):
            notes = body
        elif body.strip():
            rest.append(f"---\n{name}\n{body.strip()}\n")
    return notes, "".join(rest)


def examples():
    return sorted(os.listdir(os.path.join(TOP, EXAMPLES)))


def example_values(name):
    return load(f"{EXAMPLES}/{name}/values.yaml")[0]


def example_file(name):
    return f"{EXAMPLES}/{name}/rendered.yaml"


def example_digest(name):
    return digest([CHART, f"{EXAMPLES}/{name}/values.yaml"])


# --- for suites ---


def objects(over=None, **more):
    """What the chart makes now of some values, by kind and name."""
    if not renderer():
        raise Missing(NOT_HERE)
    return by_name(parse(parts(render(over, **more))[1]))


def example(name):
    return by_name(load(example_file(name)))


def one(objs, kind):
    found = [o for o in objs.values() if o["kind"] == kind]
    same(len(found), 1, f"objects of kind {kind}")
    return found[0]


def pod(objs):
    return one(objs, "DaemonSet")["spec"]["template"]["spec"]


def variables(objs):
    return {v["name"]: v.get("value") for v in pod(objs)["containers"][0]["env"]}


def refusal(over, **more):
    """Why the chart does not render these values."""
    if not renderer():
        raise Missing(NOT_HERE)
    try:
        render(over, **more)
    except RuntimeError as e:
        return str(e)
    raise Failed(f"not refused: {over} {more}")
