from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast import contracts
from power_nowcast.store import Store

START = datetime(2024, 1, 31, 23, 0, tzinfo=UTC)

type Row = tuple[str, int, float | None]
type MakeRows = Callable[..., pl.DataFrame]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store", wait_seconds=0.2)


@pytest.fixture
def make_rows() -> MakeRows:
    return rows_of


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def rows_of(
    *rows: Row, region: str = "nyiso", basis: str = "delay", delay: int = 0, source: str = "test"
) -> pl.DataFrame:
    """Rows for the store of (series, minutes after START, value); `delay` minutes until they are available."""
    return pl.DataFrame(
        {
            "region": [region] * len(rows),
            "series": [series for series, _, _ in rows],
            "valid_at": [at(minute) for _, minute, _ in rows],
            "value": [value for _, _, value in rows],
            "available_at": [at(minute + delay) for _, minute, _ in rows],
            "basis": [basis] * len(rows),
            "source": [source] * len(rows),
        },
        schema={name: dtype for name, dtype in contracts.VALUES.items() if name != "first_seen_at"},
    )
