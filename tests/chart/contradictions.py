"""Values that contradict each other: each fails when rendered, with a sentence, in both Helms.

A case is an example, what is laid over it, and a piece of the sentence. None of them may bring another
sentence with it: the rest of the example is right.
"""

from chart import GONE, HELMS, attempt, example, hold, merged, values_file

PEER = [{"to": [{"podSelector": {}}], "ports": [8443]}]
LEGACY = {"config": {"rollout": {"legacy": "a:1"}}, "networkPolicy": {"egress": {"legacy": PEER}}}


def rollout(**stages):
    return {"config": {"rollout": stages}}


CASES = [
    # Where the configuration comes from.
    ({"config": GONE}, "config is empty"),
    ({"config": {"upstreams": GONE, "log": {}}}, "config.upstreams is empty"),
    ({"configText": "[tls]"}, "config and configText are given"),
    ({"existingConfigMap": "a", "config": GONE, "files": {"a": "b"}}, "files are given with existingConfigMap"),
    ({"files": {"tlsfloor.toml": ""}}, "files has tlsfloor.toml"),
    ({"extraArgs": ["-c", "/x"]}, "extraArgs has -c"), ({"extraArgs": ["-c/x"]}, "extraArgs has -c/x"),
    ({"extraArgs": ["--config", "/x"]}, "extraArgs has --config"),
    ({"extraArgs": ["--config=/x"]}, "extraArgs has --config=/x"),
    # Secrets.
    ({"admin": {"tokenSecretName": ""}}, "kubectl -n tlsfloor create secret generic tlsfloor-admin"),
    ({"tickets": {"secretName": ""}}, "kubectl -n tlsfloor create secret generic tlsfloor-tickets"),
    ({"certificates": []}, "create secret tls api-tls"),
    ({"secrets": [{"name": "api", "secretName": "a", "keys": ["b"]}]}, "api is there twice"),
    ({"secrets": [{"name": "admin", "secretName": "a", "keys": ["b"]}]}, "the chart has it itself"),
    ({"config": {"tls": {"ticket_secret": "/secrets/t/key"}}}, "tls.ticket_secret is /secrets/t/key, which nothing"),
    ({"config": {"listen": {"admin_token": "/secrets/a"}}}, "config.listen.admin_token is /secrets/a, which nothing"),
    ({"config": {"tls": {"certificates": [{"chain": "/secrets/api/tls.crt", "key": "/secrets/api/key"}]}}},
     "config.tls.certificates[0].key is /secrets/api/key, which nothing mounts"),
    # The end of a pod.
    ({"terminationGracePeriodSeconds": 49}, "terminationGracePeriodSeconds is 49, but a drain takes up to 50"),
    ({"terminationGracePeriodSeconds": 30, "config": {"drain": {"grace": "10m"}}}, "up to 630 seconds"),
    ({"terminationGracePeriodSeconds": 59, "preStopSleepSeconds": 10}, "up to 60 seconds"),
    ({"updateStrategy": {"maxSurge": "0%"}}, "are both 0"),
    ({"minReadySeconds": 600}, "progressDeadlineSeconds is 600, not above minReadySeconds, 600"),
    ({"metrics": {"scrape": "PodMonitor", "scrapeTimeout": "15001ms"}}, "metrics.scrapeTimeout is 15001ms, above"),
    # Replicas.
    ({"autoscaling": {"enabled": True, "min": 5, "max": 4}}, "autoscaling.min is 5, above autoscaling.max, 4"),
    ({"autoscaling": {"enabled": True, "cpu": 0}}, "enabled by no metric"),
    ({"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}}, "which is not there"),
    ({"kind": "DaemonSet", "config": {"fleet": {"replicas": 3}}, "autoscaling": {"enabled": True}},
     "autoscaling is enabled for a DaemonSet"),
    ({"kind": "DaemonSet"}, "config.fleet.replicas is not said"),
    ({"replicas": 1}, "podDisruptionBudget is enabled for one replica"),
    ({"autoscaling": {"enabled": True, "min": 1}}, "Set autoscaling.min=2"),
    ({"podDisruptionBudget": {"minAvailable": 1}}, "has maxUnavailable and minAvailable"),
    ({"podDisruptionBudget": {"maxUnavailable": ""}}, "has neither"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "could ever be drained"),
    ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, "could ever be drained"),
    ({"podDisruptionBudget": {"maxUnavailable": "", "minAvailable": 2}}, "minAvailable is 2 of 2 replicas"),
    ({"podDisruptionBudget": {"maxUnavailable": "", "minAvailable": "51%"}}, "minAvailable is 51% of 2 replicas"),
    # Memory.
    ({"config": {"limits": {"memory": "512MiB"}}}, "resources.limits.memory is 512Mi, not above"),
    ({"config": {"limits": {"memory": "1GiB"}}, "resources": {"limits": {"memory": "1G"}}}, "is 1G, not above"),
    ({"config": {"limits": {"memory": "512MiB"}}, "resources": {"limits": {"memory": "0.5Gi"}}}, "is 0.5Gi, not above"),
    ({"resources": {"requests": {"memory": "1.1e9"}, "limits": {"memory": "1G"}}}, "memory is 1.1e+09, above"),
    ({"resources": {"requests": {"memory": "1Gi"}}}, "above resources.limits.memory"),
    # Ports and the Service.
    *(({"ports": {"address": loopback}}, f"ports.address is {loopback}: neither Service nor probes")
      for loopback in ("127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]", "[0:0:0:0:0:0:0:1]",
                       "[::ffff:127.0.0.1]")),
    ({"ports": {"https": 443}}, "ports.https is 443, and a port below 1024"),
    ({"ports": {"http": 80}, "security": {"sysctls": [
        {"name": "net.ipv4.ip_unprivileged_port_start", "value": "81"}]}}, "ports.http is 80"),
    ({"ports": {"admin": 8443}}, "ports.admin is 8443, which is another one"),
    ({"config": {"listen": {"https": ["0.0.0.0:9443"]}}}, "config.listen.https has no address beyond loopback"),
    ({"config": {"listen": {"admin": "127.0.0.1:9901"}}}, "config.listen.admin has no address beyond loopback"),
    ({"service": {"ports": {"http": {"name": "https"}}}}, "are both https"),
    ({"service": {"ports": {"http": {"port": 443}}}}, "are both 443"),
    ({"service": {"type": "ClusterIP", "ports": {"http": {"nodePort": 30080}}}}, "which has none"),
    ({"service": {"type": "NodePort", "loadBalancerClass": "a"}}, "service.loadBalancerClass is given"),
    ({"service": {"externalTrafficPolicy": "Cluster", "healthCheckNodePort": 32000}}, "healthCheckNodePort is given"),
    ({"service": {"ipFamilies": ["IPv6"]}}, "service.ipFamilies is IPv6 alone and ports.address is 0.0.0.0"),
    ({"service": {"ipFamilies": ["IPv4"]}, "ports": {"address": "[::]"}}, "service.ipFamilies is IPv4 alone"),
    # Labels.
    ({"podLabels": {"app.kubernetes.io/name": "a"}}, "podLabels has app.kubernetes.io/name"),
    ({"commonLabels": {"app.kubernetes.io/instance": "a"}}, "commonLabels has app.kubernetes.io/instance"),
    ({"service": {"labels": {"app.kubernetes.io/component": "a"}}}, "service.labels has app.kubernetes.io/component"),
    ({"service": {"clusterIP": "None"}}, "service.clusterIP is None for a Service of type LoadBalancer"),
    ({"service": {"ports": {"https": {"nodePort": 30443}, "http": {"nodePort": 30443}}}}, "nodePort is 30443, which"),
    ({"service": {"healthCheckNodePort": 30443, "ports": {"http": {"nodePort": 30443}}}}, "is 30443, which is another"),
    ({"config": {"listen": {"http": []}}}, "config.listen.http has no address beyond loopback with port 8080"),
    # The PROXY protocol.
    ({"proxyProtocol": {"enabled": True, "from": ["10.0.0.0/8"]}, "config": {"listen": {"proxy_protocol_from": []}}},
     "config.listen.proxy_protocol_from is empty"),
    ({"proxyProtocol": {"enabled": True}}, "proxyProtocol.enabled without proxyProtocol.from"),
    ({"proxyProtocol": {"enabled": True, "from": ["10.0.0.0/8"], "provider": "aws"},
      "service": {"type": "NodePort"}}, "only a load balancer reads that annotation"),
    ({"service": {"annotations": {"service.beta.kubernetes.io/aws-load-balancer-proxy-protocol": "*"}}},
     "proxyProtocol: { enabled: true, provider: aws"),
    # The network policy.
    ({"networkPolicy": {"egress": {"upstreams": []}}}, "networkPolicy.egress.upstreams is empty"),
    (rollout(legacy="a:1"), "networkPolicy.egress.legacy is empty"),
    ({"networkPolicy": {"egress": {"legacy": PEER}}}, "given without config.rollout.legacy"),
    ({"config": {"traces": {"endpoint": "http://a:4318"}}}, "networkPolicy.egress.collector is empty"),
    ({"metrics": {"scrape": "PodMonitor"}, "networkPolicy": {"monitoring": []}}, "nobody could scrape"),
    # The rollout.
    (rollout(cut="2027-03-01T09:00:00Z"), "config.rollout.cut is given without config.rollout.legacy"),
    (rollout(ramp=[{"at": "2027-03-01T09:00:00Z", "percent": 5}], salt="a"), "config.rollout.ramp is given"),
    (rollout(brownouts=[{"from": "2027-03-01T09:00:00Z", "lasts": "1h"}]), "config.rollout.brownouts is given"),
    (merged(LEGACY, rollout(ramp=[{"at": "2027-03-01T09:00:00Z", "percent": 5}])), "config.rollout refuses a share"),
    ({"config": {"plain_http": {"action": "forward", "rollout": {"to": "refuse", "brownouts": [
        {"from": "2027-03-01T09:00:00Z", "lasts": "1h", "percent": 5}]}}}}, "config.plain_http.rollout refuses"),
]

# The same of a text, which is read as TOML: what is replaced in values-config-text.yaml, by what, and what
# else changes.
TEXT = [
    ("[listen]", "[listen", {}, "configText is no TOML"),
    ("[[upstreams]]", "[[routes]]", {}, "configText: upstreams is empty"),
    ("[drain]", "[drain]", {"terminationGracePeriodSeconds": 59}, "a drain takes up to 60 seconds"),
    ('grace = "30s"', 'grace = "10m"', {"terminationGracePeriodSeconds": 60}, "a drain takes up to 630 seconds"),
    ("admin_token =", "# admin_token =", {}, "configText: listen.admin_token is not said"),
    ("admin =", "# admin =", {}, "configText: listen.admin has no address beyond loopback with port 9901"),
    ("https = [", "# https = [", {"ports": {"https": 9443}}, "configText: listen.https has no address beyond"),
    (':8080"]\nadmin', ':8081"]\nadmin', {}, "configText: listen.http has no address beyond loopback"),
    ("ticket_secret =", "# ticket_secret =", {}, "configText: tls.ticket_secret is not said"),
    ("[tls]", '[rollout]\nlegacy = "a:1"\n[tls]', {}, "configText: rollout.legacy is given and networkPolicy"),
    ("[tls]", "[tls]", {"networkPolicy": {"egress": {"legacy": PEER}}}, "given without configText: rollout.legacy"),
    ("[tls]", "[rollout]\ncut = 2027-03-01T09:00:00Z\n[tls]", {}, "configText: rollout.cut is given without"),
    ("[tls]", '[traces]\nendpoint = "http://a:4318"\n[tls]', {}, "configText: traces is given"),
    ("[tls]", '[limits]\nmemory = "1GiB"\n[tls]', {}, "not above configText: limits.memory, 1GiB"),
    ("[fleet]\nreplicas = 2", "", {"kind": "DaemonSet"}, "configText: fleet.replicas is not said"),
    ("[tls]", "[tls]", {"proxyProtocol": {"enabled": True, "from": ["10.0.0.0/8"]}},
     "configText: listen.proxy_protocol_from is empty"),
]

# Fields that a Kubernetes does not know yet: the version, the change, the sentence.
VERSIONS = [
    ("1.29.0", {"preStopSleepSeconds": 5}, "preStopSleepSeconds needs Kubernetes 1.30, this is v1.29.0"),
    ("1.24.0", {"security": {"hostUsers": False}}, "needs Kubernetes 1.25"),
    ("1.30.0", {"service": {"trafficDistribution": "PreferClose"}}, "needs Kubernetes 1.31"),
]

# What one value alone can say wrong: the schema's part, in Helm's own words.
SCHEMA = [
    ({"security": {"runAsUser": 0}}, "runAsUser"), ({"security": {"runAsUser": -5}}, "runAsUser"),
    ({"service": {"ports": {"https": {"name": "HTTPS"}}}}, "name"), ({"replicaCount": 3}, "replicaCount"),
    ({"service": {"typ": "NodePort"}}, "typ"), ({"image": {"digest": "latest"}}, "digest"),
    ({"resources": {"limits": {"cpus": 1}}}, "cpus"), ({"kind": "StatefulSet"}, "kind"),
    ({"security": {"capabilities": ["SYS_ADMIN"]}}, "capabilities"), ({"drain": {"grace": 20}}, "grace"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": "/a", "subPath": "b"}]}, "subPath"),
    ({"networkPolicy": {"egress": {"dns": [{"to": [], "ports": [53]}]}}}, "dns"),
    ({"certificates": [{"name": "../a", "secretName": "b"}]}, "certificates"),
    ({"metrics": {"scrape": "both"}}, "scrape"), ({"config": None}, "config"), ({"service": None}, "service"), ({"proxyProtocol": {"provider": "cloud"}}, "provider"),
]


def refused(helm, changes, version="1.37.0"):
    done = attempt(helm, values_file(merged(example("minimal"), changes)), version)
    hold(done.returncode != 0, f"{helm} renders {changes}")
    return done.stderr


def test_contradictions_fail_with_a_sentence():
    for helm in HELMS:
        for changes, sentence in CASES:
            said = refused(helm, changes)
            hold(sentence in said, f"{helm} on {changes} does not say '{sentence}' but: {said}")
            found = [line for line in said.splitlines() if line.startswith("  - ")]
            hold(len(found) == 1, f"{helm} on {changes} says {len(found)} things: {said}")


def test_a_text_that_contradicts_the_values_fails_too():
    base = example("config-text")
    for helm in HELMS:
        for before, after, changes, sentence in TEXT:
            text = base["configText"]
            hold(before in text, f"values-config-text.yaml does not have {before}")
            values = merged({**base, "configText": text.replace(before, after)}, changes)
            said = attempt(helm, values_file(values)).stderr
            hold(sentence in said, f"{helm} on {after} and {changes} does not say '{sentence}' but: {said}")
            found = [line for line in said.splitlines() if line.startswith("  - ")]
            hold(len(found) == 1, f"{helm} on {after} and {changes} says {len(found)} things: {said}")


def test_fields_of_later_versions_fail_with_a_sentence():
    for helm in HELMS:
        for version, changes, sentence in VERSIONS:
            said = refused(helm, changes, version)
            hold(sentence in said, f"{helm} on {changes} does not say '{sentence}' but: {said}")


def test_the_schema_refuses_the_rest():
    for helm in HELMS:
        for changes, place in SCHEMA:
            said = refused(helm, changes)
            hold("values don't meet the specifications of the schema" in said and place in said,
                 f"{helm} on {changes} does not name {place} but says: {said}")


def test_all_are_said_at_once():
    for helm in HELMS:
        done = attempt(helm, values_file({}))
        found = [line for line in done.stderr.splitlines() if line.startswith("  - ")]
        hold(len(found) == 5, f"{helm} on no values at all says {len(found)} things, not five: {done.stderr}")


def test_what_is_right_is_not_refused():
    """The other side of each border."""
    right = [
        {"service": {"ipFamilies": ["IPv6"]}, "ports": {"address": "[::]"}},
        {"service": {"ipFamilies": ["IPv4"]}}, {"service": {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "PreferDualStack"}},
        {"ports": {"address": "[::]"}}, {"ports": {"address": "12.7.0.1"}}, {"ports": {"address": "[2001:db8::1]"}},
        {"terminationGracePeriodSeconds": 50}, {"podDisruptionBudget": {"maxUnavailable": "1%"}},
        {"podDisruptionBudget": {"maxUnavailable": "", "minAvailable": "50%"}},
        {"config": {"limits": {"memory": "511MiB"}}}, {"autoscaling": {"enabled": True, "min": 4, "max": 4}},
        {"replicas": 1, "podDisruptionBudget": {"enabled": False}, "tickets": {"secretName": ""}},
        {"ports": {"https": 443}, "security": {"capabilities": ["NET_BIND_SERVICE"]}},
        {"ports": {"http": 81}, "security": {"sysctls": [
            {"name": "net.ipv4.ip_unprivileged_port_start", "value": "81"}]}},
        merged(LEGACY, rollout(ramp=[{"at": "2027-03-01T09:00:00Z", "percent": 5}], salt="a")),
        merged(LEGACY, rollout(brownouts=[{"from": "2027-03-01T09:00:00Z", "lasts": "1h"}])),
        {"podDisruptionBudget": {"maxUnavailable": None, "minAvailable": 1}},
        {"service": {"annotations": {"load-balancer.hetzner.cloud/uses-proxyprotocol": "false"}}},
        {"resources": {"limits": {"memory": "1e9"}}, "config": {"limits": {"memory": "953MiB"}}},
        {"resources": {"limits": {"memory": 1e9}, "requests": {"memory": "0.5Gi"}}}, {"minReadySeconds": 599},
        {"metrics": {"scrape": "PodMonitor", "scrapeTimeout": "15s"}},
        {"service": {"type": "ClusterIP", "clusterIP": "None"}},
        {"service": {"ports": {"https": {"nodePort": 30443}, "http": {"nodePort": 30080}}}},
        {"config": {"tls": {"ticket_secret": "/secrets/t/key"}}, "secrets": [
            {"name": "t", "secretName": "t", "keys": ["key"]}]},
        {"config": {"tls": {"ticket_secret": "/secrets/t/key"}}, "extraVolumeMounts": [
            {"name": "t", "mountPath": "/secrets/t"}]},
        {"config": {"listen": {"http": []}}, "ports": {"http": 0}},
        # Both steps to another port, as the README of the chart says.
        {"config": {"listen": {"https": ["0.0.0.0:8443", "0.0.0.0:9443"]}}},
        {"config": {"listen": {"https": ["0.0.0.0:8443", "0.0.0.0:9443"]}}, "ports": {"https": 9443}},
        {"preStopSleepSeconds": 5}, {"security": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
        {"networkPolicy": {"enabled": False, "egress": {"upstreams": []}}},
    ]
    for helm in HELMS:
        for changes in right:
            done = attempt(helm, values_file(merged(example("minimal"), changes)))
            hold(done.returncode == 0, f"{helm} refuses {changes}: {done.stderr}")


TESTS = [test_contradictions_fail_with_a_sentence, test_a_text_that_contradicts_the_values_fails_too,
         test_fields_of_later_versions_fail_with_a_sentence,
         test_the_schema_refuses_the_rest, test_all_are_said_at_once, test_what_is_right_is_not_refused]
