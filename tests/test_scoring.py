"""scoring: metrics against hand-made figures, their properties, and the public protocols' own scorers."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from power_nowcast import scoring
from power_nowcast.contracts import QUANTILES
from power_nowcast.errors import ConfigurationError, SourceFormatError

MW = st.floats(-1e4, 1e4, allow_nan=False, width=32)
PAIRS = st.integers(1, 40)


@st.composite
def _forecasts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(PAIRS)
    actual = draw(arrays(np.float64, n, elements=MW))
    values = np.sort(draw(arrays(np.float64, (n, len(QUANTILES)), elements=MW)), axis=1)
    return actual, values


def test_point_metrics_on_a_hand_made_example() -> None:
    actual, predicted = [100.0, 200.0, 0.0], [110.0, 180.0, 3.0]

    assert scoring.mae(actual, predicted) == pytest.approx(11)
    assert scoring.rmse(actual, predicted) == pytest.approx(np.sqrt(509 / 3))
    assert scoring.mape(actual, predicted) == pytest.approx(10.0)  # the truth of 0 does not count
    assert scoring.bias(actual, predicted) == pytest.approx(-7 / 3)


def test_pinball_weighs_the_side_that_the_level_forbids() -> None:
    assert scoring.pinball([10.0], [[8.0, 8.0]], (0.1, 0.9)).tolist() == pytest.approx([0.2, 1.8])
    assert scoring.pinball([10.0], [[12.0, 12.0]], (0.1, 0.9)).tolist() == pytest.approx([1.8, 0.2])


def test_coverage_counts_both_tails_and_the_edges_as_inside() -> None:
    found = scoring.coverage([1.0, 2.0, 3.0, 9.0, 0.0], 1.0, [3.0, 3.0, 3.0, 3.0, 3.0])

    assert found == scoring.Coverage(inside=0.6, below=0.2, above=0.2, width=2.0)


def test_pairs_that_are_not_finite_count_nowhere() -> None:
    actual = [1.0, np.nan, 5.0, np.inf]
    predicted = [2.0, 3.0, np.nan, 4.0]

    assert scoring.mae(actual, predicted) == 1.0
    assert scoring.coverage(actual, np.zeros(4), predicted).inside == 1.0


def test_nothing_to_score_is_nan() -> None:
    nothing = [np.nan]

    assert np.isnan([scoring.mae(nothing, [1.0]), scoring.rmse(nothing, [1.0]), scoring.mape([0.0], [1.0])]).all()
    assert np.isnan(scoring.pinball(nothing, np.ones((1, 7)))).all()
    assert np.isnan(scoring.crps(nothing, np.ones((1, 7))))
    assert np.isnan(scoring.coverage(nothing, 0.0, 1.0).inside)
    assert np.isnan(scoring.crossing(np.full((2, 3), np.nan)))
    assert np.isnan([scoring.skill(1.0, 0.0), scoring.skill(1.0, np.nan)]).all()


def test_skill_is_the_share_that_is_saved() -> None:
    assert scoring.skill(60.0, 80.0) == 0.25
    assert scoring.skill(100.0, 80.0) == -0.25


def test_crossing_is_the_share_of_nowcasts_with_a_quantile_out_of_order() -> None:
    assert scoring.crossing([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [1.0, 1.0, 1.0], [9.0, 2.0, 3.0]]) == 0.5


@given(arrays(np.float64, st.integers(1, 60), elements=MW), st.sampled_from(QUANTILES))
def test_pinball_is_least_at_the_quantile(actual: np.ndarray, level: float) -> None:
    def loss(value: float) -> float:
        return scoring.pinball(actual, np.full((len(actual), 1), value), (level,))[0]

    best = loss(float(np.quantile(actual, level, method="inverted_cdf")))

    assert all(best <= loss(float(other)) + 1e-9 for other in (*actual, *(actual + 1), *(actual - 1)))


@given(_forecasts())
def test_losses_are_never_negative_and_shares_are_shares(forecasts: tuple[np.ndarray, np.ndarray]) -> None:
    actual, values = forecasts

    assert (scoring.pinball(actual, values) >= 0).all()
    assert scoring.crps(actual, values) >= 0
    assert scoring.rmse(actual, values[:, 3]) >= scoring.mae(actual, values[:, 3]) * (1 - 1e-12)
    assert abs(scoring.bias(actual, values[:, 3])) <= scoring.mae(actual, values[:, 3]) * (1 + 1e-12)
    for low, high in scoring.BANDS.values():
        found = scoring.coverage(actual, values[:, QUANTILES.index(low)], values[:, QUANTILES.index(high)])
        assert 0 <= found.inside <= 1
        assert found.inside + found.below + found.above == pytest.approx(1)
        assert found.width >= 0


@given(_forecasts(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(forecasts: tuple[np.ndarray, np.ndarray], random: object) -> None:
    actual, values = forecasts
    order = np.array(random.sample(range(len(actual)), len(actual)))  # type: ignore[attr-defined]

    def row(y: np.ndarray, q: np.ndarray) -> np.ndarray:
        keys = pl.DataFrame({"series": ["A"] * len(y)})
        return scoring.summarise(scoring.losses(keys, y, q), ["series"]).drop("series").fill_null(-1.0).to_numpy()

    np.testing.assert_allclose(row(actual, values), row(actual[order], values[order]), rtol=1e-9, atol=1e-9)


@given(_forecasts())
def test_a_forecast_without_spread_has_its_absolute_error_as_crps(forecasts: tuple[np.ndarray, np.ndarray]) -> None:
    actual, values = forecasts
    point = values[:, 3]

    assert scoring.crps(actual, np.repeat(point[:, None], 7, axis=1)) == pytest.approx(scoring.mae(actual, point))


def test_crps_from_quantiles_is_near_the_exact_one_of_a_normal() -> None:
    z = np.array([-1.6448536, -1.2815516, -0.6744898, 0, 0.6744898, 1.2815516, 1.6448536])
    actual = np.random.default_rng(3).normal(size=20_000)

    estimated = scoring.crps(actual, np.tile(z, (len(actual), 1)))

    assert estimated == pytest.approx(1 / np.sqrt(np.pi), rel=0.02)  # the exact mean CRPS of a true standard normal


def test_weights_share_out_all_levels() -> None:
    assert scoring.crps_weights(QUANTILES).sum() == pytest.approx(1)
    assert (scoring.crps_weights(QUANTILES) > 0).all()


@given(_forecasts())
def test_the_table_agrees_with_the_functions(forecasts: tuple[np.ndarray, np.ndarray]) -> None:
    actual, values = forecasts
    keys = pl.DataFrame({"series": ["A"] * len(actual)})
    baseline = np.repeat(values[:, :1], 7, axis=1)

    row = scoring.summarise(scoring.losses(keys, actual, values, baselines={"flat": baseline}), ["series"]).row(
        0, named=True
    )

    expected = {
        "n": len(actual),
        "missing": 0,
        "MAE": scoring.mae(actual, values[:, 3]),
        "RMSE": scoring.rmse(actual, values[:, 3]),
        "MAPE": scoring.mape(actual, values[:, 3]),
        "bias": scoring.bias(actual, values[:, 3]),
        "pinball": scoring.pinball(actual, values).mean(),
        "CRPS": scoring.crps(actual, values),
        "coverage_80": scoring.coverage(actual, values[:, 1], values[:, 5]).inside,
        "width_90": scoring.coverage(actual, values[:, 0], values[:, 6]).width,
        "skill_flat": scoring.skill(scoring.mae(actual, values[:, 3]), scoring.mae(actual, values[:, 0])),
    }
    assert {name: np.nan if row[name] is None else row[name] for name in expected} == pytest.approx(
        expected, rel=1e-9, abs=1e-9, nan_ok=True
    )


def test_a_skill_rests_on_the_pairs_that_both_have_answered() -> None:
    actual = np.array([10.0, 10.0, 10.0])
    values = np.repeat(np.array([[11.0], [19.0], [12.0]]), 7, axis=1)
    baseline = np.repeat(np.array([[12.0], [np.nan], [14.0]]), 7, axis=1)

    row = scoring.summarise(
        scoring.losses(pl.DataFrame({"series": ["A"] * 3}), actual, values, baselines={"b": baseline}), ["series"]
    ).row(0, named=True)

    assert (row["MAE"], row["MAE_b"], row["skill_b"]) == (4.0, 3.0, 0.5)


def test_unanswered_pairs_are_missing_and_score_nothing() -> None:
    keys = pl.DataFrame({"horizon_min": [15, 15, 30, 30]})
    values = np.ones((4, 7))
    values[1:, 2] = np.nan

    table = scoring.summarise(scoring.losses(keys, [1.0, 2.0, 3.0, np.nan], values), ["horizon_min"])

    assert table.select("horizon_min", "n", "missing", "MAE").rows() == [(15, 1, 1, 0.0), (30, 0, 1, None)]


def test_every_column_of_the_losses_agrees_with_loops_over_pairs() -> None:
    """Truths that are missing, 0 or on an edge, nowcasts that cross or lack a quantile, two baselines with gaps."""
    rng = np.random.default_rng(16)
    actual = np.array([*rng.integers(-3, 4, 200).astype(float), np.nan, 0.0, 2.0])
    values = rng.integers(-4, 5, (203, 7)).astype(float)
    values[::2] = np.sort(values[::2], axis=1)
    values[5, 0] = values[17, 6] = np.nan
    others = {name: rng.normal(size=(203, 7)) for name in ("first", "second")}
    others["first"][8, 2] = others["second"][9] = np.nan
    keys = pl.DataFrame({"series": ["A", "B"] * 101 + ["A"], "pair": np.arange(203)})
    found = scoring.losses(keys, actual, values, baselines=others)
    edges = [0.0, 0.075, 0.175, 0.375, 0.625, 0.825, 0.925, 1.0]

    def pinballs(truth: float, row: np.ndarray) -> list[float]:
        gaps = [(level, truth - q) for level, q in zip(QUANTILES, row, strict=True)]
        return [level * gap if gap > 0 else (level - 1) * gap for level, gap in gaps]

    def expected(truth: float, row: np.ndarray) -> dict[str, float | None]:
        own = pinballs(truth, row)
        error = row[3] - truth
        told = {"error": error, "absolute": abs(error), "square": error**2}
        told["relative"] = 100 * abs(error) / abs(truth) if truth else None
        told |= dict(zip([f"pinball_{one}" for one in ("05", "10", "25", "50", "75", "90", "95")], own, strict=True))
        told["crps"] = 2 * sum(own[n] * (edges[n + 1] - edges[n]) for n in range(7))
        told["crossing"] = float(any(row[n + 1] < row[n] for n in range(6)))
        for percent, low, high in ((50, row[2], row[4]), (80, row[1], row[5]), (90, row[0], row[6])):
            told[f"coverage_{percent}"] = float(low <= truth <= high)
            told[f"below_{percent}"] = float(truth < low)
            told[f"above_{percent}"] = float(truth > high)
            told[f"width_{percent}"] = high - low
        return told

    assert found["pair"].to_list() == [n for n in range(203) if n != 200]
    for one in found.iter_rows(named=True):
        n, series = one.pop("pair"), one.pop("series")
        truth, row = actual[n], values[n]
        answered = n not in {5, 17}
        assert series == "AB"[n % 2]
        assert one.pop("answered") is answered
        told = expected(truth, row)
        told = {name: value if answered else None for name, value in told.items()}
        for name, other in others.items():
            both = answered and n != {"first": 8, "second": 9}[name]
            told |= {
                f"absolute:{name}": abs(row[3] - truth) if both else None,
                f"pinball:{name}": sum(pinballs(truth, row)) / 7 if both else None,
                f"absolute of {name}": abs(other[n, 3] - truth) if both else None,
                f"pinball of {name}": sum(pinballs(truth, other[n])) / 7 if both else None,
            }
        assert one == pytest.approx(told)


def test_the_summary_of_a_hand_made_table() -> None:
    """Two groups in order of appearance, each with its own means; a skill is that of the sums."""
    keys = pl.DataFrame({"series": ["B", "A", "B", "A"]})
    values = np.repeat(np.array([[11.0], [5.0], [16.0], [np.nan]]), 7, axis=1) + np.array([-3, -2, -1, 0, 1, 2, 3])
    flat = np.repeat(np.array([[14.0], [8.0], [10.0], [7.0]]), 7, axis=1)
    table = scoring.summarise(
        scoring.losses(keys, [10.0, 4.0, 20.0, 1.0], values, baselines={"flat": flat}), ["series"]
    )
    b, a = table.iter_rows(named=True)
    assert (b["series"], b["n"], b["missing"]) == ("B", 2, 0)
    assert (a["series"], a["n"], a["missing"]) == ("A", 1, 1)
    assert (b["MAE"], b["RMSE"], b["bias"]) == pytest.approx((2.5, 8.5**0.5, -1.5))
    assert b["MAPE"] == pytest.approx((10 + 20) / 2)
    assert (a["MAE"], a["MAPE"]) == (1.0, 25.0)
    assert (b["MAE_flat"], b["skill_flat"]) == pytest.approx((7.0, 1 - 5 / 14))

    def loss(gaps: Sequence[float]) -> float:
        return sum(max(level * gap, (level - 1) * gap) for gap, level in zip(gaps, QUANTILES, strict=True)) / 7

    ours = loss([2, 1, 0, -1, -2, -3, -4]) + loss([7, 6, 5, 4, 3, 2, 1])
    assert b["pinball"] == pytest.approx(ours / 2)
    assert b["pinball_skill_flat"] == pytest.approx(1 - ours / (loss([-4] * 7) + loss([10] * 7)))
    assert (b["coverage_50"], b["below_50"], b["above_50"], b["width_50"]) == (0.5, 0.0, 0.5, 2.0)


def test_groups_keep_the_order_in_which_they_appear() -> None:
    names = [f"{n * 7 % 50}" for n in range(50)] * 2
    table = scoring.summarise(
        scoring.losses(pl.DataFrame({"series": names}), np.ones(100), np.ones((100, 7))), ["series"]
    )
    assert table["series"].to_list() == names[:50]


def test_a_band_needs_both_of_its_levels() -> None:
    """With .75 and without .25 there is no band of 50 %."""
    found = scoring.losses(pl.DataFrame({"series": ["A"]}), [1.0], [[0.0, 1.0, 2.0]], (0.1, 0.5, 0.75))
    assert [name for name in found.columns if name.startswith("coverage")] == []
    found = scoring.losses(pl.DataFrame({"series": ["A"]}), [1.0], [[0.0, 1.0, 2.0]], (0.25, 0.5, 0.75))
    assert [name for name in found.columns if name.startswith("coverage")] == ["coverage_50"]


def test_nowcasts_without_a_median_cannot_be_scored() -> None:
    with pytest.raises(ConfigurationError, match="median"):
        scoring.losses(pl.DataFrame({"series": ["A"]}), [1.0], [[1.0, 2.0]], (0.1, 0.9))


# The public protocols -------------------------------------------------------------------------------------------------


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
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
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
