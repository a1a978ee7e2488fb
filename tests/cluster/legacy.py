"""Old hellos: from the client's bytes to today's terminator, and the address that it is told.

`world` deploys the terminator, which is the chart's own example; `run` calls `reaches`. One hello is
written byte by byte, so that it does not matter what the TLS library of this machine still speaks:
TLS 1.0 as OpenSSL 0.9.8 offers it (RFC 2246 section 7.4.1.2). The answer to it is in clear: version
and certificate. What the terminator logs of clients, it logs of requests, so some ask by the library.
"""

import hashlib
import json
import os
import re
import socket
import ssl
import struct
import warnings

import material
from claims import Broken, eventually
from client import Connection
from fleet import TLS
from kube import CHART

EXAMPLE = CHART.parent / "examples/legacy-nginx.yaml"
NAME, PORT = "legacy-nginx", 8443

SUITES = bytes.fromhex("00390038003500160013000a00330032002f000500040015001200090014001100080006000300ff")
HANDSHAKE, TLS10 = 22, b"\x03\x01"
GOODBYE = bytes([21]) + TLS10 + b"\0\x02\x02\x28"  # handshake_failure: it was only asking
SERVER_HELLO, CERTIFICATE = 2, 11


def hello():
    """A record with a ClientHello of TLS 1.0 without extensions."""
    body = TLS10 + os.urandom(32) + b"\0" + struct.pack(">H", len(SUITES)) + SUITES + b"\x01\0"
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return bytes([HANDSHAKE]) + TLS10 + struct.pack(">H", len(message)) + message


def exactly(raw, length):
    """So many bytes."""
    read = b""
    while len(read) < length:
        piece = raw.recv(length - len(read))
        if not piece:
            raise ConnectionError(f"closed after {len(read)} of {length} bytes")
        read += piece
    return read


def messages(raw):
    """Handshake messages of the other side, as long as there are some in clear."""
    stream = b""
    while True:
        kind, version, length = struct.unpack(">B2sH", exactly(raw, 5))
        record = exactly(raw, length)
        if kind != HANDSHAKE:
            raise ConnectionError(f"record of type {kind}, version {version.hex()}: {record[:8].hex()}")
        stream += record
        while len(stream) >= 4 and len(stream) >= 4 + int.from_bytes(stream[1:4], "big"):
            end = 4 + int.from_bytes(stream[1:4], "big")
            yield stream[0], stream[4:end]
            stream = stream[end:]


def offer(made, address):
    """Sends an old hello; the client's own address, and the version and certificate that came back."""
    with socket.create_connection((address, TLS), timeout=15) as raw:
        made.one()
        client = raw.getsockname()[:2]
        raw.sendall(hello())
        version = certificate = None
        for kind, body in messages(raw):
            if kind == SERVER_HELLO:
                version = body[:2]
            if kind == CERTIFICATE:
                length = int.from_bytes(body[3:6], "big")
                certificate = hashlib.sha256(body[6 : 6 + length]).hexdigest()
                break
        raw.sendall(GOODBYE)
        return client, version, certificate


def terminator(cluster, image, pull, api):
    """The example's objects, with what an operator changes in it: image, certificate, API server."""
    for text in EXAMPLE.read_text().split("\n---\n"):
        version = re.search(r"^apiVersion: (\S+)", text, re.MULTILINE).group(1)
        if version not in cluster.apis:
            continue
        for pattern, said in adapted(cluster, image, pull, api):
            text = re.sub(pattern, said, text)
        yield from cluster.parse(text)


def adapted(cluster, image, pull, api):
    """Patterns, and what stands in their place."""
    yield "namespace: tlsfloor", f"namespace: {cluster.namespace}"
    yield "secretName: api-tls", "secretName: legacy-tls"
    yield r"image: (\S+)", "image: " + (image or r"\1") + f"\n          imagePullPolicy: {pull}"
    # Its API server by address: not every cluster of a test has a DNS.
    yield r"resolver [^;]*;", ""
    yield r"orders\.prod\.svc\.cluster\.local", api
    yield r"namespaceSelector: \{ matchLabels: \{ kubernetes.io/metadata.name: prod \} \}", "podSelector: { matchLabels: { app: api } }"


def reaches(world):
    """Hellos of TLS 1.0 get the terminator's answer, and the terminator the clients' addresses."""
    pods = [pod["status"]["podIP"] for pod in world.fleet.pods()]
    offers = [offer(world.made, pod) for pod in pods for _ in range(3)]
    right = (TLS10, world.terminator.fingerprint)
    wrong = [seen for seen in offers if seen[1:] != right]
    claims = world.claims
    claims.hold(
        "old hellos get today's terminator's answer, in TLS 1.0 and with its certificate",
        not wrong,
        wrong or f"{len(offers)} connections",
    )
    clients = [asks(world, pod) for pod in pods]

    def told():
        text = world.cluster.kubectl("logs", "-l", f"app.kubernetes.io/name={NAME}", "--tail=-1")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"event":"legacy"')]
        seen = {tuple(line[key] for key in ("client", "version", "request", "status")) for line in lines}
        return seen >= {(host, "TLSv1", f"GET /old/{port} HTTP/1.1", "200") for host, port in clients}

    eventually("the terminator's log has every client with its own address", told, within=30)
    claims.hold(
        "requests over TLS 1.0 are answered there, and it knows each client's address",
        True,
        ", ".join(host for host, _ in clients),
    )


def asks(world, address):
    """A whole request over TLS 1.0; the client's address, whose port is in the path."""
    context = ssl.create_default_context(cadata=world.terminator.chain)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        connection = Connection(world.made, (address, TLS), context, material.HOST)
    except (ssl.SSLError, ValueError) as problem:
        raise Broken(f"no request over TLS 1.0 by {ssl.OPENSSL_VERSION}: {problem}") from problem
    status, body, _ = connection.get(f"/old/{connection.client[1]}")
    connection.close()
    if status != 200 or body != material.ANSWER:
        raise Broken(f"a request over TLS 1.0 got status {status} with {len(body)} bytes")
    return connection.client
