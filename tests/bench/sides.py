# SPDX-License-Identifier: Apache-2.0
"""What is compared: nothing, empty programs, assay and the peer.

Each side is attached anew in each round. check() says, after the side is gone,
whether what it printed shows that it counted the load."""

import os
import pty
import re
import select
import signal
import shutil
import subprocess
import tempfile
import time

from tools import ASSAY, BPF, EMPTY, TOOL_CPU, Unavailable, hooks_of, pinned, wait_for


class Nothing:
    """The load alone."""

    pid = None

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
        self.pid = self.process.pid

    def stop(self):
        self.process.communicate("\n")


class Assay(Nothing):
    """A running agent with file export and these probes, None meaning all."""

    def __init__(self, probes=None, options=()):
        self.probes = probes
        self.options = options

    def start(self):
        if not os.access(ASSAY, os.X_OK):
            raise Unavailable(f"{ASSAY} is not built")
        self.dir = tempfile.mkdtemp(prefix="assay-bench-")
        self.log = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "sock")
        argv = [ASSAY, "agent", "--socket", self.socket, *self.options]
        if not any(o == "--export" for o in self.options):
            argv += ["--export", f"file:{self.dir}/batch.otlp"]
        if self.probes:
            argv += ["--probes", ",".join(self.probes)]
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("ASSAY_", "OTEL_"))}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(pinned(TOOL_CPU, argv), stderr=log,
                                            stdout=subprocess.DEVNULL, env=env)
        self.pid = self.process.pid
        try:
            wait_for(self.ready, 15, "the agent to be ready")
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


# tracefs is not mounted everywhere: the peer gets one in a mount namespace of its own.
WITH_TRACEFS = ["unshare", "-m", "sh", "-c",
                'test -e /sys/kernel/tracing/events || '
                'mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"', "sh"]


class Peer(Nothing):
    """A tool that prints its counts when it is interrupted.

    It gets a terminal, as it would not flush its first line into a pipe."""

    attached = re.compile("Tracing")
    settle = 0.1

    def __init__(self, *argv):
        self.argv = argv
        self.text = ""
        if not shutil.which(argv[0]):
            raise Unavailable(f"{argv[0]} is not installed")

    def start(self):
        self.text = ""
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            WITH_TRACEFS + pinned(TOOL_CPU, self.argv), stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.pid = self.process.pid
        try:
            wait_for(self.ready, 15, f"{self.argv[0]} to attach")
        except Unavailable:
            self.process.kill()
            self.process.wait()
            os.close(self.terminal)
            raise
        time.sleep(self.settle)

    def listen(self, seconds):
        """Takes in what it wrote within that time; False at its end."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def ready(self):
        if not self.listen(0.02):
            raise Unavailable(f"{self.argv[0]}: {self.text.strip()[-200:]}")
        return self.attached.search(self.text)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        end = time.monotonic() + 10
        while self.listen(0.1):
            if time.monotonic() > end:
                self.process.kill()
                break
        self.process.wait()
        os.close(self.terminal)

    def counted(self):
        raise NotImplementedError

    def check(self, events):
        counted = self.counted()
        if counted < 0.9 * events:
            raise Unavailable(f"{self.argv[0]} counted {counted} of {events} events: "
                              f"{self.text.strip()[-120:]}")


def histogram_count(text):
    """The events in the power-of-two histograms of bcc and bpftrace."""
    rows = re.findall(r"^\s*\d+ -> \d+\s*:\s*(\d+)|^\[.*?[)\]]\s+(\d+) \|", text, re.M)
    return sum(int(a or b) for a, b in rows)


class Runqlat(Peer):
    """A wait per switch."""

    def __init__(self):
        super().__init__("runqlat")

    def counted(self):
        return histogram_count(self.text)


class Syscount(Peer):
    """Count and time of each call; the table has the busiest first."""

    def __init__(self, name):
        super().__init__("syscount", "-L", "-T", "500")
        self.name = name

    def counted(self):
        row = re.search(rf"^{self.name}\s+(\d+)", self.text, re.M)
        return int(row.group(1)) if row else 0


class TcpProbe(Peer):
    """Round-trip times at each received segment, which is every second event."""

    attached = re.compile("Attaching")
    settle = 0.7  # it says so before it does it

    def __init__(self):
        super().__init__("bpftrace", "-e",
                         "tracepoint:tcp:tcp_probe { @rtt = hist(args->srtt); }")

    def counted(self):
        return 2 * histogram_count(self.text)
