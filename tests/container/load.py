"""Clients that know exactly what became of each request, for tests/container/run.

Half of them open a connection for each request, half keep theirs, and all go where their balancer sends them: to a
replica that says ready. A request on a kept connection that ended before a byte of the answer came is sent again, as
RFC 9112 9.3.1 lets a client do; whatever else is no complete answer is lost. The upstream says what it has seen.
"""

import collections
import http.client
import http.server
import itertools
import socket
import ssl
import threading
import time


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        """A proxy that is killed resets its connections; what came of the requests is counted where they began."""


class Upstream:
    """The API server: answers with what it was asked, and counts each request by its id."""

    def __init__(self, address, pause=0.0):
        seen, lock = collections.Counter(), threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                with lock:
                    seen[self.headers.get("x-id", "")] += 1
                if pause:
                    time.sleep(pause)  # The work of a server; nothing waits for it.
                body = self.path.encode()
                if self.path.startswith("/bytes/"):
                    body = bytes(int(self.path.rsplit("/", 1)[1]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                left = int(self.headers.get("Content-Length", 0))
                while left:
                    left -= len(self.rfile.read(min(left, 65536)))
                self.do_GET()

            def log_message(self, *_):
                pass

        self.seen = seen
        self.server = Server((address, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Replica:
    """What a balancer knows of one."""

    def __init__(self, name, address):
        self.name, self.address, self.ready = name, address, True

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection(self.address, 9901, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


class Load:
    """`threads` clients until `stop`, over `replicas`."""

    def __init__(self, replicas, context, name, threads=8, path="/load"):
        self.replicas, self.context, self.name, self.path = replicas, context, name, path
        self.ids, self.turn, self.lock = itertools.count(), itertools.count(), threading.Lock()
        self.answered, self.lost, self.repeated = collections.Counter(), [], 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.balance, daemon=True)]
        self.threads += [threading.Thread(target=self.client, args=(i % 2 == 0,), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def balance(self):
        while not self.ended.wait(0.05):
            for replica in self.replicas:
                replica.ready = replica.is_ready()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(30)
            if thread.is_alive():
                self.lost.append("a client that never ended")

    def done(self):
        with self.lock:
            return sum(self.answered.values())

    def choose(self):
        ready = [r for r in self.replicas if r.ready] or self.replicas
        return ready[next(self.turn) % len(ready)]

    def client(self, keeps):
        connection, replica = None, None
        while not self.ended.is_set():
            number = str(next(self.ids))
            answered = False
            while not answered:
                fresh = connection is None
                try:
                    if fresh:
                        replica = self.choose()
                        connection = self.connect(replica)
                    goes_on = self.ask(connection, number)
                    answered = True
                except Unanswered as error:
                    goes_on = False
                    if fresh:
                        self.lose(number, replica, error)
                        break
                    with self.lock:
                        self.repeated += 1
                except (OSError, http.client.HTTPException) as error:
                    goes_on = False
                    self.lose(number, replica, error)
                    break
                finally:
                    if connection and not (keeps and goes_on):
                        connection.close()
                        connection = None
            if answered:
                with self.lock:
                    self.answered[replica.name] += 1

    def connect(self, replica):
        connection = http.client.HTTPSConnection(self.name, context=self.context)
        # The name is the certificate's, the address the replica's.
        connection._create_connection = lambda *_: socket.create_connection((replica.address, 8443), 10)
        connection.connect()
        return connection

    def ask(self, connection, number):
        """True if the connection can be used again."""
        try:
            connection.request("GET", self.path, headers={"x-id": number})
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise Unanswered(repr(error)) from error
        body = answer.read()
        if answer.status != 200 or (self.path == "/load" and body != b"/load"):
            raise http.client.HTTPException(f"{answer.status} with {len(body)} bytes")
        return not answer.will_close

    def lose(self, number, replica, error):
        with self.lock:
            self.lost.append(f"request {number} to {replica.name}: {error!r}")


class Unanswered(Exception):
    """The connection ended before the first byte of an answer."""
