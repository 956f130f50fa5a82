"""A region that was followed for some hours, in tables."""

from datetime import timedelta
from pathlib import Path

import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.live.slot import Fetched, ModelSlot
from tests.live.test_loop import REGION, World
from tests.toy import toy_bundle


@pytest.fixture(scope="package")
def bundle() -> Bundle:
    return toy_bundle(REGION)


def slot_of(bundle: Bundle, folder: Path) -> ModelSlot:
    """A loaded slot."""
    if not (folder / "v1").exists():
        bundle.save(folder / "v1")
    slot = ModelSlot(REGION, lambda: Fetched(folder / "v1", "1", bundle.digest), folder / "cache")
    slot.load()
    return slot


def followed(bundle: Bundle, folder: Path, hours: float, world: World | None = None) -> World:
    """A world whose loop has published every interval for some hours; its clock stands at their end."""
    world = world or World(folder / "data")
    loop, until = world.loop(slot_of(bundle, folder)), world.now + timedelta(hours=hours)
    world.run(lambda _: [loop], until)
    world.fill()
    return world
