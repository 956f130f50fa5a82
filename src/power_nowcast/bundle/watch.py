"""What the watch learns at training: for each figure the value that is usual, and the limit beyond which it is not.

A limit is a quantile of the backtest's own rolling windows of that length, on hold-out time. The share of windows
beyond it is chosen so that a region has one false alarm a month: a month has so many windows that do not overlap, and a
region so many figures. Hold-out time is too short to show that share, so an exponential tail continues the largest
tenth of its windows. Nobody tunes a limit.

A month of hold-out time shows too little of how weeks differ, so that there are more false alarms than that:
docs/watch.md has the measured figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.bundle.outcomes import target_times
from power_nowcast.bundle.windows import DAY, FIGURES, HOUR, PAIRS, WEEK, rolling, tally
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats, Times
from power_nowcast.models.examples import Examples
from power_nowcast.regions import Region
from power_nowcast.scoring import pinball_losses

MONTH = 30 * DAY
FALSE_ALARMS = 1.0
"""False alarms a month and region, over all figures of all series together."""
TAIL = 0.1
"""The share of windows that makes the tail."""
LOW, HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)
LOSS, COVERAGE, BIAS, JUMPS, CHANGE, RISE, FALL = "loss", "coverage", "bias", "jumps", "change", "rise", "fall"
"""Names of the figures. `change`: the largest change of a median, in widths of the band that was said before."""
WINDOWS = ((LOSS, DAY, False), (LOSS, WEEK, False), (COVERAGE, WEEK, False), (BIAS, WEEK, True), (JUMPS, DAY, False))
"""Figures of windows: name, minutes, and whether each block of the day has its own."""
BLOCKS = 6
CHECKS = sum(BLOCKS if by_block else 1 for _, _, by_block in WINDOWS) + 1
"""Limits of a series that can raise an alarm by chance: those of windows, and that of the change."""

LIMITS = pl.Schema(
    {
        "figure": pl.String(),
        "series": pl.String(),
        "block": pl.Int64(),  # null if the figure is not told by block
        "minutes": pl.Int64(),  # length of the window; 0 for a publication
        "usual": pl.Float64(),  # the median of the windows
        "limit": pl.Float64(),  # coverage below it is too low; any other figure above it is too high
    }
)
"""One row for each limit; a figure whose windows do not fit into hold-out time has none."""


@dataclass(frozen=True, eq=False)
class WatchLimits:
    """The limits of a version.

    Attributes:
        horizons: minutes ahead of the pairs that its figures are of.
        rows: rows of `LIMITS`.
    """

    horizons: tuple[int, ...]
    rows: pl.DataFrame

    @classmethod
    def measured(
        cls, region: Region, knots: tuple[int, ...], held_out: Floats, examples: tuple[Examples, Examples]
    ) -> Self:
        """The limits that hold-out time shows; those of ramps come from all of history.

        Args:
            region: the region.
            knots: minutes after the origin of the outcomes.
            held_out: calibrated out-of-sample quantiles of hold-out time in MW, shape (issue, series, knot, quantile).
            examples: those of training and of hold-out time.
        """
        valid = examples[1]
        chosen = [k for k, knot in enumerate(knots) if knot in region.steps_minutes]
        horizons = tuple(knots[k] for k in chosen)
        spacing, checks = _spacing(valid.block), CHECKS * len(valid.block.series)
        moved = changes(valid.block.issue_times, held_out, knots, spacing)
        pairs = _pairs(valid, held_out, chosen, horizons), HOUR / spacing * len(horizons)
        jumps = jump_pairs(valid.block.issue_times, valid.block.series, moved), HOUR / spacing
        rows = list[tuple[object, ...]]()
        for name, minutes, by_block in WINDOWS:
            some, an_hour = jumps if name == JUMPS else pairs
            windows = rolling(tally(some, region.timezone), minutes, an_hour, by_block=by_block)
            rows += _of_windows(windows, name, minutes, checks)
        rows += _of_changes(valid.block.series, moved[1], region.interval_minutes, checks)
        rows += _of_ramps(region, examples, chosen)
        return cls(horizons, pl.DataFrame(rows, LIMITS, orient="row"))

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` restores the same bits."""
        return {"horizons": list(self.horizons), "limits": self.rows.rows(named=True)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(tuple(values["horizons"]), pl.DataFrame(values["limits"], LIMITS))


def changes(
    issue_times: Times, quantiles: Floats, knots: tuple[int, ...], spacing: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """How far medians moved from one issue time to the next, each of shape (issue, series).

    Args:
        issue_times: shape (issue,).
        quantiles: in MW, shape (issue, series, knot, quantile).
        knots: minutes after the origin.
        spacing: minutes between issue times; others do not count.

    Returns:
        Whether a median left the band of 80 % that was said for the same moment before, and the largest change in
        widths of that band; NaN (and false) where there is nothing to compare.
    """
    shape = quantiles.shape[:2]
    left, ratio = np.zeros(shape, bool), np.full(shape, np.nan)
    follows = np.zeros(len(issue_times), bool)
    follows[1:] = np.diff(issue_times) == np.timedelta64(spacing, "m")
    with np.errstate(invalid="ignore", divide="ignore"):
        for k, knot in enumerate(knots):
            if knot + spacing not in knots:
                continue
            before = np.roll(quantiles[:, :, knots.index(knot + spacing)], 1, axis=0)
            median = quantiles[:, :, k, MEDIAN]
            left |= (median < before[..., LOW]) | (median > before[..., HIGH])
            width = before[..., HIGH] - before[..., LOW]
            moved = np.abs(median - before[..., MEDIAN])
            ratio = np.fmax(ratio, np.where(width > 0, moved / width, np.nan))
    ratio[~follows] = np.nan
    return left & np.isfinite(ratio), ratio


def _pairs(valid: Examples, quantiles: Floats, chosen: list[int], horizons: tuple[int, ...]) -> pl.DataFrame:
    block, outcome = valid.block, valid.outcome_mw[..., chosen]
    values = quantiles[:, :, chosen]
    flat = pl.DataFrame(
        {
            "series": np.broadcast_to(np.array(block.series)[None, :, None], outcome.shape).ravel(),
            "valid_at": target_times(block, horizons).astype("datetime64[us]").ravel(),
            "error": (values[..., MEDIAN] - outcome).ravel(),
            "pinball": pinball_losses(outcome, values, QUANTILES).mean(axis=-1).ravel(),
            "persistence": np.abs(block.origin_mw[..., None] - outcome).ravel(),
            "is_inside": ((outcome >= values[..., LOW]) & (outcome <= values[..., HIGH])).ravel(),
        }
    )
    return _as_pairs(flat)


def jump_pairs(
    issue_times: Times, series: tuple[str, ...], moved: tuple[NDArray[np.bool_], NDArray[np.float64]]
) -> pl.DataFrame:
    """Rows of `PAIRS`, one a publication and series, whose "coverage" is the share without a jump.

    `moved` is what `changes` gives.
    """
    left, moved_by = moved
    nothing = np.where(np.isfinite(moved_by), 0.0, np.nan).ravel()
    return _as_pairs(
        pl.DataFrame(
            {
                "series": np.broadcast_to(np.array(series), left.shape).ravel(),
                "valid_at": np.repeat(issue_times.astype("datetime64[us]"), left.shape[1]),
                "error": nothing,
                "pinball": nothing,
                "persistence": nothing,
                "is_inside": ~left.ravel(),
            }
        )
    )


def _as_pairs(flat: pl.DataFrame) -> pl.DataFrame:
    told = flat.with_columns(pl.col("valid_at").dt.replace_time_zone("UTC"))
    numbers = pl.col("error", "pinball", "persistence").fill_nan(None)
    return told.with_columns(numbers).drop_nulls().select(pl.col(name).cast(kind) for name, kind in PAIRS.items())


def _of_windows(frame: pl.DataFrame, name: str, minutes: int, checks: int) -> list[tuple[object, ...]]:
    """Rows of `LIMITS` of one figure of windows."""
    beyond = FALSE_ALARMS / checks * minutes / MONTH
    by = ["series", *(["block"] if len(frame.columns) > len(FIGURES) else [])]
    rows = list[tuple[object, ...]]()
    for key, group in frame.group_by(by, maintain_order=True):
        figure = group[COVERAGE if name == JUMPS else name].drop_nulls().to_numpy()
        series, block = key[0], key[1] if len(key) > 1 else None
        if not len(figure):
            continue
        if name in (COVERAGE, JUMPS):
            usual, limit = 1 - float(np.median(figure)), _limit(1 - figure, beyond)
            usual, limit = (usual, limit) if name == JUMPS else (1 - usual, 1 - limit)
        else:
            size = np.abs(figure)
            usual, limit = float(np.median(size)), _limit(size, beyond)
        rows.append((name, series, block, minutes, usual, limit))
    return rows


def _of_changes(
    series: tuple[str, ...], ratio: NDArray[np.float64], interval_minutes: int, checks: int
) -> list[tuple[object, ...]]:
    """Rows of `LIMITS` of the change of a publication; it is at least one width of the band."""
    beyond = FALSE_ALARMS / checks * interval_minutes / MONTH
    rows = list[tuple[object, ...]]()
    for s, name in enumerate(series):
        known = ratio[np.isfinite(ratio[:, s]), s]
        if len(known):
            rows.append((CHANGE, name, None, 0, float(np.median(known)), max(1.0, _limit(known, beyond))))
    return rows


def _of_ramps(region: Region, examples: tuple[Examples, Examples], chosen: list[int]) -> list[tuple[object, ...]]:
    """Rows of `LIMITS` of the largest ramp within an hour: that which one day in thirty exceeds.

    Those of the total; of every series in a region without one.
    """
    block = examples[0].block
    days = np.concatenate([one.block.issue_times.astype("datetime64[D]") for one in examples])
    begins = np.unique(days, return_index=True)[1]
    rows = list[tuple[object, ...]]()
    for s, name in enumerate(block.series):
        if region.total not in (None, name):
            continue
        moved = np.concatenate([one.outcome_mw[:, s, chosen] - one.block.origin_mw[:, s, None] for one in examples])
        for figure, ramp in ((RISE, moved), (FALL, -moved)):
            largest = np.fmax.reduce(ramp, axis=1, initial=-np.inf)
            of_day = np.maximum.reduceat(largest, begins)
            of_day = of_day[np.isfinite(of_day)]
            if len(of_day):
                limit = float(np.quantile(of_day, 1 - DAY / MONTH, method="higher"))
                rows.append((figure, name, None, HOUR, float(np.median(of_day)), limit))
    return rows


def _limit(values: Floats, beyond: float) -> float:
    """The level that a share of windows exceeds, by an exponential tail; at least the largest window."""
    edge = float(np.quantile(values, 1 - TAIL))
    tail = values[values > edge]
    excess = float((tail - edge).mean()) if len(tail) else 0.0
    return max(float(values.max()), edge + excess * float(np.log(TAIL / beyond)))


def _spacing(block: FeatureBlock) -> int:
    """Minutes between issue times."""
    gaps = np.diff(block.issue_times).astype(np.int64)
    return max(1, int(np.median(gaps))) if len(gaps) else HOUR
