"""The loader: versions come beside the requests, at once after a promotion, and failures do not end it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.errors import RegistryUnavailableError, StoreError
from power_nowcast.live import loader as loading
from power_nowcast.live.loader import Loader
from power_nowcast.live.slot import Fetched, ModelSlot
from tests.toy import toy_bundle, toy_region

REGION = toy_region()


class Registry:
    """Says which of two versions should answer; `down` makes it fail, `hangs` makes it never answer."""

    def __init__(self, folder: Path, bundles: list[Bundle]) -> None:
        self.version, self.down, self.asked, self.hangs = 1, False, 0, threading.Event()
        self.hangs.set()
        self.bundles = bundles
        self.folders = [folder / f"v{n}" for n in (1, 2)]
        for bundle, one in zip(bundles, self.folders, strict=True):
            bundle.save(one)

    def __call__(self) -> Fetched:
        self.asked += 1
        self.hangs.wait(30)
        if self.down:
            raise RegistryUnavailableError("MLflow does not answer.", remedy="Start it.")
        place = self.version - 1
        return Fetched(self.folders[place], str(self.version), self.bundles[place].digest)


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    return [toy_bundle(REGION), toy_bundle(REGION, seed=2)]


@pytest.fixture
def registry(tmp_path: Path, bundles: list[Bundle]) -> Registry:
    return Registry(tmp_path / "models", bundles)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_promotion_is_taken_without_waiting_for_the_poll(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "WATCH_SECONDS", 0.01)
    slot, promotions = ModelSlot(REGION, registry, tmp_path / "cache"), [0]
    loader = Loader([slot], 3600.0, lambda _: promotions[0])
    loader.start()
    try:
        assert until(lambda: slot.is_loaded and not slot.current.from_disk)
        registry.version, asked = 2, registry.asked
        time.sleep(0.1)
        assert (slot.current.version, registry.asked) == ("1", asked), "nobody said that anything changed"
        promotions[0] += 1
        assert until(lambda: slot.current.version == "2")
    finally:
        loader.stop()


def test_a_registry_that_hangs_holds_up_nobody(registry: Registry, tmp_path: Path) -> None:
    ModelSlot(REGION, registry, tmp_path / "cache").load()
    registry.hangs.clear()
    slot = ModelSlot(REGION, registry, tmp_path / "cache")
    loader = Loader([slot], 3600.0)
    loader.start()
    try:
        assert until(lambda: slot.is_loaded)
        assert slot.current.from_disk
    finally:
        registry.hangs.set()
        loader.stop()


def test_failures_are_outlived(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WATCH_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(loading, name, 0.01)
    registry.down = True

    def promoted(_: str) -> object:
        raise StoreError("The table cannot be read.", remedy="Check it.")

    slot = ModelSlot(REGION, registry, tmp_path / "cache")
    loader = Loader([slot], 0.01, promoted)
    loader.start()
    try:
        assert until(lambda: registry.asked > 3)
        assert not slot.is_loaded
        registry.down = False
        assert until(lambda: slot.is_loaded)
        registry.version = 2
        assert until(lambda: slot.current.version == "2")
    finally:
        loader.stop()


def test_without_a_poll_a_loaded_slot_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    slot = ModelSlot(REGION, registry, tmp_path / "cache")
    slot.load()
    loader = Loader([slot])
    loader.start()
    time.sleep(0.05)
    loader.stop()
    assert registry.asked == 1
