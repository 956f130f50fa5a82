"""From what publishers deliver to what is stored, and when each value was known: the rules, one row at a time.

What the plants of a solar zone use themselves, up to 2 % of the plausible maximum, is stored as no power.
A value of power belongs to the slot that its stamp falls into; of several in one delivery the last one counts. It was
known when the publisher says so; else when it came, if it came live within three hours of its time; else after the
source's usual delay. What differs from the stored value is a correction, known from when it came, and so is what fills
a slot that an earlier delivery reached over without a value.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from power_nowcast.regions import Region
from tests.features.oracle.known import Row

LIVE = timedelta(hours=3)


class Published(NamedTuple):
    """A publisher's row: its stamp, its value, and when the publisher wrote it, if that is told."""

    series: str
    at: datetime
    value: float
    written: datetime | None = None


class Delivery(NamedTuple):
    """Rows of one table, when they came, and whether that is when their publisher had them (no file of an archive)."""

    table: str
    received: datetime
    is_live: bool
    rows: tuple[Published, ...]


class Look(NamedTuple):
    """What a delivery covered, and when it came: what it has no value of was not known then."""

    table: str
    series: frozenset[str]
    first: datetime
    last: datetime
    at: datetime

    def missed(self, row: Row) -> bool:
        """Whether it would have had a row, had that been known when its computed time says."""
        covered = self.table == row.table and row.series in self.series and self.first <= row.valid_at <= self.last
        return covered and row.available_at <= self.at


def stored(region: Region, deliveries: Iterable[Delivery]) -> list[Row]:
    """Every version, in the order in which they were stored."""
    rows: list[Row] = []
    newest: dict[tuple[object, ...], Row] = {}
    looks: list[Look] = []
    for delivery in sorted(deliveries, key=lambda delivery: delivery.received):
        brought = _latest_of_each_slot(region, delivery)
        if not brought:
            continue  # what says nothing covers nothing
        for row in brought:
            # Vintages of forecasts do not replace one another.
            vintage = row.available_at if row.table in ("forecast", "weather_forecast") else None
            key = (row.table, row.series, row.valid_at, vintage)
            before = newest.get(key)
            if before is not None and before.value == row.value:
                continue
            if before is not None:
                row = row._replace(available_at=max(delivery.received, before.available_at), basis="seen")
            elif row.basis == "delay" and any(look.missed(row) for look in looks):
                row = row._replace(available_at=delivery.received, basis="seen")
            newest[key] = row
            rows.append(row)
        times, series = {row.valid_at for row in brought}, frozenset(row.series for row in brought)
        looks.append(Look(delivery.table, series, min(times), max(times), delivery.received))
    return rows


def _latest_of_each_slot(region: Region, delivery: Delivery) -> list[Row]:
    """Rows as a delivery tells them, of power one a slot."""
    rows: dict[object, Row] = {}
    own_use = {zone.name: 0.02 * zone.max_mw for zone in region.zones if zone.kind == "solar"}
    for one in sorted(delivery.rows, key=lambda one: one.at):
        if delivery.table == "power" and -own_use.get(one.series, 0) <= one.value < 0:
            one = one._replace(value=0.0)
        valid = _slot(region, one.at) if delivery.table == "power" else one.at
        rows[one.series, valid, one.written] = Row(
            delivery.table, one.series, valid, *_known(region, delivery, one, valid)
        )
    return list(rows.values())


def _slot(region: Region, at: datetime) -> datetime:
    """The end of the slot that a stamp falls into."""
    return at + timedelta(seconds=-at.timestamp() % (60 * region.interval_minutes))


def _known(region: Region, delivery: Delivery, one: Published, valid: datetime) -> tuple[datetime, float, str]:
    if one.written is not None:
        return one.written, one.value, "written"
    if delivery.is_live and valid >= delivery.received - LIVE:
        return max(delivery.received, valid), one.value, "seen"
    usual = getattr(region, delivery.table).delay_minutes
    return valid + timedelta(minutes=usual), one.value, "delay"
