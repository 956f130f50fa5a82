"""docs/serving.md: every route has an example, every example runs, and every key that is named is in the answer."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from power_nowcast.live.changes import Change, Changes, State
from power_nowcast.live.interventions import MARK, Intervention, intervene
from power_nowcast.live.records import publish_shadow
from power_nowcast.live.slot import ModelSlot
from power_nowcast.store.events import Event, Kind, note
from power_nowcast.store.keys import Scope, make
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World
from tests.serve.conftest import problem_of
from tests.serve.test_live_routes import Live
from tests.serving_examples import Section, run, sections, write_recent

API = "http://127.0.0.1:8000"
TOY = {"nyiso": "toy", "NYCA": "ALL", "2019-06-30T23:55:00Z": "2024-05-01T13:00:00Z"}
"""The toy region stands for the one of the page, with its own names and times."""
TOY |= {"2019-06-30T22:00:00Z": "2024-05-01T12:00:00Z"}
PLAIN = str.maketrans(dict.fromkeys(" /{}", "-"))
"""Makes the name of a key of a heading."""
SECTIONS = {one.heading: one for one in sections()}
ROUTES = {heading: one for heading, one in SECTIONS.items() if heading.startswith(("GET ", "POST ", "DELETE "))}
TOY |= {"2026-03-01T20:00:00Z": "2024-05-01T20:00:00Z"}


def toy(text: str) -> str:
    for name, own in TOY.items():
        text = text.replace(name, own)
    return text


@pytest.fixture(scope="module")
def live(slot: ModelSlot, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A followed region of four intervals, with an event, an alarm, a decision, a change and a second version."""
    changes = Changes(command=(sys.executable, "-c", "print('- Yes.')"))
    made = Live(World(tmp_path_factory.mktemp("documented") / "data"), slot, changes)
    for number in range(4):
        made.world.now = BEGIN + number * HALF_HOUR + timedelta(minutes=1)
        made.step()
        one = made.loop.present
        assert one is not None
        other = replace(one.nowcast, model_digest="f" * 64)
        publish_shadow(made.world.store, replace(one, version="8", nowcast=other))
    note(made.world.store, [Event("toy", made.world.now, Kind.PROMOTED, "Version 7 is in production.", "7")])
    made.app.state.changes.ask(Change("toy", "7", "ada", "a test", made.world.now))
    at = made.world.now
    intervene(made.world.store, REGION, Intervention(MARK, "N.E.", at, at, at + HALF_HOUR, 0.0, "it drifts", "ada"))
    note(made.world.store, [Event("toy", made.world.now, Kind.RAISED, "It is slow. Look.", "slow loop")])
    return made


def asked(live: Live, url: str) -> httpx.Response:
    path = toy(url).removeprefix(API)
    assert path != toy(url), "the page's server has another address"
    return live.client.get(path)


def test_the_page_documents_every_route_and_no_other(live: Live) -> None:
    paths = live.app.openapi()["paths"]
    assert sorted(ROUTES) == sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


@pytest.mark.parametrize(
    ("section", "call"),
    [
        pytest.param(one, call, id=call.removeprefix(API))
        for one in ROUTES.values()
        for call in one.calls
        if "stream" not in call
    ],
)
def test_a_documented_call_answers_with_the_documented_keys(live: Live, section: Section, call: str) -> None:
    response = asked(live, call)
    assert response.status_code == 200, response.text
    _, route = section.heading.split()
    assert httpx.URL(call).path == route.replace("{region}", "nyiso")
    if response.headers["content-type"].startswith("text/csv"):
        assert response.text.splitlines()[0].split(",") == list(section.keys)
    elif response.headers["content-type"] == "application/json":
        found = response.json()
        assert found, "no row shows the keys"
        assert list(found[0] if isinstance(found, list) else found) == list(section.keys)


@pytest.mark.parametrize("heading", [heading for heading in ROUTES if not heading.startswith("GET")])
def test_a_documented_program_answers_with_the_documented_keys(
    live: Live, heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program posts to the application within this process in place of a port."""
    write_recent(tmp_path)
    monkeypatch.chdir(tmp_path)
    store = live.world.store
    monkeypatch.setenv("KEY", make(store, heading.translate(PLAIN), Scope.ADMIN, now=live.world.now))
    live.app.state.keys.refresh()
    for name in ("post", "delete"):
        one = getattr(live.client, name)
        monkeypatch.setattr(httpx, name, lambda url, one=one, **given: one(url.removeprefix(API), **given))
    section = SECTIONS[heading]
    until = time.monotonic() + 20
    while live.app.state.changes.of("toy")[0].state is State.RUNNING and time.monotonic() < until:
        time.sleep(0.01)  # one change runs at a time
    answer: Any = run(toy(section.python))["answer"]
    keys = section.keys or SECTIONS[heading.replace("DELETE", "GET")].keys
    assert list(answer[0] if isinstance(answer, list) else answer) == list(keys)


def test_the_documented_refusal_is_a_problem(live: Live) -> None:
    (call,) = SECTIONS["Errors"].calls
    told = problem_of(asked(live, call), 404, "Unknown region")
    assert set(SECTIONS["Errors"].keys) <= set(told)


def test_the_documented_stream_begins_with_the_present(live: Live) -> None:
    (call,) = SECTIONS["GET /v1/stream/{region}"].calls
    event = asyncio.run(_first_event(live, toy(call).removeprefix(API)))
    assert event["event"] == "nowcast"
    keys = SECTIONS["GET /v1/nowcast/{region}"].keys
    assert list(json.loads(event["data"])) == list(keys)


async def _first_event(live: Live, path: str) -> dict[str, str]:
    """The first server-sent event; the connection is closed then."""
    bodies: asyncio.Queue[bytes] = asyncio.Queue()
    begun = False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal begun
        if begun:
            await asyncio.Event().wait()
        begun = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await bodies.put(message.get("body", b""))

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [], "server": ("api", 80),
    }  # fmt: skip
    task = asyncio.create_task(live.app(scope, receive, send))
    text = ""
    while "\n\n" not in text.replace("\r\n", "\n"):
        text += (await asyncio.wait_for(bodies.get(), 10)).decode()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return dict(_fields(text.replace("\r\n", "\n").partition("\n\n")[0]))


def _fields(event: str) -> Iterator[tuple[str, str]]:
    for line in event.splitlines():
        name, _, value = line.partition(": ")
        yield name, value


def test_numbers_have_the_digits_that_the_page_promises(live: Live) -> None:
    for row in asked(live, f"{API}/v1/skill/nyiso").json():
        for value in row.values():
            assert not isinstance(value, float) or value == float(f"{value:.6g}")
