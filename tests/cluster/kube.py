"""kubectl and helm, as a person would type them.

Every other file reaches the cluster through this one. Everything happens in one namespace of its
own, and nothing is read from or written to any other. `Watch` follows objects as a controller does.
"""

import json
import subprocess
import threading
from pathlib import Path

from claims import Broken

CHART = Path(__file__).resolve().parents[2] / "config/kubernetes/chart"


def command(*words, given=None, timeout=180):
    """Standard output of a command that has to succeed."""
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError as missing:
        raise Broken(f"{words[0]} is not in PATH, and is needed") from missing
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


class Cluster:
    """The cluster that KUBECONFIG names, seen through one namespace."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.version = json.loads(command("kubectl", "version", "-o", "json"))["serverVersion"]["gitVersion"]
        self.apis = command("kubectl", "api-versions").split()
        # kubectl checks fields by an interface that servers before 1.27 lack.
        minor = int(self.version.split(".")[1])
        self.validate = "--validate=strict" if minor >= 27 else "--validate=false"

    def kubectl(self, *words, given=None, timeout=180):
        """kubectl in this namespace."""
        return command("kubectl", "-n", self.namespace, *words, given=given, timeout=timeout)

    def apply(self, *objects):
        """Applies objects; fields of no meaning to this server are an error where it can tell."""
        whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("apply", self.validate, "-f", "-", given=json.dumps(whole))

    def get(self, kind, name=None, labels=None):
        """One object, or the list of those that have the labels."""
        if name is not None:
            return json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return json.loads(self.kubectl("get", kind, "-l", labels or "", "-o", "json"))["items"]

    def render(self, release, values):
        """The chart's own output for this server, as objects."""
        words = ["helm", "template", release, str(CHART), "--namespace", self.namespace, "--skip-tests"]
        words += ["--kube-version", self.version, "--values", "-"]
        for api in self.apis:
            words += ["--api-versions", api]
        text = command(*words, given=json.dumps(values))
        return self.parse(text)

    def parse(self, text):
        """Objects of YAML text; kubectl reads it, so that Python needs no library for it."""
        read = self.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", given=text)
        return [part for whole in documents(read) for part in whole.get("items", [whole])]

    def rolled_out(self, deployment, within=300):
        """Waits until every replica is of the newest template and ready."""
        self.kubectl("rollout", "status", f"deployment/{deployment}", f"--timeout={within}s", timeout=within + 30)

    def events(self, about):
        """Messages of the events about one object."""
        selector = f"involvedObject.name={about}"
        found = json.loads(self.kubectl("get", "events", "--field-selector", selector, "-o", "json"))["items"]
        return [f"{event['reason']}: {event.get('message', '')}" for event in found]


def documents(text):
    """JSON documents that stand one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        whole, at = decoder.raw_decode(text, at)
        yield whole


class Watch:
    """Tells of every change of some objects, from a thread of its own, until it is closed."""

    def __init__(self, cluster, words, told):
        words = ["kubectl", "-n", cluster.namespace, "get", *words, "--watch", "-o", "json"]
        self.told = told
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        """kubectl indents by four, so a line that is one brace ends an object."""
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.rstrip("\n") == "}":
                self.told(json.loads("".join(lines)))
                lines.clear()

    def alive(self):
        """Whether changes are still told."""
        return self.thread.is_alive() and self.process.poll() is None

    def close(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self.thread.join(10)
