"""A region that was followed for some hours, in tables: the rows that a loop would have published, in one commit."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts.times import aware, minute
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.live.records import Published, _rows
from power_nowcast.store.tables import NOWCASTS
from tests.live.test_loop import HALF_HOUR, REGION, World
from tests.toy import toy_bundle, toy_panel


@pytest.fixture(scope="package")
def bundle() -> Bundle:
    return toy_bundle(REGION)


def publications(bundle: Bundle, world: World, hours: float) -> list[Published]:
    """What is published every interval from the world's clock on."""
    panel = toy_panel(REGION, 64)
    issues = np.arange(minute(world.now), minute(world.now + timedelta(hours=hours)), np.timedelta64(30, "m"))
    nowcasts, _ = bundle.replay(panel, issues)
    origin = bundle.features(panel, issues).origin_mw
    told = []
    for n, issue in enumerate(issues):
        at, count = aware(issue), len(nowcasts.series)
        nowcast = Nowcast(
            region="toy",
            issue_time=issue,
            series=nowcasts.series,
            steps_minutes=nowcasts.steps_minutes,
            quantiles=nowcasts.quantiles,
            values=nowcasts.values[n],
            origin_mw=origin[n],
            age_minutes=np.zeros(count),
            quality=(Quality.FULL,) * count,
            flags=(),
            model_digest=bundle.digest,
            calibration_id="c",
        )
        told.append(Published(nowcast, "kind", "1", 0, at, at + 1.5 * HALF_HOUR, at, True, "power 1", {}))
    return told


def followed(bundle: Bundle, folder: Path, hours: float, world: World | None = None) -> World:
    """A world in which every interval of some hours was published; its clock stands at their end."""
    world = world or World(folder / "data")
    told = publications(bundle, world, hours)
    world.store.records[NOWCASTS].add(pl.concat([_rows(one) for one in told]), now=told[-1].published_at)
    world.now += timedelta(hours=hours)
    world.fill()
    return world
