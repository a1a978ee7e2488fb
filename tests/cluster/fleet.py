"""The replicas of one release, as their operator sees them: pods, metrics, certificates, logs.

The phases ask it what is in force on each replica. It goes to pods by their own addresses, because a
Service would answer for whichever it likes.
"""

import hashlib
import re
import ssl
import subprocess
import urllib.request

from client import Connection
from kube import Watch

ADMIN = 9901
TLS = 8443


def ready(pod):
    """Whether a pod takes traffic and is to stay."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restarts(pod):
    """How often the pod's containers were started again."""
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


class Fleet:
    """One release's pods."""

    def __init__(self, cluster, release, made, host):
        self.cluster, self.release, self.made, self.host = cluster, release, made, host
        self.labels = f"app.kubernetes.io/name=tlsfloor,app.kubernetes.io/instance={release}"

    def pods(self):
        """Those that are not on their way out, in a fixed order."""
        pods = self.cluster.get("pods", labels=self.labels)
        pods = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return sorted(pods, key=lambda pod: pod["metadata"]["name"])

    def all_ready(self, count):
        """The pods, if there are so many, all ready, and none besides."""
        pods = self.cluster.get("pods", labels=self.labels)
        return pods if len(pods) == count and all(map(ready, pods)) else None

    def admin(self, pod, path):
        """What a pod's admin port answers."""
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:{ADMIN}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, pod, name):
        """The sum of a metric over its labels."""
        rows = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", self.admin(pod, "/metrics"), re.MULTILINE)
        if not rows:
            raise KeyError(f"{pod['metadata']['name']} has no metric {name}")
        return sum(map(float, rows))

    def each(self, look):
        """What a look at each pod sees, by the pod's name."""
        return {pod["metadata"]["name"]: look(pod) for pod in self.pods()}

    def hashes(self):
        """The configuration in force on each replica."""
        return self.each(lambda pod: f"{int(self.metric(pod, 'tlsfloor_config_hash')):012x}")

    def certificates(self):
        """Which certificate each replica serves, by its SHA-256."""
        return self.each(self.certificate)

    def certificate(self, pod):
        """The same of one, over a connection of its own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = Connection(self.made, (pod["status"]["podIP"], TLS), context, self.host)
        try:
            return hashlib.sha256(connection.tls.getpeercert(binary_form=True)).hexdigest()
        finally:
            connection.close()


class Logs:
    """`kubectl logs --follow` of every pod that ever is, each into a file of its own."""

    def __init__(self, fleet, folder, container="tlsfloor"):
        self.fleet, self.folder, self.container = fleet, folder, container
        self.followed = {}
        self.watch = Watch(fleet.cluster, ["pods", "-l", fleet.labels], self.told)

    def told(self, pod):
        """Begins with a pod once its container has run."""
        name = pod["metadata"]["name"]
        states = [s["state"] for s in pod["status"].get("containerStatuses", []) if s["name"] == self.container]
        if name in self.followed or not states or "waiting" in states[0]:
            return
        words = ["kubectl", "-n", self.fleet.cluster.namespace, "logs", "--follow", name, "-c", self.container]
        file = open(self.folder / f"{name}.log", "wb")
        self.followed[name] = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
        file.close()

    def whole(self, within=60):
        """The files, once every pod has said its last word."""
        self.watch.close()
        for process in self.followed.values():
            process.wait(timeout=within)
        return sorted(self.folder.glob("*.log"))

    def close(self):
        """Ends what still follows."""
        self.watch.close()
        for process in self.followed.values():
            process.kill()
            process.wait()
