"""The grid that every peer reads: no row of it holds what was not known an hour before."""

from dataclasses import replace

import numpy as np
import pytest
from peers.base import INPUT, LOAD, REACH_MIN, Grid
from peers.prepare import table

from power_nowcast.contracts import Grid as Values
from power_nowcast.contracts import Panel, Part, Patches
from power_nowcast.regions import Region, load

SERIES = ("NYCA", "NORTH")
START = np.datetime64("2019-02-01T00:00", "m")
SLOTS, HOURS = 3 * 288, 4 * 24


@pytest.fixture(scope="module")
def region() -> Region:
    return load("nyiso")


@pytest.fixture(scope="module")
def panel(region: Region) -> Panel:
    """Three days of noise, with a forecast that is told once a day at 12:05."""
    rng = np.random.default_rng(3)
    columns = len(region.series)
    at = np.repeat(START + np.arange(3) * np.timedelta64(1440, "m") + np.timedelta64(725, "m"), 48 * columns)
    slot = np.concatenate([np.repeat(np.arange(24 * day, 24 * day + 48), columns) for day in range(3)])
    patches = Patches(
        at,
        np.full(len(at), Part.FORECAST, np.int8),
        slot,
        np.tile(np.arange(columns), 144),
        rng.normal(9000, 500, len(at)),
    )
    return Panel(
        region=region.name,
        known_at=START - np.timedelta64(1, "D"),
        power=Values(START, 5, region.series, rng.normal(1000, 100, (SLOTS, columns))),
        weather=Values(START, 5, region.weather.variables if region.weather else (), rng.normal(5, 2, (SLOTS, 4))),
        forecast=Values.unknown(START, 60, region.series, HOURS),
        patches=patches,
    )


def test_loads_stand_as_they_are_and_inputs_an_hour_later(region: Region, panel: Panel) -> None:
    grid = Grid(table(panel, region, SERIES))
    np.testing.assert_array_equal(grid.times, panel.times)
    np.testing.assert_array_equal(grid.load("NORTH"), panel.power.values[:, panel.series.index("NORTH")])
    rows = REACH_MIN // 5
    np.testing.assert_array_equal(
        grid.frame[f"{INPUT}:temperature_c"].to_numpy()[rows:], panel.weather.values[:-rows, 0]
    )
    ramp = panel.power.values[3:-rows, 0] - panel.power.values[: -rows - 3, 0]
    np.testing.assert_allclose(grid.frame[f"{INPUT}:ramp NYCA"].to_numpy()[rows + 3 :], ramp)
    assert {name for name in grid.frame.columns if name.startswith(LOAD)} == {LOAD + name for name in SERIES}


def test_what_became_known_later_changes_no_row_before(region: Region, panel: Panel) -> None:
    known = 400
    at = panel.times[known]
    power, weather = panel.power.values.copy(), panel.weather.values.copy()
    power[known + 1 :] *= 2
    weather[known + 1 :] += 9
    value = np.where(panel.patches.available_at > at, panel.patches.value + 77, panel.patches.value)
    later = replace(
        panel,
        power=replace(panel.power, values=power),
        weather=replace(panel.weather, values=weather),
        patches=replace(panel.patches, value=value),
    )
    was, now = (table(one, region, SERIES) for one in (panel, later))
    inputs = [name for name in was.columns if name.startswith(INPUT)]
    reached = known + REACH_MIN // 5 + 1
    assert was.select(inputs)[:reached].equals(now.select(inputs)[:reached])
    for name in inputs:
        assert not was[name][reached:].equals(now[name][reached:]), name


def test_a_ramp_of_the_forecast_is_of_one_vintage(region: Region, panel: Panel) -> None:
    grid = table(panel, region, SERIES)
    level, ramp = (grid[f"{INPUT}NYCA:operator{suffix}"].to_numpy() for suffix in ("", "_ramp_5"))
    step = np.diff(level)
    told_anew = np.abs(step - ramp[1:]) > 1e-6
    known = np.isfinite(step) & np.isfinite(ramp[1:])
    # Levels of two vintages differ by hundreds of MW where the newer one begins; ramps do not see it.
    assert 1 <= told_anew[known].sum() <= 6
    assert np.nanmax(np.abs(ramp)) < np.nanmax(np.abs(step))


def test_a_coarser_grid_has_the_ramps_that_its_step_allows(region: Region, panel: Panel) -> None:
    quarter = region.model_copy(update={"interval_minutes": 15, "total": None, "zones": region.zones[:1]})
    name = quarter.series[0]
    told, own = panel.patches, panel.patches.column == 0
    patches = Patches(told.available_at[own], told.grid[own], told.slot[own], told.column[own], told.value[own])
    coarse = replace(
        panel,
        power=Values(START, 15, (name,), panel.power.values[::3, :1]),
        weather=replace(panel.weather, step_minutes=15, values=panel.weather.values[::3]),
        forecast=Values.unknown(START, 60, (name,), HOURS),
        patches=patches,
    )
    grid = Grid(table(coarse, quarter, (name,)))
    assert grid.interval_min == 15
    ramps = [one for one in grid.frame.columns if "operator_ramp" in one]
    assert ramps == [f"{INPUT}{name}:operator_ramp_{minutes}" for minutes in (15, 30, 60)]
    assert not [one for one in grid.frame.columns if one.startswith(f"{INPUT}:ramp")], "its own past says it"
    late = grid.frame[f"{INPUT}:temperature_c"].to_numpy()
    np.testing.assert_array_equal(late[4:], coarse.weather.values[:-4, 0])


def test_a_region_without_a_forecast_has_no_such_column(region: Region, panel: Panel) -> None:
    bare = replace(panel, forecast=Values.none(), patches=Patches.none())
    assert not [name for name in table(bare, region, SERIES).columns if "operator" in name]
