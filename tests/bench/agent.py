# SPDX-License-Identifier: Apache-2.0
"""The rows about the agent itself: memory, CPU time and bytes an export.

The node is given known work: GROUPS cgroups, each with a small busy shell, so
that the figures can be compared between runs. The receiver is a sink here that
counts the bytes of each request's body."""

import http.server
import os
import re
import signal
import statistics
import subprocess
import threading
import time

from compare import quartiles
from sides import Assay
from tools import Unavailable, note, wait_for

GROUPS = 10
INTERVAL_S = 1
SHELL = "while :; do read a < /proc/self/stat; sleep 0.1; done"


class Sink(http.server.ThreadingHTTPServer):
    """An OTLP receiver that takes everything and keeps the size of each body."""

    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(length)
            self.server.bodies.append(length)
            self.server.encodings.add(self.headers.get("Content-Encoding"))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.bodies = []
        self.encodings = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/metrics"


def cgroup_root():
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if " - cgroup2 " in line:
                return line.split()[4]
    raise Unavailable("no cgroup v2 tree is mounted")


class Groups:
    """Cgroups of our own with a little work in each."""

    def __init__(self):
        self.dirs = []
        self.processes = []

    def __enter__(self):
        root = cgroup_root()
        for i in range(GROUPS):
            path = f"{root}/assay-bench-{os.getpid()}-{i}"
            os.mkdir(path)
            self.dirs.append(path)
            self.processes.append(subprocess.Popen(
                ["sh", "-c", f"echo $$ > {path}/cgroup.procs; {SHELL}"],
                start_new_session=True))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for path in self.dirs:
            wait_for(lambda path=path: self.remove(path), 5, f"{path} to be empty")

    def remove(self, path):
        try:
            os.rmdir(path)
        except OSError:
            return False
        return True


def cpu_ns(pid):
    """CPU time of all threads, to the nanosecond."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total


def rss_kib(pid):
    """(resident without the mapped cells, the mapped cells, all of it)."""
    with open(f"/proc/{pid}/status") as f:
        status = dict(re.findall(r"^(Rss\w+|VmRSS):\s+(\d+)", f.read(), re.M))
    cells, ours = 0, False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                ours = "anon_inode:bpf-map" in line
            elif ours and line.startswith("Rss:"):
                cells += int(line.split()[1])
    resident = int(status["RssAnon"]) + int(status["RssFile"])
    return resident - cells, cells, int(status["VmRSS"])


def plain(name, unit, values, target=None, **more):
    """A row that has no peer."""
    return {"name": name, "unit": unit, "floor": None,
            "assay": round(statistics.median(values), 2), "assay_net": None,
            "peer": None, "peer_value": None, "peer_net": None, "ratio": None,
            "gross": None, "target": target, "rounds": len(values),
            "spread": {"of": "quartiles over the exports", "assay": quartiles(values)},
            **more}


def skipped(reason):
    return [{"name": name, "unit": unit, "skipped": reason}
            for name, unit in (("agent.rss_mib", "MiB"),
                               ("agent.cpu_ms_per_interval", "ms"),
                               ("export.bytes_gzip", "B"))]


def watch(agent, sink, exports):
    """CPU time of each interval from the third export on, and the memory then."""
    wait_for(lambda: len(sink.bodies) >= 3, 30, "three exports")
    memory = rss_kib(agent.pid)
    times = []
    for _ in range(exports):
        seen, before = len(sink.bodies), cpu_ns(agent.pid)
        wait_for(lambda: len(sink.bodies) > seen, 15, "an export")
        time.sleep(0.2)  # what is left to do after the answer belongs to this interval
        times.append((cpu_ns(agent.pid) - before) / 1e6)
    return memory, times


def measure(exports):
    """The three rows."""
    sink = Sink()
    agent = Assay(options=["--export", sink.url(),
                           "--export-interval", f"{INTERVAL_S}s"])
    note("agent: exports to a sink")
    try:
        with Groups():
            agent.start()
            try:
                (rss, cells, all_kib), times = watch(agent, sink, exports)
            finally:
                agent.stop()
    except Unavailable as e:
        return skipped(str(e))
    finally:
        sink.shutdown()
    # The first have few workloads, the last is of a short interval.
    bodies = sink.bodies[2:-1]
    what = f"{GROUPS} busy cgroups, interval {INTERVAL_S} s"
    return [plain("agent.rss_mib", "MiB", [rss / 1024], 16,
                  cells_mib=round(cells / 1024, 2), vmrss_mib=round(all_kib / 1024, 2),
                  load=what),
            plain("agent.cpu_ms_per_interval", "ms", times, load=what),
            plain("export.bytes_gzip", "B", bodies, load=what,
                  encoding=sorted(map(str, sink.encodings)))]
