"""Who may ask whom, over all policies of a namespace."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from manifests.rendered import Rendered, Values, address, rule, selects

CHART = Path(__file__).parents[2] / "kubernetes/mlflow/values.yaml"
PRIVATE = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}
"""Addresses of the cluster, of neighbours, and of the machine's metadata."""
NAMES = {("pods k8s-app=kube-dns in kube-system", "UDP", 53), ("pods k8s-app=kube-dns in kube-system", "TCP", 53)}
MLFLOW = ("pods app.kubernetes.io/name=mlflow in mlflow", "TCP", 5001)
INTERNET = {("0.0.0.0/0", "TCP", 443), ("0.0.0.0/0", "TCP", 80)}
LIVE = ("pods app.kubernetes.io/component=live", "TCP", 8000)
EGRESS = {
    "live": {*NAMES, MLFLOW, *INTERNET},
    "retrain": {*NAMES, MLFLOW, *INTERNET},
    "analysis": {*NAMES, LIVE},
}
PROMETHEUS = ("pods app.kubernetes.io/name=prometheus in monitoring", "TCP", 8000)
GATEWAY = ("all pods in gateway", "TCP", 8000)
ANALYSIS = ("pods app.kubernetes.io/component=analysis", "TCP", 8000)
INGRESS = {"dev": {PROMETHEUS}, "prod": {PROMETHEUS, GATEWAY}, "canary": {PROMETHEUS, GATEWAY, ANALYSIS}}
"""Who may ask the live service; nobody may ask other pods."""


@rule()
def by_default_nothing_comes_in_or_goes_out(rendered: Rendered) -> Iterator[str]:
    denied = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if denied not in [one["spec"] for one in rendered.of("NetworkPolicy")]:
        yield "what no policy names is allowed"


@rule()
def pods_go_out_to_named_places_only(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        found = _peers(rendered, one.labels, "egress", "to")
        allowed = EGRESS[one.component]
        yield from (f"{one.owner} may reach {peer}" for peer in sorted(found - allowed))
        yield from (f"{one.owner} cannot reach {peer}" for peer in sorted(allowed - found))


@rule()
def only_those_who_should_ask_come_in(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        found = _peers(rendered, one.labels, "ingress", "from")
        allowed = INGRESS[rendered.overlay] if one.component == "live" else set()
        yield from (f"{peer} may ask {one.owner}" for peer in sorted(found - allowed))
        yield from (f"{peer} cannot ask {one.owner}" for peer in sorted(allowed - found))


@rule()
def the_internet_is_not_the_cluster(rendered: Rendered) -> Iterator[str]:
    for one in rendered.of("NetworkPolicy"):
        for each in one["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in each.get("to", []) if "ipBlock" in peer):
                if set(block.get("except", [])) != PRIVATE:
                    yield f"{address(one)} leaves out {block.get('except')}"


@rule()
def mlflow_answers_to_the_name_by_which_it_is_asked(rendered: Rendered) -> Iterator[str]:
    """Since MLflow 3.5 a name that is not listed gets 403; the chart's values must list it, with the port."""
    values = yaml.safe_load(CHART.read_text())
    asked = urlsplit(rendered.settings["MLFLOW_TRACKING_URI"])
    options = values["server"]["value_options"]
    if asked.netloc not in options["allowed_hosts"].split(","):
        yield f"MLflow refuses {asked.netloc}"
    name, namespace, *_ = str(asked.hostname).split(".")
    if (name, asked.port) != (values["fullnameOverride"], options["port"]) or (namespace, asked.port) != (
        "mlflow",
        MLFLOW[2],
    ):
        yield f"MLflow is not at {asked.netloc}"


@rule()
def everything_is_in_the_namespace(rendered: Rendered) -> Iterator[str]:
    (space,) = rendered.of("Namespace")
    name = {"dev": "power-nowcast-dev"}.get(rendered.overlay, "power-nowcast")
    if space["metadata"]["name"] != name:
        yield f"the namespace is {space['metadata']['name']}"
    for one in rendered.documents:
        if one is not space and one["metadata"].get("namespace") != name:
            yield f"{address(one)} is in {one['metadata'].get('namespace')}"


@rule()
def the_namespace_refuses_pods_with_more_rights(rendered: Rendered) -> Iterator[str]:
    labels = rendered.one("Namespace")["metadata"].get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield f"its labels are {labels}"


def _peers(rendered: Rendered, labels: dict[str, str], way: str, side: str) -> set[tuple[str, str, int]]:
    """Peer, protocol and port of each connection that the policies of pods with these labels allow."""
    found = set[tuple[str, str, int]]()
    for one in rendered.of("NetworkPolicy"):
        spec = one["spec"]
        if not selects(labels, spec["podSelector"]) or way.capitalize() not in spec["policyTypes"]:
            continue
        for each in spec.get(way, []):
            peers = [_peer(peer) for peer in each.get(side, [])] or ["everybody"]
            ports = each.get("ports", [{"protocol": "any", "port": 0}])
            found |= {(peer, port["protocol"], port["port"]) for peer in peers for port in ports}
    return found


def _peer(peer: Values) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    pods = peer.get("podSelector", {}).get("matchLabels", {})
    told = f"pods {','.join(f'{key}={value}' for key, value in pods.items())}" if pods else "all pods"
    if "namespaceSelector" not in peer:
        return told
    space = peer["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name", "any namespace")
    return f"{told} in {space}"
