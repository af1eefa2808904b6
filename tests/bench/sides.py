# SPDX-License-Identifier: Apache-2.0
"""What is compared: nothing, empty programs, assay. The peers are in peers.py.

Each side is attached anew in each round. check() says, after the side is gone,
whether what it printed shows that it counted the load."""

import os
import shutil
import signal
import subprocess
import tempfile

from tools import ASSAY, BPF, EMPTY, TOOL_CPU, Unavailable, hooks_of, pinned, wait_for


class Nothing:
    """The load alone."""

    pids = ()  # whose programs the kernel's statistics are asked about

    def start(self):
        pass

    def stop(self):
        pass

    def check(self, events):
        pass


class Empty(Nothing):
    """An empty program on each of these hooks."""

    def __init__(self, hooks):
        self.hooks = hooks

    def start(self):
        self.process = subprocess.Popen(
            pinned(TOOL_CPU, [BPF, "attach", EMPTY, *self.hooks]), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable(f"no empty programs on {' '.join(self.hooks)}")
        self.pids = [self.process.pid]

    def stop(self):
        self.process.communicate("\n")


class Assay(Nothing):
    """A running agent with file export and these probes, None meaning all; without a
    budget it measures all the time, whatever that costs."""

    def __init__(self, probes=None, options=(), binary=ASSAY, budget="none",
                 variables=None):
        self.probes = probes
        self.options = options
        self.binary = binary
        self.budget = budget
        self.variables = variables or {}

    def __str__(self):
        return self.binary

    def start(self):
        if not os.access(self.binary, os.X_OK):
            raise Unavailable(f"{self.binary} is not built")
        self.dir = tempfile.mkdtemp(prefix="assay-bench-")
        self.log = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "sock")
        argv = [self.binary, "agent", "--socket", self.socket, *self.options]
        if not any(o == "--export" for o in self.options):
            argv += ["--export", f"file:{self.dir}/batch.otlp"]
        if self.probes:
            argv += ["--probes", ",".join(self.probes)]
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("ASSAY_", "OTEL_"))}
        # as variables: an older build has no such flags
        env.update(ASSAY_NODE_LOCK="none", ASSAY_BUDGET=self.budget,
                   ASSAY_HISTORY=f"{self.dir}/history.db", **self.variables)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(pinned(TOOL_CPU, argv), stderr=log,
                                            stdout=subprocess.DEVNULL, env=env)
        self.pid = self.process.pid
        self.pids = [self.pid]
        try:
            wait_for(self.ready, 100, "the agent to be ready")
        except Unavailable:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.dir)
            raise

    def said(self):
        with open(self.log) as f:
            return f.read()

    def ready(self):
        if self.process.poll() is not None:
            raise Unavailable(f"assay agent: exit status {self.process.returncode}: "
                              f"{self.said().strip()[-200:]}")
        return "ready" in self.said()

    def hooks(self):
        return hooks_of(self.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        said = self.said()
        shutil.rmtree(self.dir, ignore_errors=True)
        if status:
            raise Unavailable(f"assay agent: exit status {status}: {said[-200:]}")


class Off(Assay):
    """A running agent whose probes are all switched off."""

    def start(self):
        super().start()
        try:
            for line in self.tune().splitlines():
                self.tune(line.split()[0], "enabled=false")
        except subprocess.SubprocessError as e:
            self.stop()
            raise Unavailable(f"assay tune: {e}") from e

    def tune(self, *words):
        return subprocess.run([self.binary, "tune", "--socket", self.socket, *words],
                              check=True, text=True, stdout=subprocess.PIPE,
                              timeout=10).stdout
