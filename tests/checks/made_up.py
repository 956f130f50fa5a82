"""Rows of two zones of a kind, a quarter hour apart, and what `check` makes of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.ingest.published import published
from power_nowcast.ingest.validate import Checked, check
from power_nowcast.regions import Region, SourceSpec

START = datetime(2024, 5, 1, tzinfo=UTC)


def region(kind: str = "load", *, max_mw: float = 3000.0, **of_zone: Any) -> Region:
    place = {"kind": kind, "latitude": 50.0, "longitude": 8.0, "max_mw": max_mw, **of_zone}
    return Region.model_validate(
        {
            "name": "made-up",
            "title": "Made up",
            "timezone": "Europe/Berlin",
            "interval_minutes": 15,
            "model": "made-up",
            "total": "SUM",
            "zones": [{"name": "A", **place}, {"name": "B", **place}],
            "holidays": {"country": "DE"},
            "power": {"source": "files", "label": "start"},
        }
    )


def load(count: int = 192, level: float = 1000.0, seed: int = 1) -> list[float]:
    """A plausible load: a daily course and noise."""
    place = np.arange(count)
    noise = np.random.default_rng(seed).normal(0, 5, count)
    return [float(value) for value in (level * (1 + 0.25 * np.sin(place / 15)) + noise).round(1)]


def sun(days: int = 3, peak: float = 800.0) -> list[float]:
    """Output by the quarter hour: nothing from 18:45 to 05:00 UTC, about noon the most."""
    slot = np.arange(days * 96) % 96
    return [float(value) for value in np.clip(peak * np.sin(np.pi * (slot - 20) / 55), 0, None).round(1)]


def rows(minutes: int = 15, start: datetime = START, **values: list[float | None]) -> pl.DataFrame:
    frames = []
    for name, column in values.items():
        times = [start + timedelta(minutes=minutes * place) for place in range(len(column))]
        frames.append(
            pl.DataFrame(
                {"series": [name] * len(column), "at": times, "value": column},
                {"series": pl.String, "at": pl.Datetime("us", "UTC"), "value": pl.Float64},
            )
        )
    return published(pl.concat(frames))


def checked(sent: pl.DataFrame, of: Region, table: Table = Table.POWER, **more: Any) -> Checked:
    spec: SourceSpec | None = of.spec(table)
    assert spec is not None
    result = check(sent, of, table, spec, origin="a.csv", **more)
    assert len(result.rows) + len(result.bad) + result.repeated == len(sent), "nothing is dropped silently"
    return result


def reasons(result: Checked) -> dict[tuple[str, str], int]:
    """How many rows of a series are in quarantine for a reason."""
    return {(series, reason): n for series, reason, n in result.bad.group_by("series", "reason").len().iter_rows()}
