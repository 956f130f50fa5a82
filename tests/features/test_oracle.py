"""Every column of every family against the oracle: names and values, from the store by the project's own path."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.contracts import FeatureBlock
from power_nowcast.features.build_features import build
from power_nowcast.features.families import without_horizon
from power_nowcast.features.panel import history, window
from power_nowcast.features.spec import FeatureSpec
from tests.features.oracle.features import Answer, answer
from tests.features.oracle.known import Known, minutes
from tests.features.worlds import World, made_up, region, weighing

DAYS = 47
"""As far as features look back, and four days on."""


def as_array(times: Sequence[datetime]) -> np.ndarray:
    return np.array([time.replace(tzinfo=None) for time in times], "datetime64[m]")


def expected_of(
    world: World, spec: FeatureSpec, issues: Sequence[datetime], delay_minutes: int = 0
) -> list[list[Answer | None]]:
    """The oracle's answers, by issue time and series."""
    return [
        [
            answer(known, world.region, spec, series, delay_minutes)
            for known in [Known(world.region, world.rows, world.refused, minutes(issue))]
            for series in world.region.series
        ]
        for issue in issues
    ]


def assert_as_expected(block: FeatureBlock, expected: list[list[Answer | None]]) -> None:
    """Every name and value of a block is the oracle's; where that has none, the block has none."""
    for n, by_series in enumerate(expected):
        for s, one in enumerate(by_series):
            told = f"{block.series[s]} at {block.issue_times[n]}"
            if one is None:
                assert np.isnan(block.x[n, s]).all(), told
                assert np.isnan(block.age_minutes[n, s]), told
                continue
            assert block.names == tuple(one.values), "a column that the oracle does not know, or another order"
            values = np.array(list(one.values.values()), float)
            same = np.isclose(block.x[n, s], values, rtol=2e-6, atol=3e-6, equal_nan=True)
            wrong = {block.names[k]: (float(block.x[n, s, k]), values[k]) for k in np.flatnonzero(~same)}
            assert not wrong, told
            about = block.origin_mw[n, s], block.age_minutes[n, s], block.scale_mw[n, s]
            assert about == pytest.approx((one.origin_mw, one.age_minutes, one.scale_mw)), told


def at(*texts: str) -> list[datetime]:
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]


SHORT = {"days": (1, 2, 7, 10), "type_days": (7, 10), "analog_days": 9, "analogs": 3}
"""A choice of features that looks back no further than ten days."""
SPRING = at(
    "2024-02-16T15:00", "2024-02-18T23:35", "2024-02-19T15:00",  # a bridge day, the day before a holiday, the holiday
    "2024-03-09T20:30", "2024-03-09T22:45", "2024-03-09T23:30",  # since 20:00 no zone has a value
    "2024-03-10T06:30", "2024-03-10T07:00",  # New York's clocks go on at 07:00 on the 10th
    "2024-03-11T06:30", "2024-03-11T07:10", "2024-03-12T17:45",
)  # fmt: skip
AUTUMN = at(
    "2024-10-26T21:35", "2024-10-26T22:57",  # since 20:00 there is no value
    "2024-10-27T00:30", "2024-10-27T01:05",  # Helsinki's clocks go back at 01:00 on the 27th
    "2024-10-28T01:30", "2024-10-28T22:02", "2024-10-29T17:45",
)  # fmt: skip
"""Issue times in UTC, some of them off the grid."""


@pytest.fixture(scope="module")
def load() -> World:
    of = region(30, "America/New_York", {"A": "load", "B": "load"})
    return made_up(of, datetime(2024, 1, 26, tzinfo=UTC), DAYS, seed=1)


@pytest.fixture(scope="module")
def wind() -> World:
    of = region(
        5, "Europe/Helsinki", {"W": "wind"},
        power={"source": "files", "label": "instant", "delay_minutes": 60},
        forecast={"source": "files"},
    )  # fmt: skip
    return made_up(of, datetime(2024, 9, 13, tzinfo=UTC), DAYS, seed=2)


@pytest.fixture(scope="module")
def sun() -> World:
    of = region(
        15, "America/New_York", {"S": "solar", "T": "solar"},
        power={"source": "files", "label": "start"}, weather=None, weather_forecast=None,
    )  # fmt: skip
    world = made_up(of, datetime(2024, 1, 26, tzinfo=UTC), DAYS, seed=3)
    # One of the zones leaves nights out.
    told = [row for row in world.rows if (row.table, row.series, row.value) != ("power", "T", 0.0)]
    return replace(world, rows=tuple(told))


@pytest.fixture
def mixed(load: World) -> World:
    """A zone of wind and one of load, together a load; no operator's forecast and no flags."""
    return load.of(
        region(30, "America/New_York", {"A": "wind", "B": "load"}, forecast=None, weather_forecast=None, features=[])
    )


@pytest.mark.parametrize(
    ("name", "issues", "without_values"),
    [
        ("load", SPRING, r"L\.cloud_cover_forecast_error"),
        ("weighed", SPRING[1:4], r"cloud_cover_forecast_error"),
        ("mixed", SPRING[-2:], r"clear_sky_.*|operator_.*"),
        ("wind", AUTUMN, r"clear_sky_.*|L\.cloud_cover_forecast_error"),
        ("sun", SPRING, r""),
    ],
    ids=["load", "stations weighed", "wind and load", "wind", "sun"],
)
def test_every_column_is_what_the_oracle_says(
    name: str, issues: list[datetime], without_values: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    world = request.getfixturevalue("load" if name == "weighed" else name)
    world = world.of(weighing(world.region)) if name == "weighed" else world
    interval, store = world.region.interval_minutes, world.stored(tmp_path)
    spec = FeatureSpec.for_interval(interval, smoothing=2 * interval, **(SHORT if name == "mixed" else {}))
    expected = expected_of(world, spec, issues)
    answers = [one for by_series in expected for one in by_series if one is not None]
    for column in answers[0].values:
        has_value = any(not isnan(one.values[column]) for one in answers)
        assert has_value != bool(re.fullmatch(without_values, without_horizon(column))), column

    panel = history(store, world.region, world.start, world.end)
    assert_as_expected(build(panel, world.region, as_array(issues), spec), expected)
    for issue, one in zip(issues, expected, strict=True):
        alone = window(store, world.region, issue)
        assert_as_expected(build(alone, world.region, as_array([issue]), spec), [one])
