"""Clients of the fleet: PROXY headers, old hellos from bytes, sessions that are taken up again.

Called by the checks. Each connection that sends a hello to a replica is counted in `made`, which is what
census, metrics and report are held against. No client ever tries a request twice.
"""

import itertools
import json
import socket
import ssl
import struct
import threading
from ipaddress import ip_address

from world import HOME

TIMEOUT = 20


class Ledger:
    """How many connections sent a hello, by whether they hold the floor."""

    def __init__(self):
        self.lock = threading.Lock()
        self.good = self.old = 0

    def add(self, good=0, old=0):
        with self.lock:
            self.good += good
            self.old += old

    def clear(self):
        with self.lock:
            self.good = self.old = 0

    @property
    def all(self):
        return self.good + self.old


made = Ledger()
PORTS = itertools.count(20000)


def proxy_v2(client, server):
    """A PROXY header, version 2, that says who the client is (HAProxy's proxy-protocol.txt, 2.2)."""
    client = ip_address(client)
    server = ip_address(server if client.version == 4 else f"::ffff:{server}")
    family = 0x11 if client.version == 4 else 0x21
    body = client.packed + server.packed + struct.pack(">HH", 1024 + next(PORTS) % 60000, 443)
    return b"\r\n\r\n\0\r\nQUIT\n\x21" + struct.pack(">BH", family, len(body)) + body


def old_hello(version=0x0301):
    """A ClientHello of TLS 1.0 (or 1.1), as RFC 2246 7.4.1.2 has it: no extensions, three suites."""
    body = struct.pack(">H", version) + bytes(range(32)) + b"\0" + b"\0\6\0\x2f\0\x35\0\x0a" + b"\1\0"
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


def receive(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def old_lane(replica, client, version=0x0301):
    """What a replica does with an old client: refuse, legacy, or a word for anything else."""
    with socket.create_connection((replica, 8443), TIMEOUT) as sock:
        made.add(old=1)
        sock.sendall(proxy_v2(client, replica) + old_hello(version))
        head = receive(sock, 11)
    if head[:1] == b"\x15":
        return "refuse" if head[5:7] == b"\x02\x46" else f"alert {head[6]}"
    # A ServerHello in the client's own version: nobody but the old terminator speaks that.
    return "legacy" if head[:1] == b"\x16" and head[9:11] == struct.pack(">H", version) else head.hex() or "closed"


def plain_lane(replica, client):
    """What a replica does with a request in clear: its status."""
    with socket.create_connection((replica, 8080), TIMEOUT) as sock:
        sock.sendall(proxy_v2(client, replica) + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return int(receive(sock, 12)[9:])


def context(ca, least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.TLSv1_3):
    made_for = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made_for.load_verify_locations(ca)
    if least < ssl.TLSVersion.TLSv1_2:
        made_for.set_ciphers("ALL:@SECLEVEL=0")
    made_for.minimum_version, made_for.maximum_version = least, most
    return made_for


class Lost(Exception):
    """A request that got no answer: the port that it left from, and why."""

    def __init__(self, port, why):
        super().__init__(f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why)
        self.port, self.why = port, why


class Connection:
    """One connection over TLS, by HTTP/1.1."""

    def __init__(self, where, tls, source=HOME, client=None, session=None):
        raw = socket.create_connection(where, TIMEOUT, (source, 0))
        self.port = raw.getsockname()[1]
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if client:
                raw.sendall(proxy_v2(client, where[0]))
            holds = tls.maximum_version >= ssl.TLSVersion.TLSv1_2
            made.add(good=holds, old=not holds)
            self.socket = tls.wrap_socket(raw, server_hostname="localhost", session=session)
        except OSError as error:
            raw.close()
            raise Lost(self.port, error) from error

    def ask(self, path="/", close=False):
        """One request: its status, whether another may follow, and its body."""
        end = "Connection: close\r\n" if close else ""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{end}\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        length = next(int(f[15:]) for f in fields if f.startswith(b"content-length:"))
        while len(body) < length:
            body += self.more()
        return int(head.split(b" ", 2)[1]), b"connection: close" not in fields, body

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Lost(self.port, "the connection ended before the answer was whole")
        return data

    def has_ended(self):
        """Whether the other side has left, as a client looks before it uses a connection again."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1) == b""
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def modern(where, tls, client=None, session=None, source=HOME):
    """A whole visit: who answered (serve or legacy), whether it resumed, and its session."""
    try:
        with Connection(where, tls, source, client, session) as connection:
            _, _, body = connection.ask(close=True)
            lane = "legacy" if body.startswith(b"legacy") else "serve"
            return lane, connection.socket.session_reused, connection.socket.session, body
    except Lost as lost:
        if "PROTOCOL_VERSION" in str(lost):
            return "refuse", False, None, b""
        raise


def replica_of(body):
    """Which replica asked the API server."""
    return json.loads(body)["replica"]
