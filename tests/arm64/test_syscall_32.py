#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/kernel/test_syscall.py with loads that are 32-bit programs: their calls have the
numbers of arm. Runs in a guest of tests/arm64/run, which builds the loads."""

import os
import runpy
import sys

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

import node  # noqa: E402

node.BIN = os.path.join(node.TOP, "build", "tests-32")
runpy.run_path(os.path.join(TESTS, "kernel", "test_syscall.py"), run_name="__main__")
