"""How the image runs: checks of tests/container/run, each with containers of its own, all of them hardened."""

import http.client
import pathlib
import socket
import subprocess

from engine import docker, hold, wait
from load import Load, Replica, Upstream
from place import NAME

# A hello of TLS 1.0 as OpenSSL 0.9.8 sends it: no extension, AES and 3DES in CBC.
SUITES = bytes.fromhex("0039003800350016001300 0a00330032002f00ff".replace(" ", ""))
HELLO = b"\x03\x01" + bytes(range(32)) + b"\x00" + len(SUITES).to_bytes(2, "big") + SUITES + b"\x01\x00"
MESSAGE = b"\x01" + len(HELLO).to_bytes(3, "big") + HELLO
OLD_HELLO = b"\x16\x03\x01" + len(MESSAGE).to_bytes(2, "big") + MESSAGE
# protocol_version, fatal, in a record of TLS 1.0: what such a client can read.
ALERT = bytes.fromhex("15030100020246")


class Running:
    def __init__(self, stage, place):
        self.stage, self.place = stage, place
        self.upstream = Upstream(stage.gateway)

    def close(self):
        self.upstream.close()

    def start(self, name, *options, upstream=None, **settings):
        """A container with the configuration `name`, ready."""
        port = (upstream or self.upstream).port
        return self.stage.start(*self.place.configuration(name, port, **settings), *options).until_ready()

    def curl(self, container, *options, path="/hello"):
        """Body, and status, HTTP version and TLS version in one line."""
        ran = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "10", "--cacert", self.place.ca, "--resolve",
             f"{NAME}:8443:{container.address}", "--write-out", "\n%{http_code} %{http_version}", *options,
             f"https://{NAME}:8443{path}"],
            capture_output=True, text=True, check=False)
        hold(ran.returncode == 0, lambda: f"curl {' '.join(options)}: {ran.stderr.strip()}")
        return ran.stdout

    def has_no_rights(self):
        """As the kernel sees its first process: no user of the host, no capability, no way to new ones."""
        container = self.start("rights")
        status = pathlib.Path(f"/proc/{container.state['Pid']}/status").read_text().splitlines()
        fields = {key: value.split() for key, _, value in (line.partition(":") for line in status)}
        hold(fields["Uid"] == ["65532"] * 4 and set(fields["Gid"]) == {"65532"}, f"it runs as {fields['Uid']} {fields['Gid']}")
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            hold(int(fields[key][0], 16) == 0, f"{key} is {fields[key][0]}")
        hold(fields["NoNewPrivs"] == ["1"], "it could gain privileges")
        hold(fields["Seccomp"] == ["2"], "no seccomp filter is on it")
        self.curl(container)
        changed = docker("diff", container.name).decode().split()
        made = [line for line in changed if line not in ("C", "A") and not line.startswith(("/etc", "/secrets"))]
        hold(not made, f"something was written: {made}")
        mounts = pathlib.Path(f"/proc/{container.state['Pid']}/mounts").read_text().splitlines()
        root = next(line.split()[3] for line in mounts if line.split()[1] == "/")
        hold("ro" in root.split(","), f"its root is mounted {root}")

    def serves_good_clients_and_redirects_plain_http(self):
        container = self.start("good")
        for options, meant in (((), "/hello\n200 2"), (("--http1.1",), "/hello\n200 1.1"),
                               (("--tls-max", "1.2"), "/hello\n200 2"), (("--tlsv1.3",), "/hello\n200 2")):
            said = self.curl(container, *options)
            hold(said == meant, f"curl {' '.join(options)} was answered {said!r}")
        plain = http.client.HTTPConnection(container.address, 8080, timeout=10)
        plain.request("GET", "/a?b=c", headers={"Host": NAME})
        answer = plain.getresponse()
        meant = (301, f"https://{NAME}/a?b=c")
        hold((answer.status, answer.getheader("Location")) == meant, f"plain HTTP: {answer.status} {answer.headers}")

    def tells_old_clients_why(self):
        container = self.start("old")
        with socket.create_connection((container.address, 8443), 10) as client:
            client.sendall(OLD_HELLO)
            said = b"".join(iter(lambda: client.recv(100), b""))
        hold(said == ALERT, f"a hello of TLS 1.0 was answered {said.hex()}")
        refused = wait(lambda: container.events("refused"), "its log has a line about the old client")[0]
        hold(refused["offered"] == "1.0" and refused["client"].startswith(self.stage.gateway), f"the log says {refused}")

    def says_whether_it_is_ready(self):
        """By the image's own HEALTHCHECK too, with the admin port where it is by default."""
        container = self.start("ready", "--health-interval=500ms", admin="127.0.0.1:9901", delay="1h")
        wait(lambda: container.state["Health"]["Status"] == "healthy", "the container's health is healthy")
        docker("kill", "--signal", "TERM", container.name)
        wait(lambda: container.says()[0] == 1, "`ready` says 1 while it drains")
        hold("503" in container.says()[1], f"`ready` says {container.says()[1]}")
        wait(lambda: container.state["Health"]["Status"] == "unhealthy", "the container's health is unhealthy")
        docker("kill", "--signal", "TERM", container.name)
        hold(container.until_ended()["ExitCode"] == 0, "a second SIGTERM does not end it with 0")
        alone = docker("run", "--rm", self.stage.image, "ready", may_fail=True)
        hold(alone.returncode == 1 and b"nobody listens" in alone.stderr, f"`ready` of nobody says {alone.stderr}")

    def takes_a_new_certificate(self):
        container = self.start("swap")
        hold(self.organisation(container) == "first", "it does not serve the certificate of the mounted folder")
        with socket.create_connection((container.address, 8443), 10) as old:
            kept = self.place.context().wrap_socket(old, server_hostname=NAME)
            self.place.secret.write({**self.place.pair("second"), "admin.token": b"of the tests alone\n"})
            wait(lambda: self.organisation(container) == "second", "it serves the new certificate")
            kept.sendall(f"GET /kept HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            hold(kept.recv(100).startswith(b"HTTP/1.1 200"), "a connection did not outlive the new certificate")
        hold(container.events("reload"), "its log has no reload")

    def organisation(self, container):
        with socket.create_connection((container.address, 8443), 10) as client:
            with self.place.context().wrap_socket(client, server_hostname=NAME) as tls:
                return dict(pair[0] for pair in tls.getpeercert()["subject"])["organizationName"]

    def loses_no_request_at_sigterm(self):
        upstream = Upstream(self.stage.gateway, pause=0.01)
        ends, stays = (self.start(name, upstream=upstream) for name in ("ends", "stays"))
        replicas = [Replica("ends", ends.address), Replica("stays", stays.address)]
        load = Load(replicas, self.place.context(), NAME, threads=16)
        wait(lambda: load.answered["ends"] > 200 and load.answered["stays"] > 200, "both replicas answer", 60)
        at = load.answered["ends"]
        docker("kill", "--signal", "TERM", ends.name)
        state = ends.until_ended()
        then = load.done()
        wait(lambda: load.done() > then + 200, "the other replica serves on", 60)
        load.stop()
        upstream.close()
        hold(not load.lost, lambda: f"{len(load.lost)} of {load.done()} requests were lost: {load.lost[:3]}")
        twice = [number for number, times in upstream.seen.items() if times != 1]
        hold(not twice, f"the API server saw requests more than once: {twice[:5]}")
        hold(sum(upstream.seen.values()) == load.done(), f"{load.done()} answers of {len(upstream.seen)} requests")
        hold(state["ExitCode"] == 0, f"it ended with {state['ExitCode']}")
        done = [line for line in ends.events("drain") if line.get("step") == "done"]
        hold(done and done[0]["cut"] == 0, f"its last line says {done}")
        print(f"        {load.done()} requests, {load.answered['ends'] - at} of them while it drained, 0 lost, {load.repeated} sent again")

    def lives_in_64_mib(self):
        """Under a thousand connections that wait, answers of 256 KiB and more clients than it has threads."""
        container = self.start("small", "--memory=64m", "--memory-swap=64m")
        pid, context, held = container.state["Pid"], self.place.context(), []
        hold(memory_limit(pid) == 64 << 20, lambda: f"the engine does not limit memory: {memory_limit(pid)}")
        for _ in range(1000):
            client = socket.create_connection((container.address, 8443), 10)
            held.append(context.wrap_socket(client, server_hostname=NAME))
        load = Load([Replica("small", container.address)], context, NAME, threads=32, path="/bytes/262144")
        wait(lambda: load.done() > 400 or load.lost, "400 answers of 256 KiB", 120)
        load.stop()
        hold(not load.lost, lambda: f"{len(load.lost)} requests were not answered: {load.lost[:3]}")
        for client in held:
            client.sendall(f"GET /held HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            hold(client.recv(15) == b"HTTP/1.1 200 OK", "a connection that waited was not answered")
            client.close()
        state = container.state
        hold((state["Pid"], state["OOMKilled"]) == (pid, False), f"it did not live: {state}")
        print(f"        {load.done()} answers, 1000 connections beside them, peak {peak(pid)}")

    def comes_back_from_sigkill(self):
        container = self.start("killed")
        docker("kill", "--signal", "KILL", container.name)
        hold(container.until_ended()["ExitCode"] == 137, "it survived SIGKILL")
        docker("start", container.name)
        container.until_ready()
        said = self.curl(container)
        hold(said == "/hello\n200 2", f"after the restart: {said}")

    CHECKS = (has_no_rights, serves_good_clients_and_redirects_plain_http, tells_old_clients_why,
              says_whether_it_is_ready, takes_a_new_certificate, loses_no_request_at_sigterm, lives_in_64_mib,
              comes_back_from_sigkill)


def memory_limit(pid):
    """As its cgroup has it, of either version: an engine that cannot limit memory only warns of it."""
    limits = []
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in ([f"memory{path}/memory.limit_in_bytes"] if controllers == "memory" else
                     [f"{path.lstrip('/')}/memory.max"] if not controllers else []):
            limits += [file.read_text().strip() for file in [pathlib.Path("/sys/fs/cgroup") / name] if file.exists()]
    return next((int(limit) for limit in limits if limit.isdigit()), None)


def peak(pid):
    """The most memory that it had resident."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith("VmHWM"))
