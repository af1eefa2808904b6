#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""Containers by the names that the kubelet gives them: a fake one over TLS, that checks
the token and plays what kubelets do, and cgroups as a real one makes them."""

import contextlib
import os
import re
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import proc
from exports import Exports
from identities import below, new_id, resource_of, work
from kubelet import Kubelet, container, make_ca, make_certificate, pod
from node import ASSAY, PATIENCE, Agent, Cgroup, scratch, wait_for
from tap import between, check, diag, main, need_root, same, test

need_root()

folder = ca = other_ca = certificate = token = kubelet = agent = None


def setup():
    global folder, ca, other_ca, certificate, token, kubelet, agent
    folder = scratch()
    ca, other_ca = make_ca(folder, "ca"), make_ca(folder, "other")
    certificate = make_certificate(folder, ca, "IP:127.0.0.1,DNS:node-a")
    token = folder + "/token"
    put_token("first")
    kubelet = Kubelet(certificate)
    agent = start()


def put(path, text):
    """As the kubelet renews it: another file of that name."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def put_token(text):
    put(token, text)


def put_ca(path, of):
    with open(of) as f:
        put(path, f.read())


def options(of, *more):
    return ("--kubelet", of.url, "--kubelet-ca", ca, "--kubelet-token", token, *more)


def start(of=None, *more, prefix=()):
    return Agent("--probes", "syscall", "--export-interval", "500ms", "--host-root", folder,
                 *options(of or kubelet, *more), prefix=prefix)


def named(resource):
    return {k: v for k, v in resource.items()
            if k in ("k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid",
                     "k8s.container.name", "assay.workload.name", "container.image.name")}


def requests_of(who):
    """What the agent says of its requests: by result."""
    with contextlib.suppress(FileNotFoundError):
        found = {}
        for (_, name, _, attrs), value in Exports(who.exports).series.items():
            if name == "assay.kubelet.requests":
                found[dict(attrs)["assay.result"]] = int(value)
        return found
    return {}


def answered(who, results, count=1):
    """Until so many requests have come to one of these results: words between spaces."""
    wait_for(lambda: sum(requests_of(who).get(r, 0) for r in results.split()) >= count,
             PATIENCE, f"{count} requests that come to {results}")


def resident(who, what="VmHWM"):
    """MiB that the agent has had, at most."""
    with open(f"/proc/{who.pid()}/status") as f:
        return int(re.search(what + r":\s+(\d+) kB", f.read())[1]) / 1024


def doctor(*more):
    p = subprocess.run([ASSAY, "doctor", "--socket", agent.socket, "--export", "none",
                        *more], text=True, capture_output=True, timeout=PATIENCE)
    return next(line for line in p.stdout.splitlines() if " kubelet: " in line)


@test("it is asked once at the start, with the token and no more; who comes later is asked "
      "for at once, and named")
def _():
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    of = start(mine)
    answered(of, "ok")
    same([sent for _, sent in mine.requests], ["Bearer " + mine.token], "its tokens")
    check("kubelet " + mine.url + " answers: 0 containers of 0 pods" in of.said(), of.said())
    uid, number = str(uuid.uuid4()), new_id()
    mine.pods.append(pod("shop", "web-0", uid, [container("nginx", number)]))
    began = time.monotonic()
    cgroup = below(Cgroup("node"), "kubepods", "burstable", f"pod{uid}", number)
    wait_for(lambda: mine.count() == 2, PATIENCE, "a request")
    diag(f"asked {time.monotonic() - began:.3f} s after its cgroup was made")
    time.sleep(0.1)
    work(cgroup)
    same(named(resource_of(of, cgroup)),
         {"k8s.namespace.name": "shop", "k8s.pod.name": "web-0", "k8s.pod.uid": uid,
          "k8s.container.name": "nginx", "assay.workload.name": "shop/web-0/nginx",
          "container.image.name": "registry.example/team/app"}, "its names")
    answered(of, "ok", 2)
    same((requests_of(of), mine.count()), ({"ok": 2}, 2), "requests")


@test("a pod without status, a static one and a sandbox have the names of their pod; what "
      "files say comes first")
def _():
    uid, hashed, linked = str(uuid.uuid4()), uuid.uuid4().hex, new_id()
    kubelet.pods += [
        pod("shop", "new-0", uid, [container("app", linked)]),
        pod("kube-system", "dns-node", str(uuid.uuid4()),
            annotations={"kubernetes.io/config.hash": hashed})]
    os.makedirs(f"{folder}/var/log/containers", exist_ok=True)
    os.symlink(f"/var/log/pods/shop_linked-0_{uid}/app/3.log",
               f"{folder}/var/log/containers/linked-0_shop_app-{linked}.log")
    # exports wait so long for what the kubelet does not know
    of = start(prefix=("env", "ASSAY_TEST_HOLD=4s"))
    answered(of, "ok")
    slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    sandbox = below(Cgroup("node"), "kubepods.slice", slice_, f"cri-containerd-{new_id()}.scope")
    static = below(Cgroup("node"), "kubepods", f"pod{hashed}", new_id())
    other = below(Cgroup("node"), "kubepods", f"pod{uid}", linked)
    for cgroup in (sandbox, static, other):
        work(cgroup)
    found = named(resource_of(of, sandbox))
    same((found["assay.workload.name"], found.get("k8s.container.name")),
         ("shop/new-0", None), "the sandbox's")
    same(named(resource_of(of, static))["assay.workload.name"], "kube-system/dns-node",
         "the static pod's")
    found = named(resource_of(of, other))
    same((found["assay.workload.name"], found["container.image.name"]),
         ("shop/linked-0/app", "registry.example/team/app"), "of both")
    same(of.stop()[0], 0, "exit status")


@test("whom the kubelet does not list, though it lists all containers of the pod, is its "
      "sandbox")
def _():
    uid, number = str(uuid.uuid4()), new_id()
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    mine.pods.append(pod("shop", "quiet-0", uid, [container("app", number)],
                         containers=[{"name": "app", "image": "registry.example/team/app"}]))
    of = start(mine)
    whole = below(Cgroup("node"), "kubepods", f"pod{uid}")
    cgroups = [whole.below(each) for each in (number, new_id())]
    for cgroup in cgroups:
        work(cgroup)
    own, sandbox = (c.path for c in cgroups)

    def found():
        if not os.path.exists(of.exports):
            return None
        paths = {r.get("process.linux.cgroup"): r.get("assay.workload.kind")
                 for r in Exports(of.exports).resources.values()}
        return paths if {own, whole.path} <= paths.keys() else None

    began = time.monotonic()
    paths = wait_for(found, PATIENCE, "the pod in an export", 0.3)
    diag(f"the pod is in an export after {time.monotonic() - began:.1f} s")
    same((paths[whole.path], sandbox in paths), ("pod", False), "the pod's kind; its sandbox")


@test("doctor says what is wrong with the certificate, the name in it, the token")
def _():
    mine = Kubelet(certificate)  # which no agent asks
    mine.token = kubelet.token
    yes = options(mine)
    check(doctor(*yes).startswith("ok   kubelet: " + mine.url), doctor(*yes))
    check("not asked" in doctor(), "it asks though nobody wants it")
    wrong = doctor(*yes, "--kubelet-ca", other_ca)
    check("warn" in wrong and "certificate" in wrong and "see --kubelet-ca" in wrong, wrong)
    wrong = doctor(*yes, "--kubelet-ca", "/nowhere")
    check("warn" in wrong and "/nowhere" in wrong and "see --kubelet-ca" in wrong, wrong)
    wrong = doctor(*yes, "--kubelet-server-name", "node-b")
    check("warn" in wrong and "node-b" in wrong and "--kubelet-server-name" in wrong, wrong)
    same(mine.count(), 2, "requests that came so far")
    right = doctor(*yes, "--kubelet-server-name", "node-a")
    check(right.startswith("ok "), right)
    insecure = doctor(*yes, "--kubelet-ca", other_ca, "--kubelet-insecure")
    check("containers of" in insecure and "was not looked at" in insecure, insecure)
    wrong = doctor(*yes, "--kubelet-token", folder + "/none")
    check("cannot be read by user 0" in wrong and "No such file" in wrong, wrong)
    mine.refuse(403, "Forbidden (user=system:serviceaccount:assay:assay)")
    wrong = doctor(*yes)
    check("HTTP 403: Forbidden (user=system:serviceaccount:assay:assay); give the service "
          "account get on nodes/pods" in wrong, wrong)


@test("a token that is renewed is read anew; names stay while there is none, and it heals")
def _():
    uid, number = str(uuid.uuid4()), new_id()
    kubelet.pods.append(pod("shop", "kept-0", uid, [container("app", number)]))
    of = start()
    answered(of, "ok")
    old, kubelet.token = kubelet.token, kubelet.token + "-renewed"
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uid}", number)
    below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())  # nobody knows it
    answered(of, "401")
    work(cgroup)
    same(named(resource_of(of, cgroup))["assay.workload.name"], "shop/kept-0/app",
         "its name")
    put_token(kubelet.token)
    answered(of, "ok", 2)
    said = of.said()
    same((said.count("HTTP 401"), said.count(" answers: ")), (1, 2), "lines of " + said)
    check(old not in said, "it tells its token")
    # a failure ends the connection that was kept, and makes another
    check("system call" not in said.replace("system calls", ""), said)


@test("authorities that are renewed are read anew, and whom the old ones knew is asked again")
def _():
    renewed = folder + "/renewed.crt"
    put_ca(renewed, ca)
    of = start(None, "--kubelet-ca", renewed)
    answered(of, "ok")
    put_ca(renewed, other_ca)
    below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())  # nobody knows it
    answered(of, "tls")
    put_ca(renewed, ca)
    below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())
    answered(of, "ok", 2)


@test("who an export has shown stays who it is: a label, an annotation and an owner that change "
      "later are those of who begins later")
def _():
    def told(team, service, owner, numbers):
        one = pod("shop", "moved-0", uid, [container("app", n) for n in numbers],
                  annotations={"resource.opentelemetry.io/service.name": service})
        one["metadata"] |= {"labels": {"team": team}, "ownerReferences": [
            {"kind": "StatefulSet", "name": owner, "controller": True}]}
        return one

    def shown(cgroup):
        r = resource_of(of, cgroup)
        return r["k8s.pod.label.team"], r["service.name"], r["k8s.statefulset.name"]

    uid, first, second = str(uuid.uuid4()), new_id(), new_id()
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    mine.pods = [told("a", "before", "moved", [first])]
    of = start(mine, "--k8s-pod-labels", "team")
    answered(of, "ok")
    base = below(Cgroup("node"), "kubepods", f"pod{uid}")
    one = base.below(first)
    load = work(one)
    same(shown(one), ("a", "before", "moved"), "at first")
    mine.pods = [told("b", "after", "other", [first, second])]
    two = base.below(second)
    answered(of, "ok", 2)
    work(two)
    same(shown(two), ("b", "after", "other"), "who begins later")
    load.ask("getppid", 1000)

    def series():
        """All that exports ever had of the first one, each with its calls."""
        found = Exports(of.exports)
        return {k: v for k, v in found.series.items() if k[0][1] == one.path and
                k[1] == "assay.syscall.duration" and v >= 2000}
    wait_for(series, PATIENCE, "its later calls in an export")
    same(len({k[0] for k in Exports(of.exports).series if k[0][1] == one.path}), 1,
         "instances of the first one")
    same(shown(one), ("a", "before", "moved"), "still")


@test("a container that is started again has the number of its restarts, and so has the one "
      "before; the kubelet tells both late")
def _():
    uid, first, second = str(uuid.uuid4()), new_id(), new_id()
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    of = start(mine)
    answered(of, "ok")
    base = below(Cgroup("node"), "kubepods", f"pod{uid}")

    def run(number, statuses):
        """A container whose status comes a second after it: its calls, by the report."""
        cgroup = base.below(number)
        load = work(cgroup)
        time.sleep(1)
        mine.pods = [pod("shop", "crash-0", uid, statuses,
                         containers=[{"name": "app", "image": "registry.example/team/app"}])]
        resource = resource_of(of, cgroup)
        done = of.total().value(cgroup, "assay.syscall.duration", class_="process")
        load.close()
        cgroup.remove()
        return cgroup, resource, done

    ran = [run(first, [container("app", first)])]
    ran.append(run(second, [container("app", second, restartCount=7, lastState={
        "terminated": {"containerID": f"containerd://{first}", "exitCode": 1}})]))
    for (cgroup, resource, done), number, count in zip(ran, (first, second), ("0", "7")):
        same((resource["k8s.container.restart_count"], resource["container.id"],
              resource["service.instance.id"]), (count, number, "shop.crash-0.app"),
             f"of the one with {count} restarts")

        def exported(cgroup=cgroup):
            return Exports(of.exports).sum(
                "assay.syscall.duration", lambda r: r.get("process.linux.cgroup") == cgroup.path,
                **{"class": "process"})
        wait_for(lambda d=done: exported() >= d, PATIENCE, "its calls in exports")
        same(exported(), done, "calls in exports")
        between(done, 1000, 1200, "calls")


@test("what is cut, garbled or flooded changes no name and takes no memory")
def _():
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    for i in range(250):
        mine.pods.append(pod("shop", f"pod-{i}", str(uuid.uuid4()),
                             [container(f"c{k}", f"{i * 8 + k:064x}") for k in range(8)],
                             nodeName="node-a", containers=[
                                 {"name": f"c{k}", "image": "i", "args": ["x" * 300]}
                                 for k in range(8)]))
    uid, number = mine.pods[7]["metadata"]["uid"], f"{7 * 8 + 3:064x}"
    bare = Agent("--probes", "syscall", "--export-interval", "500ms", "--host-root", folder)
    of = start(mine)
    answered(of, "ok")
    check("2000 containers of 250 pods" in of.said(), of.said())
    diag(f"{len(mine.list())} bytes; resident {resident(of):.1f} MiB at most, "
         f"{resident(bare):.1f} without a kubelet; now {resident(of, 'VmRSS'):.1f} and "
         f"{resident(bare, 'VmRSS'):.1f}")
    between(resident(of) - resident(bare), -5, 9, "MiB for 250 pods")
    wait_for(lambda: resident(of, "VmRSS") < resident(bare, "VmRSS") + 2, 10,
             "what TLS took to be given back")
    first = resident(of)
    answers = (mine.flood, "too_large"), (mine.cut, "disconnect"), (mine.garble, "bad_answer")
    answer, result = answers[0]
    answer()
    cgroup = below(Cgroup("node"), "kubepods", f"pod{uid}", number)  # known: nothing is asked
    below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())
    answered(of, result + " timeout")  # a busy machine makes less of it than it may be
    diag(f"{requests_of(of)}; after a flood {resident(of):.1f} MiB")
    between(resident(of) - first, 0, 12, "MiB for a flood")
    work(cgroup)
    same(named(resource_of(of, cgroup))["assay.workload.name"], "shop/pod-7/c3", "its name")
    for answer, result in answers[1:]:
        answer()
        line = doctor(*options(mine))
        check({"disconnect": "bytes remaining", "bad_answer": "no whole list"}[result]
              in line, line)
    mine.held.set()


@test("however many containers come, it is asked once a second in a burst of ten, then once "
      "in ten seconds; the agent counts what the kubelet does")
def _():
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    of = start(mine)
    answered(of, "ok")
    began = time.monotonic()
    while time.monotonic() - began < 16:
        cgroup = below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())
        time.sleep(0.05)
        cgroup.remove()
    times = [at for at, _ in mine.requests]
    gaps = [b - a for a, b in zip(times, times[1:])]
    diag(f"{len(times)} requests, the shortest pause {min(gaps):.3f} s: "
         f"{[round(g, 1) for g in gaps]}")
    check(min(gaps) >= 0.99, "more often than once a second")
    between(len(times), 8, 10 + (times[-1] - times[0]) / 10 + 1, "requests")
    wait_for(lambda: requests_of(of) == {"ok": mine.count()}, PATIENCE,
             "the agent to count them")


@test("one that hangs holds no export, and not the end")
def _():
    mine = Kubelet(certificate)
    mine.token = kubelet.token
    mine.hang()
    of = start(mine)
    wait_for(lambda: mine.count() == 1, PATIENCE, "a request")
    below(Cgroup("node"), "kubepods", f"pod{uuid.uuid4()}", new_id())
    cgroup = Cgroup("plain")
    began = time.monotonic()
    work(cgroup)
    resource_of(of, cgroup)
    between(time.monotonic() - began, 0, 5, "seconds to an export")
    status, seconds = of.stop()
    same(status, 0, "exit status")
    between(seconds, 0, 3, "seconds to its end")


@test("files of its token and its authorities that hang hold no export, and not the end")
def _():
    pipe = scratch() + "/pipe"
    os.mkfifo(pipe)
    for option, least in ("--kubelet-token", 0), ("--kubelet-ca", 0.9):
        of = start(None, option, pipe)
        cgroup = Cgroup("plain")
        began = time.monotonic()
        work(cgroup)
        resource_of(of, cgroup)
        between(time.monotonic() - began, 0, 5, f"seconds to an export, {option}")
        status, seconds = of.stop()
        same(status, 0, "exit status")
        between(seconds, least, 3, f"seconds to its end, {option}")
        check(("token" if not least else "hangs") in of.said(), of.said())


@test("it asks when it has given up its privileges, by the system calls that it has left")
def _():
    said = agent.said()
    check("system call" not in said.replace("system calls", ""), said)
    tasks = proc.of_threads(agent.pid(), "status")
    for task, status in tasks.items():
        same((re.search(r"CapEff:\s+(\w+)", status)[1], re.search(r"Seccomp:\s+(\d)",
                                                                 status)[1],
              re.search(r"NoNewPrivs:\s+(\d)", status)[1]), ("0" * 16, "2", "1"),
             f"privileges of thread {task}")
    check(len(tasks) > 1, "it has no thread for that")


main(setup)
