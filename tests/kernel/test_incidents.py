#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: nobody
"""Three of the staged incidents, the quick ones: tests/incidents/run has all of them, and
.ci/nightly makes them."""

import os
import sys

sys.dont_write_bytecode = True
os.environ.setdefault("ASSAY_INCIDENT_S", "5")
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "incidents"), TESTS]

import incident
from tap import need_root

need_root()
incident.suite(incident.choose(["cpu_neighbours", "slow_dependency", "no_space"]))
