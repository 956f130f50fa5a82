"""Reads the values of a chart back from its paths, as the page's script does."""

import re
from collections.abc import Callable

import pytest

from power_nowcast.report.charts import Chart

type Values = Callable[..., list[tuple[float, ...]]]


@pytest.fixture(scope="session")
def values() -> Values:
    """By chart, name and look of a mark: (x, y) of its points; for whiskers (x, low, high)."""

    def read(chart: Chart, name: str, look: str | None = None) -> list[tuple[float, ...]]:
        (mark,) = [mark for mark in chart.marks if mark.name == name and look in (None, mark.look)]
        return [
            (float(x), *(-float(y) + 0.0 for y in (first, second) if y))
            for x, first, second in re.findall(r"[ML]([-\d.]+) ([-\d.]+)(?:V([-\d.]+))?", mark.path)
        ]

    return read
