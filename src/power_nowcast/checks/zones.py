"""The rows of a delivery of power, zone by zone, each zone with its usual level."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.checks.usual import level_of, parts_of
from power_nowcast.contracts import Floats, Times
from power_nowcast.regions import Region, Zone

SMALLEST_LEVEL = 1 / 300
"""A zone's level below this share of the plausible maximum is not believed: it may be in another unit."""
NEAR_ZERO = 0.01
"""A load up to this share of its level is near zero."""
BETWEEN = 0.1
"""A load up to this share of its level lies between: a load that truly falls to zero passes through there."""


@dataclass(frozen=True)
class ZoneRows:
    """Rows of one zone in order of their stamps, all of shape (n,): `row` is their number, `at` the publisher's stamp,
    `value` in MW, finite. `level` is the usual size in MW, None where it is not known; `stored` is the newest
    value of the tables with its time, if there is any.
    """

    zone: Zone
    row: NDArray[np.uint32]
    at: Times
    value: Floats
    level: float | None
    stored: tuple[np.datetime64, float] | None

    @property
    def near_zero(self) -> NDArray[np.bool_]:
        """Where a load is near zero and usually is not; nowhere if values lie between or the level is unknown."""
        if self.level is None:
            return np.zeros(len(self.value), np.bool_)
        size = np.abs(self.value)
        near = size <= NEAR_ZERO * self.level
        between = int(((size > NEAR_ZERO * self.level) & (size < BETWEEN * self.level)).sum())
        return near if between < max(3, int(near.sum()) / 2) else np.zeros(len(near), np.bool_)


def by_zone(rows: pl.DataFrame, region: Region, usual: pl.DataFrame | None) -> Iterator[ZoneRows]:
    """Each zone that has rows.

    Args:
        rows: row, series, at, value; those without a stamp or a finite value are left out.
        region: the region of the rows.
        usual: rows of `checks.usual.USUAL`.
    """
    known = {} if usual is None else {row[0]: row[1:] for row in usual.iter_rows()}
    finite = rows.filter(pl.col("at").is_not_null(), pl.col("value").is_finite())
    ordered = finite.sort("series", "at", maintain_order=True)
    numbers, values = ordered["row"].to_numpy(), ordered["value"].to_numpy()
    times = ordered["at"].dt.replace_time_zone(None).to_numpy()
    places = parts_of(ordered["series"])
    for zone in region.zones:
        if zone.name not in places:
            continue
        mine = places[zone.name]
        value = values[mine]
        level, at, newest = known.get(zone.name, (None, None, None))
        if level is None:
            own = level_of(value[np.abs(value) <= zone.max_mw])
            level = own if own is not None and own >= SMALLEST_LEVEL * zone.max_mw else None
        yield ZoneRows(
            zone=zone,
            row=numbers[mine],
            at=times[mine],
            value=value,
            level=level,
            stored=None if at is None else (np.datetime64(at.replace(tzinfo=None), "us"), newest),
        )
