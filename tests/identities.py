# SPDX-License-Identifier: Apache-2.0
"""Cgroups as containers have them, and what exports say of who they are."""

import json
import os
import uuid

from exports import Exports
from node import PATIENCE, Load, wait_for


def new_id():
    return uuid.uuid4().hex + uuid.uuid4().hex


def put_bundle(root, number, namespace, pod, name):
    """What containerd leaves of a container below --host-root: whole at once."""
    path = f"{root}/run/containerd/io.containerd.runtime.v2.task/k8s.io/{number}"
    cri = "io.kubernetes.cri."
    os.makedirs(path)
    with open(path + "/new", "w") as f:
        json.dump({"annotations": {
            cri + "container-type": "container", cri + "container-name": name,
            cri + "sandbox-name": pod, cri + "sandbox-namespace": namespace}}, f)
    os.rename(path + "/new", path + "/config.json")


def below(cgroup, *parts):
    """A cgroup further down, whose name is its last component."""
    for part in parts:
        cgroup = cgroup.below(part)
    return cgroup


def work(cgroup):
    load = Load(cgroup, "traps")
    load.ask("getppid", 1000)
    return load


def resource_of(agent, cgroup):
    """The resource of a cgroup in an agent's exports, when it is there."""
    def look():
        if not os.path.exists(agent.exports):
            return None
        for resource in Exports(agent.exports).resources.values():
            if resource.get("process.linux.cgroup") == cgroup.path:
                return resource
        return None

    return wait_for(look, PATIENCE, f"{cgroup.path} in an export")
