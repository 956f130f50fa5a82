from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.calibration import LIMIT, Calibration
from power_nowcast.bundle.tracking import OUTLIER, REACH, STEPS, STEPS_BEFORE, Steps
from power_nowcast.contracts import MEDIAN, QUANTILES

SERIES, KNOTS = ("A",), (30,)
LEVELS = np.array(QUANTILES)
NONE = Calibration.neutral(SERIES, KNOTS, np.datetime64("2024-01-01", "m"))


def issues(count: int) -> np.ndarray:
    return np.datetime64("2024-01-01", "m") + np.arange(count) * np.timedelta64(15, "m")


def normal_quantiles(count: int, width: float = 1.0) -> np.ndarray:
    z = np.array([-1.645, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.645])
    return np.tile(100 + width * z, (count, 1, 1, 1))


def follow(
    outcome: np.ndarray, quantiles: np.ndarray, hours: np.ndarray | None = None, delay: int = 30, **steps: float
):
    n = len(outcome)
    at = np.zeros((n, 1, 1), np.int64) if hours is None else hours
    known = (issues(n) + np.timedelta64(delay, "m"))[:, None, None]
    return NONE.follow(quantiles, at, outcome[:, None, None], issues(n), known, issues(n)[:, None], Steps(**steps))


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=7, max_size=7),
    st.lists(st.floats(-6, 6), min_size=7, max_size=7),
)
@settings(deadline=None)
def test_stretched_quantiles_never_cross_and_keep_the_median(values: list[float], factors: list[float]) -> None:
    raw = np.sort(values).reshape(1, 1, 1, 7)
    factors[MEDIAN] = 0.0
    made = replace(NONE, base=np.array(factors).reshape(1, 1, 7))
    out = made.apply(raw, np.zeros((1, 1, 1), np.int64), issues(1)[:, None])[0, 0, 0]
    assert (np.diff(out) >= 0).all()
    assert out[MEDIAN] == raw[0, 0, 0, MEDIAN]


def test_a_median_that_is_always_low_at_an_hour_is_lifted_there() -> None:
    rng = np.random.default_rng(5)
    count, half = 6000, 1.2816
    hours = (np.arange(count) // 4 % 24)[:, None, None]
    habit = np.where(hours[:, 0, 0] == 7, 0.5, 0.0)
    outcome = 100 + habit + rng.normal(size=count)
    out, after = follow(outcome, normal_quantiles(count), hours)
    moved = out[count // 2 :, 0, 0, MEDIAN] - 100
    seven = hours[count // 2 :, 0, 0] == 7
    assert 0.05 < moved[seven].mean() < 0.5
    assert abs(moved[~seven].mean()) < 0.02
    assert np.abs(moved).max() <= REACH * half
    assert np.array_equal(
        after.unmoved.apply(normal_quantiles(1), hours[:1], issues(1)[:, None])[..., MEDIAN],
        normal_quantiles(1)[..., MEDIAN],
    )
    still, _ = follow(outcome, normal_quantiles(count), hours, median=0.0)
    assert (still[..., MEDIAN] == 100).all()


def test_widths_follow_a_break_of_the_days_shape_sooner_than_by_the_steps_of_before() -> None:
    """Errors from 8 to 12 are half as large again from one day on: without any calibration .61 would lie inside."""
    rng = np.random.default_rng(11)
    days, after = 40, 90
    count = (days + after) * 96
    hours = (np.arange(count) // 4 % 24)[:, None, None]
    broken = (np.arange(count) >= days * 96) & (hours[:, 0, 0] >= 8) & (hours[:, 0, 0] < 12)
    outcome = 100 + np.where(broken, 1.5, 1.0) * rng.normal(size=count)

    def inside(steps: Steps) -> np.ndarray:
        out, _ = follow(outcome, normal_quantiles(count), hours, **steps._asdict())
        low, high = (out[broken, 0, 0, QUANTILES.index(level)] for level in (0.1, 0.9))
        return (outcome[broken] >= low) & (outcome[broken] <= high)

    held, before = inside(STEPS), inside(STEPS_BEFORE)
    assert 0.8 - held.mean() < 0.7 * (0.8 - before.mean())
    month = 30 * 16  # outcomes of these hours in a month
    assert before[month:].mean() < 0.74 < 0.76 < held[month:].mean() < 0.8
    assert before.mean() < inside(STEPS._replace(pooled=0.0)).mean() + 0.01 < held.mean(), "pooling is what helps"


@given(st.lists(st.floats(-1e4, 1e4), min_size=7, max_size=7), st.lists(st.floats(-1e6, 1e6), max_size=60))
@settings(deadline=None)
def test_the_median_stays_within_its_reach_whatever_comes(values: list[float], outcomes: list[float]) -> None:
    raw = np.tile(np.sort(values), (len(outcomes) + 1, 1, 1, 1))
    out, _ = follow(np.array([*outcomes, np.nan]), raw)
    half = (raw[0, 0, 0, 5] - raw[0, 0, 0, 1]) / 2
    moved = np.abs(out[:, 0, 0, MEDIAN] - raw[0, 0, 0, MEDIAN])
    assert (moved <= (REACH + OUTLIER) * half * (1 + 1e-9) + 1e-9).all()
    assert (np.diff(out, axis=-1) >= 0).all()


@pytest.mark.parametrize("width", [0.3, 1.0, 4.0])
def test_held_out_factors_give_the_nominal_levels(width: float) -> None:
    rng = np.random.default_rng(1)
    quantiles, outcome = normal_quantiles(4000, width), 100 + rng.standard_t(4, 4000)
    made = Calibration.from_held_out(SERIES, KNOTS, quantiles, outcome[:, None, None], NONE.as_of)
    fresh = 100 + rng.standard_t(4, 4000)
    out = made.apply(quantiles, np.zeros((4000, 1, 1), np.int64), issues(4000)[:, None])[:, 0, 0]
    below = (fresh[:, None] <= out).mean(axis=0)
    assert np.abs(below - LEVELS)[np.arange(7) != MEDIAN].max() < 0.03


def test_following_outcomes_repairs_widths_that_drift() -> None:
    rng = np.random.default_rng(2)
    count = 8000
    scale = np.where(np.arange(count) < 2000, 1.0, 2.5)  # errors grow, the model does not know
    outcome = 100 + scale * rng.normal(size=count)
    out, after = follow(outcome, normal_quantiles(count))
    last = slice(4000, None)
    inside = (outcome[last] >= out[last, 0, 0, 1]) & (outcome[last] <= out[last, 0, 0, 5])
    assert abs(inside.mean() - 0.8) < 0.03
    frozen = normal_quantiles(count)[last, 0, 0]
    assert ((outcome[last] >= frozen[:, 1]) & (outcome[last] <= frozen[:, 5])).mean() < 0.5
    assert after.as_of == issues(count)[-1]
    assert after.id != NONE.id


def test_factors_stay_bounded_whatever_comes() -> None:
    outcome = np.full(20_000, 1e9)
    _, after = follow(outcome, normal_quantiles(20_000))
    assert np.abs(after.base).max() <= LIMIT
    assert np.abs(after.hourly).max() <= LIMIT


@given(st.integers(1, 200), st.integers(0, 10_000), st.sampled_from([15, 30, 45, 60]))
@settings(deadline=None, max_examples=25)
def test_an_outcome_counts_only_once_it_could_be_known(cut: int, seed: int, delay: int) -> None:
    rng = np.random.default_rng(seed)
    outcome = 100 + rng.normal(size=260)
    out, _ = follow(outcome, normal_quantiles(260), delay=delay)
    # Outcomes that become known after the cut's issue time are changed: nothing up to it may differ.
    changed = outcome.copy()
    changed[cut - delay // 15 + 1 :] += 1000
    other, _ = follow(changed, normal_quantiles(260), delay=delay)
    assert np.array_equal(out[: cut + 1], other[: cut + 1])


def test_outcomes_do_count_when_they_are_known() -> None:
    outcome = np.full(10, 1000.0)
    out, _ = follow(outcome, normal_quantiles(10), delay=30)
    first_hit = 2  # issued at 0, known after two issue times
    assert np.array_equal(out[0], out[first_hit - 1])
    assert out[first_hit, 0, 0, 6] > out[0, 0, 0, 6]


def test_unknown_outcomes_are_left_out() -> None:
    outcome = np.full(50, np.nan)
    out, after = follow(outcome, normal_quantiles(50))
    assert np.array_equal(after.base, NONE.base)
    assert np.array_equal(out, normal_quantiles(50))


def test_json_round_trip_keeps_the_id() -> None:
    _, after = follow(100 + np.random.default_rng(3).normal(size=100), normal_quantiles(100))
    back = Calibration.from_json(after.to_json())
    assert back.id == after.id
    assert back.as_of == after.as_of
    assert np.array_equal(back.hourly, after.hourly)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(sorted),
    st.integers(0, 99),
)
@settings(deadline=None)
def test_other_leads_are_read_between_its_own(own: list[int], others: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, hourly = rng.normal(size=(1, len(own), 7)), rng.normal(size=(1, len(own), 24, 7))
    start = replace(Calibration.neutral(SERIES, tuple(own), NONE.as_of), base=base, hourly=hourly)
    made = start.at(tuple(others))
    assert made.leads == tuple(others)
    for q in range(7):
        assert np.allclose(made.base[0, :, q], np.interp(others, own, base[0, :, q]))
        assert np.allclose(made.hourly[0, :, 5, q], np.interp(others, own, hourly[0, :, 5, q]))
    every = tuple(sorted({*own, *others}))
    back = start.at(every).at(tuple(own))
    assert np.allclose(back.base, base, atol=1e-9)
    assert Calibration.from_json(made.to_json()).id == made.id


def test_a_skew_that_is_told_too_small_is_followed() -> None:
    rng = np.random.default_rng(8)
    count = 8000
    side = rng.choice([-1.0, 1.0], count)
    # The long side changes from one issue time to the next; the model tells half of how long it is.
    told, true = np.exp(0.2 * side), np.exp(0.6 * side)
    noise = np.abs(rng.normal(size=count))
    above = rng.random(count) < 0.5
    outcome = 100 + np.where(above, noise * true, -noise / true)
    flat = normal_quantiles(count) - 100
    quantiles = 100 + np.where(flat > 0, flat * told[:, None, None, None], flat / told[:, None, None, None])
    losses = {}
    for step in (0.0, 0.02):
        out, after = follow(outcome, quantiles, skew=step)
        late = slice(count // 2, None)
        gap = outcome[late, None] - out[late, 0, 0]
        losses[step] = np.maximum(LEVELS * gap, (LEVELS - 1) * gap).mean()
        assert (np.diff(out, axis=-1) >= 0).all()
    assert after.skew[0, 0] > 0.5
    assert losses[0.02] < 0.99 * losses[0.0]


def test_what_is_told_even_stays_even() -> None:
    rng = np.random.default_rng(9)
    _, after = follow(100 + rng.normal(size=2000), normal_quantiles(2000))
    assert abs(after.skew[0, 0]) < 1e-9


def echoing(count: int, echo: float) -> np.ndarray:
    """Outcomes about 100 whose errors carry on by `echo` from one issue time to the next."""
    rng, made = np.random.default_rng(4), np.zeros(count)
    for n, news in enumerate(rng.normal(size=count)):
        made[n] = echo * made[n - 1] + news if n else news
    return 100 + made


@pytest.mark.parametrize(("echo", "gain"), [(0.0, 0.0), (0.6, 0.36)])
def test_errors_that_follow_upon_each_other_pull_the_median(echo: float, gain: float) -> None:
    count = 6000
    outcome = echoing(count, echo)
    out, after = follow(outcome, normal_quantiles(count))
    late = slice(count // 2, None)
    # The newest error is that of the outcome at the origin, two issue times before the target.
    assert after.pulls[0, 0, 0] / after.pulls[0, 0, 1] == pytest.approx(gain, abs=0.08)
    mine, plain = np.abs(outcome[late] - out[late, 0, 0, MEDIAN]).mean(), np.abs(outcome[late] - 100).mean()
    assert mine < plain * (1.01 if echo == 0 else 0.96)
    inside = (outcome[late] >= out[late, 0, 0, 1]) & (outcome[late] <= out[late, 0, 0, 5])
    assert abs(inside.mean() - 0.8) < 0.03
    assert after.error_at[0] == issues(count)[-1]
    # The state alone answers the last issue time as following on did.
    alone = after.apply(normal_quantiles(1), np.zeros((1, 1, 1), np.int64), issues(count)[-1:, None])
    assert alone[0] == pytest.approx(out[-1])


def test_an_error_of_another_origin_pulls_nothing() -> None:
    _, after = follow(echoing(500, 0.9), normal_quantiles(500))
    raw, hours = normal_quantiles(1), np.zeros((1, 1, 1), np.int64)
    here, later = (after.error_at[None] + np.timedelta64(minutes, "m") for minutes in (0, 15))
    still = after.unmoved.apply(raw, hours, here)[0, 0, 0, MEDIAN]
    assert still == 100
    moved = [after.apply(raw, hours, origins)[0, 0, 0, MEDIAN] for origins in (here, later)]
    habit = REACH * after.balance[0, 0, 0] * 1.2816
    assert moved[1] == pytest.approx(100 + habit)
    assert abs(moved[0] - moved[1]) > 0.05


def test_a_factor_is_the_conformal_rank_of_the_held_out_scores() -> None:
    """Of nine scores 1..9 the share .75 stands at rank 7.5 of ten, not 6.75 of nine; .9 and .95 at the largest."""
    widths = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0])
    outcome = np.array([103.0, 109.0, 101.0, 105.0, np.nan, 102.0, 108.0, 104.0, 107.0, 106.0])
    made = Calibration.from_held_out(
        SERIES, KNOTS, np.tile(100 + widths, (10, 1, 1, 1)), outcome[:, None, None], NONE.as_of
    )
    # The quantile of nine values at a share p of the ten ranks: 1 + 8 (10 / 9) p, at most 9.
    above = [1 + 8 * 0.75 * 10 / 9, 9 / 2, 9 / 4]
    # No outcome lies below the median, so its factors are the least that there are.
    np.testing.assert_allclose(made.base[0, 0], np.log([1 / 20] * 3 + [1.0, *above]))
    assert (made.hourly == 0).all()
    mirrored = Calibration.from_held_out(
        SERIES, KNOTS, np.tile(100 + widths, (10, 1, 1, 1)), 200 - outcome[:, None, None], NONE.as_of
    )
    np.testing.assert_allclose(mirrored.base[0, 0], made.base[0, 0, ::-1])
    unknown = Calibration.from_held_out(
        SERIES, KNOTS, quantiles_mw=np.ones((3, 1, 1, 7)), outcome_mw=np.full((3, 1, 1), np.nan), as_of=NONE.as_of
    )
    assert (unknown.base == 0).all()


def test_widths_that_are_nothing_and_scores_beyond_all_bounds_are_bounded() -> None:
    flat, outcome = np.full((5, 1, 1, 7), 100.0), np.full((5, 1, 1), 101.0)
    made = Calibration.from_held_out(SERIES, KNOTS, flat, outcome, NONE.as_of)
    np.testing.assert_allclose(made.base[0, 0], [-LIMIT] * 3 + [0.0] + [LIMIT] * 3)


def test_an_outcome_on_a_quantile_is_within_it() -> None:
    """As coverage is scored: the factors of both sides shrink by their own share of a step."""
    quantiles = np.tile(np.array([96.0, 98.0, 99.0, 100.0, 101.0, 102.0, 104.0]), (3, 1, 1, 1))
    for edge, q in ((98.0, 1), (102.0, 5)):
        _, after = follow(np.array([edge, np.nan, np.nan]), quantiles, base=1.0)
        assert after.base[0, 0, q] == pytest.approx(-0.1)


def test_an_id_is_twelve_hex_digits() -> None:
    name = replace(NONE).id
    assert len(name) == 12
    assert int(name, 16) >= 0
