from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.checks.shape import FLAT_SAMPLES
from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.published import published
from power_nowcast.ingest.validate import Checked, check
from power_nowcast.regions import SourceSpec

START = datetime(2019, 3, 1, tzinfo=UTC)
NYISO = regions.load("nyiso")


def smooth(count: int = 96, level: float = 600.0) -> list[float]:
    """A plausible day of NORTH: slow movement and noise at .1 MW."""
    place = np.arange(count)
    noise = np.random.default_rng(7).normal(0, 3, count)
    return [float(value) for value in (level + 80 * np.sin(place / 20) + noise).round(1)]


def series(values: list[float | None], name: str = "NORTH") -> pl.DataFrame:
    times = [START + timedelta(minutes=5 * place) for place in range(len(values))]
    frame = pl.DataFrame(
        {"series": [name] * len(values), "at": times}, {"series": pl.String, "at": pl.Datetime("us", "UTC")}
    )
    return published(frame.with_columns(pl.Series("value", values, pl.Float64)))


def checked(rows: pl.DataFrame, table: Table = Table.POWER, spec: SourceSpec = NYISO.power) -> Checked:
    result = check(rows, NYISO, table, spec, origin="a file")
    assert len(result.rows) + len(result.bad) + result.repeated == len(rows), "nothing is dropped silently"
    return result


def reasons(result: Checked) -> dict[str, int]:
    return dict(result.bad.group_by("reason").len().iter_rows())


def test_a_plausible_day_passes_unchanged() -> None:
    rows = series(smooth())
    result = checked(rows)
    assert result.rows.equals(rows)
    assert result.bad.is_empty()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-1.0, "negative"),
        (1501.0, "implausible"),
        (None, "not a number"),
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
    ],
)
def test_a_bad_value_is_kept_with_its_reason(value: float | None, reason: str) -> None:
    values: list[float | None] = [*smooth()]
    values[5] = value
    bad = checked(series(values)).bad.row(0, named=True)
    assert (bad["reason"], bad["stamp"], bad["series"]) == (reason, "2019-03-01T00:25:00Z", "NORTH")
    assert (bad["region"], bad["table"], bad["origin"]) == ("nyiso", "power", "a file")


def test_unknown_zones_and_unreadable_stamps() -> None:
    rows = pl.concat(
        [
            series([1.0], "NOWHERE"),
            series([1.0]).with_columns(at=None, stamp=pl.lit("soon")).cast(dict(series([]).schema)),
        ]
    )
    bad = checked(rows).bad
    assert bad["reason"].to_list() == ["unknown zone", "unreadable stamp"]
    assert bad["stamp"].to_list() == ["2019-03-01T00:00:00Z", "soon"]


def test_the_total_is_a_forecasts_series_and_not_a_loads() -> None:
    rows = series([15000.0], "NYCA")
    assert reasons(checked(rows)) == {"unknown zone": 1}
    assert reasons(checked(rows, Table.FORECAST)) == {}


def test_the_last_of_two_values_with_one_stamp_counts() -> None:
    rows = pl.concat([series([600.0, 601.0]), series([600.0, 605.0])])
    result = checked(rows)
    assert reasons(result) == {"duplicate": 1}
    assert result.bad["value"].to_list() == ["601.0"]
    assert sorted(result.rows["value"]) == [600.0, 605.0]
    assert result.repeated == 1


def test_vintages_of_a_forecast_are_no_duplicates() -> None:
    both = pl.concat([series([600.0]).with_columns(written=pl.lit(START - timedelta(hours=hours))) for hours in (2, 1)])
    assert reasons(checked(both.with_columns(value=pl.Series([1.0, 2.0])), Table.FORECAST)) == {}


@pytest.mark.parametrize("jump", [450.0, -550.0])
def test_a_spike_is_found_and_a_step_is_not(jump: float) -> None:
    spike = smooth()
    spike[40] += jump
    found = checked(series(spike))
    assert reasons(found) == {"spike": 1}
    assert found.bad["stamp"].to_list() == ["2019-03-01T03:20:00Z"]
    step = [value + (jump / 2 if place >= 40 else 0) for place, value in enumerate(smooth())]
    assert reasons(checked(series(step))) == {}, "a smelter switches"


def test_a_front_that_passes_a_wind_farm_is_no_spike() -> None:
    front = smooth()
    front[38:43] = [600.0, 900.0, 1300.0, 890.0, 610.0]
    assert reasons(checked(series(front))) == {}


def test_a_jump_across_a_gap_is_no_spike() -> None:
    spike = smooth()
    spike[40] += 450.0
    gap = (pl.col("at") < START + timedelta(minutes=5 * 36)) | (pl.col("at") >= START + timedelta(minutes=5 * 40))
    assert reasons(checked(series(spike).filter(gap))) == {}


def test_few_values_do_not_tell_what_is_usual() -> None:
    assert reasons(checked(series([600.0, 900.0, 601.0]))) == {}


def test_stuck_telemetry_keeps_its_first_value() -> None:
    values = smooth()
    values[30 : 30 + FLAT_SAMPLES] = [values[30]] * FLAT_SAMPLES
    found = checked(series(values))
    assert reasons(found) == {"flat line": FLAT_SAMPLES - 1}
    assert found.rows["value"].to_list()[30] == values[30]
    values[29 + FLAT_SAMPLES] += 1
    assert reasons(checked(series(values))) == {}


def test_calm_is_not_stuck() -> None:
    assert reasons(checked(series([*smooth(30), *[0.0] * 30, *[10.0] * 30]))) == {}


@pytest.mark.parametrize(("factor", "unit"), [(1000.0, "kW"), (0.001, "GW")])
def test_another_unit_is_named(factor: float, unit: str) -> None:
    rows = pl.concat([series(smooth()), series(smooth(level=6000), "N.Y.C.")])
    with pytest.raises(SourceFormatError, match=f"look like {unit}, not MW.*unit"):
        check(rows.with_columns(pl.col("value") * factor), NYISO, Table.POWER, NYISO.power, origin="a.csv")


def test_negative_output_may_be_allowed() -> None:
    spec = SourceSpec(source="files", options={"allow_negative": True})
    assert reasons(checked(series([-1.0, 5.0]), spec=spec)) == {}


def test_weather_has_ranges_by_its_unit() -> None:
    rows = pl.concat(
        [
            series([value], name)
            for name, value in (
                ("X.temperature_c", 90.0),
                ("X.wind_speed_ms", -1.0),
                ("X.cloud_cover", 1.0),
                ("X.snow", 1.0),
            )
        ]
    )
    assert NYISO.weather is not None
    for table in (Table.WEATHER, Table.WEATHER_FORECAST):
        found = reasons(checked(rows, table, NYISO.weather))
        assert found == {"implausible": 1, "negative": 1, "unknown zone": 1}
    read = NYISO.weather.model_copy(update={"variables": ("X.snow",)})
    assert reasons(checked(rows, Table.WEATHER_FORECAST, read)) == {"implausible": 1, "negative": 1}


@settings(deadline=None, max_examples=30)
@given(
    values=st.lists(
        st.one_of(st.none(), st.floats(-2000, 3000), st.just(float("nan")), st.sampled_from([600.0, 0.0])), max_size=40
    ),
    repeats=st.integers(1, 2),
)
def test_every_row_passes_or_has_a_reason(values: list[float | None], repeats: int) -> None:
    result = checked(pl.concat([series(values)] * repeats))
    assert result.bad["reason"].null_count() == 0
    assert result.rows["value"].is_between(0, 1500).all()
    assert not result.rows.select("series", "at").is_duplicated().any()
