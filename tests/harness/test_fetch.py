#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""What is fetched for the end-to-end suites (tests/e2e/fetch.py)."""

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, TESTS + "/e2e"]

import fetch
from tap import main, same, test


@test("of two suites that want a package at once one fetches it, and the other waits")
def _():
    def no_apt(*argv, **_):
        raise AssertionError(f"{argv} is run though somebody else fetches it")

    with tempfile.TemporaryDirectory() as cache:
        fetch.CACHE, wanted = cache, cache + "/thing/usr/file"
        run, subprocess.run = subprocess.run, no_apt
        with open(cache + "/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = []
            other = threading.Thread(target=lambda: found.append(fetch.package("thing",
                                                                               "usr/file")))
            other.start()
            time.sleep(0.3)
            os.makedirs(os.path.dirname(wanted))
            with open(wanted, "w"):
                pass
        other.join(10)
        subprocess.run = run
        same(found, [wanted], "what the one that waited has")


main()
