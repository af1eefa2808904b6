# SPDX-License-Identifier: Apache-2.0
"""The two ends of kernel/resolver.py, started and spoken to."""

import json
import subprocess
import sys

from node import TOP
from tap import Failed, defer


class DnsLoad:
    """One of them in a cgroup of its own: a line of JSON in, one out."""

    def __init__(self, cgroup, *argv, netns=None):
        prefix = ["ip", "netns", "exec", netns] if netns else []
        self.cgroup = cgroup
        self.process = cgroup.start(
            [*prefix, sys.executable, TOP + "/tests/kernel/resolver.py", *argv],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        defer(self.close)
        self.reply()

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the load died: exit status {self.process.wait()}")
        return json.loads(line)

    def tell(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def ask(self, *words):
        self.tell(*words)
        return self.reply()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
