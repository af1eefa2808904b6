#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints kyverno.yaml: Kyverno's ValidatingPolicy takes the same variables and expressions
as Kubernetes' own ValidatingAdmissionPolicy, which they are copied from."""

import os
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    with open(os.path.join(HERE, "validating-admission-policy.yaml"), encoding="utf-8") as f:
        policy, binding = yaml.safe_load_all(f)
    spec = policy["spec"]
    out = {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": policy["metadata"]["name"]},
        "spec": {
            "validationActions": ["Deny", "Audit"],
            "failurePolicy": spec["failurePolicy"],
            "matchConstraints": {
                "namespaceSelector": binding["spec"]["matchResources"]["namespaceSelector"],
                "resourceRules": spec["matchConstraints"]["resourceRules"]},
            "variables": spec["variables"],
            "validations": spec["validations"],
        },
    }
    print("# SPDX-License-Identifier: Apache-2.0\n#\n"
          "# Made by kyverno.py of validating-admission-policy.yaml; do not edit.")
    yaml.safe_dump(out, sys.stdout, sort_keys=False, width=88)


if __name__ == "__main__":
    main()
