#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the chart's README.md: README.in, and a table of the comments in values.yaml that
begin with `--`.    python3 deploy/helm/readme.py > deploy/helm/assay/README.md"""

import json
import os
import re

import yaml

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "assay")


def described(lines):
    """(path, comment) of each value that has one, by indentation."""
    path, comment = [], []
    for line in lines:
        text = re.match(r"( *)# ?(.*)", line)
        key = re.match(r"( *)([\w.-]+):", line)
        if text:
            if text.group(2).startswith("-- "):
                comment = [text.group(2)[3:]]
            elif comment:
                comment.append(text.group(2))
        elif key:
            depth = len(key.group(1)) // 2
            path[depth:] = [key.group(2)]
            if comment:
                yield path[:], " ".join(comment)
            comment = []


def default_of(values, path):
    for key in path:
        values = values[key]
    return json.dumps(values, separators=(", ", ": "))


def main():
    with open(os.path.join(HERE, "values.yaml"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(HERE, "README.in"), encoding="utf-8") as f:
        print(f.read(), end="")
    values = yaml.safe_load(text)
    print("\n| value | default | what it is |\n| --- | --- | --- |")
    for path, comment in described(text.splitlines()):
        default = default_of(values, path)
        print(f"| `{'.'.join(path)}` | `{default}` | {comment} |".replace("`\"\"`", "empty"))


if __name__ == "__main__":
    main()
