"""The nine numbers of a region at a moment, from its tables."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from power_nowcast.bundle.windows import DAY, HOUR, PAIRS, TALLIES, WEEK, tally
from power_nowcast.collect.freshness import is_archive
from power_nowcast.contracts import Table
from power_nowcast.live.records import heads, newest
from power_nowcast.live.scores import scores
from power_nowcast.live.sources import newest_by_table
from power_nowcast.monitor import numbers
from power_nowcast.regions import Region
from power_nowcast.regions.sun import known_until
from power_nowcast.store import Store
from power_nowcast.store.events import Kind, events, last_of
from power_nowcast.store.tables import NOWCASTS

OPEN_HOURS = 3
"""So many of the newest hours are counted anew at every look: their values may come late."""
SHORT_INTERVALS = 6
"""A short window has at least so many intervals, and at least an hour."""


def short(region: Region) -> int:
    """Minutes of the windows of what is told at once: withheld values, and the time of the loop."""
    return max(HOUR, SHORT_INTERVALS * region.interval_minutes)


def pairs(scored: pl.DataFrame) -> pl.DataFrame:
    """Rows of `bundle.windows.PAIRS` of rows of `live.scores.SCORES`.

    A nowcast that was caught up counts as none. One whose band has no width, such as that of solar power at night, is
    no pair either: training has none of them.
    """
    told = scored.filter("is_live", pl.col("q10") < pl.col("q90"))
    return told.select(
        "series",
        "valid_at",
        error="error_mw",
        pinball="pinball_mw",
        persistence=(pl.col("origin_mw") - pl.col("first_mw")).abs(),
        is_inside="is_inside_80",
    )


def moved(scored: pl.DataFrame, spacing: timedelta) -> pl.DataFrame:
    """Rows of `bundle.windows.PAIRS`, one a live publication and series: whether no median has left the band of 80 %
    that was published `spacing` before for that moment. One without such a publication before has no row.

    Args:
        scored: rows of `live.scores.SCORES`, of the horizons that count.
        spacing: time between the two issue times.
    """
    keys = ["issue_time", "series", "valid_at"]
    live = scored.filter("is_live")
    before = live.filter(pl.col("q10") < pl.col("q90")).select(
        pl.col("issue_time") + spacing, "series", "valid_at", low="q10", high="q90"
    )
    both = live.drop_nulls("median_mw").join(before, on=keys)
    told = both.group_by("issue_time", "series").agg(is_inside=pl.col("median_mw").is_between("low", "high").all())
    nothing = pl.lit(0.0)
    rows = told.with_columns(valid_at="issue_time", error=nothing, pinball=nothing, persistence=nothing)
    return rows.select(pl.col(name).cast(kind) for name, kind in PAIRS.items())


@dataclass
class Reading:
    """Reads the numbers of one region. Sums of hours that are over stay in memory: a look reads a few hours of scores.

    Args:
        store: the tables.
        region: the region.
        horizons: minutes ahead that count, those of the limits; all steps by default.
        spacing: time between two publications that are compared, that of the limits; an interval by default.
        trained_until: the last moment that the version that answers has learnt from; None if nothing says so.
    """

    store: Store
    region: Region
    horizons: tuple[int, ...] | None = None
    spacing: timedelta | None = None
    trained_until: datetime | None = None
    _tallies: pl.DataFrame = field(default_factory=TALLIES.to_frame, init=False, repr=False)
    _moved: pl.DataFrame = field(default_factory=TALLIES.to_frame, init=False, repr=False)
    _until: datetime | None = field(default=None, init=False, repr=False)

    @property
    def pairs_an_hour(self) -> float:
        """The most pairs that a series has in an hour."""
        return HOUR / self.region.interval_minutes * len(self.horizons or self.region.steps_minutes)

    def at(self, at: datetime) -> pl.DataFrame:
        """Rows of `numbers.MEASURED` at a moment.

        Raises:
            StoreError: a table cannot be read.
        """
        name, day = self.region.name, timedelta(minutes=DAY)
        told = heads(self.store, name, at - day - self.region.interval, at)
        happened = events(self.store, name, at - day, at)
        present = newest(self.store, name, until=at)
        small = short(self.region)
        since = self._since(told, at - day)
        return pl.concat(
            [
                numbers.ages(
                    self._known(at), None if present is None else present.published_at, at, self.trained_until
                ),
                self._still(at),
                *(numbers.fresh(told, self.region.interval, minutes, at, since=since) for minutes in (small, DAY)),
                numbers.accuracy(self.tallies(at), self.pairs_an_hour, at),
                numbers.withheld(happened, self.store.read_quarantine(name), small, at),
                numbers.jumps(self._moved, HOUR / self.region.interval_minutes, at),
                numbers.loop_time(told, small, at),
                numbers.heartbeat(heartbeat_lost_since(self.store, name), at),
            ]
        )

    def tallies(self, at: datetime) -> pl.DataFrame:
        """The sums of the eight days before `at`, by series and whole hour: the week of a block may end a day ago.

        Raises:
            StoreError: a table cannot be read.
        """
        end = at.replace(minute=0, second=0, microsecond=0)
        begin = end - timedelta(minutes=WEEK + DAY)
        since = begin if self._until is None else max(begin, self._until - timedelta(hours=OPEN_HOURS))
        if self._until is None or end != self._until:
            reach = timedelta(minutes=max(self.region.steps_minutes))
            scored = scores(self.store, self.region, since - reach, end)
            inside = pl.col("valid_at").is_between(since, end, closed="right")
            counted = pl.lit(True) if self.horizons is None else pl.col("horizon_min").is_in(self.horizons)
            new = pairs(scored.filter(inside, counted))
            changed = moved(scored.filter(counted), self.spacing or self.region.interval)
            changed = changed.filter(pl.col("valid_at").is_between(since, end, closed="right"))
            self._tallies = self._going_on(self._tallies, new, begin, since)
            self._moved = self._going_on(self._moved, changed, begin, since)
            self._until = end
        return self._tallies

    def _going_on(self, before: pl.DataFrame, new: pl.DataFrame, begin: datetime, since: datetime) -> pl.DataFrame:
        """The sums of the hours up to `since`, and those of new pairs after it."""
        kept = before.filter(pl.col("hour").is_between(begin, since, closed="right"))
        return pl.concat([kept, tally(new, self.region.timezone)])

    def _known(self, at: datetime) -> dict[str, datetime | None]:
        """By table, the time of its newest value; a table that does not grow has no age.

        Solar power is known through the night, in which many publishers have no values.
        """
        found = newest_by_table(self.store, self.region, at)
        for table in self.region.specs:
            newest_value = found[table.value]
            if newest_value is not None and table is Table.POWER:
                found[table.value] = known_until(self.region, newest_value, at)
            if is_archive(self.store, self.region, table):
                found[table.value] = None
        return found

    def _still(self, at: datetime) -> pl.DataFrame:
        """Rows of `numbers.MEASURED` about the zones that stand still."""
        begin = at - 2 * timedelta(minutes=short(self.region))
        values = self.store.as_of(Table.POWER, self.region.name, at=at, start=begin, end=at)
        return numbers.still(values, {one.name: one.max_mw for one in self.region.zones}, self.region.interval)

    def _since(self, told: pl.DataFrame, begin: datetime) -> datetime | None:
        """The first issue time from which intervals count: that of the first nowcast, or the begin if one is older."""
        before = self.store.records[NOWCASTS].newest(self.region.name, until=begin)
        if not before.is_empty():
            return begin
        first = told["issue_time"].min()
        return first if isinstance(first, datetime) else None


def heartbeat_lost_since(store: Store, region: str) -> datetime | None:
    """When the outside address began not to take the heartbeat; None if it took the last one, or if there is none.

    Raises:
        StoreError: the events cannot be read.
    """
    lost, back = (last_of(store, region, kind) for kind in (Kind.BEAT_LOST, Kind.BEAT_BACK))
    return lost if lost is not None and (back is None or back < lost) else None
