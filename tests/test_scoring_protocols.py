"""scoring: the tables of the public protocols, against hand-made figures and the protocols' own scorers."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from power_nowcast import scoring
from power_nowcast.errors import SourceFormatError


def _expected(
    rng: np.random.Generator, series: tuple[str, ...], horizons: tuple[int, ...], issues: int
) -> pl.DataFrame:
    times = pl.datetime_range(
        pl.datetime(2019, 10, 25), pl.datetime(2019, 12, 31), "15m", time_unit="us", time_zone="UTC", eager=True
    ).head(issues)
    frames = [
        pl.DataFrame({"series": [s] * issues, "issue_time": times, "horizon_min": np.full(issues, h, np.int64)})
        for s in series
        for h in horizons
    ]
    keys = pl.concat(frames)
    level = 1000 + rng.normal(size=len(keys)).cumsum()
    level[rng.random(len(keys)) < 0.01] = 0.0
    return keys.with_columns(y=pl.Series(level + rng.normal(size=len(keys))), y_issue=pl.Series(level))


def _predictions(rng: np.random.Generator, expected: pl.DataFrame) -> pl.DataFrame:
    q = np.sort(expected["y_issue"].to_numpy()[:, None] + rng.normal(size=(len(expected), 3)) * 2, axis=1)
    q[::97] = q[::97, ::-1]  # some that cross
    frame = expected.select("series", "issue_time", "horizon_min").with_columns(
        q10=pl.Series(q[:, 0]), q50=pl.Series(q[:, 1]), q90=pl.Series(q[:, 2])
    )
    return frame.sample(fraction=0.97, shuffle=True, seed=5)  # some that are missing


def test_the_protocol_table_of_a_hand_made_example() -> None:
    expected = pl.DataFrame(
        {
            "series": ["A"] * 4,
            "issue_time": pl.datetime_range(
                pl.datetime(2019, 7, 1), pl.datetime(2019, 7, 1, 0, 45), "15m", time_zone="UTC", eager=True
            ),
            "horizon_min": [15] * 4,
            "y": [100.0, 200.0, 0.0, 50.0],
            "y_issue": [90.0, 190.0, 10.0, 50.0],
            "capacity": [400.0] * 4,
        }
    )
    predictions = expected.select(
        "series",
        "issue_time",
        "horizon_min",
        q10=pl.Series([95.0, 210.0, -5.0, None]),
        q50=pl.Series([104.0, 220.0, 4.0, 50.0]),
        q90=pl.Series([110.0, 215.0, 5.0, 60.0]),
    )

    row = scoring.protocol_table(predictions, expected).row(0, named=True)

    assert (row["n"], row["missing"]) == (3, 1)
    assert row["MAE"] == pytest.approx(28 / 3)
    assert row["RMSE"] == pytest.approx(((4**2 + 20**2 + 4**2) / 3) ** 0.5)
    assert row["MAPE"] == pytest.approx((4 + 10) / 2)
    assert row["nMAE"] == pytest.approx(100 * 28 / 3 / 400)
    assert row["bias"] == pytest.approx(28 / 3)
    assert row["skill"] == pytest.approx(1 - 28 / 30)
    assert (row["coverage"], row["below"], row["above"]) == pytest.approx((2 / 3, 1 / 3, 0))
    assert row["width"] == pytest.approx((15 + 5 + 10) / 3)
    assert row["crossing"] == pytest.approx(1 / 3)
    pinballs = [0.1 * 5 + 0.9 * 10 + 0.1 * 5, 0.5 * 28, 0.1 * 10 + 0.1 * 15 + 0.1 * 5]
    assert row["pinball"] == pytest.approx(sum(pinballs) / 9)


def test_pairs_without_a_prediction_are_missing_whatever_the_order() -> None:
    expected = _expected(np.random.default_rng(18), ("NORTH", "A"), (60, 15), 40)
    predictions = _predictions(np.random.default_rng(18), expected)
    table = scoring.protocol_table(predictions, expected)
    assert table.select("series", "horizon_min").rows() == [("NORTH", 60), ("NORTH", 15), ("A", 60), ("A", 15)]
    known = predictions.group_by("series", "horizon_min").len()
    for row in table.iter_rows(named=True):
        n = known.filter(series=row["series"], horizon_min=row["horizon_min"])["len"].item()
        assert (row["n"], row["missing"]) == (n, 40 - n)
    assert table["missing"].sum() == 160 - len(predictions) > 0
    nobody = scoring.protocol_table(predictions.clear(), expected)
    assert nobody["missing"].to_list() == [40] * 4
    assert nobody["MAE"].to_list() == [None] * 4


@pytest.mark.parametrize(("pairs", "months"), [(999, []), (1000, ["2019-11"])])
def test_a_month_needs_a_thousand_pairs(pairs: int, months: list[str]) -> None:
    times = np.datetime64("2019-11-01T00:00", "us") + np.arange(pairs) * np.timedelta64(15, "m")
    expected = pl.DataFrame({"series": "A", "issue_time": times, "horizon_min": 15, "y": 1.0}).with_columns(
        pl.col("issue_time").dt.replace_time_zone("UTC")
    )
    predictions = expected.with_columns(q10=0.0, q50=1.0, q90=2.0)
    cells = scoring.coverage_cells(predictions, expected, "UTC")["month"]
    assert cells.columns[2:] == months


def test_a_truth_on_the_edge_of_a_band_is_inside_in_every_cell() -> None:
    expected = _expected(np.random.default_rng(17), ("A",), (60,), 3000)
    for edge in ("q10", "q90"):
        other = {"q10": -1.0, "q50": 0.0, "q90": 1.0} | {edge: 0.0}
        cells = scoring.coverage_cells(
            expected.with_columns(**{name: pl.col("y") + far for name, far in other.items()}), expected, "Etc/UTC"
        )
        assert set(cells["block"].row(0)[2:]) == {1.0}


def test_coverage_cells_are_those_of_the_targets_local_time() -> None:
    expected = _expected(np.random.default_rng(15), ("A",), (60,), 3000)  # from 25 October 2019
    bounds = {"q10": pl.col("y") - 1, "q50": pl.col("y"), "q90": pl.col("y") + 1}
    missed = pl.col("issue_time").is_between(
        pl.datetime(2019, 11, 1, 3, time_zone="UTC"), pl.datetime(2019, 11, 1, 4, time_zone="UTC")
    )
    predictions = expected.with_columns(**bounds).with_columns(
        q90=pl.when(missed).then(pl.col("y") - 0.5).otherwise("q90")
    )

    cells = scoring.coverage_cells(predictions, expected, "America/New_York")

    # October is an edge; the five missed targets fall on 1 November, 0:00 to 1:00 in New York.
    assert cells["month"].columns == ["series", "horizon_min", "2019-11"]
    assert cells["block"].columns == ["series", "horizon_min", "0", "4", "8", "12", "16", "20"]
    blocks = cells["block"].row(0, named=True)
    # 31 whole nights of 16 targets, 4 more in the repeated hour, 8 of the last night.
    assert blocks["0"] == pytest.approx(1 - 5 / (31 * 16 + 4 + 8))
    assert {blocks[name] for name in ("4", "8", "12", "16", "20")} == {1.0}


@pytest.fixture(scope="module")
def public() -> ModuleType:
    """The public protocols' scorer, by path."""
    data = os.environ.get("NOWCAST_BENCH_DATA")
    file = Path(data or ".").resolve().parent / "bench" / "nyiso_2019h2.py"
    if not data or not file.exists():
        pytest.skip("NOWCAST_BENCH_DATA names no folder with the public protocols' scorers beside it")
    return _module(file)


def _module(file: Path) -> ModuleType:
    name = f"public_{file.stem}"  # the project's own benchmark has the file's name
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("series", "horizons"),
    [(("NYCA", "N.Y.C.", "NORTH"), (15, 30, 45, 60)), (("VIC",), (30, 60)), (("SOLAR",), (15, 60))],
)
def test_the_protocol_table_agrees_with_the_public_scorer(
    public: ModuleType, series: tuple[str, ...], horizons: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(11)
    expected = _expected(rng, series, horizons, 4000)
    if series == ("SOLAR",):
        expected = expected.with_columns(capacity=pl.lit(2000.0) + pl.col("horizon_min"))
    predictions = _predictions(rng, expected)

    theirs = pl.from_pandas(public.score(predictions.to_pandas(), expected.to_pandas()))
    mine = scoring.protocol_table(predictions, expected)

    assert mine.columns == theirs.columns
    assert mine["missing"].sum() > 0
    assert mine["crossing"].min() > 0
    for name in mine.columns:
        if mine[name].dtype == pl.Float64:
            np.testing.assert_allclose(mine[name].to_numpy(), theirs[name].to_numpy(), rtol=0, atol=1e-9, err_msg=name)
        else:
            assert mine[name].to_list() == theirs[name].to_list()


def test_the_protocol_table_agrees_where_a_horizon_is_all_missing(public: ModuleType) -> None:
    rng = np.random.default_rng(12)
    expected = _expected(rng, ("NORTH",), (15, 60), 50)
    predictions = _predictions(rng, expected).filter(pl.col("horizon_min") == 15)

    theirs = pl.from_pandas(public.score(predictions.to_pandas(), expected.to_pandas()))
    mine = scoring.protocol_table(predictions, expected)

    assert (
        mine.select("series", "horizon_min", "n", "missing").rows()
        == theirs.select("series", "horizon_min", "n", "missing").rows()
    )
    assert mine.row(1, named=True)["MAE"] is None


@pytest.mark.parametrize("timezone", ["America/New_York", "Europe/Brussels"])
def test_coverage_cells_agree_with_the_public_scorer(public: ModuleType, timezone: str) -> None:
    rng = np.random.default_rng(13)
    expected = _expected(rng, ("NYCA", "NORTH"), (15, 45), 4000)  # over the autumn clock change
    predictions = _predictions(rng, expected)

    theirs = public.coverage_cells(predictions.to_pandas(), expected.to_pandas(), timezone)
    mine = scoring.coverage_cells(predictions, expected, timezone)

    for name, table in theirs.items():
        wide = pl.from_pandas(table.reset_index())
        assert mine[name].columns == [str(column) for column in wide.columns]
        np.testing.assert_allclose(
            mine[name].drop("series").to_numpy(), wide.drop("series").to_numpy().astype(float), rtol=0, atol=1e-9
        )
        assert mine[name]["series"].to_list() == wide["series"].to_list()


def test_a_prediction_given_twice_is_refused() -> None:
    rng = np.random.default_rng(14)
    expected = _expected(rng, ("VIC",), (30,), 5)
    predictions = _predictions(rng, expected)

    with pytest.raises(SourceFormatError, match="twice"):
        scoring.protocol_table(pl.concat([predictions, predictions.head(1)]), expected)
