"""What people decide while a region is followed: telemetry that is taken out, and adjusted series. Both expire.

A decision is a row that never changes. The newest one about a series counts, from the moment of the decision on; one
that ends at once takes back the one before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import MEDIAN, Floats, Panel
from power_nowcast.contracts.times import aware, minute
from power_nowcast.errors import ConfigurationError, UnknownSeriesError
from power_nowcast.features import plants
from power_nowcast.features.panel import add_total
from power_nowcast.live.nowcaster import Nowcast
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, note
from power_nowcast.store.tables import INTERVENTIONS

MARK, ADJUST = "mark", "adjust"


@dataclass(frozen=True)
class Intervention:
    """A decision about a series.

    Attributes:
        kind: `MARK`: its telemetry does not count; `ADJUST`: an adjusted series is published beside the model's.
        series: the series.
        at: when it was decided.
        since: the values after this time are taken out; for an adjustment as `at`.
        until: the last time that it is about.
        mw: what is added; 0 for a mark.
        reason: why.
        person: who.
    """

    kind: str
    series: str
    at: datetime
    since: datetime
    until: datetime
    mw: float
    reason: str
    person: str


@dataclass(frozen=True)
class Adjusted:
    """An adjusted series: `values` (step, quantile) in MW, and the decision behind it."""

    values: Floats
    mw: float
    why: str


def intervene(store: Store, region: Region, given: Intervention) -> None:
    """Append a decision, and note it as an event.

    Raises:
        UnknownSeriesError: the region has no such series, or a mark is not of a zone.
        ConfigurationError: no reason is given, or the time is over before it begins.
        StoreError: the table cannot be written.
    """
    region.check_series(given.series)
    zones = [zone.name for zone in region.zones]
    if given.kind == MARK and given.series not in zones:
        raise UnknownSeriesError(
            f"{given.series} has no telemetry of its own: it is the sum of the zones.",
            remedy=f"Mark one of {', '.join(zones)}.",
            series=given.series,
        )
    if not given.reason.strip():
        raise ConfigurationError("A decision needs a reason.", remedy="Say why: --reason TEXT.", series=given.series)
    if given.until < given.since or not np.isfinite(given.mw):
        raise ConfigurationError(
            f"The decision would end at {given.until:%Y-%m-%d %H:%M} UTC, before it begins.",
            remedy="Give a later --until; the present time ends what was decided before.",
            until=given.until.isoformat(),
        )
    row = {"region": region.name} | given.__dict__
    store.records[INTERVENTIONS].add(pl.DataFrame([row], INTERVENTIONS.given), now=given.at)
    what = "the telemetry does not count" if given.kind == MARK else f"adjusted by {given.mw:+,.0f} MW"
    if given.until <= given.at:
        what = "what was decided before ends"
    sentence = f"{given.series}: {what} until {given.until:%Y-%m-%d %H:%M} UTC, by {given.person}: {given.reason}."
    kind = Kind.MARKED if given.kind == MARK else Kind.ADJUSTED
    note(store, [Event(region.name, given.at, kind, sentence, given.series)])


def interventions(store: Store, region: str, *, known_at: datetime) -> list[Intervention]:
    """What had been decided by a time, oldest first.

    Raises:
        StoreError: the table is damaged.
    """
    rows = store.records[INTERVENTIONS].read(region, pl.col("at") <= known_at)
    names = list(Intervention.__dataclass_fields__)
    return [Intervention(**one) for one in rows.select(names).iter_rows(named=True)]


def in_force(decided: Sequence[Intervention], now: datetime) -> list[Intervention]:
    """The newest decision of each kind about each series, without those that have ended; oldest first."""
    newest = {(one.kind, one.series): one for one in decided}
    return sorted((one for one in newest.values() if one.until > now), key=lambda one: one.at)


def decide(store: Store, region: Region, given: Intervention) -> tuple[Intervention, bool]:
    """As `intervene`, but a decision that is in force already is not made again.

    Returns:
        The decision in force, and whether it is new.

    Raises:
        UnknownSeriesError, ConfigurationError, StoreError: as `intervene`.
    """
    with store.lease():
        for one in _standing(store, region, given.kind, given.series, given.at):
            # A mark from now on takes nothing out that an earlier one with the same end does not take out.
            since = one.since if given.since >= given.at else given.since
            if replace(given, at=one.at, since=since) == one:
                return one, False
        intervene(store, region, given)
    return given, True


def end(store: Store, region: Region, given: Intervention) -> bool:
    """End what is in force of a kind about a series: at `given.at`, for the reason and by the person of `given`.

    Returns:
        Whether there was anything to end.

    Raises:
        UnknownSeriesError, ConfigurationError, StoreError: as `intervene`.
    """
    region.check_series(given.series)
    with store.lease():
        is_standing = bool(_standing(store, region, given.kind, given.series, given.at))
        if is_standing:
            intervene(store, region, replace(given, since=given.at, until=given.at, mw=0.0))
    return is_standing


def _standing(store: Store, region: Region, kind: str, series: str, now: datetime) -> list[Intervention]:
    decided = interventions(store, region.name, known_at=now)
    return [one for one in in_force(decided, now) if (one.kind, one.series) == (kind, series)]


def without_marked(panel: Panel, region: Region, decided: Sequence[Intervention]) -> Panel:
    """The panel without the values that marks take out; the total exists where every zone does.

    A later mark of a zone ends the one before it; what that one took out stays out.
    """
    marks = [one for one in decided if one.kind == MARK]
    if not marks:
        return panel
    values, times = panel.power.values.copy(order="F"), panel.times
    for n, one in enumerate(marks):
        later = [other.at for other in marks[n + 1 :] if other.series == one.series]
        end = min([one.until, *later])
        out = (times > minute(one.since)) & (times <= minute(end))
        values[out, panel.series.index(one.series)] = np.nan
    add_total(values, region)
    return replace(panel, power=replace(panel.power, values=values))


def adjusted(nowcast: Nowcast, bundle: Bundle, decided: Sequence[Intervention]) -> Mapping[str, Adjusted]:
    """The adjusted series of a nowcast, by the newest adjustment of each series that is in force.

    A median moves by at most what makes its ramp one that history has; the other quantiles move with it. Steps after
    the adjustment's end are the model's. A version without limits (`bundle.ladder`) has no adjusted series.
    """
    newest = {one.series: one for one in decided if one.kind == ADJUST}
    if bundle.ladder is None:
        return {}
    found = {}
    for series, one in newest.items():
        if series not in nowcast.series or one.until <= aware(nowcast.issue_time):
            continue
        s, steps = nowcast.series.index(series), np.array(nowcast.steps_minutes)
        values, origin = nowcast.values[s], nowcast.origin_mw[s]
        if not np.isfinite(values).all():
            continue
        # Limits of wind and solar power are in units of a peak that is at most the plausible maximum.
        scale = plants.maxima(bundle.region, (series,))[0] if plants.is_generation(bundle.region) else 1.0
        fall, rise = bundle.ladder.limits.ramps(bundle.model.series.index(series), steps + nowcast.age_minutes[s])
        median = values[:, MEDIAN]
        least, most = np.minimum(origin + fall * scale, median), np.maximum(origin + rise * scale, median)
        moved = np.clip(median + one.mw, least, most)
        is_about = nowcast.issue_time + steps.astype("timedelta64[m]") <= minute(one.until)
        shift = np.where(is_about, moved - median, 0.0)
        possible = bundle.possible(np.array([nowcast.issue_time]), (series,), (values + shift[:, None])[None, None])
        why = f"{one.reason} ({one.person}, until {one.until:%Y-%m-%d %H:%M} UTC)"
        found[series] = Adjusted(possible[0, 0], one.mw, why)
    return found
