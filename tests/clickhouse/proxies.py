"""Two real proxies through a brownout, and the clients that make their logs.

Used by check.py. Clients are counted as they connect, so that what the logs say can be held against
what was done, and not only against another sum of the same logs.
"""

import json
import queue
import socket
import ssl
import struct
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEADLINE = 60

CONFIG = """
[listen]
https = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
workers = 1
[tls]
certificates = [{{ chain = "chain.pem", key = "key.pem" }}]
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:{upstream}"]
[rollout]
legacy = "127.0.0.1:{legacy}"
legacy_check = "0s"
salt = "one of a test"
brownouts = [{{ from = {brownout}, lasts = "4s", percent = 100 }}]
exemptions = [
  {{ sni = ["spared.example.com"], owner = "acme", reason = "contract", expires = 2090-01-01T00:00:00Z }},
  {{ sni = ["unused.example.com"], owner = "beta", reason = "contract", expires = 2090-01-01T00:00:00Z }},
]
[[policies]]
name = "tls13"
minimum = "1.3"
[census]
rows = {rows}
[reload]
poll = "0s"
[drain]
delay = "0s"
grace = "5s"
"""


def block(length, content):
    """A vector of TLS: its length before it (RFC 8446 3.4)."""
    return len(content).to_bytes(length, "big") + content


def hello(name, version=0x0301, suites=(0x002F, 0x0035, 0x000A)):
    """A ClientHello of old clients (RFC 5246 7.4.1.2), with a host name (RFC 6066 3)."""
    server_name = block(2, b"\0" + block(2, name.encode()))
    extensions = struct.pack(">H", 0) + block(2, server_name)
    numbers = b"".join(suite.to_bytes(2, "big") for suite in suites)
    body = version.to_bytes(2, "big") + bytes(32) + b"\0" + block(2, numbers) + b"\1\0" + block(2, extensions)
    return b"\x16\x03\x01" + block(2, b"\1" + block(3, body))


class Server:
    """Something that listens on a free port of loopback, in a thread of its own."""

    def __init__(self, server):
        self.server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Api(BaseHTTPRequestHandler):
    """An API server."""

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Terminator(threading.Thread):
    """Stands for the legacy terminator: takes what comes, says nothing and ends."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                connection.recv(4096)


class Proxy:
    """One `tlsfloor run` and its log."""

    def __init__(self, binary, folder):
        command = [binary, "run", "-c", str(folder / "tlsfloor.toml")]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.lines, self.coming = [], queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        start = self.wait_for("start")
        self.https = ("127.0.0.1", int(start["https"].strip("[]").rsplit(":", 1)[1]))
        self.made = 0

    def read(self):
        for line in self.child.stdout:
            self.coming.put(line.decode().rstrip("\n"))
        self.coming.put(None)

    def next(self, end):
        try:
            return self.coming.get(timeout=max(0.01, end - time.monotonic()))
        except queue.Empty:
            raise RuntimeError(f"the proxy has been silent; the last it said: {self.lines[-1:]}") from None

    def wait_for(self, event, **fields):
        """The first line of this kind that has not been read yet."""
        end = time.monotonic() + DEADLINE
        while (line := self.next(end)) is not None:
            self.lines.append(line)
            row = json.loads(line)
            if row.get("event") == event and all(row.get(key) == value for key, value in fields.items()):
                return row
        raise RuntimeError(f"the proxy ended without a line of event {event}")

    def send(self, content):
        """Raw bytes, to the end of the connection."""
        with socket.create_connection(self.https, timeout=DEADLINE) as connection:
            connection.sendall(content)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        self.made += 1

    def request(self, version):
        """A request of a client that holds the floor."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        plain = socket.create_connection(self.https, timeout=DEADLINE)
        with context.wrap_socket(plain, server_hostname="api.example.com") as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
            while connection.recv(4096):
                pass
        self.made += 1

    def clients(self):
        """A little of everything."""
        for _ in range(3):
            self.send(hello("api.example.com"))
        self.send(hello("spared.example.com"))
        self.send(hello("api.example.com", version=0x0300))
        self.send(hello("api.example.com", version=0x0303))
        self.send(b"GET / HTTP/1.1\r\n\r\n")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.request(version)

    def reload(self):
        self.child.send_signal(1)
        self.wait_for("reload", result="success")

    def stop(self):
        """Ends it; its last lines tell what no flush has told."""
        self.child.terminate()
        end = time.monotonic() + DEADLINE
        while (line := self.next(end)) is not None:
            self.lines.append(line)
        self.child.wait(DEADLINE)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def certificate(folder):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2", "-subj", "/CN=api.example.com", "-addext", "subjectAltName=DNS:api.example.com",
               "-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "key.pem").chmod(0o600)


def brownout_log(binary, folder):
    """Pairs of a replica and a line, and how many connections were made."""
    folder = Path(folder)
    certificate(folder)
    begin = datetime.now(timezone.utc) + timedelta(seconds=4)
    keys = {"upstream": Server(ThreadingHTTPServer(("127.0.0.1", 0), Api)).port, "legacy": Terminator().port,
            "brownout": begin.strftime("%Y-%m-%dT%H:%M:%SZ")}
    write = lambda rows: (folder / "tlsfloor.toml").write_text(CONFIG.format(rows=rows, **keys))
    write(100)
    proxies = []
    try:
        for _ in range(2):
            proxies.append(Proxy(binary, folder))
        for stage in ("observe", "brownout", "observe"):
            for proxy in proxies:
                # The first one is said at the start.
                proxy.wait_for("stage", stage=stage)
                proxy.clients()
        # More than the table has room for: some of them are told as "other".
        for number in range(120):
            proxies[0].send(hello(f"n{number}.example.com"))
        # A census of another size ends the one before, told: rows of a second time.
        write(200)
        for proxy in proxies:
            proxy.reload()
            proxy.clients()
        for proxy in proxies:
            proxy.stop()
    finally:
        for proxy in proxies:
            proxy.kill()
    pairs = [(f"tlsfloor-{number}", line) for number, proxy in enumerate(proxies) for line in proxy.lines]
    return pairs, sum(proxy.made for proxy in proxies)
