"""Clients of every kind, over and over, so that every counter of a replica moves.

Started by hold.py, one thread a replica. What a client gets is no matter here: the tests in Rust
are about that.
"""

import http.client
import socket
import ssl
import subprocess
import threading
import warnings

from hellos import families

WAIT = 5


class Traffic:
    """Runs until it is stopped; an answer that could not be read ends only its own client."""

    def __init__(self, replicas):
        self.stopped = threading.Event()
        self.old = [family for family in families() if family[2] != "pass"]
        self.threads = [threading.Thread(target=self.run, args=(one,), daemon=True) for one in replicas]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(WAIT * 4)

    def run(self, replica):
        contexts, turn = [context(ssl.TLSVersion.TLSv1_2), context(ssl.TLSVersion.TLSv1_3)], 0
        sessions = [None, None]
        swarm(replica, 0)
        while not self.stopped.wait(0.2):
            turn += 1
            for place, (_name, _offered, _verdict, hello) in enumerate(self.old):
                attempt(old_client, replica.https, hello, f"198.51.{place}.{turn % 3 + 1}")
            attempt(old_client, replica.https, self.old[0][3], "203.0.113.7")
            for place in range(2):
                sessions[place] = attempt(good, replica.https, contexts[place], sessions[place])
            attempt(http2, replica.https)
            attempt(distrusting, replica.https)
            attempt(in_clear, replica.http)
            if turn % 20 == 1:
                attempt(misfits, replica.https)


def attempt(client, *arguments):
    try:
        return client(*arguments)
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
        return None


def swarm(replica, base, networks=20, each=10):
    """Many clients of many networks, each once: the census has fewer rows than that."""
    hello = next(family[3] for family in families() if family[0] == "Java 7")
    for client in range(networks * each):
        attempt(old_client, replica.https, hello, f"198.18.{base + client % networks}.{client // networks + 1}")


def context(version):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    return made


def old_client(port, hello, address):
    """From the load balancer, for a client of this address."""
    with socket.create_connection(("127.0.0.1", port), WAIT, ("127.1.0.1", 0)) as stream:
        stream.sendall(f"PROXY TCP4 {address} 192.0.2.1 50000 443\r\n".encode() + hello)
        while stream.recv(4096):
            pass


def good(port, made, session):
    """HTTP/1.1 over one version, with the session of the last time."""
    raw = socket.create_connection(("127.0.0.1", port), WAIT)
    with made.wrap_socket(raw, server_hostname="api.example.com", session=session) as stream:
        for path in ("/", "/missing", "/stock/1", "/bills/1"):
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: api.example.com\r\n\r\n".encode())
            answer = http.client.HTTPResponse(stream)
            answer.begin()
            answer.read()
        return stream.session


def http2(port):
    resolve = f"api.example.com:{port}:127.0.0.1"
    subprocess.run(["curl", "-sk", "--http2", "--max-time", str(WAIT), "--resolve", resolve,
                    "-o", "/dev/null", f"https://api.example.com:{port}/"], timeout=WAIT * 2, check=False)


def distrusting(port):
    """Does not know who signed the certificate, and says so."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    raw = socket.create_connection(("127.0.0.1", port), WAIT)
    with made.wrap_socket(raw, server_hostname="api.example.com"):
        pass


def in_clear(port):
    fields = [{}, {"authorization": "Bearer t"}, {"cookie": "s=1"}]
    for network, more in enumerate(fields * 2):
        stream = socket.create_connection(("127.0.0.1", port), WAIT, ("127.1.0.1", 0))
        stream.sendall(f"PROXY TCP4 198.51.{network}.9 192.0.2.1 50000 80\r\n".encode())
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.sock = stream
        connection.request("GET", "/?api_key=k" if not more and network else "/", headers=more)
        connection.getresponse().read()
        connection.close()


def misfits(port):
    """A PROXY header that nobody asked for, a path too long, no HTTP, and HTTP/2 that only pings."""
    with socket.create_connection(("127.0.0.1", port), WAIT) as stream:
        stream.sendall(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n")
        stream.recv(100)
    made = context(ssl.TLSVersion.TLSv1_3)
    for request in (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: api.example.com\r\n\r\n", b"\0\1\2\r\n\r\n"):
        attempt(spoken, port, made, request)
    made.set_alpn_protocols(["h2"])
    settings, ping = b"\0\0\0\4\0\0\0\0\0", b"\0\0\x08\6\0\0\0\0\0" + b"12345678"
    attempt(spoken, port, made, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + ping * 2000)


def spoken(port, made, bytes_):
    raw = socket.create_connection(("127.0.0.1", port), WAIT)
    with made.wrap_socket(raw, server_hostname="api.example.com") as stream:
        stream.sendall(bytes_)
        while stream.recv(65536):
            pass
