"""Limits of the watch: quantiles of hold-out windows, in the bundle's files and digest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.watch import CHECKS, LIMITS, MONTH, WatchLimits, _limit, changes
from power_nowcast.bundle.windows import DAY, WEEK
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock
from power_nowcast.models.examples import Examples
from tests.toy import toy_bundle, toy_region

REGION = toy_region()
KNOTS = (30, 60, 90)
SERIES = REGION.series


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(REGION)


def block(issues: np.ndarray, origin: np.ndarray) -> FeatureBlock:
    shape = origin.shape
    return FeatureBlock(
        issues.astype("datetime64[m]"),
        SERIES,
        (),
        (0,),
        np.zeros((*shape, 1, 0), np.float32),
        origin,
        np.zeros(shape),
        np.ones(shape),
    )


def made_up(days: int, seed: int = 1) -> tuple[Examples, np.ndarray]:
    """Random walks every half hour, and quantiles that fit them."""
    rng = np.random.default_rng(seed)
    count = days * 48
    walk = 1000 + rng.normal(size=(count + 3, len(SERIES))).cumsum(axis=0)
    issues = np.datetime64("2024-03-01T00:00") + np.arange(count) * np.timedelta64(30, "m")
    outcome = np.stack([walk[k : count + k] for k in (1, 2, 3)], axis=-1)
    scores = np.array([-1.645, -1.282, -0.674, 0, 0.674, 1.282, 1.645])
    spread = np.sqrt(np.array([1, 2, 3]))[:, None] * scores
    quantiles = walk[:count, :, None, None] + spread
    return Examples(block(issues, walk[:count]), outcome), quantiles


def test_a_limit_is_the_level_that_so_many_windows_exceed() -> None:
    """Of an exponential distribution the tail goes on as it is: one in 1e4 exceeds ln(1e4)."""
    values = np.random.default_rng(3).exponential(size=20_000)
    assert _limit(values, 1e-6) == pytest.approx(np.log(1e6), rel=0.05)
    assert _limit(np.array([1.0, 2.0, 3.0]), 0.05) >= 3.0
    assert _limit(np.ones(5), 1e-3) == 1.0


def test_the_limits_hold_figures_of_other_weeks_of_the_same_walk() -> None:
    valid, quantiles = made_up(60)
    told = WatchLimits.measured(REGION, KNOTS, quantiles, (valid, valid))
    assert told.horizons == (30, 60)
    rows = told.rows
    assert rows.schema == LIMITS
    counted = dict(rows.group_by("figure", "minutes").agg(pl.len()).sort("figure").select("figure", "len").iter_rows())
    assert counted == {"bias": 18, "change": 3, "coverage": 3, "fall": 1, "jumps": 3, "loss": 3, "rise": 1}
    usual = {(one["figure"], one["series"], one["minutes"]): one for one in rows.iter_rows(named=True)}
    assert usual["coverage", "ALL", WEEK]["usual"] == pytest.approx(0.8, abs=0.03)
    assert usual["coverage", "ALL", WEEK]["limit"] < 0.78
    assert usual["loss", "ALL", DAY]["limit"] > usual["loss", "ALL", WEEK]["limit"] > 0.5
    other, again = made_up(60, seed=9)
    later = WatchLimits.measured(REGION, KNOTS, again, (other, other)).rows
    both = rows.join(later, on=["figure", "series", "block", "minutes"], nulls_equal=True)
    assert len(both) == len(rows)
    spread = (pl.col("limit") - pl.col("usual")).abs()
    assert both.filter((pl.col("usual_right") - pl.col("usual")).abs() > spread).is_empty(), "usual values are inside"


def test_hold_out_time_that_is_too_short_for_a_window_has_no_limit_of_it() -> None:
    valid, quantiles = made_up(5)
    rows = WatchLimits.measured(REGION, KNOTS, quantiles, (valid, valid)).rows
    assert set(rows["minutes"]) == {0, 60, DAY}


def test_a_change_is_told_from_one_issue_time_to_the_next_only() -> None:
    """For 01:00 it said 100 MW with 90 to 110 MW as the band, and says 115 MW half an hour later."""
    issues = np.array(["2024-03-01T00:00", "2024-03-01T00:30", "2024-03-01T01:30"], "datetime64[m]")
    spread = np.zeros(len(QUANTILES))
    spread[[1, 5]] = -10, 10
    values = np.full((3, len(SERIES), 3, len(QUANTILES)), 100.0) + np.sort(spread)
    values[0, :, 1] = 100 + np.array([-12, -10, -5, 0, 5, 10, 12])
    values[1, :, 0, MEDIAN] = 115
    left, ratio = changes(issues, values, KNOTS, 30)
    assert left.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert ratio[1].tolist() == [0.75] * 3
    assert np.isnan(ratio[[0, 2]]).all()


def test_a_ramp_is_large_if_one_day_in_thirty_has_it() -> None:
    """Sixty days whose largest rise is 1, 2 ... 60 MW within the hour: 58 is what two of them exceed."""
    valid, quantiles = made_up(60)
    origin = np.full_like(valid.block.origin_mw, 1000.0)
    outcome = np.full_like(valid.outcome_mw, 1000.0)
    outcome[24::48, 0, 1] += np.arange(1, 61)
    outcome[:, 0, 2] += 500  # at 90 minutes, which no nowcast reaches
    given = Examples(replace(valid.block, origin_mw=origin), outcome)
    rows = WatchLimits.measured(REGION, KNOTS, quantiles, (given, given)).rows
    rise = rows.filter(pl.col("figure") == "rise").row(0, named=True)
    assert rise["series"] == "ALL"
    assert rise["limit"] in (58.0, 59.0)
    assert rows.filter(pl.col("figure") == "fall")["limit"].to_list() == [0.0]


def test_the_budget_of_false_alarms_is_shared_by_all_checks() -> None:
    assert CHECKS == 11
    assert MONTH == 30 * DAY


def test_limits_are_files_of_the_bundle_and_part_of_its_digest(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.watch is not None
    bundle.save(tmp_path / "new")
    loaded = Bundle.load(tmp_path / "new", bundle.digest)
    assert loaded.watch is not None
    assert loaded.watch.horizons == bundle.watch.horizons == (30, 60)
    assert loaded.watch.rows.equals(bundle.watch.rows)
    other = replace(bundle, watch=replace(bundle.watch, horizons=(30,)))
    assert other.digest != bundle.digest


def test_a_version_of_before_the_watch_has_no_limits(bundle: Bundle, tmp_path: Path) -> None:
    old = replace(bundle, watch=None)
    old.save(tmp_path / "old")
    assert not (tmp_path / "old" / "watch.json").exists()
    loaded = Bundle.load(tmp_path / "old", old.digest)
    assert loaded.watch is None
    loaded.check()
