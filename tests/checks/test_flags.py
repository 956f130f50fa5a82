from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.checks.flags import ESTIMATED_SAMPLES, INTERPOLATED_SAMPLES, estimated, interpolated, kept_out, late
from power_nowcast.contracts import QUARANTINE, VALUES

START = datetime(2019, 3, 1, tzinfo=UTC)
NYISO = regions.load("nyiso")


def rows(values: list[float], name: str = "NORTH", *, delay: int = 0, basis: str = "delay") -> pl.DataFrame:
    times = [START + timedelta(minutes=5 * place) for place in range(len(values))]
    return pl.DataFrame(
        {
            "region": "nyiso",
            "series": name,
            "valid_at": times,
            "value": values,
            "available_at": [time + timedelta(minutes=delay) for time in times],
            "basis": basis,
            "first_seen_at": START,
            "source": "test",
        },
        VALUES,
    )


def noisy(count: int = 200, seed: int = 3) -> list[float]:
    chance = np.random.default_rng(seed)
    return [float(value) for value in (600 + chance.normal(0, 8, count)).round(1)]


def places(found: pl.DataFrame) -> list[int]:
    return [(time - START) // timedelta(minutes=5) for time in found["valid_at"]]


def with_line(samples: int, first: int = 50, slope: float = 4.0) -> list[float]:
    values = noisy()
    for place in range(samples + 2):
        values[first - 1 + place] = round(500 + slope * place, 1)
    return values


def test_a_line_between_two_values_is_interpolated() -> None:
    assert places(interpolated(rows(with_line(INTERPOLATED_SAMPLES)), NYISO)) == list(
        range(50, 50 + INTERPOLATED_SAMPLES)
    )
    assert interpolated(rows(with_line(INTERPOLATED_SAMPLES - 1)), NYISO).is_empty()
    assert interpolated(rows(noisy()), NYISO).is_empty()


def test_a_level_line_a_smooth_curve_and_a_gap_are_not() -> None:
    assert interpolated(rows(with_line(12, slope=0.0)), NYISO).is_empty(), "that is stuck, if anything"
    curve = noisy()
    curve[50:90] = [round(500 + place * 4 + place**2 * 0.05, 1) for place in range(40)]
    assert interpolated(rows(curve), NYISO).is_empty()
    gap = rows(with_line(INTERPOLATED_SAMPLES)).filter(pl.col("valid_at") != START + timedelta(minutes=5 * 53))
    assert interpolated(gap, NYISO).is_empty()


def test_each_series_is_looked_at_alone() -> None:
    both = pl.concat([rows(with_line(8)), rows(noisy(seed=4), "WEST")])
    found = interpolated(both.sort("value"), NYISO)
    assert set(found["series"]) == {"NORTH"}
    assert len(found) == 8


def test_the_operators_forecast_in_place_of_a_measurement_is_estimated() -> None:
    values, told = noisy(), [value + 30.5 for value in noisy(seed=9)]
    values[20 : 20 + ESTIMATED_SAMPLES] = told[20 : 20 + ESTIMATED_SAMPLES]
    values[60 : 60 + ESTIMATED_SAMPLES - 1] = told[60 : 60 + ESTIMATED_SAMPLES - 1]
    forecasts = rows(told, delay=-600, basis="written")
    assert places(estimated(rows(values), forecasts, NYISO)) == list(range(20, 20 + ESTIMATED_SAMPLES))
    hindsight = rows(told, delay=10, basis="written")
    assert estimated(rows(values), hindsight, NYISO).is_empty(), "told after the fact it is the measurement itself"
    assert estimated(rows(values), forecasts.clear(), NYISO).is_empty()


def test_an_estimate_is_the_forecast_itself_of_any_vintage() -> None:
    values, told = noisy(), [value + 30.5 for value in noisy(seed=9)]
    values[20 : 20 + ESTIMATED_SAMPLES] = told[20 : 20 + ESTIMATED_SAMPLES]
    old, new = rows(told, delay=-600, basis="written"), rows([value + 7 for value in told], delay=-60, basis="written")
    assert places(estimated(rows(values), pl.concat([old, new]), NYISO)) == list(range(20, 20 + ESTIMATED_SAMPLES))
    near = rows([value + 0.5 for value in told], delay=-60, basis="written")
    assert estimated(rows(values), near, NYISO).is_empty(), "a good forecast is no measurement"


@pytest.mark.parametrize("value", [0.0, 600.0])
def test_calm_and_constant_forecasts_are_not_estimates(value: float) -> None:
    both = rows([value] * 30)
    assert estimated(both, rows([value] * 30, delay=-60), NYISO).is_empty()


def test_late_is_what_came_later_than_usual() -> None:
    spec = NYISO.power.model_copy(update={"delay_minutes": 10})
    assert late(rows(noisy(3), delay=25, basis="seen"), NYISO, spec).is_empty()
    assert places(late(rows(noisy(3), delay=26, basis="seen"), NYISO, spec)) == [0, 1, 2]
    assert late(rows(noisy(3), delay=400, basis="delay"), NYISO, spec).is_empty(), "an archive does not tell"


def refused(*bad: tuple[int, str, timedelta]) -> pl.DataFrame:
    """(slot, reason, how long after its time it was seen) as rows of the quarantine."""
    table = [
        ("nyiso", "power", "NORTH", START + timedelta(minutes=5 * place), None, "1", reason, "", "x",
         START + timedelta(minutes=5 * place) + seen)
        for place, reason, seen in bad
    ]  # fmt: skip
    return pl.DataFrame(table, QUARANTINE, orient="row")


def told(found: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Flag, slot, and minutes after START when it could be told."""
    minutes = ((found["available_at"] - START).dt.total_seconds() / 60).cast(pl.Int64)
    return list(zip(found["flag"], places(found), minutes, strict=True))


def test_what_is_kept_out_is_told_when_it_shows() -> None:
    years, live = timedelta(days=900), timedelta(minutes=2)
    spikes = refused((10, "spike", years), (20, "spike", live), (30, "negative", years))
    assert told(kept_out(spikes, NYISO)) == [("spike", 10, 55), ("spike", 20, 102)]
    stuck = refused(*((place, "flat line", years) for place in (*range(50, 57), 80, 81)))
    by_sixth = [270, 270, 270, 270, 270, 275, 280]  # the first of the six is none of these rows
    assert told(kept_out(stuck, NYISO)) == [
        *(("stuck", 50 + place, minutes) for place, minutes in enumerate(by_sixth)),
        *(("stuck", place, 420) for place in (80, 81)),
    ]
    means = NYISO.model_copy(update={"power": NYISO.power.model_copy(update={"label": "start"})})
    assert places(kept_out(spikes, means)) == [11, 21], "a slot is named by its end"
    assert kept_out(spikes.clear(), NYISO).is_empty()


def test_a_slot_holds_the_moments_after_the_one_before() -> None:
    row = refused((10, "spike", timedelta(days=900)))
    for microseconds, slot in ((0, 10), (1, 11), (300_000_000, 11)):
        moved = row.with_columns(pl.col("at") + timedelta(microseconds=microseconds))
        assert places(kept_out(moved, NYISO)) == [slot]


@given(st.lists(st.floats(0, 1500).map(lambda value: round(value, 1)), max_size=60))
def test_flags_are_of_slots_that_are_there(values: list[float]) -> None:
    table = rows(values)
    for found in (interpolated(table, NYISO), estimated(table, table, NYISO), late(table, NYISO, NYISO.power)):
        assert found.join(table, on=["series", "valid_at"], how="anti").is_empty()
        assert not found.is_duplicated().any()
