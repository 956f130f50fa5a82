"""Look at two running services for a while, and judge whether the new one may replace the other: canary analysis."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from power_nowcast.errors import SourceUnavailableError, UnknownRegionError
from power_nowcast.evaluate.canary import FAST_SECONDS, Figures, Finding, Look, decide, figures
from power_nowcast.serve.metrics import PREFIX

UNCOUNTED = {"/healthz", "/readyz", "/metrics", "/v1/stream/{region}"}
"""Routes that tell nothing about requests: probes, and streams that last as long as their reader wants."""


@dataclass(frozen=True)
class Plan:
    """What is looked at, and for how long.

    Attributes:
        stable: address of the service that may be replaced.
        canary: address of the new version.
        region: name of the region that both serve.
        seconds: how long to look.
        every_seconds: time between two looks.
        patience_seconds: how long to wait at the beginning until both are ready.
    """

    stable: str
    canary: str
    region: str
    seconds: float = 900.0
    every_seconds: float = 5.0
    patience_seconds: float = 600.0


@dataclass(frozen=True)
class Judgement:
    """Figures of both, and each part of the rule."""

    stable: Figures
    canary: Figures
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether the new version may replace the other one."""
        return all(one.is_kept for one in self.findings)


def judge(
    plan: Plan,
    client: httpx.Client,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Judgement:
    """Look at both, and ask both for the present, until the time is over.

    Args:
        plan: what is looked at.
        client: asks; its headers may have a key.
        clock: seconds of a clock that never jumps.
        sleep: waits this many seconds.

    Raises:
        SourceUnavailableError: the service that may be replaced was not ready in time, so that nothing can be compared.
        UnknownRegionError: a service has no such region.
    """
    wait = clock() + plan.patience_seconds
    while not (_is_ready(client, plan.stable) and _is_ready(client, plan.canary)) and clock() < wait:
        sleep(plan.every_seconds)
    if not _is_ready(client, plan.stable):
        raise SourceUnavailableError(
            f"The service at {plan.stable} is not ready, so that nothing can be compared with it.",
            remedy=f"See {plan.stable}/readyz.",
            url=plan.stable,
        )
    looks: dict[str, list[Look]] = {plan.stable: [], plan.canary: []}
    end = clock() + plan.seconds
    while True:
        for url, told in looks.items():
            told.append(_look(client, url, plan.region))
        if clock() >= end:
            break
        sleep(plan.every_seconds)
    stable, canary = (figures(told, _skill(client, url, plan)) for url, told in looks.items())
    return Judgement(stable, canary, decide(stable, canary))


def _look(client: httpx.Client, url: str, region: str) -> Look:
    present = _ask(client, f"{url}/v1/nowcast/{region}")
    if present is not None and present.status_code == httpx.codes.NOT_FOUND:
        raise UnknownRegionError(
            f"The service at {url} has no region {region!r}.", remedy="Name one of its regions.", region=region
        )
    is_ready, metrics = _is_ready(client, url), _ask(client, f"{url}/metrics")
    if metrics is None or not metrics.is_success:
        return Look(is_ready)
    return _read(is_ready, metrics.text, region)


def _read(is_ready: bool, text: str, region: str) -> Look:
    """A look from metrics in Prometheus' text format."""
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]

    def values(name: str, **labels: str) -> list[tuple[dict[str, Any], float]]:
        found = [(one.labels, one.value) for one in samples if one.name == name]
        return [(had, value) for had, value in found if labels.items() <= had.items()]

    def first(name: str, **labels: str) -> float | None:
        return next((value for _, value in values(name, **labels)), None)

    requests = [(had, n) for had, n in values(f"{PREFIX}_requests_total") if had["route"] not in UNCOUNTED]
    fast = values(f"{PREFIX}_request_seconds_bucket", le=str(FAST_SECONDS))
    left = first(f"{PREFIX}_expires_seconds", region=region)
    models = values(f"{PREFIX}_model_info", region=region)
    return Look(
        is_ready,
        answered=sum(n for _, n in requests),
        failed=sum(n for had, n in requests if had["status"].startswith("5")),
        fast=sum(n for had, n in fast if had["route"] not in UNCOUNTED),
        began=first("process_start_time_seconds"),
        memory_bytes=first("process_resident_memory_bytes"),
        is_late=None if left is None else left < 0,
        model=next((f"{had['version']} ({had['digest'][:12]})" for had, _ in models), ""),
    )


def _skill(client: httpx.Client, url: str, plan: Plan) -> float | None:
    """Skill over all series and steps of the live nowcasts since the first look; None if no value is known yet."""
    hours = max(1, math.ceil(plan.seconds / 3600))
    answer = _ask(client, f"{url}/v1/skill/{plan.region}?hours={hours}")
    if answer is None or not answer.is_success:
        return None
    rows = answer.json()
    own, other = (sum(row["n"] * row[name] for row in rows) for name in ("mae_mw", "persistence_mae_mw"))
    return 1 - own / other if other else None


def _is_ready(client: httpx.Client, url: str) -> bool:
    answer = _ask(client, f"{url}/readyz")
    return answer is not None and answer.is_success


def _ask(client: httpx.Client, url: str) -> httpx.Response | None:
    """The answer, None if there is none."""
    try:
        return client.get(url)
    except httpx.TransportError:
        return None
