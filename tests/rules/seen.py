"""What the replicas export and what Prometheus makes of it: the rules and the board held against
three replicas that run.

Called by hold.py with everything started.
"""

import json
import math
import re
import time
import urllib.error
import urllib.parse

from promql import read
from stage import NotHeld, eventually, fetch
from words import SOURCES, closed, unsaid
from written import demand, filled

# Labels that are no metric's own: the scrape's, a bucket's.
GIVEN = {"namespace", "job", "instance", "le"}

# Metrics that Prometheus itself makes.
OWN = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}

# How long a query has to find something; counters need two scrapes.
PATIENCE = 40


def samples(text):
    """The labels of each metric of a scrape, and the values that they have."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\w+)(?:\{(.*)\})? \S+$", line)
        if match and not line.startswith("#"):
            labels = found.setdefault(match[1], {})
            for label, value in re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', match[2] or ""):
                labels.setdefault(label, set()).add(value)
    return found


def whole(stage):
    """The metrics of all replicas, with the labels and values of each."""
    together = {}
    for replica in stage.replicas.values():
        for metric, labels in samples(replica.metrics()).items():
            known = together.setdefault(metric, {})
            for label, values in labels.items():
                known.setdefault(label, set()).update(values)
    return together


def missing(written, exported):
    """What rules and board ask for and no replica has, in sentences."""
    words = closed()
    for what, expr in written.expressions():
        selectors, grouped, made = read(expr)
        known = set(GIVEN) | made
        for metric, matchers in selectors:
            if metric in written.records:
                known |= read(written.records[metric]["expr"])[1]
                continue
            labels = OWN.get(metric, exported.get(metric))
            if labels is None:
                yield f"{what} reads {metric}, which no replica exports"
                continue
            known |= set(labels)
            for label, sign, value in matchers:
                if label not in GIVEN and label not in labels:
                    yield f"{what} asks for the label {label} of {metric}, which has {sorted(labels)}"
                elif label not in GIVEN and metric in exported:
                    yield from unknown(what, words, (metric, label, exported[metric][label]), sign, value)
        for label in grouped - known:
            yield f"{what} groups by {label}, which nothing in it has"


def unknown(what, words, place, sign, value):
    metric, label, present = place
    family = re.sub(r"_(total|bucket|sum|count)$", "", metric.removeprefix("tlsfloor_"))
    known = words.get((family, label))
    # An open set comes from the configuration: then what there is has to have one such.
    for part in unsaid(known or present, sign, value):
        if not (part == ".+" and not present):
            kind = "is never said" if known else "is nowhere in the scrape"
            yield f"{what} asks for {label}={part} of {metric}, which {kind}"


def labels_and_words_exist(stage, written):
    exported = eventually("every metric of rules and board", lambda: complete(stage, written))
    faults = list(missing(written, exported))
    demand(not faults, "; ".join(faults[:5]))
    # And the sets that are thought to be closed are what is seen.
    for (family, label), words in closed().items():
        for metric in (f"tlsfloor_{family}", f"tlsfloor_{family}_total", f"tlsfloor_{family}_count"):
            odd = exported.get(metric, {}).get(label, set()) - words
            demand(not odd, f"{metric} says {label}={sorted(odd)}, which tests/rules/words.py does not know")


def complete(stage, written):
    exported = whole(stage)
    read_ = {selector.metric for _, expr in written.expressions() for selector in read(expr)[0]}
    lacking = read_ - set(exported) - set(written.records) - set(OWN)
    return exported if not lacking else None


def query(stage, expr):
    answer = json.loads(fetch(f"{stage.prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expr})))
    return answer["data"]["result"]


def history(stage, expr, seconds=120):
    now = time.time()
    asked = urllib.parse.urlencode({"query": expr, "start": now - seconds, "end": now, "step": 2})
    return json.loads(fetch(f"{stage.prometheus}/api/v1/query_range?{asked}"))["data"]["result"]


def runbooks_ask_for_what_exists(stage, written):
    """Each query of docs/runbooks.md is one, of metrics that there are; each event is written."""
    exported = set(whole(stage)) | set(written.records) | set(OWN)
    for line in written.runbook_queries():
        try:
            query(stage, line)
        except urllib.error.HTTPError as error:
            raise NotHeld(f"docs/runbooks.md: {line}: {error.read().decode()}") from error
        lacking = {selector.metric for selector in read(line)[0]} - exported
        demand(not lacking, f"docs/runbooks.md reads {sorted(lacking)}, which no replica exports: {line}")
    source = "".join(file.read_text() for file in SOURCES.rglob("*.rs"))
    for event in written.runbook_events():
        demand(f'event = "{event}"' in source, f"docs/runbooks.md looks for event {event}, which nothing logs")


def numbers(result):
    return [one for one in result if not math.isnan(float(one["value"][1]))]


def panels_have_data(stage, written):
    """Each query, as Grafana asks it; and each legend names labels that the answer has."""
    for panel in written.panels:
        for target in panel.get("targets", []):
            what, expr = f"panel {panel['title']}, query {target['refId']}", filled(target["expr"])
            result = eventually(f"an answer to {what} ({expr})", lambda: numbers(query(stage, expr)), PATIENCE)
            for label in re.findall(r"\{\{ *(\w+) *\}\}", target["legendFormat"]):
                answered = all(label in one["metric"] for one in result)
                demand(answered, f"the legend of {what} names {label}, which is not in the answer")


def variables_have_values(stage, written):
    for one in written.board["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", one.get("definition", ""))
        if one["type"] == "query":
            demand(asked, f"variable {one['name']} is no label_values")
            values = {result["metric"].get(asked[2]) for result in query(stage, filled(asked[1]))}
            demand(values and None not in values, f"variable {one['name']} has no values")


def annotations_have_moments(stage, written):
    for name, expr in written.annotations():
        eventually(f"a moment for annotation {name}", lambda: history(stage, expr), PATIENCE)


def alerts_are(stage, expected, what):
    """Exactly these are pending or firing, those that are to fire do, and no other is on."""
    def as_expected():
        on = states(stage)
        late = [name for name, state in expected.items() if state == "firing" and on.get(name) != state]
        if set(on) != set(expected) or late:
            raise ValueError(f"on, but not expected: {sorted(set(on) - set(expected))}; expected, but not on: "
                             f"{sorted(set(expected) - set(on))}; not firing yet: {late}")
        return True
    eventually(f"the alerts of {what}", as_expected, 90)


def states(stage):
    rules = json.loads(fetch(f"{stage.prometheus}/api/v1/rules?type=alert"))["data"]["groups"]
    return {rule["name"]: rule["state"] for group in rules for rule in group["rules"] if rule["state"] != "inactive"}


def rules_are_healthy(stage, written):
    groups = json.loads(fetch(f"{stage.prometheus}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    demand(len(rules) == len(written.alerts) + len(written.records), "Prometheus has not loaded all rules")
    for rule in rules:
        demand(rule["health"] == "ok", f"rule {rule['name']}: {rule.get('lastError', rule['health'])}")
    for name in written.records:
        eventually(f"a value of {name}", lambda: numbers(query(stage, name)), PATIENCE)
