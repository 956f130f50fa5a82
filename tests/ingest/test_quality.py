"""How often the quality rules fire on real years, and what they find of faults planted there: docs/quality.md."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast import regions
from power_nowcast.checks import flags
from power_nowcast.contracts import Flag, Reason, Table
from power_nowcast.ingest import with_source
from power_nowcast.ingest.align import align
from power_nowcast.ingest.catalog import source_of
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.validate import check
from power_nowcast.regions import Region

ROOT = Path(__file__).parents[2]
PLANTED = 40
"""Faults of a kind in each series."""
APART = 200
"""Values between two of them."""
REASONS = {Flag.SPIKE: Reason.SPIKE, Flag.STUCK: Reason.FLAT}

REAL = {
    "nyiso": {Flag.SPIKE: 1, Flag.STUCK: 0, Flag.INTERPOLATED: 0},
    "victoria": {Flag.SPIKE: 0, Flag.STUCK: 0, Flag.INTERPOLATED: 0},
    "bpa": {Flag.SPIKE: 8, Flag.STUCK: 24, Flag.INTERPOLATED: 37},
    "caiso": {Flag.SPIKE: 1, Flag.STUCK: 55, Flag.INTERPOLATED: 0},
}
"""Values that each rule marks in the years as published."""
FOUND = {
    "spike of 10 %": {"nyiso": 8, "victoria": 0, "bpa": 1, "caiso": 2},
    "spike of 20 %": {"nyiso": 134, "victoria": 7, "bpa": 57, "caiso": 40},
    "spike of 40 %": {"nyiso": 306, "victoria": 31, "bpa": 75, "caiso": 39},
    "stuck for 5": {"nyiso": 1, "victoria": 0, "bpa": 1, "caiso": 1},
    "stuck for 6": {"nyiso": 440, "victoria": 40, "bpa": 80, "caiso": 40},
    "stuck for 12": {"nyiso": 440, "victoria": 40, "bpa": 80, "caiso": 40},
    "line of 6": {"nyiso": 407, "victoria": 4, "bpa": 67, "caiso": 40},
    "line of 12": {"nyiso": 379, "victoria": 10, "bpa": 57, "caiso": 39},
}
"""Found of the faults planted, by kind and region: `PLANTED` in each of its series."""


@cache
def published(name: str, data: Path) -> tuple[Region, pl.DataFrame]:
    """The rows of all files of a region's power, as its source reads them."""
    if name == "nyiso":
        region, place = with_source(regions.load(name), "nyiso"), data / "nyiso"
    elif name == "victoria":
        region, place = regions.load(name), None
    else:
        file = {"bpa": "bpa", "caiso": "caiso-files"}[name]
        region, place = regions.load(ROOT / f"benchmarks/regions/{file}.toml"), data / name
    request = Request(region, Table.POWER, region.power, place=place)
    source = source_of(region, region.power)
    frames = [source.parse(one.read(), request, one.origin) for one in source.deliveries(request)]
    return region, pl.concat(frames)


def marked(region: Region, rows: pl.DataFrame) -> dict[Flag, pl.DataFrame]:
    """What each rule marks: columns series, at."""
    checked = check(rows, region, Table.POWER, region.power, origin="a file")
    found = {flag: checked.bad.filter(pl.col("reason") == REASONS[flag].value) for flag in REASONS}
    values, _ = align(checked.rows, region, Table.POWER, region.power)
    lines = flags.interpolated(values, region).rename({"valid_at": "at"})
    return {flag: one.select("series", "at") for flag, one in {**found, Flag.INTERPOLATED: lines}.items()}


def spike(values: np.ndarray, share: float, sign: int) -> np.ndarray:
    return np.array([values[0], values[1] * (1 + sign * share), *values[2:]])


def stuck(values: np.ndarray, samples: int, sign: int) -> np.ndarray:
    return np.concatenate([values[:1], np.full(samples - 1, values[0]), values[samples:]])


def line(values: np.ndarray, samples: int, sign: int) -> np.ndarray:
    filled = np.linspace(values[0], values[samples + 1], samples + 2)
    return np.concatenate([filled, values[samples + 2 :]])


KINDS: dict[str, tuple[Flag, int, Callable[[np.ndarray, int], np.ndarray]]] = {
    "spike of 10 %": (Flag.SPIKE, 1, lambda values, sign: spike(values, 0.1, sign)),
    "spike of 20 %": (Flag.SPIKE, 1, lambda values, sign: spike(values, 0.2, sign)),
    "spike of 40 %": (Flag.SPIKE, 1, lambda values, sign: spike(values, 0.4, sign)),
    "stuck for 5": (Flag.STUCK, 4, lambda values, sign: stuck(values, 5, sign)),
    "stuck for 6": (Flag.STUCK, 5, lambda values, sign: stuck(values, 6, sign)),
    "stuck for 12": (Flag.STUCK, 11, lambda values, sign: stuck(values, 12, sign)),
    "line of 6": (Flag.INTERPOLATED, 6, lambda values, sign: line(values, 6, sign)),
    "line of 12": (Flag.INTERPOLATED, 12, lambda values, sign: line(values, 12, sign)),
}
"""The flag that it should get, how many values are wrong from the second on, and the fault itself."""


def plant(region: Region, rows: pl.DataFrame, kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with faults of a kind, and where they are: columns series, at, number."""
    _, wrong, change = KINDS[kind]
    chance = np.random.default_rng(sum(map(ord, kind)))
    step = 60_000_000 * region.interval_minutes
    clean = rows.filter(pl.col("at").is_not_null() & pl.col("value").is_finite())
    clean = clean.unique(["series", "at"], keep="last").sort("series", "at")
    frames, places = [], []
    for zone in region.zones:
        one = clean.filter(pl.col("series") == zone.name)
        values, at = one["value"].to_numpy().copy(), one["at"].to_physical().to_numpy()
        decimals = 0 if (values == values.round()).all() else 1
        planted = 0
        for begin in chance.permutation(np.arange(0, len(values) - 2 * APART, APART)):
            window = slice(begin, begin + 20)
            level = values[window]
            # On the grid, awake, and not constant already: elsewhere nobody would see the fault either.
            regular = (np.diff(at[window]) == step).all() and at[begin] % step == 0
            if not regular or level.min() < 0.05 * zone.max_mw or (np.diff(level) == 0).any() or planted == PLANTED:
                continue
            values[window] = change(level, 1 if planted % 2 else -1).round(decimals)
            places.append(one[begin + 1 : begin + 1 + wrong].select("series", "at", number=pl.lit(planted)))
            planted += 1
        frames.append(one.with_columns(value=pl.Series(values)))
    return pl.concat(frames), pl.concat(places)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_the_rules_fire_on_the_real_years_as_documented(name: str, bench_data: Path) -> None:
    region, rows = published(name, bench_data)
    assert {flag: len(found) for flag, found in marked(region, rows).items()} == REAL[name]


def found_of(region: Region, rows: pl.DataFrame, kind: str) -> tuple[int, int, int]:
    """Faults planted, those of them found (half of their values at least), and other values that are marked."""
    faulty, places = plant(region, rows, kind)
    flag = KINDS[kind][0]
    got = marked(region, faulty)[flag]
    per_fault = places.join(got.with_columns(hit=True), on=["series", "at"], how="left").group_by("series", "number")
    hits = per_fault.agg(share=pl.col("hit").fill_null(False).mean())
    other = len(got.join(places, on=["series", "at"], how="anti"))
    return len(hits), int((hits["share"] >= 0.5).sum()), other


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("kind", KINDS)
def test_planted_faults_are_found_as_documented(name: str, kind: str, bench_data: Path) -> None:
    region, rows = published(name, bench_data)
    planted, found, other = found_of(region, rows, kind)
    assert (planted, found) == (PLANTED * len(region.zones), FOUND[kind][name])
    assert other <= REAL[name][KINDS[kind][0]] + planted // 20 + len(region.zones) * 4, "beside a fault, or by chance"
