"""Every example values file, with both Helms: what is rendered is right for every Kubernetes.

Lint, equal objects, strict schemas, custom resources by the types of their operators, what only an API
server knows (admission.py), and yamllint on the text.
"""

import functools
import json
import os

import kubernetes_validate
import kubernetes_validate.utils
import yaml

from admission import objections
from chart import (
    CHART, EXAMPLES, HELMS, KUBERNETES, NAMESPACE, NEWEST, attempt, example, hold, merged, objects, run, text,
    values_file,
)

# The three newest, and what a long-term cluster of two years ago has.
VERSIONS = ["1.37.0", "1.36.0", "1.35.0", "1.33.0", "1.29.0"]
# The oldest that the chart says it is for, older than any schema in the package.
OLDEST = "1.20.0"
OPERATORS = {
    "monitoring.coreos.com/v1": ("MONITORING_PYTHON", "cloudcoil.models.prometheus_operator.v1"),
    "cert-manager.io/v1": ("CERT_MANAGER_PYTHON", "cloudcoil.models.cert_manager.v1"),
}
YAMLLINT = "{extends: relaxed, rules: {line-length: disable, indentation: {indent-sequences: whatever}, trailing-spaces: enable, empty-lines: {max: 1, max-end: 1}, truthy: enable, octal-values: enable}}"

kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def plain():
    """The examples that are objects already, not values."""
    return [path for path in sorted((KUBERNETES / "examples").glob("*.yaml")) if path not in EXAMPLES]


def by_schema(found, version, source):
    for one in found:
        name = f"{source}: {one['kind']} {one['metadata']['name']}"
        if one["apiVersion"] in OPERATORS:
            continue
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(map(str, error.path))
            hold(False, f"{name} is wrong for Kubernetes {version} at {place}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError:
            hold(False, f"{name}: Kubernetes {version} has no {one['apiVersion']} {one['kind']}")


def by_operators(found, source):
    """Custom resources against the types generated from their CRDs; one Python a operator."""
    for api, (python, module) in OPERATORS.items():
        mine = [one for one in found if one["apiVersion"] == api]
        if mine:
            done = run(os.environ[python], KUBERNETES.parents[1] / "tests/chart/custom.py", module,
                       input=json.dumps(mine))
            hold(done.returncode == 0, f"{source}: {done.stderr.strip() or done.stdout.strip()}")


def test_lint():
    for helm, program in HELMS.items():
        for values in EXAMPLES:
            done = run(program, "lint", "--strict", CHART, "--namespace", NAMESPACE, "--values", values)
            hold(done.returncode == 0, f"{helm} lint {values.name}: {done.stdout}{done.stderr}")


def test_both_helms_render_the_same():
    for values in EXAMPLES:
        three, four = (objects(helm, values) for helm in HELMS)
        hold(three == four, f"{values.name}: Helm 3 and Helm 4 render different objects")


def test_schemas_of_five_versions():
    for version in VERSIONS:
        for values in EXAMPLES:
            by_schema(objects("Helm 4", values, version), version, values.name)
        for path in plain():
            by_schema(filter(None, yaml.safe_load_all(path.read_text())), version, path.name)


def test_names_that_look_like_something_else():
    """To YAML 123 is a number and null is nothing; to Kubernetes both are names."""
    odd = {"nameOverride": "true", "admin": {"tokenSecretName": "123"}, "tickets": {"secretName": "0x1f"},
           "certificates": [{"name": "api", "secretName": "123"}], "serviceAccountName": "no", "files": {"1": "a"},
           "priorityClassName": "1.5", "commonLabels": {"a": "1"}, "podLabels": {"b": "true"},
           "service": {"loadBalancerClass": "1", "ports": {"https": {"name": "null"}}},
           "autoscaling": {"enabled": True, "pods": [{"metric": "on", "average": "1"}]}}
    file = values_file(merged(example("minimal"), odd))
    for helm, program in HELMS.items():
        for release, namespace in [("123", "4567"), ("true", "null"), ("1e3", "0x1f")]:
            for changes in ([], ["--set-string", "fullnameOverride=null", "--set-string", "nameOverride="]):
                done = run(program, "template", release, CHART, "--namespace", namespace, "--kube-version", NEWEST,
                           "--values", file, *changes)
                hold(done.returncode == 0, f"{helm} does not render a release {release}: {done.stderr}")
                found = list(filter(None, yaml.safe_load_all(done.stdout)))
                by_schema(found, VERSIONS[0], f"release {release}")
                for one in found:
                    labels = one["metadata"]["labels"]
                    hold(one["metadata"]["namespace"] == namespace, f"{one['kind']} is in another namespace")
                    hold(labels["app.kubernetes.io/instance"] == release, f"the labels are {labels}")
                    hold(one["metadata"]["name"][0].isalpha(), f"{one['kind']} is called {one['metadata']['name']}")


def test_a_wrong_key_is_found():
    found = objects("Helm 3", EXAMPLES[0])
    found[0]["sepc"] = {}
    try:
        by_schema(found, VERSIONS[0], "a")
    except Exception as failure:  # pylint: disable=broad-except
        hold("sepc" in str(failure), f"a wrong key is refused as something else: {failure}")
    else:
        hold(False, "a wrong key passes the schemas")


def test_custom_resources():
    everything = [one for values in EXAMPLES for one in objects("Helm 3", values)]
    everything += [one for path in plain() for one in yaml.safe_load_all(path.read_text())]
    kinds = {one["kind"] for one in everything if one["apiVersion"] in OPERATORS}
    wanted = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "Certificate"}
    hold(kinds == wanted, f"the examples have the custom resources {kinds}, not {wanted}")
    by_operators(everything, "examples")


def test_a_wrong_custom_resource_is_found():
    values = next(path for path in EXAMPLES if path.name == "values-production.yaml")
    monitor = next(one for one in objects("Helm 3", values) if one["kind"] == "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "5s"
    try:
        by_operators([monitor], "a")
    except Exception as failure:  # pylint: disable=broad-except
        hold("intervall" in str(failure), f"a wrong key is refused as something else: {failure}")
    else:
        hold(False, "a wrong key passes for a PodMonitor")


def test_an_api_server_would_take_them():
    for values in EXAMPLES:
        wrong = objections(objects("Helm 3", values))
        hold(not wrong, f"{values.name}: {'; '.join(wrong)}")
    for path in plain():
        wrong = objections(list(filter(None, yaml.safe_load_all(path.read_text()))))
        hold(not wrong, f"{path.name}: {'; '.join(wrong)}")


def test_the_oldest_kubernetes_is_given_what_it_knows():
    newer = ("matchLabelKeys", "unhealthyPodEvictionPolicy", "hostUsers",
             "autoscaling/v2\n", "policy/v1\n")
    for values in EXAMPLES:
        done = attempt("Helm 3", values, OLDEST)
        if values.name == "values-production.yaml":
            # It asks for something that has to be newer, and hears so.
            hold("hostUsers is false, which needs Kubernetes 1.25" in done.stderr,
                 f"{values.name} for Kubernetes {OLDEST}: {done.stderr}")
            continue
        hold(done.returncode == 0, f"{values.name} for Kubernetes {OLDEST}: {done.stderr}")
        there = [word for word in newer if word in done.stdout]
        hold(not there, f"{values.name} for Kubernetes {OLDEST} has {there}")


def test_rendered_text_is_clean():
    for values in EXAMPLES:
        for helm in HELMS:
            done = run(os.environ["YAMLLINT"], "-s", "-d", YAMLLINT, "-", input=text(helm, values))
            hold(done.returncode == 0, f"yamllint on {values.name} by {helm}: {done.stdout}")


def test_checkov():
    """By flag only.

    Skipped by name: CPU limits, pull policy and digests, which are the user's to choose (11, 15, 43), and
    probes (8, 9), which the pod of `helm test` has no use for; pods.py holds those of the proxies.
    """
    for values in EXAMPLES:
        rendered = values.stem + ".rendered.yaml"
        folder = CHART.parents[2] / "target" / "checkov"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / rendered).write_text(text("Helm 3", values))
        done = run(os.environ["CHECKOV"], "-f", folder / rendered, "--framework", "kubernetes", "--compact",
                   "--quiet", "--skip-download", "--skip-check", "CKV_K8S_8,CKV_K8S_9,CKV_K8S_11,CKV_K8S_15,CKV_K8S_43")
        hold(done.returncode == 0, f"checkov on {values.name}: {done.stdout}")


TESTS = [test_lint, test_both_helms_render_the_same, test_schemas_of_five_versions,
         test_names_that_look_like_something_else,
         test_a_wrong_key_is_found, test_custom_resources, test_a_wrong_custom_resource_is_found,
         test_an_api_server_would_take_them, test_the_oldest_kubernetes_is_given_what_it_knows,
         test_rendered_text_is_clean]
if os.environ["CHECKOV"]:
    TESTS.append(test_checkov)
