# SPDX-License-Identifier: Apache-2.0
"""The rows about the agent itself: memory, CPU time and bytes an export, and what the
walks at an export take when there are many threads and descriptors.

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

import proc
from figures import quartiles
from groups import Cgroups
from sides import Assay
from tools import ASSAY, WORK, KernelTime, Unavailable, note, run, strangers, wait_for

GROUPS = 10
THREADS, DESCRIPTORS = 2000, 5000
INTERVAL_S = 1
CGROUPS_INTERVAL_S = 10
READING_S = 2
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


class Shells:
    """A small busy shell in each of some cgroups of our own."""

    def __init__(self):
        self.cgroups = Cgroups(GROUPS)
        self.processes = []

    def __enter__(self):
        self.cgroups.make()
        for path in self.cgroups.paths:
            self.processes.append(subprocess.Popen(
                ["sh", "-c", f"echo $$ > {path}/cgroup.procs; {SHELL}"],
                start_new_session=True))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.cgroups.remove()


class Groups:
    """Many cgroups: the processes of each wake up every so many ms, or have ended."""

    def __init__(self, count, ms):
        self.cgroups, self.ms = Cgroups(count), ms
        self.process = None

    def __enter__(self):
        self.cgroups.make()
        self.process = subprocess.Popen(
            [WORK, "wake", str(len(self.cgroups.paths)), str(self.ms),
             self.cgroups.directory],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable(f"no processes in {len(self.cgroups.paths)} cgroups")
        return self

    def __exit__(self, *_):
        self.process.communicate()
        self.cgroups.remove()


class Held:
    """A process that has many threads, all blocked, and descriptors."""

    def __enter__(self):
        self.process = subprocess.Popen([WORK, "hold", str(THREADS), str(DESCRIPTORS)],
                                        text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable(f"no {THREADS} threads with {DESCRIPTORS} descriptors")
        return self

    def __exit__(self, *_):
        self.process.communicate()


def cpu_ns(pid):
    """CPU time of all threads, to the nanosecond."""
    return sum(proc.schedstat(pid, 0).values())


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


PARTS = {"exporting": {"agent.rss_mib", "agent.cpu_ms_per_interval",
                       "export.bytes_gzip", "inflight.walk"},
         "many_cgroups": {"cgroups.busy_250", "cgroups.idle_5000"},
         "history": {"history.busy_250"},
         "memory": {"memory.plan_mib", "memory.thread_bytes"}}
ROWS = {"agent.rss_mib": "MiB", "agent.cpu_ms_per_interval": "ms",
        "export.bytes_gzip": "B", "inflight.walk": "ms", "memory.plan_mib": "MiB",
        "memory.thread_bytes": "B", "cgroups.busy_250": "ms", "cgroups.idle_5000": "ms",
        "history.busy_250": "ms"}


def intervals(agent, sink, exports):
    """CPU time of the agent in each of the next intervals, in ms."""
    times = []
    for _ in range(exports):
        seen, before = len(sink.bodies), cpu_ns(agent.pid)
        wait_for(lambda: len(sink.bodies) > seen, 60, "an export")
        time.sleep(0.2)  # what is left to do after the answer belongs to this interval
        times.append((cpu_ns(agent.pid) - before) / 1e6)
    return times


def walks_ms(agent, sink, exports):
    """ms an interval that the walks' own programs take, by the kernel's statistics.
    The agent's programs that are on no hook are iterators."""
    with KernelTime([agent.pid]) as kernel:
        seen = len(sink.bodies)
        wait_for(lambda: len(sink.bodies) >= seen + exports, 15 + exports, "exports")
    return {name: round(ns / exports / 1e6, 3)
            for (hook, name), (runs, ns) in kernel.programs.items()
            if hook == "-" and runs}


def watch(agent, sink, exports):
    """What is to be known of an agent: from the third export on, then with many
    threads and descriptors on the machine."""
    wait_for(lambda: len(sink.bodies) >= 3, 60, "three exports")
    seen = {"memory": rss_kib(agent.pid), "times": intervals(agent, sink, exports)}
    # The first have few workloads.
    seen["bodies"] = sink.bodies[2:]
    with Held():
        seen["held"] = intervals(agent, sink, exports + 1)[1:]
        seen["walks"] = walks_ms(agent, sink, 3)
    return seen


def rows_of(seen, encodings):
    rss, cells, all_kib = seen["memory"]
    what = f"{GROUPS} busy cgroups, interval {INTERVAL_S} s"
    idle = statistics.median(seen["times"])
    return [plain("agent.rss_mib", "MiB", [rss / 1024], 16,
                  cells_mib=round(cells / 1024, 2), vmrss_mib=round(all_kib / 1024, 2),
                  load=what),
            plain("agent.cpu_ms_per_interval", "ms", seen["times"], load=what),
            plain("export.bytes_gzip", "B", seen["bodies"], load=what,
                  encoding=sorted(map(str, encodings))),
            plain("inflight.walk", "ms", [ms - idle for ms in seen["held"]],
                  load=f"{what}; {THREADS} threads and {DESCRIPTORS} descriptors more",
                  programs_ms=seen["walks"])]


def exporting(exports, binary):
    """The rows of a running agent that exports."""
    sink = Sink()
    agent = Assay(options=["--export", sink.url(),
                           "--export-interval", f"{INTERVAL_S}s"], binary=binary)
    note("agent: exports to a sink")
    try:
        with Shells():
            agent.start()
            try:
                return rows_of(watch(agent, sink, exports), sink.encodings)
            finally:
                agent.stop()
    finally:
        sink.shutdown()


def unreclaimable():
    """Bytes of the kernel's slabs that cannot be reclaimed."""
    with open("/proc/meminfo") as f:
        return int(re.search(r"^SUnreclaim:\s+(\d+)", f.read(), re.M).group(1)) * 1024


def agent_slab(binary):
    """How many bytes of slabs an agent adds when it starts."""
    strangers(["sched_switch"])  # waits until the kernel has freed the one before
    time.sleep(0.5)
    before = unreclaimable()
    agent = Assay(binary=binary)
    agent.start()
    try:
        time.sleep(0.5)
        return unreclaimable() - before
    finally:
        agent.stop()


def memory(rounds, binary):
    """The plan, and what the kernel takes for each thread."""
    note("agent: memory of threads")
    text = run([binary, "doctor", "--export", "none"], ok=(0, 1))
    plan = re.search(r"memory: ([0-9.]+) MiB of", text)
    beside = re.search(r"memory: .* (\d+) bytes per thread", text)  # up to 0.1
    if not plan:
        raise Unavailable("assay doctor prints no plan of the memory")
    bytes_each = []
    for _ in range(rounds):
        without = agent_slab(binary)
        with Held():
            bytes_each.append((agent_slab(binary) - without) / THREADS)
    return [plain("memory.plan_mib", "MiB", [float(plan.group(1))]),
            plain("memory.thread_bytes", "B", bytes_each,
                  planned=int(beside.group(1)) if beside else 0, load=f"{THREADS} threads")]


def files_ms(said):
    """What each reading of the files of cgroups took of the agent's CPU time, by its log."""
    return [float(ms) for ms in
            re.findall(r"the files of cgroups took (\d+\.\d+) ms of CPU time", said)]


def cgroup_cost(count, ms, exports, binary, interval_s=CGROUPS_INTERVAL_S):
    """(what each reading of the files of cgroups takes, all that the agent does in an
    interval, in the mean): CPU time in ms."""
    sink = Sink()
    agent = Assay(options=["--export", sink.url(), "--slots", "8192", "--memory", "512MiB",
                           "--export-interval", f"{interval_s}s"], binary=binary,
                  variables={"ASSAY_TEST_FILES_TIME": "1"})
    try:
        agent.start()
        try:
            with Groups(count, ms):
                seen = len(sink.bodies) + 2  # the next has some of them, or reads them anew
                wait_for(lambda: len(sink.bodies) >= seen, 30 + 3 * interval_s, "exports")
                before = len(files_ms(agent.said()))
                times = intervals(agent, sink, exports)
                files = files_ms(agent.said())[before:]
                if len(files) < exports:
                    raise Unavailable("this build does not say what the files of cgroups take")
                return files, statistics.mean(times)
        finally:
            agent.stop()
    finally:
        sink.shutdown()


def many_cgroups(exports, binary):
    """What the files of cgroups cost of which there are many: 250 that are busy, 5,000 that
    are not; and beside that all that the agent does in an interval."""
    note("agent: many cgroups, for 3 minutes")
    rows = []
    for name, count, ms, target in (("cgroups.busy_250", 250, 200, 5),
                                    ("cgroups.idle_5000", 5000, 0, 100)):
        files, whole = cgroup_cost(count, ms, exports, binary)
        # the mean, as not all files are read each time
        rows.append(plain(name, "ms", [sum(files) / exports], target,
                          agent_ms=round(whole, 2),
                          spread={"of": "quartiles over the exports",
                                  "assay": quartiles(files)},
                          load=f"an export every {CGROUPS_INTERVAL_S} s"))
    return rows


def reading_costs(options, exports, binary):
    """CPU time of an agent, in ms, for each export, at which a reading is kept, too."""
    sink = Sink()
    agent = Assay(options=["--export", sink.url(), "--export-interval",
                           f"{READING_S}s", *options], binary=binary)
    try:
        agent.start()
        try:
            wait_for(lambda: len(sink.bodies) >= 4, 60, "exports")
            return intervals(agent, sink, exports)
        finally:
            agent.stop()
    finally:
        sink.shutdown()


def history(exports, binary):
    """What the history costs of 250 workloads that are busy: an agent with it, and one
    without, in turns. The same agent exports, so that the difference is the history's."""
    note("agent: history, for 2 minutes")
    costs = []
    with Groups(250, 200):
        for _ in range(2):
            kept = reading_costs([], exports, binary)
            none = reading_costs(["--history", "none"], exports, binary)
            costs += [a - b for a, b in zip(sorted(kept), sorted(none))]
    return [plain("history.busy_250", "ms", costs, 10,
                  load=f"a reading every {READING_S} s")]


def measure(chosen, quick, before=None):
    """The rows that were asked for; before: of that binary too, in turns (A B A B)."""
    rows = measure_one(chosen, quick, ASSAY)
    if not before:
        return rows
    others = measure_one(chosen, quick, before)
    again = measure_one(chosen, quick, ASSAY), measure_one(chosen, quick, before)
    return [both(a, [a, c], [b, d])
            for a, b, c, d in zip(rows, others, again[0], again[1])]


def both(row, ours, theirs):
    """A row with the medians of the two builds' runs."""
    if any("skipped" in r for r in ours + theirs):
        return row
    value, other = (statistics.median([r["assay"] for r in side])
                    for side in (ours, theirs))
    return {**row, "assay": round(value, 2), "peer_value": round(other, 2),
            "dearer": round(value - other, 2),
            "spread": {"of": "the runs of each build",
                       "dearer": quartiles([r["assay"] - o["assay"]
                                            for r, o in zip(ours, theirs)]),
                       "assay": sorted(r["assay"] for r in ours),
                       "peer_value": sorted(r["assay"] for r in theirs)}}


def measure_one(chosen, quick, binary):
    """The rows of one build."""
    rows, reasons = [], []
    for part, count in ((exporting, 3 if quick else 10), (memory, 1 if quick else 3),
                        (many_cgroups, 2 if quick else 6),
                        (history, 3 if quick else 10)):
        if not (chosen & PARTS[part.__name__]):
            continue
        try:
            rows += part(count, binary)
        except Unavailable as e:
            reasons.append(str(e))
    rows = [row for row in rows if row["name"] in chosen]
    missing = [name for name in ROWS
               if name in chosen and name not in [row["name"] for row in rows]]
    return rows + [{"name": name, "unit": ROWS[name], "skipped": "; ".join(reasons)}
                   for name in missing]
