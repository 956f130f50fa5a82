"""Answers for times of the past, and what pandas writes: said with care, or explained."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.serve.conftest import NEWEST, Client, Clock, Place, problem_of
from tests.serve.test_nowcast_routes import values_of as quantiles_of


def test_a_past_time_without_data_is_no_fault_of_the_service(client: Client, clock: Clock) -> None:
    """What was known then stays what it was: to ask again does not help, so it is no 503."""
    for path in ("/v1/nowcast/toy", "/v1/nowcast/toy/paths"):
        for time in ("1999-01-01T00:00:00Z", "2024-02-29T23:30:00Z"):
            response = client.get(path, params={"issue_time": time})
            told = problem_of(response, 422, "Too little history")
            assert (told["region"], told["issue_time"]) == ("toy", time)
            assert "lies before its observations" in told["detail"]
            assert "issue_time=latest" in told["remedy"]
            assert "retry-after" not in response.headers
    clock.now = NEWEST + timedelta(days=2)
    gap = client.get("/v1/nowcast/toy", params={"issue_time": (NEWEST + timedelta(hours=20)).isoformat()})
    assert problem_of(gap, 422, "Too little history")["newest"] == "2024-04-29T23:30Z"
    problem_of(client.get("/v1/nowcast/toy"), 503, "Stale data")


@pytest.mark.parametrize("text", ["2024-04-25T14:00:00+02:00", "2024-04-25 14:00:00+0200", "2024-04-25T14:00+02"])
def test_a_lost_plus_is_explained(client: Client, text: str) -> None:
    plain = client.get(f"/v1/nowcast/toy?issue_time={text.replace(' ', '%20')}")
    told = problem_of(plain, 422, "Invalid request")
    assert told["errors"][0]["where"] == "query.issue_time"
    assert "%2B" in told["detail"]
    quoted = client.get("/v1/nowcast/toy?issue_time=2024-04-25T14:00:00%2B02:00")  # as the remedy says
    assert (quoted.status_code, quoted.json()["issue_time"]) == (200, "2024-04-25T12:00:00Z")


def test_an_answer_inside_the_training_data_says_so(client: Client, place: Place, rows: list[dict[str, Any]]) -> None:
    assert client.get("/v1/nowcast/toy").json()["flags"] == []
    assert place.bundle.info.training[0] == np.datetime64("2024-04-14T00:00")
    for time, flag in (
        ("2024-04-25T12:00:00Z", "inside training data"),
        ("2024-04-14T00:00:00Z", "inside training data"),
        ("2024-04-13T23:30:00Z", "before training data"),
    ):
        got = client.get("/v1/nowcast/toy", params={"issue_time": time}).json()
        posted = client.post("/v1/nowcast/toy", json={"rows": rows, "issue_time": time}).json()
        short = client.post("/nowcast", json={"rows": rows, "issue_time": time}).json()
        assert {one["flags"][-1] for one in (got, posted, short)} == {flag}
        assert got["quality"] == ("full" if got["flags"] == [flag] else "reduced"), "its inputs decide"


def test_split_is_taken_with_the_index_that_pandas_writes(client: Client, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows)
    expected = quantiles_of(client.post("/v1/nowcast/toy", json={"rows": rows}).json())
    for index in (frame.index, pd.to_datetime(frame["valid_at"]), frame.index.astype(str)):
        split = json.loads(frame.set_index(index).to_json(orient="split", double_precision=15))
        assert set(split) == {"columns", "index", "data"}
        answer = client.post("/v1/nowcast/toy", json={"split": split})
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(quantiles_of(answer.json()), expected, rtol=5e-6)
    told = problem_of(client.post("/v1/nowcast/toy", json={"split": split | {"index": [1]}}), 422, "Invalid request")
    assert "index has 1 labels" in told["detail"]
