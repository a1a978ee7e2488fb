"""The chart's output for this test, and the changes that are made to it.

`world` installs it; phases change what it is made of and apply it again, as a pipeline would. The
manifests are the chart's own, applied as they are.
"""

import material

CONFIG = """
[listen]
https = ["0.0.0.0:8443"]
http = ["0.0.0.0:8080"]
admin = "0.0.0.0:9901"
admin_token = "/secrets/admin/token"
[tls]
certificates = [{{ chain = "/secrets/{cert}/tls.crt", key = "/secrets/{cert}/tls.key" }}]
ticket_secret = "/secrets/admin/token"
[reload]
poll = "1s"
[drain]
delay = "5s"
grace = "20s"
[[upstreams]]
name = "api"
servers = {servers}
{more}
"""


class Release:
    """One release of the chart."""

    def __init__(self, cluster, name, images, servers):
        self.cluster, self.name, self.images, self.servers = cluster, name, images, servers
        self.image, self.replicas = images.first, 3
        self.deployment = self.service = self.config = name
        self.marked, self.check, self.certificate = False, True, "api-tls"

    def values(self):
        import json
        more = "[[routes]]\nupstream = \"api\"\n[[routes]]\npath_exact = \"/mark\"\nrespond = { status = 200, body = \"the second configuration\\n\" }" if self.marked else ""
        return {"image": self.image, "replicas": self.replicas, "check": self.check, "secrets": [self.certificate, "admin"], "config": CONFIG.format(cert=self.certificate, servers=json.dumps(self.servers), more=more)}

    def objects(self):
        return self.cluster.render(self.name, self.values())

    def apply(self):
        self.cluster.apply(*self.objects())
