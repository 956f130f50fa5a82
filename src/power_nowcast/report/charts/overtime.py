"""Charts over time: days of nowcasts with their bands and the outcomes, and one nowcast as a fan."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from power_nowcast.contracts import Floats
from power_nowcast.contracts.times import aware, minute
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.regions import Region
from power_nowcast.regions.units import TO_MW
from power_nowcast.report.charts.chart import Axis, Chart, Mark, Tick, band, dots, line, reach
from power_nowcast.report.words import digits
from power_nowcast.scoring import BANDS

HISTORY_MINUTES = 240
SHORT_MINUTES, TWO_DAYS_MINUTES = 480, 2880
GRID_MINUTES = 15
"""Offsets of time zones are multiples of it, so that every full local hour is met."""


def days(
    backtest: Backtest,
    series: str,
    horizon_min: int,
    first: date,
    count: int = 1,
    *,
    title: str,
    relative: bool = False,
) -> Chart:
    """Nowcasts made `horizon_min` ahead for `count` local days from `first`, with their bands and the outcomes.

    A `relative` chart shows bands and outcomes minus the nowcast, so that bands can be seen that are narrow beside the
    range of a day.
    """
    region, nowcasts = backtest.region, backtest.nowcasts
    column, step = nowcasts.series.index(series), nowcasts.steps_minutes.index(horizon_min)
    target = nowcasts.issue_times + np.timedelta64(horizon_min, "m")
    begin, end = _midnight(region, first), _midnight(region, first + timedelta(days=count))
    chosen = np.flatnonzero((target >= begin) & (target < end))
    chosen = chosen[np.argsort(target[chosen], kind="stable")]
    minutes = (target[chosen] - begin).astype(np.float64)
    values = nowcasts.values[chosen, column, step] / TO_MW[region.unit]
    actual = backtest.actual[chosen, column, step] / TO_MW[region.unit]
    if relative:
        median = values[:, nowcasts.quantiles.index(0.5)]
        values, actual = values - median[:, None], actual - median
    marks = _nowcast_marks(minutes, values, nowcasts.quantiles)
    marks += (line("actual", "actual", minutes, actual, _decimals(values)),)
    span = str(first) if count == 1 else f"{first} to {first + timedelta(days=count - 1)}"
    what = f"{series}, {horizon_min} minutes ahead, {span}, in {region.unit}"
    return Chart(
        title,
        f"{what} above or below the nowcast" if relative else what,
        f"{series} {horizon_min} minutes ahead: the nowcasts with their bands and the outcomes of {span}.",
        marks,
        _axis(region, begin, int((end - begin).astype(np.int64))),
        reach(marks),
        region.unit,
    )


def fan(backtest: Backtest, series: str) -> Chart | None:
    """The last nowcast whose outcomes are all known, after the hours before it; None if there is none."""
    region, nowcasts = backtest.region, backtest.nowcasts
    column = nowcasts.series.index(series)
    values, actual = nowcasts.values[:, column], backtest.actual[:, column]
    whole = np.isfinite(values).all(axis=(1, 2)) & np.isfinite(actual).all(axis=1)
    whole &= np.isfinite(backtest.at_issue[:, column])
    if not whole.any():
        return None
    last = int(np.flatnonzero(whole)[nowcasts.issue_times[whole].argmax()])
    issue = nowcasts.issue_times[last].astype("datetime64[m]")
    begin = issue - np.timedelta64(HISTORY_MINUTES, "m")
    # For earlier issue times the outcomes of all steps are known.
    after = nowcasts.issue_times[:, None] + np.array(nowcasts.steps_minutes, "timedelta64[m]")
    times = np.concatenate([nowcasts.issue_times, after.ravel()])
    power = np.concatenate([backtest.at_issue[:, column], actual.ravel()]) / TO_MW[region.unit]
    recent = (times >= begin) & (times <= issue)
    seen, place = np.unique(times[recent], return_index=True)
    origin = backtest.at_issue[last, column] / TO_MW[region.unit]
    ahead = HISTORY_MINUTES + np.array((0, *nowcasts.steps_minutes), np.float64)
    levels = np.full((1, len(nowcasts.quantiles)), origin)
    quantiles = np.concatenate([levels, values[last] / TO_MW[region.unit]])
    decimals = _decimals(quantiles)
    marks = _nowcast_marks(ahead, quantiles, nowcasts.quantiles)
    marks += (
        line("actual", "actual", (seen - begin).astype(np.int64), power[recent][place], decimals),
        dots("outcome", "outcome", ahead[1:], actual[last] / TO_MW[region.unit], decimals),
    )
    return Chart(
        "One nowcast",
        f"{series}, issued {aware(issue).astimezone(region.tz):%a %d %b %Y %H:%M}, in {region.unit}",
        f"The last hours of {series}, the bands of the next {nowcasts.steps_minutes[-1]} minutes and the outcomes.",
        marks,
        _axis(region, begin, int(ahead[-1])),
        reach(marks),
        region.unit,
    )


def _nowcast_marks(minutes: Floats, values: Floats, quantiles: tuple[float, ...]) -> tuple[Mark, ...]:
    decimals = _decimals(values)
    bands = [
        band(f"{percent} %", f"b{percent}", minutes, values[:, low], values[:, high], decimals)
        for percent, ends in sorted(BANDS.items(), reverse=True)
        for low, high in [[quantiles.index(level) for level in ends]]
    ]
    return *bands, line("nowcast", "model", minutes, values[:, quantiles.index(0.5)], decimals)


def _decimals(values: Floats) -> int:
    """The decimals that show three digits of the widest band."""
    width = values[:, -1] - values[:, 0]
    return digits(float(np.nanmax(width, initial=0.0)))


def _axis(region: Region, begin: np.datetime64, length: int) -> Axis:
    start = int(begin.astype("datetime64[s]").astype(np.int64))
    return Axis((0, length), _time_ticks(region, begin, length), start=start)


def _time_ticks(region: Region, begin: np.datetime64, length: int) -> tuple[Tick, ...]:
    """Local midnights; on short charts also the hours between them."""
    every = 1 if length <= SHORT_MINUTES else 3 if length <= TWO_DAYS_MINUTES else 24
    ticks = []
    # The last midnight of many days would stand outside of the chart.
    for minutes in range(0, length + (every < 24), GRID_MINUTES):
        local = aware(begin + np.timedelta64(minutes, "m")).astimezone(region.tz)
        if local.minute == 0 and local.hour % every == 0:
            text = f"{local:%a %d %b}" if every == 24 else f"{local:%H:%M}"
            ticks.append(Tick(100 * minutes / length, text, local.hour % (2 * every) == 0))
    return tuple(ticks)


def _midnight(region: Region, day: date) -> np.datetime64:
    """The begin of a local day, UTC."""
    return minute(datetime.combine(day, time(), tzinfo=region.tz).astimezone(UTC))
