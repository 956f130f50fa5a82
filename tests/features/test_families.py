"""Each family of features against figures that are known."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.errors import ConfigurationError
from power_nowcast.features import calendar, operator_forecast
from power_nowcast.features.build_features import build, horizons_of
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions.calendar import days
from tests.features.history import DAYS, SPEC, START, STEP, bulk, past, region


def minute(text: str) -> float:
    return float(np.datetime64(text, "m").astype(np.int64))


@pytest.mark.parametrize(
    ("when", "latitude", "longitude", "elevation"),
    [
        ("2019-03-20T12:07", 0.0, 0.0, 90.0),  # equinox, noon on the equator
        ("2019-06-21T12:02", 51.48, 0.0, 61.96),  # solstice, noon in Greenwich: 90 - 51.48 + 23.44
        ("2019-12-22T11:58", 51.48, 0.0, 15.08),  # 90 - 51.48 - 23.44
        ("2019-06-21T00:02", 51.48, 0.0, -15.08),
    ],
)
def test_the_sun_stands_where_it_should(when: str, latitude: float, longitude: float, elevation: float) -> None:
    found, _ = calendar.solar(minute(when), latitude, longitude)
    assert found == pytest.approx(elevation, abs=0.6)


def test_days_are_long_in_summer() -> None:
    assert calendar.solar(minute("2019-03-20T12:00"), 45.0, 0.0)[1] == pytest.approx(12, abs=0.1)
    assert calendar.solar(minute("2019-06-21T12:00"), 45.0, 0.0)[1] == pytest.approx(15.43, abs=0.1)


@pytest.mark.parametrize("step", [15, 60])
def test_a_straight_forecast_is_read_straight(step: int) -> None:
    line = (10.0 + 2.0 * np.arange(8))[:, None]
    for at in range(2 * step, 5 * step, 5):  # minutes after the first interval's end
        value = operator_forecast.read(line, 2 * at, step, 0)
        assert value == pytest.approx(10 + 2 * (at + step / 2) / step, abs=1e-9)
    assert operator_forecast.read(np.full((8, 1), 7.0), 4 * step, step, 0) == 7
    assert np.isnan(operator_forecast.read(line, 100 * step, step, 0))


def test_ramps_and_windows_by_hand() -> None:
    panel = bulk(past(31, gaps=0, late=0, corrections=0))
    slot = 11 * 48
    block = build(panel, region(), panel.times[[slot]], SPEC, series=["A"])
    row = dict(zip(block.names, block.x[0, 0], strict=True))
    load = panel.power[:, 1]
    assert row["ramp_60m"] == np.float32(load[slot] - load[slot - 2])
    assert row["mean_180m"] == pytest.approx(np.mean(load[slot - 5 : slot + 1] - load[slot]), rel=1e-5)
    assert row["spread_180m"] == pytest.approx(np.std(load[slot - 5 : slot + 1]), rel=1e-3)
    day = load[slot - 47 : slot + 1] - load[slot]
    assert row["range_lowest_1440m"] == np.float32(day.min())
    assert row["range_highest_1440m"] == np.float32(day.max())
    assert row["range_mean_1440m"] == pytest.approx(day.mean(), rel=1e-5)
    assert row["range_spread_1440m"] == pytest.approx(day.std(), rel=1e-5)
    assert row["range_lowest_360m"] == np.float32((load[slot - 11 : slot + 1] - load[slot]).min())
    assert row["ramp_60m[B]"] == np.float32(panel.power[slot, 2] - panel.power[slot - 2, 2])
    smooth = [np.mean(load[n - 1 : n + 2]) for n in (slot + 6 - 96, slot + 4 - 96)]
    # Two days before, New York's clock stood an hour behind: the same local time lies an hour later in UTC.
    local = {n: np.mean(load[n - 1 : n + 2]) for n in (slot - 96 + 2, slot - 96 + 4)}
    shifted = panel.times[slot] - np.timedelta64(2, "D") < np.datetime64("2024-03-10T07:00")
    assert shifted
    assert row["day2_ramp_h60"] == pytest.approx(local[slot - 92] - local[slot - 94], abs=1e-3), smooth


@pytest.mark.parametrize(
    ("zone", "before", "after"), [("America/New_York", -300, -240), ("Australia/Melbourne", 660, 600)]
)
def test_local_time_follows_the_clock(zone: str, before: int, after: int) -> None:
    change = {"America/New_York": "2024-03-10T07:00", "Australia/Melbourne": "2024-04-06T16:00"}[zone]
    times = np.datetime64(change, "m") + np.array([-1, 0], "timedelta64[m]")
    assert calendar.offsets_minutes(times, zone).tolist() == [before, after]


@given(
    st.integers(60 * 24 * 366 * 10, 60 * 24 * 365 * 69),
    st.sampled_from(["America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
@settings(deadline=None)
def test_local_time_is_that_of_the_time_zone_database(minute: int, zone: str) -> None:
    time = np.datetime64(minute, "m")
    local = time.astype("datetime64[us]").item().replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    seconds = local.utcoffset().total_seconds()
    assert calendar.offsets_minutes(np.array([time]), zone).tolist() == [seconds // 60]


def test_holidays_bridges_and_clock_changes() -> None:
    york = regions.load("nyiso")
    found = {row["date"]: row for row in days(york, date(2019, 3, 1), date(2019, 11, 30)).to_dicts()}
    assert found[date(2019, 7, 4)]["day_type"] == "holiday"
    assert found[date(2019, 7, 5)]["day_type"] == "bridge"
    assert found[date(2019, 7, 6)]["day_type"] == "saturday"
    assert found[date(2019, 7, 8)]["day_type"] == "workday"
    assert found[date(2019, 3, 10)]["hours"] == 23
    assert found[date(2019, 11, 3)]["hours"] == 25
    cup = days(regions.load("victoria"), date(2014, 11, 3), date(2014, 11, 4))
    assert cup["day_type"].to_list() == ["bridge", "holiday"]


def test_names_are_unique_and_tell_their_horizon() -> None:
    panel = bulk(past(32))
    block = build(panel, region(), panel.times[[700]], SPEC)
    assert len(set(block.names)) == len(block.names)
    assert block.horizons == horizons_of(block.names)
    assert set(block.horizons) == {0, *SPEC.knots}


def test_families_without_data_give_no_columns() -> None:
    panel = bulk(past(33))
    lean = FeatureSpec.for_interval(30, days=(1, 7), type_days=(7,), analog_days=7, weather=False, forecast=False)
    names = build(panel, region(), panel.times[[700]], lean).names
    assert not [name for name in names if name.startswith(("operator", "K."))]


def test_spans_off_the_grid_are_refused() -> None:
    panel = bulk(past(34))
    with pytest.raises(ConfigurationError, match="no multiple"):
        build(panel, region(), panel.times[[700]], FeatureSpec())


@pytest.mark.parametrize("interval", [5, 10, 15, 30])
def test_every_interval_has_a_default(interval: int) -> None:
    spec = FeatureSpec.for_interval(interval)
    assert all(span % interval == 0 for span in (*spec.knots, *spec.lags, *spec.rolling, *spec.neighbour_lags))
    assert spec.knots[0] == interval
    assert 60 in spec.knots
    assert spec.knots[-1] > 60
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert spec.history_minutes > spec.minimum_history_minutes


def test_history_is_long_enough_for_the_sample_window() -> None:
    assert timedelta(minutes=FeatureSpec().history_minutes) < timedelta(days=44)
    assert datetime(2024, 3, 10, 7, tzinfo=UTC) < START + DAYS * 48 * STEP
