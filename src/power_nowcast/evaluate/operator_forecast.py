"""The operator's own forecast as a baseline, as it was known at the issue time."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.outcomes import first_known
from power_nowcast.contracts import MEDIAN, QUANTILES, Floats, Nowcasts, Panel, Part, Times
from power_nowcast.evaluate.backtest import truth
from power_nowcast.features.interpolation import read
from power_nowcast.regions import Region

NAME = "operator forecast"
LEARNT_DAYS = 28
"""The bands of a day come from the errors of this many days before it."""
_DAY = np.timedelta64(1440, "m")


class OperatorForecast:
    """Forecaster of a region that has a forecast; without a value at the target it has no answer (NaN).

    The median is the forecast's level at the target, interpolated between its intervals as in the features. The bands
    are the quantiles of its own errors, minus their median, of the 28 days before the day of the issue time.
    """

    def __init__(self, region: Region) -> None:
        self.region = region

    def replay(self, panel: Panel, issue_times: Times, *, delay_minutes: int = 0) -> tuple[Nowcasts, None]:
        """Nowcasts of every issue time; the outcomes behind the bands have a delay of at least `delay_minutes`."""
        issues = np.sort(np.asarray(issue_times, "datetime64[m]"))
        spacing = np.diff(issues).min() if len(issues) > 1 else _DAY
        earlier = np.arange(issues[0] - LEARNT_DAYS * _DAY, issues[0], spacing)
        earlier = earlier[earlier >= panel.start]
        every = np.concatenate([earlier, issues])
        steps = self.region.steps_minutes
        told = self.told(panel, every, steps)
        value, known_at = _first_known(panel, self.region, every, steps, delay_minutes)
        error = np.where(np.isfinite(truth(panel, self.region, every, steps)), value, np.nan) - told
        values = np.repeat(told[len(earlier) :, ..., None], len(QUANTILES), axis=-1)
        for day in np.unique(issues.astype("datetime64[D]")):
            begin = day.astype("datetime64[m]")
            recent = (every >= begin - LEARNT_DAYS * _DAY) & (every < begin)
            seen = np.where(known_at[recent] <= begin, error[recent], np.nan)
            values[issues.astype("datetime64[D]") == day] += _widths(seen)
        return Nowcasts(self.region.name, issues, panel.series, steps, values), None

    def told(self, panel: Panel, issues: Times, steps: tuple[int, ...]) -> NDArray[np.float64]:
        """The forecast at each step after each issue time as known then, MW, shape (issue, series, step)."""
        told = np.full((len(issues), len(panel.series), len(steps)), np.nan)
        forecast, patches = panel.forecast.values.copy(), panel.patches
        if not forecast.size:
            return told
        own = np.flatnonzero(patches.grid == Part.FORECAST)
        seen = np.searchsorted(patches.available_at[own], issues, side="right")
        # A mean stands at the middle of its interval, an instant at its end.
        half = 0 if self.region.power.label == "instant" else panel.step_minutes
        borders = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(issues)]
        applied = 0
        for first, last in pairwise(borders):
            new = own[applied : seen[first]]
            applied = int(seen[first])
            forecast[patches.slot[new], patches.column[new]] = patches.value[new]
            target = issues[first:last, None] + np.asarray(steps, "timedelta64[m]")
            twice = 2 * (target - panel.forecast.start).astype(np.int64) - half
            times, place = np.unique(twice, return_inverse=True)
            for s in range(len(panel.series)):
                column = np.ascontiguousarray(forecast[:, s])
                values = np.array([read(column, int(time), panel.forecast.step_minutes) for time in times])
                told[first:last, s] = values[place].reshape(twice.shape)
        return told


def _first_known(
    panel: Panel, region: Region, issues: Times, steps: tuple[int, ...], delay_minutes: int
) -> tuple[Floats, Times]:
    """First known value at each step after each issue time, and when it was known, both (issue, series, step)."""
    values, known_at = first_known(panel, region, delay_minutes)
    slot = (issues[:, None] + np.asarray(steps, "timedelta64[m]") - panel.start).astype(np.int64) // panel.step_minutes
    inside = (slot >= 0) & (slot < len(values))
    place = np.where(inside, slot, 0)
    value = np.where(inside[..., None], values[place], np.nan)
    known = np.where(inside[..., None], known_at[place], np.datetime64("NaT", "m"))
    return np.moveaxis(value, -1, 1), np.moveaxis(known, -1, 1)


def _widths(errors: Floats) -> NDArray[np.float64]:
    """Quantiles about the median (series, step, quantile) of errors (issue, series, step); 0 where there is none."""
    known = np.isfinite(errors).any(axis=0) if len(errors) else np.zeros(errors.shape[1:], bool)
    widths = np.zeros((*errors.shape[1:], len(QUANTILES)))
    if known.any():
        found = np.moveaxis(np.nanquantile(errors[:, known], QUANTILES, axis=0), 0, -1)
        widths[known] = found - found[..., [MEDIAN]]
    return widths
