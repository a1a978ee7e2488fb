"""The chart's output for this test, and the changes that are made to it.

`world` installs it; phases change a field of `Release` and apply it again, as a pipeline would. The
manifests are the chart's own, applied as they are. Nothing is set here only to make a phase pass.
"""

import legacy
import material


class Release:
    """One release of the chart: what is said in its values, and what its objects are called."""

    def __init__(self, cluster, name, images, servers, terminators):
        self.cluster, self.name, self.images = cluster, name, images
        self.servers, self.terminators = servers, terminators
        self.image, self.replicas = images.first, 3
        self.certificate = "api-tls"
        self.check = True  # the init container that runs `tlsfloor check`
        self.marked = False  # whether the configuration has the route by which phases know it
        kinds = {rendered["kind"]: rendered["metadata"]["name"] for rendered in self.objects()}
        self.deployment, self.config = kinds["Deployment"], kinds["ConfigMap"]
        self.service = next(name for name, ports in self.services() if "https" in ports)

    def services(self):
        """Names of the Services, with the names of their ports."""
        for rendered in self.objects():
            if rendered["kind"] == "Service":
                yield rendered["metadata"]["name"], [port["name"] for port in rendered["spec"]["ports"]]

    def objects(self):
        """The chart's manifests."""
        return self.cluster.render(self.name, self.values())

    def apply(self):
        """Brings the cluster to what the fields say."""
        self.cluster.apply(*self.objects())

    def values(self):
        """Values as an operator writes them, for a cluster with any enforcement of network policies."""
        repository, _, tag = self.image.rpartition(":")
        anybody = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
        return {
            "image": {"repository": repository, "tag": tag, "pullPolicy": self.images.pull},
            "replicas": self.replicas,
            "config": self.configuration(),
            "certificates": [{"name": "api", "secretName": self.certificate}],
            "tickets": {"secretName": "tickets"},
            "admin": {"tokenSecretName": "admin"},
            "checkInit": self.check,
            "service": {"type": "ClusterIP"},
            "networkPolicy": {
                "monitoring": anybody,  # the test asks each admin port itself
                "egress": {
                    "upstreams": to_pods("app", "api", 8080),
                    "legacy": to_pods("app.kubernetes.io/name", legacy.NAME, legacy.PORT),
                },
            },
            "podDisruptionBudget": {"enabled": "policy/v1" in self.cluster.apis},
        }

    def configuration(self):
        """The proxy's own. API servers stand in it by address: not every cluster of a test has a DNS."""
        routes = [{"upstream": "api"}]
        if self.marked:
            answer = {"status": 200, "body": material.MARKED.decode()}
            routes.append({"path_exact": material.MARK, "respond": answer})
        return {
            "reload": {"poll": "2s"},
            "upstreams": [{"name": "api", "servers": self.servers}],
            "routes": routes,
            "rollout": {"legacy": self.terminators, "proxy_protocol": self.images.proxy_protocol},
        }


def to_pods(label, value, port):
    """A rule of a network policy: pods with a label, by one port."""
    return [{"to": [{"podSelector": {"matchLabels": {label: value}}}], "ports": [port]}]
