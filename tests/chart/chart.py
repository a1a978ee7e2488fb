"""The chart under test: where its files are, how it is rendered, and what a test says when it fails.

Used by every other file in this folder. Renders only; nothing here touches a cluster.
"""

import functools
import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "config" / "kubernetes"
CHART = KUBERNETES / "chart"
EXAMPLES = sorted((KUBERNETES / "examples").glob("values-*.yaml"))
HELMS = {"Helm 3": os.environ["HELM3"], "Helm 4": os.environ["HELM4"]}
RELEASE = NAMESPACE = "tlsfloor"
NEWEST = "1.37.0"


class Failed(Exception):
    """A sentence that says what did not hold."""


def hold(condition, sentence):
    if not condition:
        raise Failed(sentence)


def run(*command, **options):
    """Runs a program to its end; the caller looks at returncode, stdout and stderr."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )


def attempt(helm, values, version=NEWEST, arguments=()):
    """`helm template` with a values file: the finished process, failed or not."""
    return run(
        HELMS[helm], "template", RELEASE, CHART, "--namespace", NAMESPACE,
        "--kube-version", version, "--values", values, *arguments,
    )


@functools.cache
def text(helm, values, version=NEWEST):
    done = attempt(helm, values, version)
    hold(done.returncode == 0, f"{helm} does not render {values}: {done.stderr.strip()}")
    return done.stdout


def objects(helm, values, version=NEWEST):
    """What a values file renders to, in the order of kind and name."""
    found = [one for one in yaml.safe_load_all(text(helm, values, version)) if one]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


def values_file(values):
    """Values as a file that lives as long as this process."""
    folder = pathlib.Path(_scratch().name)
    path = folder / f"values-{len(list(folder.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@functools.cache
def _scratch():
    return tempfile.TemporaryDirectory(prefix="tlsfloor-chart-")


# In `changes` of merged: the key is not there. (None is a null, which takes a default away.)
GONE = object()


def merged(base, changes):
    """`base` with `changes` laid over it, table by table, as Helm lays values over each other."""
    if not isinstance(changes, dict):
        return changes
    both = {**(base if isinstance(base, dict) else {})}
    both.update({key: merged(both.get(key), value) for key, value in changes.items()})
    return {key: value for key, value in both.items() if value is not GONE}


def example(name):
    return yaml.safe_load((KUBERNETES / "examples" / f"values-{name}.yaml").read_text())


def one(found, kind, suffix=""):
    """The object of a kind whose name is the release's with a suffix."""
    named = [one for one in found if one["kind"] == kind and one["metadata"]["name"] == RELEASE + suffix]
    hold(len(named) == 1, f"{len(named)} objects {kind} {RELEASE}{suffix} are rendered, not one")
    return named[0]


def workload(found):
    return next(one for one in found if one["kind"] in ("Deployment", "DaemonSet"))


def pod_specs(found):
    """(name of the object, spec) of every pod or pod template."""
    for one_object in found:
        spec = one_object.get("spec", {})
        if one_object["kind"] == "Pod":
            yield one_object["metadata"]["name"], spec
        elif "template" in spec:
            yield one_object["metadata"]["name"], spec["template"]["spec"]
