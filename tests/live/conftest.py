"""Two versions of a small model, and a store that fills as time goes by."""

from collections.abc import Callable
from pathlib import Path

import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.live.slot import Fetched, ModelSlot
from tests.live.test_loop import REGION, World
from tests.toy import toy_bundle


@pytest.fixture(scope="package")
def bundles() -> list[Bundle]:
    return [toy_bundle(REGION), toy_bundle(REGION, seed=2)]


@pytest.fixture
def slot_of(bundles: list[Bundle], tmp_path: Path) -> Callable[[int], ModelSlot]:
    def slot(version: int) -> ModelSlot:
        bundle = bundles[version - 1]
        folder = tmp_path / "cache" / f"v{version}"
        if not folder.exists():
            bundle.save(folder)
        made = ModelSlot(REGION, lambda: Fetched(folder, str(version), bundle.digest), tmp_path / "cache")
        made.load()
        return made

    return slot


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")
