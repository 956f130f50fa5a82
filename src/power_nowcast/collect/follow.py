"""Continuous ingest: every interval, aligned to the grid, through outages; it catches up on missed values."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import format_exc

from polars.exceptions import PanicException

from power_nowcast.collect.freshness import has_zones
from power_nowcast.collect.load import IngestReport, write_all
from power_nowcast.contracts import Progress, Table
from power_nowcast.errors import ConfigurationError, NowcastError, WriterBusyError
from power_nowcast.ingest.sources.replay import REPLAY
from power_nowcast.ingest.web import Http, doubled, redact
from power_nowcast.regions import Region
from power_nowcast.store import Store

logger = logging.getLogger("power_nowcast.collect.follow")

BEHIND = timedelta(hours=3)
"""Requests begin so long before the newest stored value, to include late and corrected values."""
FIRST_DAYS = timedelta(days=2)
"""Length of the history that is ingested first into an empty store."""
PUBLISHING = timedelta(seconds=30)
"""Time between the expected publication (end of the interval plus usual delay) and the request."""
LONGEST_WAIT = timedelta(minutes=15)
"""Maximum time between attempts while a source has an outage."""
AGAIN = timedelta(seconds=30)
"""Time to the next request if a source answers without the newest value of power; it doubles with each such answer."""


@dataclass
class _Turn:
    """The schedule of one table: the time of the next request, the number of failures in a row, the number of answers
    in a row that lacked the newest value, and the time of the last success (None: no success since this process began).
    """

    due: datetime
    failures: int = 0
    too_early: int = 0
    asked_at: datetime | None = None


@dataclass
class Follower:
    """Follows a region table by table: an outage of one source does not delay the others.

    `step` asks the sources that are due; `run` steps until a time, or forever. `clock` returns aware times, `sleep`
    takes seconds; tests and replays (`ingest.ReplayClock`) replace both.
    """

    store: Store
    region: Region
    place: Path | None = None
    http: Http | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    progress: Progress = lambda _: None
    _turns: dict[Table, _Turn] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        begun = self.clock()
        self._turns = {table: _Turn(begun) for table in self.region.specs}

    @property
    def due(self) -> datetime:
        """The time of the next request."""
        return min(turn.due for turn in self._turns.values())

    def step(self) -> IngestReport:
        """Ask the source of each table that is due once; returns what was stored.

        It reports outages and other failures of one source; the next success requests all values since the last one.

        Raises:
            ConfigurationError: a source does not match the region file, and has had no success yet.
        """
        report = IngestReport()
        for table, turn in self._turns.items():
            if turn.due <= self.clock():
                report += self._take(table, turn)
        if report.stored:
            self.progress(f"follow: {report.stored:,} new rows, {report.quarantined:,} in quarantine")
        return report

    def run(self, until: datetime | None = None) -> IngestReport:
        """Step until the clock reaches `until`, or forever without it; returns the total of the stored rows.

        Raises:
            ConfigurationError: as `step` raises it.
        """
        total = IngestReport()
        while until is None or self.clock() < until:
            total += self.step()
            self.sleep(max((self.due - self.clock()).total_seconds(), 0.0))
        return total

    def _take(self, table: Table, turn: _Turn) -> IngestReport:
        """Ask one table's source; report a failure and try again later."""
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
            # The source works: the next interval brings the missing value.
            self._come_back(table, turn, self.region.interval, error)
        except ConfigurationError as error:
            if turn.asked_at is None:
                raise
            self._failed(table, turn, error)
        except NowcastError as error:
            self._failed(table, turn, error)
        except (Exception, PanicException) as error:
            # A defect in the code of one source must not stop the other tables, but it must be visible.
            logger.error("follow: %s of %s failed:\n%s", table, self._source(table), redact(format_exc()))  # noqa: TRY400
            self._failed(table, turn, error)
        else:
            turn.failures, turn.asked_at, turn.due = 0, asked_at, self._next()
            if table is Table.POWER:
                self._ask_again(turn)
            return report
        return IngestReport()

    def _ask_again(self, turn: _Turn) -> None:
        """Ask again soon if the source does not have the newest value of every zone yet."""
        now = self.clock()
        newest = self.region.slot(now - timedelta(minutes=self.region.power.delay_minutes))
        is_empty = self.store.last(Table.POWER, self.region.name, until=now) is None
        if is_empty or has_zones(self.store, self.region, newest, now=now):
            turn.too_early = 0
            return
        turn.due = min(turn.due, now + doubled(AGAIN, turn.too_early, self.region.interval))
        turn.too_early += 1

    def _failed(self, table: Table, turn: _Turn, error: BaseException) -> None:
        turn.failures += 1
        self._come_back(table, turn, doubled(self.region.interval, turn.failures - 1, LONGEST_WAIT), error)

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
        """The `valid_at` from which a table's source is asked; None for a replay, which decides by itself."""
        spec = self.region.spec(table)
        if spec is not None and spec.source == REPLAY:
            return None
        now = self.clock()
        power = self.store.last(Table.POWER, self.region.name, until=now)
        newest = [time for time in (power, turn.asked_at) if time is not None]
        if table is not Table.POWER and turn.asked_at is None:
            # Values that an earlier process missed. Times of forecasts are in the future and cannot show this.
            own = self.store.last(table, self.region.name)
            newest = [now - FIRST_DAYS + BEHIND if own is None else min(own, now), *newest]
        return min(newest) - BEHIND if newest else now - FIRST_DAYS

    def _next(self) -> datetime:
        """The time at which the value of the current interval will be published."""
        end = self.region.slot(self.clock()) + self.region.interval
        return end + timedelta(minutes=self.region.power.delay_minutes) + PUBLISHING
