"""Ingest that goes on: every interval, aligned to it, through outages, catching up what it missed."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import format_exc

from polars.exceptions import PanicException

from power_nowcast.collect.load import IngestReport, write_all
from power_nowcast.contracts import Progress, Table
from power_nowcast.errors import ConfigurationError, NowcastError, WriterBusyError
from power_nowcast.ingest.sources.replay import REPLAY
from power_nowcast.ingest.web import Http, doubled, redact
from power_nowcast.regions import Region
from power_nowcast.store import Store

logger = logging.getLogger("power_nowcast.collect.follow")

BEHIND = timedelta(hours=3)
"""How far before the newest stored value publishers are asked again: what is late or corrected comes with it."""
FIRST_DAYS = timedelta(days=2)
"""What an empty store is filled with before it follows."""
PUBLISHING = timedelta(seconds=30)
"""From the end of an interval, and the source's usual delay, until its value is asked for."""
LONGEST_WAIT = timedelta(minutes=15)
"""Between attempts while a source is out, at most."""


@dataclass
class _Turn:
    """Of one table: when its source is asked next, how often in a row it has failed, and when it was last asked with
    success (None: not since this process began).
    """

    due: datetime
    failures: int = 0
    asked_at: datetime | None = None


@dataclass(frozen=True)
class Follower:
    """What follows a region, table by table: a source that is out holds up no other.

    `clock` is aware, `sleep` takes seconds; both are given by tests and replays (`ingest.ReplayClock`).
    """

    store: Store
    region: Region
    place: Path | None = None
    http: Http | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    progress: Progress = lambda _: None

    def run(self, until: datetime | None = None) -> IngestReport:
        """Ingest until the clock says `until`, for ever without it; returns what was stored in all.

        An outage is told and outlived, and so is whatever else goes wrong with one source: the next success asks for
        all that has come since the last one.

        Raises:
            ConfigurationError: a source that has not been asked with success yet is not what the region file says.
        """
        total, begun = IngestReport(), self.clock()
        turns = {table: _Turn(begun) for table in self.region.specs}
        while until is None or self.clock() < until:
            report = IngestReport()
            for table, turn in turns.items():
                if turn.due <= self.clock():
                    report += self._take(table, turn)
            if report.stored:
                self.progress(f"follow: {report.stored:,} new rows, {report.quarantined:,} in quarantine")
            total += report
            wait = min(turn.due for turn in turns.values()) - self.clock()
            self.sleep(max(wait.total_seconds(), 0.0))
        return total

    def _take(self, table: Table, turn: _Turn) -> IngestReport:
        """Ask one table's source; of a failure, tell it and come back to it."""
        asked_at = self.clock()
        try:
            report = write_all(
                self.store,
                self.region,
                start=self._start(table, turn),
                tables=[table],
                place=self.place,
                http=self.http,
                clock=self.clock,
            )
        except WriterBusyError as error:
            # The source is well: the next interval brings what this one did not.
            self._come_back(table, turn, self._interval, error)
        except ConfigurationError as error:
            if turn.asked_at is None:
                raise
            self._failed(table, turn, error)
        except NowcastError as error:
            self._failed(table, turn, error)
        except (Exception, PanicException) as error:
            # A defect of one source's part is no reason to let the other tables grow old, but it must be seen.
            logger.error("follow: %s of %s failed:\n%s", table, self._source(table), redact(format_exc()))  # noqa: TRY400
            self._failed(table, turn, error)
        else:
            turn.failures, turn.asked_at, turn.due = 0, asked_at, self._next()
            return report
        return IngestReport()

    def _failed(self, table: Table, turn: _Turn, error: BaseException) -> None:
        turn.failures += 1
        self._come_back(table, turn, doubled(self._interval, turn.failures - 1, LONGEST_WAIT), error)

    def _come_back(self, table: Table, turn: _Turn, wait: timedelta, error: BaseException) -> None:
        turn.due = self.clock() + wait
        said = str(error)
        if not isinstance(error, NowcastError):
            words = redact(" ".join(f"{type(error).__name__}: {error}".split())[:300])
            said = f"{self._source(table)} failed: {words}. The log has the trace."
        self.progress(f"follow: {table}: {said} Again in {wait.total_seconds():.0f} s.")

    def _source(self, table: Table) -> str:
        spec = self.region.spec(table)
        return "" if spec is None else spec.source

    def _start(self, table: Table, turn: _Turn) -> datetime | None:
        """From which `valid_at` on a table's source is asked; None for a replay, which knows by itself."""
        spec = self.region.spec(table)
        if spec is not None and spec.source == REPLAY:
            return None
        now = self.clock()
        power = self.store.last(Table.POWER, self.region.name, until=now)
        newest = [time for time in (power, turn.asked_at) if time is not None]
        if table is not Table.POWER and turn.asked_at is None:
            # What an earlier process missed; forecasts lie in the future and do not tell.
            own = self.store.last(table, self.region.name)
            newest = [now - FIRST_DAYS + BEHIND if own is None else min(own, now), *newest]
        return min(newest) - BEHIND if newest else now - FIRST_DAYS

    def _next(self) -> datetime:
        """When the value of the interval that runs now will have been published."""
        seconds = self._interval.total_seconds()
        end = datetime.fromtimestamp((self.clock().timestamp() // seconds + 1) * seconds, UTC)
        return end + timedelta(minutes=self.region.power.delay_minutes) + PUBLISHING

    @property
    def _interval(self) -> timedelta:
        return timedelta(minutes=self.region.interval_minutes)
