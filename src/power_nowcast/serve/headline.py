"""The sentence on top of the page: what is wrong first, then where the series goes, with a chance in it.

The server writes every sentence that may become true before the next publication, with the time from which it holds. A
reader shows the last one that holds by the server's clock, and so turns by itself if no nowcast comes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, Field

from power_nowcast.contracts.rungs import Rung
from power_nowcast.contracts.times import aware
from power_nowcast.live.nowcaster import BEFORE_TRAINING, HELD, INSIDE_TRAINING, Nowcast, Quality
from power_nowcast.live.records import NOT_LIVE, Published
from power_nowcast.regions import Region
from power_nowcast.report.words import change, power, signed
from power_nowcast.serve.answers import iso_exact

AGE = "{age}"
"""Stands in a sentence for the age of the newest observation."""
ARCHIVE = "archive"
"""Flag of answers for the newest moment of data that do not grow."""
INFORMATION = frozenset((*NOT_LIVE, ARCHIVE, INSIDE_TRAINING, BEFORE_TRAINING))
"""Flags that say nothing against the inputs."""
SMALL_ORIGIN = 0.05
"""Below this share of the largest value in the answer a change is told in the unit: a percentage would be huge."""
FEW = 3
TOO_LATE, BELIEVED = "the data are too late for the model", "the model's answer cannot be believed"
RULES = {
    Rung.OPERATOR: "the operator's forecast with its last known error stands",
    Rung.SEASONAL: "the last value and the usual change stand",
    Rung.PERSISTENCE: "the last value stands",
}
"""What answers in place of the model, by rung."""


class Level(StrEnum):
    """How far a sentence is from normal, best first."""

    NORMAL = "normal"
    WARNING = "warning"
    ALARM = "alarm"


class Stage(BaseModel):
    """A sentence and the time from which it holds."""

    since: str = Field(description="The sentence holds from this time of the service's clock on.")
    level: Level
    text: str = Field(description=f"`{AGE}` stands for the age of the newest observation.")


def stages(region: Region, published: Published, *, newest: datetime, is_archive: bool = False) -> list[Stage]:
    """The sentences of a publication, by the time from which they hold.

    Args:
        region: the region.
        published: its newest publication.
        newest: time of its newest observation.
        is_archive: the data do not grow, so that no further nowcast is due.
    """
    nowcast = published.nowcast
    level, wrong = trouble(nowcast)
    series = nowcast.series[0]
    outlook = outlook_of(region, nowcast, series)
    if is_archive:
        text = f"{wrong}Data of the past, up to {_moment(region, newest, newest)}. {outlook}."
        return [_stage(published.published_at, level, text)]
    inputs = "" if wrong else ", all inputs good"
    now = f"{wrong}{outlook}; data {AGE} old{inputs}."
    issued = _clock(region, published.issue_time, published.issue_time)
    late = f"The nowcast after {issued} is late. {now}"
    gone = (
        f"No nowcast for two intervals: the newest is of {issued}, and its data are {AGE} old. "
        f"Do not rely on what follows. At {issued} it said: {outlook}."
    )
    return [
        _stage(published.published_at, level, now),
        _stage(published.expires_at, max(level, Level.WARNING, key=list(Level).index), late),
        _stage(published.expires_at + region.interval, Level.ALARM, gone),
    ]


def trouble(nowcast: Nowcast) -> tuple[Level, str]:
    """What is wrong with a nowcast as a sentence that ends with a space, the worst first; empty if nothing is."""
    said, level = list[str](), Level.NORMAL
    refused, late = (_having(nowcast, quality) for quality in (Quality.REFUSED, Quality.PERSISTENCE))
    if refused:
        said.append(f"No nowcast of {_few(refused)}: no value is recent enough.")
    if late:
        said += _by_rule(nowcast)
    if missing := reasons(nowcast):
        said.append(f"Reduced quality: {', '.join(missing)}.")
    if said:
        is_first = nowcast.quality[0] in (Quality.REFUSED, Quality.PERSISTENCE)
        level = Level.ALARM if is_first else Level.WARNING
    return level, "".join(f"{one} " for one in said)


def reasons(nowcast: Nowcast) -> list[str]:
    """The flags that name missing or faulty inputs."""
    return [flag for flag in nowcast.flags if flag not in INFORMATION]


def outlook_of(region: Region, nowcast: Nowcast, name: str) -> str:
    """Where a series goes in the coming hour, and a chance, without a full stop.

    The moment is that of the largest change of the median. A change within half the band of 80 % is none: then the
    sentence says that the series stays, and how sure that is.

    Args:
        region: whose unit and time zone count.
        nowcast: the nowcast.
        name: the series.
    """
    s = nowcast.series.index(name)
    low, middle, high = (nowcast.values[s, :, nowcast.quantiles.index(level)] for level in (0.1, 0.5, 0.9))
    origin = float(nowcast.origin_mw[s])
    if not np.isfinite(middle).any() or not np.isfinite(origin):
        return f"{name} has no nowcast"
    step = int(np.nanargmax(np.abs(middle - origin)))
    at = aware(nowcast.issue_time) + timedelta(minutes=nowcast.steps_minutes[step])
    by, unit = _clock(region, at, aware(nowcast.issue_time)), region.unit
    band = float(high[step] - low[step])
    median, moved = float(middle[step]), float(middle[step] - origin)
    told = f"{power(median, unit, beside=band)} {unit}"
    if abs(moved) < band / 2:
        last = len(nowcast.steps_minutes) - 1
        end = aware(nowcast.issue_time) + timedelta(minutes=nowcast.steps_minutes[last])
        between = " and ".join(power(float(side[last]), unit, beside=band) for side in (low, high))
        return (
            f"{name} stays near {power(origin, unit, beside=band)} {unit} until "
            f"{_clock(region, end, aware(nowcast.issue_time))}; 8 in 10 that it is then between {between} {unit}"
        )
    is_small = abs(origin) < SMALL_ORIGIN * float(np.nanmax(np.abs(nowcast.values[s])))
    by_how_much = f"{change(moved, unit, beside=band)} {unit}" if is_small else signed(100 * moved / abs(origin))
    is_up = moved > 0
    edge = power(float((high if is_up else low)[step]), unit, beside=band)
    return (
        f"{name} {'rises' if is_up else 'falls'} to {told} ({by_how_much}) by {by}; "
        f"1 in 10 that it is then {'above' if is_up else 'below'} {edge} {unit}"
    )


def _by_rule(nowcast: Nowcast) -> list[str]:
    """Sentences about the series that a rule answers in place of the model."""
    groups: dict[tuple[str, str], list[str]] = {}
    for series, rung, reasons in zip(nowcast.series, nowcast.rungs, nowcast.reasons, strict=True):
        if rung in RULES:
            is_held = any(one.startswith(HELD) for one in reasons)
            groups.setdefault((BELIEVED if is_held else TOO_LATE, RULES[rung]), []).append(series)
    return [f"{_few(names)}: {why}, {rule} for the coming hour." for (why, rule), names in groups.items()]


def _having(nowcast: Nowcast, quality: Quality) -> list[str]:
    return [name for name, one in zip(nowcast.series, nowcast.quality, strict=True) if one is quality]


def _few(names: Sequence[str]) -> str:
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")


def _stage(since: datetime, level: Level, text: str) -> Stage:
    return Stage(since=iso_exact(since), level=level, text=text)


def _clock(region: Region, time: datetime, beside: datetime) -> str:
    """The local time of day; with its zone's name where the clock changes between the two times or near them."""
    local = time.astimezone(region.tz)
    near = timedelta(hours=3)
    shifts = (-near, near)
    offsets = {(moment + shift).astimezone(region.tz).utcoffset() for moment in (time, beside) for shift in shifts}
    return f"{local:%H:%M}" if len(offsets) == 1 else f"{local:%H:%M %Z}"


def _moment(region: Region, time: datetime, beside: datetime) -> str:
    return f"{time.astimezone(region.tz):%Y-%m-%d} {_clock(region, time, beside)}"
