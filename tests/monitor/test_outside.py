"""What goes outside: a webhook in Alertmanager's format, and a heartbeat; against a real server on this machine."""

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from power_nowcast.live.beside import Beside
from power_nowcast.monitor import outside
from power_nowcast.monitor.alarms import Alarm
from power_nowcast.monitor.outside import Look, Outside
from power_nowcast.store import Store
from power_nowcast.store.events import Kind, events
from tests.live.test_loop import BEGIN

MINUTE = timedelta(minutes=1)
LOSS = Alarm("toy", "loss of a day", "Loss of a day: ALL 1.2. Do this.", BEGIN)
DEAD = Alarm("toy", "no nowcast", "The newest nowcast is 80 minutes old. Do that.", BEGIN + MINUTE)


@dataclass
class Receiver:
    """What a server has received; it answers with `status`."""

    url: str = ""
    status: int = 200
    got: list[tuple[str, object]] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told.got.append((self.path, json.loads(body) if body else None))
            self.send_response(told.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look(minute: int, *after: Alarm, before: tuple[Alarm, ...] = (), is_fresh: bool = True) -> Look:
    named = [{one.name: one for one in group} for group in (before, after)]
    return Look("toy", BEGIN + minute * MINUTE, named[0], named[1], is_fresh)


def told_of(one: tuple[str, object]) -> list[tuple[str, str]]:
    body = one[1]
    assert isinstance(body, dict)
    return [(alert["labels"]["alertname"], alert["status"]) for alert in body["alerts"]]


def test_the_webhook_gets_alertmanagers_format(tmp_path: Path) -> None:
    with receiver() as there:
        Outside(Store(tmp_path), f"{there.url}/hook", None).step(look(2, LOSS, DEAD))
    ((path, body),) = there.got
    assert path == "/hook"
    assert isinstance(body, dict)
    alerts = body.pop("alerts")
    assert body == {
        "version": "4",
        "groupKey": '{}:{region="toy"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "power-nowcast",
        "groupLabels": {"region": "toy"},
        "commonLabels": {"region": "toy", "service": "power-nowcast"},
        "commonAnnotations": {},
        "externalURL": "",
    }
    prints = [one.pop("fingerprint") for one in alerts]
    assert len(set(prints)) == 2
    assert all(len(one) == 16 for one in prints)
    assert alerts[0] == {
        "status": "firing",
        "labels": {
            "alertname": "loss of a day",
            "region": "toy",
            "service": "power-nowcast",
            "severity": "warning",
        },
        "annotations": {"summary": "Loss of a day: ALL 1.2. Do this.", "acknowledged_by": ""},
        "startsAt": "2024-05-01T12:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
    }
    assert alerts[1]["labels"]["severity"] == "critical"


def test_it_is_sent_when_something_changes_and_again_until_it_is_taken(tmp_path: Path) -> None:
    with receiver() as there:
        sender = Outside(Store(tmp_path), there.url, None)
        sender.step(look(0))
        assert there.got == [], "nothing stands"
        there.status = 500
        sender.step(look(1, LOSS))
        there.status = 200
        for minute in (2, 3):
            sender.step(look(minute, LOSS, before=(LOSS,)))
        assert [told_of(one) for one in there.got] == [[("loss of a day", "firing")]] * 2, "the first was not taken"
        sender.step(look(4, LOSS, DEAD, before=(LOSS,)))
        sender.step(look(5, DEAD, before=(LOSS, DEAD)))
        sender.step(look(6, before=(DEAD,)))
        sender.step(look(7))
    assert [told_of(one) for one in there.got[2:]] == [
        [("loss of a day", "firing"), ("no nowcast", "firing")],
        [("no nowcast", "firing"), ("loss of a day", "resolved")],
        [("no nowcast", "resolved")],
    ]
    last = there.got[-1][1]
    assert isinstance(last, dict)
    assert (last["status"], last["alerts"][0]["endsAt"]) == ("resolved", "2024-05-01T12:06:00.000Z")


def test_an_alarm_that_is_shelved_is_not_sent_before_its_time(tmp_path: Path) -> None:
    shelved = replace(LOSS, shelved_by="ann", shelved_until=BEGIN + 5 * MINUTE)
    with receiver() as there:
        sender = Outside(Store(tmp_path), there.url, None)
        sender.step(look(1, shelved))
        assert there.got == []
        sender.step(look(5, shelved, before=(shelved,)))
        assert [told_of(one) for one in there.got] == [[("loss of a day", "firing")]]


def test_a_new_process_tells_what_is_over_and_what_stands(tmp_path: Path) -> None:
    with receiver() as there:
        Outside(Store(tmp_path), there.url, None).step(look(3, DEAD, before=(LOSS, DEAD)))
    assert [told_of(one) for one in there.got] == [[("no nowcast", "firing"), ("loss of a day", "resolved")]]


def test_the_heartbeat_is_sent_with_a_fresh_nowcast_and_its_loss_is_on_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with receiver() as there:
        sender = Outside(store, None, f"{there.url}/beat/secret")
        sender.step(look(0))
        sender.step(look(1, is_fresh=False))
        assert there.got == [("/beat/secret", None)], "a dead loop has no heartbeat"
        there.status = 404
        for minute in (2, 3):
            sender.step(look(minute))
        there.status = 200
        for minute in (4, 5):
            sender.step(look(minute))
    sender.step(look(6))
    Outside(store, None, None).step(look(7))
    told = events(store, "toy", BEGIN, BEGIN + 10 * MINUTE)
    assert [((one.at - BEGIN) // MINUTE, one.kind) for one in told] == [
        (2, Kind.BEAT_LOST),
        (4, Kind.BEAT_BACK),
        (6, Kind.BEAT_LOST),
        (7, Kind.BEAT_BACK),
    ], "the setting was taken back"
    assert told[0].what == "The heartbeat's address does not take it: it answered 404."
    assert told[2].what == "The heartbeat's address does not take it: ConnectError."
    assert not any("secret" in one.what for one in told)


def test_an_address_that_never_answers_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline ends the request; the thread that tells of looks does not wait for it."""
    monkeypatch.setattr(outside, "DEADLINE_SECONDS", 0.3)
    store = Store(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = Outside(store, None, f"http://127.0.0.1:{silent.getsockname()[1]}")
        beside: Beside[Look] = Beside("messages toy", sender.step)
        beside.start()
        begin = time.monotonic()
        beside.tell(look(0))
        assert time.monotonic() - begin < 0.1
        while not events(store, "toy", BEGIN, BEGIN) and time.monotonic() - begin < 10:
            time.sleep(0.02)
        beside.stop()
    (lost,) = events(store, "toy", BEGIN, BEGIN)
    assert lost.what == "The heartbeat's address does not take it: ReadTimeout."
