#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the incidents' workloads do, until they are killed. One that is ready says so in a
line on stdout.

    loads.py control PER_SECOND         see Control
    loads.py periodic BUSY_MS PERIOD_MS
    loads.py serve PORT WAIT_MS [ADDRESS]      answers each request after so long
    loads.py relay PORT DEPENDENCY_PORT        answers when its dependency has
    loads.py ask PORT PER_SECOND [ADDRESS]     one request after the other, on one connection
    loads.py hang PORT                  takes requests and never answers
    loads.py connect PORT PER_SECOND [ADDRESS [PATIENCE_S]]
    loads.py full_queue PORT            a listener that hardly accepts
    loads.py accept_late PORT WAIT_MS   one that accepts all who have come, so often
    loads.py reset PORT                 takes a request and ends the connection
    loads.py fill DIRECTORY             writes where no room is left
    loads.py descriptors                opens more files than it may
    loads.py flock FILE [hold]          locks a file
    loads.py fifo FILE                  opens a FIFO that nobody reads
    loads.py read FILE PER_SECOND       one block of it after the other, past the cache;
                                        some may fail
    loads.py flood FILE THREADS         blocks of 64 KiB as fast as the disk gives them
    loads.py map FILE                   touches cold pages of a mapped file
    loads.py thrash FILE                touches pages of a mapped file without a pause
    loads.py hoard PAGES_PER_SECOND     takes memory and keeps it
    loads.py threads COUNT              each of them makes a call a second
    loads.py job FILE SECONDS           works for so long, writes the file, and ends
"""

import mmap
import os
import queue
import random
import resource
import select
import socket
import struct
import sys
import tempfile
import threading
import time

REQUEST, ANSWER = b"q" * 64, b"a" * 200
PAGE = 4096


def ready():
    print("ready", flush=True)


def paced(per_second):
    """Goes round so often, and does not catch up."""
    while True:
        due = time.monotonic() + 1 / float(per_second)
        yield
        time.sleep(max(0, due - time.monotonic()))


def burn(seconds):
    """Wants a CPU until it has had it for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def in_background(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()


def listen(port, address="127.0.0.1", backlog=128):
    return socket.create_server((address, int(port)), backlog=backlog)


def dial(port, address="127.0.0.1", patience=None):
    s = socket.create_connection((address, int(port)), patience)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def receive(s, length):
    """So many bytes; fewer when the other end closed."""
    got = b""
    while len(got) < length:
        more = s.recv(length - len(got))
        if not more:
            break
        got += more
    return got


def answer_all(listener, work):
    """Each connection has a thread, which answers each request when work() is done."""
    def attend(s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with s:
            while len(receive(s, len(REQUEST))) == len(REQUEST):
                work()
                s.sendall(ANSWER)
    while True:
        in_background(attend, listener.accept()[0])


class Control:
    """A service as there are many, which is well: requests from a client of its own, a
    pool of threads that mostly has nothing to do, threads that wait for what never comes,
    a file now and then, one that is not there, lines in a log."""

    def __init__(self, per_second):
        self.per_second = per_second
        self.jobs = queue.Queue()
        self.log = tempfile.TemporaryFile(dir="/dev/shm")
        self.listener = listen(0)
        self.port = self.listener.getsockname()[1]
        self.idle = socket.socketpair(), os.pipe()

    def work(self):
        with open("/proc/self/comm") as f:
            f.read()
        burn(0.0005)

    def pool(self):
        while True:
            self.jobs.get()()

    def ask(self):
        for round_, _ in enumerate(paced(self.per_second)):
            if round_ % 20 == 0:
                s = dial(self.port)
            s.sendall(REQUEST)
            receive(s, len(ANSWER))

    def housekeep(self):
        for _ in paced(5):
            self.jobs.put(self.work)
            os.path.exists("/nonexistent/settings")
            self.log.write(b"all is well\n" * 10)
            self.log.flush()

    def run(self):
        in_background(answer_all, self.listener, self.work)
        for _ in range(4):
            in_background(self.pool)
        in_background(self.idle[0][0].recv, 1)
        in_background(os.read, self.idle[1][0], 1)
        in_background(select.select, [self.idle[1][0]], [], [])
        in_background(self.ask)
        ready()
        self.housekeep()


def control(per_second):
    Control(per_second).run()


def periodic(busy_ms, period_ms):
    ready()
    for _ in paced(1000 / float(period_ms)):
        burn(float(busy_ms) / 1000)


def serve(port, wait_ms, address="127.0.0.1"):
    listener = listen(port, address)
    ready()
    answer_all(listener, lambda: time.sleep(float(wait_ms) / 1000))


def relay(port, dependency):
    listener, s = listen(port), dial(dependency)

    def ask():
        s.sendall(REQUEST)
        receive(s, len(ANSWER))
    ready()
    answer_all(listener, ask)


def ask(port, per_second, address="127.0.0.1"):
    s = dial(port, address)
    ready()
    for _ in paced(per_second):
        try:
            s.sendall(REQUEST)
            answered = receive(s, len(ANSWER))
        except ConnectionError:
            answered = False
        if not answered:
            s.close()
            s = dial(port, address)


def hang(port):
    listener, kept = listen(port), []
    ready()
    while True:
        s, _ = listener.accept()
        kept.append(s)
        in_background(receive, s, 1 << 20)


def connect(port, per_second, address="127.0.0.1", patience=None):
    ready()
    for _ in paced(per_second):
        try:
            dial(port, address, patience and float(patience)).close()
        except OSError:
            pass


def full_queue(port):
    listener = listen(port, backlog=4)
    ready()
    for _ in paced(2):
        listener.accept()[0].close()


def accept_late(port, wait_ms):
    listener = listen(port)
    ready()
    for _ in paced(1000 / float(wait_ms)):
        while select.select([listener], [], [], 0)[0]:
            listener.accept()[0].close()


def reset(port):
    listener = listen(port)
    ready()
    while True:
        s, _ = listener.accept()
        receive(s, len(REQUEST))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


def fill(directory):
    ready()
    with open(directory + "/data", "wb", buffering=0) as f:
        for _ in paced(50):
            try:
                f.write(bytes(PAGE))
            except OSError:
                pass


def descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    kept = []
    ready()
    for _ in paced(50):
        try:
            kept.append(open("/proc/self/comm"))
        except OSError:
            pass


def flock(path, hold=None):
    import fcntl
    with open(path, "w") as f:
        if not hold:
            ready()
        fcntl.flock(f, fcntl.LOCK_EX)
        ready()
        time.sleep(10000)


def fifo(path):
    ready()
    open(path, "wb").close()


def direct(path, flags):
    return os.open(path, flags | os.O_DIRECT)


def read(path, per_second):
    fd = direct(path, os.O_RDONLY)
    size = os.lseek(fd, 0, os.SEEK_END)
    page = mmap.mmap(-1, PAGE)
    ready()
    for _ in paced(per_second):
        try:
            os.preadv(fd, [page], random.randrange(size // PAGE) * PAGE)
        except OSError:
            pass


def flood(path, threads):
    fd = direct(path, os.O_RDONLY)
    size = os.lseek(fd, 0, os.SEEK_END)

    def go():
        data = mmap.mmap(-1, 1 << 16)
        while True:
            os.preadv(fd, [data], random.randrange(size >> 16) << 16)
    for _ in range(int(threads) - 1):
        in_background(go)
    ready()
    go()


def map_cold(path):
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        ready()
        while True:
            pages = mmap.mmap(f.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ)
            pages.madvise(mmap.MADV_RANDOM)
            for _ in range(200):
                struct.unpack_from("b", pages, random.randrange(size // PAGE) * PAGE)
                time.sleep(0.0002)
            pages.close()
            os.posix_fadvise(f.fileno(), 0, size, os.POSIX_FADV_DONTNEED)


def thrash(path):
    with open(path, "rb") as f:
        while f.read(1 << 20):
            pass
        size = os.fstat(f.fileno()).st_size
        pages = mmap.mmap(f.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ)
        pages.madvise(mmap.MADV_RANDOM)
        ready()
        while True:
            struct.unpack_from("b", pages, random.randrange(size // PAGE) * PAGE)


def hoard(per_second):
    kept = mmap.mmap(-1, 1 << 28)
    ready()
    for page, _ in enumerate(paced(per_second)):
        kept[page * PAGE] = 1


def threads(count):
    def tick():
        for _ in paced(1):
            os.getppid()
    threading.stack_size(65536)
    for _ in range(int(count) - 1):
        in_background(tick)
    ready()
    tick()


def job(path, seconds):
    ready()
    burn(float(seconds))
    with open(path, "wb") as f:
        for _ in range(32):
            f.write(bytes(1 << 18))
            time.sleep(0.01)
        os.fsync(f.fileno())
    with open(path, "rb") as f:
        while f.read(1 << 16):
            pass


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    {"map": map_cold}.get(name, globals().get(name))(*words)
