"""Step by step, online calibration gives the bits of one replay, and what waits is carried on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.pending import Pending
from power_nowcast.contracts import MEDIAN, QUANTILES

SERIES, LEADS = ("A", "B"), (15, 30, 45)
STEP = np.timedelta64(15, "m")
WIDTHS = np.array([-1.6, -1.3, -0.7, 0.0, 0.7, 1.3, 1.6])


def world(count: int, seed: int):
    """Quantiles with gaps, outcomes of which some are late and some never come, as `follow` takes them."""
    rng = np.random.default_rng(seed)
    shape = (count, len(SERIES), len(LEADS))
    issues = np.datetime64("2024-03-09T20:00", "m") + np.arange(count) * STEP
    quantiles = 100 + rng.normal(size=(*shape, 1)) + WIDTHS * (0.5 + rng.random((*shape, 1)))
    quantiles[rng.random(shape) < 0.05] = np.nan
    outcome = np.nan_to_num(quantiles[..., MEDIAN], nan=100.0) + 1.5 * rng.normal(size=shape)
    outcome[rng.random(shape) < 0.1] = np.nan
    target = issues[:, None, None] + np.array(LEADS, "timedelta64[m]") + np.zeros((1, len(SERIES), 1), "timedelta64[m]")
    known_at = target + np.where(rng.random(shape) < 0.2, rng.integers(0, 120, shape), 0).astype("timedelta64[m]")
    known_at[np.isnan(outcome)] = np.datetime64("NaT", "m")
    hours = target.astype("datetime64[h]").astype(np.int64) % 24
    origins = np.repeat(issues[:, None], len(SERIES), 1)
    origins[rng.random(origins.shape) < 0.1] = np.datetime64("NaT", "m")
    return quantiles, hours, outcome, issues, known_at, origins


def stepwise(start: Calibration, count: int, seed: int) -> tuple[list[np.ndarray], Calibration, Pending]:
    quantiles, hours, outcome, issues, known_at, origins = world(count, seed)
    pending, calibration, told = Pending.none(len(SERIES), len(LEADS)), start, []
    for n in range(count):
        row = Pending.rows(*(values[n : n + 1] for values in (issues, origins, quantiles, hours)))
        places = np.searchsorted(issues, pending.issue_times)
        now = np.where(known_at[places] <= issues[n], outcome[places], np.nan)
        calibration, pending = calibration.advance(pending, row, now)
        told.append(calibration.apply(quantiles[n : n + 1], hours[n : n + 1], origins[n : n + 1])[0])
    return told, calibration, pending


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 10_000))
def test_step_by_step_gives_the_bits_of_one_replay(count: int, seed: int) -> None:
    start = Calibration.neutral(SERIES, LEADS, np.datetime64("2024-03-09T19:45", "m"))
    told, after, _ = stepwise(start, count, seed)
    at_once, replayed = start.follow(*world(count, seed))
    np.testing.assert_array_equal(np.array(told), at_once)
    assert after.id == replayed.id
    assert after.as_of == replayed.as_of
    assert count < 8 or not np.array_equal(after.base, start.base)


def test_what_waits_are_the_outcomes_that_have_not_come() -> None:
    quantiles, _, outcome, issues, known_at, _ = world(40, 3)
    start = Calibration.neutral(SERIES, LEADS, issues[0])
    _, _, pending = stepwise(start, 40, 3)
    waits = np.isfinite(quantiles).all(axis=-1) & ~(np.isfinite(outcome) & (known_at <= issues[-1]))
    waits[-1] = np.isfinite(quantiles[-1]).all(axis=-1)  # the outcome of an issue time comes after it
    chosen = waits.any(axis=(1, 2))
    assert 0 < chosen.sum() < 40
    np.testing.assert_array_equal(pending.issue_times, issues[chosen])
    np.testing.assert_array_equal(pending.waits, waits[chosen])
    assert pending.factors.shape == (chosen.sum(), len(SERIES), len(LEADS), len(QUANTILES))


def test_nothing_waits_at_first() -> None:
    assert len(Pending.none(2, 3)) == 0
