"""protocol: what is printed and returned where predictions are right, wrong, empty or not whole."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bars import within
from protocol import CALIBRATED, Protocol, bands, finish

PROTOCOL = Protocol(("A", "B"), (15, 60), "2024-01-01", "2024-01-01", "2024-01-31", 15, 15, 1)
LEVELS = {"q05": 0.05, "q10": 0.1, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q90": 0.9, "q95": 0.95}
N = 2000
"""Issue times, of one month: as many as a month's coverage is judged by."""


@pytest.fixture(scope="module")
def truth() -> pl.DataFrame:
    """Outcomes whose place between the quantiles is even: each level holds as it says."""
    first = datetime(2024, 1, 2, tzinfo=UTC)
    issues = [first + timedelta(minutes=15 * n) for n in range(N)]
    parts = [
        pl.DataFrame(
            {
                "series": name,
                "issue_time": pl.Series(issues, dtype=pl.Datetime("us", "UTC")),
                "horizon_min": horizon,
                "y": 100 + 10 * (np.arange(N) * 0.6180339887 % 1),
                "y_issue": 90.0,
            }
        )
        for name in PROTOCOL.series
        for horizon in PROTOCOL.horizons_min
    ]
    return pl.concat(parts)


@pytest.fixture
def predictions(truth: pl.DataFrame) -> pl.DataFrame:
    return truth.select("series", "issue_time", "horizon_min", **{q: pl.lit(100 + 10 * p) for q, p in LEVELS.items()})


@pytest.fixture
def judge(truth: pl.DataFrame, tmp_path: Path) -> Callable[[pl.DataFrame], int]:
    bar = {(series, horizon): 3.0 for series in PROTOCOL.series for horizon in PROTOCOL.horizons_min}
    options = argparse.Namespace(
        out=tmp_path / "predictions.parquet", json=tmp_path / "figures.json", check=True, delay=[0]
    )

    def judged(made: pl.DataFrame) -> int:
        bars = [("MAE in MW", within(bar, "MAE")), *CALIBRATED]
        return finish(PROTOCOL, {0: made}, truth, {"train": 1.0}, options, bars, cells="UTC")

    return judged


def test_right_predictions_hold_every_bar(
    judge: Callable[[pl.DataFrame], int],
    predictions: pl.DataFrame,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert judge(predictions) == 0
    said = capsys.readouterr().out
    assert "Every bar holds: a prediction for every pair; MAE in MW; " in said
    assert "MISSED" not in said
    figures = json.loads((tmp_path / "figures.json").read_text())
    row = figures["delays"]["0"][0]
    assert (row["series"], row["horizon_min"], row["n"], row["missing"]) == ("A", 15, N, 0)
    assert row["MAE"] == pytest.approx(2.5, abs=0.01)
    assert row["coverage"] == pytest.approx(0.8, abs=0.002)


ANY = pl.lit(value=True)
FAULTS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "none at all": (lambda rows: rows.clear(), "a prediction for every pair"),
    "one pair left out": (lambda rows: rows[1:], "a prediction for every pair"),
    "a series left out": (lambda rows: rows.filter(pl.col("series") == "A"), "a prediction for every pair"),
    "a horizon left out": (lambda rows: rows.filter(pl.col("horizon_min") == 15), "a prediction for every pair"),
    "all of them null": (
        lambda rows: rows.with_columns(pl.lit(None, pl.Float64).alias(q) for q in LEVELS),
        "a prediction for every pair",
    ),
    "all of them NaN": (
        lambda rows: rows.with_columns(pl.lit(float("nan")).alias(q) for q in LEVELS),
        "a prediction for every pair",
    ),
    "one NaN": (
        lambda rows: rows.with_columns(q50=pl.when(pl.int_range(pl.len()) == 7).then(float("nan")).otherwise("q50")),
        "a prediction for every pair",
    ),
    "a wrong median": (lambda rows: rows.with_columns(q50=pl.lit(105.9)), ""),
    "an error too large": (lambda rows: rows.with_columns(q50=pl.lit(101.0)), "MAE in MW"),
    "a band too wide": (lambda rows: rows.with_columns(q10=pl.lit(0.0)), "coverage of the 10-90 interval"),
    "an inner band too wide": (lambda rows: rows.with_columns(q25=pl.lit(101.5)), "50 % band within .02"),
    "an outer band of nothing": (lambda rows: rows.with_columns(q95=pl.lit(float("nan"))), "90 % band within .02"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_is_wrong_misses_a_bar(
    fault: str, judge: Callable[[pl.DataFrame], int], predictions: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    change, told = FAULTS[fault]
    code = judge(change(predictions))
    said = capsys.readouterr().out
    assert code == (1 if told else 0)
    assert ("Every bar holds" in said) == (not told)
    assert f"MISSED: {told}" in said or not told


def test_a_truth_of_nothing_is_no_success(
    truth: pl.DataFrame, predictions: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = argparse.Namespace(out=tmp_path / "predictions.parquet", json=None, check=True, delay=[0])
    for rows in (truth.clear(), truth.filter(pl.col("series") == "A")):
        assert finish(PROTOCOL, {0: predictions}, rows, {}, options, CALIBRATED, cells="UTC") == 1
        assert "MISSED: a row for every series and horizon" in capsys.readouterr().out


def test_pairs_without_a_band_lie_outside_of_it(truth: pl.DataFrame, predictions: pl.DataFrame) -> None:
    whole = bands(predictions, truth)
    assert whole["inside50"].to_list() == pytest.approx([0.5] * 4, abs=0.002)
    half = predictions.with_columns(
        q25=pl.when(pl.int_range(pl.len()).over("series", "horizon_min") % 2 == 0).then("q25")
    )
    assert bands(half, truth)["inside50"].to_list() == pytest.approx([0.25] * 4, abs=0.01)
