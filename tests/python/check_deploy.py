"""Checks deploy/kubernetes and deploy/helm; prints, as JSON, what tests/deploy.rs tries with the real bridge.

Schemas are those of kubernetes-validate, strict: a field that Kubernetes does not know is an error. The chart is linted and rendered
by Helm itself (helm-python-sdk). What no schema sees is checked here: that ports, selectors, volumes and probes fit each other.
"""

import json
import pathlib
import re
import sys

import kubernetes_validate
import yaml
from helm_python import chart as helm

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/statsd-bridge"
VERSION = "1.37"
IMAGE = "statsd-bridge:"
# Kinds that operators define. The schemas of Kubernetes do not have them.
CUSTOM = {"ServiceMonitor", "PodMonitoring", "PrometheusRule"}
WORKLOADS = {"Deployment", "DaemonSet", "StatefulSet"}

# Values that were written for the chart prometheus-statsd-exporter. They set every key of that chart.
COMMUNITY = yaml.safe_load((ROOT / "tests/python/community-values.yaml").read_text())


CLAIM = {"persistentVolumeClaim": {"claimName": "mine"}}
# The web configuration and the state file are on extra volumes.
ON_EXTRA_VOLUMES = {
    "extraArgs": ["--web.config.file=/secrets/web.yml", "--state.file=/data/state"],
    "extraVolumes": [{"name": "secrets", "secret": {"secretName": "s"}}, {"name": "data", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "secrets", "mountPath": "/secrets"}, {"name": "data", "mountPath": "/data"}],
}

# The name of a rendering says what is special about it.
RENDERINGS = {
    "defaults": {},
    "community": COMMUNITY,
    "daemonset": {"kind": "DaemonSet", "serviceMonitor": {"enabled": True}, "compat": "statsd_exporter", "presets": ["gunicorn"]},
    "no tcp": {"statsd": {"tcpPort": 0}},
    "deployment by name": {"statsd": {"mappingConfigMapName": "mine"}, "serviceAccount": {"create": False}},
    "exec probes": {"probeHandler": "exec", "livenessProbe": {"periodSeconds": 30}},
    "web configuration": {"webConfig": {"content": "http_server_config: {http2: false}\n", "tlsSecretName": "certificate"}},
    "web configuration by name": {"webConfig": {"secretName": "mine", "key": "other.yml"}, "state": {"enabled": True}},
    "extra volumes": ON_EXTRA_VOLUMES,
    "web configuration by variable": {
        **ON_EXTRA_VOLUMES, "extraArgs": [], "extraEnv": {"STATSD_BRIDGE_WEB_CONFIG_FILE": "/secrets/web.yml"}
    },
    "state of a set": {"kind": "StatefulSet", "replicaCount": 2, "state": {"enabled": True, "claim": {"storageClassName": "fast"}}},
    "state on a claim": {"state": {"enabled": True, "volume": CLAIM}},
    "all that is off": {
        "networkPolicy": {"enabled": True, "senders": [{"namespaceSelector": {}}], "readers": [{"podSelector": {}}], "egress": [{}]},
        "podDisruptionBudget": {"enabled": True, "minAvailable": 0},
        "prometheusRule": {"enabled": True, "namespace": "rules", "additionalGroups": [{"name": "mine", "rules": []}]},
        "dashboards": {"enabled": True, "namespace": "dashboards"},
        "serviceMonitor": {"enabled": True, "scheme": "https", "tlsConfig": {"caFile": "/ca"}, "basicAuth": {"username": {"name": "a"}}},
    },
    "policy without senders": {
        "networkPolicy": {"enabled": True},
        "statsd": {"udpPort": 0, "tcpPort": 0},
        "extraArgs": ["--statsd.listen-unixgram=@of-a-test-of-the-chart"],
    },
    "state of nodes": {"kind": "DaemonSet", "state": {"enabled": True, "volume": {"hostPath": {"path": "/var/lib/statsd-bridge"}}}},
}

# Values that the chart rejects. The key is a word of the error.
REJECTED = {
    "kind": {"kind": "Job"},
    "udpPrt": {"statsd": {"udpPrt": 1}},
    "networkPolcy": {"networkPolcy": {}},
    "port": {"service": {"port": "http"}},
    "extraVolumes": {"extraVolumes": {"a": "b"}},
    "mountPath": {"extraVolumeMounts": [{"name": "a"}]},
    "shutdownLinger": {"shutdownLinger": "20"},
    "shutdownDrain": {"shutdownDrain": "long"},
    "readers": {"networkPolicy": {"readers": "prometheus"}},
    "maxUnavailable": {"podDisruptionBudget": {"maxUnavailable": "half"}},
    "one claim": {"replicaCount": 2, "state": {"enabled": True, "volume": CLAIM}},
}


def main():
    bridges = []
    kubernetes = [doc for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml")) for doc in yaml.safe_load_all(path.read_text())]
    bridges += check("deploy/kubernetes", kubernetes)
    for name, values in RENDERINGS.items():
        lint(values)
        bridges += check(f"deploy/helm, {name}", render(values))
    check_community(render(COMMUNITY))
    check_state()
    check_guards()
    check_derived_grace()
    rules = check_rules_and_dashboards()
    for word, values in REJECTED.items():
        check_rejected(word, values)
    print(json.dumps({"bridges": bridges, "rules": rules}))


def fail(message):
    sys.exit(f"check_deploy: {message}")


def lint(values):
    report = helm.lint(CHART, values, strict=True)
    wrong = [m for m in report["messages"] if m["severity"] > 1] + report["errors"]
    if wrong or report["total_charts_linted"] != 1:
        fail(f"helm lint: {wrong}")


def render(values):
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(values, name="demo", namespace="obs")
    texts = [text for name, text in sorted(rendered.items()) if name.endswith(".yaml")]
    return [doc for text in texts for doc in yaml.safe_load_all(text) if doc]


def check_rejected(word, values):
    try:
        render(values)
    except Exception as error:  # its type is the library's own
        if word not in str(error):
            fail(f"{values} is rejected without the word {word!r}: {error}")
    else:
        fail(f"{values} is not rejected")


def check(where, docs):
    """Checks all documents; returns what is to be tried of each bridge in them."""
    if not docs:
        fail(f"{where}: nothing to check")
    for doc in docs:
        if doc["kind"] not in CUSTOM:
            kubernetes_validate.validate(doc, VERSION, strict=True)
    workloads = [doc for doc in docs if doc["kind"] in WORKLOADS]
    pods = [doc["spec"]["template"] for doc in workloads]
    for workload in workloads:
        check_volumes(where, workload["spec"])
        # The community's values set their own grace period.
        if "community" not in where:
            check_grace(where, workload["spec"]["template"]["spec"])
    # The environment variables that Kubernetes adds for Services would look like settings of the bridge.
    if any(pod["spec"].get("enableServiceLinks", True) for pod in pods):
        fail(f"{where}: enableServiceLinks")
    services = [doc for doc in docs if doc["kind"] == "Service"]
    for service in services:
        check_service(where, service, pods)
    for doc in docs:
        if doc["kind"] == "ServiceMonitor":
            check_monitor(where, doc, services)
        if doc["kind"] == "NetworkPolicy":
            check_policy(where, doc["spec"], pods)
        if doc["kind"] == "PodDisruptionBudget" and not selected(doc["spec"]["selector"]["matchLabels"], pods):
            fail(f"{where}: the PodDisruptionBudget selects nothing")
    bridges = [c for pod in pods for c in containers(pod) if c["image"].startswith(IMAGE) or c["name"] == "statsd-bridge"]
    if not bridges:
        fail(f"{where}: no bridge")
    return [check_bridge(where, c) for c in bridges]


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def selected(selector, pods):
    return [pod for pod in pods if selects(selector, pod["metadata"]["labels"])]


def named_ports(pod):
    return {(p["name"], p["protocol"]) for c in containers(pod) for p in c.get("ports", [])}


def check_service(where, service, pods):
    name = service["metadata"]["name"]
    found = selected(service["spec"]["selector"], pods)
    if not found:
        fail(f"{where}: service {name} selects nothing")
    for port in service["spec"]["ports"]:
        for pod in found:
            if (port["targetPort"], port["protocol"]) not in named_ports(pod):
                fail(f"{where}: service {name}: no container has port {port['targetPort']}/{port['protocol']}")


def check_monitor(where, monitor, services):
    matching = [s for s in services if selects(monitor["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
    if not matching:
        fail(f"{where}: the ServiceMonitor selects no service")
    for endpoint in monitor["spec"]["endpoints"]:
        for service in matching:
            if endpoint["port"] not in [p["name"] for p in service["spec"]["ports"]]:
                fail(f"{where}: service {service['metadata']['name']} has no port {endpoint['port']}")


def check_volumes(where, spec):
    """Every mount is of a volume, every volume is mounted, and what the flags name lies on one; state and claims can be written."""
    pod = spec["template"]["spec"]
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
    volumes = [volume["name"] for volume in pod.get("volumes", [])] + claims
    mounts = [mount for c in containers(spec["template"]) for mount in c.get("volumeMounts", [])]
    if sorted({mount["name"] for mount in mounts}) != sorted(volumes):
        fail(f"{where}: volumes {volumes}, mounts {mounts}")
    for argument in [argument for c in containers(spec["template"]) for argument in c.get("args", [])]:
        flag, _, path = argument.partition("=")
        if flag in ("--web.config.file", "--state.file", "--statsd.mapping-config"):
            under = [mount for mount in mounts if path.startswith(mount["mountPath"] + "/")]
            if len(under) != 1 or flag == "--state.file" and under[0].get("readOnly"):
                fail(f"{where}: {argument} is on {under}")


def check_grace(where, pod):
    """The bridge ends by itself before it is killed: lines are drained, the page lingers, responses are drained, 10 s for the state."""
    for container in containers({"spec": pod}):
        flags = dict(argument.split("=", 1) for argument in container.get("args", []) if "=" in argument)
        if "--shutdown.linger" in flags:
            drain, linger = (seconds(flags.get(f"--shutdown.{name}", "2s")) for name in ("drain", "linger"))
            if pod["terminationGracePeriodSeconds"] < 2 * drain + linger + 10:
                fail(f"{where}: terminationGracePeriodSeconds {pod['terminationGracePeriodSeconds']} for {drain} and {linger}")


def seconds(duration):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", duration))


def check_derived_grace():
    for values, expected in [
        ({}, 34),
        ({"shutdownDrain": "2500ms", "shutdownLinger": "1m30s"}, 105),
        ({"shutdownDrain": "0", "shutdownLinger": "1.5h"}, 5410),
        ({"terminationGracePeriodSeconds": 0}, 0),
        ({"terminationGracePeriodSeconds": 60}, 60),
    ]:
        found = next(doc["spec"]["template"]["spec"] for doc in render(values) if doc["kind"] in WORKLOADS)
        if found["terminationGracePeriodSeconds"] != expected:
            fail(f"{values}: terminationGracePeriodSeconds {found['terminationGracePeriodSeconds']}, not {expected}")


def check_policy(where, spec, pods):
    """Every port of the pods is in one rule; a rule without ports would open all."""
    if len(selected(spec["podSelector"]["matchLabels"], pods)) != len(pods) or sorted(spec["policyTypes"]) != ["Egress", "Ingress"]:
        fail(f"{where}: NetworkPolicy {spec}")
    opened = sorted((p["port"], p["protocol"]) for rule in spec["ingress"] for p in rule["ports"])
    if not all(rule["ports"] for rule in spec["ingress"]) or any(opened != sorted(named_ports(pod)) for pod in pods):
        fail(f"{where}: the NetworkPolicy opens {opened}")


def check_bridge(where, container):
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    probes = [container[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if kind in container]
    gets = [probe["httpGet"] for probe in probes if "httpGet" in probe]
    commands = [probe for probe in probes if "exec" in probe]
    if len(probes) < 2 or len(gets) + len(commands) != len(probes) or any(p["port"] not in ports for p in gets):
        fail(f"{where}: two probes at ports that are there, not {probes}")
    # The health check waits for 3 s.
    if any(p["timeoutSeconds"] < 4 or p["exec"]["command"][:2] != ["/statsd-bridge", "healthcheck"] for p in commands):
        fail(f"{where}: exec probes {commands}")
    if "memory" not in container["resources"]["limits"] or "cpu" not in container["resources"]["requests"]:
        fail(f"{where}: resources {container['resources']}")
    context = container["securityContext"]
    if not context["readOnlyRootFilesystem"] or context["allowPrivilegeEscalation"] or context["capabilities"]["drop"] != ["ALL"]:
        fail(f"{where}: securityContext {context}")
    return {
        "where": where,
        "args": container["args"],
        "env": {variable["name"]: variable["value"] for variable in container.get("env", [])},
        "gets": [get["path"] for get in gets],
        "commands": [command["exec"]["command"] for command in commands],
    }


def check_state():
    """Where the state lies, and that no two bridges of one rollout write it."""
    def spec(name):
        return next(doc["spec"] for doc in render(RENDERINGS[name]) if doc["kind"] in WORKLOADS)

    claims = spec("state of a set")["volumeClaimTemplates"]
    if [(c["metadata"]["name"], c["spec"]["storageClassName"]) for c in claims] != [("state", "fast")]:
        fail(f"state of a set: {claims}")
    claimed = spec("state on a claim")
    if claimed["strategy"] != {"type": "Recreate"} or {"name": "state", **CLAIM} not in claimed["template"]["spec"]["volumes"]:
        fail(f"state on a claim: {claimed}")
    if {"name": "state", "emptyDir": {}} not in spec("web configuration by name")["template"]["spec"]["volumes"]:
        fail("state is on an emptyDir where nothing else is said")


def check_community(docs):
    """What the values of the community's chart ask for is in what is rendered."""
    by_kind = {doc["kind"]: doc for doc in docs}
    expected = {
        "Deployment", "Service", "ServiceAccount", "ConfigMap", "Ingress", "HorizontalPodAutoscaler", "ServiceMonitor", "PodMonitoring"
    }
    if set(by_kind) != expected:
        fail(f"community: {sorted(by_kind)}")
    text = "\n".join(json.dumps(doc, sort_keys=True) for doc in docs)
    # The renderings contain every value, except those without effect. The first of these is the number of replicas, which the
    # autoscaler sets.
    without_effect = ["777", "4321", "54321", "654", "987ms"]
    for leaf in leaves(COMMUNITY):
        if leaf not in without_effect and not re.search(rf"(?<![\w.]){re.escape(leaf)}(?![\w.])", text):
            fail(f"community: {leaf!r} is nowhere in what is rendered")
    config = by_kind["ConfigMap"]["data"]["mine.yml"]
    if config != COMMUNITY["statsd"]["mappingConfig"]:
        fail(f"community: the rules became {config!r}")
    replicas = [doc["spec"]["replicas"] for doc in render({"replicaCount": 3}) if doc["kind"] == "Deployment"]
    if replicas != [3]:
        fail(f"community: replicas {replicas}")


def check_guards():
    """Who is let in, and how many bridges may end at once."""
    def spec(kind, values):
        return next((doc["spec"] for doc in render(values) if doc["kind"] == kind), None)

    policy = spec("NetworkPolicy", RENDERINGS["all that is off"])
    if [(len(rule["ports"]), rule["from"]) for rule in policy["ingress"]] != [(2, [{"namespaceSelector": {}}]), (1, [{"podSelector": {}}])]:
        fail(f"NetworkPolicy: {policy}")
    open_to_all = spec("NetworkPolicy", {"networkPolicy": {"enabled": True}})
    if any("from" in rule for rule in open_to_all["ingress"]) or open_to_all["egress"] != []:
        fail(f"NetworkPolicy without peers: {open_to_all}")
    on = {"enabled": True}
    for given, expected in [({}, {"maxUnavailable": 1}), ({"minAvailable": 0},) * 2, ({"maxUnavailable": "50%"},) * 2]:
        found = spec("PodDisruptionBudget", {"podDisruptionBudget": {**on, **given}})
        if {key: value for key, value in found.items() if key != "selector"} != expected:
            fail(f"PodDisruptionBudget of {given}: {found}")
    if spec("PodDisruptionBudget", {"podDisruptionBudget": on, "kind": "DaemonSet"}):
        fail("a DaemonSet has a PodDisruptionBudget, which does nothing")


def check_rules_and_dashboards():
    """The chart's rules and dashboards are those of proto-examples, but for job and prefix; returns the rules, for promtool."""
    originals = {
        "bridge.rules.yml": "prometheus/rules/bridge.yml",
        "dashboards/statsd-bridge.json": "grafana/dashboards/statsd-bridge.json",
    }
    for copy, original in originals.items():
        if (CHART / "files" / copy).read_text() != (ROOT / "proto-examples" / original).read_text():
            fail(f"{CHART}/files/{copy} is not proto-examples/{original}: copy it")
    rules = {}
    for name, values in {"job": {"prometheusRule": {"job": "statsd-bridge"}}, "release": {}, "compat": {"compat": "statsd_exporter"}}.items():
        rule = {"enabled": True, **values.pop("prometheusRule", {})}
        docs = render({**values, "prometheusRule": rule, "dashboards": {"enabled": True}})
        rules[name] = next(doc["spec"] for doc in docs if doc["kind"] == "PrometheusRule")
        marked = next(doc for doc in docs if doc["metadata"]["labels"].get("grafana_dashboard") == "1")
        dashboard = marked["data"]["statsd-bridge.json"]
        if ("statsd_bridge_" in dashboard + json.dumps(rules[name])) == (name == "compat"):
            fail(f"{name}: wrong prefix of the self-metrics")
        if name != "compat" and json.loads(dashboard) != json.loads((CHART / "files/dashboards/statsd-bridge.json").read_text()):
            fail(f"{name}: the dashboard has changed on its way")
    if rules["job"] != yaml.safe_load((CHART / "files/bridge.rules.yml").read_text()):
        fail("the rules have changed on their way")
    jobs = set(re.findall(r'job="([^"]*)"', json.dumps(rules["release"]).replace('\\"', '"')))
    if jobs != {"demo-statsd-bridge"}:
        fail(f"rules ask for the jobs {jobs}; a ServiceMonitor gives the name of the Service")
    return rules


def leaves(value):
    """Texts and numbers of a nested value, as they stand in JSON; switches are left out."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [] if isinstance(value, bool) else [json.dumps(value).strip('"')]


main()
