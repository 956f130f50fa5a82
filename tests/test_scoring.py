"""scoring: metrics against hand-made figures and loops over pairs, and their properties."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from power_nowcast import scoring
from power_nowcast.contracts import QUANTILES
from power_nowcast.errors import ConfigurationError

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
    # The last axis is the levels, whatever is before it: by series, and of one nowcast alone.
    assert scoring.crossing([[[1.0, 2.0], [4.0, 3.0]], [[5.0, 6.0], [7.0, 8.0]]]) == 0.25
    assert scoring.crossing([1.0, 3.0, 2.0]) == 1.0


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


def test_a_skill_of_small_losses_is_told_and_one_over_nothing_is_not() -> None:
    values = np.full((1, 7), 10.1)
    for flat, skill in ((10.4, 0.75), (10.0, None)):
        pairs = scoring.losses(
            pl.DataFrame({"series": ["A"]}), [10.0], values, baselines={"flat": np.full((1, 7), flat)}
        )
        found = scoring.summarise(pairs, ["series"])["skill_flat"].item()
        assert found == (skill if skill is None else pytest.approx(skill))


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
