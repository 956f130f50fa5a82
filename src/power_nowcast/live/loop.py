"""The live loop of one region: at each interval it collects, nowcasts, publishes and follows the calibration."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from power_nowcast.collect.freshness import has_zones
from power_nowcast.contracts.rungs import Rung
from power_nowcast.contracts.times import minute
from power_nowcast.errors import ConfigurationError, HistoryError, MissingDataError, NowcastError, StaleDataError
from power_nowcast.live.calibration import FollowedCalibration, resumed
from power_nowcast.live.interventions import adjusted, interventions
from power_nowcast.live.nowcaster import HELD, Nowcast, Nowcaster
from power_nowcast.live.records import Published, newest, not_live, publish
from power_nowcast.live.slot import Loaded, ModelSlot
from power_nowcast.live.sources import newest_by_table
from power_nowcast.live.window import Window
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, note

logger = logging.getLogger("power_nowcast.live")

PATIENCE = 0.5
"""Share of the interval for which a nowcast waits for the newest values; after it the values that exist must do."""
CATCH_UP = timedelta(days=1)
"""Missed intervals that lie further back are not caught up."""
LONGEST_SLEEP = timedelta(seconds=10)
"""The loop looks again after this time at the latest: a clock may jump."""
SHORT_SLEEP = timedelta(seconds=0.05)
"""Time between two looks for a new version."""


class Collector(Protocol):
    """Collects data in steps, as `collect.Follower` does."""

    @property
    def due(self) -> datetime:
        """The time of the next request."""
        ...

    def step(self) -> object:
        """Ask the sources that are due."""
        ...


@dataclass
class Loop:
    """Follows one region. Any number of processes may run it on the same store: whoever comes first has published.

    Args:
        store: the tables.
        region: the region.
        slot: the model version that answers; the loop never loads one.
        collector: collects data; None if another process does.
        clock: now, aware.
        sleep: waits this many seconds.
        listeners: called with each publication, in the loop's thread.
    """

    store: Store
    region: Region
    slot: ModelSlot
    collector: Collector | None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    listeners: tuple[Callable[[Published], None], ...] = ()
    present: Published | None = field(default=None, init=False)
    """The newest publication."""
    _done: datetime | None = field(default=None, init=False, repr=False)
    """The last interval that is over for the loop: published, or refused and then missed."""
    _made_by: str | None = field(default=None, init=False, repr=False)
    """Digest of the version with which this process dealt with the present; another process may have published it."""
    _noted_trouble: str = field(default="", init=False, repr=False)
    _collect_after: datetime | None = field(default=None, init=False, repr=False)
    _followings: dict[str, FollowedCalibration] = field(default_factory=dict, init=False, repr=False)
    """By digest, the calibrations of the version that answers and of the one before."""

    def __post_init__(self) -> None:
        self.window = Window(self.store, self.region)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Step until `stopped`; a failure of a step is logged, and the next step tries again."""
        while not stopped():
            had_version = self.slot.is_loaded
            try:
                due = self.step()
            except NowcastError as error:
                logger.warning("%s: %s", self.region.name, error)
                due = self.clock() + LONGEST_SLEEP
            except Exception:  # the loop must not end by a defect; it is in the log
                logger.exception("%s: a step of the loop failed", self.region.name)
                due = self.clock() + LONGEST_SLEEP
            # In short pieces, so that a new version, or the end, waits for no interval.
            for _ in range(LONGEST_SLEEP // SHORT_SLEEP):
                wait = min(due - self.clock(), SHORT_SLEEP).total_seconds()
                is_first = self.slot.is_loaded and not had_version
                if wait <= 0 or stopped() or is_first or self._is_swapped:
                    break
                self.sleep(wait)

    def step(self) -> datetime:
        """Collect what is due, publish the nowcast of this interval if it can be made; returns when to step again.

        Raises:
            ConfigurationError: a source does not match the region file.
            StoreError: the tables cannot be read or written.
        """
        self.recall()  # before a source is asked, which may take long
        begun = self.clock()
        self._collect()
        now = self.clock()
        if self.region.slot(now) != self.region.slot(begun):
            # An interval began meanwhile, or several in a process that was frozen. What was known in them comes first:
            # a nowcast from less would say that this was not known then. Only once, as a source may always be slow.
            self._collect()
            now = self.clock()
        issue = self.region.slot(now)
        self._note_trouble(now)
        if self.slot.is_loaded:
            self._made_by = self._made_by or self.slot.current.bundle.digest
            self._catch_up(issue)
            if self.present is None or self.present.issue_time < issue:
                if self._has_newest(issue, now) or now >= issue + PATIENCE * self.region.interval:
                    self._publish(issue, now)
            elif self._is_swapped:
                self._supersede(issue, now)
        return self._next(now, issue)

    def recall(self) -> None:
        """Tell the newest publication of the tables, if there is none of this process yet.

        Raises:
            StoreError: the tables cannot be read.
        """
        if self.present is None:
            self.present = newest(self.store, self.region.name, until=self.clock())
            self._tell_present()

    def _collect(self) -> None:
        """Ask the sources that are due. A source that is set up wrongly stops no nowcast."""
        due = self._collect_due
        if self.collector is None or due is None or due > self.clock():
            return
        try:
            self.collector.step()
        except ConfigurationError as error:
            logger.warning("%s: a source cannot be asked. %s", self.region.name, error)
            self._collect_after = self.clock() + LONGEST_SLEEP
        else:
            self._collect_after = None

    @property
    def _collect_due(self) -> datetime | None:
        """When to ask sources again; after an error not at once. None without a collector."""
        if self.collector is None:
            return None
        return self.collector.due if self._collect_after is None else max(self.collector.due, self._collect_after)

    def _has_newest(self, issue: datetime, now: datetime) -> bool:
        """Whether every zone has the newest value that it can have by now."""
        expected = self.region.slot(issue - timedelta(minutes=self.region.power.delay_minutes))
        return has_zones(self.store, self.region, expected, now=now)

    def _next(self, now: datetime, issue: datetime) -> datetime:
        has_published = self.present is not None and self.present.issue_time >= issue
        patient = issue + PATIENCE * self.region.interval
        # After a refusal the values may still come.
        due = issue + self.region.interval if has_published else patient if now < patient else now + LONGEST_SLEEP
        collect = self._collect_due
        return due if collect is None else min(due, collect)

    def _catch_up(self, issue: datetime) -> None:
        """Publish the intervals that were missed since the newest publication, in order, from what was known then."""
        if self.present is None:
            return
        missed = max(self.present.issue_time, self._done or self.present.issue_time) + self.region.interval
        if missed < issue - CATCH_UP:
            until = self.region.slot(issue - CATCH_UP)
            self.note(Kind.MISSED, f"No nowcast from {missed:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC.", at=issue)
            missed = until
        count = 0
        while missed < issue:
            count += self._publish(missed, missed + PATIENCE * self.region.interval, is_live=False)
            self._done, missed = missed, missed + self.region.interval
        if count:
            self.note(Kind.CAUGHT_UP, f"{count} intervals before {issue:%Y-%m-%d %H:%M} UTC were caught up.", at=issue)

    @property
    def _is_swapped(self) -> bool:
        """Whether another version answers here than when this process dealt with the present.

        The version of the published row does not count: a process that still has an older version must not supersede.
        """
        present = self.present
        if present is None or not self.slot.is_loaded or present.issue_time != self.region.slot(self.clock()):
            return False
        return self._made_by not in (None, self.slot.current.bundle.digest)

    def _supersede(self, issue: datetime, now: datetime) -> None:
        """Nowcast the present interval again by the version that has replaced the one before."""
        before = self.present
        if before is None or before.issue_time != issue:
            return
        loaded = self.slot.current
        what = f"Version {loaded.version} answers in place of version {before.version}."
        self.note(Kind.SWAPPED, what, loaded.version, at=now)
        self._publish(issue, max(now, before.known_at), revision=before.revision + 1)

    def _publish(self, issue: datetime, known_at: datetime, *, revision: int = 0, is_live: bool = True) -> bool:
        """Nowcast an interval from what was known at a time, and publish it; returns whether there is a nowcast.

        A refusal of the present interval is an event.
        """
        loaded, moment = self.slot.current, minute(issue)
        following = self._followed(loaded)
        try:
            panel = self.window.at(known_at)
            nowcast = Nowcaster(loaded.bundle, following.ahead(panel, moment)).nowcast(panel, moment)
            nowcast = replace(nowcast, flags=(*nowcast.flags, *not_live(self.region)))
        except (MissingDataError, StaleDataError, HistoryError) as error:
            if is_live:
                self.note(Kind.REFUSED, error.message, at=issue)
            return False
        given = Published(
            nowcast=nowcast,
            kind=loaded.bundle.info.kind,
            version=loaded.version,
            revision=revision,
            published_at=self.clock(),
            expires_at=issue + self.region.interval + PATIENCE * self.region.interval,
            known_at=known_at,
            is_live=is_live,
            data_version=self.window.data_version,
            sources=newest_by_table(self.store, self.region, known_at),
            adjusted=adjusted(nowcast, loaded.bundle, interventions(self.store, self.region.name, known_at=known_at)),
        )
        before, self._made_by = self.present, loaded.bundle.digest
        self.present = publish(self.store, given)
        self._tell_present()
        # By what was known to the process that came first, as a restart would repeat it.
        following.step(self.window.at(self.present.known_at), moment, now=self.clock())
        if self.present.is_live:
            self._note(*held_back(self.present))
        if before is not None and self.present.is_live:
            self._note(*changes(before, self.present))
        return True

    def _followed(self, loaded: Loaded) -> FollowedCalibration:
        """The calibration of the version, up to the newest publication; that of the version before stays in memory."""
        digest = loaded.bundle.digest
        until = None if self.present is None else self.present.issue_time
        following = resumed(self.store, loaded.bundle, self.window, until, self._followings.pop(digest, None))
        self._followings = dict([*self._followings.items(), (digest, following)][-2:])
        return following

    def _note_trouble(self, now: datetime) -> None:
        """Note once why the version that should answer is not loaded."""
        trouble = self.slot.trouble
        message = "" if trouble is None else trouble.message
        if trouble is not None and message != self._noted_trouble:
            self.note(Kind.NOT_LOADED, message, at=now)
        self._noted_trouble = message

    def _tell_present(self) -> None:
        if self.present is not None:
            for listener in self.listeners:
                listener(self.present)

    def note(self, kind: Kind, what: str, about: str = "", *, at: datetime | None = None) -> None:
        """Note an event, in the store and in the log."""
        self._note(Event(self.region.name, at or self.clock(), kind, what, about))

    def _note(self, *events: Event) -> None:
        if note(self.store, events):
            for event in events:
                logger.info("%s: %s: %s", event.region, event.kind, event.what)


def changes(before: Published, after: Published) -> list[Event]:
    """Events of the series whose quality has changed, and of those whose median has left the band published before."""
    old, new, found = before.nowcast, after.nowcast, list[Event]()
    if old.series != new.series:
        return found
    for series, was, now in zip(new.series, old.quality, new.quality, strict=True):
        if was is not now:
            reasons = f" ({', '.join(new.flags)})" if new.flags else ""
            what = f"{series}: {was} before, {now} now{reasons}."
            found.append(Event(after.region, after.published_at, Kind.QUALITY, what, series))
    found += rung_changes(before, after)
    for s, (valid_at, low, median, high) in jumps(old, new).items():
        what = (
            f"{new.series[s]}: {median:,.0f} MW for {valid_at} UTC, outside of {low:,.0f} to {high:,.0f} MW, "
            "the band of 80 % that was published before."
        )
        found.append(Event(after.region, after.published_at, Kind.JUMP, what, new.series[s]))
    return found


def rung_changes(before: Published, after: Published) -> list[Event]:
    """One event for each pair of rungs from which and to which series have changed."""
    old, new = before.nowcast, after.nowcast
    moved: dict[tuple[Rung, Rung], list[str]] = {}
    for series, was, now in zip(new.series, old.rungs, new.rungs, strict=True):
        if was is not now:
            moved.setdefault((was, now), []).append(series)
    return [
        Event(after.region, after.published_at, Kind.RUNG, f"{', '.join(names)}: {was} before, {now} now.", names[0])
        for (was, now), names in moved.items()
    ]


def held_back(told: Published) -> list[Event]:
    """The answers of better rungs that were held back, an event for each series."""
    nowcast = told.nowcast
    found = []
    for series, rung, reasons in zip(nowcast.series, nowcast.rungs, nowcast.reasons, strict=True):
        why = [one.removeprefix(HELD) for one in reasons if one.startswith(HELD)]
        if why:
            what = f"{series}: {'; '.join(why)}. The rung is {rung}."
            found.append(Event(told.region, told.published_at, Kind.HELD_BACK, what, series))
    return found


def jumps(old: Nowcast, new: Nowcast) -> dict[int, tuple[np.datetime64, float, float, float]]:
    """By series, the first moment for which the median of a nowcast is outside the band of 80 % of the one before.

    Returns:
        For each such series its place, and the moment, the band's lower bound, the new median, the band's upper bound.
    """
    found: dict[int, tuple[np.datetime64, float, float, float]] = {}
    low, middle, high = (new.quantiles.index(level) for level in (0.1, 0.5, 0.9))
    shift = int((new.issue_time - old.issue_time).astype(np.int64))
    for s in range(len(new.series)):
        for k, step in enumerate(new.steps_minutes):
            if step + shift not in old.steps_minutes:
                continue
            band = old.values[s, old.steps_minutes.index(step + shift)]
            median = float(new.values[s, k, middle])
            if median < band[low] or median > band[high]:
                moment = new.issue_time + np.timedelta64(step, "m")
                found[s] = moment, float(band[low]), median, float(band[high])
                break
    return found
