# SPDX-License-Identifier: Apache-2.0
"""A collector that may be away: it refuses, or does not listen, and remembers all points
that it took."""

import gzip
import http.server
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))

from exports import PROTO
from node import scratch
from otlp import attributes, class_of, data_of, metrics
from tap import defer

GONE = None  # the value of a point that says that its series has ended


class Receiver:
    """series: for each (instance, metric, attributes) the points in their order, as
    (start, time, value), times in ns."""

    def __init__(self):
        self.kind = class_of(PROTO, "otlp_service.proto", scratch() + "/proto.desc")
        self.status = 200  # what requests are answered with
        self.taken = self.refused = 0
        self.series, self.resources = {}, {}
        self.lock = threading.Lock()
        self.server = None
        self.connections = set()
        self.port = 0
        self.listen()
        defer(self.stop)

    def listen(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.answer(self, body)

            def setup(self):
                super().setup()
                receiver.connections.add(self.connection)

            def finish(self):
                super().finish()
                receiver.connections.discard(self.connection)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1/metrics"
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def answer(self, request, body):
        status = self.status
        with self.lock:
            if status == 200:
                self.take(self.kind.FromString(gzip.decompress(body)))
                self.taken += 1
            else:
                self.refused += 1
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def take(self, request):
        for resource, metric in metrics(request):
            instance = resource["service.instance.id"]
            self.resources[instance] = resource
            for p in data_of(metric).data_points:
                value = getattr(p, "count", None)
                which = value is None and p.WhichOneof("value")
                if p.flags & 1:
                    value = GONE
                elif which:
                    value = getattr(p, which)
                key = instance, metric.name, tuple(sorted(attributes(p.attributes).items()))
                self.series.setdefault(key, []).append(
                    (p.start_time_unix_nano, p.time_unix_nano, value))

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            for connection in list(self.connections):
                connection.shutdown(socket.SHUT_RDWR)

    def of(self, path, metric=None, **with_):
        """The series of workloads for whose cgroup path(...) holds, by key."""
        def wanted(key):
            cgroup = self.resources[key[0]].get("process.linux.cgroup", "")
            return (path(cgroup) if callable(path) else cgroup == path) and \
                metric in (None, key[1]) and \
                all(any(k.split(".")[-1] == a.rstrip("_") and v == want
                        for k, v in key[2]) for a, want in with_.items())
        with self.lock:
            return {k: list(v) for k, v in self.series.items() if wanted(k)}

    def kind_of(self, kind, metric, **with_):
        """The same for the workloads of a kind."""
        found = self.of(lambda _: True, metric, **with_)
        with self.lock:
            return {k: v for k, v in found.items()
                    if self.resources[k[0]].get("assay.workload.kind") == kind}


def last(points):
    """The latest value of a series, the mark that it is over apart."""
    values = [value for _, _, value in points if value is not GONE]
    return values[-1] if values else 0


def total(series):
    return sum(last(points) for points in series.values())


def has_ended(points):
    """Is the latest point the mark that the series is over?"""
    return points[-1][2] is GONE
