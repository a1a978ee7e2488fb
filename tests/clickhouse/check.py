"""Holds that config/clickhouse gives the figures of `tlsfloor report`; see `run` beside this."""

import json
import random
import re
import sys
import tempfile
import traceback

from compare import ALWAYS, Comparison, Differs, report, same
from engine import Engine
from fleet import Fleet, kubectl
from proxies import brownout_log

CENSUS = {
    "timestamp": "2027-01-12T10:01:00.000001Z", "level": "INFO", "event": "census",
    "from": "2027-01-12T10:00:00Z", "to": "2027-01-12T10:01:00Z", "client": "203.0.113.7",
    "sni": "api.example.com", "offered_max": "1.0", "ja4": "t10d", "policy": "floor", "reason": "version",
    "lane": "legacy", "count": 7, "stack": "java-7"}
TOTALS = {
    "timestamp": "2027-01-12T10:01:00.000002Z", "event": "totals", "from": "2027-01-12T10:00:00Z",
    "to": "2027-01-12T10:01:00Z", "offered": "1.3", "version": "1.3", "cipher": "TLS_AES_128_GCM_SHA256",
    "lane": "serve", "verdict": "pass", "count": 9}


class Checks:
    """The checks, in order; each begins with an engine that knows nothing."""

    def __init__(self, binary):
        self.binary, self.engine = binary, Engine()
        self.log = kubectl(Fleet().log())

    def compare(self, log, policy="floor", times=None):
        comparison = Comparison(self.engine, self.binary, log, policy, times)
        comparison.all()
        return comparison

    def the_schema_can_be_run_again(self):
        self.engine.insert_lines(json.dumps(TOTALS).encode())
        self.engine.load_schema()
        same("rows after it", [{"n": 1}], self.engine.run("SELECT count() AS n FROM tlsfloor.events"))

    def nothing_in_is_nothing_out(self):
        for name in ("days", "stacks", "stage", "since_brownout", "changed", "exemptions", "evidence"):
            same(name, [], self.engine.ask(name, policy="floor", **ALWAYS))
        (row,) = self.engine.ask("summary", policy="floor", **ALWAYS)
        same("connections", None, row["connections"])

    def a_large_fleet_adds_up(self):
        self.engine.insert_lines(self.log)
        comparison = self.compare(self.log)
        comparison.damaged()
        figures = comparison.figures
        # Otherwise it would have held nothing.
        for name in ("below_other", "clients", "failed", "exemptions", "lanes", "stage"):
            assert figures[name], f"the generated log has no {name}"
        since = figures["since_brownout"]
        for name in ("vanished", "back", "new"):
            assert since[name], f"the generated log has none that is {name}"
        assert any(row["stack"] == "middlebox" for row in figures["stacks"]), "no middlebox"
        assert len(figures["damaged"]["first"]) == 10, "no damaged lines"

    def other_policies_and_times_add_up(self):
        self.engine.insert_lines(self.log)
        for policy in ("tls13", "post-quantum", "nobody"):
            self.compare(self.log, policy)
        # From the middle of one brownout to the middle of another; a report on the rows of that time.
        since, until = "2027-01-10 10:30:00", "2027-01-21 15:00:00"
        log = b"".join(line for line in self.log.splitlines(True) if is_within(line, since, until))
        self.compare(log, times={"since": since, "until": until})

    def a_line_that_comes_again_counts_once(self):
        self.engine.insert_lines(self.log)
        lines = self.log.splitlines(True)
        random.Random(1).shuffle(lines)
        self.engine.insert_lines(b"".join(lines[: len(lines) // 2]))
        self.compare(self.log)
        # By another way: what `kubectl logs` had, a collector sends again as objects with the pod's name.
        objects = [re.fullmatch(r"\[pod/([^/]+)/proxy\] (.*)\n", line.decode(errors="replace")) for line in lines[:20_000]]
        self.engine.insert_objects([{"source": found[1], "line": found[2]} for found in objects])
        self.compare(self.log)
        # And once merged there are no copies to be told apart any more.
        self.engine.run("OPTIMIZE TABLE tlsfloor.events FINAL")
        (rows,) = self.engine.run("SELECT count() AS all, uniqExact(event, source, id) AS apart FROM tlsfloor.events")
        same("rows after a merge", rows["apart"], rows["all"])
        self.compare(self.log)

    def the_same_line_of_two_replicas_counts_twice(self):
        line = json.dumps(CENSUS, separators=(",", ":"))
        log = kubectl([("tlsfloor-0", line), ("tlsfloor-1", line)])
        self.engine.insert_lines(log)
        self.compare(log)
        (row,) = self.engine.ask("summary", policy="floor", **ALWAYS)
        same("below", 14, row["below"])

    def real_proxies_add_up_to_the_connections_made(self):
        with tempfile.TemporaryDirectory(prefix="tlsfloor-proxies-") as folder:
            pairs, made = brownout_log(self.binary, folder)
        log = kubectl(pairs)
        self.engine.insert_lines(log)
        comparison = self.compare(log)
        comparison.damaged()
        self.compare(log, "tls13")
        (row,) = self.engine.ask("summary", policy="floor", **ALWAYS)
        same("connections made", made, row["connections"])
        same("what the census says is below, and what the totals say", row["failed"], row["below"])
        assert row["below_other"], "no row was driven out of the table"
        brownouts = self.engine.ask("brownouts", **ALWAYS)
        same("brownouts", [100], [brownout["percent"] for brownout in brownouts])
        used = {row["owned_by"]: row["uses"] for row in self.engine.ask("exemptions", **ALWAYS)}
        same("exemptions", {"acme": 8, "beta": 0}, used)
        same("damaged", 0, comparison.figures["damaged"]["count"])

    def the_closed_sets_are_those_of_the_binary(self):
        for base, key in ((CENSUS, "offered_max"), (CENSUS, "reason"), (CENSUS, "lane"), (TOTALS, "offered"),
                          (TOTALS, "lane"), (TOTALS, "verdict")):
            wrong = [json.dumps({**base, key: "no such word"}), json.dumps(TOTALS)]
            said = report(self.binary, "\n".join(wrong).encode())["damaged"]["first"][0]["what"]
            words = re.search(r"expected one of (.*) at line", said)[1].split(", ")
            rows = [json.dumps({**base, key: word}) for word in [*words, "no such word"]]
            self.engine.forget()
            self.engine.insert_lines("\n".join(rows).encode())
            (row,) = self.engine.run("SELECT count() AS n FROM tlsfloor.events")
            same(f"words of {key} in {base['event']} that are taken", len(words), row["n"])
            (row,) = self.engine.ask("damaged", **ALWAYS)
            same(f"what is said of another {key}", [1, f"{base['event']}: {key}"], [row["lines"], row["fault"]])

    def no_line_ends_an_insert(self):
        """Each byte of a row put out of its place, and each beginning of it: left out where `report` does."""
        # Another word for a stack is no fault, and shown here as it is: README.md.
        row = json.dumps({**CENSUS, "stack": ""}, separators=(",", ":")).encode()
        lines = [json.dumps(TOTALS).encode()]
        for at in range(len(row)):
            lines.append(row[:at])
            lines += [row[:at] + bytes([byte]) + row[at + 1:] for byte in b"\0\"{}\\7,\x1f\x80\xe9\xff"]
        lines += [b"x" * (1 << 20), b"{" * 5000, b'{"event":"census",' + b'"a":[' * 5000, b"{\"event\":\"census\"}" * 2]
        # Two that are the same would be one.
        lines = list(dict.fromkeys(lines))
        log = b"\n".join(lines) + b"\n"
        self.engine.insert_lines(log)
        self.compare(log).damaged()
        intake = {row["kind"]: row["lines"] for row in self.engine.ask("intake", **ALWAYS)}
        filled = sum(1 for line in lines if line.strip())
        same("lines that came in", filled, sum(intake.values()))

    def a_line_says_what_is_wrong_with_it(self):
        faults = {
            "no JSON object": b"words", "not JSON": b"panicked {", "not text in UTF-8": b'{"event":"\xff"}',
            "a JSON object that breaks off": b'{"event":"access","sta', "event": b'{"event":7}',
            "longer than any line of ours": b"{" + b"x" * (1 << 20) + b"}",
            **{f"census: {name}": json.dumps({**CENSUS, **change}).encode() for name, change in {
                "count": {"count": -1}, "from": {"from": "2027-02-30T10:00:00Z"}, "client": {"client": None},
                "sni": {"sni": 7}, "to: it is before from": {"to": "2027-01-12T09:00:00Z"}}.items()},
            "stage: percent": b'{"event":"stage","from":"a","to":"b","at":"2027-01-12T10:00:00Z","percent":256}',
            "exemption: timestamp": b'{"event":"exemption","exemption":"a","count":1,"timestamp":"now"}',
            "legacy: client": b'{"event":"legacy","user_agent":"a"}'}
        self.engine.insert_lines(b"\n".join(faults.values()) + b"\n")
        asked = {row["fault"]: row["lines"] for row in self.engine.ask("damaged", **ALWAYS)}
        same("faults", {fault: 1 for fault in sorted(faults)}, dict(sorted(asked.items())))
        log = b"\n".join([json.dumps(TOTALS).encode(), *faults.values()])
        same("damaged", report(self.binary, log)["damaged"]["count"], len(faults))


def is_within(line, since, until):
    """Whether a row is of a time; what has none is."""
    event = re.search(rb'"event": ?"(\w+)"', line)
    key = {b"census": b"from", b"totals": b"from", b"stage": b"at", b"exemption": b"timestamp"}.get(event and event[1])
    found = key and re.search(rb'"%s": ?"([^".Z]+)' % key, line)
    if not found:
        return True
    return since <= found[1].decode(errors="replace").replace("T", " ") < until


def main(binary):
    checks = Checks(binary)
    names = [name for name, value in vars(Checks).items() if "_" in name and callable(value) and not name.startswith("_")]
    try:
        for name in names:
            checks.engine.forget()
            try:
                getattr(checks, name)()
            except (Differs, AssertionError) as problem:
                sys.exit(f"tests/clickhouse: {name.replace('_', ' ')}: {problem}")
            except Exception:
                traceback.print_exc()
                sys.exit(f"tests/clickhouse: {name.replace('_', ' ')}: it could not be tried")
            print(f"ok: {name.replace('_', ' ')}", flush=True)
    finally:
        checks.engine.close()
    print(f"{len(names)} passed, 0 failed")


main(sys.argv[1])
