"""Requests that the nowcast routes refuse, each with its reason."""

import json
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from power_nowcast.store import Store
from tests.serve.conftest import NEWEST, NOW, Client, Clock, Serve, problem_of

NAMES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")


def test_unknown_names_are_named(client: Client, rows: list[dict[str, Any]]) -> None:
    for response in (
        client.get("/v1/nowcast/atlantis"),
        client.post("/v1/nowcast/atlantis", json={"rows": rows}),
        client.post("/nowcast", json={"rows": rows, "region": "atlantis"}),
    ):
        assert "toy" in problem_of(response, 404, "Unknown region")["remedy"]
    for response in (
        client.get("/v1/nowcast/toy", params={"series": "MOON"}),
        client.post("/v1/nowcast/toy", json={"rows": rows, "series": ["MOON"]}),
    ):
        told = problem_of(response, 404, "Unknown series")
        assert (told["series"], told["region"]) == ("MOON", "toy")
    for response in (
        client.get("/v1/nowcast/toy", params={"horizon": 45}),
        client.post("/nowcast", json={"rows": rows, "horizon": [45]}),
    ):
        assert problem_of(response, 404, "Unknown horizon")["horizon"] == 45
    response = client.post("/nowcast", json={"rows": rows, "calibration_id": "abc"})
    told = problem_of(response, 404, "Unknown calibration")
    assert told["calibration_id"] == "abc"


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        (
            "GET",
            "/v1/nowcast/toy",
            "known are series, horizons, horizon, quantiles, issue_time, min_quality, min_rung, format",
        ),
        ("GET", "/v1/nowcast/toy/paths", "count"),
        ("GET", "/v1/nowcast/toy/history", "format"),
        ("GET", "/v1/events/toy", "since"),
        ("GET", "/v1/stream/toy", "takes no query"),
        ("POST", "/v1/nowcast/toy", "takes no query"),
        ("POST", "/nowcast", "takes no query"),
    ],
)
def test_a_misspelt_query_key_is_refused_with_the_known_ones(
    client: Client, rows: list[dict[str, Any]], method: str, path: str, known: str
) -> None:
    body = {"json": {"rows": rows}} if method == "POST" else {}
    told = problem_of(client.request(method, path, params={"serie": "N.E."}, **body), 422, "Invalid request")
    assert told["detail"].startswith("query.serie: ")
    assert known in told["detail"]


def test_health_takes_the_query_of_any_monitor(client: Client) -> None:
    assert client.get("/healthz", params={"_": "1"}).status_code == 200


def test_too_little_history(client: Client, rows: list[dict[str, Any]]) -> None:
    told = problem_of(client.post("/nowcast", json={"rows": rows[-100:]}), 422, "Too little history")
    assert told["history_minutes"] == 99 * 30 < told["needed_minutes"]
    early = client.get("/v1/nowcast/toy", params={"issue_time": "2024-03-02T00:00:00Z"})
    assert problem_of(early, 422, "Too little history")["needed_minutes"] == told["needed_minutes"]
    for nothing in ([], [{"valid_at": "2024-04-29T23:30:00Z", "N.E.": None, "SOUTH 1": None}]):
        asked = {"columns": ["valid_at", "N.E.", "SOUTH 1"], "data": [list(row.values()) for row in nothing]}
        problem_of(client.post("/nowcast", json={"split": asked}), 422, "Too little history")


def test_stale_data(client: Client, clock: Clock, rows: list[dict[str, Any]]) -> None:
    clock.now = NEWEST + timedelta(hours=3, minutes=1)
    response = client.get("/v1/nowcast/toy")
    told = problem_of(response, 503, "Stale data")
    assert told["newest"] == "2024-04-29T23:30:00Z"
    assert response.headers["retry-after"] == "30"
    clock.now = NEWEST + timedelta(hours=2)
    assert client.get("/v1/nowcast/toy").json()["quality"] == "persistence"
    asked = {"rows": rows, "issue_time": "2024-04-30T04:00:00Z"}
    problem_of(client.post("/v1/nowcast/toy", json=asked), 422, "Stale data")


def test_an_empty_store(serve: Serve, tmp_path: Path) -> None:
    client = serve(store=Store(tmp_path / "nothing here"))
    assert "nowcast ingest" in problem_of(client.get("/v1/nowcast/toy"), 503, "No data")["remedy"]
    replay = client.get("/v1/nowcast/toy", params={"issue_time": "2024-04-01T00:00:00Z"})
    problem_of(replay, 503, "No data")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("path", ["/nowcast", "/v1/nowcast/toy"])
def test_nan_and_infinity_are_refused_with_their_place(
    client: Client, rows: list[dict[str, Any]], literal: str, path: str
) -> None:
    body = json.dumps({"rows": rows}).replace(repr(rows[7]["SOUTH 1"]), literal, 1)
    response = client.post(path, content=body, headers={"content-type": "application/json"})
    told = problem_of(response, 422, "Invalid request")
    assert told["errors"][0] == {"where": "body.rows.7.SOUTH 1", "what": "Input should be a finite number"}
    assert "null" in told["remedy"]


def change(row: int, column: str, value: object) -> Callable[[list[dict[str, Any]]], None]:
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize(
    ("mistake", "where", "what"),
    [
        (change(3, "valid_at", "2024-04-01T10:00:00"), "body.rows.3.valid_at", "timezone"),
        (change(3, "valid_at", "01/04/2024 10:00"), "body.rows.3.valid_at", "ISO time"),
        (change(3, "valid_at", "1711965600"), "body.rows.3.valid_at", "ISO time"),
        (change(3, "valid_at", 1711965600), "body.rows.3.valid_at", "ISO time"),
        (change(3, "valid_at", None), "body.rows.3.valid_at", "ISO time"),
        (change(3, "valid_at", "0001-01-01T00:00:00+14:00"), "body.rows.3.valid_at", "between"),
        (change(3, "valid_at", "9999-12-31T23:59:59-14:00"), "body.rows.3.valid_at", "between"),
        (change(4, "N.E.", "1021.5"), "body.rows.4.N.E.", "valid number"),
        (change(4, "N.E.", True), "body.rows.4.N.E.", "valid number"),
        (change(4, "N.E.", {"mw": 3}), "body.rows.4.N.E.", "valid number"),
        (change(4, "KTOY.temperature_c", 1e308), "body.rows.4.KTOY.temperature_c", "less than"),
    ],
)
def test_a_wrong_cell_is_named(
    client: Client,
    rows: list[dict[str, Any]],
    mistake: Callable[[list[dict[str, Any]]], None],
    where: str,
    what: str,
) -> None:
    mistake(rows)
    told = problem_of(client.post("/v1/nowcast/toy", json={"rows": rows}), 422, "Invalid request")
    assert told["errors"][0]["where"] == where
    assert what in told["errors"][0]["what"]


def test_a_wrong_cell_of_the_column_form_is_named(client: Client, rows: list[dict[str, Any]]) -> None:
    split = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    split["data"][5][2] = "many"
    told = problem_of(client.post("/nowcast", json={"split": split}), 422, "Invalid request")
    assert told["errors"][0]["where"] == "body.split.data.5.2"
    split["data"][5] = [1]
    told = problem_of(client.post("/nowcast", json={"split": split}), 422, "Invalid request")
    assert "line 5 of data has 1 cells, there are 4 columns" in told["detail"]


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda rows: [row.pop("N.E.") for row in rows], "lack the columns N.E."),
        (lambda rows: [row.pop("valid_at") for row in rows], "lack the columns valid_at"),
        (change(0, "MOON", 3.0), "have unknown the columns MOON"),
        (change(3, "valid_at", "2024-04-01T10:10:00Z"), "not on the grid of 30 minutes"),
        (lambda rows: rows.append(rows[-1]), "occurs twice"),
        (change(9, "N.E.", -3.0), "Column N.E., row 9: -3 MW is outside 0 .. 5000"),
        (change(9, "SOUTH 1", 5001.0), "Column SOUTH 1, row 9: 5001 MW is outside 0 .. 5000"),
        (change(0, "valid_at", "1999-01-01T00:00:00Z"), "The rows span"),
        (
            lambda rows: [row.update({"N.E.": row["N.E."] / 1000, "SOUTH 1": row["SOUTH 1"] / 1000}) for row in rows],
            "they look like GW",
        ),
    ],
)
def test_wrong_columns_and_implausible_values(
    client: Client, rows: list[dict[str, Any]], mistake: Callable[[list[dict[str, Any]]], object], told: str
) -> None:
    mistake(rows)
    problem = problem_of(client.post("/v1/nowcast/toy", json={"rows": rows}), 422, "Unreadable source")
    assert told in problem["detail"]


def test_both_forms_or_none(client: Client, rows: list[dict[str, Any]]) -> None:
    split = {"columns": ["valid_at"], "data": []}
    for asked in ({}, {"rows": rows, "split": split}, {"rows": rows, "horizons": [30]}):
        problem_of(client.post("/nowcast", json=asked), 422, "Invalid request")


@pytest.mark.parametrize("text", ["2024-04-20T11:00:00", "yesterday", "2024-04-20", "1713610800", "99999-01-01T00:00Z"])
def test_issue_times_need_an_offset(client: Client, rows: list[dict[str, Any]], text: str) -> None:
    told = problem_of(client.get("/v1/nowcast/toy", params={"issue_time": text}), 422, "Invalid request")
    assert told["errors"][0]["where"] == "query.issue_time"
    told = problem_of(client.post("/nowcast", json={"rows": rows, "issue_time": text}), 422, "Invalid request")
    assert told["errors"][0]["where"] == "body.issue_time"


def test_the_future_is_refused(client: Client) -> None:
    later = {"issue_time": (NOW + timedelta(hours=1)).isoformat()}
    told = problem_of(client.get("/v1/nowcast/toy", params=later), 422, "Invalid request")
    assert "lies after now, 2024-04-29T23:42:34Z" in told["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"rows": [', b'{"rows": "\xff"}', b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_json(client: Client, content: bytes) -> None:
    response = client.post("/nowcast", content=content, headers={"content-type": "application/json"})
    problem_of(response, 400, "Unreadable JSON")


def test_other_media_types(client: Client, rows: list[dict[str, Any]]) -> None:
    body = json.dumps({"rows": rows}).encode()
    for kind in ("text/csv", "application/x-www-form-urlencoded", "application/xml"):
        response = client.post("/nowcast", content=body, headers={"content-type": kind})
        assert "application/json" in problem_of(response, 415, "Unsupported media type")["detail"]
    for kind in ("application/json; charset=utf-8", "application/vnd.power+json"):
        assert client.post("/nowcast", content=body, headers={"content-type": kind}).status_code == 200
    assert client.post("/nowcast", content=body).status_code == 200


def test_no_answer_holds_a_nan(client: Client, rows: list[dict[str, Any]]) -> None:
    for row in rows[-10:]:
        row["N.E."] = None

    def refuse(literal: str) -> float:
        pytest.fail(literal)
        return math.nan

    json.loads(client.post("/nowcast", json={"rows": rows}).text, parse_constant=refuse)
