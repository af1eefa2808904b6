#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the schema of the Kubernetes objects that deploy/ has, out of the models of the
Kubernetes project's own Python client (Debian's python3-kubernetes, of which version 35 is
made from the OpenAPI document of Kubernetes 1.35).

    make.py DIST-PACKAGES > kubernetes.json

The models say which fields there are, of which type, and which are required. A field that
is not there is an error, as with `kubectl apply --validate=strict`. What they do not say:
the words that an enumeration has, and rules between fields."""

import json
import os
import re
import sys

# "apiVersion kind": the model.
KINDS = {
    "v1 Namespace": "V1Namespace",
    "v1 ServiceAccount": "V1ServiceAccount",
    "v1 ResourceQuota": "V1ResourceQuota",
    "v1 Service": "V1Service",
    "v1 ConfigMap": "V1ConfigMap",
    "v1 Secret": "V1Secret",
    "apps/v1 DaemonSet": "V1DaemonSet",
    "apps/v1 Deployment": "V1Deployment",
    "networking.k8s.io/v1 NetworkPolicy": "V1NetworkPolicy",
    "rbac.authorization.k8s.io/v1 Role": "V1Role",
    "rbac.authorization.k8s.io/v1 RoleBinding": "V1RoleBinding",
    "rbac.authorization.k8s.io/v1 ClusterRole": "V1ClusterRole",
    "rbac.authorization.k8s.io/v1 ClusterRoleBinding": "V1ClusterRoleBinding",
    "policy/v1 PodDisruptionBudget": "V1PodDisruptionBudget",
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":
        "V1ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding":
        "V1ValidatingAdmissionPolicyBinding",
}
SIMPLE = {"int": {"type": "integer"}, "str": {"type": "string"},
          "bool": {"type": "boolean"}, "float": {"type": "number"},
          "datetime": {"type": "string"}, "object": {}}


def file_of(model):
    name = re.sub(r"(?<=[a-z0-9])([A-Z])|(?<!^)([A-Z])(?=[a-z])",
                  lambda m: "_" + m.group(0), model).lower()
    return name + ".py"


def table(text, name):
    body = re.search(name + r" = \{\n(.*?)\n    \}", text, re.S)
    return dict(re.findall(r"'(\w+)': '([^']+)'", body.group(1))) if body else {}


def schema_of(word, needed):
    """The schema of a type as the models write it: list[X], dict(str, X), a model."""
    many = re.fullmatch(r"list\[(.+)\]", word)
    if many:
        return {"type": "array", "items": schema_of(many.group(1), needed)}
    pairs = re.fullmatch(r"dict\(str, (.+)\)", word)
    if pairs:
        return {"type": "object",
                "additionalProperties": schema_of(pairs.group(1), needed)}
    if word in SIMPLE:
        return SIMPLE[word]
    needed.append(word)
    return {"$ref": "#/$defs/" + word}


def model_schema(folder, model, needed):
    with open(os.path.join(folder, file_of(model)), encoding="utf-8") as f:
        text = f.read()
    types, keys = table(text, "openapi_types"), table(text, "attribute_map")
    required = [keys[k] for k in re.findall(
        r"Invalid value for `(\w+)`, must not be `None`", text)]
    out = {"type": "object", "additionalProperties": False,
           "properties": {keys[k]: schema_of(t, needed) for k, t in types.items()}}
    if required:
        out["required"] = sorted(set(required))
    return out


def main(packages):
    folder = os.path.join(packages, "kubernetes/client/models")
    needed, defs = list(KINDS.values()), {}
    while needed:
        model = needed.pop()
        if model not in defs:
            defs[model] = {}
            defs[model] = model_schema(folder, model, needed)
    with open(os.path.join(folder, "v1_pod.py"), encoding="utf-8") as f:
        release = re.search(r"OpenAPI document: release-(\S+)", f.read()).group(1)
    about = f"Made by make.py from the OpenAPI models of Kubernetes {release}; Apache-2.0"
    print(f'{{"$comment":{json.dumps(about)},"release":{json.dumps(release)},')
    print(f'"kinds":{json.dumps(KINDS)},"$defs":{{')
    print(",\n".join(f"{json.dumps(m)}:" + json.dumps(d, sort_keys=True,
                                                      separators=(",", ":"))
                     for m, d in sorted(defs.items())))
    print("}}")


if __name__ == "__main__":
    main(sys.argv[1])
