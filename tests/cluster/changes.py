"""Phases in which the configuration changes under load: for the better, for the worse, and back.

`run` calls them. A change has arrived when every replica says so by itself, by its metrics and by the
certificate that it serves; no pod may have been started anew for it.
"""

import json

import material
from claims import eventually
from client import Connection
from fleet import TLS, ready, restarts
from steady import running

# The kubelet swaps a volume within its sync period and the age of its cache: some 90 s by default.
SWAP = 240


def arrives(world):
    """A new certificate in its Secret and a new ConfigMap, as two changes at once."""
    release, fleet = world.release, world.fleet
    before, wanted = state(world), {world.new.fingerprint}
    with world.load() as load:
        world.served = world.new
        world.cluster.apply(material.tls_secret("api-tls", world.served))
        release.marked = True
        release.apply()
        eventually(
            "every replica serves the new certificate", lambda: set(fleet.certificates().values()) == wanted, SWAP
        )
        eventually("every replica answers by the new configuration", lambda: set(marks(world)) == {200}, SWAP)
        eventually("all replicas show one configuration", lambda: len(set(fleet.hashes().values())) == 1, SWAP)
        running(load)
    now, claims = state(world), world.claims
    claims.hold(
        "a changed Secret and ConfigMap reach every replica",
        now["certificates"] == wanted,
        f"{len(now['pods'])} replicas",
    )
    hashes = now["hashes"]
    claims.hold(
        "they show as one generation",
        len(hashes) == 1 and hashes != before["hashes"],
        f"tlsfloor_config_hash {', '.join(before['hashes'] | hashes)}",
    )
    claims.hold("no replica was restarted for it", now["pods"] == before["pods"], counted(now["pods"]))
    world.none_lost("a change of Secret and ConfigMap", load)


def broken_stays_out(world):
    """A ConfigMap with a mistake, and its mending."""
    claims, before = world.claims, state(world)
    good = world.cluster.get("configmap", world.release.config)["data"]
    with world.load() as load:
        write(world, {**good, "tlsfloor.toml": good["tlsfloor.toml"] + '\n[limits]\nheader_tmieout = "1s"\n'})
        eventually("every replica says that the reload failed", lambda: successes(world) == {0}, SWAP)
        worse = state(world)
        told = {name: said(world, name) for name in before["pods"]}
        write(world, good)
        eventually("every replica is content again", lambda: successes(world) == {1}, SWAP)
    claims.hold("a broken ConfigMap changes nothing but the metric", worse == before, "" if worse == before else worse)
    untold = [name for name, line in told.items() if not line]
    claims.hold(
        "each replica's log names the file, the line and the key", not untold, untold or next(iter(told.values()))
    )
    claims.hold(
        "mending it brings the metric back, and nothing else", state(world) == before, f"{len(before['pods'])} replicas"
    )
    world.none_lost("a broken ConfigMap and its mending", load)


def deleted_secret(world):
    """A Secret that goes while replicas serve from it."""
    fleet, before = world.fleet, state(world)
    with world.load() as load:
        world.cluster.kubectl("delete", "secret", "api-tls")
        eventually(
            "the kubelet misses the Secret at every replica",
            lambda: all(fleet.each(lambda pod: missed(world, pod)).values()),
            SWAP,
        )
        running(load)
        now = state(world)
    world.claims.hold(
        "a Secret deleted under running replicas changes nothing", now == before, "" if now == before else now
    )
    world.none_lost("the deletion of a Secret", load)
    world.cluster.apply(material.tls_secret("api-tls", world.served))


def state(world):
    """What must not change by itself: what is in force, and for how long each pod has been there."""
    fleet = world.fleet
    return {
        "hashes": set(fleet.hashes().values()),
        "certificates": set(fleet.certificates().values()),
        "pods": fleet.each(restarts),
        "ready": all(map(ready, fleet.pods())),
    }


def counted(pods):
    """Restarts, in words."""
    return ", ".join(f"{name} {count}" for name, count in pods.items())


def successes(world):
    """What the replicas say of their last reload."""
    return set(world.fleet.each(lambda pod: world.fleet.metric(pod, "tlsfloor_config_last_reload_success")).values())


def marks(world):
    """What each replica answers where only the new configuration has a route of its own."""
    for pod in world.fleet.pods():
        connection = Connection(world.made, (pod["status"]["podIP"], TLS), world.context(), material.HOST)
        try:
            status, body, _ = connection.get(material.MARK)
            yield status if body == material.MARKED else None
        finally:
            connection.close()


def write(world, data):
    """Changes the ConfigMap as somebody does who has no chart at hand."""
    world.cluster.kubectl("patch", "configmap", world.release.config, "--type=merge", "-p", json.dumps({"data": data}))


def said(world, name):
    """The line in which a replica names the mistake."""
    text = world.cluster.kubectl("logs", name, "-c", "tlsfloor", "--since=10m")
    lines = [line for line in text.splitlines() if "header_tmieout" in line]
    return lines[0] if lines else None


def missed(world, pod):
    """Whether the kubelet has looked for a deleted Secret, or the replica sees that a file is gone."""
    if any("FailedMount" in event and "api-tls" in event for event in world.cluster.events(pod["metadata"]["name"])):
        return True
    return world.fleet.metric(pod, "tlsfloor_config_last_reload_success") == 0
