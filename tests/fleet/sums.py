"""What the fleet has counted: metrics, census and report against the connections that were made.

Called by `run`; each function is one check, its first line the sentence that it holds.
"""

import ssl
from collections import Counter

import clients
from lanes import DAY, HOUR, Plan
from world import CLIENTS, hold, until

GOOD, OLD = 30, 40


def add_up(fleet):
    """census, metrics and report of all replicas add up to the connections made, client by client"""
    plan = Plan(cut=DAY, exempt_until=DAY + 50 * HOUR)
    fleet.fresh(fleet.config(plan.text()))
    made = make_connections(fleet)
    hellos = 'tlsfloor_client_hellos_total{'
    hold(fleet.sum(hellos) == clients.made.all, f"the metrics of all replicas add up to {clients.made.all}")
    hold(fleet.sum(hellos + 'offered="1.0",verdict="fail",reason="version",lane="legacy"') == OLD + 20
         and fleet.sum(hellos + 'offered="1.0",verdict="fail",reason="version",lane="refuse"') == OLD + 10,
         "and lane by lane, too")
    each = [sum(v for name, v in r.metrics().items() if name.startswith(hellos)) for r in fleet.replicas]
    hold(all(each), f"each replica has its part: {each}")
    fleet.stop()
    told = fleet.report()
    hold(told["connections"] == clients.made.all, f"the report has {clients.made.all}, not {told['connections']}")
    hold(told["below"] == clients.made.old, f"{clients.made.old} of them below the floor, not {told['below']}")
    who = {line["who"]: line["connections"] for line in told["who"]}
    hold(who == made, f"and each client as often as it came: {who}, {made}")
    lanes = {lane["name"]: lane["connections"] for lane in told["lanes"] if lane["connections"]}
    hold(lanes == {"legacy": OLD + 20, "refuse": OLD + 10}, f"by lane: {lanes}")
    return f"{clients.made.all} connections, {each} by replica, {len(made)} clients below the floor"


def make_connections(fleet):
    """Good and old clients, before the cut and after it; how often each old one came."""
    made, tls = Counter(), clients.context(fleet.ca)
    old = clients.context(fleet.ca, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
    fleet.show(DAY - HOUR)
    for number in range(GOOD):
        lane = clients.modern(fleet.front, tls, source=CLIENTS.format(100 + number % 5))[0]
        hold(lane == "serve", "a good one is served")
    for number in range(OLD):
        source = CLIENTS.format(110 + number % 4)
        lane, _, _, body = clients.modern(fleet.front, old, source=source)
        hold((lane, body) == ("legacy", f"legacy {source}".encode()), f"the old terminator knows who it is: {body}")
        made[source] += 1
    fleet.show(DAY + HOUR)
    for number in range(OLD):
        source = CLIENTS.format(110 + number % 4)
        hold(clients.modern(fleet.front, old, source=source)[0] == "refuse", "after the cut it is refused")
        made[source] += 1
    for number, client in enumerate(["203.0.113.7", "198.51.100.9", "203.0.113.7"] * 10):
        lane = clients.old_lane(fleet.replicas[number % 3].host, client)
        hold(lane == plan_of(client), f"{client}: {lane}")
        made[client] += 1
    until("all hellos are counted", lambda: fleet.sum("tlsfloor_client_hellos_total{") >= clients.made.all)
    return dict(made)


def plan_of(client):
    return "legacy" if client.startswith("203.0.113.") else "refuse"
