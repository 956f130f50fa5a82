"""Marks and adjustments by HTTP: a key is always needed, a repeated request changes nothing, the nowcast follows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from power_nowcast.live.slot import ModelSlot
from power_nowcast.store.events import Kind, events
from power_nowcast.store.keys import Scope, make
from power_nowcast.store.tables import INTERVENTIONS
from tests.live.test_loop import BEGIN, HALF_HOUR, World
from tests.serve.conftest import problem_of
from tests.serve.test_guard import basic, bearer
from tests.serve.test_live_routes import Live

PATH = "/v1/interventions/toy"
MARK = {"kind": "mark", "series": "N.E.", "until": "2024-05-01T14:00:00Z", "reason": "the meter drifts"}
ADJUST = {"kind": "adjust", "series": "ALL", "until": "2024-05-01T14:00:00Z", "reason": "a fair", "adjustment_mw": 5}


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    return Live(World(tmp_path / "data"), slot)


@pytest.fixture
def admin(live: Live) -> dict[str, str]:
    return bearer(make(live.world.store, "ada", Scope.ADMIN, now=BEGIN))


def rows(live: Live) -> int:
    return len(live.world.store.records[INTERVENTIONS].read("toy"))


def test_a_decision_needs_a_key_even_where_nothing_else_does(live: Live, admin: dict[str, str]) -> None:
    reader = make(live.world.store, "reader", Scope.READ, now=BEGIN)
    problem_of(live.client.post(PATH, json=MARK), 401, "Key needed")
    problem_of(live.client.delete(PATH, params={"kind": "mark"}), 401, "Key needed")
    problem_of(live.client.post(PATH, json=MARK, headers=bearer(reader)), 403, "Not allowed")
    password = basic(admin["authorization"].removeprefix("Bearer "))
    problem_of(live.client.post(PATH, json=MARK, headers=password), 403, "Not allowed")
    assert rows(live) == 0
    assert live.client.get(PATH).json() == [], "reading needs none"
    assert live.client.post(PATH, json=MARK, headers=admin).status_code == 201


def test_the_same_request_sent_again_changes_nothing(live: Live, admin: dict[str, str]) -> None:
    made = live.client.post(PATH, json=MARK, headers=admin)
    live.world.now += timedelta(minutes=3)
    again = live.client.post(PATH, json=MARK, headers=admin)
    assert (made.status_code, again.status_code, rows(live)) == (201, 200, 1)
    assert made.json() == again.json()
    assert made.json() == MARK | {
        "at": "2024-05-01T12:00:00Z",
        "since": "2024-05-01T12:00:00Z",
        "adjustment_mw": None,
        "person": "ada",
    }
    for other in ({"until": "2024-05-01T15:00:00Z"}, {"reason": "another"}, {"since": "2024-05-01T11:00:00Z"}):
        live.world.now += timedelta(seconds=1)
        assert live.client.post(PATH, json=MARK | other, headers=admin).status_code == 201
    told = live.client.get(PATH).json()
    assert [one["since"] for one in told] == ["2024-05-01T11:00:00Z"], "the newest decision counts"


def test_a_mark_takes_the_zone_out_and_its_end_brings_it_back(live: Live, admin: dict[str, str]) -> None:
    live.step()
    live.client.post(PATH, json=MARK, headers=admin)
    live.world.now += timedelta(seconds=1)
    live.client.post(PATH, json=ADJUST, headers=admin)
    assert [one["kind"] for one in live.client.get(PATH).json()] == ["mark", "adjust"]
    live.world.now += HALF_HOUR
    live.step()
    told = live.client.get("/v1/nowcast/toy").json()
    assert {one["series"]: one["age_minutes"] for one in told["nowcasts"]}["N.E."] == 30.0
    ended = live.client.delete(PATH, params={"kind": "mark", "series": "N.E.", "reason": "mended"}, headers=admin)
    assert (ended.status_code, [one["kind"] for one in ended.json()]) == (200, ["adjust"])
    before = rows(live)
    again = live.client.delete(PATH, params={"kind": "mark", "series": "N.E.", "reason": "mended"}, headers=admin)
    assert (again.status_code, again.json(), rows(live)) == (200, ended.json(), before)
    live.world.now += HALF_HOUR
    live.step()
    told = live.client.get("/v1/nowcast/toy").json()
    assert {one["series"]: one["age_minutes"] for one in told["nowcasts"]}["N.E."] == 0.0
    noted = [one for one in events(live.world.store, "toy", BEGIN, live.world.now) if one.kind is Kind.MARKED]
    assert [one.what.rpartition(", ")[2] for one in noted] == ["by ada: the meter drifts.", "by ada: mended."]


@pytest.mark.parametrize(
    ("change", "status", "title", "part"),
    [
        ({"until": "2024-05-01T12:00:00Z"}, 422, "Invalid request", "DELETE ends what is in force"),
        ({"until": "2024-05-01T14:00:00"}, 422, "Invalid request", "until"),
        ({"reason": " \t "}, 422, "Invalid request", "say why"),
        ({"reason": "\x1b[2J"}, 422, "Invalid request", "printable"),
        ({"adjustment_mw": 5}, 422, "Invalid request", "a mark has no adjustment_mw"),
        ({"kind": "adjust"}, 422, "Invalid request", "an adjustment has adjustment_mw"),
        ({"kind": "adjust", "adjustment_mw": 1e9}, 422, "Invalid request", "adjustment_mw"),
        ({"person": "eve"}, 422, "Invalid request", "person"),
        ({"series": "MOON"}, 404, "Unknown series", "MOON"),
        ({"series": "ALL"}, 404, "Unknown series", "sum of the zones"),
    ],
)
def test_what_is_no_decision_is_refused(
    live: Live, admin: dict[str, str], change: dict[str, Any], status: int, title: str, part: str
) -> None:
    told = problem_of(live.client.post(PATH, json=MARK | change, headers=admin), status, title)
    assert part in told["detail"]
    assert rows(live) == 0


def test_other_faults_of_a_decision(live: Live, admin: dict[str, str]) -> None:
    assert live.client.post("/v1/interventions/atlantis", json=MARK, headers=admin).status_code == 404
    assert live.client.post(PATH, content="{", headers=admin | {"content-type": "application/json"}).status_code == 400
    asked = {"kind": "mark", "series": "MOON", "reason": "x"}
    problem_of(live.client.delete(PATH, params=asked, headers=admin), 404, "Unknown series")
    problem_of(live.client.delete(PATH, params=asked | {"kind": "x"}, headers=admin), 422, "Invalid request")
    problem_of(live.client.delete(PATH, params=asked | {"why": "x"}, headers=admin), 422, "Invalid request")
