"""The rules, their unit tests, the board and the runbooks as they are written, and whether they
belong together: read by hold.py, nothing here is running.
"""

import json
import re
from itertools import combinations

import yaml

from promql import read
from stage import NotHeld

# What Grafana puts in for its variables, as far as a query is concerned.
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m", "$__interval": "5s",
             "$namespace": ".*", "$job": ".+", "$instance": ".+", "$upstream": ".+"}
URL = "https://github.com/tlsfloor/tlsfloor/blob/main/docs/runbooks.md#"


def demand(holds, sentence):
    if not holds:
        raise NotHeld(sentence)


class Written:
    def __init__(self, root):
        self.root = root
        groups = self.yaml("config/prometheus/rules.yaml")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
        self.records = {rule["record"]: rule for rule in rules if "record" in rule}
        self.cases = self.yaml("config/prometheus/rules.test.yaml")["tests"]
        self.board = json.loads((root / "config/grafana/tlsfloor.json").read_text())
        self.runbooks = (root / "docs/runbooks.md").read_text()
        self.panels = [panel for panel in self.board["panels"] if panel["type"] != "row"]

    def yaml(self, file):
        return yaml.safe_load((self.root / file).read_text())

    def expressions(self):
        """Every expression, with what it is of."""
        for name, rule in (self.alerts | self.records).items():
            yield f"rule {name}", rule["expr"]
        for name, expr in self.annotations():
            yield f"annotation {name}", expr
        for panel in self.panels:
            for target in panel.get("targets", []):
                yield f"panel {panel['title']} {target['refId']}", filled(target["expr"])

    def annotations(self):
        for one in self.board["annotations"]["list"]:
            if "expr" in one:
                yield one["name"], filled(one["expr"])

    def runbook_queries(self):
        """Lines of code that begin as PromQL does; the others are for a shell."""
        lines = re.findall(r"^    (\S.*)$", self.runbooks, re.MULTILINE)
        begins = r"\w+ (by|without) \(|\w+\(\S*tlsfloor_|count_values\(|histogram_quantile\(|tlsfloor_|namespace_job\w*:|up\b|100 \*"
        return [line for line in lines if re.match(begins, line)]

    def runbook_events(self):
        named = re.findall(r'"event":"([a-z_]+)"', self.runbooks)
        lists = re.findall(r'"event":"\(([a-z_|]+)\)"', self.runbooks)
        return set(named) | {event for one in lists for event in one.split("|")}

    def reads(self, expr):
        """The metrics that an expression comes down to, through recorded ones."""
        metrics = set()
        for selector in read(expr)[0]:
            record = self.records.get(selector.metric)
            metrics |= self.reads(record["expr"]) if record else {selector.metric}
        return metrics


def filled(expr):
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def alerts_have_what_they_need(written):
    """Names, urgency and words."""
    for name, rule in written.alerts.items():
        demand(name.startswith("Tlsfloor"), f"alert {name} does not begin with Tlsfloor")
        demand(rule["labels"] == {"severity": rule["labels"]["severity"]}, f"{name} has labels beside severity")
        demand(rule["labels"]["severity"] in ("page", "ticket"), f"severity of {name} is neither page nor ticket")
        words = rule["annotations"]
        demand(set(words) == {"summary", "description", "runbook_url"}, f"{name} has the annotations {set(words)}")
        demand(words["runbook_url"] == URL + name.lower(), f"runbook_url of {name} is not {URL}{name.lower()}")


def runbooks_and_alerts_are_the_same(written):
    """One section an alert, with all that is needed at night."""
    sections = dict(re.findall(r"^### (Tlsfloor\w+)\n(.*?)(?=^##|\Z)", written.runbooks, re.MULTILINE | re.DOTALL))
    demand(set(sections) == set(written.alerts), "docs/runbooks.md and rules.yaml differ in "
           f"{sorted(set(sections) ^ set(written.alerts))}")
    for name, text in sections.items():
        severity = written.alerts[name]["labels"]["severity"]
        demand(f"`{severity}`" in text, f"the runbook of {name} does not say that it is a {severity}")
        for part in ("What it means", "Who is hurt", "Look", "Do", "It ends"):
            demand(f"**{part}" in text, f"the runbook of {name} has no part \"{part}\"")


def every_alert_fires_and_is_silent_in_a_test(written):
    fires, silent = set(), set()
    for case in written.cases:
        fed = {re.match(r"[\w:]+", one["series"])[0] for one in case["input_series"]}
        for test in case.get("alert_rule_test", []):
            name = test["alertname"]
            demand(name in written.alerts, f"rules.test.yaml tests {name}, which rules.yaml has not")
            if test["exp_alerts"]:
                fires.add(name)
                worded = all(one.get("exp_labels") and one.get("exp_annotations") for one in test["exp_alerts"])
                demand(worded, f"a test in which {name} fires expects no labels or no annotations")
            elif fed & written.reads(written.alerts[name]["expr"]):
                silent.add(name)
    demand(fires == set(written.alerts), f"no test makes these fire: {sorted(set(written.alerts) - fires)}")
    demand(silent == set(written.alerts), "no test with their metrics keeps these silent: "
           f"{sorted(set(written.alerts) - silent)}")
    queried = {selector.metric for case in written.cases for one in case.get("promql_expr_test", [])
               for selector in read(one["expr"])[0]}
    demand(queried == set(written.records), f"recorded, but not tested: {sorted(set(written.records) - queried)}")


def fleets_are_kept_apart(written):
    """What is added up or joined by job is by namespace, too: production and its rehearsal have the same job."""
    for what, expr in written.expressions():
        demand(not re.search(r"\b(by|on)\s*\((?![^)]*\bnamespace\b)[^)]*\bjob\b", expr), f"{what} mixes namespaces")


def the_board_can_be_imported(written):
    board = written.board
    demand(board["id"] is None and board["uid"] and board["schemaVersion"] >= 39, "the board's id, uid or schemaVersion")
    names = {one["name"] for one in board["templating"]["list"]}
    demand(names == {"datasource", "namespace", "job", "instance", "upstream"}, f"the board has the variables {names}")
    for name in names:
        demand(f"${name}" in json.dumps(board).replace("${datasource}", "$datasource"), f"nothing uses ${name}")
    ids = [panel["id"] for panel in board["panels"]]
    demand(len(ids) == len(set(ids)), "two panels have one id")
    titles = [panel["title"] for panel in written.panels]
    demand(len(titles) == len(set(titles)), "two panels have one title")
    for panel in board["panels"]:
        place = panel["gridPos"]
        demand(place["x"] + place["w"] <= 24, f"panel {panel['title']} is wider than the board")
    for one, other in combinations(board["panels"], 2):
        demand(apart(one["gridPos"], other["gridPos"]), f"panels {one['title']} and {other['title']} overlap")


def apart(one, other):
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    return beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def panels_say_what_they_show(written):
    for panel in written.panels:
        title = panel["title"]
        demand(len(panel.get("description", "")) > 20, f"panel {title} has no description")
        if panel["type"] == "text":
            continue
        demand(panel["fieldConfig"]["defaults"].get("unit"), f"panel {title} has no unit")
        demand(panel["datasource"]["uid"] == "${datasource}", f"panel {title} has a data source of its own")
        demand(panel["targets"], f"panel {title} asks nothing")
        for target in panel["targets"]:
            demand(target["datasource"] == panel["datasource"], f"a query of panel {title} has a data source of its own")
            demand(target["legendFormat"], f"a query of panel {title} has no legend")
            chosen = all(part in target["expr"] for part in ('namespace=~"$namespace', 'job=~"$job'))
            demand(chosen, f"a query of panel {title} is not about the chosen fleet")


STATIC = [alerts_have_what_they_need, runbooks_and_alerts_are_the_same, every_alert_fires_and_is_silent_in_a_test,
          fleets_are_kept_apart, the_board_can_be_imported, panels_say_what_they_show]
