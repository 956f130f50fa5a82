"""The live service and retraining: probes, draining, rollouts, drains, and the promotion gate."""

from collections.abc import Iterator

from manifests.rendered import Pods, Rendered, address, rule, selects

PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz?exclude=data"}
GRACE_SECONDS = 5
"""Time that the service takes at most to end, once it is told to."""
PREFIX, REPLICAS = "app.kubernetes.io/", {"dev": 1, "prod": 2, "canary": 2}


@rule()
def the_service_is_asked_on_its_own_routes(rendered: Rendered) -> Iterator[str]:
    """Liveness must not look at S3, MLflow or data: a restart mends none of them."""
    for one in rendered.pods("live"):
        for probe, path in PROBES.items():
            asked = one.container.get(probe, {}).get("httpGet")
            if asked != {"path": path, "port": "http"}:
                yield f"{one.owner}: {probe} asks {asked}"


@rule()
def a_slow_pod_is_not_started_again(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods("live"):
        for probe, least in (("startupProbe", 300), ("livenessProbe", 60)):
            told = one.container.get(probe, {})
            if told.get("periodSeconds", 10) * told.get("failureThreshold", 3) < least:
                yield f"{one.owner}: {probe} gives up before {least} s"
            if told.get("timeoutSeconds", 1) < 5:
                yield f"{one.owner}: {probe} waits for {told.get('timeoutSeconds', 1)} s only"


@rule()
def the_service_drains_before_it_ends(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods("live"):
        waits = one.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if waits < 5:
            yield f"{one.owner} ends while proxies still send requests"
        if one.spec.get("terminationGracePeriodSeconds", 30) < waits + GRACE_SECONDS + 10:
            yield f"{one.owner} is killed before it has ended"


@rule()
def a_rollout_takes_no_pod_before_it_gives_one(rendered: Rendered) -> Iterator[str]:
    for one in rendered.of("Deployment"):
        told = one["spec"].get("strategy", {}).get("rollingUpdate")
        if told != {"maxUnavailable": 0, "maxSurge": 1}:
            yield f"{address(one)}: {told}"


@rule()
def there_are_as_many_pods_as_there_should_be(rendered: Rendered) -> Iterator[str]:
    found = rendered.one("Deployment", "power-nowcast")["spec"]["replicas"]
    if found != REPLICAS[rendered.overlay]:
        yield f"{found} pods"


@rule()
def pods_stand_on_different_machines_and_zones(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods("live"):
        spread = one.spec.get("topologySpreadConstraints", [])
        keys = {each["topologyKey"] for each in spread if selects(one.labels, each["labelSelector"])}
        if keys != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
            yield f"{one.owner} is spread over {sorted(keys)}"


@rule()
def a_drain_takes_one_pod_at_a_time(rendered: Rendered) -> Iterator[str]:
    budget = rendered.one("PodDisruptionBudget")["spec"]
    chosen = [one.owner for one in rendered.pods() if selects(one.labels, budget["selector"])]
    if chosen != ["Deployment/power-nowcast"]:
        yield f"the budget counts {chosen}"
    if budget.get("maxUnavailable") != 1 or "minAvailable" in budget:
        yield f"the budget is {budget}"


@rule()
def each_service_finds_the_pods_of_its_own(rendered: Rendered) -> Iterator[str]:
    owners = [address(one) for one in rendered.of("Deployment")]
    found = {}
    for one in rendered.of("Service"):
        chosen = [pods for pods in rendered.pods() if selects(pods.labels, {"matchLabels": one["spec"]["selector"]})]
        found[address(one).replace("Service", "Deployment")] = [pods.owner for pods in chosen]
        for port in one["spec"]["ports"]:
            if any(port["targetPort"] not in _ports(pods) for pods in chosen):
                yield f"{address(one)} sends to the port {port['targetPort']}, which its pods do not have"
    if found != {owner: [owner] for owner in owners}:
        yield f"services find {found}"


@rule()
def the_service_listens_to_other_pods(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods("live"):
        told = {each["name"]: each.get("value") for each in one.container.get("env", [])}
        if told.get("NOWCAST_HOST") != "0.0.0.0":  # noqa: S104 - the network policies say who may ask
            yield f"{one.owner} listens to {told.get('NOWCAST_HOST')}"
        if one.container.get("ports") != [{"name": "http", "containerPort": 8000}]:
            yield f"{one.owner} has the ports {one.container.get('ports')}"


@rule()
def what_must_outlive_a_pod_lies_in_s3(rendered: Rendered) -> Iterator[str]:
    if not rendered.settings.get("NOWCAST_DATA", "").startswith("s3://"):
        yield f"tables lie in {rendered.settings.get('NOWCAST_DATA')}"
    if rendered.of("StatefulSet", "PersistentVolumeClaim"):
        yield "a pod has a disk of its own"


@rule("prod", "canary")
def readers_bring_a_key(rendered: Rendered) -> Iterator[str]:
    """Every request comes from the gateway's address, so that a rate by address would count all readers as one."""
    if rendered.settings.get("NOWCAST_API_KEYS") != "all":
        yield f"NOWCAST_API_KEYS is {rendered.settings.get('NOWCAST_API_KEYS')}"


@rule()
def retraining_ends_in_the_promotion_gate(rendered: Rendered) -> Iterator[str]:
    """`nowcast run` is the main job, whose last step is the promotion by the rule; no command goes around it."""
    (pods,) = rendered.pods("retrain")
    if pods.container.get("args") != ["run"]:
        yield f"{pods.owner} runs {pods.container.get('args')}"


@rule()
def retraining_is_alone_and_ends(rendered: Rendered) -> Iterator[str]:
    spec = rendered.one("CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    if spec.get("concurrencyPolicy") != "Forbid" or not spec.get("startingDeadlineSeconds"):
        yield "two may run at a time, or late"
    if not spec.get("timeZone"):
        yield "its hour is that of some machine"
    if not 0 < job.get("activeDeadlineSeconds", 0) <= 6 * 3600 or job.get("backoffLimit", 6) > 2:
        yield "it may run, or fail, for ever"


def _ports(pods: Pods) -> list[str]:
    return [each.get("name", "") for each in pods.container.get("ports", [])]
