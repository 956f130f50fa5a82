"""Fifty kills at random moments of an ingest: the tables that a plain re-run leaves are those of an undisturbed one."""

import multiprocessing
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from power_nowcast import regions
from power_nowcast.collect import write_all
from power_nowcast.contracts import Table
from power_nowcast.ingest import with_source
from power_nowcast.regions import Region
from power_nowcast.store import Store

pytestmark = pytest.mark.slow
KILLS = 50
FILES, SLOTS = 3, 48
MODULES = ["power_nowcast.collect.load", "pandera.polars", "deltalake", "holidays", "tests.store.test_kills"]

type State = tuple[str, str, str]


@pytest.fixture
def region(tmp_path: Path) -> Region:
    """New York with load in files over a turn of the month, with bad rows and corrections of the file before."""
    zones = [zone.name for zone in regions.load("nyiso").zones]
    for number in range(FILES):
        start = datetime(2024, 2, 29, 14, tzinfo=UTC) + number * timedelta(minutes=5 * SLOTS)
        lines = [
            f"{(start + timedelta(minutes=5 * slot)).isoformat()},{zone},{600 + (slot * 7 + place) % 100}"
            for slot in range(-1 if number else 0, SLOTS)
            for place, zone in enumerate(zones)
        ]
        bad = [f"{start.isoformat()},{name},1" for name in ("NOWHERE", "ELSEWHERE")]
        (tmp_path / f"{number}.csv").write_text("\n".join(["valid_at,series,value", *lines, *bad]))
    alone = regions.load("nyiso").model_copy(update={"forecast": None, "weather": None})
    return with_source(alone, "files", files=str(tmp_path / "*.csv"))


@pytest.fixture(scope="module")
def workers() -> ForkServerContext:
    """Makes processes at once: a server that has loaded the modules, and computed nothing, forks them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    return context


def ingest(root: Path, region: Region, begun: Event) -> None:
    begun.set()
    write_all(Store(root), region)


def start(workers: ForkServerContext, root: Path, region: Region) -> ForkServerProcess:
    begun = workers.Event()
    process = workers.Process(target=ingest, args=(root, region, begun))
    process.start()
    assert begun.wait(60)
    return process


def state(root: Path) -> State:
    """Digests of what must not depend on how often an ingest was killed: rows, bad rows, days."""
    store = Store(root)
    bad = store.read_quarantine("nyiso").drop("first_seen_at")
    days = store.read_calendar("nyiso")
    return (
        store.manifest(Table.POWER, "nyiso").sha256,
        bad.sort(bad.columns).write_json(),
        days.write_json(),
    )


@pytest.fixture
def whole(region: Region, tmp_path: Path, workers: ForkServerContext) -> tuple[State, float]:
    """The state that an undisturbed ingest leaves, and the seconds that it takes in a new process."""
    seconds = []
    for number in range(2):
        root = tmp_path / f"whole {number}"
        process = start(workers, root, region)
        begin = time.perf_counter()
        process.join()
        seconds.append(time.perf_counter() - begin)
        assert process.exitcode == 0
    return state(root), seconds[-1]


def test_fifty_kills_lose_and_double_nothing(
    region: Region, tmp_path: Path, workers: ForkServerContext, whole: tuple[State, float]
) -> None:
    expected, seconds = whole
    moments = random.Random(3)
    killed = unfinished = 0
    for number in range(2 * KILLS):
        root = tmp_path / f"data {number}"
        process = start(workers, root, region)
        time.sleep(moments.uniform(0, 0.8 * seconds))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        left = Store(root).as_of(Table.POWER, "nyiso")
        unfinished += len(left) < FILES * SLOTS * 11
        write_all(Store(root, wait_seconds=0), region)
        assert state(root) == expected, f"kill {number}"
        if killed == KILLS:
            break
    assert killed == KILLS
    assert unfinished > KILLS // 5, "kills must come while there is something to interrupt"


def test_two_at_once_of_which_one_is_killed_are_as_one(
    region: Region, tmp_path: Path, workers: ForkServerContext, whole: tuple[State, float]
) -> None:
    expected, seconds = whole
    moments, killed = random.Random(4), 0
    for number in range(5):
        root = tmp_path / f"data {number}"
        victim, other = (start(workers, root, region) for _ in range(2))
        time.sleep(moments.uniform(0, seconds))
        victim.kill()
        for process in (victim, other):
            process.join()
        assert other.exitcode == 0
        assert state(root) == expected
        killed += victim.exitcode == -signal.SIGKILL
    assert killed, "one of them must be killed at work"


def test_two_at_once_are_as_one(
    region: Region, tmp_path: Path, workers: ForkServerContext, whole: tuple[State, float]
) -> None:
    root = tmp_path / "data"
    both = [start(workers, root, region) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert state(root) == whole[0]
