"""Ingest that goes on: every interval, aligned to it, through outages, catching up what it missed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from power_nowcast.contracts import Table
from power_nowcast.errors import DataError, StoreError
from power_nowcast.ingest.http import Http
from power_nowcast.models.base import Progress
from power_nowcast.regions import Region
from power_nowcast.store import IngestReport, Store, write_all

BEHIND = timedelta(hours=3)
"""How far before the newest stored value publishers are asked again: what is late or corrected comes with it."""
FIRST_DAYS = timedelta(days=2)
"""What an empty store is filled with before it follows."""
PUBLISHING = timedelta(seconds=30)
"""From the end of an interval, and the source's usual delay, until its value is asked for."""
LONGEST_WAIT = timedelta(minutes=15)
"""Between attempts while a source is out, at most."""


@dataclass(frozen=True)
class Follower:
    """What follows a region. `clock` is aware, `sleep` takes seconds; both are given by tests and replays."""

    store: Store
    region: Region
    place: Path | None = None
    http: Http | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    progress: Progress = lambda _: None

    def run(self, until: datetime | None = None) -> IngestReport:
        """Ingest until the clock says `until`, for ever without it; returns what was stored in all.

        An outage is told and outlived: the next success asks for all that has come since the newest stored value.

        Raises:
            ConfigurationError: a source is not what the region file says.
        """
        total, failures = IngestReport(), 0
        while until is None or self.clock() < until:
            try:
                report = self._once()
            except (DataError, StoreError) as error:
                failures += 1
                wait = min(self._interval * 2 ** (failures - 1), LONGEST_WAIT)
                self.progress(f"follow: {error.message} {error.remedy} Again in {wait.total_seconds():.0f} s.")
            else:
                total, failures = total + report, 0
                if report.stored:
                    self.progress(f"follow: {report.stored:,} new rows, {report.quarantined:,} in quarantine")
                wait = self._next() - self.clock()
            self.sleep(max(wait.total_seconds(), 0.0))
        return total

    def _once(self) -> IngestReport:
        last = self.store.last(Table.POWER, self.region.name)
        start = self.clock() - FIRST_DAYS if last is None else last - BEHIND
        return write_all(self.store, self.region, start=start, place=self.place, http=self.http, clock=self.clock)

    def _next(self) -> datetime:
        """When the value of the interval that runs now will have been published."""
        seconds = self._interval.total_seconds()
        end = datetime.fromtimestamp((self.clock().timestamp() // seconds + 1) * seconds, UTC)
        return end + timedelta(minutes=self.region.power.delay_minutes) + PUBLISHING

    @property
    def _interval(self) -> timedelta:
        return timedelta(minutes=self.region.interval_minutes)
