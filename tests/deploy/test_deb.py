#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# beside: others
"""`make deb`: the package has what it should, is installed by dpkg as on a host (in a chroot
over this one, of which nothing is changed), starts its service where systemd runs, and
leaves nothing when it is purged."""

import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import Skip, check, defer, diag, main, need_root, need_tools, same, test  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = {
    "/etc/default/assay": "-rw-r--r--",
    "/lib/systemd/system/assay.service": "-rw-r--r--",
    "/usr/bin/assay": "-rwxr-xr-x",
    "/usr/share/man/man1/assay.1.gz": "-rw-r--r--",
    **{f"/usr/share/doc/assay/{name}": "-rw-r--r--" for name in (
        "README.md.gz", "changelog.Debian.gz", "changelog.gz", "copyright", "metrics.md.gz",
        "report.schema.json.gz", "status.schema.json.gz", "why.schema.json.gz",
        "for-assistants.md.gz", "hist.schema.json", "trend.schema.json", "diff.schema.json")},
}
# What dpkg itself writes, and programs that it runs for all packages.
DPKGS_OWN = ("/var/log/", "/var/cache/", "/usr/local/bin/systemctl", "/systemctl.log",
             "/tmp/", "/run/systemd")
WANTS = "/etc/systemd/system/multi-user.target.wants/assay.service"


def run(*args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


class Host:
    """This machine's root, as if no agent had ever run, with a layer above it that takes all
    changes, and goes."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="assay-deb-")
        # dpkg's files are a copy: somebody may install a package meanwhile
        script = """set -e; cd "$1"; mount -t tmpfs tmpfs .; cd "$1"; mkdir up work root dpkg
            mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work,index=off root
            cp -a /var/lib/dpkg/. dpkg/; mount --bind dpkg root/var/lib/dpkg
            for d in proc sys dev; do mount --rbind /$d root/$d; done
            rm -f root/usr/sbin/policy-rc.d # of images, where nothing is to be started
            rm -f root/var/lib/man-db/auto-update # which takes longest
            rm -rf root/var/lib/assay root/var/lib/private/assay # an agent's that ran here
            echo mounted; exec sleep 600"""
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
             self.dir], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        defer(self.close)
        said = self.process.stdout.readline()
        if said != "mounted\n":
            raise Skip(f"no overlay over / here: {said.strip()}")
        self.before = self.differing()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *args):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        return run("nsenter", "--mount", f"--target={self.process.pid}", "chroot",
                   self.dir + "/root", *args, env=env, timeout=120)

    def dpkg(self, *args):
        out = self.run("dpkg", *args)
        same(out.returncode, 0, f"dpkg {args}: {out.stdout}")
        return out.stdout

    def path(self, name):
        """A file of the chroot, as it is seen from here."""
        return f"/proc/{self.process.pid}/root{self.dir}/root{name}"

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def changed(self):
        """What files have come, changed or gone since then."""
        return sorted(self.differing() - self.before)

    def differing(self):
        """What files are not as the host's."""
        up = f"/proc/{self.process.pid}/root{self.dir}/up"
        found = [os.path.join(base, name)[len(up):] for base, dirs, files in os.walk(up)
                 for name in files + [d for d in dirs if os.path.islink(f"{base}/{d}")]]
        return {f for f in found if not f.startswith(DPKGS_OWN)}

    def remembers_systemctl(self):
        """Makes it a host where systemd runs, and notes what that is told."""
        self.write("/usr/local/bin/systemctl", """#!/bin/sh
            case $* in
            --root=*) exec /usr/bin/systemctl "$@" ;;
            *is-enabled*) echo enabled ;;
            *) echo "$*" >>/systemctl.log ;;
            esac
            """, 0o755)
        os.makedirs(self.path("/run/systemd/system"), exist_ok=True)

    def told(self):
        """What systemd was told of our service since the last time."""
        try:
            lines = self.text("/systemctl.log").splitlines()
            os.unlink(self.path("/systemctl.log"))
        except FileNotFoundError:
            return []
        return [w for line in lines for w in line.split()
                if "assay.service" in line and re.fullmatch("(re)?start|stop", w)]


DEB = []


def setup():
    need_tools("dh")
    out = run("make", "-s", "deb", cwd=TOP)
    same(out.returncode, 0, out.stdout)
    DEB[:] = glob.glob(os.path.join(TOP, "build/deb/*.deb"))
    same(len(DEB), 1, "packages")


def field(name):
    return run("dpkg-deb", "-f", DEB[0], name).stdout.strip()


def unpacked():
    folder = tempfile.mkdtemp(prefix="assay-deb-")
    defer(shutil.rmtree, folder)
    same(run("dpkg-deb", "-x", DEB[0], folder).returncode, 0, "dpkg-deb -x")
    return folder


@test("the package is of the Makefile's version, and depends on the libraries of the binary")
def _():
    version = re.search(r"^VERSION := (\S+)", read("Makefile"), re.M).group(1)
    same((field("Package"), field("Version")), ("assay", version), "package")
    same(field("Architecture"), run("dpkg", "--print-architecture").stdout.strip(),
         "architecture")
    needed = re.findall(r"NEEDED\s+(\S+)", run(
        "objdump", "-p", unpacked() + "/usr/bin/assay").stdout)
    depends = {d.split()[0] for d in field("Depends").split(",")}
    for library, package in (("libc.so.6", "libc6"), ("libbpf.so.1", "libbpf1"),
                             ("libcurl.so.4", "libcurl4"), ("libssl.so.3", "libssl3")):
        check(library in needed and package in depends, f"{library}: {needed}, {depends}")


@test("it has these files, and a conffile for options")
def _():
    lines = [line.split(maxsplit=5) for line in
             run("dpkg-deb", "-c", DEB[0]).stdout.splitlines()]
    same({f[5][1:]: f[0] for f in lines if not f[5].endswith("/")}, FILES, "files")
    same({f[1] for f in lines}, {"root/root"}, "owners")
    same(run("dpkg-deb", "-I", DEB[0], "conffiles").stdout, "/etc/default/assay\n",
         "conffiles")


@test("the binary is hardened, and has nothing of the directory it was built in")
def _():
    folder = unpacked()
    binary = folder + "/usr/bin/assay"
    headers = run("readelf", "-dlhW", binary).stdout
    for sign in (r"BIND_NOW|FLAGS.*NOW", "GNU_RELRO", r"Type: +DYN"):
        check(re.search(sign, headers), f"no {sign}")
    check("__stack_chk_fail" in run("readelf", "--dyn-syms", "-W", binary).stdout,
          "no stack protector")
    with open(binary, "rb") as f:
        check(TOP.encode() not in f.read(), f"{TOP} is in the binary")
    with open(folder + "/lib/systemd/system/assay.service", encoding="utf-8") as f:
        check("ExecStart=/usr/bin/assay agent\n" in f.read(), "the unit starts another one")
    with gzip.open(folder + "/usr/share/man/man1/assay.1.gz", "rt") as f:
        check(".TH ASSAY" in f.read(200), "the manual page is none")


@test("what it is built with is what the Makefile names")
def _():
    control = read("deploy/debian/control")
    words = re.search(r"^Build-Depends: (.*?)^\S", control, re.M | re.S).group(1).split(",")
    here = {w.split()[0] for w in words}
    listed = re.search(r"^DEB_BUILD := (.*?[^\\])\n", read("Makefile"), re.M | re.S).group(1)
    same(sorted(here - {"debhelper-compat"}), sorted(listed.replace("\\", "").split()),
         "Build-Depends and DEB_BUILD")


@test("installed, it measures, and its service is on and started; a purge leaves nothing")
def _():
    host = Host()
    host.remembers_systemctl()
    package = host.path("/tmp/assay.deb")
    shutil.copy(DEB[0], package)
    same(host.changed(), [], "changes before")
    said = host.dpkg("-i", "/tmp/assay.deb")
    same([x for x in said.splitlines() if re.search("warn|error", x)], [], "complaints")
    same((host.told(), os.path.islink(host.path(WANTS))), (["start"], True), "service")
    same([f for f in FILES if not os.path.exists(host.path(f))], [], "files that are missing")
    check("/usr/bin/assay" in host.changed(), host.changed())
    same(host.run("assay", "--version").stdout, f"assay {field('Version')}\n", "--version")
    out = host.run("assay", "doctor", "--export", "none")
    same(out.returncode, 0, out.stdout)
    check(re.search(r"^ok +probe: sched: attached", out.stdout, re.M), out.stdout)
    out = host.run("assay", "status")
    check(out.returncode == 1 and "no agent runs" in out.stdout, out.stdout)

    options = "ASSAY_MEMORY=32MiB\n"
    host.write("/etc/default/assay", options)
    host.write("/var/lib/private/assay/batches.otlp", "x")
    os.symlink("private/assay", host.path("/var/lib/assay"))
    host.dpkg("-i", "--force-confold", "/tmp/assay.deb")
    same((host.text("/etc/default/assay"), host.told()[-1]), (options, "restart"),
         "options, and the service, after an update")

    host.dpkg("-r", "assay")
    same(host.told()[:1], ["stop"], "service")
    same(host.text("/etc/default/assay"), options, "options of one that is removed")
    check(os.path.exists(host.path("/var/lib/assay/batches.otlp")), "data went")
    check(not os.path.exists(host.path("/usr/bin/assay")), "the binary is still there")
    host.dpkg("-P", "assay")
    same(host.changed(), [], "files that are left")
    same(host.run("dpkg-query", "-W", "assay").returncode, 1, "dpkg knows it")


@test("where no systemd runs it is installed all the same, and nothing is started")
def _():
    host = Host()
    shutil.copy(DEB[0], host.path("/tmp/assay.deb"))
    host.dpkg("-i", "/tmp/assay.deb")
    check(os.path.islink(host.path(WANTS)), "the service is not on")
    host.dpkg("-P", "assay")
    same(host.changed(), [], "files that are left")


@test("lintian finds no error")
def _():
    need_tools("lintian")
    out = run("lintian", "--allow-root", "--fail-on", "error", DEB[0]).stdout
    diag(out.strip())
    same(re.findall(r"^E: .*", out, re.M), [], "errors")


need_root()
main(setup)
