"""Chances of peaks, troughs and ramps: counted by hand, and against the quantiles of the nowcast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.serve.chances import Happening
from tests.serve.conftest import NEWEST, Client, Place

PATHS = np.array([[[10.0, 12.0], [10.0, 9.0], [11.0, 10.5], [8.0, 13.0]], [[np.nan, np.nan]] * 4])
ORIGIN = np.array([10.0, np.nan])


@pytest.mark.parametrize(
    ("happening", "expected"),
    [
        (Happening(above_mw=11.0), 0.5),  # equal is not above
        (Happening(above_mw=8.0), 1.0),
        (Happening(below_mw=9.0), 0.25),
        (Happening(ramp_mw=1.0), 0.75),  # equal is enough
        (Happening(ramp_mw=-1.0), 0.5),
        (Happening(ramp_mw=-2.5), 0.0),
    ],
)
def test_a_chance_is_the_share_of_paths_on_which_it_happens(happening: Happening, expected: float) -> None:
    assert happening.share(PATHS, ORIGIN).tolist() == pytest.approx([expected, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("happening", "is_one"),
    [
        (Happening(), False),
        (Happening(above_mw=0.0), True),
        (Happening(above_mw=1.0, ramp_mw=2.0), False),
        (Happening(ramp_mw=0.0), False),
        (Happening(below_mw=-5.0), True),
    ],
)
def test_one_thing_is_asked_at_a_time(happening: Happening, is_one: bool) -> None:
    assert happening.is_one is is_one


@given(st.floats(-50, 50), st.floats(0, 20), st.integers(0, 2**20))
def test_what_is_less_likely_never_has_a_greater_chance(level: float, more: float, seed: int) -> None:
    paths = np.random.default_rng(seed).normal(0, 20, (1, 50, 4))
    origin = np.zeros(1)

    def share(**given: float) -> float:
        return float(Happening(**given).share(paths, origin)[0])

    assert share(above_mw=level + more) <= share(above_mw=level)
    assert share(below_mw=level - more) <= share(below_mw=level)
    assert share(above_mw=level) >= float(Happening(above_mw=level).share(paths[:, :, :2], origin)[0])


def test_at_one_step_a_chance_agrees_with_the_quantiles_of_the_nowcast(client: Client, place: Place) -> None:
    nowcast = place.offline(NEWEST)
    first = nowcast.steps_minutes[0]
    assert nowcast.quantiles[5] == 0.9
    for name in nowcast.series:
        s = nowcast.series.index(name)
        for q, chance in ((1, 0.9), (3, 0.5), (5, 0.1)):
            asked = {"within": first, "series": name, "issue_time": "latest"}
            peak = {"above": nowcast.values[s, 0, q]}
            told = client.get("/v1/nowcast/toy/probability", params=asked | peak).json()
            assert told["within_min"] == first
            assert told["path_count"] == 4000
            (one,) = told["series"]
            # Three standard errors of 4,000 paths.
            assert one["probability"] == pytest.approx(chance, abs=0.024), (name, q)
            ramp = nowcast.values[s, 0, q] - nowcast.origin_mw[s]
            of_ramp = client.get("/v1/nowcast/toy/probability", params=asked | {"ramp": ramp})
            expected = chance if ramp > 0 else 1 - chance
            assert of_ramp.json()["series"][0]["probability"] == pytest.approx(expected, abs=0.024)


def test_the_longest_horizon_is_the_default(client: Client) -> None:
    params = {"below": 1e6, "issue_time": "latest"}
    told = client.get("/v1/nowcast/toy/probability", params=params).json()
    assert told["within_min"] == 60
    assert [one["series"] for one in told["series"]] == ["ALL", "N.E.", "SOUTH 1"]
    assert {one["probability"] for one in told["series"]} == {1.0}


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"above": 1, "below": 2}, 422),
        ({"ramp": 0}, 422),
        ({"above": "nan"}, 422),
        ({"above": 1, "within": 17}, 404),
        ({"above": 1, "series": "WEST"}, 404),
    ],
)
def test_what_cannot_be_asked_is_refused(client: Client, params: dict[str, object], status: int) -> None:
    response = client.get("/v1/nowcast/toy/probability", params=params)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
