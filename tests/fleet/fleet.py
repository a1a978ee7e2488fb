"""The fleet: three replicas, the balancer before them, API servers and the old terminator behind them.

Called by `run` and the checks. All replicas have the same configuration, byte for byte: each stands in a
network of its own, as a pod does, with a copy of the folder, as kubelet makes one.
"""

import json
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import clients
from api import Apis
from world import HOME, World, hold, sh, until

REPLICAS = {"r1": "10.77.0.11", "r2": "10.77.0.12", "r3": "10.77.0.13"}
APIS = ["10.77.0.21", "10.77.0.22", "10.77.0.23"]
LEGACY = "10.77.0.31"
# Clients reach the balancer over the loopback, where each may have an address of its own.
FRONT = ("127.0.0.1", 443)
# What checks that need no schedule configure: a legacy lane.
OBSERVE = f'[rollout]\nlegacy = "{LEGACY}:443"\nsalt = "fleet"\n'
TOKEN = "the-token-of-the-fleet-test-0123456789"

CONFIG = """
[listen]
https = ["0.0.0.0:8443"]
http = ["0.0.0.0:8080"]
admin = "0.0.0.0:9901"
admin_token = "admin.token"
workers = 1
proxy_protocol_from = ["{home}"]

[tls]
minimum = "{minimum}"
certificates = [{{ chain = "server.crt", key = "server.key" }}]
ticket_secret = "tickets.key"

[[upstreams]]
name = "orders"
servers = [{apis}]
retry = {{ tries = 3, on = ["connect", "refused", "timeout"] }}
health = {{ path = "/healthz", interval = "200ms", timeout = "1s", healthy = 1, unhealthy = 2 }}

[[routes]]
upstream = "orders"

[[routes]]
path = "/slow/"
upstream = "orders"
response_timeout = "60s"

[limits]
connect_timeout = "1s"
response_timeout = "2s"

[fleet]
replicas = 3

[drain]
delay = "2s"
grace = "10s"

[reload]
poll = "0s"

[log]
refused_per_minute = 1

{more}
"""

BALANCER = """
global
    log stdout format raw local0
    stats socket {socket} mode 600 level admin
defaults
    mode tcp
    log global
    option redispatch 1
    retries 3
    timeout connect 500ms
    # What hangs on a replica that has vanished is ended by this, and by nothing else.
    timeout client 10s
    timeout server 10s
    timeout check 1s
frontend https
    bind {front}:443
    log-format "%ci:%cp %s %Ts.%ms"
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /readyz
    http-check expect status 200
    # It takes longer to trust a replica than that takes to find its API servers again: see docs/fleet.md.
    default-server check port 9901 inter 100ms fall 2 rise 25 send-proxy-v2
{servers}
"""

# A terminator of the days of TLS 1.0, which expects to be told who its clients are.
TERMINATOR = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend old
    bind {host}:443 accept-proxy ssl crt {pem} ssl-min-ver TLSv1.0 ciphers ALL:@SECLEVEL=0
    http-request return status 200 content-type text/plain lf-string "legacy %[src]"
"""


class Replica:
    """One of the three: its process, its folder, its clock, its log."""

    def __init__(self, fleet, name, host):
        self.fleet, self.name, self.host, self.process = fleet, name, host, None
        self.folder = os.path.join(fleet.folder, name)
        self.log = os.path.join(fleet.folder, f"{name}.log")
        os.makedirs(self.folder, mode=0o700)
        clock = os.path.join(fleet.folder, f"{name}.clock")
        with open(clock, "wb") as file:
            file.write(bytes(8))
        with open(clock, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8)
        preload = os.path.join(fleet.folder, "clock.so")
        self.env = os.environ | {"LD_PRELOAD": preload, "WALL_CLOCK": clock}

    def show(self, second):
        """Its wall clock stands at this second; 0: it is the machine's."""
        self.page[:] = struct.pack("=q", second * 1_000_000_000)

    def write(self, text):
        path = os.path.join(self.folder, "tlsfloor.toml")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def start(self):
        config = os.path.join(self.folder, "tlsfloor.toml")
        command = ["ip", "netns", "exec", self.name, self.fleet.binary, "run", "-c", config]
        with open(self.log, "ab") as log:
            # `ip netns exec` becomes the program, so signals are the program's.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.env)

    def ready(self):
        with open(self.log, encoding="utf-8") as log:
            hold(self.process.poll() is None, f"{self.name} runs: {log.read()[-600:]}")
        try:
            self.page_of("/readyz")
            return True
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(clients.TIMEOUT)
        hold(how == signal.SIGKILL or code == 0, f"{self.name} ends with exit code 0 after SIGTERM, not {code}")

    def page_of(self, path, data=None):
        request = urllib.request.Request(f"http://{self.host}:9901{path}", data)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def reload(self, text):
        """By another configuration; the problems where it is not taken, else nothing."""
        self.write(text)
        try:
            self.page_of("/reload", b"")
            return None
        except urllib.error.HTTPError as refused:
            return refused.read().decode()

    def metrics(self):
        """All samples by their name and labels."""
        lines = self.page_of("/metrics").splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def servers(self):
        """The state of each API server as this replica sees it."""
        seen = json.loads(self.page_of("/upstreams"))["upstreams"]
        orders = next(one for one in seen if one["name"] == "orders")
        return [server["state"] for server in orders["servers"]]

    def events(self, name):
        with open(self.log, encoding="utf-8") as log:
            return [e for e in map(json.loads, log) if e.get("event") == name]


class Fleet:
    def __init__(self, folder, binary):
        self.folder, self.binary, self.front = folder, binary, FRONT
        self.ca = os.path.join(folder, "ca.crt")
        self.world = World([*APIS, LEGACY], REPLICAS)
        self.apis = Apis(APIS, 8080)
        self.prepare()
        self.replicas = [Replica(self, name, host) for name, host in REPLICAS.items()]
        for replica in self.replicas:
            for file in ["server.crt", "server.key", "tickets.key", "admin.token"]:
                shutil.copy(os.path.join(folder, file), replica.folder)
        self.start_terminator()
        self.start_balancer()

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                file.write(text)
        return path

    def prepare(self):
        """Certificates, secrets, and the clock."""
        here = os.path.dirname(os.path.abspath(__file__))
        sh("cc", "-O2", "-shared", "-fPIC", "-o", self.path("clock.so"), os.path.join(here, "clock.c"))
        key = ["-newkey", "rsa:2048", "-nodes"]
        sh("openssl", "req", "-x509", *key, "-days", "3650", "-subj", "/CN=fleet test", "-keyout",
           self.path("ca.key"), "-out", self.ca)
        sh("openssl", "req", *key, "-subj", "/CN=localhost", "-keyout", self.path("server.key"), "-out",
           self.path("server.csr"))
        names = self.path("names", "subjectAltName = DNS:localhost\n")
        sh("openssl", "x509", "-req", "-in", self.path("server.csr"), "-CA", self.ca, "-CAkey", self.path("ca.key"),
           "-CAcreateserial", "-days", "3000", "-extfile", names, "-out", self.path("server.crt"))
        parts = [Path(self.path(name)).read_text(encoding="ascii") for name in ("server.crt", "server.key")]
        self.path("legacy.pem", "".join(parts))
        self.path("tickets.key", sh("openssl", "rand", "-base64", "48"))
        self.path("admin.token", TOKEN + "\n")

    def start_terminator(self):
        text = TERMINATOR.format(host=LEGACY, pem=self.path("legacy.pem"))
        subprocess.Popen(["haproxy", "-db", "-q", "-f", self.path("terminator.cfg", text)])

    def start_balancer(self):
        servers = "\n".join(f"    server {name} {host}:8443" for name, host in REPLICAS.items())
        text = BALANCER.format(socket=self.path("balancer.sock"), front=FRONT[0], servers=servers)
        with open(self.path("balancer.log"), "wb") as log:
            command = ["haproxy", "-db", "-f", self.path("balancer.cfg", text)]
            subprocess.Popen(command, stdout=log, stderr=log)
        until("the balancer runs", lambda: os.path.exists(self.path("balancer.sock")))

    def config(self, more="", minimum="1.2"):
        apis = ", ".join(f'"http://{host}:8080"' for host in APIS)
        return CONFIG.format(home=HOME, minimum=minimum, apis=apis, more=more)

    def balancer(self):
        """Who was sent where: by a client's address and port the replica's name, and when the client came."""
        with open(self.path("balancer.log"), encoding="utf-8") as log:
            lines = (line.split() for line in log)
            return {line[0]: (line[1], float(line[2])) for line in lines if len(line) == 3 and ":" in line[0]}

    def command(self, text):
        """An order to the balancer; what it says."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.path("balancer.sock"))
            control.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: control.recv(65536), b"")).decode()

    def in_rotation(self, names):
        """Whether the balancer sends clients to these replicas and no other."""
        rows = [line.split(",") for line in self.command("show stat").splitlines() if line.startswith("replicas,r")]
        return {row[1] for row in rows if row[17].startswith("UP")} == set(names)

    def fresh(self, text):
        """All replicas anew by this configuration, with empty logs and the machine's time."""
        self.stop()
        clients.made.clear()
        for replica in self.replicas:
            replica.show(0)
            replica.write(text)
            with open(replica.log, "wb"):
                pass
            replica.start()
        self.settled()

    def settled(self):
        for replica in self.replicas:
            until(f"{replica.name} is ready", replica.ready)
            until(f"{replica.name} sees three API servers", lambda r=replica: r.servers() == ["up"] * 3)
        until("the balancer has all replicas in rotation", lambda: self.in_rotation(REPLICAS))

    def stop(self):
        running = [r for r in self.replicas if r.process and r.process.poll() is None]
        for replica in running:
            replica.process.send_signal(signal.SIGTERM)
        for replica in running:
            hold(replica.process.wait(clients.TIMEOUT) == 0, f"{replica.name} ends with exit code 0")

    def show(self, second):
        for replica in self.replicas:
            replica.show(second)

    def sum(self, prefix):
        """Of all samples that begin so, on all replicas."""
        samples = [pair for replica in self.replicas for pair in replica.metrics().items()]
        return sum(value for name, value in samples if name.startswith(prefix))

    def report(self, *options):
        """What `tlsfloor report` makes of all replicas' logs."""
        logs = [replica.log for replica in self.replicas]
        return json.loads(sh(self.binary, "report", "--format", "json", *options, *logs))
