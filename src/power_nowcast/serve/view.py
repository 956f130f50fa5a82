"""All that the page shows of a region: what was measured, what is said, what was said before, and how good it was."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, Field

from power_nowcast.collect import usual_age
from power_nowcast.contracts import Floats, Grid, Panel
from power_nowcast.contracts.times import aware
from power_nowcast.features.panel import window
from power_nowcast.live.loop import PATIENCE
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.live.records import Published, published
from power_nowcast.regions import Region
from power_nowcast.regions.region import Kind
from power_nowcast.regions.units import TO_MW
from power_nowcast.report.words import digits, shown_horizons
from power_nowcast.scoring import label
from power_nowcast.serve.answers import answer_of_published, iso, number
from power_nowcast.serve.decisions import DecisionCard
from power_nowcast.serve.headline import ARCHIVE, INFORMATION, Stage, reasons, stages
from power_nowcast.serve.schemas import EventCard, ModelIdentity
from power_nowcast.store import Store

type Values = list[float | None]


class Clock(BaseModel):
    """The service's clock; a reader tells ages by it and never by its own."""

    time: str
    speed: float = Field(description="Seconds of this clock in a real second: 1, except in a replay.")
    page: str = Field(description="The version of the page that the service has.")


class SourceView(BaseModel):
    """A table's newest data."""

    table: str
    newest: str | None = Field(description="Time of the newest value; of a forecast, when it became known.")
    late_minutes: float | None = Field(description="An older value is late; null where ages are not told by a limit.")


class SeriesView(BaseModel):
    """One series: `measured`, `operator` and `said` at the answer's `times`, quantiles at its `valid_at`."""

    series: str
    kind: Kind | None = Field(
        description="What it is; of the total what its zones are, null where they are of several kinds."
    )
    quality: Quality
    origin_mw: float | None
    age_minutes: float | None = Field(description="Age of the last known value at the issue time.")
    digits: int = Field(description="Decimals of a value in the region's unit.")
    measured: Values = Field(description="MW, as known now.")
    operator: Values | None = Field(description="The operator's own forecast in MW, null where the region has none.")
    said: dict[str, Values] = Field(description="The median in MW that was published so many minutes before.")
    quantiles: dict[str, Values] = Field(description="MW by level, q05 to q95; q50 is the nowcast.")
    adjusted: Values | None = Field(description="The median in MW that a person has adjusted, null without one.")


class View(BaseModel):
    """Everything that the page shows of a region."""

    region: str
    title: str
    timezone: str
    interval_minutes: int
    unit: str
    mw_per_unit: float
    clock: Clock
    id: str = Field(description="Identifies the publication; the stream's events have the same.")
    issue_time: str
    published_at: str
    expires_at: str
    followed: bool = Field(description="Whether this process follows the region: then its stream tells publications.")
    live: bool
    stages: list[Stage] = Field(description="The sentence on top; the last one counts whose time has come.")
    newest: str = Field(description="Time of the newest observation.")
    quality: Quality
    reasons: list[str] = Field(description="What was missing.")
    notes: list[str] = Field(description="What else a reader must know, such as `replay`.")
    model: ModelIdentity
    sources: list[SourceView]
    times: list[str]
    valid_at: list[str]
    zones: list[str] = Field(description="The series with telemetry of their own; the total is their sum.")
    series: list[SeriesView]
    events: list[EventCard]
    decisions: list[DecisionCard] = Field(description="Marks and adjustments that are in force.")


class SkillRow(BaseModel):
    """How good the live nowcasts of a series and step were."""

    series: str
    horizon_min: int
    n: int = Field(description="Number of nowcasts whose value is known.")
    mae_mw: float
    persistence_mae_mw: float = Field(description="Of the last known value, taken as the nowcast.")
    skill: float | None = Field(description="1 minus the ratio of the two: above 0 the nowcast is better.")
    coverage_80: float = Field(description="Share of values within the band of 80 %.")
    operator_mae_mw: float | None = Field(description="Of the operator's forecast as known then; null without one.")


class ShadowRow(BaseModel):
    """How good the version in the shadow was beside what was published, for the same moments."""

    series: str
    horizon_min: int
    version: str = Field(description="The version in the shadow.")
    n: int = Field(description="Number of moments.")
    mae_mw: float = Field(description="Of the version in the shadow.")
    answered_mae_mw: float = Field(description="Of what was published.")
    coverage_80: float = Field(description="Share of values within the band of 80 % of the version in the shadow.")
    answered_coverage_80: float


class Shown(NamedTuple):
    """A publication and its surroundings."""

    published: Published
    is_followed: bool
    is_archive: bool
    events: Sequence[EventCard]
    decisions: Sequence[DecisionCard]
    clock: Clock


def view_of(store: Store, region: Region, shown: Shown, *, now: datetime, hours: int) -> View:
    """The view of a region.

    Args:
        store: the tables.
        region: the region.
        shown: its newest publication and what goes with it.
        now: what was available later is not in it.
        hours: how far it looks back from the issue time.

    Raises:
        StoreError: a table is damaged.
    """
    one, step = shown.published, region.interval
    answer = answer_of_published(region, one)
    count = hours * 60 // region.interval_minutes
    ahead = max(one.nowcast.steps_minutes) // region.interval_minutes
    first = one.issue_time - count * step
    times = [first + n * step for n in range(count + ahead + 1)]
    known_at = one.known_at if shown.is_archive else max(now, one.known_at)
    panel = window(store, region, known_at, back=step * max(0, -((first - known_at) // step)))
    said = _said(store, region, times, before=one.issue_time)
    flags = one.nowcast.flags
    newest = datetime.fromisoformat(answer.newest_observation)
    return View(
        region=region.name,
        title=region.title,
        timezone=region.timezone,
        interval_minutes=region.interval_minutes,
        unit=region.unit,
        mw_per_unit=TO_MW[region.unit],
        clock=shown.clock,
        id=one.id,
        issue_time=answer.issue_time,
        published_at=iso(one.published_at),
        expires_at=iso(one.expires_at),
        followed=shown.is_followed,
        live=answer.live,
        stages=stages(region, one, newest=newest, is_archive=shown.is_archive),
        newest=answer.newest_observation,
        quality=answer.quality,
        reasons=reasons(one.nowcast),
        notes=[flag for flag in (*([ARCHIVE] if shown.is_archive else []), *flags) if flag in INFORMATION],
        model=answer.model,
        sources=_sources(region, one),
        times=[iso(time) for time in times],
        valid_at=answer.valid_at,
        zones=[zone.name for zone in region.zones],
        series=[_series(region, shown, panel, said, times, s) for s in range(len(one.nowcast.series))],
        events=list(shown.events),
        decisions=list(shown.decisions),
    )


def as_published(store: Store, region: Region, nowcast: Nowcast, model: ModelIdentity, *, now: datetime) -> Published:
    """A nowcast that was made on request, in the form of a publication: of a region for which nobody publishes any."""
    issue = aware(nowcast.issue_time)
    measured = [table for table in region.specs if not table.is_forecast]
    return Published(
        nowcast=nowcast,
        kind=model.kind,
        version=model.version,
        revision=0,
        published_at=now,
        expires_at=now + (1 + PATIENCE) * region.interval,
        known_at=issue,
        is_live=now - issue <= region.interval,
        data_version="",
        sources={table.value: store.last(table, region.name, until=issue) for table in measured},
    )


def _series(
    region: Region, shown: Shown, panel: Panel, said: dict[int, Floats], times: list[datetime], s: int
) -> SeriesView:
    nowcast = shown.published.nowcast
    name, median = nowcast.series[s], nowcast.quantiles.index(0.5)
    done = shown.published.adjusted.get(name)
    low, high = (nowcast.values[s, -1, nowcast.quantiles.index(level)] for level in (0.1, 0.9))
    return SeriesView(
        series=name,
        kind=region.kind_of(name),
        quality=nowcast.quality[s],
        origin_mw=number(nowcast.origin_mw[s]),
        age_minutes=number(nowcast.age_minutes[s]),
        digits=digits(float(high - low) / TO_MW[region.unit], 2),
        measured=_on(panel.power, times, name),
        operator=None if region.forecast is None else _on(panel.forecast, times, name),
        said={str(minutes): [number(value) for value in values[:, s]] for minutes, values in said.items()},
        quantiles={
            f"q{label(level)}": [number(value) for value in nowcast.values[s, :, q]]
            for q, level in enumerate(nowcast.quantiles)
        },
        adjusted=None if done is None else [number(value) for value in done.values[:, median]],
    )


def _said(store: Store, region: Region, times: list[datetime], *, before: datetime) -> dict[int, Floats]:
    """By horizon, the medians for each of the times that were published before an issue time, shape (time, series)."""
    horizons = shown_horizons(region.steps_minutes)
    place = {time: n for n, time in enumerate(times)}
    found = {minutes: np.full((len(times), len(region.series)), np.nan) for minutes in horizons}
    reach = timedelta(minutes=max(horizons))
    for one in published(store, region.name, times[0] - reach, times[-1]):  # a later revision replaces one before it
        nowcast = one.nowcast
        if nowcast.series != region.series or one.issue_time >= before:
            continue
        middle = nowcast.quantiles.index(0.5)
        for minutes in horizons:
            at = place.get(one.issue_time + timedelta(minutes=minutes))
            if at is not None and minutes in nowcast.steps_minutes:
                found[minutes][at] = nowcast.values[:, nowcast.steps_minutes.index(minutes), middle]
    return found


def _sources(region: Region, one: Published) -> list[SourceView]:
    found = []
    for table, spec in region.specs.items():
        newest = one.sources.get(table.value)
        late = None if table.is_forecast else usual_age(region, table, spec).total_seconds() / 60
        found.append(SourceView(table=table.value, newest=None if newest is None else iso(newest), late_minutes=late))
    return found


def _on(grid: Grid, times: list[datetime], name: str) -> Values:
    """A grid's values at times; a time within a slot of a coarser grid has that slot's value, which ends after it."""
    if name not in grid.names:
        return [None] * len(times)
    column, first = grid.names.index(name), aware(grid.start)
    slots = [-int((first - time).total_seconds() // (60 * grid.step_minutes)) for time in times]
    return [number(grid.values[slot, column]) if 0 <= slot < len(grid) else None for slot in slots]
