"""A feeder's CSV as its owner exports it: local stamps over a clock change, semicolons, decimal commas, one gap."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

BERLIN = ZoneInfo("Europe/Berlin")
TITLES = "Zeit;Leistung [kW]"
GAP_SLOTS = 13


def write_feeder(file: Path, end: datetime, days: int, *, minutes: int = 15, seed: int = 5) -> int:
    """Write quarter hours of a feeder of about 300 kW, labelled by their start, that end at `end` (aware).

    Returns:
        The number of slots from the first to the last one. `GAP_SLOTS` of them are missing, ten days before the end.
    """
    step = timedelta(minutes=minutes)
    first = (end.astimezone(BERLIN) - timedelta(days=days)).astimezone(UTC)  # so many local days
    count = round((end - first) / step)
    noise = np.random.default_rng(seed).normal(0, 4, count)
    gap = count - int(timedelta(days=10) / step)
    lines = [TITLES]
    for n in range(count):
        if gap <= n < gap + GAP_SLOTS:
            continue
        local = (first + n * step).astimezone(BERLIN)
        hour = local.hour + local.minute / 60
        level = 210 + 70 * np.sin((hour - 8) / 24 * 2 * np.pi) + 25 * np.sin((hour - 3) / 12 * 2 * np.pi)
        level -= 40 * (local.weekday() >= 5)
        value = f"{level + noise[n]:.1f}".replace(".", ",")
        lines.append(f"{local:%d.%m.%Y %H:%M};{value}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return count
