"""The operator's forecast as a baseline: its level as known at the issue time, bands from errors before that day."""

from dataclasses import replace

import numpy as np
import pytest

from power_nowcast.contracts import MEDIAN, Grid, Panel, Patches
from power_nowcast.evaluate.operator_forecast import LEARNT_DAYS, OperatorForecast
from power_nowcast.regions import Region, SourceSpec
from tests.toy import toy_panel, toy_region

OFF_MW = 40.0


@pytest.fixture
def region() -> Region:
    return toy_region().model_copy(update={"forecast": SourceSpec(source="files")})


@pytest.fixture
def panel(region: Region) -> Panel:
    """A forecast by half-hours of every series that is the truth and 40 MW."""
    made = toy_panel(region)
    return replace(made, forecast=replace(made.power, values=made.power.values + OFF_MW))


def later(panel: Panel, at: np.datetime64, mw: float) -> Panel:
    """The whole forecast told anew at `at`, `mw` higher."""
    slots, series = panel.forecast.values.shape
    place = np.arange(slots * series)
    patches = Patches(
        np.full(len(place), at), np.ones(len(place), np.int8), place // series, place % series,
        panel.forecast.values.ravel() + mw,
    )  # fmt: skip
    return replace(panel, patches=patches)


def test_it_is_the_level_that_was_told(region: Region, panel: Panel) -> None:
    issues = panel.times[-96:-48]
    nowcasts, _ = OperatorForecast(region).replay(panel, issues)
    assert nowcasts.series == panel.series
    first = nowcasts.values[:, :, 0, MEDIAN]
    place = len(panel.times) - 96 + 1
    # Means of half an hour are read at their middles: where the forecast's grid is the region's, exactly.
    np.testing.assert_allclose(first, panel.forecast.values[place : place + 48])
    assert (np.diff(nowcasts.values, axis=-1) >= 0).all()


def test_its_bands_are_those_of_its_errors_and_come_from_the_past_only(region: Region, panel: Panel) -> None:
    noise = np.random.default_rng(5).normal(0, 25, panel.forecast.values.shape)
    panel = replace(panel, forecast=replace(panel.forecast, values=panel.forecast.values + noise))
    issues = panel.times[-30 * 48 : -2]
    nowcasts, _ = OperatorForecast(region).replay(panel, issues)
    width = nowcasts.values[..., -1] - nowcasts.values[..., 0]
    # Of a normal distribution the 5 % and the 95 % quantile lie 3.29 standard deviations apart.
    assert np.isfinite(width).mean() > 0.95
    assert np.nanmean(width) == pytest.approx(3.29 * 25, rel=0.15)
    day = issues[len(issues) // 2].astype("datetime64[D]").astype("datetime64[m]")
    wild = panel.power.values.copy()
    wild[panel.times > day] *= 3
    same, _ = OperatorForecast(region).replay(replace(panel, power=replace(panel.power, values=wild)), issues)
    before = issues < day + np.timedelta64(1, "D")
    np.testing.assert_array_equal(same.values[before], nowcasts.values[before])
    assert not np.array_equal(same.values[~before], nowcasts.values[~before])


def test_a_later_vintage_counts_from_when_it_was_told(region: Region, panel: Panel) -> None:
    issues = panel.times[-96:-48]
    at = issues[20]
    before, _ = OperatorForecast(region).replay(panel, issues)
    after, _ = OperatorForecast(region).replay(later(panel, at, 100.0), issues)
    change = (after.values - before.values)[..., MEDIAN]
    np.testing.assert_allclose(change[issues < at], 0.0)
    np.testing.assert_allclose(change[issues >= at], 100.0)


def test_without_a_value_there_is_no_answer(region: Region, panel: Panel) -> None:
    short = replace(panel, forecast=replace(panel.forecast, values=panel.forecast.values[: -LEARNT_DAYS * 48]))
    nowcasts, _ = OperatorForecast(region).replay(short, panel.times[-4:])
    assert np.isnan(nowcasts.values).all()
    none = replace(panel, forecast=Grid.none())
    assert np.isnan(OperatorForecast(region).replay(none, panel.times[-4:])[0].values).all()
