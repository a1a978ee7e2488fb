"""Phases in which nothing is wrong: ready, restricted, sessions, a new image, fewer replicas.

`run` calls them in this order. Load is on whenever pods come and go.
"""

import json
import random
import ssl
from collections import Counter
from types import SimpleNamespace

import material
import restricted
from claims import eventually
from client import Connection, Load
from fleet import TLS
from kube import command

SESSIONS = 60


def losses_count(world):
    """Before anything is said of 0 lost requests: these clients do see one that is lost."""
    closed = SimpleNamespace(one=lambda: (world.fleet.pods()[0]["status"]["podIP"], 1))
    with Load(world.made, closed, world.context, material.HOST, material.ANSWER) as load:
        eventually("clients of a closed port count what they lose", lambda: len(load.lost) >= 8)
    lost = f"{len(load.lost)} lost, {load.total()} answered"
    world.claims.hold("clients that are refused count each request as lost", load.total() == 0, lost)


def becomes_ready(world):
    """Pods of the chart's own manifests, under the strictest of the standards."""
    claims, fleet = world.claims, world.fleet
    pods = eventually("all replicas are ready", lambda: fleet.all_ready(world.release.replicas))
    claims.hold("pods of the chart become ready", len(pods) == world.release.replicas, f"{len(pods)} replicas")
    found = [f"{pod['metadata']['name']}: {what}" for pod in pods for what in restricted.offences(pod)]
    claims.hold("live pods pass Pod Security restricted", not found, "; ".join(found))
    for pod in pods:
        world.cluster.kubectl("exec", pod["metadata"]["name"], "-c", "tlsfloor", "--", "/tlsfloor", "ready")
    claims.hold("`tlsfloor ready` in each pod says so", True)
    kernel_says(world, pods)


def kernel_says(world, pods):
    """The processes themselves, where their /proc is in sight."""
    numbers = [number for pod in pods for number in restricted.processes(pod, "tlsfloor")]
    if not numbers:
        print(
            "  --  the node's processes are not in sight from here: the kernel was not asked what they may", flush=True
        )
        return
    allowed = [restricted.of_process(number) for number in numbers]
    user = {str(material.USER)}
    right = {"users": user, "capabilities": {0}, "no_new_privileges": ["1"], "seccomp": ["2"]}
    wrong = [seen for seen in allowed if seen != right]
    claims = world.claims
    claims.hold(
        "the kernel gives each process no capability, a filter of system calls and no way to more",
        not wrong,
        wrong or f"{len(numbers)} processes",
    )


def sessions_resume(world):
    """A ticket of one pod is good at every other, over TLS 1.2 and 1.3."""
    pods = [pod["status"]["podIP"] for pod in world.fleet.pods()]
    resumed = Counter()
    for number in range(SESSIONS):
        version = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)[number % 2]
        context = world.context()
        context.minimum_version = context.maximum_version = version
        first, second = random.sample(pods, 2)
        session, _ = visit(world, first, context, None)
        resumed[version.name] += visit(world, second, context, session)[1]
    total = sum(resumed.values())
    seen = f"{total} of {SESSIONS}: " + ", ".join(f"{version} {count}" for version, count in sorted(resumed.items()))
    world.claims.hold("more than 95 % of sessions resume on another pod", total > 0.95 * SESSIONS, seen)


def visit(world, address, context, session):
    """One request over a connection of its own; TLS 1.3 sends its tickets with the answer."""
    connection = Connection(world.made, (address, TLS), context, material.HOST, session)
    connection.get("/session")
    session, resumed = connection.tls.session, connection.tls.session_reused
    connection.close()
    return session, resumed


def image_rolls(world):
    """A new image, pod by pod, under load."""
    release, fleet = world.release, world.fleet
    before = {pod["metadata"]["name"] for pod in fleet.pods()}
    with world.load() as load:
        running(load)
        release.image = world.images.second
        release.apply()
        world.cluster.rolled_out(release.deployment)
        pods = eventually("only pods of the new image are left", lambda: fleet.all_ready(release.replicas))
        running(load)
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    new = before.isdisjoint(pod["metadata"]["name"] for pod in pods)
    world.claims.hold(
        "every replica is a new pod of the new image", new and images == {world.images.second}, ", ".join(images)
    )
    world.none_lost("a rolling image update", load)


def fleet_shrinks(world):
    """From four replicas to two, under load."""
    scale(world, 4)
    with world.load() as load:
        running(load)
        scale(world, 2)
        running(load)
    world.none_lost("a scale-down from 4 to 2", load)


def scale(world, replicas):
    """So many, all ready, and the others gone."""
    world.cluster.kubectl("scale", f"deployment/{world.release.deployment}", f"--replicas={replicas}")
    world.release.replicas = replicas
    return eventually(f"{replicas} replicas are left", lambda: world.fleet.all_ready(replicas) is not None or None)


def running(load, requests=100):
    """Waits until the load has had so many more answers, so that something is under way."""
    until = load.total() + requests
    eventually(f"{requests} more requests are answered", lambda: load.lost or load.total() >= until, within=60)


def report_adds_up(world):
    """All pods end, so that each tells the rest of what it counted; then the logs say it all."""
    scale(world, 0)
    files = world.logs.whole()
    lines = "".join(file.read_text() for file in files)
    answer = json.loads(command(world.binary, "report", "--format", "json", given=lines))
    seen = f"{answer['connections']} reported, {world.made.count} made, logs of {len(files)} pods"
    claims = world.claims
    claims.hold(
        "`kubectl logs` of all pods into `tlsfloor report` gives the number of connections made",
        answer["connections"] == world.made.count,
        seen,
    )
