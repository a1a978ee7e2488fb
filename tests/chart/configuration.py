"""The proxy's configuration as the chart renders it: what values say, in TOML that the product takes.

Secrets are laid out as the rendered volumes say, with certificates made here, so that a wrong path or
key is found as the proxy would find it.
"""

import datetime
import json
import os
import pathlib
import re
import tempfile
import tomllib

import yaml

from chart import (
    CHART, EXAMPLES, RELEASE, ROOT, attempt, example, hold, merged, objects, one, run, values_file, workload,
)


def toml_of(found):
    return one(found, "ConfigMap")["data"]["tlsfloor.toml"]


def rendered(changes, base="minimal"):
    """The configuration that an example renders to with changes, read back."""
    return tomllib.loads(toml_of(objects("Helm 3", values_file(merged(example(base), changes)))))


def material(folder):
    """Bytes by the key that a Secret has them under."""
    certificate, key = folder / "crt", folder / "key"
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "90", "-subj", "/CN=api.example.com", "-addext",
               "subjectAltName=DNS:api.example.com,DNS:pay.example.com,DNS:tls-check.example.com",
               "-keyout", key, "-out", certificate)
    hold(done.returncode == 0, f"openssl makes no certificate: {done.stderr}")
    chain, private = certificate.read_bytes(), key.read_bytes()
    return {"tls.crt": chain, "fullchain.pem": chain, "ca.crt": chain, "tls.key": private,
            "privkey.pem": private, "token": b"a" * 64, "tickets.key": b"b" * 64}


def lay_out(found, folder, bytes_by_key):
    """What kubelet would mount, under a folder: the ConfigMap and every Secret."""
    spec = workload(found)["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    for source in volumes["secrets"]["projected"]["sources"]:
        for item in source["secret"]["items"]:
            path = folder / mounts["secrets"].lstrip("/") / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes_by_key[item["key"]])
            path.chmod(0o440)
    etc = folder / mounts["config"].lstrip("/")
    etc.mkdir(parents=True)
    for name, text in one(found, "ConfigMap")["data"].items():
        (etc / name).write_text(text.replace('"/secrets/', f'"{folder}/secrets/'))
    return etc / "tlsfloor.toml"


def check(file):
    done = run(os.environ["TLSFLOOR"], "check", "-c", file)
    if "this build has no traces" in done.stderr:
        # Only the image is built with them; the rest of the file is held all the same.
        file.write_text(re.sub(r"\[traces\]\n(.+\n)*", "", file.read_text()))
        done = run(os.environ["TLSFLOOR"], "check", "-c", file)
    return done


def test_every_example_passes_check():
    checked = 0
    with tempfile.TemporaryDirectory(prefix="tlsfloor-check-") as scratch:
        keys = material(pathlib.Path(scratch))
        for values in EXAMPLES:
            if "existingConfigMap" in yaml.safe_load(values.read_text()):
                continue
            folder = pathlib.Path(scratch) / values.stem
            file = lay_out(objects("Helm 4", values), folder, keys)
            done = check(file)
            said = done.stdout + done.stderr
            hold(done.returncode == 0, f"tlsfloor check refuses what {values.name} renders to: {said}")
            checked += 1
    hold(checked >= 6, f"only {checked} examples have a configuration")


STRINGS = ['"', "\\", "a\nb\tc", "<&>'", "é ☃ \U0001f600", "", " ", "true", "1.2", "2027-01-18",
           "#", "[x]", "{client_address}", "2027-01-18T00:00:00Z"]


def test_strings_numbers_and_names_survive():
    changes = {"config": {
        "routes": [{"upstream": "api", "name": text} for text in STRINGS if text]
        + [{"upstream": "api", "headers": [{"name": "x", "value": text} for text in STRINGS]}]
        + [{"upstream": "api", "request_headers": {"set": {"X-A.b c": "1", "from": "x"}, "remove": []}}],
        "limits": {"connections": 100000000, "http2_streams": 1},
        "listen": {"half_close": False, "trusted_proxies": []},
        "rollout": {"legacy": ["a:1", "b:2"], "cut": "2027-03-01T09:00:00.5+01:00",
                    "fuse": {"refused": 100000, "within": "1m", "rearm": "2027-01-18"}},
    }, "networkPolicy": {"egress": {"legacy": [{"to": [{"podSelector": {}}], "ports": [1]}]}}}
    wanted = changes["config"]
    read = rendered(changes)
    hold(read["routes"] == wanted["routes"], f"routes are rendered as {read['routes']}")
    hold(read["limits"] == wanted["limits"], f"limits are rendered as {read['limits']}")
    hold(isinstance(read["limits"]["connections"], int), "a whole number is rendered as a float")
    moment = datetime.datetime.fromisoformat("2027-03-01T09:00:00.5+01:00")
    hold(read["rollout"]["cut"] == moment, f"a date-time is rendered as {read['rollout']['cut']!r}")
    hold(read["rollout"]["fuse"] == wanted["rollout"]["fuse"], "a text like a date is no text any more")
    hold(read["rollout"]["legacy"] == ["a:1", "b:2"], "a list of legacy servers is lost")
    hold(read["listen"]["half_close"] is False, "false is lost")


def moments(schema, name=""):
    """Names of keys that are date-times, by the product's schema; and types of numbers beside them."""
    if isinstance(schema, list):
        for item in schema:
            yield from moments(item, name)
    elif isinstance(schema, dict):
        if schema.get("format") == "date-time":
            yield name
        hold(schema.get("type") != "number", f"{name} is no whole number: the chart cannot write it")
        for key, value in schema.get("properties", {}).items():
            yield from moments(value, key)
        for key in ("items", "anyOf", "oneOf", "allOf", "additionalProperties"):
            yield from moments(schema.get(key), name)
        yield from moments(list(schema.get("$defs", {}).values()), name)


def test_date_times_are_those_of_the_schema():
    schema = json.loads(run(os.environ["TLSFLOOR"], "schema").stdout)
    text = (EXAMPLES[0].parents[1] / "chart/templates/_toml.tpl").read_text()
    named = text.split('define "tlsfloor.toml.moments" -}}')[1].split("{{-")[0].split()
    hold(sorted(set(moments(schema))) == sorted(named),
         f"_toml.tpl names the date-times {named}, the schema {sorted(set(moments(schema)))}")


def test_unquoted_date_times_are_taken_too():
    """YAML has a type for them, which Helm makes a string of again."""
    file = values_file({})
    base = yaml.safe_dump(example("rollout"))
    file.write_text(base.replace("'2027-03-01T09:00:00Z'", "2027-03-01T09:00:00Z"))
    for helm in ("Helm 3", "Helm 4"):
        text = toml_of(objects(helm, file))
        hold("cut = 2027-03-01T09:00:00Z\n" in text, f"{helm} renders an unquoted date-time as {text}")


def test_what_the_chart_adds():
    read = rendered({"proxyProtocol": {"enabled": True, "from": ["10.0.0.0/16"]},
                     "service": {"ports": {"https": {"port": 8443}}}})
    hold(read["listen"] == {
        "https": ["0.0.0.0:8443"], "http": ["0.0.0.0:8080"], "admin": "0.0.0.0:9901",
        "admin_token": "/secrets/admin/token", "workers": 1, "proxy_protocol_from": ["10.0.0.0/16"],
    }, f"[listen] is {read['listen']}")
    hold(read["tls"] == {"ticket_secret": "/secrets/tickets/tickets.key", "certificates": [
        {"chain": "/secrets/api/tls.crt", "key": "/secrets/api/tls.key"}]}, f"[tls] is {read['tls']}")
    hold(read["drain"] == {"delay": "5s", "grace": "20s", "linger": "20s"}, f"[drain] is {read['drain']}")
    hold(read["fleet"] == {"replicas": 2}, f"[fleet] is {read['fleet']}")
    hold(read["plain_http"] == {"https_port": 8443}, f"[plain_http] is {read['plain_http']}")


def test_both_families_are_listened_to():
    for policy in ("PreferDualStack", "RequireDualStack"):
        for address in ("0.0.0.0", "[::]"):
            listen = rendered({"service": {"ipFamilyPolicy": policy}, "ports": {"address": address}})["listen"]
            hold(listen["https"] == ["0.0.0.0:8443", "[::]:8443"] and listen["http"] == ["0.0.0.0:8080", "[::]:8080"],
                 f"with {policy} the proxy listens to {listen}")
            hold(listen["admin"] == f"{address}:9901", f"probes come to {address}, admin is {listen['admin']}")
    listen = rendered({"service": {"ipFamilyPolicy": "RequireDualStack"}, "ports": {"http": 0}})["listen"]
    hold(listen["http"] == [], f"a plain port that is off listens to {listen['http']}")
    listen = rendered({"service": {"ipFamilyPolicy": "SingleStack"}, "ports": {"address": "[::]"}})["listen"]
    hold(listen["https"] == ["[::]:8443"], f"with one family the proxy listens to {listen['https']}")


def test_the_user_has_the_last_word():
    """Also where what they say is nothing, which a merge of Helm's would not tell from silence."""
    config = {"listen": {"workers": 0, "http": [], "admin_token": "/run/token", "proxy_protocol_from": ["10.9.0.0/16"]},
              "fleet": {"replicas": 7}, "drain": {"linger": "0s"},
              "tls": {"certificates": [{"chain": "/a", "key": "/b"}]}}
    read = rendered({"config": config, "ports": {"http": 0},
                     "proxyProtocol": {"enabled": True, "from": ["10.0.0.0/16"]}})
    for table, keys in config.items():
        for key, value in keys.items():
            hold(read[table][key] == value, f"config.{table}.{key} = {value} is rendered as {read[table][key]}")


def test_workers_and_replicas():
    for cpu, workers in [("250m", 1), ("1", 1), ("1001m", 2), (2, 2), ("2.5", 3), (0.5, 1), ("16", 16)]:
        read = rendered({"resources": {"requests": {"cpu": cpu}}})
        hold(read["listen"]["workers"] == workers, f"{cpu} CPU gives {read['listen']['workers']} workers")
    read = rendered({"resources": {"requests": {"cpu": None}}})
    hold("workers" not in read["listen"], "no CPU request gives workers all the same")
    read = rendered({"autoscaling": {"enabled": True, "min": 2, "max": 9}})
    hold(read["fleet"]["replicas"] == 9, "fleet.replicas is not the autoscaler's maximum")
    read = rendered({}, base="daemonset")
    hold(read["fleet"]["replicas"] == 12, "fleet.replicas of a DaemonSet is not what is said")


def test_the_arithmetic_of_the_readme():
    """By the product's own constant; and a client's share in production, which the example says."""
    capacity = (ROOT / "src/capacity.rs").read_text()
    hold("const CONNECTION: u64 = 32 << 10;" in capacity, "a connection takes another share of memory")
    readme = (CHART / "README.md").read_text()
    most = round((512 << 20) / 5 * 4 / (32 << 10), -3)
    hold(f"about {most:_.0f} connections".replace("_", " ") in readme, f"the README does not say {most} connections")
    read = rendered({}, base="production")
    share = read["limits"]["connections_per_client"] / read["fleet"]["replicas"]
    hold(share == 100, f"a replica's share of connections_per_client is {share}, not 100 as the example says")


CENSUS = ('{"event":"census","from":"2027-01-12T10:00:00Z","to":"2027-01-12T10:01:00Z","client":"203.0.113.7",'
          '"offered_max":"1.0","policy":"floor","reason":"version","lane":"legacy","count":7,"stack":"java-7"}')


def test_the_report_joins_the_legacy_log():
    """Three unlike programs behind one hello are a middlebox, and only that log knows them."""
    found = yaml.safe_load_all((EXAMPLES[0].parent / "legacy-nginx.yaml").read_text())
    text = next(one for one in found if one["kind"] == "ConfigMap")["data"]["nginx.conf"]
    form = "".join(re.findall("'([^']*)'", re.search(r"log_format legacy escape=json ([^;]*);", text).group(1)))
    hold("access_log /dev/stdout legacy;" in text, "nginx writes its log in another form")
    lines = [CENSUS]
    for agent in ("billing/1.2", "Mozilla/4.0", "curl/7.19"):
        line = form.replace("$proxy_protocol_addr", "203.0.113.7").replace("$http_user_agent", agent)
        line = re.sub(r"\$[a-z_]+", "TLSv1", line)
        hold({"version", "status"} < json.loads(line).keys(), f"a line is {line}")
        lines.append(line)
    for log, joined in [(lines, True), (lines[:3], False)]:
        done = run(os.environ["TLSFLOOR"], "report", input="\n".join(log) + "\n")
        hold(done.returncode == 0, f"tlsfloor report: {done.stderr}")
        hold(("middlebox" in done.stdout) == joined, f"of {len(log) - 1} programs the report says: {done.stdout}")


def test_a_text_is_taken_as_it_is():
    values = example("config-text")
    found = objects("Helm 3", values_file(values))
    hold(toml_of(found).strip() == values["configText"].strip(), "configText is changed")
    found = objects("Helm 3", values_file(example("existing-configmap")))
    hold(not [one for one in found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == RELEASE],
         "a ConfigMap is rendered beside an existing one")
    volume = workload(found)["spec"]["template"]["spec"]["volumes"][0]
    hold(volume["configMap"]["name"] == "edge-tlsfloor-config", f"{volume} is mounted")


def test_a_typo_fails_with_its_place():
    for helm in ("Helm 3", "Helm 4"):
        for config, place in [({"tls": {"minimun": "1.2"}}, "minimun"),
                              ({"upstreams": [{"name": "a", "servers": ["http://a"], "retyr": {}}]}, "retyr"),
                              ({"limits": {"buffer": "1MB"}}, "buffer"), ({"hsts": {"preload": "no"}}, "preload"),
                              ({"rollout": {"legacy": "a:1", "cut": 2027}}, "cut")]:
            done = attempt(helm, values_file(merged(example("minimal"), {"config": config})))
            hold(done.returncode != 0 and place in done.stderr, f"{helm} on {config}: {done.stderr}")


TESTS = [test_every_example_passes_check, test_strings_numbers_and_names_survive,
         test_date_times_are_those_of_the_schema, test_unquoted_date_times_are_taken_too,
         test_what_the_chart_adds, test_both_families_are_listened_to, test_the_user_has_the_last_word,
         test_workers_and_replicas, test_the_arithmetic_of_the_readme, test_the_report_joins_the_legacy_log,
         test_a_text_is_taken_as_it_is, test_a_typo_fails_with_its_place]
