"""What is in the repository twice is equal; write() renews the second from the first.

The proxy's schema within values.schema.json, the rules and the board within the chart, the manifests
for those without Helm, and the table of values in the chart's README.
"""

import json
import os
import re

import yaml

from chart import CHART, HELMS, KUBERNETES, ROOT, hold, run, text

MANIFESTS = KUBERNETES / "manifests"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
VALUES = CHART / "values.yaml"
FILES = {ROOT / "config/prometheus/rules.yaml": CHART / "files/rules.yaml",
         ROOT / "config/grafana/tlsfloor.json": CHART / "files/tlsfloor.json"}
BEGIN, END = "<!-- values: written by tests/chart/run --write -->\n", "<!-- end of values -->\n"
# What only Helm has a use for.
OF_HELM = re.compile(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.M)
CRDS = re.compile(r"^apiVersion: monitoring\.coreos\.com/", re.M)


def schema():
    """values.schema.json as it should be: with the configuration's schema of today."""
    whole = json.loads(SCHEMA.read_text())
    done = run(os.environ["TLSFLOOR"], "schema")
    hold(done.returncode == 0, f"tlsfloor schema fails: {done.stderr}")
    own = json.loads(done.stdout)
    # References begin at the root of the document that they are in.
    definitions = own.pop("$defs", None)
    whole.pop("$defs", None)
    if definitions:
        whole["$defs"] = definitions
    whole["properties"]["config"] = {key: own[key] for key in own if key not in ("$schema", "title")}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def manifests(helm):
    """Text by file name: one object a file, those of the Prometheus operator in a folder apart."""
    files = {}
    for piece in text(helm, MANIFESTS / "values.yaml").split("\n---\n"):
        piece = OF_HELM.sub("", piece.removeprefix("---\n")).strip() + "\n"
        source = re.match(r"# Source: tlsfloor/templates/(\S+)\n", piece)
        piece = piece[source.end():]
        name = source.group(1)
        if name.startswith("tests/") or not yaml.safe_load(piece):
            continue
        if name == "workload.yaml":
            name = yaml.safe_load(piece)["kind"].lower() + ".yaml"
        files[f"monitoring/{name}" if CRDS.search(piece) else name] = piece
    return files


def value_at(values, path):
    """The value of a dotted key, or KeyError where a list is on the way."""
    for word in path:
        if not isinstance(values, dict):
            raise KeyError(word)
        values = values[word]
    return values


def rows():
    """(key, default, what it is) of each line of values.yaml that has a key."""
    values = yaml.safe_load(VALUES.read_text())
    path, before = [], []
    for line in VALUES.read_text().splitlines():
        comment = re.match(r"\s*# (.*)", line)
        if comment:
            before.append(comment.group(1))
            continue
        found = re.match(r"(\s*)([A-Za-z]+):(.*)", line)
        if not found:
            before = []
            continue
        depth = len(found.group(1)) // 2
        path = [*path[:depth], found.group(2)]
        said = found.group(3).partition(" #")[2].strip() or " ".join(before)
        before = []
        try:
            yield ".".join(path), value_at(values, path), said
        except KeyError:
            continue


def table():
    lines = ["| Value | Default | |\n", "|---|---|---|\n"]
    for key, value, said in rows():
        # A table's keys have rows of their own; a long list is read better in values.yaml.
        shown = json.dumps(value)
        default = f"`{shown}`" if len(shown) < 80 else ""
        lines.append(f"| `{key}` | {default} | {said.replace('|', '/')} |\n")
    return "".join(lines)


def readme():
    before, rest = README.read_text().split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def write():
    SCHEMA.write_text(schema())
    for source, copy in FILES.items():
        if source.exists():
            copy.write_bytes(source.read_bytes())
    for name, content in manifests("Helm 4").items():
        (MANIFESTS / name).parent.mkdir(exist_ok=True)
        (MANIFESTS / name).write_text(content)
    README.write_text(readme())


RENEW = "; renew it by tests/chart/run --write"


def test_schema_has_the_configuration_of_today():
    hold(SCHEMA.read_text() == schema(), f"values.schema.json is not what `tlsfloor schema` says{RENEW}")


def open_tables(schema, path):
    """Tables of the schema that take any key."""
    if isinstance(schema, list):
        for item in schema:
            yield from open_tables(item, path)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        yield path, schema.get("description", "")
    for name, inner in schema.get("properties", {}).items():
        yield from open_tables(inner, f"{path}.{name}")
    for word in ("items", "anyOf", "oneOf", "additionalProperties"):
        yield from open_tables(schema.get(word), path)


def test_schema_is_closed():
    """But for what is Kubernetes' own, whose shape its API server holds."""
    whole = json.loads(SCHEMA.read_text())
    for path, said in open_tables(whole, ""):
        hold(said.startswith("Kubernetes: ") or path == ".global", f"values{path} takes any key")


def test_schema_knows_every_value():
    def missing(schema, values, path):
        for key, value in values.items():
            names = schema.get("additionalProperties")
            inner = schema.get("properties", {}).get(key, names if isinstance(names, dict) else None)
            if inner is None:
                yield f"{path}.{key}"
            elif isinstance(value, dict):
                yield from missing(inner, value, f"{path}.{key}")
    values = yaml.safe_load(VALUES.read_text())
    found = list(missing(json.loads(SCHEMA.read_text()), values, "values"))
    hold(not found, f"values.schema.json does not know {found}")
    unknown = set(json.loads(SCHEMA.read_text())["properties"]) - set(values) - {"global"}
    hold(not unknown, f"values.yaml does not have {unknown}, which the schema knows")


def test_rules_and_board_are_those_of_config():
    for source, copy in FILES.items():
        if source.exists():
            hold(source.read_bytes() == copy.read_bytes(), f"{copy.name} in the chart is not {source.name}{RENEW}")


def test_manifests_are_what_the_chart_renders():
    for helm in HELMS:
        wanted = manifests(helm)
        for name, content in wanted.items():
            path = MANIFESTS / name
            hold(path.exists(), f"manifests/{name} is missing{RENEW}")
            same = yaml.safe_load(path.read_text()) == yaml.safe_load(content)
            hold(same, f"manifests/{name} is not what {helm} renders{RENEW}")
    there = {str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*.yaml")}
    by_hand = {"values.yaml", "namespace.yaml", "kustomization.yaml", "monitoring/kustomization.yaml"}
    hold(there == set(wanted) | by_hand, f"manifests has {there ^ (set(wanted) | by_hand)} too much or too little")


def test_kustomize_builds_them():
    for folder, kinds in [(MANIFESTS, {"Namespace", "ConfigMap", "Service", "Deployment", "NetworkPolicy",
                                       "PodDisruptionBudget", "HorizontalPodAutoscaler"}),
                          (MANIFESTS / "monitoring", {"PodMonitor", "PrometheusRule"})]:
        done = run(os.environ["KUBECTL"], "kustomize", folder)
        hold(done.returncode == 0, f"kubectl kustomize {folder}: {done.stderr}")
        built = {one["kind"] for one in yaml.safe_load_all(done.stdout)}
        hold(built == kinds, f"kubectl kustomize {folder.name} builds {built}, not {kinds}")


def test_readme_names_every_value():
    undescribed = [key for key, _, said in rows() if not said]
    hold(not undescribed, f"values.yaml says nothing about {undescribed}")
    hold(README.read_text() == readme(), f"the table of values in the chart's README is old{RENEW}")


def test_versions_agree():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    cargo = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    hold(chart["appVersion"] == cargo, f"Chart.yaml has appVersion {chart['appVersion']}, Cargo.toml {cargo}")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
