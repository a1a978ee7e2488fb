"""Certificates, secrets and the sample API: what a platform has before tlsfloor comes to it.

`run` makes all of it anew for each run, by openssl and with our own image; nothing here is a secret
of anybody, and nothing is kept. Every pod made here passes Pod Security restricted, too.
"""

import hashlib
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path

from kube import command

HOST = "api.example.com"
USER = 65532
MARK, MARKED = "/mark", b"the second configuration\n"
ANSWER = b"answer of the sample api\n" * 600  # 15 KB: more than one record, less than a window

API = f"""
[listen]
https = ["127.0.0.1:8443"]
http = ["0.0.0.0:8080"]

[tls]
certificates = [{{ chain = "/secrets/tls.crt", key = "/secrets/tls.key" }}]

[plain_http]
action = "forward"

[[upstreams]]
name = "none"
servers = ["http://127.0.0.1:9"]

[[routes]]
respond = {{ status = 200, body = '''{ANSWER.decode()}''' }}
"""


@dataclass(frozen=True)
class Certificate:
    """One certificate of its own issuer, and its key."""

    chain: str
    key: str

    @property
    def fingerprint(self):
        """SHA-256 of the certificate as it goes over the wire."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.chain)).hexdigest()


def certificate(folder, name, kind="ec"):
    """A new one for `HOST`; old terminators want `rsa`."""
    chain, key = Path(folder, f"{name}.crt"), Path(folder, f"{name}.key")
    words = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "90", "-subj", f"/CN={HOST}/O={name}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command("openssl", "req", "-x509", *words, "-keyout", str(key), "-out", str(chain))
    return Certificate(chain.read_text(), key.read_text())


def tls_secret(name, pair):
    """A Secret as cert-manager writes it."""
    data = {"tls.crt": pair.chain, "tls.key": pair.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name},
        "stringData": data,
    }


def random_secret(name, key):
    """A Secret with one line nobody can guess."""
    data = {key: secrets.token_urlsafe(48)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def config_map(name, **files):
    """A ConfigMap of some files; `a__b` is a.b."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {key.replace("__", "."): text for key, text in files.items()},
    }


def api_servers(image, pull, replicas=2):
    """The sample API: our own image, answering by itself on a plain port; no other image is needed."""
    container = {
        "name": "api",
        "image": image,
        "imagePullPolicy": pull,
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/tlsfloor"},
            {"name": "secrets", "mountPath": "/secrets"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "api"}},
            {"name": "secrets", "secret": {"secretName": "api-tls", "defaultMode": 0o440}},
        ],
    }
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": deployment}
