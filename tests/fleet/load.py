"""Load on the fleet: clients that never stop and never try again, each request on record.

Called by the checks. Clients are HTTP/1.1 over kept connections, HTTP/1.1 with a connection for each
request, HTTP/2 by curl, and TLS 1.0 for the legacy lane. What a request came to is told with the port
that it left from, so the balancer's log says which replica it was on.
"""

import ssl
import subprocess
import threading
from collections import Counter

import clients
from world import CLIENTS, Failed, until


class Load:
    """While it runs: `with Load(fleet) as load`. `lost` has each request without a good answer."""

    def __init__(self, fleet, kinds=("kept", "single", "h2", "old"), each=2):
        self.fleet, self.ending = fleet, threading.Event()
        self.done, self.lost = Counter(), []
        self.lock = threading.Lock()
        run = {"kept": self.kept, "single": self.single, "h2": self.h2, "old": self.old}
        names = [(kind, number) for kind in kinds for number in range(each)]
        self.sources = {CLIENTS.format(10 + place): kind for place, (kind, _) in enumerate(names)}
        self.threads = [
            threading.Thread(target=run[kind], args=(kind, source), daemon=True)
            for source, kind in self.sources.items()
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.moves_on()
        return self

    def __exit__(self, kind, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(clients.TIMEOUT * 2)
            if thread.is_alive() and kind is None:
                raise Failed("a client of the load hangs")

    def moves_on(self, more=20):
        """Waits until every client has had so many answers from now on; what was in flight has ended then."""
        with self.lock:
            goal = {source: self.done[source] + more for source in self.sources}
        until("all clients of the load get answers", lambda: all(self.done[one] >= goal[one] for one in goal))

    def tell(self, kind, source, port, trouble=None):
        with self.lock:
            if trouble is None:
                self.done[source] += 1
            else:
                self.lost.append((kind, f"{source}:{port}", str(trouble)))

    @property
    def total(self):
        return sum(self.done.values())

    def visit(self, kind, source, connection, close):
        """One request of a connection; whether another may follow."""
        try:
            status, more, body = connection.ask("/load", close)
            good = status == 200 and (kind != "old" or body == f"legacy {source}".encode())
            self.tell(kind, source, connection.port, None if good else f"{status} {body[:200]}")
            return more and not close
        except (OSError, clients.Lost) as trouble:
            self.tell(kind, source, connection.port, trouble)
            return False

    def open(self, kind, source, tls):
        """A connection; none where it came to nothing, which loses the request that it was for."""
        try:
            return clients.Connection(self.fleet.front, tls, source)
        except clients.Lost as lost:
            self.tell(kind, source, lost.port, lost)
            return None

    def kept(self, kind, source):
        tls, connection = clients.context(self.fleet.ca), None
        while not self.ending.is_set():
            if connection and connection.has_ended():
                connection.close()
                connection = None
            connection = connection or self.open(kind, source, tls)
            if connection and not self.visit(kind, source, connection, False):
                connection.close()
                connection = None
        if connection:
            connection.close()

    def single(self, kind, source, tls=None):
        tls = tls or clients.context(self.fleet.ca)
        while not self.ending.is_set():
            connection = self.open(kind, source, tls)
            if connection:
                self.visit(kind, source, connection, True)
                connection.close()

    def old(self, kind, source):
        self.single(kind, source, clients.context(self.fleet.ca, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1))

    def h2(self, kind, source):
        """By curl, forty requests a run: over one connection, or another one after a GOAWAY."""
        host, port = self.fleet.front
        command = ["curl", "-s", "--http2", "--cacert", self.fleet.ca, "--interface", source, "-o", "/dev/null",
                   "--max-time", str(clients.TIMEOUT), "--resolve", f"localhost:{port}:{host}",
                   # Standard error, because that is not buffered: what is lost is known at once.
                   "-w", "%{stderr}%{http_version} %{http_code} %{num_connects} %{local_port} %{errormsg}\n",
                   f"https://localhost:{port}/load?[1-40]"]
        while not self.ending.is_set():
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as curl:
                for line in curl.stderr:
                    version, code, connects, port_used, trouble = line.rstrip("\n").split(" ", 4)
                    clients.made.add(good=int(connects))
                    good = (version, code) == ("2", "200")
                    self.tell(kind, source, port_used, None if good else f"HTTP/{version} {code} {trouble}")
