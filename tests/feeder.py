"""A feeder's CSV as its owner exports it: local stamps over a clock change, decimal commas, a gap, a fault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

BERLIN = ZoneInfo("Europe/Berlin")
TITLES = "Zeit;Leistung [kW]"
STEP = timedelta(minutes=15)
GAP_SLOTS = 13
MISSING = GAP_SLOTS + 1
"""Slots without a value: those of the gap, and one with a text in place of a number."""


def write_feeder(file: Path, end: datetime, days: int) -> int:
    """Write quarter hours of a feeder of about 300 kW, labelled by their start, that end at `end` (aware).

    Returns:
        The number of slots from the first to the last one. `GAP_SLOTS` of them are missing, ten days before the end;
        five days before it a value is no number.
    """
    first = (end.astimezone(BERLIN) - timedelta(days=days)).astimezone(UTC)  # so many local days
    lines = _lines(first, end)
    gap = len(lines) - int(timedelta(days=10) / STEP)
    fault = len(lines) - int(timedelta(days=5) / STEP)
    lines[fault] = f"{lines[fault].partition(';')[0]};n/a"
    file.write_text("\n".join([TITLES, *lines[:gap], *lines[gap + GAP_SLOTS :]]) + "\n", encoding="utf-8")
    return len(lines)


def since_a_clock_change(now: datetime) -> int:
    """Days of a file that ends about now (aware) and includes the last change of the clocks."""
    offset = now.astimezone(BERLIN).utcoffset()
    day = next(n for n in range(1, 366) if (now - timedelta(days=n)).astimezone(BERLIN).utcoffset() != offset)
    return max(110, day + 10)


def grow(file: Path, first: datetime, end: datetime) -> None:
    """Add the quarter hours from `first` to `end` (aware)."""
    with file.open("a", encoding="utf-8") as growing:
        growing.writelines(f"{line}\n" for line in _lines(first, end))


def _lines(first: datetime, end: datetime) -> list[str]:
    count = round((end - first) / STEP)
    noise = np.random.default_rng(5).normal(0, 4, count)
    lines = []
    for n in range(count):
        local = (first.astimezone(UTC) + n * STEP).astimezone(BERLIN)
        hour = local.hour + local.minute / 60
        level = 210 + 70 * np.sin((hour - 8) / 24 * 2 * np.pi) + 25 * np.sin((hour - 3) / 12 * 2 * np.pi)
        level -= 40 * (local.weekday() >= 5)
        value = f"{level + noise[n]:.1f}".replace(".", ",")
        lines.append(f"{local:%d.%m.%Y %H:%M};{value}")
    return lines
