"""Nowcasts as answers."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO

import numpy as np

from power_nowcast.contracts import MEDIAN, QUANTILES, Floats
from power_nowcast.contracts.rungs import Rung
from power_nowcast.contracts.times import minute
from power_nowcast.errors import QualityError
from power_nowcast.features.rows import optional_columns
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.live.records import NOT_LIVE, Published
from power_nowcast.live.slot import Loaded
from power_nowcast.regions import Region
from power_nowcast.report.words import digits
from power_nowcast.scoring import label
from power_nowcast.serve.schemas import (
    AdjustedSeries,
    EventCard,
    Facts,
    ModelCard,
    ModelIdentity,
    NowcastAnswer,
    PathsAnswer,
    RegionCard,
    SeriesNowcast,
    SeriesPaths,
    ShortAnswer,
    ShortRow,
    SourceState,
)
from power_nowcast.store.events import Event

SIGNIFICANT = 6
"""Digits of numbers in answers: what the tables' single precision holds. All before the point are kept."""


def iso(time: np.datetime64 | datetime) -> str:
    """ISO 8601 with a Z, to the second.

    >>> iso(np.datetime64("2019-06-30T23:55"))
    '2019-06-30T23:55:00Z'
    """
    plain = np.datetime64(time.astimezone(UTC).replace(tzinfo=None)) if isinstance(time, datetime) else time
    return f"{plain.astype('datetime64[s]')}Z"


def iso_exact(time: datetime) -> str:
    """ISO 8601 with a Z, to the millisecond: for a clock that a reader follows.

    >>> iso_exact(datetime(2019, 6, 30, 23, 55, 1, 250_000, tzinfo=UTC))
    '2019-06-30T23:55:01.250Z'
    """
    return f"{np.datetime64(time.astimezone(UTC).replace(tzinfo=None), 'ms')}Z"


def identity(loaded: Loaded, calibration_id: str) -> ModelIdentity:
    """The model that answers."""
    bundle = loaded.bundle
    return ModelIdentity(
        name=bundle.region.model,
        version=loaded.version,
        digest=bundle.digest,
        kind=bundle.info.kind,
        calibration_id=calibration_id,
    )


def answer_of_published(
    region: Region,
    published: Published,
    series: Sequence[str] | None = None,
    horizons: Sequence[int] | None = None,
) -> NowcastAnswer:
    """The long answer of a publication; it says nothing about the time at which it is read."""
    nowcast, at = published.nowcast, published.published_at
    model = ModelIdentity(
        name=region.model,
        version=published.version,
        digest=nowcast.model_digest,
        kind=published.kind,
        calibration_id=nowcast.calibration_id,
    )
    answer = answer_of(region, model, nowcast, series, horizons, now=at)
    places = [nowcast.steps_minutes.index(step) for step in answer.horizon_min]
    sources = [
        SourceState(
            table=table,
            newest=None if newest is None else iso(newest),
            age_minutes=None if newest is None else round((at - newest).total_seconds() / 60, 1),
        )
        for table, newest in published.sources.items()
    ]
    more = {
        "published_at": iso(at),
        "expires_at": iso(published.expires_at),
        "caught_up": not published.is_live,
        "live": published.is_live and not set(NOT_LIVE) & set(nowcast.flags),
        "sources": sources,
        "adjusted": [
            AdjustedSeries(
                series=one.series,
                adjustment_mw=done.mw,
                why=done.why,
                quantiles=_quantiles(done.values, nowcast.quantiles, places),
            )
            for one in answer.nowcasts
            if (done := published.adjusted.get(one.series)) is not None
        ],
    }
    return answer.model_copy(update=more)


def answer_of(
    region: Region,
    model: ModelIdentity,
    nowcast: Nowcast,
    series: Sequence[str] | None,
    horizons: Sequence[int] | None,
    *,
    now: datetime,
    flags: Sequence[str] = (),
) -> NowcastAnswer:
    """The long answer; `series` and `horizons`, which the region must have, choose its content.

    `flags` come before the nowcast's own. Data of the past, by a flag of `NOT_LIVE`, are never live.
    """
    names = list(dict.fromkeys(series or nowcast.series))
    steps = list(dict.fromkeys(horizons or nowcast.steps_minutes))
    places = [nowcast.steps_minutes.index(step) for step in steps]
    chosen = []
    for name in names:
        s = nowcast.series.index(name)
        chosen.append(
            SeriesNowcast(
                series=name,
                quality=nowcast.quality[s],
                rung=nowcast.rungs[s],
                reasons=list(nowcast.reasons[s]),
                origin_mw=number(nowcast.origin_mw[s]),
                age_minutes=number(nowcast.age_minutes[s]),
                quantiles=_quantiles(nowcast.values[s], nowcast.quantiles, places),
            )
        )
    age = float(np.nanmin(nowcast.age_minutes))
    behind = (minute(now) - nowcast.issue_time).astype(np.int64)
    return NowcastAnswer(
        region=nowcast.region,
        issue_time=iso(nowcast.issue_time),
        answered_at=iso(now),
        live=bool(0 <= behind <= region.interval_minutes) and not set(NOT_LIVE) & {*flags, *nowcast.flags},
        newest_observation=iso(nowcast.issue_time - np.timedelta64(int(age), "m")),
        newest_observation_age_minutes=age,
        quality=max((one.quality for one in chosen), key=list(Quality).index),
        rung=max((one.rung for one in chosen), key=list(Rung).index),
        flags=[*flags, *nowcast.flags],
        model=model,
        horizon_min=steps,
        valid_at=[iso(nowcast.issue_time + np.timedelta64(step, "m")) for step in steps],
        nowcasts=chosen,
    )


def _quantiles(values: Floats, levels: Sequence[float], places: Sequence[int]) -> dict[str, list[float | None]]:
    """Quantiles (step, quantile) at some steps, by level."""
    return {f"q{label(level)}": [number(values[h, q]) for h in places] for q, level in enumerate(levels)}


def check_quality(answer: NowcastAnswer, least: Quality | None, rung: Rung | None = None) -> None:
    """Check that every series of an answer has at least this quality, and at least this rung.

    Raises:
        QualityError: one is worse.
    """
    order = list(Quality)
    if least is not None and order.index(answer.quality) > order.index(least):
        reasons = f" ({', '.join(answer.flags)})" if answer.flags else ""
        raise QualityError(
            f"The nowcast of {answer.region} for {answer.issue_time} has the quality {answer.quality}{reasons}.",
            remedy="Wait for the next one, accept a lower quality, or ask for the series that have a better one.",
            region=answer.region,
            issue_time=answer.issue_time,
            quality=answer.quality.value,
            min_quality=least.value,
            flags=answer.flags,
        )
    if rung is not None and not answer.rung.reaches(rung):
        below = [one for one in answer.nowcasts if not one.rung.reaches(rung)]
        reasons = "; ".join(dict.fromkeys(why for one in below for why in one.reasons))
        raise QualityError(
            f"The nowcast of {answer.region} for {answer.issue_time} has the rung {answer.rung}: {reasons}.",
            remedy="Wait for the next one, accept a lower rung, or ask for the series that have a better one.",
            region=answer.region,
            issue_time=answer.issue_time,
            rung=answer.rung.value,
            min_rung=rung.value,
            series=[one.series for one in below],
        )


def paths_of(answer: NowcastAnswer, nowcast: Nowcast, paths_mw: Floats, *, told: int, seed: int) -> PathsAnswer:
    """The answer with the peak and trough of `paths_mw` (series, path, step) over its horizons, and the first `told`
    paths.
    """
    places = [nowcast.steps_minutes.index(step) for step in answer.horizon_min]
    series = []
    for one in answer.nowcasts:
        own = paths_mw[nowcast.series.index(one.series)][:, places]
        series.append(
            SeriesPaths(
                series=one.series,
                quality=one.quality,
                peak=_levels(own.max(axis=1)),
                trough=_levels(own.min(axis=1)),
                paths=[[number(value) for value in path] for path in own[:told]],
            )
        )
    facts = answer.model_dump(include=set(Facts.model_fields))
    return PathsAnswer(**facts, horizon_min=answer.horizon_min, valid_at=answer.valid_at, seed=seed, series=series)


def _levels(values_mw: Floats) -> dict[str, float | None]:
    found = np.quantile(values_mw, QUANTILES)
    return {f"q{label(level)}": number(value) for level, value in zip(QUANTILES, found, strict=True)}


def short_of(answer: NowcastAnswer) -> ShortAnswer:
    """The same answer, one row a series and horizon."""
    rows = [
        ShortRow(
            series=one.series,
            valid_at=valid_at,
            horizon_min=step,
            quality=one.quality,
            yhat=list(one.quantiles.values())[MEDIAN][h],
            **{name: values[h] for name, values in one.quantiles.items()},
        )
        for one in answer.nowcasts
        for h, (step, valid_at) in enumerate(zip(answer.horizon_min, answer.valid_at, strict=True))
    ]
    return ShortAnswer(**answer.model_dump(include=set(Facts.model_fields)), rows=rows)


def with_quantiles(answer: NowcastAnswer, names: Sequence[str]) -> NowcastAnswer:
    """The same answer with these quantiles only, named as in it."""
    chosen = [
        one.model_copy(update={"quantiles": {name: told for name, told in one.quantiles.items() if name in names}})
        for one in answer.nowcasts
    ]
    return answer.model_copy(update={"nowcasts": chosen})


def csv_of(answer: NowcastAnswer, quantiles: Sequence[str] | None = None) -> str:
    """The same answer as CSV with a header, one row a series and horizon.

    Args:
        answer: the whole answer.
        quantiles: names of the columns of quantiles, all by default; the median `yhat` is always there.
    """
    left_out = set() if quantiles is None else set(answer.nowcasts[0].quantiles) - set(quantiles)
    rows = [
        {"issue_time": answer.issue_time, **row.model_dump(mode="json", exclude=left_out)}
        for row in short_of(answer).rows
    ]
    lines = StringIO()
    writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


def columns_of(region: Region) -> list[str]:
    """The columns that observations may have."""
    return ["valid_at", *(zone.name for zone in region.zones), *optional_columns(region)]


def model_card(loaded: Loaded, calibration_id: str, trouble: str | None) -> ModelCard:
    """The card of a loaded model."""
    bundle, info = loaded.bundle, loaded.bundle.info
    return ModelCard(
        region=bundle.region.name,
        model=identity(loaded, calibration_id),
        frozen_calibration_id=bundle.calibration.id,
        train_start=info.train_start,
        train_end=info.train_end,
        calibrated_until=info.calibrated_until,
        created_at=info.created_at,
        git_sha=info.git_sha,
        history_minutes=bundle.history_minutes,
        minimum_history_minutes=bundle.minimum_history_minutes,
        columns=columns_of(bundle.region),
        from_disk=loaded.from_disk,
        trouble=trouble,
    )


def region_card(region: Region, *, archive: bool) -> RegionCard:
    """The card of a region."""
    return RegionCard(
        name=region.name,
        title=region.title,
        timezone=region.timezone,
        interval_minutes=region.interval_minutes,
        series=list(region.series),
        horizon_min=list(region.steps_minutes),
        archive=archive,
    )


def event_card(event: Event) -> EventCard:
    """The card of an event."""
    return EventCard(region=event.region, at=iso(event.at), kind=event.kind, about=event.about, what=event.what)


def number(value: float) -> float | None:
    """The value with `SIGNIFICANT` digits, None where there is none; power finer than a watt is left out."""
    return round(float(value), digits(float(value), SIGNIFICANT)) if np.isfinite(value) else None
