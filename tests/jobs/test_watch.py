"""nowcast watch: the picture follows the stream of a real service, and says when it is stale or alone."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from power_nowcast.errors import UnknownRegionError
from power_nowcast.jobs.watch import Watch
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.serve.service import Served, Service
from power_nowcast.serve.view import View
from tests.live.test_loop import HALF_HOUR, REGION, World
from tests.serve.test_live_process import server
from tests.toy import toy_bundle

__all__ = ["server"]


def text(picture: RenderableType) -> str:
    console = Console(file=StringIO(), width=100, force_terminal=False)
    console.print(picture)
    return console.file.getvalue()  # type: ignore[attr-defined]


@dataclass
class Seconds:
    passed: float = 0.0

    def __call__(self) -> float:
        return self.passed


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """The view of a service whose loop has published once, a minute after the issue time."""
    folder = tmp_path_factory.mktemp("watched")
    bundle, world = toy_bundle(REGION), World(folder / "data")
    bundle.save(folder / "v1")
    slot = ModelSlot(REGION, lambda: Fetched(folder / "v1", "1", bundle.digest), folder / "cache")
    slot.load()
    world.now += timedelta(minutes=1)
    loop = Loop(world.store, REGION, slot, None, world.clock)
    service = Service({"toy": Served(REGION, slot, loop)}, world.store, default_region="toy", clock=world.clock)
    loop.step()
    return service.view("toy", 3)


@pytest.fixture
def watch() -> Watch:
    return Watch("http://127.0.0.1:1", REGION, "ALL", Seconds())


def test_before_the_first_answer_it_says_whom_it_waits_for(watch: Watch) -> None:
    assert "Waiting for toy from http://127.0.0.1:1" in text(watch.picture())


def test_the_picture_has_sentence_fan_table_and_facts(watch: Watch, view: View) -> None:
    watch.show(view)
    told = text(watch.picture())
    assert told.splitlines()[0].startswith("ALL ")
    assert "data 1 minutes old, all inputs good." in told.replace("\n", " ")
    for words in ("ALL in 60 min", "30 min", "80 % within", "version 1 (persistence_ramp)", "Quality full"):
        assert words in told
    assert "●" in told, "measured values are dots"


def test_it_turns_stale_by_the_services_clock_without_a_new_answer(watch: Watch, view: View) -> None:
    watch.show(view)
    expires = datetime.fromisoformat(view.expires_at) - datetime.fromisoformat(view.clock.time)
    watch.clock.passed = expires.total_seconds() - 1  # type: ignore[attr-defined]
    assert "late" not in text(watch.picture())
    watch.clock.passed += 2  # type: ignore[attr-defined]
    assert text(watch.picture()).startswith("Warning: The nowcast after")
    watch.clock.passed += HALF_HOUR.total_seconds()  # type: ignore[attr-defined]
    assert text(watch.picture()).startswith("ALARM: No nowcast for two intervals")


def test_a_lost_connection_stands_on_top(watch: Watch, view: View) -> None:
    watch.show(view)
    watch.lost = "Connection refused"
    assert text(watch.picture()).startswith("No connection to http://127.0.0.1:1: Connection refused.\n")
    watch.show(view)
    assert "No connection" not in text(watch.picture())


def test_a_service_that_does_not_follow_the_region_is_told(watch: Watch, view: View) -> None:
    watch.show(view.model_copy(update={"followed": False}))
    assert "does not follow the region" in text(watch.picture())


def followed(watch: Watch, enough: Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
    """The pictures of a run until there are enough."""
    drawn: list[str] = []

    async def go() -> None:
        running = asyncio.create_task(watch.run(lambda picture: drawn.append(text(picture))))
        end = time.monotonic() + seconds
        while not enough(drawn) and not running.done() and time.monotonic() < end:
            await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled() and running.exception():
            raise running.exception()

    asyncio.run(go())
    return drawn


@pytest.mark.integration
def test_it_follows_a_real_service_until_it_is_gone(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    watch = Watch(url, REGION, "ALL")

    def issued(drawn: list[str]) -> set[str]:
        return {line.split(",")[0] for one in drawn for line in one.splitlines() if line.startswith("Issued")}

    assert len(issued(followed(watch, lambda drawn: len(issued(drawn)) >= 3))) >= 3
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert "No connection to" in followed(watch, lambda drawn: "No connection" in "".join(drawn))[-1]


@pytest.mark.integration
def test_an_unknown_region_ends_it(server: tuple[subprocess.Popen[str], str]) -> None:
    other = REGION.model_copy(update={"name": "elsewhere"})
    with pytest.raises(UnknownRegionError, match="no region 'elsewhere'"):
        followed(Watch(server[1], other, "ALL"), lambda _: False)


@pytest.mark.integration
def test_ctrl_c_ends_the_command_without_a_trace() -> None:
    command = [sys.executable, "-m", "power_nowcast.cli", "watch", "--region", "nyiso", "--url", "http://127.0.0.1:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(20)
    process.send_signal(signal.SIGINT)
    told, wrong = process.communicate(timeout=20)
    assert process.returncode == 0, wrong
    assert wrong == ""
    assert "Waiting for nyiso" in told
