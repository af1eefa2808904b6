# SPDX-License-Identifier: Apache-2.0
"""Many threads that only sleep."""

import subprocess
import sys

from node import IN_GUEST
from tap import Skip, defer

CROWD = """
import sys, threading
threading.stack_size(65536)
over = threading.Event()
for _ in range(int(sys.argv[1])):
    threading.Thread(target=over.wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def allow(threads):
    """Lets a guest have so many threads in one process."""
    for name, value in (("kernel/pid_max", 4 * threads), ("kernel/threads-max", 2 * threads),
                        ("vm/max_map_count", 4 * threads)):
        with open(f"/proc/sys/{name}", "r+") as f:
            if int(f.read()) < value:
                f.seek(0)
                f.write(str(value))


def crowd(n):
    """n threads that only sleep."""
    if IN_GUEST:
        allow(n)
    p = subprocess.Popen([sys.executable, "-c", CROWD, str(n)], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    defer(p.wait)
    defer(p.stdin.close)
    if p.stdout.readline() != "ready\n":
        raise Skip(f"no {n} threads here: {p.stderr.read().strip()[-100:]}")
    return p
