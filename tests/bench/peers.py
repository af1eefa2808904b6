# SPDX-License-Identifier: Apache-2.0
"""The peers: tools of libbpf-tools and one-liners of bpftrace that run here.

A kernel without kprobes runs neither tcpconnlat, tcpconnect, tcprtt, tcptop nor
biosnoop; what is here uses tracepoints. Each peer has to show that it counted."""

import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time

from sides import Nothing
from tools import TOOL_CPU, Unavailable, pinned, wait_for

# tracefs is not mounted everywhere: the peer gets one in a mount namespace of its own.
WITH_TRACEFS = ["unshare", "-m", "sh", "-c",
                'test -e /sys/kernel/tracing/events || '
                'mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"', "sh"]


class Peer(Nothing):
    """A tool that prints its counts, at once or when it is interrupted.

    It gets a terminal, as it would not flush its first line into a pipe, and a thread
    that reads it, as it would wait for that with its buffers overflowing."""

    attached = re.compile("Tracing")
    settle = 0.1

    def __init__(self, *argv):
        self.argv = argv
        self.chunks = []
        if not shutil.which(argv[0]):
            raise Unavailable(f"{argv[0]} is not installed")

    def __str__(self):
        return " ".join(self.argv)

    @property
    def text(self):
        return b"".join(self.chunks).decode(errors="replace").replace("\r", "")

    def start(self):
        self.chunks = []
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            WITH_TRACEFS + pinned(TOOL_CPU, self.argv), stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.pids = [self.process.pid]
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        try:
            wait_for(self.ready, 30, f"{self.argv[0]} to attach")
        except Unavailable:
            self.process.kill()
            self.end()
            raise
        time.sleep(self.settle)

    def read(self):
        """Takes in what it writes, to its end."""
        while True:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return
            if not data:
                return
            self.chunks.append(data)

    def ready(self):
        if not self.reader.is_alive():
            raise Unavailable(f"{self.argv[0]}: {self.text.strip()[-200:]}")
        return self.attached.search(self.text)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.end()

    def end(self):
        self.process.wait()
        self.reader.join(5)
        os.close(self.terminal)

    def counted(self):
        """How many events of the load its output shows."""
        raise NotImplementedError

    def check(self, events):
        counted = self.counted()
        if counted < 0.9 * events:
            raise Unavailable(f"{self.argv[0]} counted {counted:.0f} of {events} events: "
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


class Biolatency(Peer):
    """A histogram of all requests of the node."""

    def __init__(self):
        super().__init__("biolatency")

    def counted(self):
        return histogram_count(self.text)


class Tcplife(Peer):
    """A line for each end of each connection: who, bytes, duration."""

    attached = re.compile("PID +COMM")

    def __init__(self):
        super().__init__("tcplife")

    def counted(self):
        # What does not fit its buffer has been paid for all the same.
        lost = sum(map(int, re.findall(r"[Ll]ost (\d+)", self.text)))
        return (len(re.findall(r"127\.0\.0\.1", self.text)) / 2 + lost) / 2


class Tcpstates(Peer):
    """A line for each change of state: eleven or so a connection with both ends."""

    attached = re.compile("SKADDR")

    def __init__(self):
        super().__init__("tcpstates")

    def counted(self):
        lost = sum(map(int, re.findall(r"[Ll]ost (\d+)", self.text)))
        # each client is in SYN_SENT once
        return len(re.findall(r"-> SYN_SENT", self.text)) + lost / 11


def target(fd):
    """What a descriptor in /proc is, "" when it has just been closed."""
    try:
        return os.readlink(fd)
    except FileNotFoundError:
        return ""


class Bpftrace(Peer):
    """A script of bpftrace, on tracepoints. It says how many before it attaches them;
    it has one event of perf for each, and one for each CPU's buffer."""

    attached = re.compile(r"Attaching (\d+) probe")

    def __init__(self, script):
        super().__init__("bpftrace", "-e", " ".join(script.split()))

    def ready(self):
        found = super().ready()
        return found and self.events() >= os.cpu_count() + int(found.group(1))

    def events(self):
        fds = f"/proc/{self.process.pid}/fd"
        return sum("perf_event" in target(f"{fds}/{fd}") for fd in os.listdir(fds))

    def counted(self):
        return histogram_count(self.text)


class BlockScript(Bpftrace):
    """The textbook: a stamp at the start, a histogram at the end."""

    def __init__(self):
        super().__init__("""
            tracepoint:block:block_rq_issue { @start[args->dev, args->sector] = nsecs; }
            tracepoint:block:block_rq_complete /@start[args->dev, args->sector]/ {
                @us = hist((nsecs - @start[args->dev, args->sector]) / 1000);
                delete(@start[args->dev, args->sector]); }""")


class ConnectionScript(Bpftrace):
    """What we tell of connections, as simply as can be: of each cgroup how long its
    connects took, what it opened and closed, bytes, retransmits, round-trip times."""

    def __init__(self):
        super().__init__("""
            tracepoint:sock:inet_sock_set_state /args->protocol == 6/ {
                $sk = (uint64)args->skaddr;
                if (args->newstate == 2) {
                    @begin[$sk] = nsecs; @owner[$sk] = cgroup; }
                if (args->newstate == 1) {
                    if (@begin[$sk]) {
                        @connect[@owner[$sk]] = hist(nsecs - @begin[$sk]); }
                    @opened[@owner[$sk]] = count(); @begin[$sk] = nsecs; }
                if (args->newstate == 7 && @begin[$sk]) {
                    $tp = (struct tcp_sock *)$sk;
                    @closed[@owner[$sk]] = count();
                    @rx[@owner[$sk]] = sum($tp->bytes_received);
                    @tx[@owner[$sk]] = sum($tp->bytes_sent);
                    @retransmits[@owner[$sk]] = sum($tp->total_retrans);
                    @rtt[@owner[$sk]] = hist($tp->srtt_us >> 3);
                    delete(@begin[$sk]); delete(@owner[$sk]); } }""")

    def counted(self):
        # both ends of each are closed
        return sum(map(int, re.findall(r"@closed\[\d+\]: (\d+)", self.text))) / 2


class SegmentScript(Bpftrace):
    """Turns, as simply as can be: from data that arrives at a socket to the next
    packet that it sends, with the round-trip time at each segment."""

    def __init__(self):
        super().__init__("""
            tracepoint:tcp:tcp_probe /args->data_len/ {
                @in[(uint64)args->skaddr] = nsecs; @rtt = hist(args->srtt); }
            tracepoint:net:net_dev_queue {
                $sk = (uint64)((struct sk_buff *)args->skbaddr)->sk;
                if (@in[$sk]) {
                    @turn = hist(nsecs - @in[$sk]); delete(@in[$sk]); } }""")

    def counted(self):
        # an event is a segment in or out: rtt at the one, turn at the other
        return histogram_count(self.text)


class DnsScript(Bpftrace):
    """Counts what comes from a DNS server, and looks at everything for that."""

    ANSWERS = 10  # that the load sends at least: see work.c

    def __init__(self):
        super().__init__("""
            tracepoint:net:netif_receive_skb {
                $ip = (struct iphdr *)((struct sk_buff *)args->skbaddr)->data;
                if ($ip->protocol == 17) {
                    $udp = (struct udphdr *)((uint64)$ip + 20);
                    if ($udp->source == 0x3500) { @answers = count(); } } }""")

    def check(self, events):
        seen = re.search(r"@answers: (\d+)", self.text)
        if not seen or int(seen.group(1)) < self.ANSWERS:
            raise Unavailable(f"bpftrace did not see the answers: {self.text[-300:]!r}")


class Together(Nothing):
    """Several peers at once; those that do not run here are left out."""

    def __init__(self, kinds):
        self.peers, self.reasons = [], []
        for kind in kinds:
            try:
                self.peers.append(kind())
            except Unavailable as e:
                self.reasons.append(str(e))
        if not self.peers:
            raise Unavailable("; ".join(self.reasons))

    def __str__(self):
        return "; ".join(map(str, self.peers))

    def start(self):
        started = []
        try:
            for peer in self.peers:
                peer.start()
                started.append(peer)
        except Unavailable:
            for peer in started:
                peer.stop()
            raise
        self.pids = [pid for peer in self.peers for pid in peer.pids]

    def stop(self):
        for peer in self.peers:
            peer.stop()
