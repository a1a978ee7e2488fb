"""Replicas that end: restarted one by one under load, killed, and sessions that outlive them.

Called by `run`; each function is one check, its first line the sentence that it holds.
"""

import signal
import ssl
import threading
import time

import clients
from fleet import OBSERVE, REPLICAS
from load import Load
from world import HOME, hold, until

SESSIONS = 60


def rolling_restart(fleet):
    """a rolling restart under load loses 0 requests, and all of its connections are in the report"""
    fleet.fresh(fleet.config(OBSERVE))
    with Load(fleet) as load:
        for replica in fleet.replicas:
            before = load.total
            replica.stop()
            hold(load.total > before, f"requests are answered while {replica.name} drains")
            replica.start()
            until(f"{replica.name} is ready again", replica.ready)
            until("the balancer has all in rotation", lambda: fleet.in_rotation(REPLICAS))
            load.moves_on()
    hold(load.lost == [], f"no request is lost: {load.lost[:5]} of {len(load.lost)}, {load.total} were answered")
    for replica in fleet.replicas:
        done = [event["cut"] for event in replica.events("drain") if event["step"] == "done"]
        hold(done == [0], f"{replica.name} has drained once and cut nothing, not {done}")
    fleet.stop()
    told = fleet.report()
    hold(told["connections"] == clients.made.all and told["below"] == clients.made.old,
         f"the report has {clients.made.all} connections, {clients.made.old} below the floor, not "
         f"{told['connections']} and {told['below']}")
    return f"{load.total} requests, {clients.made.all} connections"


def resumption(fleet):
    """a session made by one replica is resumed by each other one, straight and through the balancer"""
    fleet.fresh(fleet.config(OBSERVE))
    said = []
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        tls = clients.context(fleet.ca, version, version)
        straight = [resumes(tls, (one.host, 8443), (other.host, 8443), "198.51.100.7")
                    for one in fleet.replicas for other in fleet.replicas if one is not other
                    for _ in range(SESSIONS // 12)]
        hold(all(straight), f"{version.name}: each session is taken up by another replica: {straight}")
        resumed, replicas, session = 0, set(), None
        for _ in range(SESSIONS + 1):
            _, again, session, body = clients.modern(fleet.front, tls, session=session)
            resumed += again
            replicas.add(clients.replica_of(body))
        hold(len(replicas) == 3, "the balancer sends the client to all replicas in turn")
        hold(resumed > 0.95 * SESSIONS, f"{version.name}: over 95 % resume through the balancer: {resumed} of {SESSIONS}")
        said.append(f"{version.name} {len(straight)}/{len(straight)} and {resumed}/{SESSIONS}")
    unknown = fleet.sum('tlsfloor_tickets_total{result="unknown_key"}')
    hold(unknown == 0, f"no replica met a ticket that it has no key for, not {unknown}")
    return ", ".join(said)


def resumes(tls, one, other, client):
    _, again, session, _ = clients.modern(one, tls, client)
    hold(session is not None and not again, "a first connection makes a session")
    return clients.modern(other, tls, client, session)[1]


def sigkill(fleet):
    """SIGKILL of a replica loses what was in flight on it and nothing else, and it comes back"""
    fleet.fresh(fleet.config(OBSERVE))
    victim = fleet.replicas[1]
    held = Held(fleet)
    with Load(fleet) as load:
        victim.stop(signal.SIGKILL)
        end = time.time()
        until("the balancer has taken it out", lambda: fleet.in_rotation(set(REPLICAS) - {victim.name}))
        load.moves_on()
        settled = len(load.lost)
        load.moves_on()
        hold(len(load.lost) == settled, f"nothing is lost once it is out of rotation: {load.lost[settled:]}")
        lost, on_it = held.let_go(), held.on(victim)
        hold(lost == on_it and on_it, f"of those that are held those on {victim.name} are lost: {lost}, {on_it}")
        victim.start()
        fleet.settled()
        load.moves_on()
    proven(fleet, load, victim, end)
    hold(len(load.lost) == settled, "nothing is lost when it comes back")
    return f"{len(lost)} of {len(held.threads)} held and {len(load.lost)} of {load.total} short ones were in flight on it"


def proven(fleet, load, victim, end):
    """Each request that was lost was, by the balancer's log, on a connection to the victim from before its end."""
    losers = {client for _, client, _ in load.lost}
    until(f"the balancer's log has all of {load.lost}", lambda: losers <= fleet.balancer().keys())
    sent = fleet.balancer()
    strays = [(lost, sent[lost[1]], end) for lost in load.lost
              if sent[lost[1]][0] != victim.name or sent[lost[1]][1] > end]
    hold(strays == [], f"every request that is lost was in flight on {victim.name}: {strays}")


class Held:
    """Requests that API servers hold, each on a connection of its own: three at the least on each replica."""

    def __init__(self, fleet):
        self.fleet, self.lost, self.threads = fleet, set(), {}
        fleet.apis.hold_again()
        # A replica that has just come back may have to wait for its turn.
        while min(len(self.on(replica)) for replica in fleet.replicas) < 3:
            path = f"/slow/{len(self.threads)}"
            self.threads[path] = threading.Thread(target=self.ask, args=(path,), daemon=True)
            self.threads[path].start()
            until("an API server holds the request", lambda path=path: path in fleet.apis.held)

    def ask(self, path):
        try:
            with clients.Connection(self.fleet.front, clients.context(self.fleet.ca), HOME) as connection:
                if connection.ask(path)[0] != 200:
                    self.lost.add(path)
        except (OSError, clients.Lost):
            self.lost.add(path)

    def on(self, replica):
        return {path for path, host in self.fleet.apis.held.items() if host == replica.host}

    def let_go(self):
        """Has the API servers answer, and gives those that came to nothing."""
        self.fleet.apis.let_go()
        for thread in self.threads.values():
            thread.join(clients.TIMEOUT)
        return self.lost
