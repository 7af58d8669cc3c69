"""Checks deploy/kubernetes and deploy/helm; prints, as JSON, what tests/deploy.rs tries with the real bridge.

Schemas are those of kubernetes-validate, strict: a field that Kubernetes does not know is an error. The chart is linted and rendered
by Helm itself (helm-python-sdk). What no schema sees is checked here: that ports, selectors and probes fit each other.
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
# Kinds of operators: no schema of Kubernetes has them.
CUSTOM = {"ServiceMonitor", "PodMonitoring"}

# Values as someone has them who comes from the chart prometheus-statsd-exporter: every key that it knows, set to something.
COMMUNITY = yaml.safe_load((ROOT / "tests/python/community-values.yaml").read_text())


def main():
    bridges = []
    kubernetes = [doc for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml")) for doc in yaml.safe_load_all(path.read_text())]
    bridges += check("deploy/kubernetes", kubernetes)
    lint({})
    lint(COMMUNITY)
    for name, values in {
        "defaults": {},
        "community": COMMUNITY,
        "daemonset": {"kind": "DaemonSet", "serviceMonitor": {"enabled": True}, "compat": "statsd_exporter", "presets": ["gunicorn"]},
        "no tcp": {"statsd": {"tcpPort": 0}},
        "deployment by name": {"statsd": {"mappingConfigMapName": "mine"}, "serviceAccount": {"create": False}},
    }.items():
        bridges += check(f"deploy/helm, {name}", render(values))
    check_community(render(COMMUNITY))
    check_refused()
    print(json.dumps(bridges))


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


def check_refused():
    try:
        render({"kind": "StatefulSet"})
    except Exception as error:  # its type is the library's own
        if "kind must be" not in str(error):
            fail(f"a wrong kind is refused with {error}")
    else:
        fail("a wrong kind is not refused")


def check(where, docs):
    """Checks all documents; returns what is to be tried of each bridge in them."""
    if not docs:
        fail(f"{where}: nothing to check")
    for doc in docs:
        if doc["kind"] not in CUSTOM:
            kubernetes_validate.validate(doc, VERSION, strict=True)
    pods = [doc["spec"]["template"] for doc in docs if doc["kind"] in ("Deployment", "DaemonSet")]
    services = [doc for doc in docs if doc["kind"] == "Service"]
    for service in services:
        check_service(where, service, pods)
    for doc in docs:
        if doc["kind"] == "ServiceMonitor":
            check_monitor(where, doc, services)
    bridges = [c for pod in pods for c in containers(pod) if c["image"].startswith(IMAGE) or c["name"] == "statsd-bridge"]
    if not bridges:
        fail(f"{where}: no bridge")
    return [check_bridge(where, c) for c in bridges]


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def check_service(where, service, pods):
    name = service["metadata"]["name"]
    selected = [pod for pod in pods if selects(service["spec"]["selector"], pod["metadata"]["labels"])]
    if not selected:
        fail(f"{where}: service {name} selects nothing")
    for port in service["spec"]["ports"]:
        for pod in selected:
            named = {(p["name"], p["protocol"]) for c in containers(pod) for p in c.get("ports", [])}
            if (port["targetPort"], port["protocol"]) not in named:
                fail(f"{where}: service {name}: no container has port {port['targetPort']}/{port['protocol']}")


def check_monitor(where, monitor, services):
    matching = [s for s in services if selects(monitor["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
    if not matching:
        fail(f"{where}: the ServiceMonitor selects no service")
    for endpoint in monitor["spec"]["endpoints"]:
        for service in matching:
            if endpoint["port"] not in [p["name"] for p in service["spec"]["ports"]]:
                fail(f"{where}: service {service['metadata']['name']} has no port {endpoint['port']}")


def check_bridge(where, container):
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    probes = [container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if kind in container]
    if len(probes) < 2 or any(p["port"] not in ports for p in probes):
        fail(f"{where}: two probes at ports that are there, not {probes}")
    if "memory" not in container["resources"]["limits"] or "cpu" not in container["resources"]["requests"]:
        fail(f"{where}: resources {container['resources']}")
    context = container["securityContext"]
    if not context["readOnlyRootFilesystem"] or context["allowPrivilegeEscalation"] or context["capabilities"]["drop"] != ["ALL"]:
        fail(f"{where}: securityContext {context}")
    return {"where": where, "args": container["args"], "probes": [p["path"] for p in probes]}


def check_community(docs):
    """What the values of the community's chart ask for is in what is rendered."""
    by_kind = {doc["kind"]: doc for doc in docs}
    expected = {
        "Deployment", "Service", "ServiceAccount", "ConfigMap", "Ingress", "HorizontalPodAutoscaler", "ServiceMonitor", "PodMonitoring"
    }
    if set(by_kind) != expected:
        fail(f"community: {sorted(by_kind)}")
    text = "\n".join(json.dumps(doc, sort_keys=True) for doc in docs)
    # Every value is there, but for those without effect (the first, because the number of replicas is the autoscaler's).
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


def leaves(value):
    """Texts and numbers of a nested value, as they stand in JSON; switches are left out."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [] if isinstance(value, bool) else [json.dumps(value).strip('"')]


main()
