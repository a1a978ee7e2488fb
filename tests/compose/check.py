"""Holds config/compose; see `run` beside this."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import traceback
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from picture import Picture, free_port, until

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "config" / "compose"
# An address that only the client has, so that it can be told from the balancer's.
CLIENT = "127.0.0.2"


def call(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def tls(version=None, ca=None, old=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    if version:
        context.minimum_version = context.maximum_version = version
    context.load_verify_locations(ca)
    return context


def ask(port, context, name="api.example.com", session=None):
    """One request; what the API server saw, the version, the session and whether it was resumed."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(CLIENT, 0))
    with context.wrap_socket(plain, server_hostname=name, session=session) as connection:
        head = f"GET /v1 HTTP/1.1\r\nHost: {name}\r\nUser-Agent: old/1.0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        return json.loads(body[body.index(b"{"): body.rindex(b"}") + 1]), connection.version(), connection.session, connection.session_reused


class Checks:
    """The checks, in order."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, Path(folder)
        self.secrets = self.folder / "secrets"
        self.services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
        self.picture = None

    def the_compose_file_is_taken(self):
        if shutil.which("docker-compose"):
            shown = yaml.safe_load(call("docker-compose", "-f", COMPOSE / "compose.yaml", "config"))
            assert set(shown["services"]) == set(self.services), shown["services"]
        else:
            print("   (no docker-compose here: only as YAML)")

    def every_service_is_hardened_and_pinned(self):
        for name, service in self.services.items():
            for key, value in {"user": "65532:65532", "read_only": True, "cap_drop": ["ALL"],
                               "security_opt": ["no-new-privileges:true"]}.items():
                assert service.get(key) == value, f"{name}: {key} is {service.get(key)}, expected {value}"
            _, _, tag = service["image"].rpartition(":")
            assert tag and not tag.startswith("latest"), f"{name}: {service['image']} is not pinned"
            for published in service.get("ports", []):
                assert published.startswith("127.0.0.1:"), f"{name}: {published} is open to everybody"

    def every_file_that_is_mounted_is_there(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                source, _, _ = volume.partition(":")
                assert volume.endswith(":ro"), f"{name}: {volume} can be written"
                path = (COMPOSE / source).resolve()
                if "secrets" in path.parts:
                    continue
                assert path.is_dir(), f"{name}: {path} is no folder"
                assert any(path.iterdir()), f"{name}: {path} is empty"

    def secrets_are_made_and_kept(self):
        call(COMPOSE / "make-secrets", self.secrets)
        made = {path: path.read_bytes() for path in self.secrets.rglob("*") if path.is_file()}
        call(COMPOSE / "make-secrets", self.secrets)
        for path, content in made.items():
            assert path.read_bytes() == content, f"{path} was made anew"
        ignored = subprocess.run(["git", "check-ignore", "-q", COMPOSE / "secrets" / "ca.key"], cwd=ROOT, check=False)
        assert ignored.returncode == 0, "config/compose/secrets is not ignored by git"
        for service, folder in (("balancer", None), ("legacy", "legacy"), ("grafana", "grafana")):
            mounted = [volume for volume in self.services[service].get("volumes", []) if "secrets" in volume]
            expected = [f"./secrets/{folder}:/secrets/{folder}:ro"] if folder else []
            assert mounted == expected, f"{service} sees {mounted}"

    def each_program_takes_its_file(self):
        picture = Picture(self.binary, COMPOSE, self.secrets, self.folder)
        call(self.binary, "check", "-c", picture.replica_file("check.toml", (1, 2), 3))
        call("haproxy", "-c", "-f", picture.legacy_file((1, 2), free_port()))
        call("haproxy", "-c", "-f", picture.balancer_file([{"https": 1, "http": 2, "admin": 3}] * 2, free_port(), free_port()))
        prometheus = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yaml").read_text())
        # Rules by their place in the repository, where that is there.
        rules = [ROOT / "config" / "prometheus" / Path(rule).name for rule in prometheus["rule_files"]]
        for rule in rules:
            assert rule.is_file(), f"{rule} is missing"
        path = self.folder / "prometheus.yaml"
        path.write_text(yaml.safe_dump({**prometheus, "rule_files": [str(rule) for rule in rules]}))
        if shutil.which("promtool"):
            call("promtool", "check", "config", path)

    def the_names_in_the_files_are_services(self):
        prometheus = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yaml").read_text())
        (job,) = prometheus["scrape_configs"]
        targets = [target.split(":")[0] for one in job["static_configs"] for target in one["targets"]]
        assert targets == [name for name in self.services if name.startswith("tlsfloor")], targets
        source = yaml.safe_load((COMPOSE / "grafana" / "datasources" / "prometheus.yaml").read_text())
        assert source["datasources"][0]["url"] == "http://prometheus:9090"
        board = ROOT / "config" / "grafana" / "tlsfloor.json"
        home = self.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        assert board.is_file() and home == f"/etc/boards/{board.name}", f"{board} is missing"

    def a_good_client_is_served(self):
        self.picture = Picture(self.binary, COMPOSE, self.secrets, self.folder)
        self.picture.start()
        self.ca = self.secrets / "ca.crt"
        port = self.picture.balancer["https"]
        until("the balancer has a ready replica", lambda: self.is_served(port))
        for version, said in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            seen, agreed, _, _ = ask(port, tls(version, self.ca))
            assert (agreed, seen["x-forwarded-for"]) == (said, CLIENT), (agreed, seen)

    def is_served(self, port):
        try:
            ask(port, tls(ca=self.ca))
        except (OSError, AssertionError):
            return False
        return True

    def an_old_client_takes_the_legacy_lane_with_its_address(self):
        for version, said in ((ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")):
            seen, agreed, _, _ = ask(self.picture.balancer["https"], tls(version, self.ca, old=True))
            assert (agreed, seen["x-forwarded-for"]) == (said, CLIENT), (agreed, seen)
        row = until("the legacy terminator's line", lambda: self.picture.legacy_log.rows("legacy"))[0]
        assert (row["client"], row["user_agent"]) == (CLIENT, "old/1.0"), row

    def plain_http_is_sent_to_tls(self):
        with socket.create_connection(("127.0.0.1", self.picture.balancer["http"]), timeout=30) as connection:
            connection.sendall(b"GET /v1 HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 301") and b"https://api.example.com/v1" in answer, answer

    def both_replicas_resume_each_others_sessions(self):
        # Straight to each replica, as the balancer would: with the client's address first.
        context = tls(ssl.TLSVersion.TLSv1_2, self.ca)
        for first, second in ((0, 1), (1, 0)):
            session = self.through(first, context)[2]
            assert self.through(second, context, session)[3], f"replica {second + 1} made a new session"

    def through(self, replica, context, session=None):
        """By a balancer that has this replica only."""
        plain = socket.create_connection(("127.0.0.1", self.picture.replicas[replica]["https"]), timeout=30)
        plain.sendall(f"PROXY TCP4 {CLIENT} 127.0.0.1 4711 443\r\n".encode())
        with context.wrap_socket(plain, server_hostname="api.example.com", session=session) as connection:
            connection.sendall(b"GET /v1 HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
            while connection.recv(1 << 16):
                pass
            return None, connection.version(), connection.session, connection.session_reused

    def the_admin_port_wants_its_token(self):
        admin = f"http://127.0.0.1:{self.picture.replicas[0]['admin']}"
        assert b"tlsfloor_" in urllib.request.urlopen(f"{admin}/metrics", timeout=30).read()
        reload = urllib.request.Request(f"{admin}/reload", method="POST")
        try:
            urllib.request.urlopen(reload, timeout=30)
            raise AssertionError("a reload without a token was taken")
        except urllib.error.HTTPError as refused:
            assert refused.code == 401, refused
        reload.add_header("Authorization", f"Bearer {(self.secrets / 'admin' / 'token').read_text()}")
        assert urllib.request.urlopen(reload, timeout=30).status == 200

    def after_the_cut_an_old_client_is_refused(self):
        for number, replica in enumerate(self.picture.replicas, 1):
            path = self.folder / f"tlsfloor-{number}.toml"
            text = path.read_text()
            assert "# cut = 2026-01-01T00:00:00Z" in text, "the README's last step is not in tlsfloor.toml"
            path.write_text(text.replace("# cut = 2026-01-01T00:00:00Z", "cut = 2026-01-01T00:00:00Z"))
            request = urllib.request.Request(f"http://127.0.0.1:{replica['admin']}/reload", method="POST")
            request.add_header("Authorization", f"Bearer {(self.secrets / 'admin' / 'token').read_text()}")
            urllib.request.urlopen(request, timeout=30)
        try:
            ask(self.picture.balancer["https"], tls(ssl.TLSVersion.TLSv1, self.ca, old=True))
            raise AssertionError("it was served")
        except ssl.SSLError as refused:
            assert "protocol version" in str(refused).lower().replace("_", " "), refused
        ask(self.picture.balancer["https"], tls(ca=self.ca))

    def the_report_knows_all_of_it(self):
        self.picture.stop()
        logs = [f"tlsfloor-{number}_1  | {line}" for number, replica in enumerate(self.picture.replicas, 1)
                for line in replica["log"].lines]
        logs += [f"legacy_1      | {line}" for line in self.picture.legacy_log.lines]
        told = json.loads(call(self.binary, "report", "--format", "json", input="\n".join(
            line for line in logs if "{" in line)))
        lanes = {lane["name"]: lane["connections"] for lane in told["lanes"]}
        assert lanes == {"legacy": 2, "refuse": 1}, lanes
        assert [who["who"] for who in told["who"]] == [CLIENT], told["who"]
        assert told["failed"] == told["below"] == 3, told


def main(binary):
    names = [name for name, value in vars(Checks).items() if name.count("_") > 1 and callable(value) and not name.startswith("_")]
    with tempfile.TemporaryDirectory(prefix="tlsfloor-compose-") as folder:
        checks = Checks(binary, folder)
        try:
            for name in names:
                try:
                    getattr(checks, name)()
                except AssertionError as problem:
                    sys.exit(f"tests/compose: {name.replace('_', ' ')}: {problem}")
                except Exception:
                    traceback.print_exc()
                    sys.exit(f"tests/compose: {name.replace('_', ' ')}: it could not be tried")
                print(f"ok: {name.replace('_', ' ')}", flush=True)
        finally:
            if checks.picture:
                checks.picture.stop()
    print(f"{len(names)} passed, 0 failed")


os.environ.pop("TLSFLOOR_CONFIG", None)
main(sys.argv[1])
