"""What a monitoring system reads: the state of regions, and the requests."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from power_nowcast.live.slot import ModelSlot
from tests.live.test_loop import BEGIN, HALF_HOUR, World
from tests.serve.conftest import Client
from tests.serve.test_live_routes import Live

type Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(client: Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(response.text)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for one in families for sample in one.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"power_nowcast_{name}", frozenset(labels.items())]


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    return Live(World(tmp_path / "data"), slot)


def test_the_state_of_a_followed_region_is_told_by_the_services_clock(live: Live) -> None:
    assert value(read(live.client), "ready", region="toy") == 0
    live.world.now = BEGIN + timedelta(minutes=2)
    live.step()
    live.world.now += timedelta(minutes=1)
    told = read(live.client)
    assert value(told, "ready", region="toy") == 1
    assert value(told, "age_seconds", region="toy") == 60
    assert value(told, "delay_seconds", region="toy") == 120
    assert value(told, "expires_seconds", region="toy") == 42 * 60
    assert value(told, "data_age_seconds", region="toy", table="power") == 180
    for quality, expected in (("full", 1), ("reduced", 0), ("persistence", 0), ("refused", 0)):
        assert value(told, "quality", region="toy", series="ALL", quality=quality) == expected
    (model,) = [dict(labels) for (name, labels) in told if name == "power_nowcast_model_info"]
    digest = live.loop.slot.current.bundle.digest
    assert model == {"region": "toy", "model": live.loop.region.model, "version": "7", "digest": digest}


def test_events_since_the_service_began_are_counted_by_kind(live: Live) -> None:
    live.step()
    before = read(live.client)
    assert value(before, "events_total", region="toy", kind="caught up") == 0
    live.world.now += 5 * HALF_HOUR
    live.step()
    after = read(live.client)
    assert value(after, "events_total", region="toy", kind="caught up") == 1
    assert value(after, "events_total", region="toy", kind="refused") == 0


def test_requests_are_counted_by_route_and_not_by_path(live: Live) -> None:
    live.step()
    present = live.client.get("/v1/nowcast/toy")
    live.client.get("/v1/nowcast/toy", headers={"if-none-match": present.headers["etag"]})
    live.client.get("/v1/nowcast/atlantis")
    live.client.get("/v1/nowcast/nowhere")
    live.client.get("/some/path/that/nobody/has")
    live.client.get("/another")
    told = read(live.client)
    route = "/v1/nowcast/{region}"
    assert value(told, "requests_total", method="GET", route=route, status="200") == 1
    assert value(told, "requests_total", method="GET", route=route, status="304") == 1
    assert value(told, "requests_total", method="GET", route=route, status="404") == 2
    assert value(told, "requests_total", method="GET", route="none", status="404") == 2
    assert value(told, "request_seconds_count", route=route) == 4
    assert not any("atlantis" in text or "another" in text for _, labels in told for _, text in labels)


def test_two_services_in_one_process_count_apart(slot: ModelSlot, tmp_path: Path) -> None:
    one, other = Live(World(tmp_path / "one"), slot), Live(World(tmp_path / "other"), slot)
    one.client.get("/healthz")
    assert value(read(one.client), "requests_total", method="GET", route="/healthz", status="200") == 1
    assert not any("/healthz" in dict(labels).get("route", "") for _, labels in read(other.client))


def test_a_service_that_follows_nothing_has_metrics_too(client: Client) -> None:
    told = read(client)
    assert value(told, "ready", region="toy") == 1
    assert not any(name == "power_nowcast_age_seconds" for name, _ in told)
