"""What the watch learns at training: for each figure the value that is usual, and the limit beyond which it is not.

A limit comes from the backtest's own rolling windows of that length, on hold-out time: it is twice as far from what is
usual as the furthest of all windows of all series, because a month shows too little of how months differ. What a
published forecast changes by is rare and each zone's own, so that its limit comes from the time of training, too; so
does that of a zone whose values are late.
Nobody tunes a limit; docs/watch.md has the false alarms that were measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.bundle.late_zones import REACH_MINUTES, learnt_lateness
from power_nowcast.bundle.outcomes import target_times
from power_nowcast.bundle.windows import DAY, HOUR, PAIRS, THREE_DAYS, WEEK, rolling, tally, together
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats, Times
from power_nowcast.contracts.times import aware
from power_nowcast.models.examples import Examples
from power_nowcast.regions import Region
from power_nowcast.scoring import pinball_losses

MONTH = 30 * DAY
WIDER = 2.0
"""A limit is so many times as far from the usual value as the furthest window of hold-out time."""
FEWEST = 3
"""Hold-out time must be so many times as long as a window; a shorter one does not show how windows differ."""
LEARNT = np.timedelta64(180, "D")
"""So much of training, at most, is looked at for changes of the forecast."""
LOW, HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)
LOSS, COVERAGE, BIAS, JUMPS, CHANGE, RISE, FALL = "loss", "coverage", "bias", "jumps", "change", "rise", "fall"
LATENESS = "lateness"
"""Names of the figures. `change`: the largest change of a median, in widths of the band that was said before.
`lateness`: how many times better a zone fits the others as of an hour before (`late_zones`)."""
WINDOWS = ((LOSS, DAY, False), (LOSS, WEEK, False), (COVERAGE, WEEK, False), (BIAS, WEEK, True), (JUMPS, DAY, False))
"""Figures of windows: name, minutes, and whether each block of the day has its own."""
TOGETHER = ""
"""In place of a series: the mean over all of them."""

LIMITS = pl.Schema(
    {
        "figure": pl.String(),
        "series": pl.String(),  # `TOGETHER` for the mean over all of them
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
        spacing_minutes: minutes between two nowcasts that jumps and changes compare; None if nothing says so: a version
            of before it was kept, or steps of which no two are for the same moment.
        trained_until: the last issue time of hold-out time; None in a version of before it was kept.
    """

    horizons: tuple[int, ...]
    rows: pl.DataFrame
    spacing_minutes: int | None = None
    trained_until: datetime | None = None

    @property
    def spacing(self) -> timedelta | None:
        """`spacing_minutes` as a time."""
        return None if self.spacing_minutes is None else timedelta(minutes=self.spacing_minutes)

    @classmethod
    def measured(
        cls,
        region: Region,
        knots: tuple[int, ...],
        held_out: Floats,
        examples: tuple[Examples, Examples],
        learnt: Floats | None = None,
    ) -> Self:
        """The limits that hold-out time shows; those of ramps come from all of history, those of changes from both.

        Args:
            region: the region.
            knots: minutes after the origin of the outcomes.
            held_out: calibrated out-of-sample quantiles of hold-out time in MW, shape (issue, series, knot, quantile).
            examples: those of training and of hold-out time.
            learnt: calibrated quantiles of the newest issue times of training in MW, as those of `held_out`; None if
                they are not known.
        """
        valid = examples[1]
        chosen = [k for k, knot in enumerate(knots) if knot in region.steps_minutes]
        horizons = tuple(knots[k] for k in chosen)
        every = _spacing(valid.block)
        spacing = compared(horizons, every)
        pairs = tally(_pairs(valid, held_out, chosen, horizons), region.timezone)
        an_hour = HOUR / every * len(horizons)
        rows = list[tuple[object, ...]]()
        for name, minutes, by_block in WINDOWS:
            if name != JUMPS and _is_long_enough(valid.block, minutes):
                rows += _of_windows(rolling(pairs, minutes, an_hour, by_block=by_block), name, minutes)
        if _is_long_enough(valid.block, THREE_DAYS):
            rows += _of_windows(together(rolling(pairs, THREE_DAYS, an_hour)), COVERAGE, THREE_DAYS)
        if spacing is not None:
            block = valid.block
            moved = changes(block.issue_times, held_out[:, :, chosen], horizons, spacing)
            if _is_long_enough(block, DAY):
                told = tally(jump_pairs(block.issue_times, block.series, moved), region.timezone)
                rows += _of_windows(rolling(told, DAY, HOUR / every), JUMPS, DAY)
            known = [moved[1]]
            if learnt is not None:
                times = examples[0].block.issue_times[-len(learnt) :]
                known.append(changes(times, learnt[:, :, chosen], horizons, spacing)[1])
            rows += _of_own(CHANGE, block.series, np.concatenate(known), least=1.0)
        names, late = learnt_lateness(region, [one.block for one in examples])
        if len(late) >= MONTH // HOUR:
            rows += _of_own(LATENESS, names, late, minutes=REACH_MINUTES)
        rows += _of_ramps(region, examples, chosen)
        last = aware(valid.block.issue_times[-1])
        return cls(horizons, pl.DataFrame(rows, LIMITS, orient="row"), spacing, last)

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` restores the same bits."""
        told: dict[str, Any] = {"horizons": list(self.horizons), "limits": self.rows.rows(named=True)}
        # Files of before these were kept have no such keys, and keep their digest.
        if self.spacing_minutes is not None:
            told["spacing_minutes"] = self.spacing_minutes
        if self.trained_until is not None:
            told["trained_until"] = self.trained_until.isoformat()
        return told

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        rows, until = pl.DataFrame(values["limits"], LIMITS), values.get("trained_until")
        last = None if until is None else datetime.fromisoformat(until)
        return cls(tuple(values["horizons"]), rows, values.get("spacing_minutes"), last)


def compared(steps: tuple[int, ...], every: int) -> int | None:
    """Minutes between two nowcasts that are compared: those by which most of the steps have another one for the same
    moment; of several the shortest time. None if no two steps are for the same moment.

    Args:
        steps: minutes after the issue time.
        every: minutes between issue times.

    >>> compared((5, 15, 30, 45, 60), 5)
    15
    """
    gaps = {later - step for step in steps for later in steps if later > step and (later - step) % every == 0}
    return min(gaps, key=lambda gap: (-sum(step + gap in steps for step in steps), gap), default=None)


def changes(
    issue_times: Times, quantiles: Floats, steps: tuple[int, ...], spacing: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """How far medians moved from the nowcast of `spacing` minutes before, each of shape (issue, series).

    Args:
        issue_times: ascending, shape (issue,).
        quantiles: in MW, shape (issue, series, step, quantile).
        steps: minutes ahead.
        spacing: minutes between the issue times that are compared.

    Returns:
        Whether a median left the band of 80 % that was said for the same moment before, and the largest change in
        widths of that band; NaN (and false) where there is nothing to compare.
    """
    shape = quantiles.shape[:2]
    left, ratio = np.zeros(shape, bool), np.full(shape, np.nan)
    earlier = issue_times - np.timedelta64(spacing, "m")
    place = np.minimum(np.searchsorted(issue_times, earlier), len(issue_times) - 1)
    follows = issue_times[place] == earlier
    with np.errstate(invalid="ignore", divide="ignore"):
        for k, step in enumerate(steps):
            if step + spacing not in steps:
                continue
            before = quantiles[place, :, steps.index(step + spacing)]
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


def _is_long_enough(block: FeatureBlock, minutes: int) -> bool:
    """Whether enough windows that do not overlap fit into the issue times."""
    return bool(block.issue_times[-1] - block.issue_times[0] >= np.timedelta64(FEWEST * minutes - HOUR, "m"))


def _of_windows(frame: pl.DataFrame, name: str, minutes: int) -> list[tuple[object, ...]]:
    """Rows of `LIMITS` of one figure of windows.

    Losses are compared by their ratio to the usual one, all other figures by their difference from it. The furthest
    window of all series and blocks counts for each of them: one that was quiet by chance gets no tighter limit.
    """
    column = COVERAGE if name == JUMPS else name
    by = ["series", *(["block"] if "block" in frame.columns else [])]
    figure = 1 - pl.col(column) if name == JUMPS else pl.col(column).abs() if name == BIAS else pl.col(column)
    told = frame.drop_nulls(column).select(*by, figure=figure)
    if name == LOSS:
        told = told.filter(pl.col("figure") > 0)
    usual = pl.col("figure").median().over(by)
    away = (pl.col("figure") / usual).log() if name == LOSS else pl.col("figure") - usual
    sign = -1.0 if name == COVERAGE else 1.0
    furthest = told.select((sign * away).max()).item()
    if furthest is None:
        return []
    rows = told.group_by(by, maintain_order=True).agg(usual=pl.col("figure").median())
    far = max(0.0, furthest) * WIDER
    limit = pl.col("usual") * float(np.exp(far)) if name == LOSS else pl.col("usual") + sign * far
    found = rows.with_columns(limit=limit)
    return [
        (name, one["series"], one.get("block"), minutes, one["usual"], one["limit"])
        for one in found.iter_rows(named=True)
    ]


def _of_own(
    name: str, series: tuple[str, ...], values: NDArray[np.float64], *, minutes: int = 0, least: float = 0.0
) -> list[tuple[object, ...]]:
    """Rows of `LIMITS` of a figure (moment, series) whose limit is each series' own; it is at least `least`.

    Telemetry of some series jumps more often than that of others, so that each has its own limit; one that was quiet by
    chance has that of the middle one.
    """
    has = [s for s in range(len(series)) if np.isfinite(values[:, s]).any()]
    if not has:
        return []
    usual, furthest = np.nanmedian(values[:, has], axis=0), np.nanmax(values[:, has], axis=0)
    far = np.maximum(furthest, np.median(furthest)) - usual
    limits = np.maximum(least, usual + WIDER * far)
    return [
        (name, series[s], None, minutes, float(middle), float(most))
        for s, middle, most in zip(has, usual, limits, strict=True)
    ]


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


def _spacing(block: FeatureBlock) -> int:
    """Minutes between issue times."""
    gaps = np.diff(block.issue_times).astype(np.int64)
    return max(1, int(np.median(gaps))) if len(gaps) else HOUR
