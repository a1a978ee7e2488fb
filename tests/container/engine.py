"""Docker as the checks of tests/container/run see it: containers, a network, what an image consists of.

Everything that is started here is kept in a list and taken away at the end, on failure too.
"""

import io
import json
import subprocess
import tarfile
import time
import uuid

HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user", "65532", "--pids-limit=200"]


class Broken(Exception):
    """What did not hold, as one sentence."""


def hold(what, that):
    if not what:
        raise Broken(that() if callable(that) else that)


def wait(what, that, seconds=20):
    """What comes of `what` as soon as that is true; the deadline is generous, the machine may be busy."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        hold(time.monotonic() < end, lambda: f"not within {seconds} s: {that}")
        time.sleep(0.05)


def docker(*arguments, may_fail=False, data=None):
    ran = subprocess.run(["docker", *arguments], capture_output=True, input=data, check=False)
    hold(may_fail or ran.returncode == 0, lambda: f"docker {' '.join(arguments)}: {ran.stderr.decode().strip()}")
    return ran if may_fail else ran.stdout


def inspect(name, template):
    return json.loads(docker("inspect", "--format", "{{json " + template + "}}", name))


class Stage:
    """A network of our own and the containers in it."""

    def __init__(self, image):
        self.image, self.containers = image, []
        self.network = f"tlsfloor-test-{uuid.uuid4().hex[:8]}"
        docker("network", "create", self.network)
        # The engine's side of it: what runs beside the containers is reached there.
        self.gateway = inspect(self.network, ".IPAM.Config")[0]["Gateway"]

    def start(self, *options, command=(), flags=tuple(HARDENED)):
        name = f"{self.network}-{len(self.containers)}"
        self.containers.append(name)
        docker("run", "--detach", "--name", name, "--network", self.network, "--add-host",
               f"upstream.test:{self.gateway}", *flags, *options, self.image, *command)
        return Container(name)

    def close(self):
        if self.containers:
            docker("rm", "--force", *self.containers, may_fail=True)
        docker("network", "rm", self.network, may_fail=True)


class Container:
    def __init__(self, name):
        self.name = name

    @property
    def address(self):
        networks = inspect(self.name, ".NetworkSettings.Networks")
        return next(iter(networks.values()))["IPAddress"]

    @property
    def state(self):
        return inspect(self.name, ".State")

    def logs(self):
        ran = docker("logs", self.name, may_fail=True)
        return ran.stdout.decode() + ran.stderr.decode()

    def events(self, event):
        """Its log lines of one kind."""
        lines = (json.loads(line) for line in self.logs().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def says(self):
        """Exit code of `tlsfloor ready` inside, and what it said."""
        ran = docker("exec", self.name, "/tlsfloor", "ready", may_fail=True)
        return ran.returncode, (ran.stdout + ran.stderr).decode().strip()

    def until_ready(self):
        def answers():
            hold(self.state["Running"], lambda: f"it ended: {self.logs()[-800:]}")
            return self.says()[0] == 0

        wait(answers, "`tlsfloor ready` in the container says 0")
        return self

    def until_ended(self):
        wait(lambda: not self.state["Running"], "the container ends", 60)
        return self.state


def layers(image):
    """The layers of an image, as lists of (entry, bytes of a file)."""
    saved = tarfile.open(fileobj=io.BytesIO(docker("save", image)))
    manifest = json.load(saved.extractfile("manifest.json"))
    for layer in manifest[0]["Layers"]:
        content = tarfile.open(fileobj=io.BytesIO(saved.extractfile(layer).read()))
        yield [(entry, content.extractfile(entry).read() if entry.isfile() else b"") for entry in content.getmembers()]
