# SPDX-License-Identifier: Apache-2.0
"""The loads. run(seconds) gives (events, wall ns), all on LOAD_CPU."""

import os
import re
import shutil
import signal
import subprocess

from groups import Cgroups
from tools import OUT, WORK, Unavailable, loaded, run, wait_for

PORT = 8089  # in a network namespace of our own


class Counted:
    """A load that is told how many operations to do: how long is found out first."""

    runs = None  # as many a round as usual
    events_per_op = 1
    ops_max = 1 << 40  # of one run
    ns_per_op = None

    def start(self):
        self.ns_per_op = 1000.0
        for _ in range(2):
            self.run(0.2)

    def run(self, seconds):
        ops = min(max(1000, int(seconds * 1e9 / self.ns_per_op)), self.ops_max)
        ns = self.operate(ops)
        if self.ns_per_op == 1000.0:
            self.ns_per_op = ns / ops
        return ops * self.events_per_op, ns

    def operate(self, ops):
        raise NotImplementedError

    def stop(self):
        pass


class Perf(Counted):
    """A benchmark of `perf bench`, by the time that it prints itself."""

    def __init__(self, *words):
        self.words = words
        if not shutil.which("perf"):
            raise Unavailable("perf is not installed")

    def operate(self, ops):
        text = run(loaded(["perf", "bench", *self.words, "-l", ops]))
        per_op = re.search(r"([0-9.]+) usecs/op", text)
        if not per_op:
            raise Unavailable(f"perf bench {' '.join(self.words)} printed no time")
        return float(per_op.group(1)) * 1000 * ops


class Switches(Perf):
    """Two tasks that wake each other on one CPU: two switches an operation."""

    events_per_op = 2

    def __init__(self):
        super().__init__("sched", "pipe")


class Getppid(Perf):
    """The cheapest system call there is: one pair of entry and exit."""

    def __init__(self):
        super().__init__("syscall", "basic")


class Work(Counted):
    """A load of work.c; inside: the words before its command."""

    inside = []

    def __init__(self, name, *words):
        self.name, self.words = name, words

    def operate(self, ops):
        text = run(self.inside + loaded([WORK, self.name, ops, *self.words]))
        return int(text)


class Reads(Work):
    """Reads of one byte from a file in tmpfs."""

    def __init__(self):
        super().__init__("reads")


class Ring(Work):
    """A token that goes round the processes of many cgroups, who touch memory: a
    switch a step, and nothing is in the caches that was not used lately."""

    GROUPS, KIB = 128, 32

    def __init__(self):
        self.cgroups = Cgroups(self.GROUPS)
        super().__init__("ring", self.GROUPS, self.KIB, self.cgroups.directory)

    def start(self):
        self.cgroups.make()
        super().start()

    def stop(self):
        self.cgroups.remove()


OWN_NETWORK = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]


class Connections(Work):
    """Short connections in a new network namespace: a connection is an event, with
    both its ends on this machine. As many a run as there are ports for."""

    inside = OWN_NETWORK
    ops_max = 20000

    def __init__(self):
        super().__init__("connections")


class Datagrams(Work):
    """UDP over loopback in a new network namespace: a packet sent and received."""

    inside = OWN_NETWORK

    def __init__(self):
        super().__init__("datagrams")


class Blocks(Work):
    """Reads of 4 KiB past the page cache from a loop device over a file in memory."""

    FILE = f"/dev/shm/assay-bench-{os.getpid()}"
    SIZE = 16 << 20

    def __init__(self):
        if not os.path.exists("/dev/loop-control"):
            raise Unavailable("no loop devices")
        super().__init__("direct")
        self.device = None

    def start(self):
        try:
            with open(self.FILE, "wb") as f:
                f.write(bytes(self.SIZE))
            self.device = run(["losetup", "-f", "--show", "-r", self.FILE]).strip()
        except BaseException:
            self.stop()
            raise
        self.words = [self.device]
        super().start()

    def requests(self):
        with open(f"/sys/block/{os.path.basename(self.device)}/stat") as f:
            return int(f.read().split()[0])

    def run(self, seconds):
        before = self.requests()
        _, ns = super().run(seconds)
        return self.requests() - before, ns

    def stop(self):
        if self.device:
            run(["losetup", "-d", self.device])
        if os.path.exists(self.FILE):
            os.unlink(self.FILE)


NGINX_CONF = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "all is well\\n"; }}
    }}
}}
"""
WRK_DONE = """
function done(summary) 
    io.write("took ", summary.duration, " for ", summary.requests, "\\n")
end
"""


class Http:
    """wrk on nginx over loopback, in a network namespace of their own.

    An event is a segment as the stack of that namespace counts them: InSegs plus
    OutSegs, so a packet over loopback is two, as it passes the stack twice."""

    runs = 1  # wrk does not run for less than a second

    def __init__(self):
        for program in ("nginx", "wrk", "unshare", "nsenter"):
            if not shutil.which(program):
                raise Unavailable(f"{program} is not installed")
        self.dir = os.path.join(OUT, "nginx")
        self.server = None

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        self.write("nginx.conf", NGINX_CONF.format(dir=self.dir, port=PORT))
        self.write("done.lua", WRK_DONE)
        line = f"ip link set lo up && exec nginx -p {self.dir} -c {self.dir}/nginx.conf"
        self.server = subprocess.Popen(
            loaded(["unshare", "-n", "sh", "-c", line]))
        wait_for(self.listens, 30, "nginx to listen")
        self.run(1)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def listens(self):
        if self.server.poll() is not None:
            raise Unavailable(f"nginx: exit status {self.server.returncode}")
        try:
            with open(f"/proc/{self.server.pid}/net/tcp") as f:
                return f":{PORT:04X} 00000000:0000 0A" in f.read()
        except OSError:
            return False

    def segments(self):
        with open(f"/proc/{self.server.pid}/net/snmp") as f:
            names, values = [line.split() for line in f if line.startswith("Tcp:")]
        table = dict(zip(names, values))
        return int(table["InSegs"]) + int(table["OutSegs"])

    def run(self, seconds):
        before = self.segments()
        wrk = ["wrk", "-t1", "-c8", f"-d{max(1, round(seconds))}s",
               "-s", f"{self.dir}/done.lua", f"http://127.0.0.1:{PORT}/"]
        inside = ["nsenter", "-n", "-t", str(self.server.pid)]
        text = run(inside + loaded(wrk))
        took = re.search(r"took ([0-9.]+) for ([0-9]+)", text)
        if not took or "Non-2xx" in text or "Socket errors" in text:
            raise Unavailable(f"wrk: {text.strip()[-200:]}")
        self.requests = int(took.group(2))
        return self.segments() - before, float(took.group(1)) * 1000

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(10)


class Requests(Http):
    """The same, an event being a request and its answer."""

    def run(self, seconds):
        _, ns = super().run(seconds)
        return self.requests, ns


class Keys(Counted):
    """redis-benchmark on redis-server over loopback: a GET is an event."""

    PORT = 6390  # in a network namespace of our own

    def __init__(self):
        for program in ("redis-server", "redis-benchmark"):
            if not shutil.which(program):
                raise Unavailable(f"{program} is not installed")
        self.server = None

    def start(self):
        self.server = subprocess.Popen(
            OWN_NETWORK + loaded(["redis-server", "--port", self.PORT, "--save", "",
                                  "--appendonly", "no", "--daemonize", "no",
                                  "--dir", OUT]),
            stdout=subprocess.DEVNULL)
        wait_for(self.answers, 30, "redis-server to answer")
        super().start()

    def there(self, argv):
        return ["nsenter", "-n", "-t", str(self.server.pid)] + loaded(argv)

    def answers(self):
        if self.server.poll() is not None:
            raise Unavailable(f"redis-server: exit status {self.server.returncode}")
        ping = self.there(["redis-cli", "-p", self.PORT, "ping"])
        return subprocess.run(ping, capture_output=True, check=False).stdout == b"PONG\n"

    def operate(self, ops):
        text = run(self.there(["redis-benchmark", "-p", self.PORT, "-n", ops, "-c", "8",
                               "-t", "get", "--csv"]))
        rate = re.search(r'^"GET","([0-9.]+)"', text, re.M)
        if not rate:
            raise Unavailable(f"redis-benchmark: {text.strip()[-200:]}")
        return ops * 1e9 / float(rate.group(1))

    def stop(self):
        if self.server and self.server.poll() is None:
            run(self.there(["redis-cli", "-p", self.PORT, "shutdown", "nosave"]))
            self.server.wait(10)
