"""The watch over a region: it looks after every publication, and at every interval without one."""

from collections.abc import Callable
from datetime import datetime, timedelta

from power_nowcast.bundle.watch import WatchLimits
from power_nowcast.live.records import Published, newest, published
from power_nowcast.monitor.alarms import Alarm, Delays, alarms
from power_nowcast.monitor.numbers import MEASURED
from power_nowcast.monitor.reading import Reading
from power_nowcast.monitor.rules import Finding, ahead, findings
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
        tell: gets the alarms that stand after each look, with those that it has cleared.
    """

    def __init__(
        self,
        store: Store,
        region: Region,
        limits: Callable[[], WatchLimits | None],
        clock: Callable[[], datetime],
        tell: Callable[[list[Alarm], list[Alarm], datetime], None] = lambda *_: None,
    ) -> None:
        self.store, self.region = store, region
        self._limits, self._clock, self._tell = limits, clock, tell
        self._reading = Reading(store, region)
        self._delays = Delays()
        self._looked_at: datetime | None = None
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
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < self.region.interval:
            self.look(self.region.slot(now))

    def look(self, at: datetime) -> list[Event]:
        """Read the numbers of a moment, and note the alarms that are raised or cleared; returns these events.

        Raises:
            StoreError: a table cannot be read or written.
        """
        self._looked_at, limits = at, self._limits()
        horizons = None if limits is None else limits.horizons
        if horizons != self._reading.horizons:
            self._reading = Reading(self.store, self.region, horizons)
        self.measured = self._reading.at(at)
        found = findings(self.measured, self.region, limits)
        if limits is not None:
            found += self._ahead(limits, at)
        before = alarms(self.store, self.region.name, at)
        told = self._delays.decide(self.region.name, found, before, at)
        note(self.store, told)
        after = alarms(self.store, self.region.name, at) if told else before
        self._tell(list(after.values()), [one for name, one in before.items() if name not in after], at)
        return told

    def _ahead(self, limits: WatchLimits, at: datetime) -> list[Finding]:
        """Findings about the newest nowcast, and about its change from the one of the interval before."""
        present = newest(self.store, self.region.name, until=at)
        if present is None or at - present.issue_time > 2 * self.region.interval:
            return []
        issue = present.issue_time - self.region.interval
        before = [one.nowcast for one in published(self.store, self.region.name, issue, issue)]
        return ahead(present.nowcast, before[-1] if before else None, self.region, limits)
