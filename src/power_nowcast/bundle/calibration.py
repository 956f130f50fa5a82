"""Conformal calibration: coverage that holds on hold-out data and afterwards, and a median without systematic bias.

The calibration multiplies the distance of each quantile from the median by a factor. The factors come from hold-out
time (split conformal: the empirical quantile of |outcome - median| in units of the model's own distance) and are frozen
into the artifact. Then they follow the outcomes by quantile tracking on the log factor (adaptive conformal inference,
Gibbs and Candes 2021; Angelopoulos, Candes and Tibshirani 2023), with a small step for each series and lead, and a
small step for its local hour and, half as large, for the hours before and after.

The median is tracked as well, at each local hour and with a leak: if most outcomes of an hour in the last weeks were on
one side, the median moves to that side by up to half the interval's half width. In addition, the newest residual pulls
the median: the residual of the nowcast whose first lead is the current origin. A regression through zero with
exponential forgetting gives the strength of the pull at each lead. It is near zero while a series behaves as in
training. After a change of behaviour or of telemetry, residuals are correlated in time, and the pull corrects them.

Factors start from a model's knots and are then tracked at every answered lead: interpolated quantiles between two knots
have their own errors.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.pending import Pending
from power_nowcast.bundle.tracking import REACH, SIDE, SMALL, STEPS, Steps, shifts, track
from power_nowcast.contracts import MEDIAN, QUANTILES, Floats, Times

LIMIT = np.log(20.0)
"""Factors stay within 1/20 .. 20 for any data."""
HOURS = 24
NUMBERS = ("base", "hourly", "balance", "skew", "pulls", "error_mw")
"""The numeric arrays of a calibration."""
_LOW, _HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)


@dataclass(frozen=True, eq=False)
class Calibration:
    """The factors of each series and lead, and the state that moves the median. Immutable: `follow` returns a new one.

    Attributes:
        series: names of the series, in order.
        leads: minutes after the origin.
        base: log factors of the widths, shape (series, lead, quantile); 0 keeps a width. 0 for the median.
        hourly: log factors of each local hour, added to `base`, shape (series, lead, hour, quantile).
        balance: outcomes above (1) and below (-1) the median at each local hour, shape (series, lead, hour).
        skew: gain of the skew, shape (series, lead): a positive gain widens the wider side of an asymmetric interval
            and narrows the other side.
        pulls: sums of products and of squares for the pull of the newest residual, shape (series, lead, 2).
        error_mw: the newest residual, shape (series,).
        error_at: the only origin at which it pulls, shape (series,), NaT if there is none.
        as_of: the time up to which outcomes are counted.
    """

    series: tuple[str, ...]
    leads: tuple[int, ...]
    base: Floats
    hourly: Floats
    balance: Floats
    skew: Floats
    pulls: Floats
    error_mw: Floats
    error_at: Times
    as_of: np.datetime64

    @classmethod
    def neutral(cls, series: tuple[str, ...], leads: tuple[int, ...], as_of: np.datetime64) -> Self:
        """The calibration that changes nothing."""
        shape = len(series), len(leads)
        return cls(
            series=series,
            leads=leads,
            base=np.zeros((*shape, len(QUANTILES))),
            hourly=np.zeros((*shape, HOURS, len(QUANTILES))),
            balance=np.zeros((*shape, HOURS)),
            skew=np.zeros(shape),
            pulls=np.zeros((*shape, 2)),
            error_mw=np.zeros(len(series)),
            error_at=np.full(len(series), np.datetime64("NaT", "m")),
            as_of=as_of,
        )

    @classmethod
    def from_held_out(
        cls,
        series: tuple[str, ...],
        leads: tuple[int, ...],
        quantiles_mw: Floats,
        outcome_mw: Floats,
        as_of: np.datetime64,
    ) -> Self:
        """Factors that give the hold-out `quantiles_mw` (issue, series, lead, quantile) their nominal coverage.

        Args:
            series: names of the series, in order.
            leads: minutes after the origin.
            quantiles_mw: before calibration, shape (issue, series, lead, quantile).
            outcome_mw: shape (issue, series, lead), NaN if unknown.
            as_of: the time up to which these outcomes were known.
        """
        neutral = cls.neutral(series, leads, as_of)
        base = neutral.base.copy()
        median = quantiles_mw[..., MEDIAN]
        for q, level in enumerate(QUANTILES):
            if q == MEDIAN:
                continue
            side = 1.0 if level > 0.5 else -1.0
            width = np.maximum(side * (quantiles_mw[..., q] - median), SMALL)
            score = side * (outcome_mw - median) / width
            inside = max(level, 1 - level)
            for s in range(len(series)):
                for k in range(len(leads)):
                    known = score[:, s, k][np.isfinite(score[:, s, k])]
                    if len(known):
                        # The conformal rank is one more than the share, so the level holds for the next outcome.
                        share = min(1.0, inside * (len(known) + 1) / len(known))
                        base[s, k, q] = np.log(np.clip(np.quantile(known, share), 1 / 20, 20.0))
        return replace(neutral, base=base)

    def at(self, leads: tuple[int, ...]) -> "Calibration":
        """The same calibration at other leads: linear between its own leads, constant beyond them."""

        def between(values: Floats) -> Floats:
            return np.apply_along_axis(lambda own: np.interp(leads, self.leads, own), 1, values)

        return replace(
            self,
            leads=leads,
            base=between(self.base),
            hourly=between(self.hourly),
            balance=between(self.balance),
            skew=between(self.skew),
            pulls=between(self.pulls),
        )

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that identify exactly these factors."""
        digest = hashlib.sha256()
        # The order of the first format, so that older calibrations keep their ids.
        base, hourly = self.base.copy(), self.hourly.copy()
        base[..., MEDIAN], hourly[..., MEDIAN] = self.skew, self.balance
        for array in (base, hourly, self.pulls, self.error_mw, self.error_at.astype(np.int64)):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        return digest.hexdigest()[:12]

    @property
    def is_whole(self) -> bool:
        """Whether all of its numbers exist and are finite."""
        wanted = type(self).neutral(self.series, self.leads, self.as_of)
        arrays = [getattr(self, name) for name in NUMBERS]
        shapes = [getattr(wanted, name).shape for name in NUMBERS]
        return [array.shape for array in arrays] == shapes and all(np.isfinite(array).all() for array in arrays)

    @property
    def unmoved(self) -> "Calibration":
        """The same widths around the model's own median."""
        return replace(self, balance=np.zeros_like(self.balance), pulls=np.zeros_like(self.pulls))

    def apply(self, quantiles_mw: Floats, hours: NDArray[np.int64], origins: Times) -> NDArray[np.float64]:
        """Calibrate quantiles (issue, series, lead, quantile): shift the median and scale the widths.

        `hours` (issue, series, lead) are local hours of the targets, `origins` (issue, series) times of the last
        values.
        """
        s = np.arange(len(self.series))[:, None]
        k = np.arange(len(self.leads))
        error = np.where(origins == self.error_at, self.error_mw, 0.0)
        shift = shifts(error, _half(quantiles_mw), self.pulls)
        factors = self.base + self.hourly[s, k, hours] + (self.skew * _skew(quantiles_mw))[..., None] * SIDE
        return _stretch(quantiles_mw, factors, self.balance[s, k, hours], shift)

    def follow(
        self,
        quantiles_mw: Floats,
        hours: NDArray[np.int64],
        outcome_mw: Floats,
        issue_times: Times,
        known_at: Times,
        origins: Times,
        steps: Steps = STEPS,
    ) -> tuple[NDArray[np.float64], "Calibration"]:
        """Calibrate the quantiles of successive issue times with the outcomes known at each; count every outcome.

        Args:
            quantiles_mw: shape (issue, series, lead, quantile).
            hours: local hour of each target, shape (issue, series, lead).
            outcome_mw: shape (issue, series, lead), NaN if unknown.
            issue_times: ascending, shape (issue,).
            known_at: the time at which each outcome became known, shape (issue, series, lead), NaT if never.
            origins: times of the last values, shape (issue, series), NaT if there is none.
            steps: steps of the tracking.

        Returns:
            The calibrated quantiles, and the calibration after all outcomes known at the last issue time.
        """
        # The first issue time at which each outcome counts.
        due = np.searchsorted(issue_times, np.where(np.isnat(known_at), issue_times[-1], known_at))
        due = np.maximum(due, np.arange(1, len(issue_times) + 1)[:, None, None])
        due[np.isnat(known_at) | ~np.isfinite(outcome_mw) | (known_at > issue_times[-1])] = len(issue_times)
        rows = Pending.rows(issue_times, origins, quantiles_mw, hours)
        after = self._tracked(rows, outcome_mw, due, 0, steps)
        return _stretch(quantiles_mw, rows.factors, rows.balance, rows.shift), after

    def advance(
        self, pending: Pending, row: Pending, outcome_mw: Floats, steps: Steps = STEPS
    ) -> tuple["Calibration", Pending]:
        """Count the outcomes that became known by the next issue time. Step by step this gives the bits of `follow`.

        Args:
            pending: the issue times before that wait for outcomes.
            row: the next issue time.
            outcome_mw: outcomes of the issue times of `pending` that are known now, shape (issue, series, lead), NaN if
                unknown; those counted before are left out.
            steps: steps of the tracking.

        Returns:
            The calibration in force at the next issue time, and the issue times that wait for outcomes then.
        """
        rows = pending.plus(row)
        last = len(pending)
        outcome = np.full(rows.hours.shape, np.nan)
        outcome[:last] = np.where(pending.waits, outcome_mw, np.nan)
        counted = np.isfinite(outcome)
        after = self._tracked(rows, outcome, np.where(counted, last, last + 1), last, steps)
        waits = rows.waits & ~counted
        return after, replace(rows, waits=waits).where(waits.any(axis=(1, 2)))

    def _tracked(
        self, rows: Pending, outcome_mw: Floats, due: NDArray[np.int64], begin: int, steps: Steps
    ) -> "Calibration":
        """Count outcomes when each is `due` (a place in `rows`); write what is in force from `begin` on into `rows`."""
        learnt = self.base.copy(), self.hourly.copy(), self.balance.copy(), self.skew.copy()
        pulls, error_mw, error_at = self.pulls.copy(), self.error_mw.copy(), _minutes(self.error_at)
        order = np.argsort(due, axis=None, kind="stable")
        order = order[: int((due < len(rows)).sum())]
        quantiles = rows.quantiles_mw
        in_force = rows.factors, rows.balance, rows.shift, rows.error_mw
        pull = pulls, error_mw, error_at, _minutes(rows.origins), self.leads[0]
        about = quantiles, _skew(quantiles), _half(quantiles), rows.hours, outcome_mw
        track(in_force, learnt, pull, about, (due.ravel(), order, begin), steps, LIMIT)
        base, hourly, balance, skew = learnt
        return replace(
            self,
            base=base,
            hourly=hourly,
            balance=balance,
            skew=skew,
            pulls=pulls,
            error_mw=error_mw,
            error_at=error_at.view("datetime64[m]"),
            as_of=max(self.as_of, rows.issue_times[-1]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` restores the same bits."""
        return {
            "series": list(self.series),
            "leads": list(self.leads),
            **{name: getattr(self, name).tolist() for name in NUMBERS},
            "error_at": self.error_at.astype(str).tolist(),
            "as_of": str(self.as_of),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        numbers = {name: np.array(values[name], np.float64) for name in NUMBERS if name in values}
        if "balance" not in values:  # the first format has both in the median's place of the factors
            for name, holder in (("balance", "hourly"), ("skew", "base")):
                numbers[name] = numbers[holder][..., MEDIAN].copy()
                numbers[holder][..., MEDIAN] = 0.0
        return cls(
            series=tuple(values["series"]),
            leads=tuple(values["leads"]),
            error_at=np.array(values["error_at"], "datetime64[m]"),
            as_of=np.datetime64(values["as_of"]),
            **numbers,
        )


def _minutes(times: Times) -> NDArray[np.int64]:
    """Minutes since 1970 in a new array; the smallest integer for NaT."""
    return times.astype("datetime64[m]").astype(np.int64)


def _skew(quantiles_mw: Floats) -> Floats:
    """Skew of the 80 % interval: the difference of its upper and lower half width, as a share of their sum; -1..1."""
    low, median, high = (quantiles_mw[..., q] for q in (_LOW, MEDIAN, _HIGH))
    return np.asarray((high - 2 * median + low) / np.maximum(high - low, SMALL))


def _half(quantiles_mw: Floats) -> Floats:
    """Half the width of 10-90."""
    return np.asarray((quantiles_mw[..., _HIGH] - quantiles_mw[..., _LOW]) / 2)


def _stretch(quantiles_mw: Floats, log_factors: Floats, balance: Floats, shift: Floats) -> NDArray[np.float64]:
    """Quantiles (issue, series, lead, quantile), widths scaled by factors, medians moved by balance and shift."""
    median = quantiles_mw[..., [MEDIAN]]
    distance = (quantiles_mw - median) * np.exp(log_factors)
    median = median + (REACH * balance * _half(quantiles_mw) + shift)[..., None]
    # No quantile crossing: going outward from the median, each quantile is at or beyond the one before it.
    distance[..., MEDIAN:] = np.maximum.accumulate(distance[..., MEDIAN:], axis=-1)
    distance[..., MEDIAN::-1] = np.minimum.accumulate(distance[..., MEDIAN::-1], axis=-1)
    return np.asarray(median + distance, np.float64)
