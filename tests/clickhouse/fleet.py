"""Forty days of three replicas, the same ones each time: 100,000 lines of every kind.

Used by check.py. Made from a seed, with everything that logs have: prefixes of `kubectl logs`,
lines of others, lines that are damaged, rows that name nobody, clients behind a middlebox.
"""

import json
import random
from datetime import datetime, timedelta, timezone

START = datetime(2027, 1, 1, tzinfo=timezone.utc)
DAYS = 40
REPLICAS = ("tlsfloor-6d5f-a", "tlsfloor-6d5f-b", "tlsfloor-6d5f-c")
POLICIES = ("floor", "floor", "floor", "tls13", "post-quantum")
OFFERED = ("none", "sslv2", "ssl3", "1.0", "1.1", "1.2", "1.3")
REASONS = ("version", "cipher", "group", "signature", "malformed", "plaintext")
STACKS = ("openssl-0.9.8", "java-6", "java-7", "windows-7", "pinned", "middlebox", "unknown", None, "")
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
AGENTS = ("curl/7.19", "curl/7.29 (x)", "Java/1.6.0_45", "Mozilla/4.0 (A)", "Mozilla/5.0 \"B\"",
          "python-requests/1.0", "", "Apache-HttpClient/4.1 (java 1.5)")
BROWNOUTS = ((9, 10, 1, 25), (20, 14, 2, 50), (35, 9, 3, 100))  # day, hour, hours, percent


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Fleet:
    """Makes lines."""

    def __init__(self, seed=7):
        self.random = random.Random(seed)
        self.number = 0
        self.clients = [self.client(number) for number in range(3000)]

    def client(self, number):
        """An address, a network, a hash; with a stack, and whether it keeps to it."""
        chance = self.random
        kind = chance.random()
        if kind < 0.7:
            name = f"{chance.choice((192, 198, 203))}.0.{chance.randrange(12)}.{chance.randrange(256)}"
        elif kind < 0.8:
            name = f"10.{chance.randrange(4)}.{chance.randrange(9)}.0/{chance.choice((24, 24, 25))}"
        elif kind < 0.95:
            name = f"2001:db8:{chance.choice(('0', '1', 'a0'))}:{chance.randrange(1, 65536):x}::/64"
        else:
            name = f"{chance.getrandbits(64):016x}"
        # Some come late, some leave early.
        days = chance.choice((range(DAYS),) * 8 + (range(36, DAYS), range(30)))
        return {"name": name, "stack": chance.choice(STACKS), "wanders": chance.random() < 0.1, "days": days}

    def row(self, event, fields, moment=None):
        """An object as the proxy writes it: its time of writing tells any two apart."""
        self.number += 1
        written = (moment or START) + timedelta(microseconds=self.number)
        head = {"timestamp": written.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "level": "INFO", "event": event}
        row = {**head, **fields}
        # Written by others, with spaces, now and then.
        separators = None if self.random.random() < 0.05 else (",", ":")
        return json.dumps(row, separators=separators, ensure_ascii=self.random.random() < 0.5)

    def minute(self):
        begin = START + timedelta(minutes=self.random.randrange(DAYS * 24 * 60))
        return begin, begin + timedelta(seconds=self.random.choice((60, 60, 60, 0, 17)))

    def times(self):
        begin, end = self.minute()
        return {"from": stamp(begin), "to": stamp(end)}, end

    def count(self):
        chance = self.random
        return chance.choice((0, 1, 1, 2, chance.randrange(3, 500), chance.randrange(1 << 19)))

    def census(self):
        chance, (times, end) = self.random, self.times()
        day = min((end - START).days, DAYS - 1)
        client = next(one for one in iter(lambda: chance.choice(self.clients), None) if day in one["days"])
        stack = chance.choice(STACKS) if client["wanders"] else client["stack"]
        row = {**times, "client": client["name"], "offered_max": chance.choice(OFFERED)}
        row["sni"] = chance.choice((None, "", "api.example.com", "Müller.example", f"h{chance.randrange(40)}.example"))
        row["ja4"] = chance.choice((None, "t10d210200_e91ed181b052_e78b541c01a9", f"t10i{chance.randrange(99):02}"))
        if chance.random() < 0.03:
            row.update(client="other", sni=None, ja4=None)
            stack = None
        row |= {"policy": chance.choice(POLICIES), "reason": chance.choice(REASONS),
                "lane": chance.choice(("serve", "legacy", "refuse")), "count": self.count(), "stack": stack}
        if chance.random() < 0.3:
            row = {key: value for key, value in row.items() if value is not None}
        return self.row("census", row, end)

    def totals(self):
        chance, (times, end) = self.random, self.times()
        agreed = chance.random() < 0.7
        return self.row("totals", {
            **times, "offered": chance.choice(OFFERED), "version": chance.choice(("1.2", "1.3")) if agreed else None,
            "cipher": chance.choice(SUITES) if agreed else "", "lane": chance.choice(("serve", "legacy", "refuse")),
            "verdict": chance.choice(("pass", "fail")), "count": self.count()}, end)

    def exemption(self):
        chance, (_, end) = self.random, self.minute()
        name = chance.choice(("acme/vpn", "beta", "old/one", "never"))
        # By its time: of two in one second `report` takes the one that it reads last.
        state = ("used", "unused", "ends_soon")[end.hour % 3]
        return self.row("exemption", {
            "state": state, "exemption": name, "owner": name.split("/")[0],
            "expires": "2027-06-01T00:00:00Z", "count": 0 if name == "never" else chance.randrange(90)}, end)

    def legacy(self):
        """A request at the legacy terminator, or the proxy's own line about a client there."""
        chance = self.random
        client = chance.choice(self.clients[:120])["name"]
        if chance.random() < 0.2:
            return self.row("legacy", {"client": client, "port": 4711, "connection": "01"})
        agent = chance.choice(AGENTS) if chance.random() < 0.6 else AGENTS[0]
        return json.dumps({"event": "legacy", "client": client, "user_agent": agent}, separators=(",", ":"))

    def foreign(self):
        return self.random.choice((
            '{"event":"access","status":200,"path":"/{x}"}', '{"message":"\\"event\\":\\"census\\""}', "{}",
            '{"event":"refused","client":"203.0.113.7"}', '{"event":null,"a":1}', '{"event": "start"}', ""))

    def damaged(self):
        row = self.random.choice((self.census, self.totals))()
        where = self.random.randrange(1, len(row) - 1)
        number = str(self.random.randrange(1 << 20))
        return self.random.choice((
            row[:where], "plain words", "[1, 2]", "thread 'x' panicked at {", '{"event":7}', '{"event":"access","st',
            row.replace('"count"', '"amount"'), row.replace('"lane"', '"road"'), row.replace('"from"', '"to"', 1),
            json.dumps({**json.loads(row), "count": -1}), json.dumps({**json.loads(row), "count": 1.5}),
            json.dumps({**json.loads(row), "from": "2028-01-01T00:00:00Z"}), row + "}", number,
            json.dumps({**json.loads(row), "lane": "left"}), json.dumps({**json.loads(row), "to": "yesterday"})))

    def stages(self):
        """Each move by each replica, some a moment later."""
        for day, hour, hours, percent in BROWNOUTS:
            begin = START + timedelta(days=day, hours=hour)
            moves = (("observe", "brownout", begin), ("brownout", "observe", begin + timedelta(hours=hours)))
            for late, replica in enumerate(REPLICAS):
                for before, after, moment in moves:
                    at = moment + timedelta(seconds=late)
                    yield replica, self.row("stage", {
                        "rollout": "rollout", "from": before, "to": after, "stage": after, "percent": percent,
                        "at": stamp(at)}, at)
                    yield replica, self.row("stage", {
                        "rollout": "plain_http.rollout", "from": "ramp", "to": "brownout", "at": stamp(at)}, at)

    def log(self, lines=100_000):
        """Pairs of a replica and what it wrote, mixed."""
        makers = (self.census, self.totals, self.exemption, self.legacy, self.foreign, self.damaged)
        made = list(self.stages())
        while len(made) < lines:
            (maker,) = self.random.choices(makers, (60, 25, 2, 5, 6, 2))
            made.append((self.random.choice(REPLICAS), maker()))
        self.random.shuffle(made)
        return made


def kubectl(pairs):
    """As `kubectl logs --prefix` prints it."""
    return "".join(f"[pod/{replica}/proxy] {line}\n" for replica, line in pairs).encode()
