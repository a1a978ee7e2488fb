"""Networks that break and heal: an API server out of one replica's reach, a replica out of everybody's.

Called by `run`; each function is one check, its first line the sentence that it holds. What is cut says
nothing: packets vanish, as with a broken cable, and only time tells.
"""

import ssl
import time

import clients
from fleet import APIS, OBSERVE, REPLICAS
from lanes import DAY, HOUR, SOME, Plan, ask_all
from load import Load
from restarts import Held, proven
from world import hold, until


def one_upstream(fleet):
    """an API server that one replica cannot reach costs no request, nothing elsewhere, and comes back"""
    fleet.fresh(fleet.config(OBSERVE))
    near, far = fleet.replicas[0], APIS[0]
    others = fleet.replicas[1:]
    with Load(fleet, ("kept", "single", "h2")) as load:
        fleet.world.cut_off(near.name, far)
        until(f"{near.name} sees that it is down", lambda: near.servers()[0] == "down")
        fleet.apis.asked.clear()
        load.moves_on(60)
        asked = dict(fleet.apis.asked)
        hold((far, near.host) not in asked, f"{near.name} sends nothing there while it is down")
        hold(all(asked.get((api, near.host)) for api in APIS[1:]), f"{near.name} goes on with the two others: {asked}")
        for other in others:
            hold(other.servers() == ["up"] * 3, f"{other.name} sees all three up")
            hold(asked.get((far, other.host)), f"{other.name} asks it as before: {asked}")
        fleet.world.join_again(near.name, far)
        until(f"{near.name} sees that it is up again", lambda: near.servers() == ["up"] * 3)
        until(f"{near.name} sends requests there again", lambda: fleet.apis.asked[far, near.host] > 0)
    hold(load.lost == [], f"no request is lost: {load.lost[:5]} of {len(load.lost)}")
    return f"{load.total} requests"


def one_replica(fleet):
    """a replica without a network loses what was in flight on it, keeps time, and is one of all when it is back"""
    plan = Plan(cut=DAY)
    fleet.fresh(fleet.config(plan.text()))
    fleet.show(DAY - HOUR)
    lonely, rest = fleet.replicas[2], fleet.replicas[:2]
    tls = [clients.context(fleet.ca, v, v) for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    held = Held(fleet)
    with Load(fleet, ("kept", "single", "h2")) as load:
        fleet.world.unplug(lonely.name)
        end = time.time()
        until("the balancer has taken it out", lambda: fleet.in_rotation(r.name for r in rest))
        lost, on_it = held.let_go(), held.on(lonely)
        hold(lost == on_it and on_it, f"of those that are held those on {lonely.name} are lost: {lost}, {on_it}")
        load.moves_on()
        settled = len(load.lost)
        # Meanwhile the cut comes, and the others make sessions.
        fleet.show(DAY + HOUR)
        hold(all(clients.old_lane(r.host, SOME[0]) == "refuse" for r in rest), "the others cut")
        sessions = [clients.modern((rest[0].host, 8443), its, "198.51.100.7")[2] for its in tls]
        load.moves_on()
        fleet.world.plug_in_again(lonely.name)
        fleet.settled()
        load.moves_on()
    hold(len(load.lost) == settled, f"nothing is lost before or after: {load.lost[settled:]}")
    proven(fleet, load, lonely, end)
    lanes = ask_all(fleet, SOME, clients.old_lane)
    expected = [plan.old(client, DAY + HOUR) for client in SOME]
    hold(lanes == [expected] * 3, "all have cut, the lonely one too")
    for its, session in zip(tls, sessions):
        hold(clients.modern((lonely.host, 8443), its, "198.51.100.7", session)[1], "it takes up the others' sessions")
    fleet.apis.asked.clear()
    until("clients come to all three", lambda: clients.modern(fleet.front, tls[1]) and
          {replica for _, replica in fleet.apis.asked} == set(REPLICAS.values()))
    return f"{len(lost)} of {len(held.threads)} held and {len(load.lost)} of {load.total} short ones were in flight on it"
