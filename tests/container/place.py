"""The folders that containers mount in the checks of tests/container/run: an authority, certificates, configurations.

Volumes are laid out and changed as kubelet does it: files are links into `..data`, which is itself a link that is
renamed over, so that all files of one volume change at once.
"""

import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile

NAME = "api.test"
OWNER = 65532


def openssl(*arguments, data=None):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, input=data)


class Volume:
    """A Secret or ConfigMap as a folder."""

    def __init__(self, folder, files):
        self.folder, self.turn = folder, 0
        folder.mkdir()
        folder.chmod(0o755)
        self.write(files)
        for name in files:
            (folder / name).symlink_to(f"..data/{name}")

    def write(self, files):
        self.turn += 1
        new, old = self.folder / f"..generation_{self.turn}", self.folder / f"..generation_{self.turn - 1}"
        new.mkdir()
        new.chmod(0o755)
        for name, content in files.items():
            (new / name).write_bytes(content)
            secure(new / name)
        (self.folder / "..data_tmp").symlink_to(new.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")
        shutil.rmtree(old, ignore_errors=True)


def secure(path):
    """Readable by who the container runs as, and where we may say so by nobody else."""
    if os.geteuid() == 0:
        os.chown(path, OWNER, OWNER)
        path.chmod(0o400)
    else:
        path.chmod(0o444)


class Place:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tlsfloor-container-"))
        self.folder.chmod(0o755)
        self.ca = self.folder / "ca.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-subj", "/CN=tests", "-keyout", self.folder / "ca.key", "-out", self.ca)
        self.secret = Volume(self.folder / "secrets", {**self.pair("first"), "admin.token": b"of the tests alone\n"})

    def pair(self, organisation):
        """A certificate for NAME and its key; who it is for tells one from another."""
        at = self.folder
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                f"/O={organisation}/CN={NAME}", "-keyout", at / "tls.key", "-out", at / "tls.csr")
        (at / "extensions").write_text(f"subjectAltName=DNS:{NAME}\n")
        openssl("x509", "-req", "-in", at / "tls.csr", "-CA", self.ca, "-CAkey", at / "ca.key", "-CAcreateserial",
                "-days", 2, "-extfile", at / "extensions", "-out", at / "tls.crt")
        return {name: (at / name).read_bytes() for name in ("tls.crt", "tls.key")}

    def configuration(self, name, upstream, admin="0.0.0.0:9901", delay="2s"):
        """The options that mount it, and the secrets, where the image looks for them."""
        token = 'admin_token = "/secrets/admin.token"\n' if not admin.startswith("127.") else ""
        text = f"""[listen]
admin = "{admin}"
{token}
[tls]
certificates = [{{ chain = "/secrets/tls.crt", key = "/secrets/tls.key" }}]

[[upstreams]]
name = "api"
servers = ["http://upstream.test:{upstream}"]

[reload]
poll = "250ms"

[drain]
delay = "{delay}"
grace = "20s"
"""
        volume = Volume(self.folder / name, {"tlsfloor.toml": text.encode()})
        return ["--volume", f"{volume.folder}:/etc/tlsfloor:ro", "--volume", f"{self.secret.folder}:/secrets:ro"]

    def context(self):
        return ssl.create_default_context(cafile=str(self.ca))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
