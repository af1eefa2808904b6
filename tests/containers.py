# SPDX-License-Identifier: Apache-2.0
"""Real containers for tests: a containerd of the test's own, which is asked as the
kubelet asks it (CRI), and runc by itself. The image is busybox, made here."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid

sys.dont_write_bytecode = True

from node import PATIENCE, Cgroup, scratch, start, wait_for
from tap import Failed, Missing, defer, need_tools, same

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cri.proto")
IMAGE = "registry.test/team/box:1.36"
PAUSE = "registry.test/pause:3.9"
CALLS = "sh", "sleep", "cat", "dd", "mkdir", "mount", "true"


class Parent(Cgroup):
    """A cgroup below which runtimes make theirs, in all trees that are mounted."""

    def remove(self):
        with open("/proc/self/mountinfo") as f:
            trees = [line.split()[4] for line in f if " - cgroup" in line]
        for tree in trees:
            for path, _, _ in os.walk(tree + self.path, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass  # said below, if it is ours
        super().remove()


def root_files(path):
    """The files of the image, in a directory."""
    os.makedirs(f"{path}/bin")
    for name in ("proc", "dev", "sys", "tmp"):
        os.makedirs(f"{path}/{name}")
    shutil.copy(shutil.which("busybox"), f"{path}/bin/busybox")
    for name in CALLS:
        os.symlink("busybox", f"{path}/bin/{name}")
    return path


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    path = os.path.join(scratch(), "blob")
    with open(path, "wb") as f:
        f.write(data)
    with open(path, "rb") as f:
        tar.addfile(info, f)


def with_capability(root):
    """A filter for tarfile: files keep their capabilities."""
    def keep(info):
        try:
            value = os.getxattr(os.path.join(root, info.name), "security.capability",
                                follow_symlinks=False)
        except OSError:
            return info
        info.pax_headers["SCHILY.xattr.security.capability"] = \
            value.decode("utf-8", "surrogateescape")
        return info
    return keep


def image(path, root, names, **config):
    """An OCI image of the files in root, with each of the names, as a tar file."""
    with tarfile.open(f"{scratch()}/layer.tar", "w") as tar:
        tar.add(root, arcname=".", filter=with_capability(root))
    with open(tar.name, "rb") as f:
        plain = f.read()
    blobs = {}

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": "application/vnd.oci.image." + kind,
                "digest": "sha256:" + digest, "size": len(data)}

    layer = blob("layer.v1.tar+gzip", gzip.compress(plain, 1))
    index = {"schemaVersion": 2, "manifests": []}
    for name in names:  # one each: one that had both names would have the first
        about = blob("config.v1+json", json.dumps(
            {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
             "os": "linux", "author": name, "config": config,
             "rootfs": {"type": "layers", "diff_ids":
                        ["sha256:" + hashlib.sha256(plain).hexdigest()]}}).encode())
        manifest = blob("manifest.v1+json", json.dumps(
            {"schemaVersion": 2, "config": about, "layers": [layer],
             "mediaType": "application/vnd.oci.image.manifest.v1+json"}).encode())
        index["manifests"].append(manifest | {"annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name}})
    with tarfile.open(path, "w") as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(tar, "index.json", json.dumps(index).encode())
        for digest, data in blobs.items():
            add(tar, "blobs/sha256/" + digest, data)
    return path


CONFIG = """version = 2
root = "{root}/var/lib/containerd"
state = "{root}/run/containerd"
oom_score = 0
[grpc]
  address = "{root}/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class Containerd:
    """containerd with all of its files below a directory."""

    def __init__(self, root):
        need_tools("containerd", "ctr", "runc", "busybox", "protoc")
        self.grpc = grpc_module()
        self.root, self.socket = root, f"{root}/run/containerd.sock"
        self.log = f"{scratch()}/log"
        os.makedirs(f"{root}/run", exist_ok=True)
        config = f"{scratch()}/config.toml"
        with open(config, "w") as f:
            f.write(CONFIG.format(root=root, pause=PAUSE))
        with open(self.log, "w") as log:
            self.process = start(["containerd", "--config", config], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL)
        defer(self.end)
        wait_for(self.answers, PATIENCE, "containerd to answer")
        self.take(image(f"{scratch()}/image.tar", root_files(f"{scratch()}/files"),
                        (IMAGE, PAUSE), Cmd=["sleep", "1000"], Env=["PATH=/bin"]))
        self.types = messages()
        self.channel = self.grpc.insecure_channel("unix:" + self.socket)
        defer(self.channel.close)

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def answers(self):
        if self.process.poll() is not None:
            with open(self.log) as f:
                raise Failed("containerd ended: " + f.read()[-2000:])
        return os.path.exists(self.socket) and not self.ctr("version", check=False)

    def ctr(self, *words, check=True):
        p = subprocess.run(["ctr", "-a", self.socket, "-n", "k8s.io", *words], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=PATIENCE)
        if check:
            same(p.returncode, 0, f"exit status of ctr {words[:2]}: {p.stdout}")
        return p.returncode

    def take(self, file):
        """Imports the images of a tar file."""
        self.ctr("images", "import", file)

    def ask(self, method, request, answer="Nothing"):
        call = self.channel.unary_unary(
            f"/runtime.v1.RuntimeService/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=self.types[answer].FromString)
        try:
            return call(request, timeout=PATIENCE)
        except self.grpc.RpcError as e:
            raise Failed(f"containerd: {method}: {e.details()}")


def grpc_module():
    try:
        import grpc
    except ImportError:
        raise Missing("no grpc module for Python here: make deps installs python3-grpcio")
    return grpc


def messages():
    """The classes of cri.proto, by name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    out = f"{scratch()}/cri.desc"
    subprocess.run(["protoc", f"-I{os.path.dirname(PROTO)}",
                    f"--descriptor_set_out={out}", PROTO], check=True)
    files, pool = descriptor_pb2.FileDescriptorSet(), descriptor_pool.DescriptorPool()
    with open(out, "rb") as f:
        files.ParseFromString(f.read())
    pool.Add(files.file[0])
    factory = message_factory.MessageFactory(pool)
    return {m.name: factory.GetPrototype(pool.FindMessageTypeByName("runtime.v1." + m.name))
            for m in files.file[0].message_type}


class Pod:
    """A pod with its sandbox, in the node's network, below a cgroup of the tree. With
    host_pid it is in the node's PID namespace."""

    def __init__(self, containerd, namespace, name, uid, parent, host_pid=False):
        self.c, self.removed = containerd, False
        self.namespaces = {"network": 2, "pid": 2 if host_pid else 1}
        self.config = containerd.types["PodSandboxConfig"](
            metadata={"name": name, "uid": uid, "namespace": namespace},
            log_directory=f"{containerd.root}/var/log/pods/{namespace}_{name}_{uid}",
            linux={"cgroup_parent": parent,
                   "security_context": {"namespace_options": self.namespaces}})
        self.id = containerd.ask(
            "RunPodSandbox", containerd.types["RunPodSandboxRequest"](config=self.config),
            "RunPodSandboxResponse").pod_sandbox_id
        defer(self.remove)

    def start(self, name, attempt=0, **more):
        """Starts a container; its id. More: fields of its ContainerConfig; without, it
        sleeps."""
        config = {"image": {"image": IMAGE}, "command": ("sleep", "1000")} | more
        types = self.c.types
        container = self.c.ask("CreateContainer", types["CreateContainerRequest"](
            pod_sandbox_id=self.id, sandbox_config=self.config,
            config=config | {"metadata": {"name": name, "attempt": attempt},
                             "log_path": f"{name}/{attempt}.log"}),
            "CreateContainerResponse").container_id
        self.c.ask("StartContainer",
                   types["StartContainerRequest"](container_id=container))
        return container

    def log(self, name, attempt=0):
        """What a container has said until now."""
        try:
            with open(f"{self.config.log_directory}/{name}/{attempt}.log") as f:
                # each line: time, stream, P for a part or F for the end of a line, text
                return "".join(line.split(" ", 3)[3] for line in f)
        except FileNotFoundError:
            return ""

    def end(self, container, timeout=0):
        """Ends a container: SIGTERM, and so many seconds later SIGKILL."""
        self.c.ask("StopContainer", self.c.types["StopContainerRequest"](
            container_id=container, timeout=timeout))

    def remove(self):
        if self.removed:
            return
        self.removed = True
        request = self.c.types["PodSandboxRequest"](pod_sandbox_id=self.id)
        try:
            self.c.ask("StopPodSandbox", request)
        except Failed:  # a shim whose container has just ended leaves: the kubelet asks on
            self.c.ask("StopPodSandbox", request)
        self.c.ask("RemovePodSandbox", request)


TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"


class Bundle:
    """A container of runc's, with a bundle where containerd's would be below a host root, in
    a cgroup of a pod as the systemd driver makes it, or as the kubelet itself does
    (cgroupfs). Its spec may be changed, and is then written again."""

    def __init__(self, root, files, parent, pod, name, args, cgroupfs=False):
        self.id, uid = uuid.uuid4().hex + uuid.uuid4().hex, str(uuid.uuid4())
        slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
        self.cgroup = (f"{parent.path}/kubepods/burstable/pod{uid}/{self.id}" if cgroupfs else
                       f"{parent.path}/kubepods.slice/kubepods-burstable.slice/{slice_}/"
                       f"cri-containerd-{self.id}.scope")
        self.dir, self.state = f"{root}/{TASKS}/{self.id}", f"{root}/run/runc"
        os.makedirs(self.dir)
        self.spec = json.loads(json.dumps(specification()))
        self.spec["root"] = {"path": files, "readonly": True}
        self.spec["process"] |= {"args": args, "terminal": False}
        self.spec["linux"]["cgroupsPath"] = self.cgroup
        prefix = "io.kubernetes.cri."
        self.spec["annotations"] = {
            prefix + "container-type": "container", prefix + "container-name": name,
            prefix + "sandbox-name": pod, prefix + "sandbox-namespace": "batch",
            prefix + "image-name": "registry.test/team/box:1.36"}
        self.write()

    def write(self):
        with open(f"{self.dir}/config.json", "w") as f:
            json.dump(self.spec, f)

    def run(self):
        p = subprocess.run(["runc", "--root", self.state, "run", "--bundle", self.dir,
                            self.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        same(p.returncode, 0, f"exit status of runc: {p.stdout}")
        return p.stdout


def specification():
    """What runc proposes, without what it does not need here."""
    if not specification.known:
        work = scratch()
        subprocess.run(["runc", "spec", "--bundle", work], check=True)
        with open(f"{work}/config.json") as f:
            spec = json.load(f)
        spec["mounts"] = [m for m in spec["mounts"] if m["type"] in ("proc", "tmpfs")]
        specification.known.append(spec)
    return specification.known[0]


specification.known = []
