"""The picture of config/compose as processes on loopback, with their own configuration files.

Used by check.py. Only addresses, ports and paths are rewritten, each by a rule that has to match: a file
that changes its names fails here and is not run half.
"""

import json
import re
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEADLINE = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, ask):
    """Waits for a state."""
    end = time.monotonic() + DEADLINE
    while not (answer := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {DEADLINE} s")
        time.sleep(0.05)
    return answer


def rewritten(text, *rules):
    for pattern, replacement in rules:
        text, times = re.subn(pattern, replacement, text)
        if not times:
            raise AssertionError(f"nothing in the file is like {pattern}")
    return text


class Api(BaseHTTPRequestHandler):
    """An API server that says what it was asked, as the sample servers do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path, **{key.lower(): value for key, value in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Process:
    """A service and what it writes."""

    def __init__(self, *command):
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def rows(self, event):
        rows = (json.loads(line) for line in self.lines if line.startswith("{"))
        return [row for row in rows if row.get("event") == event]

    def start_line(self):
        if self.child.poll() is not None:
            raise AssertionError(f"it ended: {self.lines}")
        return next(iter(self.rows("start")), None)

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()
        self.reader.join(DEADLINE)


class Picture:
    """All of it but Prometheus and Grafana."""

    def __init__(self, binary, compose, secrets, folder):
        self.binary, self.compose, self.secrets, self.folder = binary, compose, secrets, folder
        self.processes, self.servers = [], []

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self):
        ports = [self.api() for _ in range(2)]
        self.legacy = self.run_legacy(ports)
        self.replicas = [self.replica(number, ports) for number in (1, 2)]
        self.balancer = self.run_balancer()

    def api(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return server.server_address[1]

    def legacy_file(self, apis, port):
        text = (self.compose / "legacy" / "haproxy.cfg").read_text()
        return self.file("legacy.cfg", rewritten(
            text, (r"bind :8443", f"bind 127.0.0.1:{port}"), (r"/secrets/", f"{self.secrets}/"),
            *((rf"api-{number}:8080", f"127.0.0.1:{api}") for number, api in enumerate(apis, 1))))

    def run_legacy(self, apis):
        port = free_port()
        self.processes.append(Process("haproxy", "-db", "-f", str(self.legacy_file(apis, port))))
        self.legacy_log = self.processes[-1]
        until("the legacy terminator listens", lambda: self.answers(port))
        return port

    def replica_file(self, name, apis, legacy):
        text = (self.compose / "tlsfloor" / "tlsfloor.toml").read_text()
        loopback = "127.0.0.1"
        return self.file(name, rewritten(
            text, (r"0\.0\.0\.0:\d+", f"{loopback}:0"), (r"/secrets/", f"{self.secrets}/"),
            (r"172\.30\.77\.10", loopback), (r"legacy:8443", f"{loopback}:{legacy}"),
            *((rf"api-{number}:8080", f"{loopback}:{api}") for number, api in enumerate(apis, 1))))

    def replica(self, number, apis):
        path = self.replica_file(f"tlsfloor-{number}.toml", apis, self.legacy)
        self.processes.append(Process(self.binary, "run", "-c", str(path)))
        process = self.processes[-1]
        start = until("a replica starts", process.start_line)
        port = lambda key: int(start[key].strip("[]").rsplit(":", 1)[1])
        return {"log": process, **{key: port(key) for key in ("https", "http", "admin")}}

    def balancer_file(self, replicas, https, http):
        text = (self.compose / "balancer" / "haproxy.cfg").read_text()
        rules = [(r"bind :8443", f"bind 127.0.0.1:{https}"), (r"bind :8080", f"bind 127.0.0.1:{http}")]
        for number, replica in enumerate(replicas, 1):
            for inside, key in (("8443", "https"), ("8080", "http")):
                rules.append((rf" tlsfloor-{number}:{inside}", f" 127.0.0.1:{replica[key]} port {replica['admin']}"))
        return self.file("balancer.cfg", rewritten(text, *rules))

    def run_balancer(self):
        ports = {"https": free_port(), "http": free_port()}
        path = self.balancer_file(self.replicas, **ports)
        self.processes.append(Process("haproxy", "-db", "-f", str(path)))
        until("the balancer listens", lambda: self.answers(ports["https"]))
        return ports

    def answers(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        for server in self.servers:
            server.shutdown()
