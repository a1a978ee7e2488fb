"""The network and the machinery of the fleet test: namespaces, links that can be cut, processes.

Called by `run` and `fleet`. Everything here lives in a network, mount and process namespace of the
script's own, so fixed addresses and ports collide with nothing and the end of the script is the end of
all of it. No other host is ever reached: there is no route out.
"""

import os
import re
import shutil
import subprocess
import sys
import time

BRIDGE = "fleet0"
HOME = "10.77.0.1"
# Any address of this network is the script's own: clients come from it, each with its own.
CLIENTS = "127.77.0.{}"
DEADLINE = 30


class Failed(Exception):
    """A sentence that does not hold."""


def hold(condition, sentence):
    if not condition:
        raise Failed(sentence)


def until(what, condition, deadline=DEADLINE):
    """Waits for a state; its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"in {deadline} s it did not come to this: {what}")
        time.sleep(0.02)


def sh(*command, **options):
    """Runs a command to its end; its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def enter():
    """Starts the script again in namespaces of its own; as another user than root in one in which it is root."""
    if os.environ.get("TLSFLOOR_FLEET") == "inside":
        return
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    if subprocess.run(command + ["true"], capture_output=True, check=False).returncode != 0:
        sys.exit("tests/fleet/run: needs network namespaces: root, or user namespaces (unshare --user)")
    os.environ["TLSFLOOR_FLEET"] = "inside"
    os.execvp(command[0], command + [sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def need(program, package):
    """A program of the distribution, installed where root can and it is missing."""
    if shutil.which(program):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"tests/fleet/run: no {program} (Debian package {package})")
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    sh("apt-get", "update", "-qq", **quiet)
    sh("apt-get", "install", "-y", "-qq", "--no-install-recommends", package, **quiet)


class World:
    """One bridge, with the script, the balancer, the API servers and the legacy terminator on it, and
    a namespace for each replica that hangs on it by one cable."""

    def __init__(self, hosts, replicas):
        # `ip netns` keeps names under /run, which shall be the script's own too.
        sh("mount", "-t", "tmpfs", "tmpfs", "/run")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        for host in [HOME, *hosts]:
            sh("ip", "addr", "add", f"{host}/24", "dev", BRIDGE)
        sh("ip", "link", "set", BRIDGE, "up")
        for name, host in replicas.items():
            self.plug(name, host)

    @staticmethod
    def plug(name, host):
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "link", "set", f"to-{name}", "master", BRIDGE, "up")
        sh("ip", "-n", name, "addr", "add", f"{host}/24", "dev", "eth0")
        for link in ["eth0", "lo"]:
            sh("ip", "-n", name, "link", "set", link, "up")

    @staticmethod
    def unplug(name):
        """Takes the replica's cable out: nothing comes or goes, and nobody is told."""
        sh("ip", "link", "set", f"to-{name}", "down")

    @staticmethod
    def plug_in_again(name):
        sh("ip", "link", "set", f"to-{name}", "up")

    @staticmethod
    def cut_off(name, host):
        """What the replica sends to that host goes to a card that nobody has: it vanishes."""
        sh("ip", "-n", name, "neigh", "replace", host, "lladdr", "02:00:00:00:00:99",
           "dev", "eth0", "nud", "permanent")

    @staticmethod
    def join_again(name, host):
        sh("ip", "-n", name, "neigh", "del", host, "dev", "eth0")


def tlsfloor(root):
    """The binary under test; built where none is named. It has to be a dynamic one, see clock.c."""
    named = os.environ.get("TLSFLOOR")
    if not named:
        done = subprocess.run(["cargo", "build", "--locked"], cwd=root, check=False)
        if done.returncode != 0:
            sys.exit("tests/fleet/run: cargo build --locked failed")
        named = os.path.join(root, "target/debug/tlsfloor")
    with open(named, "rb") as file:
        head = file.read(1 << 16)
    if not re.search(rb"/lib[0-9a-z]*/ld-[a-z0-9_.-]+", head):
        sys.exit(f"tests/fleet/run: {named} is static; the clocks of a dynamic binary only can be moved")
    return os.path.abspath(named)
