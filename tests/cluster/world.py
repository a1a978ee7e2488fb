"""What every phase works with: one release in a namespace of its own, and the load against it.

`run` makes one and hands it to each phase in turn. Building up and taking down happens here, and
nowhere else; whatever is begun here is ended by `close`, whatever became of the test.
"""

import contextlib
import ssl
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import legacy
import material
import restricted
from claims import Broken, eventually
from client import Load, Made, Ready
from fleet import Fleet, Logs, TLS
from kube import Cluster, command
from release import Release

RELEASE = "edge"


@dataclass(frozen=True)
class Images:
    """Names under which the cluster has, or can pull, what runs."""

    first: str
    second: str
    legacy: str | None  # the example's own
    pull: str
    proxy_protocol: str


class World:
    """The release, its surroundings, and the clients."""

    def __init__(self, claims, images, binary, namespace):
        self.claims, self.images, self.binary = claims, images, binary
        self.cluster = Cluster(namespace)
        self.scratch = tempfile.TemporaryDirectory(prefix="tlsfloor-cluster-")
        self.folder = Path(self.scratch.name)
        self.made = Made()
        self.fleet = Fleet(self.cluster, RELEASE, self.made, material.HOST)
        self.open = contextlib.ExitStack()
        self.old = material.certificate(self.folder, "old")
        self.new = material.certificate(self.folder, "new")
        self.terminator = material.certificate(self.folder, "terminator", "rsa")
        self.served = self.old  # what the Secret has
        (self.folder / "trusted.pem").write_text(self.old.chain + self.new.chain)

    def build(self):
        """Namespace, secrets, sample API and terminator, then the release itself."""
        self.open.callback(self.remove)
        name = {"name": self.cluster.namespace, "labels": restricted.LABELS}
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": name})
        self.surroundings()
        servers = [f"http://{address}:8080" for address in self.addresses("app=api")]
        terminators = [
            f"{address}:{legacy.PORT}" for address in self.addresses(f"app.kubernetes.io/name={legacy.NAME}")
        ]
        self.release = Release(self.cluster, RELEASE, self.images, servers, terminators)
        self.release.apply()
        self.logs = Logs(self.fleet, self.folder)
        self.open.callback(self.logs.close)
        self.cluster.rolled_out(self.release.deployment)
        self.reach()

    def surroundings(self):
        """What is there before tlsfloor is."""
        self.cluster.apply(
            material.tls_secret("api-tls", self.old),
            material.tls_secret("legacy-tls", self.terminator),
            material.random_secret("tickets", "tickets.key"),
            material.random_secret("admin", "token"),
            material.config_map("api", tlsfloor__toml=material.API),
            material.api_servers(self.images.first, self.images.pull),
        )
        self.cluster.rolled_out("api")
        [api, *_] = self.addresses("app=api")
        self.cluster.apply(*legacy.terminator(self.cluster, self.images.legacy, self.images.pull, api))
        self.cluster.rolled_out(legacy.NAME)

    def addresses(self, labels):
        """Where the pods with these labels are."""
        return [pod["status"]["podIP"] for pod in self.cluster.get("pods", labels=labels)]

    def reach(self):
        """Follows the endpoints, and says what to do where pods cannot be reached from here."""
        self.ready = Ready(self.cluster, self.release.service, "https")
        self.open.callback(self.ready.watch.close)
        eventually("the Service lists the replicas", self.ready.addresses)
        pod = self.fleet.pods()[0]
        self.ready.by_service(self.cluster.get("service", self.release.service))
        print(
            f"clients come {'through the Service' if self.ready.service else 'to the pods that its endpoints list'}",
            flush=True,
        )
        try:
            self.fleet.certificate(pod)
        except OSError as problem:
            address = pod["status"]["podIP"]
            raise Broken(
                f'pods cannot be reached from here ({address}:{TLS}: {problem}); see "Where it runs" in tests/cluster/run'
            ) from problem

    def context(self):
        """What a client trusts, and no session of before."""
        return ssl.create_default_context(cafile=str(self.folder / "trusted.pem"))

    def load(self, **how):
        """Clients at work for as long as `with` lasts."""
        return Load(self.made, self.ready, self.context, material.HOST, material.ANSWER, **how)

    def none_lost(self, during, load, least=200):
        """Holds that a phase's load was answered to the last request."""
        for kind in Load.KINDS:
            if load.answered[kind] < least / 4:
                raise Broken(
                    f"{during}: only {load.answered[kind]} requests of the kind {kind}; too few to tell anything"
                )
        seen = f"{load.total()} answered, {load.again} asked again on a kept connection, {len(load.pods)} addresses"
        self.claims.hold(
            f"{during} loses 0 requests",
            not load.lost,
            f"{len(load.lost)} lost: {load.lost[:5]}" if load.lost else seen,
        )

    def tell(self):
        """The state of the pods, for who reads a failure; it may be that there is none to ask."""
        with contextlib.suppress(Broken, OSError):
            print(self.cluster.kubectl("get", "pods", "-o", "wide"), file=sys.stderr)
            for pod in self.fleet.pods():
                events = self.cluster.events(pod["metadata"]["name"])
                print(f"{pod['metadata']['name']}: " + "; ".join(events[-4:]), file=sys.stderr)

    def remove(self):
        """Takes the namespace with everything in it; pods first, and without their minute of grace."""
        self.cluster.kubectl("delete", "deployments,replicasets", "--all", "--cascade=orphan")
        self.cluster.kubectl("delete", "pods", "--all", "--grace-period=1")
        command(
            "kubectl",
            "delete",
            "namespace",
            self.cluster.namespace,
            "--ignore-not-found",
            "--timeout=180s",
            timeout=200,
        )

    def close(self):
        """Ends everything that was begun."""
        try:
            self.open.close()
        finally:
            self.scratch.cleanup()
