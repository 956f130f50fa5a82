import asyncio
import json
import re
import threading
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from power_nowcast import __version__
from power_nowcast.errors import ModelError, RegistryUnavailableError
from power_nowcast.live import loader as loading
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.schemas import ModelCard, NowcastAnswer, Observations, Problem, ShortAnswer, ShortRequest
from power_nowcast.serve.service import Served
from power_nowcast.store import Store
from tests.serve.conftest import NEWEST, Client, Clock, Place, Serve

DOWN = RegistryUnavailableError("MLflow does not answer.", remedy="Start it.")


def test_alive(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "version": __version__}


def test_ready_while_observations_are_new(client: Client, clock: Clock) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "regions": {
            "toy": {
                "ready": True,
                "reason": "",
                "model_version": "7",
                "newest_observation": "2024-04-29T23:30:00Z",
                "newest_observation_age_minutes": 12.0,
            }
        },
    }
    clock.now = NEWEST + timedelta(minutes=90)  # three intervals
    assert client.get("/readyz").status_code == 200
    clock.now = NEWEST + timedelta(minutes=91)
    response = client.get("/readyz")
    assert response.status_code == 503
    reason = response.json()["regions"]["toy"]["reason"]
    assert reason == "The newest observation is 91 minutes old; 90 are allowed."


def test_not_ready_without_observations(serve: Serve, tmp_path: Path) -> None:
    response = serve(store=Store(tmp_path)).get("/readyz")
    assert response.status_code == 503
    assert "nowcast ingest" in response.json()["regions"]["toy"]["reason"]


def test_ready_only_if_every_region_is(place: Place, slot: ModelSlot, clock: Clock, tmp_path: Path) -> None:
    other = place.region.model_copy(update={"name": "other"})
    served = {one.name: Served(one, slot) for one in (place.region, other)}
    app = create_app(served, place.store, default_region=place.region.name, clock=clock)
    response = Client(app).get("/readyz")
    told = {name: state["ready"] for name, state in response.json()["regions"].items()}
    assert told == {place.region.name: True, "other": False}
    assert (response.status_code, response.json()["ready"]) == (503, False)


def test_a_nowcast_without_observations_says_so(serve: Serve, tmp_path: Path) -> None:
    client = serve(store=Store(tmp_path))
    for query in ({}, {"issue_time": "latest"}, {"issue_time": "2024-04-01T00:00:00Z"}):
        refused = client.get("/v1/nowcast/toy", params=query)
        assert refused.status_code == 503, query
        assert "no power of toy" in refused.json()["detail"]


def test_not_ready_without_a_model(serve: Serve, place: Place, tmp_path: Path) -> None:
    def loader() -> Fetched:
        raise DOWN

    slot = ModelSlot(place.region, loader, tmp_path)
    client = serve(slot=slot)
    assert client.get("/readyz").json()["regions"]["toy"]["reason"].endswith("It is being fetched.")
    with pytest.raises(RegistryUnavailableError):
        slot.load()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["regions"]["toy"]["reason"] == "No model of toy is loaded. MLflow does not answer."
    assert client.get("/v1/models").json() == []
    assert client.get("/healthz").status_code == 200
    refused = client.get("/v1/nowcast/toy")
    assert (refused.status_code, refused.json()["title"]) == (503, ModelError.title)
    assert refused.json()["remedy"] == "Start it."


def test_models_are_loaded_beside_and_tried_again(
    serve: Serve, place: Place, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application starts at once; the registry answers at the third call."""
    monkeypatch.setattr(loading, "RETRY_SECONDS", 0.0)
    answers, loaded = [DOWN, ValueError("a defect"), None], threading.Event()

    def loader() -> Fetched:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        loaded.set()
        return Fetched(folder, "9", place.bundle.digest)

    slot = ModelSlot(place.region, loader, tmp_path)
    client = serve(slot=slot)

    async def live() -> None:
        async with client.app.router.lifespan_context(client.app):
            await asyncio.to_thread(loaded.wait, 60)
            while not slot.is_loaded:
                await asyncio.sleep(0.01)

    asyncio.run(live())
    assert client.get("/v1/models").json()[0]["model"]["version"] == "9"


def test_models_say_what_is_loaded(client: Client, place: Place) -> None:
    (card,) = client.get("/v1/models").json()
    ModelCard.model_validate(card)
    info = place.bundle.info
    assert card["model"] == {
        "name": "toy-nowcast",
        "version": "7",
        "digest": place.bundle.digest,
        "kind": "persistence_ramp",
        "calibration_id": place.bundle.calibration.id,
    }
    assert (card["train_start"], card["train_end"]) == (info.train_start, info.train_end)
    assert (card["history_minutes"], card["minimum_history_minutes"]) == (
        place.bundle.history_minutes,
        place.bundle.minimum_history_minutes,
    )
    assert card["columns"] == ["valid_at", "N.E.", "SOUTH 1", "KTOY.temperature_c"]
    assert (card["from_disk"], card["trouble"]) == (False, None)


def test_a_model_from_disk_says_why(serve: Serve, place: Place, folder: Path, tmp_path: Path) -> None:
    ModelSlot(place.region, lambda: Fetched(folder, "7", place.bundle.digest), tmp_path).load()

    def loader() -> Fetched:
        raise DOWN

    slot = ModelSlot(place.region, loader, tmp_path)
    slot.load()
    (card,) = serve(slot=slot).get("/v1/models").json()
    assert (card["from_disk"], card["trouble"], card["model"]["version"]) == (True, str(DOWN), "7")


def test_regions(client: Client) -> None:
    (card,) = client.get("/v1/regions").json()
    assert card["series"] == ["ALL", "N.E.", "SOUTH 1"]
    assert (card["horizon_min"], card["interval_minutes"], card["archive"]) == ([30, 60], 30, False)


def test_the_description_is_whole_and_its_examples_fit(client: Client) -> None:
    described = client.get("/openapi.json").json()
    schemas = described["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert references <= set(schemas)
    assert "HTTPValidationError" not in references
    for model in (Observations, ShortRequest, NowcastAnswer, ShortAnswer, Problem):
        for example in schemas[model.__name__]["examples"]:
            model.model_validate(example)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            assert ("requestBody" in operation) == (method == "post")
            for status, answer in operation["responses"].items():
                is_own = status.startswith("2") or (path, status) == ("/readyz", "503")
                kind = "application/json" if is_own else "application/problem+json"
                if status == "200":
                    kind = OWN_KINDS.get(path, kind)
                assert kind in answer["content"], (path, status)


OWN_KINDS = {
    "/v1/stream/{region}": "text/event-stream",
    "/v1/nowcast/{region}.svg": "image/svg+xml",
    "/metrics": "text/plain",
}
"""Content of answers that are not JSON, by path."""


class Links(HTMLParser):
    """Everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "style")]


def test_the_documentation_stands_alone(client: Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    links = Links()
    links.feed(response.text)
    assert links.found == ["openapi.json"]
    assert not links.tags & {"script", "link", "img", "iframe"}
    assert "url(" not in response.text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in response.text
