"""The way in through the gateway, and the canary: weights, and the job that judges it."""

import copy
from collections.abc import Iterator

from manifests.rendered import Rendered, Values, address, rule

WEIGHTS = {
    "prod": {"power-nowcast": 100},
    "canary": {"power-nowcast": 90, "power-nowcast-canary": 10},
}
"""Share of the requests by service, in percent."""


@rule("dev")
def nobody_comes_in_from_outside(rendered: Rendered) -> Iterator[str]:
    yield from (f"{address(one)} is a way in" for one in rendered.of("HTTPRoute", "Ingress", "Gateway"))
    yield from (f"{address(one)} is a way in" for one in rendered.of("Service") if one["spec"].get("type"))


@rule("prod", "canary")
def the_route_leads_from_the_gateway_to_all_services(rendered: Rendered) -> Iterator[str]:
    spec = rendered.one("HTTPRoute")["spec"]
    if spec.get("parentRefs") != [{"name": "public", "namespace": "gateway"}] or not spec.get("hostnames"):
        yield f"it begins at {spec.get('parentRefs')}, for {spec.get('hostnames')}"
    ports = {one["metadata"]["name"]: {each["port"] for each in one["spec"]["ports"]} for one in rendered.of("Service")}
    for one in _backends(spec):
        if one.get("port") not in ports.get(one["name"], ()):
            yield f"there is no service {one['name']} with the port {one.get('port')}"


@rule("prod", "canary")
def requests_are_shared_by_weight(rendered: Rendered) -> Iterator[str]:
    for each in rendered.one("HTTPRoute")["spec"]["rules"]:
        found = {one["name"]: one.get("weight") for one in each["backendRefs"]}
        if found != WEIGHTS[rendered.overlay]:
            yield f"{each['matches']}: {found}"


@rule("prod", "canary")
def streams_last_as_long_as_their_reader_wants(rendered: Rendered) -> Iterator[str]:
    found = {
        match["path"]["value"]: each.get("timeouts")
        for each in rendered.one("HTTPRoute")["spec"]["rules"]
        for match in each["matches"]
    }
    if found != {"/v1/stream": {"request": "0s"}, "/": None}:
        yield f"timeouts: {found}"


@rule("canary")
def the_canary_differs_by_its_image_only(rendered: Rendered) -> Iterator[str]:
    stable, canary = (_common(rendered.one("Deployment", name)) for name in ("power-nowcast", "power-nowcast-canary"))
    yield from (f"{key} differs" for key in stable.keys() | canary.keys() if stable.get(key) != canary.get(key))
    images = [one.container["image"] for one in rendered.pods("live")]
    if images[0] == images[1]:
        yield f"both have the image {images[0]}"


@rule("canary")
def the_canary_is_one_pod(rendered: Rendered) -> Iterator[str]:
    found = rendered.one("Deployment", "power-nowcast-canary")["spec"]["replicas"]
    if found != 1:
        yield f"it has {found}"


@rule("canary")
def the_analysis_compares_the_two_services(rendered: Rendered) -> Iterator[str]:
    (pods,) = rendered.pods("analysis")
    names = [one["metadata"]["name"] for one in rendered.of("Service")]
    told = pods.container.get("args", [])
    if told[:3] != ["canary", *(f"http://{name}:8000" for name in names)]:
        yield f"it compares {told[:3]}"
    if told[3:5] != ["--region", rendered.settings["NOWCAST_REGION"]]:
        yield f"it asks about {told[3:5]}"


@rule("canary")
def the_analysis_judges_once_and_ends(rendered: Rendered) -> Iterator[str]:
    spec = rendered.one("Job")["spec"]
    (pods,) = rendered.pods("analysis")
    minutes = int(pods.container["args"][-1])
    if spec.get("backoffLimit") != 0 or pods.spec.get("restartPolicy") != "Never":
        yield "it may judge again until it likes what it sees"
    if not 1.5 * minutes * 60 <= spec.get("activeDeadlineSeconds", 0):
        yield f"it is ended before its {minutes} minutes are over"


@rule("canary")
def the_judge_is_not_the_judged(rendered: Rendered) -> Iterator[str]:
    (pods,) = rendered.pods("analysis")
    stable = rendered.one("Deployment", "power-nowcast")["spec"]["template"]["spec"]["containers"][0]["image"]
    if pods.container["image"] != stable:
        yield f"it has the image {pods.container['image']}"


def _backends(spec: Values) -> list[Values]:
    return [one for each in spec["rules"] for one in each["backendRefs"]]


def _common(deployment: Values) -> Values:
    """The spec of the pods without what must differ: labels of the track, and the image."""
    spec: Values = copy.deepcopy(deployment["spec"])
    del spec["replicas"], spec["selector"], spec["template"]["metadata"]["labels"]["track"]
    pods = spec.pop("template")
    del pods["spec"]["containers"][0]["image"]
    for one in pods["spec"]["topologySpreadConstraints"]:
        del one["labelSelector"]["matchLabels"]["track"]
    container = pods["spec"].pop("containers")[0]
    return {**spec, **pods["spec"], **container, "labels": pods["metadata"]}
