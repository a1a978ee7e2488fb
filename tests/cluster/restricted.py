"""Pod Security *restricted*, judged on a live pod as the cluster has it.

The namespace of the test is labelled so that admission enforces the same (Kubernetes 1.25 and newer);
older clusters have nobody who does, so the rules of the standard stand here once more. What the kernel
says of the process is read where its /proc is in sight: on the node itself, or beside kind.
"""

from pathlib import Path

LABELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def offences(pod):
    """What a pod does that the standard forbids."""
    spec = pod["spec"]
    found = [f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        found += [f"volume {volume['name']} is a {kind}" for kind in set(volume) - {"name"} - VOLUMES]
    for container in spec["containers"] + spec.get("initContainers", []):
        found += [f"{container['name']}: {what}" for what in of_container(spec.get("securityContext", {}), container)]
    return found


def of_container(pod, container):
    """The same for one container; what it leaves open is its pod's."""
    own = container.get("securityContext", {})
    both = {**pod, **own}
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield "may run as root"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if own.get("privileged"):
        yield "is privileged"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "keeps capabilities"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "has its own kind of /proc"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "takes a port of the host"


def processes(pod, program):
    """Processes of a pod that run a program, by number: none where this is not the node."""
    ids = [
        status["containerID"].split("//")[1]
        for status in pod["status"].get("containerStatuses", [])
        if "containerID" in status
    ]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            groups = (folder / "cgroup").read_text()
            if any(one in groups for one in ids) and (folder / "comm").read_text().strip() == program:
                yield int(folder.name)
        except OSError:  # ended in the meantime
            continue


def of_process(number):
    """What the kernel allows a process."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    status = {key: value.split() for key, value in (line.split(":", 1) for line in lines)}
    capabilities = {status[key][0] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    return {
        "users": set(status["Uid"]) | set(status["Gid"]),
        "capabilities": {int(value, 16) for value in capabilities},
        "no_new_privileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
    }
