"""A model that is slow delays its own nowcast, and no reader."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.live.slot import Loaded, ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from tests.live.test_loop import HALF_HOUR, REGION, World
from tests.serve.conftest import Client, Place


class Slow:
    """A model that answers when it may."""

    def __init__(self, model: object) -> None:
        self.model, self.may, self.asked = model, threading.Event(), threading.Event()
        self.may.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def predict(self, *given: object, **more: object) -> object:
        self.asked.set()
        assert self.may.wait(30)
        return self.model.predict(*given, **more)  # type: ignore[attr-defined]


@pytest.fixture
def slow(place: Place) -> Slow:
    return Slow(place.bundle.model)


def test_readers_get_the_present_while_a_slow_model_makes_the_next(
    place: Place, slow: Slow, slot: ModelSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle: Bundle = replace(place.bundle, model=slow)  # type: ignore[arg-type]
    monkeypatch.setattr(slot, "_loaded", Loaded(Nowcaster(bundle), "7"))
    world = World(tmp_path / "data")
    loop = world.loop(slot)
    client = Client(
        create_app({"toy": Served(REGION, slot, loop)}, world.store, default_region="toy", clock=world.clock)
    )
    loop.step()
    before = client.get("/v1/nowcast/toy")
    assert before.status_code == 200, before.text
    world.now += HALF_HOUR
    slow.may.clear()
    slow.asked.clear()
    making = threading.Thread(target=loop.step)
    making.start()
    try:
        assert slow.asked.wait(30)
        for path in ("/v1/nowcast/toy", "/healthz", "/readyz", "/v1/events/toy", "/v1/nowcast/toy/history"):
            assert client.get(path).status_code == 200, path
        assert client.get("/v1/nowcast/toy").content == before.content
    finally:
        slow.may.set()
        making.join()
    assert client.get("/v1/nowcast/toy").json()["issue_time"] > before.json()["issue_time"]
