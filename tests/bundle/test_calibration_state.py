"""The compact state of a calibration: the same bits come back, and states of the first format are read."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import pack, unpack
from power_nowcast.contracts import MEDIAN, QUANTILES

SERIES, LEADS = ("A b", "C"), tuple(range(5, 91, 5))


def followed(count: int = 600, seed: int = 1) -> Calibration:
    """A calibration that has counted outcomes of five-minute issue times."""
    rng = np.random.default_rng(seed)
    shape = (count, len(SERIES), len(LEADS))
    issues = np.datetime64("2024-01-01T00:00", "m") + np.arange(count) * np.timedelta64(5, "m")
    widths = np.array([-1.6, -1.3, -0.7, 0.0, 0.7, 1.3, 1.6])
    quantiles = 100 + rng.normal(size=(*shape, 1)) + widths * (1 + rng.random((*shape, 1)))
    outcome = quantiles[..., MEDIAN] + 1.5 * rng.normal(size=shape)
    target = issues[:, None, None] + np.array(LEADS, "timedelta64[m]") + np.zeros((1, len(SERIES), 1), "timedelta64[m]")
    hours = target.astype("datetime64[h]").astype(np.int64) % 24
    start = Calibration.neutral(SERIES, LEADS, issues[0])
    return start.follow(quantiles, hours, outcome, issues, target, np.repeat(issues[:, None], len(SERIES), 1))[1]


def assert_same_bits(one: Calibration, other: Calibration) -> None:
    for field in fields(Calibration):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes(), field.name
        else:
            assert ours == theirs
    assert one.id == other.id


def test_a_state_comes_back_bit_for_bit() -> None:
    state = followed()
    assert_same_bits(unpack(pack(state)), state)
    odd = replace(state, pulls=np.full_like(state.pulls, -0.0), error_at=np.full(2, np.datetime64("NaT", "m")))
    assert_same_bits(unpack(pack(odd)), odd)
    assert_same_bits(
        unpack(pack(Calibration.neutral(SERIES, LEADS, state.as_of))), Calibration.neutral(SERIES, LEADS, state.as_of)
    )


def test_a_state_that_came_back_is_followed_further_as_the_original() -> None:
    state = followed()
    again = unpack(pack(state))
    rng = np.random.default_rng(3)
    issues = state.as_of + np.arange(1, 60) * np.timedelta64(5, "m")
    shape = (len(issues), len(SERIES), len(LEADS))
    quantiles = np.sort(100 + rng.normal(size=(*shape, len(QUANTILES))), axis=-1)
    known = issues[:, None, None] + np.array(LEADS, "timedelta64[m]") + np.zeros(shape, "timedelta64[m]")
    more = (quantiles, np.zeros(shape, np.int64), 100 + rng.normal(size=shape), issues, known)
    origins = np.repeat(issues[:, None], len(SERIES), 1)
    (said, after), (said_again, after_again) = (one.follow(*more, origins) for one in (state, again))
    assert said.tobytes() == said_again.tobytes()
    assert_same_bits(after, after_again)


def test_a_state_is_a_third_of_its_json_at_the_most() -> None:
    state = followed()
    assert 3 * len(pack(state)) < len(json.dumps(state.to_json()))


def test_a_state_of_the_first_format_is_read() -> None:
    """It is plain JSON, with balance and skew in the median's place of the factors."""
    state = followed()
    values = state.to_json()
    base, hourly = state.base.copy(), state.hourly.copy()
    base[..., MEDIAN], hourly[..., MEDIAN] = state.skew, state.balance
    old = values | {"base": base.tolist(), "hourly": hourly.tolist()}
    del old["balance"], old["skew"]
    assert_same_bits(unpack(json.dumps(old)), state)
    assert_same_bits(unpack(json.dumps(values)), state)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 3},
        {"arrays": "AAAA"},
        {"arrays": "no base64!"},
        {"leads": [5, 10]},
        {"series": ["A b", "C", "D"]},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, object]) -> None:
    values = json.loads(pack(followed(50)))
    with pytest.raises(ValueError, match=r"\w"):
        unpack(json.dumps(values | damage))
