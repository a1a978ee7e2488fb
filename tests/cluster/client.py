"""The load: clients that ask, and know of every request whether it was answered.

`run` and the phases start it. A client does what a pool of connections does: new connections go only
to pods that the Service's endpoints list, and a request on a kept connection that the other side
closed before a byte of the answer is asked once more over a new one (RFC 9110 section 9.2.2), and
counted. Anything else that is not a whole, right answer is lost. It never forgives a refused
connection: keeping the port open until the endpoints have changed is what `drain.delay` is for.
"""

import random
import select
import socket
import ssl
import threading
import time
from collections import Counter

from kube import Watch

TIMEOUT = 15.0
# How far the balancer is behind the endpoints, as kube-proxy on a busy node or a cloud's balancer is.
# The default `drain.delay` is more; with "0s" this test loses requests.
BEHIND = 2.0


class Made:
    """Connections on which a hello was sent; the number that the census has to come to."""

    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0

    def one(self):
        """Counts one; called before its first byte."""
        with self.lock:
            self.count += 1


class Connection:
    """One TLS connection that speaks HTTP/1.1."""

    def __init__(self, made, address, context, name, session=None):
        raw = socket.create_connection(address, timeout=TIMEOUT)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.client = raw.getsockname()[:2]
            made.one()
            self.tls = context.wrap_socket(raw, server_hostname=name, session=session)
        except BaseException:
            raw.close()
            raise
        self.name = name
        self.began = False  # whether a byte of the answer has come

    def ended(self):
        """Whether the other side has closed it while it was idle."""
        if self.tls.pending() == 0 and not select.select([self.tls], [], [], 0)[0]:
            return False
        self.tls.setblocking(False)
        try:
            return self.tls.recv(1) == b""
        except ssl.SSLWantReadError:  # a session ticket, and nothing more
            return False
        except OSError:
            return True
        finally:
            self.tls.settimeout(TIMEOUT)

    def get(self, path):
        """Status, body, and whether the connection may be kept."""
        self.began = False
        self.tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.name}\r\n\r\n".encode())
        read = b""
        while b"\r\n\r\n" not in read:
            read += self.more()
        head, body = read.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {key.lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
        while len(body) < int(fields["content-length"]):
            body += self.more()
        return int(status.split()[1]), body, fields.get("connection", "").lower() != "close"

    def more(self):
        """The next bytes of an answer, of which there are some."""
        piece = self.tls.recv(65536)
        if not piece:
            raise ConnectionError("closed in the middle of an answer" if self.began else "closed without an answer")
        self.began = True
        return piece

    def close(self):
        """Ends it; what was asked has been answered."""
        self.tls.close()


class Ready:
    """Where new connections may go: to the Service, or to what its endpoints list, as they change.

    The second is what a load balancer does that knows pods, some time late; it needs no proxy on the node.
    """

    def __init__(self, cluster, service, port):
        self.port, self.service = port, None
        self.known = [(0.0, [])]
        self.watch = Watch(cluster, ["endpoints", service], self.told)

    def told(self, endpoints):
        """Takes what the cluster says, as a load balancer does."""
        found = []
        for subset in endpoints.get("subsets") or []:
            ports = [port["port"] for port in subset.get("ports") or [] if port.get("name") == self.port]
            found += [(address["ip"], ports[0]) for address in subset.get("addresses") or [] if ports]
        self.known = self.known[-99:] + [(time.monotonic(), found)]

    def addresses(self):
        """What the balancer knows by now."""
        past = time.monotonic() - BEHIND
        return next(addresses for when, addresses in reversed(self.known) if when <= past)

    def by_service(self, service):
        """Goes through the Service from now on, if its own address works from here."""
        ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
        address = service["spec"].get("clusterIP"), ports[self.port]
        try:
            socket.create_connection(address, timeout=3).close()
            self.service = address
        except OSError:
            pass

    def one(self):
        """An address for a new connection."""
        if self.service:
            return self.service
        addresses = self.addresses()
        if not addresses or not self.watch.alive():
            raise ConnectionError("the Service has no endpoint that is ready")
        return random.choice(addresses)


class Load:
    """Clients at work until they are stopped; `with` gives the outcome's counters."""

    KINDS = {"kept": 40, "fresh": 1}  # requests of a connection

    def __init__(self, made, ready, context, name, answer, clients=8, pause=0.02):
        self.made, self.ready, self.context, self.name, self.answer = made, ready, context, name, answer
        self.pause, self.stop = pause, threading.Event()
        self.answered, self.lost, self.again, self.pods = Counter(), [], 0, Counter()
        self.lock = threading.Lock()
        kinds = list(self.KINDS)
        work = [kinds[number % len(kinds)] for number in range(clients)]
        self.threads = [threading.Thread(target=self.client, args=(kind,), daemon=True) for kind in work]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def total(self):
        """Requests answered so far."""
        return sum(self.answered.values())

    def client(self, kind):
        """One client's life: connections one after the other, until the end."""
        while not self.stop.is_set():
            connection = None
            for turn in range(self.KINDS[kind]):
                connection = self.request(kind, connection)
                if connection is None or self.stop.wait(self.pause):
                    break
            if connection is not None:
                connection.close()

    def request(self, kind, kept):
        """One request, answered or lost; the connection, if it can be kept."""
        if kept is not None and kept.ended():
            kept.close()
            kept = None
        try:
            return self.ask(kind, kept)
        except (OSError, ValueError, KeyError) as problem:
            closed = isinstance(problem, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError))
            if kept is not None and not kept.began and closed:
                with self.lock:
                    self.again += 1
                return self.request(kind, None)
            with self.lock:
                self.lost.append(f"{kind} {time.strftime('%H:%M:%S')} {type(problem).__name__}: {problem}")
            return None

    def ask(self, kind, kept):
        """Asks, over a new connection where none is kept, and judges the answer."""
        connection = kept
        if connection is None:
            address = self.ready.one()
            connection = Connection(self.made, address, self.context(), self.name)
            with self.lock:
                self.pods[address[0]] += 1
        try:
            status, body, keep = connection.get("/load")
        except BaseException:
            connection.tls.close()
            raise
        if status != 200 or body != self.answer:
            raise ValueError(f"status {status} with {len(body)} bytes")
        with self.lock:
            self.answered[kind] += 1
        if keep:
            return connection
        connection.close()
        return None
