"""ClientHellos of old clients as raw bytes, made from tests/data/hellos/families.txt.

The same table that the tests in Rust use; this is its reader for scripts. No TLS library of today
would send any of these.
"""

import struct
from pathlib import Path

TABLE = Path(__file__).parents[1] / "data/hellos/families.txt"

# The content that all clients give an extension.
USUAL = {0x0005: b"\1\0\0\0\0", 0x000F: b"\1", 0x001B: b"\2\0\2", 0x002D: b"\1\1", 0xFF01: b"\0"}
SHARES = {0x11EC: 1216, 0x0017: 65, 0x001D: 32}


def families():
    """Each family: its name, the highest version that it offers, its verdict with an ECDSA
    certificate, and the bytes of its hello."""
    found = []
    for block in TABLE.read_text().split("\n\n"):
        if block.startswith("name: "):
            lines = dict(line.split(": ", 1) for line in block.strip().splitlines())
            offered, _rsa, ecdsa = lines["expect"].split()
            found.append((lines["name"], offered, ecdsa, hello(lines)))
    return found


def hello(lines):
    form, *versions = lines["hello"].split()
    suites = [int(suite, 16) for suite in lines["suites"].split()]
    if form == "sslv2":
        specs = b"".join(b"\0" + number(suite) for suite in suites)
        body = b"\1" + number(int(versions[0], 16)) + number(len(specs)) + b"\0\0\0\x10" + specs
        body += b"\3" * 16
        return number(len(body) | 0x8000) + body
    record, version = (int(one, 16) for one in versions)
    body = number(version) + b"\x09" * 32 + b"\0" + long(b"".join(map(number, suites))) + b"\1\0"
    words = lines.get("extensions", "").split()
    if words != ["none"]:
        body += long(b"".join(map(extension, words)))
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16" + number(record) + long(message)


def extension(word):
    name, _, value = word.partition("=")
    words = value.split(",") if name in ("groups", "signatures", "versions", "shares") else []
    numbers = [int(one, 16) for one in words if one]
    kind = LISTS.get(name)
    if kind is None:
        kind = int(name, 16)
        content = USUAL.get(kind, b"")
    elif name == "sni":
        content = long(b"\0" + long(b"api.example.com"))
    elif name == "points":
        content = b"\1\0"
    elif name == "alpn":
        content = long(b"".join(short(one.encode()) for one in value.split(",")))
    elif name == "versions":
        content = short(b"".join(map(number, numbers)))
    elif name == "shares":
        content = long(b"".join(number(one) + long(b"\7" * SHARES.get(one, 1)) for one in numbers))
    else:
        content = long(b"".join(map(number, numbers)))
    return number(kind) + long(content)


# Extensions that the table writes as words.
LISTS = {"sni": 0, "groups": 10, "points": 11, "signatures": 13, "alpn": 16, "versions": 43, "shares": 51}


def number(value):
    return struct.pack(">H", value)


def short(content):
    return bytes([len(content)]) + content


def long(content):
    return number(len(content)) + content
