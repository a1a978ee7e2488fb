"""Phases in which something breaks: a pod dies, a replica starts with a secret that is no good.

`run` calls them after the census has been compared, because who is killed takes its last minute of
counts along. Good replicas must go on through all of it.
"""

import os
import signal

import material
import restricted
from claims import eventually
from fleet import ready, restarts
from steady import running, scale


def killed(world):
    """One by the cluster's own order, one by a signal."""
    scale(world, 2)
    killed_pod(world)
    killed_process(world)


def broken_secrets(world):
    """Told by `check` before it starts, and by itself where nobody checked."""
    broken_secret(world, check=True)
    broken_secret(world, check=False)


def killed_pod(world):
    """A pod deleted without grace; the ReplicaSet makes another one."""
    fleet, replicas = world.fleet, world.release.replicas
    victim = fleet.pods()[0]["metadata"]["name"]
    world.cluster.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    pods = eventually("the fleet is whole again", lambda: fleet.all_ready(replicas))
    names = [pod["metadata"]["name"] for pod in pods]
    world.claims.hold(
        "a killed pod comes back as another one", victim not in names, f"{victim} went, {', '.join(names)} are ready"
    )


def killed_process(world):
    """SIGKILL for the process; the kubelet starts the container again."""
    fleet, pod = world.fleet, world.fleet.pods()[0]
    numbers = list(restricted.processes(pod, "tlsfloor"))
    if not numbers:
        print("  --  the node's processes are not in sight from here: none was killed by a signal", flush=True)
        return
    name = pod["metadata"]["name"]

    def back():
        again = world.cluster.get("pod", name)
        return ready(again) and restarts(again) == restarts(pod) + 1 and fleet.all_ready(world.release.replicas)

    with world.load() as load:
        running(load)
        os.kill(numbers[0], signal.SIGKILL)
        eventually("the killed container runs again", back)
    seen = f"{name} was restarted once; {len(load.lost)} of {load.total() + len(load.lost)} requests went with it"
    world.claims.hold("a killed container comes back in its pod", True, seen)
    with world.load() as load:
        running(load)
    world.none_lost("the time after it", load, least=20)


def broken_secret(world, check):
    """A rollout to a certificate whose key is another one's; with the init container, and without."""
    release, fleet = world.release, world.fleet
    mixed = material.Certificate(world.new.chain, world.old.key)
    world.cluster.apply(material.tls_secret("api-broken", mixed))
    good = {pod["metadata"]["name"] for pod in fleet.pods()}
    with world.load() as load:
        release.certificate, release.check = "api-broken", check
        release.apply()
        why, pod = eventually("the new replica says why it does not start", lambda: excuse(world, good))
        running(load)
        still = {pod["metadata"]["name"] for pod in fleet.pods() if ready(pod)}
        release.certificate, release.check = "api-tls", True
        release.apply()
        world.cluster.rolled_out(release.deployment)
    who = "the init container" if check else "the replica itself"
    claims = world.claims
    claims.hold(f"a replica with a broken secret never becomes ready, and {who} says why", True, f"{pod}: {why}")
    claims.hold("the replicas before it stay", still == good, ", ".join(sorted(still)))
    world.none_lost("a rollout that cannot succeed, and its way back", load)


def excuse(world, good):
    """The line that names the mistake, once the new pod has failed twice and was never ready."""
    for pod in world.fleet.pods():
        name, status = pod["metadata"]["name"], pod["status"]
        if name in good:
            continue
        for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
            if container["restartCount"] >= 1 and not ready(pod) and not container["ready"]:
                text = world.cluster.kubectl("logs", name, "-c", container["name"])
                lines = [line for line in text.splitlines() if "tls.key" in line or "tls.crt" in line]
                if lines:
                    return lines[0], f"{name}/{container['name']}"
    return None
