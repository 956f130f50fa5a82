"""How much better a zone fits the others as of an hour before: on made-up zones, from examples and from rows."""

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.late_zones import (
    BLOCK_MINUTES,
    BLOCKS,
    HISTORY_MINUTES,
    grid_minutes,
    lateness,
    learnt_lateness,
    newest_lateness,
)
from power_nowcast.contracts import FeatureBlock
from power_nowcast.contracts.times import aware
from tests.toy import toy_region

REGION = toy_region()
ZONES = ("N.E.", "SOUTH 1")
STEP = 30
DAY, WEEK = 48, 7 * 48
BEGIN = np.datetime64("2024-03-01T00:00", "m")


def made_up(weeks: int = 4, zones: int = 3, seed: int = 1) -> np.ndarray:
    """Loads every half hour whose days differ in height, with a shape of its own for each zone, shape (slot, zone)."""
    rng = np.random.default_rng(seed)
    at = np.arange(weeks * WEEK)
    height = np.repeat(rng.normal(1, 0.05, weeks * 7), DAY)[:, None]
    own = [
        0.2 * np.sin(2 * np.pi * (at - 3 * z) / DAY) + 0.1 * np.sin(4 * np.pi * (at + 5 * z) / DAY)
        for z in range(zones)
    ]
    noise = rng.normal(0, 0.002, (len(at), zones))
    return 1000 * (1 + np.arange(zones)) * height * (1 + np.stack(own, axis=1) + noise)


def shifted(values: np.ndarray, zone: int, first: int, slots: int) -> np.ndarray:
    """With the values of an hour before in a zone."""
    told = values.copy()
    told[first : first + slots, zone] = values[first - 2 : first + slots - 2, zone]
    return told


def test_a_zone_that_is_an_hour_late_fits_better_as_of_then() -> None:
    values, first = made_up(), 3 * WEEK + 20
    before, late = (lateness(one, ["load"] * 3, STEP) for one in (values, shifted(values, 1, first, 2 * DAY)))
    whole = first + BLOCKS * BLOCK_MINUTES // STEP
    usual = np.nanmax(before, axis=0)
    assert usual.max() < 0.7
    assert late[whole + 2 : first + 2 * DAY, 1].min() > 2
    assert np.nanmax(late[:, [0, 2]], axis=0).max() < 1.5, "the others go on"
    assert np.array_equal(late[:first], before[:first], equal_nan=True), "nothing looks ahead"


def test_a_shift_of_fewer_than_four_blocks_is_none() -> None:
    values, first = made_up(), 3 * WEEK + 20
    three = 3 * BLOCK_MINUTES // STEP
    told = lateness(shifted(values, 1, first, three), ["load"] * 3, STEP)
    assert np.nanmax(told[: first + three + DAY, 1]) < 1


def test_values_that_are_early_or_off_are_not_late() -> None:
    values, first = made_up(), 3 * WEEK + 20
    early, off = values.copy(), values.copy()
    early[first : first + 2 * DAY, 1] = values[first + 2 : first + 2 * DAY + 2, 1]
    off[first : first + DAY, 1] *= 1.05
    for given in (early, off):
        assert np.nanmax(lateness(given, ["load"] * 3, STEP)[first : first + 2 * DAY, 1]) < 1


def test_what_is_unknown_or_alone_has_no_figure() -> None:
    values = made_up()
    assert np.isnan(lateness(values[:, :1], ["load"], STEP)).all()
    assert np.isnan(lateness(values, ["load", "wind", "solar"], STEP)).all(), "each is alone of its kind"
    assert np.isnan(lateness(values[: 2 * WEEK], ["load"] * 3, STEP)).all(), "the usual share is of two weeks"
    values[3 * WEEK :, 0] = np.nan
    values[3 * WEEK :: 2, 1] = 0.0
    told = lateness(values, ["load"] * 3, STEP)
    assert np.isnan(told[3 * WEEK + DAY :]).all(), "a partial sum is no sum, and every second value is too little"
    assert np.isfinite(told[2 * WEEK + DAY : 3 * WEEK]).all()


def blocks(values: np.ndarray) -> list[FeatureBlock]:
    """Issue times of training and hold-out time, one interval after their origins."""
    issues, shape = BEGIN + (np.arange(len(values)) + 1) * np.timedelta64(STEP, "m"), (len(values), 3)
    origin = np.concatenate([values.sum(axis=1, keepdims=True), values], axis=1)
    whole = FeatureBlock(
        issues,
        REGION.series,
        (),
        (0,),
        np.zeros((*shape, 1, 0), np.float32),
        origin,
        np.full(shape, 30.0),
        np.ones(shape),
    )
    cut = issues < issues[len(issues) // 2]
    return [whole.take(cut), whole.take(~cut)]


def rows(values: np.ndarray) -> pl.DataFrame:
    at = (BEGIN + np.arange(len(values)) * np.timedelta64(STEP, "m")).astype("datetime64[us]")
    wide = pl.DataFrame({"valid_at": at, **{name: values[:, z] for z, name in enumerate(ZONES)}})
    return wide.unpivot(index="valid_at", variable_name="series").with_columns(
        pl.col("valid_at").dt.replace_time_zone("UTC")
    )


def test_training_and_the_watch_compute_the_same_figure() -> None:
    values = made_up(zones=2)
    values[3 * WEEK + 3, 1] = np.nan
    names, told = learnt_lateness(REGION, blocks(values))
    assert names == ZONES
    assert len(told) == len(values) // 2
    known = np.flatnonzero(np.isfinite(told).all(axis=1))
    assert len(known) > 150
    for hour in known[[0, 50, -1]]:
        at = BEGIN + np.timedelta64(int(hour), "h")
        since = aware(at - np.timedelta64(HISTORY_MINUTES, "m"))
        newest = newest_lateness(REGION, rows(values).filter(pl.col("valid_at") >= since), at)
        assert list(newest) == list(ZONES)
        assert list(newest.values()) == pytest.approx(told[hour], rel=1e-9)


def test_no_figure_without_power_or_on_coarse_grids() -> None:
    hour = BEGIN + np.timedelta64(HISTORY_MINUTES, "m")
    assert newest_lateness(REGION, rows(made_up(zones=2)[:10]), hour) == {}
    hourly = REGION.model_copy(update={"interval_minutes": 60})
    assert grid_minutes(60) is None
    assert newest_lateness(hourly, rows(made_up(zones=2)), hour) == {}
    assert learnt_lateness(hourly, blocks(made_up(zones=2)))[1].shape == (0, 2)
