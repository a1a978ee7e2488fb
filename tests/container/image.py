"""What the image consists of: checks of tests/container/run that start nothing but `--version` and `check`."""

import json
import re

import engine
from binary import EM_X86_64, Elf
from engine import docker, hold, inspect

# Every file and folder, with its mode; all are root's, so that whom it runs as can write none.
CONTENT = {
    "etc": 0o755,
    "etc/group": 0o644,
    "etc/passwd": 0o644,
    "etc/ssl": 0o755,
    "etc/ssl/certs": 0o755,
    "etc/ssl/certs/ca-certificates.crt": 0o644,
    "etc/tlsfloor": 0o755,
    "etc/tlsfloor/example.toml": 0o644,
    "licenses": 0o755,
    "licenses/LICENSE-APACHE": 0o644,
    "licenses/LICENSE-MIT": 0o644,
    "licenses/third-party.txt": 0o644,
    "sbom": 0o755,
    "sbom/tlsfloor.cdx.json": 0o644,
    "tlsfloor": 0o755,
}
MOST = 20_000_000
LABELS = ["title", "description", "url", "source", "documentation", "licenses", "version", "revision", "created"]


class Image:
    def __init__(self, name, epoch, version):
        self.name, self.epoch, self.version = name, epoch, version
        self.layers = list(engine.layers(name))
        self.entries = {entry.name.removeprefix("./").strip("/"): (entry, data) for layer in self.layers for entry, data in layer}
        self.entries = {path: of for path, of in self.entries.items() if path not in ("", ".")}

    def file(self, path):
        return self.entries[path][1]

    def has_these_files_and_no_other(self):
        modes = {path: entry.mode & 0o7777 for path, (entry, _) in self.entries.items()}
        hold(modes == CONTENT, lambda: f"the files of the image differ: {sorted(modes.items() ^ CONTENT.items())}")
        for path, (entry, _) in self.entries.items():
            hold((entry.uid, entry.gid) == (0, 0), f"{path} is not root's")
            hold(entry.mtime == self.epoch, f"{path} is of {entry.mtime} and not of SOURCE_DATE_EPOCH, {self.epoch}")
            hold(entry.isfile() or entry.isdir(), f"{path} is neither file nor folder")
        hold(b":65532:65532:" in self.file("etc/passwd") and b":65532:" in self.file("etc/group"), "65532 has no name")
        hold(self.file("etc/ssl/certs/ca-certificates.crt").count(b"BEGIN CERTIFICATE") > 100, "hardly any authorities")

    def is_small(self):
        size = sum(len(data) for _, data in self.entries.values())
        hold(size < MOST, f"the image has {size} bytes, {MOST} at most are meant")
        print(f"        {size / 1e6:.1f} MB, the binary {len(self.file('tlsfloor')) / 1e6:.1f}")

    def is_configured_as_documented(self):
        config = inspect(self.name, ".Config")
        meant = {
            "Entrypoint": ["/tlsfloor"],
            "Cmd": ["run"],
            "User": "65532:65532",
            "StopSignal": "SIGTERM",
            "ExposedPorts": {"8443/tcp": {}, "8080/tcp": {}, "9901/tcp": {}},
        }
        for key, value in meant.items():
            hold(config[key] == value, lambda: f"{key} is {config[key]} and not {value}")
        hold(config["Healthcheck"]["Test"] == ["CMD", "/tlsfloor", "ready"], f"HEALTHCHECK is {config['Healthcheck']}")
        hold(not config.get("Volumes"), "it has volumes, and writes nowhere")

    def has_labels(self):
        labels = inspect(self.name, ".Config.Labels")
        for name in LABELS:
            hold(labels.get(f"org.opencontainers.image.{name}"), f"the label {name} is missing or empty")
        said = docker("run", "--rm", self.name, "--version").decode().strip()
        hold(said == f"tlsfloor {self.version}", f"--version says {said}, Cargo.toml {self.version}")
        label = labels["org.opencontainers.image.version"]
        hold(label == self.version, f"the label version is {label}, Cargo.toml's {self.version}")

    def has_a_static_binary_without_paths_of_the_build(self):
        elf = Elf(self.file("tlsfloor"))
        hold(elf.is_static(), "the binary is not static")
        if elf.machine == EM_X86_64:  # Rust links no static binaries for arm64 that are position independent.
            hold(elf.is_position_independent(), "the binary is not position independent")
            hold(elf.is_hardened(), "the binary lacks RELRO, immediate binding or a stack that is not executable")
        hold(elf.section(".symtab") is None, "the binary is not stripped")
        for path in (b"/usr/local/cargo/", b"/build/", b"/root/", b"/home/"):
            found = re.search(path + rb"[\w./-]{0,60}", elf.data)
            hold(not found, lambda: f"the binary names a path of its build: {found.group().decode()}")

    def lists_its_dependencies(self):
        """In the binary, in the SBOM and among the licences: the same ones."""
        audited = {(p["name"], p["version"]) for p in Elf(self.file("tlsfloor")).packages() if p.get("kind") != "build"}
        hold(("rustls", "0.23") in {(n, v.rpartition(".")[0]) for n, v in audited}, "no rustls in .dep-v0 of the binary")
        bom = json.loads(self.file("sbom/tlsfloor.cdx.json"))
        hold(bom["bomFormat"] == "CycloneDX", "the SBOM is no CycloneDX")
        components = {(c["name"], c["version"]): c for c in bom["components"]}
        own = ("tlsfloor", self.version)
        hold((bom["metadata"]["component"]["name"], bom["metadata"]["component"]["version"]) == own, "the SBOM is another's")
        missing = audited - set(components) - {own}
        hold(not missing, lambda: f"in the binary and not in the SBOM: {sorted(missing)}")
        for (name, version), component in components.items():
            hold(component.get("licenses") and component.get("purl"), f"the SBOM has no licence or purl for {name} {version}")
        texts = self.file("licenses/third-party.txt").decode()
        silent = [f"{n} v{v}" for n, v in sorted(components) if f"\n{n} v{v}" not in texts]
        hold(not silent, lambda: f"no licence of {silent} in third-party.txt")
        print(f"        {len(audited)} packages in the binary, {len(components)} in the SBOM")

    def has_the_example_configuration(self):
        """Right but for the certificates, which it names and the image has none of."""
        ran = docker("run", "--rm", self.name, "check", "-c", "/etc/tlsfloor/example.toml", may_fail=True)
        said = (ran.stdout + ran.stderr).decode()
        problems = [line for line in said.splitlines() if "example.toml:" in line]
        hold(ran.returncode == 1 and problems, lambda: f"check says {ran.returncode}: {said}")
        hold(all("dev.crt" in p or "dev.key" in p for p in problems), lambda: f"the example has other problems: {said}")

    def says_what_is_missing_without_a_configuration(self):
        ran = docker("run", "--rm", *engine.HARDENED, self.name, may_fail=True)
        said = ran.stderr.decode() + ran.stdout.decode()
        hold(ran.returncode == 1 and "/etc/tlsfloor/tlsfloor.toml" in said, lambda: f"without any file: {ran.returncode}, {said}")

    CHECKS = (has_these_files_and_no_other, is_small, is_configured_as_documented, has_labels,
              has_a_static_binary_without_paths_of_the_build, lists_its_dependencies, has_the_example_configuration,
              says_what_is_missing_without_a_configuration)
