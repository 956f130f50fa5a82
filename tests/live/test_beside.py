"""A thread beside the loop: it works on all that it is told, survives errors, and ends when it is told to."""

import logging
import threading
from collections.abc import Callable

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.live import beside
from power_nowcast.live.beside import Beside


def reached(done: threading.Event) -> None:
    assert done.wait(10), "the thread does not work"


def of(step: Callable[[int], None], idle: Callable[[], None] = lambda: None) -> Beside[int]:
    made: Beside[int] = Beside("watch toy", step, idle)
    made.start()
    return made


def test_an_error_of_a_step_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    seen, done = list[int](), threading.Event()

    def step(given: int) -> None:
        seen.append(given)
        if given == 1:
            raise StoreError("The table is gone.", remedy="Bring it back.")
        if given == 2:
            raise ZeroDivisionError
        done.set()

    thread = of(step)
    with caplog.at_level(logging.WARNING):
        for given in (1, 2, 3):
            thread.tell(given)
        reached(done)
    thread.stop()
    assert seen == [1, 2, 3]
    assert "watch toy: The table is gone." in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_it_is_idle_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "IDLE_SECONDS", 0.01)
    idle = threading.Event()
    thread = of(lambda _: None, idle.set)
    reached(idle)
    thread.stop()
    assert not thread._thread.is_alive()


def test_who_tells_never_waits(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(beside, "BACKLOG", 2)
    begun, end, seen = threading.Event(), threading.Event(), list[int]()

    def step(given: int) -> None:
        seen.append(given)
        begun.set()
        end.wait(10)

    thread = of(step)
    thread.tell(0)
    reached(begun)
    for given in (1, 2, 3):
        thread.tell(given)
    assert "watch toy: 2 wait, and one is left out" in caplog.text
    end.set()
    thread.stop()
    assert 3 not in seen
