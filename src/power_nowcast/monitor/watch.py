"""The watch over a region: it looks after every publication, and at every interval without one."""

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from power_nowcast.bundle.late_zones import HISTORY_MINUTES, newest_lateness
from power_nowcast.bundle.watch import LATENESS, WatchLimits
from power_nowcast.contracts import Table
from power_nowcast.contracts.times import minute
from power_nowcast.live.records import Published, newest, published
from power_nowcast.monitor.alarms import Delays, alarms
from power_nowcast.monitor.numbers import MEASURED, NOWCAST, Number
from power_nowcast.monitor.outside import Look
from power_nowcast.monitor.reading import Reading
from power_nowcast.monitor.rules import Finding, ahead, findings, late_zones, longest_silence
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.events import Event, note


class Watch:
    """Looks at the numbers of one region, and notes alarms as events.

    Any number of processes may watch the same tables: a look has the time of the publication, or of the interval, so
    that both note the same event, which is stored once.

    Args:
        store: the tables.
        region: the region.
        limits: gives the limits of the version that answers; None if it was trained before there were any.
        clock: now, aware.
        tell: gets what each look has seen; it must not wait.
    """

    def __init__(
        self,
        store: Store,
        region: Region,
        limits: Callable[[], WatchLimits | None],
        clock: Callable[[], datetime],
        tell: Callable[[Look], None] = lambda _: None,
    ) -> None:
        self.store, self.region = store, region
        self._limits, self._clock, self._tell = limits, clock, tell
        self._reading = Reading(store, region)
        self._delays = Delays()
        self._looked_at = clock()
        self._hour: datetime | None = None
        self.measured = MEASURED.to_frame()
        """The numbers of the last look."""

    def step(self, given: Published) -> None:
        """Look after a publication; one that was caught up is no news.

        Raises:
            StoreError: a table cannot be read or written.
        """
        if given.is_live:
            self.look(given.published_at)

    def idle(self) -> None:
        """Look if no publication has come for an interval.

        Raises:
            StoreError: a table cannot be read or written.
        """
        now = self._clock()
        # A clock that was put back looks at once.
        if not timedelta(0) <= now - self._looked_at < self.region.interval:
            self.look(self.region.slot(now))

    def look(self, at: datetime) -> list[Event]:
        """Read the numbers of a moment, and note the alarms that are raised or cleared; returns these events.

        Raises:
            StoreError: a table cannot be read or written.
        """
        self._looked_at, limits = at, self._limits()
        wanted = (None, None, None) if limits is None else (limits.horizons, limits.spacing, limits.trained_until)
        if wanted != (self._reading.horizons, self._reading.spacing, self._reading.trained_until):
            self._reading = Reading(self.store, self.region, *wanted)
        self.measured = self._reading.at(at)
        found = findings(self.measured, self.region, limits)
        if limits is not None:
            found += [*self._ahead(limits, at), *self._late(limits, at)]
        before = alarms(self.store, self.region.name, at)
        told = self._delays.decide(self.region.name, found, before, at)
        note(self.store, told)
        after = alarms(self.store, self.region.name, at) if told else before
        self._tell(Look(self.region.name, at, before, after, self._is_fresh))
        return told

    @property
    def _is_fresh(self) -> bool:
        """Whether the newest nowcast was fresh at the last look."""
        age = self.measured.filter(pl.col("number") == Number.AGE, pl.col("about") == NOWCAST)["value"]
        return len(age) > 0 and timedelta(minutes=age[0]) <= longest_silence(self.region)

    def _ahead(self, limits: WatchLimits, at: datetime) -> list[Finding]:
        """Findings about the newest nowcast, and about its change from the one before, as far back as in training."""
        present = newest(self.store, self.region.name, until=at)
        if present is None or at - present.issue_time > 2 * self.region.interval:
            return []
        issue = present.issue_time - (limits.spacing or self.region.interval)
        before = [one.nowcast for one in published(self.store, self.region.name, issue, issue)]
        return ahead(present.nowcast, before[-1] if before else None, self.region, limits)

    def _late(self, limits: WatchLimits, at: datetime) -> list[Finding]:
        """A finding about zones that are an hour late, at the first look of each hour."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        if hour == self._hour or LATENESS not in limits.rows["figure"]:
            return []
        self._hour = hour
        begin = hour - timedelta(minutes=HISTORY_MINUTES)
        power = self.store.as_of(Table.POWER, self.region.name, at=at, start=begin, end=hour)
        return late_zones(newest_lateness(self.region, power, minute(hour)), limits)
