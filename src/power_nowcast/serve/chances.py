"""Chances of peaks, troughs and ramps, counted among sample paths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from power_nowcast.contracts import Floats
from power_nowcast.live.nowcaster import Nowcast
from power_nowcast.serve.schemas import ChancesAnswer, Facts, NowcastAnswer, SeriesChance


@dataclass(frozen=True)
class Happening:
    """What may happen up to a horizon. Exactly one of the three is given.

    Attributes:
        above_mw: the series exceeds this value.
        below_mw: the series falls below this value.
        ramp_mw: the series differs from its last known value by at least this: a rise if positive, a fall if negative.
    """

    above_mw: float | None = None
    below_mw: float | None = None
    ramp_mw: float | None = None

    @property
    def is_one(self) -> bool:
        """Whether exactly one is given, and a ramp is not zero."""
        given = [one for one in (self.above_mw, self.below_mw, self.ramp_mw) if one is not None]
        return len(given) == 1 and self.ramp_mw != 0

    def share(self, paths_mw: Floats, origin_mw: Floats) -> Floats:
        """The share of paths on which it happens at one step at least.

        Args:
            paths_mw: shape (series, path, step).
            origin_mw: last known values, shape (series,).

        Returns:
            Shape (series,); NaN for a series that is refused.
        """
        if self.above_mw is not None:
            happens = paths_mw > self.above_mw
        elif self.below_mw is not None:
            happens = paths_mw < self.below_mw
        else:
            change = paths_mw - origin_mw[:, None, None]
            ramp = float(self.ramp_mw or 0.0)
            happens = change >= ramp if ramp > 0 else change <= ramp
        known = np.isfinite(paths_mw).all(axis=(1, 2))
        return np.where(known, happens.any(axis=2).mean(axis=1), np.nan)


def chances_of(
    answer: NowcastAnswer, nowcast: Nowcast, paths_mw: Floats, happening: Happening, steps_minutes: Sequence[int]
) -> ChancesAnswer:
    """The chance of each series of an answer, up to the last of these steps."""
    places = [nowcast.steps_minutes.index(step) for step in steps_minutes]
    share = happening.share(paths_mw[:, :, places], nowcast.origin_mw)
    series = []
    for one in answer.nowcasts:
        chance = float(share[nowcast.series.index(one.series)])
        series.append(
            SeriesChance(
                series=one.series,
                quality=one.quality,
                origin_mw=one.origin_mw,
                probability=None if np.isnan(chance) else chance,
            )
        )
    facts = answer.model_dump(include=set(Facts.model_fields))
    return ChancesAnswer(
        **facts,
        above_mw=happening.above_mw,
        below_mw=happening.below_mw,
        ramp_mw=happening.ramp_mw,
        within_min=max(steps_minutes),
        path_count=paths_mw.shape[1],
        series=series,
    )
