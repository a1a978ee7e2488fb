"""What only a real API server refuses and no schema knows, as rules on rendered objects.

Pod Security "restricted", users that are no users, names of Service ports, autoscalers that want more
than they may. Each rule returns sentences; examples.py demands that there are none, and the tests at
the end that each rule finds what it is for.
"""

import copy
import re

from chart import HELMS, example, hold, objects, pod_specs, values_file, workload

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret"}
SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
           "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
           "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
           "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
           "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"}
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def restricted(spec):
    """Pod Security Standards, profile restricted."""
    pod = spec.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is true"
    for volume in spec.get("volumes", []):
        if not VOLUMES & set(volume):
            yield f"volume {volume['name']} is none of {sorted(VOLUMES)}"
    for sysctl in pod.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']} is not safe"
    for container in containers(spec):
        for wrong in restricted_container(container, pod):
            yield f"container {container['name']}: {wrong}"


def restricted_container(container, pod):
    own = container.get("securityContext", {})
    either = {**pod, **own}
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "it is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in capabilities.get("drop", []):
        yield "it does not drop ALL capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"it adds {capabilities['add']}"
    if either.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if either.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile is not RuntimeDefault"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "it has a hostPort"


def users(spec):
    contexts = [spec.get("securityContext", {})]
    contexts += [container.get("securityContext", {}) for container in containers(spec)]
    for context in contexts:
        for key in ("runAsUser", "runAsGroup", "fsGroup"):
            if context.get(key, 1) < 1:
                yield f"{key} is {context[key]}"


def hardened(spec):
    """More than Pod Security asks: what this chart promises of its pods."""
    if spec.get("automountServiceAccountToken") is not False:
        yield "it mounts a service account's token"
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false"
    for container in containers(spec):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"container {container['name']} can write to its root"
        if not container.get("resources", {}).get("limits", {}).get("memory"):
            yield f"container {container['name']} has no memory limit"
        for mount in container.get("volumeMounts", []):
            if "subPath" in mount or "subPathExpr" in mount:
                yield f"container {container['name']} mounts {mount['name']} by subPath, which never changes"


def pod(spec):
    return [*restricted(spec), *users(spec), *hardened(spec)]


def service(one):
    for port in one["spec"]["ports"]:
        if not LABEL.fullmatch(port["name"]):
            yield f"port name {port['name']} is no DNS label"


def autoscaler(one):
    if one["spec"]["minReplicas"] > one["spec"]["maxReplicas"]:
        yield f"minReplicas {one['spec']['minReplicas']} is above maxReplicas"


def objections(found):
    """Everything that an API server with Pod Security restricted would say about these objects."""
    rules = {"Service": service, "HorizontalPodAutoscaler": autoscaler}
    wrong = [f"pod of {name}: {text}" for name, spec in pod_specs(found) for text in pod(spec)]
    for one in found:
        rule = rules.get(one["kind"], lambda _: [])
        wrong += [f"{one['kind']} {one['metadata']['name']}: {text}" for text in rule(one)]
    return wrong


def test_every_rule_finds_what_it_is_for():
    path = values_file(example("minimal"))
    good = workload(objects("Helm 3", path))["spec"]["template"]["spec"]
    hold(not pod(good), f"the pod of values-minimal.yaml is refused: {pod(good)}")
    security = ("containers", 0, "securityContext")
    spoilt = [
        (("hostNetwork",), True), (("hostPID",), True), (("volumes", 0), {"name": "a", "hostPath": {}}),
        (("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
        ((*security, "privileged"), True), ((*security, "allowPrivilegeEscalation"), True),
        ((*security, "capabilities"), {}), ((*security, "capabilities", "add"), ["SYS_ADMIN"]),
        ((*security, "runAsNonRoot"), False), (("securityContext", "seccompProfile"), {}),
        (("containers", 0, "ports", 0, "hostPort"), 443), (("securityContext", "runAsUser"), -5),
        ((*security, "runAsUser"), 0), (("automountServiceAccountToken",), True),
        (("enableServiceLinks",), True), ((*security, "readOnlyRootFilesystem"), False),
        (("containers", 0, "resources"), {}), (("containers", 0, "volumeMounts", 0, "subPath"), "a"),
    ]
    for path, value in spoilt:
        bad = copy.deepcopy(good)
        place = bad
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        # What is wrong with a pod is wrong with each of its containers.
        found = {text.rpartition(": ")[2] for text in pod(bad)}
        hold(len(found) == 1, f"{path} = {value} is not found, or not as one thing: {found}")


def test_service_and_autoscaler_rules_find_what_they_are_for():
    port = {"kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"name": "HTTPS"}]}}
    scaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"},
              "spec": {"minReplicas": 3, "maxReplicas": 2}}
    hold(len(objections([port])) == 1, "a Service port with capitals is not found")
    hold(len(objections([scaler])) == 1, "an autoscaler with min above max is not found")


TESTS = [test_every_rule_finds_what_it_is_for, test_service_and_autoscaler_rules_find_what_they_are_for]
