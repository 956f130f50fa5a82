"""Checks before publishing: an answer that nobody would believe is held back, with its reason.

The limits are those that the bundle learnt from its history (`bundle.ladder.Limits`). An older bundle has none; then
only answers that are no numbers are held back.
"""

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.ladder import Limits, bends
from power_nowcast.contracts import MEDIAN, Floats


class Checks:
    """The checks of one version.

    Args:
        bundle: the version.
        scale_mw: unit of the limits by series, shape (series,): 1 MW for load.
    """

    def __init__(self, bundle: Bundle, scale_mw: Floats) -> None:
        self._limits = bundle.ladder.limits if bundle.ladder else None
        self._series, self._scale = bundle.model.series, scale_mw
        self._steps = np.array(bundle.region.steps_minutes, np.float64)

    def against(self, s: int, values: Floats, origin_mw: float, age_minutes: float) -> str:
        """Why an answer is held back, empty if it is not.

        Args:
            s: place of the series.
            values: quantiles in MW, shape (step, quantile).
            origin_mw: the last known value.
            age_minutes: its age.
        """
        if not np.isfinite(values).all():
            return "the answer has values that are no numbers"
        median = values[:, MEDIAN]
        if self._limits is None:
            return ""
        least = float(self._limits.least[s])
        if least > 0 and (median <= 0).any():
            return f"{median.min():,.0f} MW; history has no less than {least:,.0f}"
        lead = self._steps + age_minutes
        ramp = (median - origin_mw) / self._scale[s]
        return self._ramp(self._limits, s, ramp, lead) or self._zigzag(self._limits, s, ramp, lead)

    def _ramp(self, limits: Limits, s: int, ramp: Floats, lead: Floats) -> str:
        """A ramp beyond all history."""
        scale = self._scale[s]
        fall, rise = limits.ramps(s, lead)
        beyond = np.flatnonzero((ramp < fall) | (ramp > rise))
        if not len(beyond):
            return ""
        k = int(beyond[0])
        most = (rise if ramp[k] > 0 else fall)[k] * scale
        return f"a ramp of {ramp[k] * scale:+,.0f} MW in {lead[k]:.0f} minutes; history has at most {most:+,.0f}"

    def _zigzag(self, limits: Limits, s: int, ramp: Floats, lead: Floats) -> str:
        """A bend between steps beyond all history."""
        off = np.abs(bends(ramp, lead))
        if not limits.bend.shape[1]:
            return ""
        most = np.interp(lead[:-1], limits.knots[:-1], limits.bend[s])
        beyond = np.flatnonzero(off > most)
        if not len(beyond):
            return ""
        k, scale = int(beyond[0]), self._scale[s]
        return (
            f"a zig-zag of {off[k] * scale:,.0f} MW {self._steps[k]:.0f} minutes ahead; history has at most "
            f"{most[k] * scale:,.0f}"
        )

    def total(self, values: Floats, total: int, age_minutes: float) -> str:
        """Why the total is held back because of its zones, empty if it is not; `values` (series, step, quantile)."""
        if self._limits is None or not len(self._limits.gap):
            return ""
        median = values[:, :, MEDIAN]
        gap = np.abs(np.delete(median, total, axis=0).sum(axis=0) - median[total])
        most = np.interp(self._steps + age_minutes, self._limits.knots, self._limits.gap)
        beyond = np.flatnonzero(gap > most)
        if not len(beyond):
            return ""
        k = int(beyond[0])
        return f"{gap[k]:,.0f} MW off the sum of its zones; at most {most[k]:,.0f} at training"
