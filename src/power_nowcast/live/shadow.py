"""The shadow: a second version nowcasts every interval beside the one that answers, and windows of both are judged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Nowcasts
from power_nowcast.errors import MissingDataError, NowcastError
from power_nowcast.evaluate.backtest import truth
from power_nowcast.evaluate.promotion import Outcome, Verdict, judge
from power_nowcast.features.panel import history
from power_nowcast.live.beside import Beside
from power_nowcast.live.calibration import FollowedCalibration, resumed
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.live.records import Published, publish_shadow, published
from power_nowcast.live.slot import Fetched, Loaded, ModelSlot, Opener
from power_nowcast.live.window import Window
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, last_of, note

LEAST_SHARE = 0.5
"""A window in which fewer of the intervals have both nowcasts is not judged."""


class Role(StrEnum):
    """Why a version is in the shadow."""

    CANDIDATE = "candidate"  # it may replace the version that answers
    BEFORE = "before"  # it answered before; it comes back if the version that replaced it is worse


class Second(NamedTuple):
    """The version that belongs in the shadow, and why."""

    fetched: Fetched
    role: Role


class Judged(NamedTuple):
    """What a window has shown of a version: of the candidate, or of the one that answers in place of another."""

    version: str
    role: Role
    verdict: Verdict
    first: datetime
    last: datetime


class Shadow:
    """The shadow of one region, in a thread of its own: neither requests nor the loop wait for it.

    A window begins with the first interval that both versions have nowcast, and after each verdict. Its length is set
    beforehand, and it is judged once, when its last outcome is due: looking earlier would decide too often.

    Args:
        store: its `shadows` take the nowcasts.
        region: the region.
        second: asks for the version that belongs in the shadow, None for none; it may take long, or fail.
        settle: acts on a verdict, before it is noted as an event.
        length: the length of a window; None: nothing is judged.
        cache: folder in which the version is kept.
        opener: opens the version.
    """

    def __init__(
        self,
        store: Store,
        region: Region,
        second: Callable[[], Second | None],
        settle: Callable[[Judged], None],
        length: timedelta | None,
        cache: Path,
        opener: Opener = Bundle.load,
    ) -> None:
        self.store, self.region = store, region
        self._second, self._settle, self._length = second, settle, length
        self._window = Window(store, region)
        self._wanted: Second | None = None
        self._slot = ModelSlot(region, self._fetched, cache, opener)
        self._following: FollowedCalibration | None = None
        self._began: tuple[tuple[str, str], datetime] | None = None
        self._noted_trouble = ""
        self._beside: Beside[Published] = Beside(f"shadow {region.name}", self.step)

    def tell(self, given: Published) -> None:
        """Take a publication; from any thread, without waiting."""
        self._beside.tell(given)

    def start(self) -> None:
        """Begin to follow what is told."""
        self._beside.start()

    def stop(self, seconds: float = 1.0) -> None:
        """End after the publication at hand; a step that takes longer than `seconds` ends with the process."""
        self._beside.stop(seconds)

    def step(self, given: Published) -> None:
        """Nowcast the interval of a publication by the second version, from the same data; judge a window that is over.

        Raises:
            NowcastError: the version is not available, or cannot nowcast this interval.
        """
        if given.revision or not given.is_live:
            return
        self._wanted = self._second()
        if self._wanted is None:
            return
        loaded = self._loaded(given)
        if loaded.bundle.digest == given.nowcast.model_digest:
            return
        self._nowcast(loaded, given)
        if self._length is not None:
            self._judge_if_over(loaded, given, self._length)

    def _fetched(self) -> Fetched:
        if self._wanted is None:
            raise MissingDataError("No version is in the shadow.", remedy="Set the alias candidate.")
        return self._wanted.fetched

    def _loaded(self, given: Published) -> Loaded:
        """The wanted version after its check; the reason why it fails is an event, once."""
        try:
            loaded = self._slot.load()
            if self._slot.trouble is not None:  # an older version from disk is not the one in question
                raise self._slot.trouble
        except NowcastError as error:
            if error.message != self._noted_trouble:
                note(self.store, [Event(self.region.name, given.published_at, Kind.NOT_LOADED, error.message)])
            self._noted_trouble = error.message
            raise
        return loaded

    def _nowcast(self, loaded: Loaded, given: Published) -> None:
        issue, bundle = given.nowcast.issue_time, loaded.bundle
        held = self._following
        if held is not None and held.digest != bundle.digest:
            held = None
        until = given.issue_time - self.region.interval
        following = self._following = resumed(self.store, bundle, self._window, until, held)
        panel = self._window.at(given.known_at)
        made = Nowcaster(bundle, following.ahead(panel, issue)).nowcast(panel, issue)
        kind, version = bundle.info.kind, loaded.version
        publish_shadow(self.store, replace(given, nowcast=made, kind=kind, version=version, adjusted={}))
        following.step(panel, issue, now=given.published_at)

    def _judge_if_over(self, loaded: Loaded, given: Published, length: timedelta) -> None:
        own, other = loaded.bundle.digest, given.nowcast.model_digest
        if self._began is None or self._began[0] != (own, other):
            self._began = (own, other), self._begin(loaded.version, own, other, given.issue_time, length)
        first = self._began[1]
        last = first + length - self.region.interval
        reach = timedelta(minutes=max(self.region.steps_minutes)) + self.region.interval
        if given.issue_time < last + reach or self._wanted is None:
            return
        is_candidate = self._wanted.role is Role.CANDIDATE
        version = loaded.version if is_candidate else given.version
        verdict = self._verdict(own, other, first, last, is_candidate=is_candidate)
        judged = Judged(version, self._wanted.role, verdict, first, last)
        self._settle(judged)
        against = "the version that answers" if is_candidate else "the version before it"
        what = f"Version {version} against {against}, over {length.days} days: {verdict.outcome}. {verdict.reasons[0]}"
        note(self.store, [Event(self.region.name, first + length, Kind.JUDGED, what, loaded.version)])
        self._began = (own, other), first + length

    def _begin(self, version: str, own: str, other: str, now: datetime, length: timedelta) -> datetime:
        """The first issue time of the present window: a restart does not begin it again."""
        judged = last_of(self.store, self.region.name, Kind.JUDGED, about=version)
        since = max(now - 2 * length, judged or datetime.min.replace(tzinfo=UTC))
        pairs = self._pairs(own, other, since, now)
        return pairs[0][0].issue_time if pairs else now

    def _pairs(self, own: str, other: str, first: datetime, last: datetime) -> list[tuple[Published, Published]]:
        """The nowcasts in the shadow and the published ones of the same issue times, made live."""
        name = self.region.name
        answered = {
            one.issue_time: one
            for one in published(self.store, name, first, last, digest=other)
            if one.is_live and one.revision == 0
        }
        made = published(self.store, name, first, last, digest=own, is_shadow=True)
        return [(one, answered[one.issue_time]) for one in made if one.issue_time in answered]

    def _verdict(self, own: str, other: str, first: datetime, last: datetime, *, is_candidate: bool) -> Verdict:
        pairs = self._pairs(own, other, first, last)
        expected = (last - first) // self.region.interval + 1
        if len(pairs) < LEAST_SHARE * expected:
            return Verdict(Outcome.UNDECIDED, (f"Only {len(pairs)} of {expected} intervals have both nowcasts.",))
        made, answered = (_stacked([pair[k] for pair in pairs]) for k in (0, 1))
        challenger, incumbent = (made, answered) if is_candidate else (answered, made)
        end = last + timedelta(minutes=max(made.steps_minutes))
        panel = history(self.store, self.region, first, end)
        actual = truth(panel, self.region, made.issue_times, made.steps_minutes)
        try:
            return judge(challenger=challenger, incumbent=incumbent, actual=actual)
        except MissingDataError as error:
            return Verdict(Outcome.UNDECIDED, (error.message,))


def _stacked(given: list[Published]) -> Nowcasts:
    one = given[0].nowcast
    issues = np.array([each.nowcast.issue_time for each in given])
    values = np.stack([each.nowcast.values for each in given])
    return Nowcasts(one.region, issues, one.series, one.steps_minutes, values, one.quantiles)
