"""The alarms of the API, and the watch among the metrics."""

from datetime import timedelta
from pathlib import Path

import pytest

from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.monitor.alarms import attend
from power_nowcast.monitor.watch import Watch
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import limits_in_force
from power_nowcast.store.events import Event, Kind, events, note
from power_nowcast.store.keys import Scope, make
from tests.live.test_loop import HALF_HOUR, REGION, World
from tests.serve.conftest import Client, problem_of
from tests.serve.test_guard import bearer
from tests.serve.test_live_routes import Live
from tests.serve.test_metrics import read, value

PATH = "/v1/alarms/toy"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    made = Live(World(tmp_path / "data"), slot)
    watch = Watch(made.world.store, REGION, limits_in_force(slot), made.world.clock)
    made.loop.listeners += (watch.step,)
    served = {"toy": Served(REGION, slot, made.loop, watch)}
    made.app = create_app(served, made.world.store, default_region="toy", clock=made.world.clock)
    made.client = Client(made.app)
    return made


def test_the_alarms_that_stand_are_told_with_what_people_did(live: Live) -> None:
    store, now = live.world.store, live.world.now
    assert live.client.get("/v1/alarms/toy").json() == []
    note(store, [Event("toy", now, Kind.RAISED, "It is 11. Do this.", "loss of a day")])
    note(store, [Event("toy", now + MINUTE, Kind.RAISED, "None. Do that.", "no nowcast")])
    live.world.now += 5 * MINUTE
    acted = live.world.now
    attend(store, "toy", "loss of a day", is_seen=True, until=acted + 30 * MINUTE, person="ann", now=acted)
    first, second = live.client.get("/v1/alarms/toy").json()
    assert first == {
        "region": "toy",
        "name": "loss of a day",
        "text": "It is 11. Do this.",
        "critical": False,
        "open": False,
        "raised_at": "2024-05-01T12:00:00Z",
        "acknowledged_by": "ann",
        "acknowledged_at": "2024-05-01T12:05:00Z",
        "shelved_by": "ann",
        "shelved_until": "2024-05-01T12:35:00Z",
    }
    assert (second["name"], second["critical"], second["open"]) == ("no nowcast", True, True)
    told = read(live.client)
    assert value(told, "alarm", region="toy", alarm="loss of a day", severity="warning") == 0
    assert value(told, "alarm", region="toy", alarm="no nowcast", severity="critical") == 1


def test_an_administrator_acknowledges_and_shelves_once(live: Live) -> None:
    store, now = live.world.store, live.world.now
    note(store, [Event("toy", now, Kind.RAISED, "It is 11. Do this.", "loss of a day")])
    asked = {"name": "loss of a day", "acknowledge": True, "shelve_until": "2024-05-01T14:00:00Z"}
    reader, admin = (bearer(make(store, f"a-{scope}", scope, now=now)) for scope in (Scope.READ, Scope.ADMIN))
    problem_of(live.client.post(PATH, json=asked), 401, "Key needed")
    problem_of(live.client.post(PATH, json=asked, headers=reader), 403, "Not allowed")
    assert live.client.get(PATH).json()[0]["open"]
    live.world.now += 5 * MINUTE
    first = live.client.post(PATH, json=asked, headers=admin).json()
    live.world.now += 5 * MINUTE
    assert live.client.post(PATH, json=asked, headers=admin).json() == first == live.client.get(PATH).json()
    told = events(store, "toy", now, live.world.now, kinds=(Kind.ACKNOWLEDGED, Kind.SHELVED))
    assert [(one.kind, one.person, one.at) for one in told] == [
        (Kind.ACKNOWLEDGED, "a-admin", now + 5 * MINUTE),
        (Kind.SHELVED, "a-admin", now + 5 * MINUTE),
    ]
    off = {"name": "loss of a day", "shelve_until": "2024-05-01T12:00:00Z"}
    (card,) = live.client.post(PATH, json=off, headers=admin).json()
    assert (card["shelved_until"], card["acknowledged_by"]) == ("2024-05-01T12:00:00Z", "a-admin")


def test_what_is_asked_about_an_alarm_is_checked(live: Live) -> None:
    admin = bearer(make(live.world.store, "ada", Scope.ADMIN, now=live.world.now))
    problem = problem_of(
        live.client.post(PATH, json={"name": "slow loop", "acknowledge": True}, headers=admin), 409, "Conflict"
    )
    assert problem["detail"] == "toy has no alarm 'slow loop' any more. Alarms that stand: none."
    problem_of(live.client.post(PATH, json={"name": "slow loop"}, headers=admin), 422, "Invalid request")
    assert events(live.world.store, "toy", live.world.now - MINUTE, live.world.now) == []


def test_an_unknown_region_has_no_alarms(live: Live) -> None:
    problem = problem_of(live.client.get("/v1/alarms/atlantis"), 404, "Unknown region")
    assert problem["region"] == "atlantis"


def test_the_numbers_of_the_last_look_are_metrics(live: Live) -> None:
    live.step()
    live.world.now += HALF_HOUR + MINUTE
    live.step()
    told = read(live.client)
    assert value(told, "watch", region="toy", number="age", about="power", block="", minutes="0") == 1
    assert value(told, "watch", region="toy", number="fresh", about="", block="", minutes="1440") == 1
    assert value(told, "watch", region="toy", number="heartbeat", about="", block="", minutes="0") == 0
    assert value(told, "events_total", region="toy", kind="alarm raised") == 0


def test_the_limits_are_those_of_the_version_that_answers(slot: ModelSlot, tmp_path: Path) -> None:
    empty = ModelSlot(REGION, lambda: Fetched(tmp_path, "1", "d"), tmp_path)
    assert limits_in_force(empty)() is None
    assert limits_in_force(slot)() is slot.current.bundle.watch
