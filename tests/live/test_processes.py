"""Two real processes follow a region; both are killed now and then, and one is frozen for a while."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.features.panel import history
from power_nowcast.live.records import newest, published
from power_nowcast.store import Store
from power_nowcast.store.tables import NOWCASTS
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
REPO = Path(__file__).parents[2]
SPEED = 600
"""An interval takes 3 seconds: a process that is slower than its interval would nowcast from late data."""
INTERVAL_SECONDS = HALF_HOUR.total_seconds() / SPEED


@contextmanager
def following(folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that follow the region; the list is kept up to date by the test."""
    with (folder / "log").open("a") as log:
        found = [begun(folder, log.fileno()) for _ in range(2)]
        try:
            yield found
        finally:
            for one in found:
                one.kill()
                one.wait()


def begun(folder: Path, log: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.live.loop_process", str(folder), str(SPEED)]
    return subprocess.Popen(command, cwd=REPO, text=True, stdout=log, stderr=log)


def wait_until(store: Store, at: datetime) -> None:
    """Wait for the publication of an issue time."""
    end = time.monotonic() + 240
    while (found := newest(store, "toy")) is None or found.issue_time < at:
        assert time.monotonic() < end, (found and found.issue_time, at)
        time.sleep(0.05)


def test_kills_and_a_frozen_process_lose_and_double_nothing(tmp_path: Path, bundles: list[Bundle]) -> None:
    bundles[0].save(tmp_path / "bundle")
    (tmp_path / "digest").write_text(bundles[0].digest)
    store = World(tmp_path / "data").store
    (tmp_path / "began").write_text(str(time.time()))
    rng, until = np.random.default_rng(19), BEGIN
    with following(tmp_path) as processes:
        wait_until(store, BEGIN)
        for turn in range(4):
            # At any point of an interval, and first the one and then the other.
            time.sleep(INTERVAL_SECONDS * (1 + rng.uniform()))
            processes[turn % 2].send_signal(signal.SIGKILL)
            processes[turn % 2].wait()
            processes[turn % 2] = begun(tmp_path)
        first, second = processes
        wait_until(store, newest(store, "toy").issue_time + HALF_HOUR)  # type: ignore[union-attr]
        first.send_signal(signal.SIGSTOP)
        time.sleep(3 * INTERVAL_SECONDS)
        first.send_signal(signal.SIGCONT)
        second.kill()
        second.wait()
        until = newest(store, "toy").issue_time + 4 * HALF_HOUR  # type: ignore[union-attr]
        wait_until(store, until)
        assert first.poll() is None
    found = published(store, "toy", BEGIN, until)
    first_issue = found[0].issue_time
    count = (until - first_issue) // HALF_HOUR + 1
    assert [one.issue_time for one in found] == [first_issue + n * HALF_HOUR for n in range(count)]
    assert count >= 6
    rows = store.records[NOWCASTS].read("toy")
    assert len(rows.unique(["issue_time", "series"])) == len(rows)
    panel = history(store, REGION, datetime(2024, 3, 1, tzinfo=UTC), until + timedelta(days=1))
    replayed, _ = bundles[0].replay(panel, np.array([one.nowcast.issue_time for one in found]))
    np.testing.assert_array_equal(np.array([one.nowcast.values for one in found]), replayed.values)
