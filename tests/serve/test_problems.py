import json

import pytest

from power_nowcast import errors
from power_nowcast.serve import problems
from tests.serve.conftest import Client


@pytest.mark.parametrize(
    ("kind", "get", "post"),
    [
        (errors.UnknownRegionError, 404, 404),
        (errors.UnknownSeriesError, 404, 404),
        (errors.UnknownHorizonError, 404, 404),
        (errors.UnknownCalibrationError, 404, 404),
        (errors.HistoryError, 422, 422),
        (errors.SourceFormatError, 422, 422),
        (errors.StaleDataError, 503, 422),
        (errors.MissingDataError, 503, 422),
        (errors.WriterBusyError, 503, 503),
        (errors.ArtifactDigestError, 503, 503),
        (errors.RegistryUnavailableError, 503, 503),
        (errors.NowcastError, 503, 503),
    ],
)
def test_each_error_has_its_status(kind: type[errors.NowcastError], get: int, post: int) -> None:
    error = kind("What happened.", remedy="What to do.")
    assert (problems.status_of(error), problems.status_of(error, "POST")) == (get, post)


def test_fields_never_hide_what_a_problem_is() -> None:
    told = json.loads(
        problems.body("/x", 503, "Stale data", "Old.", "Wait.", {"status": "mine", "age": float("nan"), "at": {1}})
    )
    assert told == {
        "type": "urn:power-nowcast:problem:stale-data",
        "title": "Stale data",
        "status": 503,
        "detail": "Old.",
        "remedy": "Wait.",
        "instance": "/x",
        "age": "nan",
        "at": "{1}",
    }


def test_what_is_not_there(client: Client) -> None:
    response = client.get("/v2/nowcast")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:power-nowcast:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at /v2/nowcast.",
        "remedy": "See /docs for what there is.",
        "instance": "/v2/nowcast",
    }


def test_wrong_methods(client: Client) -> None:
    response = client.request("DELETE", "/v1/nowcast/toy/paths")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert response.json()["detail"] == "/v1/nowcast/toy/paths does not take DELETE."
    # The address of a region's nowcast, which takes POST, fits that of its picture, too.
    response = client.request("OPTIONS", "/v1/nowcast/toy.svg")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    # What might change something needs a key first.
    assert client.request("DELETE", "/v1/models").status_code == 401
