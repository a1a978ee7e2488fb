"""Holds the alerts, the board and the runbooks: as they are written, and against three replicas.

Called by tests/rules/run with the binary's path and the number of checks before. Says each thing that holds, stops at the first
that does not with a sentence, and ends with how many there were.
"""

import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import seen
from stage import NotHeld, Stage, eventually
from traffic import Traffic, attempt, context, swarm
from written import STATIC, Written, demand

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/rules.yaml"

# What has to be wrong on the stage once everything has happened to it that `things_happen_to_the_replicas` does.
EXPECTED = {
    "TlsfloorFuseBlown": "firing",
    "TlsfloorStagesDiffer": "pending",
    "TlsfloorExemptionExpiring": "pending",
    "TlsfloorCensusOverflowing": "pending",
    "TlsfloorNoHealthyUpstream": "pending",
    "TlsfloorUpstreamFailing": "pending",
    "TlsfloorCertificateExpiring": "pending",
    "TlsfloorHandshakeFailuresRising": "pending",
    "TlsfloorReloadFailed": "pending",
    "TlsfloorConfigsDiffer": "pending",
    "TlsfloorDrainCutRequests": "firing",
}
# And what comes to it when the terminator and the drained replica are gone.
LATER = {"TlsfloorLegacyTerminatorDown": "pending", "TlsfloorReplicaDown": "pending"}


def holds(check, *arguments):
    """Says that it does, in the words of its name."""
    check(*arguments)
    print(f"ok  {check.__name__.replace('_', ' ')}", flush=True)


def promtool_finds_nothing_in_a_scrape(stage, _written):
    """promtool finds nothing in a real scrape; no finding is deliberate so far. It reads the older
    text format, in which a counter's family has the suffix that OpenMetrics gives its samples only."""
    text = stage.replicas["replica-1"].metrics()
    for family in re.findall(r"^# TYPE (\w+) counter$", text, re.MULTILINE):
        text = re.sub(rf"^# (TYPE|HELP) {family} ", rf"# \1 {family}_total ", text, flags=re.MULTILINE)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    found = (done.stdout + done.stderr).strip().splitlines()
    demand(not found and done.returncode == 0, f"promtool check metrics: {'; '.join(found[:3])}")


def things_happen_to_the_replicas(stage, _written):
    """A reload that is good, one that changes something, one that fails, a fuse that blows, a drain
    that cuts a request; replica-1 stays as it was but for the first."""
    first, second, third, drained = stage.replicas.values()
    as_it_was = "count(tlsfloor_rollout_percent == 50) == 4"
    eventually("a scrape of four replicas in a brownout of 50 %", lambda: seen.query(stage, as_it_was))
    demand(first.reload(), "replica-1 did not take the same configuration again")
    demand(second.reload(lambda text: text.replace("rows = 100\n", "rows = 101\n")), "replica-2 did not take a change")
    demand(not third.reload(lambda text: text.replace("rows = 100\n", "rows = 1\n")), "replica-3 took one row only")
    swarm(third, 100, networks=100)
    cut(drained)


def cut(replica):
    """Ends it while a request is under way that takes longer than its drain."""
    threading.Thread(target=attempt, args=(slow, replica.https), daemon=True).start()
    one_open = 'connections_open{listener="https"} 1'
    eventually("a request under way", lambda: one_open in replica.metrics())
    replica.process.terminate()


def slow(port):
    raw = socket.create_connection(("127.0.0.1", port), 60)
    with context(ssl.TLSVersion.TLSv1_3).wrap_socket(raw, server_hostname="api.example.com") as stream:
        stream.sendall(b"GET /slow HTTP/1.1\r\nhost: api.example.com\r\n\r\n")
        stream.recv(1)


def the_alerts_of_this_state_are_on_and_no_others(stage, _written):
    seen.alerts_are(stage, EXPECTED, "this state")


def so_are_those_of_what_is_gone(stage, _written):
    """The legacy terminator, and the drained replica."""
    stage.legacy.shutdown()
    stage.legacy.server_close()
    stage.servers.remove(stage.legacy)
    stage.replicas["replica-drained"].process.kill()
    seen.alerts_are(stage, EXPECTED | LATER, "what is gone")


LIVE = [things_happen_to_the_replicas, seen.labels_and_words_exist, seen.rules_are_healthy, seen.variables_have_values,
        seen.panels_have_data, seen.annotations_have_moments, seen.runbooks_ask_for_what_exists,
        promtool_finds_nothing_in_a_scrape, the_alerts_of_this_state_are_on_and_no_others, so_are_those_of_what_is_gone]


def main(binary, before):
    written = Written(ROOT)
    for check in STATIC:
        holds(check, written)
    with Stage(binary, RULES) as stage, Traffic(list(stage.replicas.values())[:3]):
        for check in LIVE:
            holds(check, stage, written)
    print(f"{before + len(STATIC) + len(LIVE)} passed, 0 failed")


if __name__ == "__main__":
    # So that a job that is stopped takes down what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except NotHeld as fault:
        print(f"tests/rules/run: {fault}", file=sys.stderr)
        sys.exit(1)
