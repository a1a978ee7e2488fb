"""Three replicas, what is behind them, and the Prometheus that scrapes them: all on loopback.

Started by hold.py. Every process is its own child and ends with the `with` block, whatever
happens; ports are the system's choice.
"""

import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

DEADLINE = 60

CONFIG = Path(__file__).with_name("stage.toml")

SCRAPES = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{rules}]
scrape_configs:
  - job_name: tlsfloor
    static_configs:
{targets}
"""


class NotHeld(Exception):
    """What did not hold, in a sentence."""


def eventually(what, seen, seconds=DEADLINE):
    """Asks until the answer is true, and gives it back; an exception counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            answer = seen()
            if answer:
                return answer
            last = answer
        except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
            last = error
        time.sleep(0.1)
    raise NotHeld(f"{what} did not happen within {seconds} s; last seen: {last}")


def fetch(url, data=None):
    request = urllib.request.Request(url, data, method="POST" if data is not None else "GET")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


class Api(http.server.BaseHTTPRequestHandler):
    """An API server; /slow takes longer than any drain."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(DEADLINE)
        body = b'{"ok":true}'
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            # The drain that cut the request.
            self.close_connection = True

    def log_message(self, *_):
        pass


class Legacy(socketserver.StreamRequestHandler):
    """Today's terminator as far as the legacy lane looks: it takes a PROXY header and a hello and
    answers with a TLS record."""

    def handle(self):
        try:
            head = self.rfile.read(16)
            self.rfile.read(int.from_bytes(head[14:16], "big"))
            # A check says LOCAL and sends nothing more.
            if len(head) == 16 and head[12] == 0x21 and self.rfile.read(1):
                self.wfile.write(b"\x15\x03\x01\x00\x02\x02\x28")
        except OSError:
            pass


class Quiet(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class Stage:
    def __init__(self, binary, rules):
        self.binary, self.rules = binary, Path(rules).resolve()
        self.folder = Path(tempfile.mkdtemp(prefix="tlsfloor-rules-"))
        self.processes, self.servers, self.replicas = [], [], {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        self.api = self.serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api))
        self.legacy = self.serve(Quiet(("127.0.0.1", 0), Legacy))
        # Bound and never listened on: nobody else gets the port, and every connection is refused.
        self.nobody = socket.socket()
        self.nobody.bind(("127.0.0.1", 0))
        now = datetime.now(timezone.utc).replace(microsecond=0)
        known = {
            "api": address(self.api.server_address), "legacy": address(self.legacy.server_address),
            "nobody": address(self.nobody.getsockname()),
            "hour_ago": stamp(now - timedelta(hours=1)), "in_ten_days": stamp(now + timedelta(days=10))}
        text = re.sub("@(\\w+)@", lambda found: known[found[1]], CONFIG.read_text())
        self.secrets()
        for name in ("replica-1", "replica-2", "replica-3", "replica-drained"):
            self.replicas[name] = self.replica(name, text)
        self.prometheus = self.scraper()

    def serve(self, server):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.servers.append(server)
        return server

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise NotHeld(f"openssl {' '.join(arguments)}: {done.stderr.strip()}")

    def secrets(self):
        """A certificate that ends in ten days, a revocation list that ends in thirty."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-keyout", "api.key", "-out", "api.pem", "-days", "10", "-subj", "/CN=api",
                     "-addext", "subjectAltName=DNS:api.example.com,DNS:partner.example.com,DNS:check.example.com")
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n"
            "crl_extensions=list\n[list]\nauthorityKeyIdentifier=keyid\n")
        (self.folder / "number").write_text("01\n")
        self.openssl("ca", "-gencrl", "-config", "ca.cnf", "-keyfile", "api.key", "-cert", "api.pem",
                     "-crldays", "30", "-out", "clients.crl")
        self.openssl("rand", "-base64", "-out", "tickets.key", "48")

    def replica(self, name, text):
        """Each has a folder of its own, as each pod has; what is in them is the same."""
        home = self.folder / name
        home.mkdir()
        for file in ("api.pem", "api.key", "clients.crl", "tickets.key"):
            shutil.copy(self.folder / file, home / file)
            os.chmod(home / file, 0o600)
        (home / "tlsfloor.toml").write_text(text)
        log = open(home / "log", "wb")
        process = subprocess.Popen([self.binary, "run", "-c", "tlsfloor.toml"], cwd=home, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return Replica(home, process)

    def scraper(self):
        port = free_port()
        targets = "".join(
            f"      - {{ targets: ['{one.admin}'], labels: {{ namespace: edge, instance: {name} }} }}\n"
            for name, one in self.replicas.items())
        (self.folder / "prometheus.yml").write_text(SCRAPES.format(rules=self.rules, targets=targets))
        log = open(self.folder / "prometheus.log", "wb")
        self.processes.append(subprocess.Popen(
            ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{port}"], cwd=self.folder, stdout=log, stderr=log))
        log.close()
        url = f"http://127.0.0.1:{port}"
        eventually("Prometheus", lambda: "Ready" in fetch(f"{url}/-/ready"))
        return url


class Replica:
    def __init__(self, home, process):
        self.home, self.process = home, process
        start = eventually(f"the start of {home.name}", self.started)
        self.https, self.http = (port(start[key].strip("[]")) for key in ("https", "http"))
        self.admin = start["admin"]

    def started(self):
        if self.process.poll() is not None:
            raise NotHeld(f"{self.home.name} did not start: {(self.home / 'log').read_text()}")
        return next((line for line in self.lines() if line.get("event") == "start"), None)

    def lines(self):
        return [json.loads(line) for line in (self.home / "log").read_text().splitlines()]

    def metrics(self):
        return fetch(f"http://{self.admin}/metrics")

    def reload(self, change=lambda text: text):
        """Writes the configuration changed and asks for it; gives back whether it was taken."""
        file = self.home / "tlsfloor.toml"
        file.write_text(change(file.read_text()))
        try:
            fetch(f"http://{self.admin}/reload", b"")
            return True
        except urllib.error.HTTPError as error:
            if error.code != 422:
                raise
            return False


def address(pair):
    return f"{pair[0]}:{pair[1]}"


def port(text):
    return int(text.rsplit(":", 1)[1])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
