"""Old hellos: from the client's bytes to today's terminator, and the address that it is told.

`run` calls `reaches`. The hello is written byte by byte, so that it does not matter what the TLS
library of this machine still speaks: TLS 1.0 as OpenSSL 0.9.8 offers it (RFC 2246 section 7.4.1.2).
The answer to it is in clear: the terminator's version, and its certificate.
"""

import hashlib
import os
import socket
import struct

from claims import eventually
from fleet import TLS

SUITES = bytes.fromhex("0039003800350016001300 0a00330032002f000500040015001200090014001100080006000300ff".replace(" ", ""))
HANDSHAKE, TLS10 = 22, b"\x03\x01"
GOODBYE = bytes([21]) + TLS10 + b"\0\x02\x02\x28"  # an alert, so that the terminator logs why it ended
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


def reaches(world):
    """Hellos of TLS 1.0 get the terminator's answer, and the terminator the clients' addresses."""
    offers = [offer(world.made, pod["status"]["podIP"]) for pod in world.fleet.pods() for _ in range(3)]
    right = (TLS10, world.terminator.fingerprint)
    wrong = [seen for seen in offers if seen[1:] != right]
    world.claims.hold("old hellos get today's terminator's answer, in TLS 1.0 and with its certificate", not wrong, wrong or f"{len(offers)} connections")
    clients = [f"{host}:{port}" for (host, port), *_ in offers]

    def untold():
        text = world.cluster.kubectl("logs", "deployment/legacy")
        return [client for client in clients if f"{client} [" not in text]

    eventually("the terminator's log has every client", lambda: not untold(), within=30)
    world.claims.hold("the terminator is told every client's own address and port", True, f"{clients[0]} and {len(clients) - 1} more")
