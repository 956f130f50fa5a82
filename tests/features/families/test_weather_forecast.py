"""Forecasts of weather: vintages against brute force, what has no archive, and what is read between hours."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from power_nowcast.contracts import Table
from power_nowcast.features.build_features import build
from power_nowcast.features.families import weather_forecast
from power_nowcast.features.rows import from_rows, to_rows
from power_nowcast.features.spec import FeatureSpec
from tests.features.history import DAYS, SPEC, START, STEP, bulk, live, past, rich_past, rich_region, rows

EASY = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OF = rich_region(features=[])
HOUR = timedelta(hours=1)


def minute(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "m")


def row_of(frames: dict[Table, pl.DataFrame], issue: datetime) -> dict[str, float]:
    block = build(bulk(frames, of=OF), OF, np.array([minute(issue)]), SPEC, series=["A"])
    return dict(zip(block.names, map(float, block.x[0, 0]), strict=True))


def with_forecasts(*told: tuple[str, datetime, float, datetime, str]) -> dict[Table, pl.DataFrame]:
    return past(8, gaps=0, late=0, corrections=0) | {Table.WEATHER_FORECAST: rows(list(told))}


@EASY
@given(seed=st.integers(0, 1000), slots=st.lists(st.integers(0, DAYS * 24 - 1), min_size=1, max_size=8))
@example(seed=305, slots=[0])  # both zones are silent in the first slot
def test_the_newest_vintage_told_before_its_time_counts(seed: int, slots: list[int]) -> None:
    frames, _ = rich_past(seed)
    # No panel is made without power, and the first hours may have none.
    frames[Table.POWER] = rows([("A", START, 1000.0, START, "seen")])
    told = frames[Table.WEATHER_FORECAST].rows(named=True)
    for slot in slots:
        at = START + slot * HOUR
        panel = live(frames, at, OF)
        for ahead in range(-3, 12):
            valid = at + ahead * HOUR
            place = int((minute(valid) - panel.weather_forecast.start).astype(int)) // 60
            if place < 0:
                continue
            for column, name in enumerate(panel.weather_forecast.names):
                known = [
                    (one["available_at"], one["value"])
                    for one in told
                    if one["series"] == name and one["valid_at"] == valid and one["available_at"] <= min(at, valid)
                ]
                expected = max(known)[1] if known else np.nan
                assert np.array_equal(panel.weather_forecast.values[place, column], expected, equal_nan=True)


def test_values_errors_and_changes_by_hand() -> None:
    issue = START + 10 * 48 * STEP
    told = [("K.temperature_c", issue + n * HOUR, 10.0 + 2 * n, issue - 3 * HOUR, "written") for n in range(-2, 6)]
    frames = with_forecasts(*told)
    frames[Table.WEATHER] = rows([("K.temperature_c", issue - timedelta(minutes=9), 7.5, issue, "seen")])
    row = row_of(frames, issue)
    assert row["K.temperature_c_forecast"] == 10
    assert row["K.temperature_c_forecast_error"] == 2.5
    assert [row[f"K.temperature_c_forecast_change_h{knot}"] for knot in SPEC.knots] == pytest.approx(
        [2 * knot / 60 for knot in SPEC.knots]
    ), "a straight forecast is read straight between its hours"
    assert np.isnan(row["L.temperature_c_forecast"]), "no forecast was told"


def test_the_first_slot_of_a_panel_has_its_forecast() -> None:
    told = [("K.temperature_c", START + n * HOUR, 10.0 + 2 * n, START - 9 * HOUR, "written") for n in range(-3, 6)]
    row = row_of(with_forecasts(*told), START)
    assert row["K.temperature_c_forecast"] == 10
    assert row["K.temperature_c_forecast_change_h60"] == 2


def test_what_was_observed_is_never_a_forecast() -> None:
    issue = START + 10 * 48 * STEP
    archived = [("K.temperature_c", issue + n * HOUR, 10.0, issue + n * HOUR, "delay") for n in range(-9, 9)]
    after = [("L.temperature_c", issue + n * HOUR, 10.0, issue + (n + 1) * HOUR, "written") for n in range(-9, 9)]
    row = row_of(with_forecasts(*archived, *after), issue)
    assert all(np.isnan(value) for name, value in row.items() if "_forecast" in name)


def test_the_error_is_that_of_what_was_told_before() -> None:
    issue = START + 10 * 48 * STEP
    before = [("K.temperature_c", issue + n * HOUR, 10.0, issue - 5 * HOUR, "written") for n in range(-2, 5)]
    afterwards = [("K.temperature_c", issue + n * HOUR, 20.0, issue - timedelta(minutes=5), "written") for n in (-1, 0)]
    frames = with_forecasts(*before, *afterwards[:1])
    assert row_of(frames, issue)["K.temperature_c_forecast"] == 10, "what is told of an hour past replaces nothing"
    frames = with_forecasts(*before, *afterwards)
    assert row_of(frames, issue)["K.temperature_c_forecast"] == 20


def test_a_spec_without_them_and_a_region_without_them_give_no_columns() -> None:
    frames, _ = rich_past(3)
    issue = np.array([minute(START + 10 * 48 * STEP)])
    lean = FeatureSpec.from_json({**SPEC.to_json(), "weather_forecast": False})
    assert not [name for name in build(bulk(frames, of=OF), OF, issue, lean).names if "_forecast" in name]
    assert not [name for name in build(bulk(frames), OF, issue, SPEC).names if "_forecast" in name]


def test_a_request_carries_them() -> None:
    at = START + (DAYS * 48 - 10) * STEP
    frames, _ = rich_past(4)
    panel, issue = live(frames, at, OF), np.array([minute(at)])
    sent = to_rows(panel, OF)
    assert "forecast.L.wind_speed_ms" in sent.columns
    one, other = build(panel, OF, issue, SPEC), build(from_rows(OF, sent), OF, issue, SPEC)
    assert one.names == other.names
    assert np.array_equal(one.x, other.x, equal_nan=True)
    assert np.isfinite(one.x[..., one.names.index("L.wind_speed_ms_forecast_error")]).any()
    without = from_rows(OF, sent.select(pl.exclude("^forecast\\..*\\..*$")))
    assert build(without, OF, issue, SPEC).names == one.names, "their columns are there, as in training"


def test_reports_are_found_by_name() -> None:
    assert weather_forecast.observed(("A.x", "B.x"), ("B.x", "A.y")).tolist() == [-1, 0]
