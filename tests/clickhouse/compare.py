"""What `tlsfloor report --format json` says, held against what our queries say.

Used by check.py. Every figure of the report is compared, none is rounded; what the report has
beside figures (what a stack is called and what to do about it) has no query.
"""

import json
import subprocess

KINDS = ("client", "network", "sni", "stack")
ALWAYS = {"since": "1970-01-01 00:00:00", "until": "2106-01-01 00:00:00"}


class Differs(Exception):
    """A figure that is not the same."""


def report(binary, log, *options):
    """The report on a log, from standard input as from `kubectl logs`."""
    command = [binary, "report", "--format", "json", *options]
    done = subprocess.run(command, input=log, capture_output=True, check=False)
    if done.returncode != 0:
        raise Differs(f"{' '.join(command)}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def moment(text):
    """`2027-01-12 10:00:00` as the report writes it."""
    return None if text is None else text.replace(" ", "T") + "Z"


def same(what, reported, asked):
    if reported != asked:
        raise Differs(f"{what}: report says {brief(reported, asked)}, ClickHouse {brief(asked, reported)}")


def brief(one, other):
    """Only where they part, if they are long lists."""
    if isinstance(one, list) and isinstance(other, list):
        parts = [item for item in one if item not in other]
        return f"{len(one)} rows, of which only there {json.dumps(parts[:3], ensure_ascii=False)}"
    return json.dumps(one, ensure_ascii=False, default=sorted)


def counts(rows):
    return {row["name"]: row["connections"] for row in rows}


class Comparison:
    """One log, one policy, one time."""

    def __init__(self, engine, binary, log, policy="floor", times=None):
        self.engine, self.binary, self.log, self.policy = engine, binary, log, policy
        self.parameters = {"policy": policy, **(times or ALWAYS)}
        self.reports = {kind: self.report("--by", kind) for kind in KINDS}
        self.figures = self.reports["client"]

    def report(self, *options):
        return report(self.binary, self.log, "--policy", self.policy, *options)

    def ask(self, name, **more):
        return self.engine.ask(name, **self.parameters, **more)

    def all(self):
        """Compares everything but the damaged lines, which have another clock."""
        for check in (self.summary, self.lists, self.days, self.stacks, self.stage, self.brownout,
                      self.changed, self.exemptions, self.evidence):
            check()
        for kind in KINDS:
            self.who(kind)

    def summary(self):
        (asked,) = self.ask("summary")
        reported = {key: self.figures[key] for key in (
            "from", "to", "connections", "failed", "below", "below_other", "clients")}
        share = asked.pop("share")
        asked = {**asked, "from": moment(asked["from"]), "to": moment(asked["to"])}
        same("summary", reported, asked)
        if reported["connections"]:
            same("share", reported["below"] * 10**9 // reported["connections"] / 1e9, share)

    def lists(self):
        for name in ("lanes", "reasons", "offered", "policies"):
            same(name, counts(self.figures[name]), counts(self.ask(name)))

    def days(self):
        reported = [{**day, "reasons": counts(day["reasons"])} for day in self.figures["days"]]
        same("days", reported, self.ask("days"))

    def stacks(self):
        keys = ("stack", "clients", "connections")
        reported = [[row[key] for key in keys] for row in self.figures["stacks"]]
        asked = [[row["looks"], row["clients"], row["connections"]] for row in self.ask("stacks")]
        same("stacks", sorted(reported), sorted(asked))
        same("stacks, most first", *([row[2] for row in rows] for rows in (reported, asked)))

    def stage(self):
        asked = [{"stage": row["stage"], "since": moment(row["since"])} for row in self.ask("stage")]
        reported = self.figures["stage"]
        same("stage", [reported] if reported else [], asked)

    def brownout(self):
        asked = self.ask("since_brownout")
        reported = self.figures["since_brownout"]
        if reported is None:
            return same("since_brownout", [], asked)
        (row,) = asked
        window = lambda name: {
            **{key: row[f"{name}_{key}"] for key in ("connections", "below", "below_per_hour")},
            "from": moment(row[f"{name}_from"]), "to": moment(row[f"{name}_to"])}
        began = {"from": moment(row["began"]), "to": moment(row["ended"]), "percent": row["percent"]}
        for key, value in (("brownout", began), ("before", window("before")), ("after", window("after")),
                           *((key, row[key]) for key in ("vanished", "back", "new"))):
            same(f"since_brownout.{key}", reported[key], value)
        return None

    def changed(self):
        reported = self.figures["since_brownout"] or {}
        rows = self.ask("changed")
        for change in ("vanished", "back"):
            asked = [[row["client"], row["connections"], moment(row["last_seen"])]
                     for row in rows if row["change"] == change]
            listed = [[row["client"], row["connections"], row["last_seen"]]
                      for row in reported.get(f"most_{change}", [])]
            same(f"changed: the first {change}", listed, asked[: len(listed)])
            same(f"changed: all {change}", reported.get(change, 0), len(asked))
        same("changed: new", reported.get("new", 0), sum(row["change"] == "new" for row in rows))

    def exemptions(self):
        names = {"owned_by": "owner", "ends": "expires", "last_state": "state"}
        asked = [{names.get(key, key): value for key, value in row.items()} for row in self.ask("exemptions")]
        asked = [{**row, "last_used": moment(row["last_used"])} for row in asked]
        same("exemptions", self.figures["exemptions"], asked)

    def evidence(self):
        reported = self.report("--evidence")
        rows = self.ask("evidence")
        shares = [row.pop("share") for row in rows]
        everything = {row.pop("all_connections") for row in rows}
        asked = [{**row, "first": moment(row["first"]), "last": moment(row["last"])} for row in rows]
        same("evidence", reported["in_use"], asked)
        same("evidence: all", {reported["connections"]} if reported["in_use"] else set(), everything)
        same("evidence: shares", [row["connections"] * 10**9 // reported["connections"] / 1e9 for row in asked], shares)

    def damaged(self):
        asked = sum(row["lines"] for row in self.engine.ask("damaged", **ALWAYS))
        same("damaged", self.figures["damaged"]["count"], asked)

    def who(self, kind):
        reported = [self.reported_line(row) for row in self.reports[kind]["who"]]
        asked = [self.asked_line(row) for row in self.ask("who", by=kind)]
        by_name = lambda rows: sorted(rows, key=lambda row: (row["connections"], row["who"]))
        same(f"who, by {kind}", by_name(reported), by_name(asked))
        same(f"who, by {kind}: the order", *(
            [row["connections"] for row in rows] for rows in (reported, asked)))

    def reported_line(self, row):
        kept = ("who", "clients", "connections", "share", "refused", "legacy", "first_seen", "last_seen")
        return {
            **{key: row[key] for key in kept},
            **{key: sorted(row[key].split()) for key in ("offered", "reasons", "stack")},
            **{key: first(row[key]) for key in ("sni", "ja4")}}

    def asked_line(self, row):
        names = {"offered": "offers", "reasons": "reasons", "stack": "stacks"}
        kept = ("who", "clients", "connections", "share", "refused", "legacy")
        return {
            **{key: row[key] for key in kept},
            "first_seen": moment(row["first_seen"]), "last_seen": moment(row["last_seen"]),
            **{key: sorted(row[name]) for key, name in names.items()},
            "sni": first(row["names"]), "ja4": first(row["hellos"])}


def first(text):
    """Which of several comes first is the one thing that the order of lines decides."""
    return "several" if text.endswith(" ...") else text
