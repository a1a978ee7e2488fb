"""Who is refused and who is spared, asked of every replica at every stage of a rollout.

Called by `run`; each function is one check, its first line the sentence that it holds. `Plan` knows by
itself what docs/rollout.md promises, so that three replicas that are wrong together are found too.
"""

import hashlib
import hmac
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

import clients
from fleet import LEGACY
from world import hold

HOUR = 3600
# The schedules of this file begin at a whole day, so that no stage is far from a ticket's change of keys.
DAY = (int(time.time()) // 86400 + 30) * 86400
EXEMPT = ip_network("203.0.113.0/24")
SOME = [f"192.0.{n}.7" for n in range(40)] + [f"2001:db8:{n}::9" for n in range(8)] + ["203.0.113.7", "203.0.113.99"]


def stamp(second):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


class Plan:
    """A schedule, as a configuration and as what it means."""

    def __init__(self, cut, brownouts=(), ramp=(), exempt_until=None, salt="fleet-2027"):
        self.cut, self.brownouts, self.ramp, self.salt = cut, brownouts, ramp, salt
        self.exempt_until = exempt_until

    def keys(self):
        brownouts = ", ".join(
            f'{{ from = {stamp(a)}, lasts = "{b - a}s", percent = {p} }}' for a, b, p in self.brownouts)
        ramp = ", ".join(f"{{ at = {stamp(at)}, percent = {p} }}" for at, p in self.ramp)
        return f'salt = "{self.salt}"\nbrownouts = [{brownouts}]\nramp = [{ramp}]\ncut = {stamp(self.cut)}\n'

    def text(self):
        exemption = ""
        if self.exempt_until:
            exemption = (f'[[rollout.exemptions]]\nclients = ["{EXEMPT}"]\nowner = "acme"\nreason = "contract"\n'
                         f"expires = {stamp(self.exempt_until)}\n")
        return (f'[rollout]\nlegacy = "{LEGACY}:443"\n{self.keys()}{exemption}'
                f'[plain_http.rollout]\nto = "redirect"\n{self.keys()}')

    def percent(self, now):
        """(share, whether it is for good) at a time."""
        if now >= self.cut:
            return 100, True
        ramp = max([p for at, p in self.ramp if at <= now], default=0)
        return max([ramp] + [p for a, b, p in self.brownouts if a <= now < b]), False

    def place(self, client):
        """HMAC-SHA256 of the network, /24 or /48, by the salt; see docs/fleet.md."""
        bits = 24 if client.version == 4 else 48
        network = ip_network(f"{client}/{bits}", strict=False).network_address.packed
        tag = hmac.new(self.salt.encode(), network + bytes([bits]), hashlib.sha256).digest()
        return int.from_bytes(tag[:8], "big") * 10_000 >> 64

    def refuses(self, client, now):
        percent, _ = self.percent(now)
        return self.place(client) < percent * 100

    def old(self, client, now):
        """The lane of a client below the floor."""
        client = ip_address(client)
        if self.exempt_until and client in EXEMPT and now < self.exempt_until:
            return "legacy"
        return "refuse" if self.refuses(client, now) else "legacy"

    def plain(self, client, now):
        """The answer to a request in clear."""
        if not self.refuses(ip_address(client), now):
            return 200
        return 301 if self.percent(now)[1] else 403


def ask_all(fleet, some, ask):
    """For each replica what it answers to each of these clients."""
    with ThreadPoolExecutor(8) as pool:
        return [list(pool.map(lambda one, host=replica.host: ask(host, one), some)) for replica in fleet.replicas]


def agreed(fleet, plan, now, what):
    """All replicas do the same with each client, and what the plan says; how many were refused."""
    lanes = ask_all(fleet, SOME, clients.old_lane)
    plain = ask_all(fleet, SOME, clients.plain_lane)
    for name, answers, expected in [("TLS 1.0", lanes, plan.old), ("in clear", plain, plan.plain)]:
        for replica, its in zip(fleet.replicas, answers):
            wrong = [(c, got, expected(c, now)) for c, got in zip(SOME, its) if got != expected(c, now)]
            hold(not wrong, f"{what}, {name}: {replica.name} does with each client what all do: {wrong[:3]}")
    return {client for client, lane in zip(SOME, lanes[0]) if lane == "refuse"}


def every_stage(fleet):
    """a client gets the same lane on all replicas in every stage, the one that the schedule says"""
    plan = Plan(cut=DAY + 100 * HOUR, exempt_until=DAY + 110 * HOUR,
                brownouts=[(DAY, DAY + HOUR, 100), (DAY + 10 * HOUR, DAY + 11 * HOUR, 30)],
                ramp=[(DAY + 20 * HOUR, 5), (DAY + 40 * HOUR, 25), (DAY + 60 * HOUR, 50)])
    fleet.fresh(fleet.config(plan.text()))
    refused = {}
    for what, hour in [("observe", -1), ("brownout", 0), ("between", 1), ("a share's brownout", 10), ("ramp 5", 20),
                       ("ramp 25", 40), ("ramp 50", 60), ("cut", 100), ("an exemption's end", 110)]:
        fleet.show(DAY + hour * HOUR)
        refused[what] = agreed(fleet, plan, DAY + hour * HOUR, what)
    sizes = {what: len(them) for what, them in refused.items()}
    hold(sizes["observe"] == sizes["between"] == 0 and sizes["brownout"] == sizes["cut"] == len(SOME) - 2
         and sizes["an exemption's end"] == len(SOME), f"each stage refuses as many as it says: {sizes}")
    hold(refused["ramp 5"] <= refused["ramp 25"] < refused["ramp 50"] < refused["cut"] and refused["ramp 25"],
         f"a share that grows keeps everybody: {sizes}")
    never_served(fleet)
    return f"{len(SOME)} clients, {sizes}"


def never_served(fleet):
    served = fleet.sum('tlsfloor_handshakes_total{version="1.0"') + fleet.sum('tlsfloor_handshakes_total{version="1.1"')
    samples = [pair for replica in fleet.replicas for pair in replica.metrics().items()]
    passed = sum(value for name, value in samples if name.startswith("tlsfloor_client_hellos_total{")
                 and 'verdict="fail"' in name and 'lane="serve"' in name)
    hold(served == passed == 0, "nobody below the floor is served")


def skewed_clocks(fleet):
    """with clocks 30 s apart a lane differs only within 30 s of a boundary, and tickets resume all the same"""
    # The cut is at a whole day, where tickets also change their key: both at once.
    plan = Plan(cut=DAY)
    fleet.fresh(fleet.config(plan.text()))
    skews = [0, 15, -15]
    tls = [clients.context(fleet.ca, version, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    resumed = 0
    for ahead in [-31, -16, -14, -1, 0, 14, 15, 16, 31]:
        for replica, skew in zip(fleet.replicas, skews):
            replica.show(DAY + ahead + skew)
        lanes = ask_all(fleet, SOME[:6], clients.old_lane)
        expected = [[plan.old(c, DAY + ahead + skew) for c in SOME[:6]] for skew in skews]
        hold(lanes == expected, f"{ahead} s from the cut each replica goes by its own clock: {lanes}")
        apart = any(lanes[0] != other for other in lanes)
        hold(apart == (-15 <= ahead < 15), f"{ahead} s from the cut the replicas {'disagree' if apart else 'agree'}")
        # From the one that is ahead to the one that is behind, and back.
        for one, other in [(1, 2), (2, 1)]:
            for its in tls:
                hosts = [(fleet.replicas[n].host, 8443) for n in (one, other)]
                session = clients.modern(hosts[0], its, "198.51.100.7")[2]
                again = clients.modern(hosts[1], its, "198.51.100.7", session)[1]
                hold(again, f"{ahead} s from the change of keys {its.maximum_version.name} resumes on r{other + 1}")
                resumed += again
    return f"{resumed} of {resumed} resumed"


STRICT = {"legacy": 0, "refuse": 1}


def rolled_configuration(fleet):
    """a configuration goes out replica by replica, and meanwhile nothing is looser than the older generation"""
    before, after = Plan(cut=DAY + 20 * HOUR, exempt_until=DAY + 50 * HOUR), Plan(
        cut=DAY + 10 * HOUR, ramp=[(DAY + 5 * HOUR, 50)], exempt_until=DAY + 50 * HOUR)
    fleet.fresh(fleet.config(before.text()))
    some = SOME[:12] + SOME[-2:]
    times = [DAY + hour * HOUR for hour in (1, 6, 11, 21)]
    has = dict.fromkeys(fleet.replicas, before)

    def look():
        for now in times:
            fleet.show(now)
            lanes = ask_all(fleet, some, clients.old_lane)
            for replica, its in zip(fleet.replicas, lanes):
                own = [has[replica].old(client, now) for client in some]
                hold(its == own, f"{replica.name} does what its own generation says, whole, at {stamp(now)}")
                older = [before.old(client, now) for client in some]
                looser = [c for c, got, was in zip(some, its, older) if STRICT[got] < STRICT[was]]
                hold(not looser, f"{replica.name} is not looser than the older generation at {stamp(now)}: {looser}")

    look()
    for replica in fleet.replicas:
        fleet.show(DAY)
        problem = replica.reload(fleet.config(after.text()))
        hold(problem is None, f"{replica.name} takes the new configuration: {problem}")
        hold(replica.metrics()["tlsfloor_config_generation"] == 2, f"{replica.name} shows its second generation")
        has[replica] = after
        look()
    back_is_refused(fleet, before, times[2])
    look()
    never_served(fleet)
    return f"{len(some)} clients, {len(times)} times, 5 mixtures"


def back_is_refused(fleet, before, now):
    """After the new cut the old file would let clients through again: no replica takes it."""
    fleet.show(now)
    for replica in fleet.replicas:
        problem = replica.reload(fleet.config(before.text()))
        hold(problem and "takes back a cut that is in force" in problem, f"{replica.name} takes no cut back: {problem}")
        shown = replica.metrics()
        hold(shown["tlsfloor_config_generation"] == 2 and shown["tlsfloor_config_last_reload_success"] == 0,
             f"{replica.name} stays on its generation and shows that the reload failed")


def rolled_floor(fleet):
    """a higher floor goes out replica by replica, and no session of the lower one gets in where it holds"""
    plan = Plan(cut=DAY)
    fleet.fresh(fleet.config(plan.text()))
    fleet.show(DAY + HOUR)
    both = clients.context(fleet.ca)
    only12 = clients.context(fleet.ca, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    sessions = [clients.modern((r.host, 8443), only12, "198.51.100.7")[2] for r in fleet.replicas]
    raised = set()
    for replica in fleet.replicas:
        hold(replica.reload(fleet.config(plan.text(), minimum="1.3")) is None, f"{replica.name} takes the new floor")
        raised.add(replica)
        for other in fleet.replicas:
            for session in [None, *sessions]:
                lane, again, _, _ = clients.modern((other.host, 8443), only12, "198.51.100.7", session)
                expected = ("refuse", False) if other in raised else ("serve", session is not None)
                hold((lane, again) == expected, f"TLS 1.2 at {other.name} after {len(raised)}: {lane}, {again}")
            hold(clients.modern((other.host, 8443), both, "198.51.100.7")[0] == "serve", "TLS 1.3 is served by both")
            hold(clients.old_lane(other.host, "198.51.100.7") == "refuse", "TLS 1.0 is refused by both")
    never_served(fleet)
    return f"{len(sessions)} sessions of TLS 1.2 opened no door"
