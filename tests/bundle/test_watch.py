"""Limits of the watch: quantiles of hold-out windows, in the bundle's files and digest."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.late_zones import learnt_lateness
from power_nowcast.bundle.watch import LIMITS, WIDER, WatchLimits, changes, compared
from power_nowcast.bundle.windows import DAY, THREE_DAYS, WEEK
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


def limits_of(
    days: int, *, learnt: np.ndarray | None = None
) -> dict[tuple[str, str, int | None, int], tuple[float, float]]:
    """The usual value and the limit by figure, series, block and minutes."""
    valid, quantiles = made_up(days)
    rows = WatchLimits.measured(REGION, KNOTS, quantiles, (valid, valid), learnt).rows
    assert rows.schema == LIMITS
    return {row[:4]: row[4:] for row in rows.rows()}


def test_the_limits_of_a_figure_are_equally_far_from_what_is_usual() -> None:
    told = limits_of(60)
    for name, minutes in (("coverage", WEEK), ("jumps", DAY)):
        far = [abs(limit - usual) for key, (usual, limit) in told.items() if key[0] == name and key[3] == minutes]
        assert len(far) == len(SERIES)
        assert far == pytest.approx([far[0]] * len(far))
    ratios = [limit / usual for key, (usual, limit) in told.items() if key[0] == "loss" and key[3] == DAY]
    assert ratios == pytest.approx([ratios[0]] * len(SERIES))
    counted = {name: sum(key[0] == name for key in told) for name in ("bias", "coverage", "loss", "change")}
    assert counted == {"bias": 18, "coverage": 4, "loss": 6, "change": 3}


def test_a_limit_is_twice_as_far_as_the_furthest_window_of_all_series() -> None:
    """Coverage of every window of a week, computed anew: hours are sums of pairs, and windows sums of 168 hours."""
    valid, quantiles = made_up(60)
    told = limits_of(60)
    inside = (valid.outcome_mw >= quantiles[..., 1]) & (valid.outcome_mw <= quantiles[..., 5])
    places = np.arange(len(inside))[:, None] + np.array([1, 2])
    hours = np.zeros((60 * 24 + 1, len(SERIES)))
    np.add.at(hours, (places + 1) // 2 - 1, inside[:, :, :2].transpose(0, 2, 1))
    weeks = np.lib.stride_tricks.sliding_window_view(hours[: 60 * 24], 7 * 24, axis=0).sum(axis=-1)
    # The first window lacks the pair whose nowcast was made before there were any.
    weeks = weeks / np.where(np.arange(len(weeks)) == 0, 7 * 96 - 1, 7 * 96)[:, None]
    usual = np.median(weeks, axis=0)
    furthest = (usual - weeks).max()
    for s, name in enumerate(SERIES):
        assert told["coverage", name, None, WEEK] == pytest.approx((usual[s], usual[s] - WIDER * furthest), abs=2e-3)


def test_all_series_together_have_a_limit_of_three_days() -> None:
    told = limits_of(60)
    usual, limit = told["coverage", "", None, THREE_DAYS]
    assert usual == pytest.approx(0.8, abs=0.03)
    one, least = told["coverage", "ALL", None, WEEK]
    assert usual - limit > 0
    assert limit > 0.5 < least < one


def test_the_limits_hold_other_months_of_the_same_walk() -> None:
    """No window of another sixty days is beyond the limits."""
    told = limits_of(60)
    other, again = made_up(60, seed=9)
    later = WatchLimits.measured(REGION, KNOTS, again, (other, other)).rows
    for figure, series, block, minutes, usual, limit in later.rows():
        if minutes in (DAY, WEEK):
            own_usual, own_limit = told[figure, series, block, minutes]
            half = usual + (limit - usual) / WIDER if figure != "loss" else usual * (limit / usual) ** (1 / WIDER)
            beyond = half < own_limit if figure == "coverage" else half > own_limit
            assert not beyond, (figure, series, block)
            assert abs(usual - own_usual) < abs(own_limit - own_usual)


def test_hold_out_time_of_fewer_than_three_windows_has_no_limit_of_them() -> None:
    assert {key[3] for key in limits_of(5)} == {0, 60, DAY}
    assert {key[3] for key in limits_of(20)} == {0, 60, DAY, THREE_DAYS}
    assert {key[3] for key in limits_of(21)} == {0, 60, DAY, THREE_DAYS, WEEK}


def test_what_training_shows_widens_the_limit_of_the_change() -> None:
    """A single large change in training; each zone's limit is its own, and none is below that of the middle one."""
    plain = limits_of(30)
    _, learnt = made_up(30)
    learnt[700, 1] += 40
    told = limits_of(30, learnt=learnt)
    assert told["change", "N.E.", None, 0][1] > 2 * plain["change", "N.E.", None, 0][1]
    usual, limit = told["change", "N.E.", None, 0]
    before = learnt[699, 1, 1]
    largest = abs(learnt[700, 1, 0, MEDIAN] - before[MEDIAN]) / (before[5] - before[1])
    assert limit == pytest.approx(usual + WIDER * (largest - usual))
    assert told["change", "ALL", None, 0] == pytest.approx(plain["change", "ALL", None, 0], rel=0.1)


def test_lateness_has_a_limit_of_each_zone_from_all_of_history() -> None:
    told = {key[1]: value for key, value in limits_of(60).items() if key[0] == "lateness"}
    assert set(told) == {"N.E.", "SOUTH 1"}, "the total is no zone"
    valid, _ = made_up(60)
    _, figures = learnt_lateness(REGION, [valid.block])
    usual, furthest = np.nanmedian(figures, axis=0), np.nanmax(figures, axis=0)
    expected = usual + WIDER * (np.maximum(furthest, np.median(furthest)) - usual)
    assert [told[name][1] for name in ("N.E.", "SOUTH 1")] == pytest.approx(expected)
    assert not [key for key in limits_of(29) if key[0] == "lateness"], "a month is the least"


def test_nowcasts_are_compared_where_most_steps_are_for_the_same_moment() -> None:
    assert compared((5, 15, 30, 45, 60), 5) == 15
    assert compared((5, 15, 30, 45, 60), 15) == 15
    assert compared((30, 60), 30) == 30
    assert compared((60,), 60) is None
    assert compared((5, 15, 30), 60) is None


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
    values[1, :, 2] = values[0, :, 1]
    _, ratio = changes(issues, values, KNOTS, 60)
    assert np.isfinite(ratio).tolist() == [[False] * 3, [False] * 3, [True] * 3], "an hour is there from 00:30 to 01:30"


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


def test_limits_of_before_a_spacing_was_kept_are_read_and_keep_their_bits() -> None:
    old = {"horizons": [30, 60], "limits": [dict(zip(LIMITS, ("change", "ALL", None, 0, 0.1, 1.4), strict=True))]}
    told = WatchLimits.from_json(old)
    assert told.spacing is None
    assert told.to_json() == old
    new = replace(told, spacing_minutes=15)
    assert WatchLimits.from_json(new.to_json()).spacing == timedelta(minutes=15)


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
