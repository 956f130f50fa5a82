"""What the API does, without HTTP: regions with their models, answers from the store or from a caller's rows."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from fastapi.exceptions import RequestValidationError

from power_nowcast.collect.freshness import is_archive
from power_nowcast.contracts import Table
from power_nowcast.contracts.times import aware, minute
from power_nowcast.errors import (
    HistoryError,
    MissingDataError,
    NowcastError,
    StaleDataError,
    UnknownRegionError,
)
from power_nowcast.features.state import MAX_AGE_MINUTES
from power_nowcast.live.calibration import wanted_calibration
from power_nowcast.live.loader import POLL_SECONDS, Loader
from power_nowcast.live.loop import Loop
from power_nowcast.live.nowcaster import Nowcast, Nowcaster, calibration_in_force
from power_nowcast.live.present import Edition, Present
from power_nowcast.live.records import Published, newest, not_live
from power_nowcast.live.runner import Runner
from power_nowcast.live.scores import beside_operator, scores, shadow_skill, skill
from power_nowcast.live.slot import ModelSlot
from power_nowcast.live.window import Window
from power_nowcast.monitor.watch import Watch
from power_nowcast.regions import Region
from power_nowcast.regions.sun import known_until
from power_nowcast.serve.answers import (
    answer_of,
    answer_of_published,
    event_card,
    identity,
    iso,
    iso_exact,
    model_card,
    region_card,
)
from power_nowcast.serve.decisions import standing
from power_nowcast.serve.headline import ARCHIVE
from power_nowcast.serve.history import Span, page
from power_nowcast.serve.observations import panel_of, parse_time
from power_nowcast.serve.page import VERSION
from power_nowcast.serve.schemas import (
    EventCard,
    ModelCard,
    NowcastAnswer,
    Observations,
    Readiness,
    RegionCard,
    RegionState,
)
from power_nowcast.serve.view import Clock, Shown, View, as_published, view_of
from power_nowcast.store import Store
from power_nowcast.store.events import Kind, events, promoted

logger = logging.getLogger("power_nowcast.serve")

LATEST = "latest"
READY_AGE_MINUTES = 60
"""A region whose newest observation is older is not ready; from a few steps on the model gives way to persistence."""


@dataclass(frozen=True)
class Served:
    """A region with the slot of its model, and with its loop and the watch over it if this process follows it."""

    region: Region
    slot: ModelSlot
    loop: Loop | None = None
    watch: Watch | None = None


class Service:
    """Answers for regions; safe to call from several threads.

    Args:
        served: what is served, by the region's name.
        store: where observations are read.
        default_region: the region of requests that name none.
        clock: now, aware.
    """

    def __init__(
        self,
        served: Mapping[str, Served],
        store: Store,
        *,
        default_region: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.served, self.store, self.default_region, self.clock = dict(served), store, default_region, clock
        self._windows = {name: Window(store, one.region) for name, one in self.served.items()}
        loops = [one.loop for one in self.served.values() if one.loop is not None]
        self.present = Present(self._render)
        for loop in loops:
            loop.listeners += (self.present.tell,)
        self._runner = Runner(loops)
        slots = [one.slot for one in self.served.values()]
        self._loader = Loader(slots, POLL_SECONDS if loops else None, lambda region: promoted(store, region))

    def start(self) -> None:
        """Begin to load models, and to follow regions."""
        self._loader.start()
        self._runner.start()

    def stop(self) -> None:
        """End loops, streams and loading."""
        self.present.close()
        self._runner.stop()
        self._loader.stop()

    def of(self, name: str) -> Served:
        """The served region of this name.

        Raises:
            UnknownRegionError: there is none.
        """
        if name not in self.served:
            raise UnknownRegionError(
                f"This service has no region {name!r}.", remedy=f"Use one of: {', '.join(self.served)}.", region=name
            )
        return self.served[name]

    def from_store(
        self, name: str, series: Sequence[str] | None, horizons: Sequence[int] | None, issue_time: str | None
    ) -> NowcastAnswer:
        """The nowcast from what the store knew at the issue time.

        Without an issue time, it is the newest publication of a region that this process follows.

        Args:
            name: the region's name.
            series: those in the answer, all by default.
            horizons: minutes in the answer, all by default.
            issue_time: an ISO time, or `latest` for the newest observation's; now by default (an archive: `latest`).
        """
        edition = None if issue_time is not None else self.edition(name)
        if edition is not None:
            region = self.of(name).region
            check(region, series, horizons)
            return answer_of_published(region, edition.published, series, horizons)
        return self.made(name, series, horizons, issue_time)[0]

    def made(
        self, name: str, series: Sequence[str] | None, horizons: Sequence[int] | None, issue_time: str | None
    ) -> tuple[NowcastAnswer, Nowcast, Nowcaster]:
        """As `from_store`, but made now in any case; with what it is made of and by.

        Raises:
            UnknownRegionError, UnknownSeriesError, UnknownHorizonError: there is no such region, series or horizon.
            DataError: the data do not allow a nowcast at this time.
            ModelError: no model is loaded yet.
        """
        one = self.of(name)
        check(one.region, series, horizons)
        now = self.clock()
        at, flags = self._issue_time(one, issue_time, now)
        loaded = one.slot.current
        nowcaster = Nowcaster(loaded.bundle, calibration_in_force(self.store, loaded.bundle, at))
        try:
            nowcast = nowcaster.nowcast(self._windows[name].at(at), minute(at))
        except (MissingDataError, StaleDataError) as error:
            if issue_time in (None, LATEST) or self.store.last(Table.POWER, name) is None:
                raise
            # What was known at a past time stays what it was: a retry does not mend it.
            raise HistoryError(
                f"At {iso(at)} no recent enough observation of {name} was known: the time lies before its "
                "observations, or in a gap.",
                remedy=f"Ask about a later time, or for the newest one: issue_time={LATEST}.",
                **error.fields | {"region": name, "issue_time": iso(at)},
            ) from error
        return (
            answer_of(
                one.region,
                identity(loaded, nowcast.calibration_id),
                nowcast,
                series,
                horizons,
                now=now,
                flags=(*flags, *not_live(one.region)),
            ),
            nowcast,
            nowcaster,
        )

    def edition(self, name: str) -> Edition | None:
        """The newest publication of a region that this process follows; None if it follows none.

        Raises:
            UnknownRegionError: there is no such region.
            StaleDataError: nothing has been published for more than an interval after the next nowcast was due.
            ModelError: no model is loaded yet.
        """
        one = self.of(name)
        if one.loop is None:
            return None
        edition = self.present.of(name)
        now, late = self.clock(), one.region.interval
        if edition is None:
            one.slot.current  # noqa: B018 - says why there is no model
            raise StaleDataError(
                f"Nothing has been published for {name} yet.", remedy="Try again in a few seconds.", region=name
            )
        if now > edition.published.expires_at + late:
            age = (now - edition.published.published_at).total_seconds() / 60
            raise StaleDataError(
                f"The newest nowcast of {name} was published {age:.0f} minutes ago.",
                remedy=f"See /v1/events/{name}; issue_time={iso(edition.published.issue_time)} answers for that time.",
                region=name,
                issue_time=iso(edition.published.issue_time),
                published_at=iso(edition.published.published_at),
                last_nowcast=json.loads(edition.body),
            )
        return edition

    def _render(self, published: Published) -> bytes:
        return answer_of_published(self.of(published.region).region, published).model_dump_json().encode()

    def history(self, name: str, series: Sequence[str] | None, span: Span) -> tuple[pl.DataFrame, datetime | None]:
        """The first page of a span; what `serve.history.page` gives.

        Raises:
            UnknownRegionError, UnknownSeriesError: there is no such region or series.
        """
        region = self.of(name).region
        check(region, series, None)
        return page(self.store, region, span, None if series is None else tuple(dict.fromkeys(series)))

    def skill(self, name: str, hours: int) -> pl.DataFrame:
        """Rows of `live.scores.skill` of the issue times of the last hours, beside the operator's forecast."""
        region = self.of(name).region
        return skill(beside_operator(self.store, region, self._scored(region, hours)))

    def shadow(self, name: str, hours: int) -> pl.DataFrame:
        """Rows of `live.scores.shadow_skill` of the issue times of the last hours."""
        region = self.of(name).region
        return shadow_skill(self.store, region, self._scored(region, hours))

    def _scored(self, region: Region, hours: int) -> pl.DataFrame:
        now = self.clock()
        return scores(self.store, region, now - timedelta(hours=hours), now)

    def events(
        self, names: Sequence[str], since: datetime | None, kinds: Sequence[Kind] | None = None
    ) -> list[EventCard]:
        """The events of these regions and kinds, of the last day by default, oldest first."""
        now = self.clock()
        first = since or now - timedelta(days=1)
        found = [one for name in names for one in events(self.store, self.of(name).region.name, first, now)]
        chosen = [one for one in found if kinds is None or one.kind in kinds]
        return [event_card(one) for one in sorted(chosen, key=lambda one: one.at)]

    def told_time(self) -> Clock:
        """The service's clock, and the version of its page."""
        return Clock(time=iso_exact(self.clock()), speed=getattr(self.clock, "speed", 1.0), page=VERSION)

    def view(self, name: str, hours: int) -> View:
        """What the page shows of a region: of a followed one its newest publication, however old that is.

        Raises:
            UnknownRegionError: there is no such region.
            StaleDataError: nothing has been published, and no nowcast can be made.
            ModelError: no model is loaded yet.
        """
        one, now = self.of(name), self.clock()
        edition = self.present.of(name)
        found = edition.published if edition is not None else newest(self.store, name, until=now)
        if found is None:
            if one.loop is not None:
                self.edition(name)  # says why there is none
            answer, nowcast, _ = self.made(name, None, None, None)
            found = as_published(self.store, one.region, nowcast, answer.model, now=now)
        is_past = one.loop is None and is_archive(self.store, one.region)
        decided = standing(self.store, name, now)
        shown = Shown(found, one.loop is not None, is_past, self.events([name], None), decided, self.told_time())
        return view_of(self.store, one.region, shown, now=now, hours=hours)

    def from_observations(self, name: str, asked: Observations) -> NowcastAnswer:
        """The nowcast from rows that the caller brings."""
        one = self.of(name)
        check(one.region, asked.series, asked.horizon)
        loaded = one.slot.current
        panel, left_out = panel_of(one.region, asked, self.clock())
        issue = minute(asked.issue_time) if asked.issue_time else panel.end
        calibration = wanted_calibration(self.store, loaded, aware(issue), asked.calibration_id)
        nowcast = Nowcaster(loaded.bundle, calibration).nowcast(panel, issue, flags=left_out)
        model = identity(loaded, nowcast.calibration_id)
        return answer_of(one.region, model, nowcast, asked.series, asked.horizon, now=self.clock())

    def models(self) -> list[ModelCard]:
        """The models that answer."""
        cards = []
        for one in self.served.values():
            if one.slot.is_loaded:
                loaded, trouble = one.slot.current, one.slot.trouble
                in_force = calibration_in_force(self.store, loaded.bundle, self.clock())
                cards.append(model_card(loaded, in_force.id, str(trouble) if trouble else None))
        return cards

    def regions(self) -> list[RegionCard]:
        """The regions that are served."""
        return [region_card(one.region, archive=is_archive(self.store, one.region)) for one in self.served.values()]

    def readiness(self, *, counts_age: bool = True) -> Readiness:
        """Whether every region has a model and observations that are new enough; without `counts_age`, whether this
        process hands out what there is.
        """
        states = {name: self._state(one, counts_age) for name, one in self.served.items()}
        return Readiness(ready=all(state.ready for state in states.values()), regions=states)

    def _state(self, one: Served, counts_age: bool) -> RegionState:
        name, now = one.region.name, self.clock()
        reason, version, last, age, is_old = "", None, None, None, False
        limit = max(READY_AGE_MINUTES, 3 * one.region.interval_minutes)
        try:
            last = self.store.last(Table.POWER, name, until=now)
            if last is not None:
                age = float((minute(now) - minute(known_until(one.region, last, now))).astype(np.int64))
                is_old = age > limit and not is_archive(self.store, one.region)
            version = one.slot.current.version
            if counts_age or not is_old or self.present.of(name) is None:
                self.edition(name)  # raises where the loop has published nothing, or nothing for too long
        except NowcastError as error:
            reason = error.message
        if not reason and counts_age and age is None:
            reason = "There are no observations: nowcast ingest."
        elif not reason and counts_age and is_old:
            reason = f"The newest observation is {age:.0f} minutes old; {limit} are allowed."
        return RegionState(
            ready=not reason,
            reason=reason,
            model_version=version,
            newest_observation=iso(last) if last else None,
            newest_observation_age_minutes=age,
        )

    def _issue_time(self, one: Served, asked: str | None, now: datetime) -> tuple[datetime, list[str]]:
        """The issue time that a request asks for, and flags of the answer: an archive answers for its newest moment."""
        name = one.region.name
        if asked is not None and asked != LATEST:
            at: datetime = parse_time(asked, "query", "issue_time")
            if at > now + timedelta(minutes=1):
                raise RequestValidationError(
                    [{"type": "future", "loc": ("query", "issue_time"), "msg": f"lies after now, {iso(now)}"}]
                )
            return at.replace(second=0, microsecond=0), []
        last = self.store.last(Table.POWER, name, until=now)
        if last is None:
            raise self.store.no_power(name)
        if asked == LATEST:
            return last, []
        if now - known_until(one.region, last, now) > timedelta(minutes=MAX_AGE_MINUTES):
            if is_archive(self.store, one.region):
                return last, [ARCHIVE]
            raise StaleDataError(
                f"The newest observation of {name} is of {iso(last)}; it is {iso(now)}.",
                remedy=f"Ingest newer data, or ask about the past: issue_time={LATEST} or an ISO time.",
                region=name,
                newest=iso(last),
                issue_time=iso(now),
            )
        return now.astimezone(UTC).replace(second=0, microsecond=0), []


def check(region: Region, series: Sequence[str] | None, horizons: Sequence[int] | None) -> None:
    """Check that a region has these series and horizons.

    Raises:
        UnknownSeriesError, UnknownHorizonError: it has one of them not.
    """
    for name in series or ():
        region.check_series(name)
    for minutes in horizons or ():
        region.check_horizon(minutes)
