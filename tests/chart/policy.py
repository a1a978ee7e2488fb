"""What the NetworkPolicy lets in and out, worked out as a network plugin would.

A small reading of the API's own words: a connection passes if any rule has both its peer and its port;
a rule without peers has every peer; within one peer, namespace and pod selector hold together.
"""

import ipaddress

from chart import NAMESPACE, example, hold, merged, objects, one, values_file, workload

LABEL = "kubernetes.io/metadata.name"


def pod(namespace, **labels):
    return {"namespace": namespace, "labels": {key.replace("__", "/"): value for key, value in labels.items()}}


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def is_peer(peer, end):
    """Whether a peer of a rule is an end: a pod (as above) or an address."""
    if isinstance(end, str):
        block = peer.get("ipBlock")
        return bool(block) and ipaddress.ip_address(end) in ipaddress.ip_network(block["cidr"])
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        inside = selects(peer["namespaceSelector"], {LABEL: end["namespace"]})
    else:
        inside = end["namespace"] == NAMESPACE
    return inside and selects(peer.get("podSelector", {}), end["labels"])


def passes(rules, side, end, port, protocol="TCP", names=None):
    """`names` are the ports of the pod that is connected to, which a rule can name."""
    for rule in rules:
        ports = [((names or {}).get(one["port"], one["port"]), one["protocol"]) for one in rule["ports"]]
        peers = rule.get(side)
        if (port, protocol) in ports and (not peers or any(is_peer(peer, end) for peer in peers)):
            return True
    return False


PROMETHEUS = pod("monitoring", app="prometheus")
TEST = {"namespace": NAMESPACE, "labels": {
    "app.kubernetes.io/name": "tlsfloor", "app.kubernetes.io/instance": "tlsfloor",
    "app.kubernetes.io/component": "test"}}
DNS = {"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
LEGACY = {"namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": "legacy-nginx"}}


def ports_of(found):
    """The numbers of the proxies' ports by name, as a rule of their policy means them."""
    proxy = workload(found)["spec"]["template"]["spec"]["containers"][0]
    return {port["name"]: port["containerPort"] for port in proxy["ports"]}


def laid_over(changes, base="rollout"):
    return objects("Helm 3", values_file(merged(example(base), changes)))


def rules_of(changes, base="rollout"):
    found = laid_over(changes, base)
    spec = one(found, "NetworkPolicy")["spec"]
    hold(spec["policyTypes"] == ["Ingress", "Egress"], f"policyTypes are {spec['policyTypes']}")
    labels = workload(found)["spec"]["template"]["metadata"]["labels"]
    hold(selects(spec["podSelector"], labels), "the policy does not select the proxies")
    return spec["ingress"], spec["egress"]


def test_who_comes_in():
    incoming, _ = rules_of({})
    names = ports_of(laid_over({}))
    for port in (8443, 8080):
        hold(passes(incoming, "from", "198.51.100.7", port, names=names), f"a client does not reach {port}")
        hold(passes(incoming, "from", pod("prod"), port, names=names), f"a pod does not reach {port}")
    for end in (PROMETHEUS, TEST):
        hold(passes(incoming, "from", end, 9901, names=names), f"{end} does not reach the admin port")
    for end in ("198.51.100.7", pod("prod"), pod(NAMESPACE), LEGACY):
        hold(not passes(incoming, "from", end, 9901, names=names), f"{end} reaches the admin port")
    hold(not passes(incoming, "from", PROMETHEUS, 22, names=names), "another port is open")
    incoming, _ = rules_of({"networkPolicy": {"clients": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}})
    hold(passes(incoming, "from", "10.0.3.4", 8443, names=names), "the load balancer does not reach 8443")
    hold(not passes(incoming, "from", "198.51.100.7", 8443, names=names), "who is no client reaches 8443")


def test_old_pods_stay_open_while_ports_change():
    """The policy is one object: it has to be right for the pods before an upgrade and after it."""
    changes = {"ports": {"http": 0, "https": 9443, "admin": 9902}}
    incoming, _ = rules_of(changes)
    before, after = ports_of(laid_over({})), ports_of(laid_over(changes))
    for names, https, admin in [(before, 8443, 9901), (after, 9443, 9902)]:
        hold(passes(incoming, "from", "198.51.100.7", https, names=names), f"https is not open at {https}")
        hold(passes(incoming, "from", PROMETHEUS, admin, names=names), f"admin is not open at {admin}")
    hold(not passes(incoming, "from", "198.51.100.7", 8080, names=after), "a plain port that is off is open")


def test_who_is_reached():
    _, outgoing = rules_of({})
    for protocol in ("TCP", "UDP"):
        hold(passes(outgoing, "to", DNS, 53, protocol), f"DNS over {protocol} is not reached")
        hold(not passes(outgoing, "to", "1.1.1.1", 53, protocol), "a foreign DNS server is reached")
    hold(passes(outgoing, "to", pod("prod"), 8080), "the API servers are not reached")
    hold(passes(outgoing, "to", LEGACY, 8443), "today's terminator is not reached")
    for end, port in [(pod("prod"), 5432), ("198.51.100.7", 443), ("169.254.169.254", 80), (PROMETHEUS, 8080),
                      (pod(NAMESPACE), 8443), (LEGACY, 8080), (pod("prod"), 4318), (DNS, 8080)]:
        hold(not passes(outgoing, "to", end, port), f"{end} is reached at {port}")
    hold(not passes(outgoing, "to", pod("prod"), 8080, "UDP"), "the API servers are reached over UDP")


def test_the_collector_is_reached_with_traces():
    _, outgoing = rules_of({}, base="production")
    hold(passes(outgoing, "to", pod("monitoring"), 4318), "the collector is not reached")
    hold(not passes(outgoing, "to", pod("monitoring"), 9090), "more of the collector's namespace is reached")


def test_the_test_asks_the_admin_port_and_nothing_else():
    found = objects("Helm 3", values_file(example("minimal")))
    spec = one(found, "NetworkPolicy", "-test")["spec"]
    proxy = {"namespace": NAMESPACE, "labels": workload(found)["spec"]["template"]["metadata"]["labels"]}
    hold(passes(spec["egress"], "to", proxy, 9901) and passes(spec["egress"], "to", DNS, 53, "UDP"),
         "the test's pod does not reach the admin port by its name")
    hold(not passes(spec["egress"], "to", proxy, 8443) and not passes(spec["egress"], "to", pod("prod"), 9901),
         "the test's pod reaches more than the admin port")
    hold("ingress" not in spec and "Ingress" in spec["policyTypes"], "the test's pod can be reached")


def test_no_rule_is_wider_than_it_looks():
    """An empty list of peers is everybody: only clients may be that."""
    for base in ("minimal", "production", "rollout", "daemonset", "ingress-controller"):
        incoming, outgoing = rules_of({}, base)
        for rule in outgoing:
            hold(rule["to"] and rule["ports"], f"values-{base}.yaml reaches everybody by {rule}")
        for rule in incoming[1:]:
            hold(rule["from"] and all(peer for peer in rule["from"]), f"values-{base}.yaml lets all in by {rule}")


TESTS = [test_who_comes_in, test_old_pods_stay_open_while_ports_change, test_who_is_reached,
         test_the_collector_is_reached_with_traces, test_the_test_asks_the_admin_port_and_nothing_else,
         test_no_rule_is_wider_than_it_looks]
