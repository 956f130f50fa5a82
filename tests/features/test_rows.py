import json

import numpy as np
import polars as pl
import pytest

from power_nowcast.errors import HistoryError, SourceFormatError
from power_nowcast.features.build_features import build
from power_nowcast.features.rows import from_rows, optional_columns, to_rows
from tests.features.history import DAYS, SPEC, START, STEP, live, past, region, rich_region


def wide(count: int = 4) -> pl.DataFrame:
    stamps = [(START + n * STEP).isoformat() for n in range(count)]
    return pl.DataFrame({"valid_at": stamps, "A": [1.0] * count, "B": [2.0] * count})


def test_the_total_is_the_sum_where_every_zone_is_known() -> None:
    panel = from_rows(region(), wide().with_columns(B=pl.Series([2.0, None, 2.0, 2.0])))
    assert panel.series == ("ALL", "A", "B")
    assert panel.power.values[0].tolist() == [3, 1, 2]
    assert np.isnan(panel.power.values[1, 0])


def test_wide_rows_carry_the_window_without_loss() -> None:
    at = START + (DAYS * 48 - 10) * STEP
    panel = live(past(21), at)
    sent = json.loads(
        json.dumps(to_rows(panel, region()).with_columns(pl.col("valid_at").dt.to_string("iso:strict")).to_dicts())
    )
    back = from_rows(region(), pl.DataFrame(sent, infer_schema_length=None))
    issue = np.array([np.datetime64(at.replace(tzinfo=None), "m")])
    one, other = build(panel, region(), issue, SPEC), build(back, region(), issue, SPEC)
    assert np.array_equal(one.x, other.x, equal_nan=True)
    assert np.isfinite(one.x[..., one.names.index("operator_ramp_h60")]).any()


def test_forecasts_are_read_from_the_first_row_on() -> None:
    sent = wide(8).with_columns(pl.Series("forecast.A", [10.0 + n for n in range(8)]))
    panel = from_rows(region(), sent)
    hourly = panel.forecast.values[:, panel.forecast.names.index("A")]
    assert panel.forecast.start == panel.start
    assert hourly.tolist() == [10, 12, 14, 16], "rows between the hours are no intervals of the forecast"
    unread = from_rows(region(), wide(8)).forecast
    assert np.isnan(unread.values).all()


@pytest.mark.parametrize(
    ("rows_sent", "told"),
    [
        (wide().drop("B"), "lack the columns B"),
        (wide().with_columns(C=pl.lit(1.0)), "unknown the columns C"),
        (wide().with_columns(valid_at=pl.Series(["2024-03-01T00:00"] * 4)), "no offset"),
        (wide().with_columns(valid_at=pl.Series(["2024-03-01T00:00Z"] * 4)), "twice"),
        (wide().with_columns(valid_at=pl.Series([f"2024-03-01T0{n}:10Z" for n in range(4)])), "grid"),
        (wide().with_columns(valid_at=pl.Series(["nonsenseZ"] * 4)), "ISO time"),
        (wide().with_columns(valid_at=pl.Series([1, 2, 3, 4])), "ISO time"),
        (wide().with_columns(A=pl.Series([1.0, float("inf"), 1, 1])), "infinite"),
        (wide().with_columns(A=pl.Series(["a"] * 4)), "number"),
    ],
)
def test_bad_rows_are_refused_in_words(rows_sent: pl.DataFrame, told: str) -> None:
    with pytest.raises(SourceFormatError, match=told):
        from_rows(region(), rows_sent)


def test_naive_datetimes_are_refused() -> None:
    naive = wide().with_columns(valid_at=pl.Series([(START + n * STEP).replace(tzinfo=None) for n in range(4)]))
    with pytest.raises(SourceFormatError, match="no offset"):
        from_rows(region(), naive)


@pytest.mark.parametrize(
    "empty", [wide().clear(), wide().with_columns(A=pl.lit(None, pl.Float64), B=pl.lit(None, pl.Float64))]
)
def test_no_observation_is_no_history(empty: pl.DataFrame) -> None:
    with pytest.raises(HistoryError):
        from_rows(region(), empty)


def test_what_a_request_may_carry() -> None:
    assert optional_columns(region()) == ("forecast.ALL", "forecast.A", "forecast.B", "K.temperature_c")
    variables = ("K.temperature_c", "L.temperature_c", "L.wind_speed_ms")
    assert optional_columns(rich_region(forecast=None)) == (*(f"forecast.{name}" for name in variables), *variables)
