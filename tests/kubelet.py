# SPDX-License-Identifier: Apache-2.0
"""A kubelet that answers /pods over TLS, with a token that it checks, as it is told."""

import http.server
import json
import random
import ssl
import subprocess
import threading
import time

from tap import defer


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(folder, name):
    """A CA of its own: the path of its certificate; its key is beside that."""
    ca = f"{folder}/{name}.crt"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key",
        "-out", ca)
    return ca


def make_certificate(folder, ca, names):
    """A server's certificate of that CA, with its key in one file."""
    path = f"{folder}/{names.replace(':', '-').replace(',', '_')}.pem"
    with open(path + ".ext", "w") as f:
        f.write(f"subjectAltName={names}\n")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=kubelet", "-keyout", path + ".key", "-out", path + ".csr")
    run("openssl", "x509", "-req", "-in", path + ".csr", "-CA", ca, "-CAkey",
        ca[:-4] + ".key", "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out",
        path + ".crt")
    with open(path, "w") as out:
        for part in (".key", ".crt"):
            with open(path + part) as f:
                out.write(f.read())
    return path


def container(name, number, **more):
    return {"name": name, "containerID": f"containerd://{number}", "restartCount": 0,
            "image": "registry.example/team/app:1.2", "state": {"running": {}}, **more}


def pod(namespace, name, uid, statuses=(), annotations=None, **spec):
    meta = {"namespace": namespace, "name": name, "uid": uid}
    if annotations:
        meta["annotations"] = annotations
    status = {"status": {"phase": "Running", "containerStatuses": list(statuses)}}
    return {"metadata": meta, "spec": spec, **(status if statuses else {})}


class Kubelet:
    """answer: a function of the handler that plays the answer to a request whose token
    is right; None: the list of pods. requests: when each came, and its token."""

    def __init__(self, certificate=None):
        self.pods, self.answer, self.token = [], None, "first"
        self.requests = []
        self.lock = threading.Lock()
        self.held = threading.Event()  # what hangs goes on
        kubelet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                kubelet.play(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # who hung up has hung up
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
            self.server.socket = self.tls.wrap_socket(self.server.socket,
                                                      server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/pods"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        defer(self.close)

    def close(self):
        self.held.set()
        self.server.shutdown()
        self.server.server_close()

    def count(self):
        with self.lock:
            return len(self.requests)

    def play(self, handler):
        sent = handler.headers.get("Authorization")
        with self.lock:
            self.requests.append((time.monotonic(), sent))
        if self.tls and sent != f"Bearer {self.token}":
            self.say(handler, 401, b"Unauthorized")
        elif handler.path != "/pods":
            self.say(handler, 404, b"404 page not found\n")
        elif self.answer:
            self.answer(handler)
        else:
            self.say(handler, 200, self.list())

    def list(self):
        items = list(self.pods)
        random.shuffle(items)  # as a real one has them
        return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {},
                           "items": items or None}).encode()

    @staticmethod
    def say(handler, status, body, length=None):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None:
            handler.close_connection = True

    # Answers that are none.

    def refuse(self, status, text):
        self.answer = lambda handler: self.say(handler, status, text.encode())

    def cut(self):
        self.answer = lambda handler: self.say(handler, 200, self.list()[:-100], 10 ** 7)

    def garble(self):
        self.answer = lambda handler: self.say(handler, 200,
                                               self.list().replace(b":", b" ", 9))

    def flood(self):
        """A list without end, of pods that are none."""
        def answer(handler):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b'{"items":[{}')
            while not self.held.is_set():
                handler.wfile.write(b',{"a":[' + b"[]," * 20000 + b"1]}")
        self.answer = answer

    def hang(self):
        """Begins to answer, and does not go on."""
        def answer(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b'{"items":[')
            handler.wfile.flush()
            self.held.wait()
        self.answer = answer
