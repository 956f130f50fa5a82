"""Faults that are planted in New York's half-year, for the benchmark of the watch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from protocol import minute

from power_nowcast.contracts import Panel
from power_nowcast.features.panel import add_total
from power_nowcast.regions import Region

NARROW = 1.036 / 1.282
"""A band of 80 % that is narrower by this factor covers 70 % of normal errors."""


@dataclass(frozen=True)
class Fault:
    """A fault: what it does to the values (slot, series) of a zone from a slot on, or to the width of the bands."""

    name: str
    length: timedelta
    values: Callable[[np.ndarray, slice], np.ndarray] | None = None
    width: float = 1.0


def stuck(values: np.ndarray, where: slice) -> np.ndarray:
    """The zone's last value before the fault, again and again."""
    return np.full(where.stop - where.start, values[where.start - 1])


def off(values: np.ndarray, where: slice) -> np.ndarray:
    """The zone's values, 5 % too high."""
    return values[where] * 1.05


def shifted(values: np.ndarray, where: slice) -> np.ndarray:
    """The zone's values of an hour before."""
    return values[where.start - 12 : where.stop - 12]


FAULTS = (
    Fault("a zone stuck for 20 minutes", timedelta(minutes=20), stuck),
    Fault("a zone off by 5 % for 3 hours", timedelta(hours=3), off),
    Fault("a zone shifted by an hour", timedelta(days=2), shifted),
    Fault("coverage .70 for 3 days", timedelta(days=3), width=NARROW),
)


def planted(panel: Panel, region: Region, fault: Fault, zone: str, start: datetime) -> Panel:
    """The panel with a fault in the values of a zone."""
    if fault.values is None:
        return panel
    values = panel.power.values.copy(order="F")
    column = panel.series.index(zone)
    first = int(np.searchsorted(panel.times, minute(f"{start:%Y-%m-%d %H:%M}")))
    where = slice(first, first + int(fault.length / timedelta(minutes=panel.step_minutes)))
    values[where, column] = fault.values(values[:, column], where)
    add_total(values, region)
    return replace(panel, power=replace(panel.power, values=values))
