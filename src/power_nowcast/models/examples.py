"""Train, valid and test: examples split by time, and their tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats, Panel, Times
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.features.build_features import horizons_of
from power_nowcast.features.panel import ever_known
from power_nowcast.features.spec import FeatureSpec

PARTS = ("train", "valid", "test")
_KEYS = ("issue_time", "series", "origin_mw", "age_minutes", "scale_mw")
HISTORY_DAYS = 8
"""Features look back a week; a day is for the border on the hour."""
FEWEST_DAYS = 7
"""A part of fewer days does not hold each weekday once."""
_DAY = np.timedelta64(24 * 60, "m")


@dataclass(frozen=True)
class Examples:
    """Features with their outcomes: `outcome_mw` has shape (issue, series, knot), NaN if the value is not known."""

    block: FeatureBlock
    outcome_mw: Floats

    def during(self, first: np.datetime64, last: np.datetime64, reach_minutes: int = 0) -> "Examples":
        """The examples with issue times from `first` on and outcomes, up to `reach_minutes` after the issue, before
        `last`.
        """
        issued = self.block.issue_times
        chosen = (issued >= first) & (issued + np.timedelta64(reach_minutes, "m") < last)
        return Examples(self.block.take(chosen), self.outcome_mw[chosen])

    @property
    def ramps(self) -> Floats:
        """Outcome minus origin in MW, shape (issue, series, knot)."""
        return self.outcome_mw - self.block.origin_mw[..., None]

    @property
    def scaled_ramps(self) -> Floats:
        """Ramps in units of the block's `scale_mw`: the target of models."""
        return self.ramps / self.block.scale_mw[..., None]


@dataclass(frozen=True)
class Split:
    """Borders in time: issue times of train begin at `train_start`, of valid at `valid_start`, of test at `test_start`;
    test ends at `test_end`.

    The outcomes of a part are also before the first issue time of the next part.
    """

    train_start: np.datetime64
    valid_start: np.datetime64
    test_start: np.datetime64
    test_end: np.datetime64

    @classmethod
    def of(cls, panel: Panel, spec: FeatureSpec, *, valid_days: int, test_days: int) -> "Split":
        """A split of a panel: the last days for test, the days before for validation, and all earlier days with a week
        of history for training. If the days before the test have little data, the last days with data are for
        validation.

        Raises:
            MissingDataError: the panel is too short.
        """
        known = panel.times[ever_known(panel)]
        if not len(known):
            raise MissingDataError(
                f"The panel of {panel.region} has no power.",
                remedy="Ingest some days: nowcast ingest.",
                region=panel.region,
            )
        start = known[0] + np.timedelta64(spec.minimum_history_minutes, "m")
        test_end = known[-1]
        test_start = (test_end - test_days * _DAY).astype("datetime64[h]").astype("datetime64[m]")
        back = days_with_data(panel.times, np.isfinite(panel.power.values).any(axis=1), test_start)
        valid_start = held_out_start(valid_days, back, test_start)
        if valid_start - start < valid_days * _DAY:
            held, needed = (known[-1] - known[0]) / _DAY, HISTORY_DAYS + 2 * valid_days + test_days
            fewer = int(held - HISTORY_DAYS) // 3
            choice = f" --valid-days {fewer} --test-days {fewer}" if fewer >= FEWEST_DAYS else ""
            raise MissingDataError(
                f"{panel.region} has {held:.0f} days of data; training, validation and test need {needed}: "
                f"{HISTORY_DAYS} of history before the first nowcast, {valid_days} to train, {valid_days} to validate, "
                f"{test_days} to test.",
                remedy=f"Ingest more days, or choose fewer:{choice}. Bands and figures are then less certain."
                if choice
                else f"Ingest more days: {HISTORY_DAYS + 3 * FEWEST_DAYS} are the fewest that give figures.",
                days=held,
                needed=needed,
            )
        return cls(start, valid_start, test_start, test_end)

    def issue_times(self, every_minutes: int) -> Times:
        """All issue times on multiples of the spacing."""
        first = np.ceil(self.train_start.astype(np.int64) / every_minutes) * every_minutes
        return np.arange(int(first), self.test_end.astype(np.int64) + 1, every_minutes).astype("datetime64[m]")

    def parts(self, examples: Examples, reach_minutes: int) -> dict[str, Examples]:
        """The examples of each part; outcomes are up to `reach_minutes` after the issue times."""
        after = self.test_end + np.timedelta64(reach_minutes + 1, "m")
        borders = (self.train_start, self.valid_start, self.test_start, after)
        return {
            part: examples.during(first, last, reach_minutes)
            for part, first, last in zip(PARTS, borders, borders[1:], strict=False)
        }


def days_with_data(times: Times, has_data: NDArray[np.bool_], end: np.datetime64) -> NDArray[np.int64]:
    """The days before `end` with data, as whole days back from it, ascending: 0 is the day that ends at `end`.

    Args:
        times: times in any order, shape (time,).
        has_data: whether each time has data, shape (time,).
        end: later times, and this time itself, do not count.
    """
    before = times[has_data & (times < end)]
    back = (end - before).astype("timedelta64[m]").astype(np.int64) - 1
    return np.unique(back // _DAY.astype(np.int64))


def held_out_start(days: int, back: NDArray[np.int64], end: np.datetime64) -> np.datetime64:
    """Begin of the hold-out days before `end`: `days` before it or, if less than half of those days have data, so early
    that `days` days have data.

    Args:
        days: number of hold-out days.
        back: the days with data, from `days_with_data`.
        end: end of the hold-out days.
    """
    if 2 * np.count_nonzero(back < days) >= days or not len(back):
        return end - days * _DAY
    return end - (int(back[:days][-1]) + 1) * _DAY


def joined(parts: Sequence[Examples]) -> Examples:
    """The parts in sequence; they have the same series and features."""
    first = parts[0].block

    def stacked(of: Callable[[FeatureBlock], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([of(part.block) for part in parts])

    block = FeatureBlock(
        stacked(lambda one: one.issue_times),
        first.series,
        first.names,
        first.horizons,
        stacked(lambda one: one.x),
        stacked(lambda one: one.origin_mw),
        stacked(lambda one: one.age_minutes),
        stacked(lambda one: one.scale_mw),
    )
    return Examples(block, np.concatenate([part.outcome_mw for part in parts]))


def expanding_folds(
    train: Examples, valid: Examples, count: int, reach_minutes: int
) -> Iterator[tuple[Examples, Examples]]:
    """Folds with an expanding window: pairs of examples for training and scoring, in time order.

    Each fold trains on all examples before its scoring span. The last scoring span ends at the end of `valid`. Every
    scoring span is as long as `valid`, or an equal share of all examples if that is shorter. Outcomes, up to
    `reach_minutes` after the issue, are before the issue times that follow.

    Raises:
        ConfigurationError: a part of a fold would have no issue time.
    """
    known = joined([train, valid])
    times = known.block.issue_times
    end = times[-1] + np.timedelta64(reach_minutes + 1, "m")
    span = min(end - valid.block.issue_times[0], (end - times[0]) // (count + 1))
    for n in range(count, 0, -1):
        border, last = end - n * span, end - (n - 1) * span
        fold = known.during(times[0], border, reach_minutes), known.during(border, last, reach_minutes)
        if any(not len(part.block.issue_times) for part in fold):
            raise ConfigurationError(
                f"{len(times):,} issue times are too few for {count} folds.",
                remedy="Choose fewer folds: --folds 1, or make features of more days.",
                folds=count,
            )
        yield fold


def to_frame(examples: Examples, knots: tuple[int, ...]) -> pl.DataFrame:
    """One row for each issue time and series: keys, outcome at each knot in MW, features."""
    block = examples.block
    issues, series = block.origin_mw.shape
    stamps = np.repeat(block.issue_times.astype("datetime64[us]"), series)
    keys = pl.DataFrame(
        {
            "issue_time": pl.Series(stamps).dt.replace_time_zone("UTC"),
            "series": list(block.series) * issues,
            "origin_mw": block.origin_mw.ravel(),
            "age_minutes": block.age_minutes.ravel(),
            "scale_mw": block.scale_mw.ravel(),
            **{f"outcome_mw_h{knot}": examples.outcome_mw[..., k].ravel() for k, knot in enumerate(knots)},
        }
    )
    return keys.hstack(pl.from_numpy(block.x.reshape(-1, len(block.names)), schema=list(block.names)))


def from_frame(frame: pl.DataFrame, series: tuple[str, ...], knots: tuple[int, ...]) -> Examples:
    """The examples that `to_frame` wrote, for the chosen series.

    Raises:
        MissingDataError: a series or a knot is not in the table.
    """
    outcomes = [f"outcome_mw_h{knot}" for knot in knots]
    lacking = [*set(series).difference(frame["series"].unique()), *set(outcomes).difference(frame.columns)]
    if lacking:
        raise MissingDataError(
            f"The feature table lacks {', '.join(lacking)}.", remedy="Make it again: nowcast features.", lacking=lacking
        )
    order = pl.DataFrame({"series": series, "place": range(len(series))})
    rows = frame.join(order, on="series").sort("issue_time", "place")
    shape = (len(rows) // len(series), len(series))
    names = tuple(name for name in frame.columns if name not in _KEYS and name not in outcomes)
    names = tuple(name for name in names if not name.startswith("outcome_mw_h"))
    block = FeatureBlock(
        issue_times=rows["issue_time"]
        .gather_every(len(series))
        .dt.replace_time_zone(None)
        .to_numpy()
        .astype("datetime64[m]"),
        series=series,
        names=names,
        horizons=horizons_of(names),
        x=rows.select(names).to_numpy().astype(np.float32, copy=False).reshape(*shape, len(names)),
        origin_mw=rows["origin_mw"].to_numpy().reshape(shape),
        age_minutes=rows["age_minutes"].to_numpy().reshape(shape),
        scale_mw=rows["scale_mw"].to_numpy().reshape(shape),
    )
    outcome = rows.select(outcomes).to_numpy().reshape(*shape, len(knots))
    return Examples(block, outcome)
