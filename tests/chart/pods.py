"""The pods and what points at them: numbers that have to agree, selectors that have to meet.

Each test renders an example with changes and looks at the objects; Helm 3 is enough, examples.py holds
that Helm 4 renders the same.
"""

import copy
import os

import yaml

from chart import CHART, EXAMPLES, HELMS, example, hold, merged, objects, one, run, values_file, workload
from chart import text as text_of


def rendered(changes, base="minimal", version="1.37.0"):
    return objects("Helm 3", values_file(merged(example(base), changes)), version)


def template(changes, base="minimal", version="1.37.0"):
    return workload(rendered(changes, base, version))["spec"]["template"]


def test_grace_is_worked_out_from_the_drain():
    for changes, seconds in [
        ({}, 50), ({"drain": {"delay": "1500ms", "grace": "1m", "linger": "0s"}}, 67),
        ({"config": {"drain": {"grace": "1h"}}}, 3630), ({"preStopSleepSeconds": 7}, 57),
        ({"terminationGracePeriodSeconds": 300}, 300),
    ]:
        found = template(changes)["spec"]["terminationGracePeriodSeconds"]
        hold(found == seconds, f"{changes} gives a grace of {found}, not {seconds}")
    text = example("config-text")["configText"]
    for before, after, seconds in [('grace = "30s"', 'grace = "1h"', 3630), ("[drain]", "[hsts]", 30)]:
        found = template({"configText": text.replace(before, after)}, "config-text")["spec"]
        found = found["terminationGracePeriodSeconds"]
        hold(found == seconds, f"a text with {after} for {before} gives a grace of {found}, not {seconds}")
    sleep = template({"preStopSleepSeconds": 7})["spec"]["containers"][0]["lifecycle"]
    hold(sleep == {"preStop": {"sleep": {"seconds": 7}}}, f"preStop is {sleep}")
    hold("lifecycle" not in template({})["spec"]["containers"][0], "there is a preStop by default")


def test_only_what_needs_a_restart_restarts():
    before = template({})
    for config in [{"tls": {"minimum": "1.3"}}, {"limits": {"connections": 5}}, {"log": {"access": True}},
                   {"drain": {"grace": "19s"}}]:
        after = template({"config": config, "terminationGracePeriodSeconds": 50})
        hold(after == before, f"config.{config} changes the pods, which reload it by themselves")
    collector = {"networkPolicy": {"egress": {"collector": [{"to": [{"podSelector": {}}], "ports": [4318]}]}}}
    for config in [{"listen": {"workers": 3}}, {"log": {"format": "text"}}, {"traces": {"endpoint": "http://a:4318"}}]:
        after = template(merged(collector, {"config": config}))
        hold(after["metadata"] != before["metadata"], f"config.{config} needs a restart and makes none")
    text = example("config-text")["configText"]
    before_text = template({}, "config-text")["metadata"]
    for word, restarts in [("workers = 2", True), ("workers = 1\n\nhalf_close = false", False)]:
        after = template({"configText": text.replace("workers = 1", word)}, "config-text")["metadata"]
        hold((after != before_text) == restarts, f"{word} in a text: restarts are not {restarts}")
    explicit = template({"config": {"log": {"format": "json"}, "listen": {"workers": 1}}})
    hold(explicit == before, "a default that is said restarts the pods")


def test_a_chart_of_another_version_restarts_nobody():
    labels = template({})["metadata"]["labels"]
    hold(set(labels) == {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")},
         f"pods have the labels {labels}")


def test_nobody_goes_before_the_next_is_ready():
    spec = workload(rendered({}))["spec"]
    hold(spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "25%"}, f"{spec['strategy']}")
    hold(spec["minReadySeconds"] > 0, "minReadySeconds is 0")
    hold(spec["replicas"] == 2, "replicas is not 2")
    hold("replicas" not in workload(rendered({"autoscaling": {"enabled": True}}))["spec"],
         "replicas is said beside an autoscaler, and each upgrade would set them back")
    spec = workload(rendered({}, "daemonset"))["spec"]
    hold(spec["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "25%"}, "a DaemonSet's update")
    spec = workload(rendered({}, "daemonset", "1.20.0"))["spec"]
    hold(spec["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1}, "a DaemonSet's update in 1.20")


def test_check_runs_first_on_the_same_files():
    spec = template({}, "production")["spec"]
    check, proxy = spec["initContainers"][0], spec["containers"][0]
    hold(check["args"] == ["check"] and proxy["args"] == ["run"], "the init container does not check")
    for key in ("image", "volumeMounts", "securityContext", "resources"):
        hold(check[key] == proxy[key], f"{key} of the init container is another")
    hold("initContainers" not in template({"checkInit": False})["spec"], "checkInit=false checks all the same")


def test_probes_ask_the_admin_port():
    proxy = template({"ports": {"admin": 9999}})["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in proxy["ports"]}
    hold(ports == {"https": 8443, "http": 8080, "admin": 9999}, f"the ports are {ports}")
    for probe, path in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
        asked = proxy[probe]["httpGet"]
        hold(asked == {"path": path, "port": "admin"}, f"{probe} asks {asked}")
    startup, liveness = proxy["startupProbe"], proxy["livenessProbe"]
    hold(startup["periodSeconds"] * startup["failureThreshold"] >= 60, "there is less than a minute to start")
    hold(liveness["periodSeconds"] * liveness["failureThreshold"] >= 60, "a minute of trouble kills a replica")


def test_spread_and_budget_by_version():
    for version, keys in [("1.37.0", ["pod-template-hash"]), ("1.27.0", ["pod-template-hash"]), ("1.26.0", None)]:
        spread = template({}, version=version)["spec"]["topologySpreadConstraints"]
        hold([one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
             f"pods are spread over {spread}")
        hold(all(one.get("matchLabelKeys") == keys for one in spread), f"matchLabelKeys in {version}: {spread}")
        budget = one(rendered({}, version=version), "PodDisruptionBudget")
        policy = budget["spec"].get("unhealthyPodEvictionPolicy")
        hold(policy == ("AlwaysAllow" if keys else None), f"unhealthyPodEvictionPolicy in {version} is {policy}")
        hold(budget["spec"]["maxUnavailable"] == 1, "the budget is not one pod")
    for version, api in [("1.21.0", "policy/v1"), ("1.20.0", "policy/v1beta1")]:
        hold(one(rendered({}, version=version), "PodDisruptionBudget")["apiVersion"] == api, f"{version}: not {api}")
    for version, api in [("1.23.0", "autoscaling/v2"), ("1.22.0", "autoscaling/v2beta2")]:
        scaler = one(rendered({"autoscaling": {"enabled": True}}, version=version), "HorizontalPodAutoscaler")
        hold(scaler["apiVersion"] == api, f"{version}: not {api}")


def test_the_service_by_version():
    said = {"internalTrafficPolicy": "Local", "loadBalancerClass": "c"}
    for version, there in [("1.22.0", True), ("1.21.0", False), ("1.20.0", False)]:
        spec = one(rendered({"service": said}, version=version), "Service")["spec"]
        hold(all((key in spec) == there for key in said), f"the Service in {version} is {spec}")
    budget = one(rendered({"podDisruptionBudget": {"maxUnavailable": None, "minAvailable": 1}}), "PodDisruptionBudget")
    hold(budget["spec"]["minAvailable"] == 1 and "maxUnavailable" not in budget["spec"], f"{budget['spec']}")


def test_the_autoscaler():
    spec = one(rendered({}, "production"), "HorizontalPodAutoscaler")["spec"]
    hold((spec["minReplicas"], spec["maxReplicas"]) == (3, 30), f"{spec}")
    hold([metric["type"] for metric in spec["metrics"]] == ["Resource", "Pods"], f"{spec['metrics']}")
    down = spec["behavior"]["scaleDown"]
    hold(down["stabilizationWindowSeconds"] >= 300 and down["policies"][0]["periodSeconds"] >= 120,
         f"replicas go fast, and connections live long: {down}")


def test_everything_selects_the_proxies_and_nothing_else():
    for values in EXAMPLES:
        found = objects("Helm 3", values)
        proxies = workload(found)["spec"]["template"]["metadata"]["labels"]
        test = one(found, "Pod", "-test")["metadata"]["labels"]
        own = one(found, "NetworkPolicy", "-test")
        its = own["spec"]["podSelector"]["matchLabels"].items()
        hold(its <= test.items() and not its <= proxies.items(), f"{values.name}: the test's policy is not the test's")
        selectors = {}
        for each in found:
            if each is own:
                continue
            spec = each.get("spec", {})
            selector = spec.get("podSelector", spec.get("selector"))
            if selector:
                selectors[f"{each['kind']} {each['metadata']['name']}"] = selector.get("matchLabels", selector)
        hold(len(selectors) >= 3, f"{values.name} has the selectors {selectors}")
        for name, labels in selectors.items():
            hold(labels.items() <= proxies.items(), f"{values.name}: {name} does not select the proxies")
            hold(not labels.items() <= test.items(), f"{values.name}: {name} selects the test's pod")


def keys_there_twice(node):
    """Keys of YAML as it is written, of which a reader would see the last alone."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from {key for key in keys if keys.count(key) > 1}
        for _, value in node.value:
            yield from keys_there_twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from keys_there_twice(item)


def test_the_nearest_label_counts():
    """Once: a key that is there twice is no YAML to Helm 4, and chance to others."""
    version = "app.kubernetes.io/version"
    changes = {"commonLabels": {"a": "all", "b": "all", version: "9"}, "podLabels": {"a": "", "c": "pod"},
               "service": {"labels": {"b": "service"}}}
    file = values_file(merged(example("minimal"), changes))
    found = objects("Helm 4", file)
    labels = workload(found)["spec"]["template"]["metadata"]["labels"]
    hold({"a": "", "b": "all", "c": "pod"}.items() <= labels.items(), f"pods have the labels {labels}")
    labels = one(found, "Service")["metadata"]["labels"]
    hold({"a": "all", "b": "service", version: "9"}.items() <= labels.items(), f"the Service has the labels {labels}")
    for document in yaml.compose_all(text_of("Helm 4", file)):
        twice = list(keys_there_twice(document))
        hold(not twice, f"keys are there twice: {twice}")


def test_each_release_is_a_job_of_its_own():
    """And the alerts find it: they look for tlsfloor in the job's name."""
    for scrape, endpoints in [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")]:
        for changes, job in [({}, "tlsfloor"), ({"fullnameOverride": "edge-tlsfloor"}, "edge-tlsfloor"),
                             ({"fullnameOverride": "edge"}, "tlsfloor-edge"), ({"nameOverride": "b"}, "tlsfloor-b")]:
            mine = {"targetLabel": "zone", "replacement": "a"}
            found = rendered({**changes, "metrics": {"scrape": scrape, "relabelings": [mine]}})
            spec = next(each for each in found if each["kind"] == scrape)["spec"]
            relabelings = spec[endpoints][0]["relabelings"]
            hold(relabelings == [{"targetLabel": "job", "replacement": job}, mine], f"{changes}: {relabelings}")


def test_services_lead_to_ports_that_are_there():
    for changes, names in [({}, {"https", "http"}), ({"ports": {"http": 0}}, {"https"})]:
        found = rendered(changes)
        ports = {port["name"] for port in workload(found)["spec"]["template"]["spec"]["containers"][0]["ports"]}
        service = one(found, "Service")["spec"]
        hold({port["targetPort"] for port in service["ports"]} == names, f"{changes}: {service['ports']}")
        hold(names <= ports and "admin" not in names, f"{changes}: the pod has {ports}")
        hold(service["externalTrafficPolicy"] == "Local", "client addresses are lost")
    admin = one(rendered({}), "Service", "-admin")["spec"]
    hold(admin["clusterIP"] == "None" and admin["ports"][0]["targetPort"] == "admin", f"{admin}")
    asked = one(rendered({}), "Pod", "-test")["spec"]["containers"][0]["args"]
    hold(asked == ["ready", "--admin", "http://tlsfloor-admin.tlsfloor.svc:9901"], f"helm test asks {asked}")


def test_the_proxy_protocol_is_switched_on_both_sides():
    known = {"aws": ("service.beta.kubernetes.io/aws-load-balancer-proxy-protocol", "*"),
             "digitalocean": ("service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol", "true"),
             "hetzner": ("load-balancer.hetzner.cloud/uses-proxyprotocol", "true"),
             "openstack": ("loadbalancer.openstack.org/proxy-protocol", "true"),
             "scaleway": ("service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v2", "true")}
    for provider, (key, value) in known.items():
        found = rendered({"proxyProtocol": {"enabled": True, "provider": provider, "from": ["10.0.0.0/16"]}})
        annotations = one(found, "Service")["metadata"]["annotations"]
        hold(annotations == {key: value}, f"{provider} gets {annotations}")
        text = one(found, "ConfigMap")["data"]["tlsfloor.toml"]
        hold('proxy_protocol_from = ["10.0.0.0/16"]' in text, "the proxy expects no PROXY header")
    off = rendered({})
    hold("annotations" not in one(off, "Service")["metadata"], "the switch is on by default")
    hold("proxy_protocol_from" not in one(off, "ConfigMap")["data"]["tlsfloor.toml"], "the proxy expects headers")


def test_scraping_by_choice():
    for base, kind in [("rollout", "PodMonitor"), ("daemonset", "ServiceMonitor")]:
        found = rendered({}, base)
        monitors = [each for each in found if each["kind"].endswith("Monitor")]
        hold([each["kind"] for each in monitors] == [kind], f"values-{base}.yaml has {monitors}")
    annotations = template({}, "ingress-controller")["metadata"]["annotations"]
    hold(annotations["prometheus.io/port"] == "9901", f"the annotations are {annotations}")
    hold("prometheus.io/scrape" not in template({}, "rollout")["metadata"]["annotations"], "pods are scraped twice")
    found = rendered({}, "production")
    rules = yaml.safe_load((CHART / "files/rules.yaml").read_text())
    hold(one(found, "PrometheusRule")["spec"] == rules, "the PrometheusRule is not the file of rules")
    board = one(found, "ConfigMap", "-dashboard")
    hold(board["data"]["tlsfloor.json"].strip() == (CHART / "files/tlsfloor.json").read_text().strip(), "the board")
    hold(board["metadata"]["labels"]["grafana_dashboard"] == "1", "Grafana's sidecar does not see the board")


def test_extras_reach_their_place():
    extras = {
        "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "p", "runtimeClassName": "r", "schedulerName": "s", "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.1"]}, "serviceAccountName": "sa", "imagePullSecrets": [{"name": "i"}],
    }
    more = {
        "extraArgs": ["--x", "z"], "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [{"name": "v", "emptyDir": {}}], "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
        "extraInitContainers": [{"name": "first"}], "extraContainers": [{"name": "beside"}],
        "podLabels": {"pl": "1"}, "podAnnotations": {"pa": "1"}, "commonLabels": {"cl": "1"},
        "commonAnnotations": {"ca": "1"}, "security": {"hostUsers": False},
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "whole"}},
                         "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: '{{ .Release.Name }}-text' }"],
        "image": {"digest": "sha256:" + "a" * 64},
    }
    found = rendered({**copy.deepcopy(extras), **more})
    pod = workload(found)["spec"]["template"]
    for key, value in extras.items():
        hold(pod["spec"].get(key) == value, f"{key} is {pod['spec'].get(key)}")
    proxy = pod["spec"]["containers"][0]
    hold(proxy["args"] == ["run", "--x", "z"] and proxy["env"] == more["extraEnv"], "extraArgs or extraEnv")
    hold(proxy["image"] == "ghcr.io/tlsfloor/tlsfloor@sha256:" + "a" * 64, f"the image is {proxy['image']}")
    hold(more["extraVolumes"][0] in pod["spec"]["volumes"], "extraVolumes")
    hold(more["extraVolumeMounts"][0] in proxy["volumeMounts"], "extraVolumeMounts")
    names = [each["name"] for each in pod["spec"]["initContainers"]]
    hold(names == ["first", "check"], f"init containers run as {names}: what they fetch is checked before it is there")
    hold(pod["spec"]["containers"][1] == {"name": "beside"}, "extraContainers")
    hold(pod["spec"]["hostUsers"] is False, "hostUsers")
    hold({"pl": "1", "cl": "1"}.items() <= pod["metadata"]["labels"].items(), "labels of pods")
    hold(pod["metadata"]["annotations"]["pa"] == "1", "annotations of pods")
    service = {"internalTrafficPolicy": "Local", "trafficDistribution": "PreferClose", "loadBalancerClass": "c",
               "loadBalancerSourceRanges": ["198.51.100.0/24"], "allocateLoadBalancerNodePorts": False,
               "healthCheckNodePort": 32000, "clusterIP": "10.96.0.7", "externalIPs": ["192.0.2.1"],
               "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}
    spec = one(rendered({"service": service}), "Service")["spec"]
    hold(service.items() <= spec.items(), f"the Service is {spec}")
    names = {each["metadata"]["name"] for each in found}
    hold({"whole", "tlsfloor-text"} <= names, f"extraObjects: {names}")
    for each in found:
        if each["metadata"]["name"].endswith(("whole", "-text")):
            continue
        hold(each["metadata"]["labels"].get("cl") == "1", f"{each['kind']} has no common label")
        hold(each["metadata"]["annotations"].get("ca") == "1", f"{each['kind']} has no common annotation")


def test_notes_say_what_to_look_at():
    """Rendered on installation only, whose dry run asks for no cluster in Helm 4 alone."""
    for values in EXAMPLES:
        done = run(HELMS["Helm 4"], "install", "tlsfloor", CHART, "--namespace", "tlsfloor", "--dry-run=client",
                   "--values", values, "--set", "service.externalTrafficPolicy=Cluster",
                   env={**os.environ, "KUBECONFIG": os.devnull})
        hold(done.returncode == 0, f"Helm 4 cannot install {values.name}: {done.stderr}")
        name, notes = values.stem.removeprefix("values-"), done.stdout.partition("NOTES:")[2]
        hold("rollout status" in notes and "logs POD -c check" in notes, f"{values.name}: {notes}")
        unread = name == "existing-configmap"
        hold(("The chart does not read" in notes) == unread, f"{values.name}: {notes}")
        # Node addresses instead of clients': not with PROXY headers, and not inside the cluster.
        lost = name not in ("production", "ingress-controller", "existing-configmap")
        hold(("WARNING: service.externalTrafficPolicy" in notes) == lost, f"{values.name}: {notes}")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
