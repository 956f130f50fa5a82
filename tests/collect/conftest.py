"""A region of two zones with a file a day, each as its publisher might have sent it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.ingest import with_source
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.toy import toy_region

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
SLOTS = 48
ZONES = ("N.E.", "SOUTH 1")


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return with_source(toy_region().model_copy(update={"weather": None}), "files", files=str(tmp_path / "files/*.csv"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def level(place: int, zone: int) -> float:
    """A plausible value, far from any straight line."""
    noise = np.random.default_rng((place, zone)).normal(0, 20)
    return round(2000 + 500 * zone + 400 * np.sin(place / 8) + noise, 1)


def write_day(folder: Path, day: int, *, leave_out: tuple[int, ...] = (), name: str = "", **changed: float) -> Path:
    """The file of a day; `leave_out` names slots that it lacks, `changed` (like s3) slots of the first zone."""
    lines = ["valid_at,N.E.,SOUTH 1"]
    for slot in range(SLOTS):
        if slot in leave_out:
            continue
        place = day * SLOTS + slot
        first = changed.get(f"s{slot}", level(place, 0))
        lines.append(f"{(FIRST + timedelta(minutes=30 * place)).isoformat()},{first},{level(place, 1)}")
    file = folder / "files" / f"{name or f'day-{day}'}.csv"
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("\n".join(lines) + "\n")
    return file
