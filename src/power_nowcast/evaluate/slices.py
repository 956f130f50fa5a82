"""Where bands hold and where they do not: coverage and error by local hour, by ramp and by day, with sampling errors.

Values within an hour of each other, and most of a day, are correlated. The 95 % intervals of hours, ramps and slopes
therefore take local days as blocks (`inference.block_ratio`). A day is one block, so the interval of a day's figures
rests on its own pairs in their order of time (Newey and West, `inference.mean_in_time`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import Floats
from power_nowcast.evaluate.inference import Interval, block_ratio, mean_in_time

HOUR, PREDICTED_RAMP, OBSERVED_RAMP, DAY = "hour", "predicted ramp", "observed ramp", "day"
CUTS = (0.1, 0.3, 0.7, 0.9)
RAMPS = ("steepest fall", "fall", "middle", "rise", "steepest rise")
"""Classes of ramps between the `CUTS`: the lowest tenth, the next fifth, the middle two fifths, and so on."""
COVERAGE, NOMINAL = "coverage_80", 0.8
MEANS = ("below_80", "above_80", "predicted_ramp", "observed_ramp")

_SLICES = {
    "series": pl.String,
    "horizon_min": pl.Int64,
    "by": pl.String,
    "place": pl.Int64,
    "group": pl.String,
    "n": pl.Int64,
    "days": pl.Int64,
    **{f"{name}{end}": pl.Float64 for name in (COVERAGE, "MAE") for end in ("", "_low", "_high")},
    **dict.fromkeys(MEANS, pl.Float64),
}
_SLOPES = {"series": pl.String, "horizon_min": pl.Int64, "days": pl.Int64} | dict.fromkeys(
    ("slope", "slope_low", "slope_high"), pl.Float64
)


def slices(pairs: pl.DataFrame) -> pl.DataFrame:
    """Coverage of the 80 % band and error in each slice of the pairs.

    Args:
        pairs: `scoring.losses` of one series with issue_time, horizon_min, local `hour` and `date` of the target, and
            `predicted_ramp` and `observed_ramp`, the change of the median and of the outcome since the issue time, MW.

    Returns:
        series, horizon_min, `by` (hour, predicted ramp, observed ramp, day), `place` in its order, `group`, `n` pairs,
        `days`, `coverage_80` and `MAE` (MW) with the ends `_low` and `_high` of their 95 % intervals (null where the
        pairs are too few or all alike), below_80, above_80, and the mean ramps of the slice.
    """
    known = pairs.filter("answered").sort("horizon_min", "issue_time")
    if COVERAGE not in pairs.columns:
        return pl.DataFrame(schema=_SLICES)
    rows = [row for by, labelled in _labelled(known) for row in _rows(by, labelled)]
    return pl.DataFrame(rows, schema=_SLICES, orient="row").fill_nan(None)


def slopes(pairs: pl.DataFrame) -> pl.DataFrame:
    """How many times larger ramps are than the median says: the slope of observed on predicted ramps.

    A slope above 1 belongs to a median that says too little of each ramp. Columns: series, horizon_min, `days`, `slope`
    and the ends of its 95 % interval (null where no ramp was predicted). `pairs` as for `slices`.
    """
    rows = []
    for (series, horizon), part in pairs.filter("answered").group_by("series", "horizon_min", maintain_order=True):
        x, y = part["predicted_ramp"].to_numpy(), part["observed_ramp"].to_numpy()
        x, y = x - x.mean(), y - y.mean()
        sums = pl.DataFrame({"date": part["date"], "xy": x * y, "xx": x * x}).group_by("date").sum().sort("date")
        found = block_ratio(sums["xy"].to_numpy(), sums["xx"].to_numpy())
        rows.append((series, horizon, len(sums), found.value, found.low, found.high))
    return pl.DataFrame(rows, schema=_SLOPES, orient="row").fill_nan(None)


def _labelled(pairs: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The pairs with `place` and `group`, once for each way to slice them."""
    hour = pl.col("hour")
    yield HOUR, pairs.with_columns(place=hour, group=pl.format("{}:00", hour.cast(pl.String).str.zfill(2)))
    for by, name in ((PREDICTED_RAMP, "predicted_ramp"), (OBSERVED_RAMP, "observed_ramp")):
        # A ramp on a cut, as of a series that never moves, counts with the ramps below it.
        edges = [pl.col(name).quantile(cut, interpolation="linear").over("horizon_min") for cut in CUTS]
        place = pl.sum_horizontal((pl.col(name) > edge).cast(pl.Int64) for edge in edges)
        yield by, pairs.with_columns(place=place, group=place.replace_strict(range(len(RAMPS)), RAMPS))
    date = pl.col("date")
    yield DAY, pairs.with_columns(place=date.to_physical().cast(pl.Int64), group=date.cast(pl.String))


def _rows(by: str, pairs: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    # Arrays, because a table for each of some hundred slices would cost more than the figures.
    pairs = pairs.sort("horizon_min", "place", maintain_order=True)
    horizons, places, days = (pairs[name].to_physical().to_numpy() for name in ("horizon_min", "place", "date"))
    columns = {name: pairs[name].to_numpy() for name in (COVERAGE, "absolute", *MEANS)}
    minutes = np.diff(np.unique(pairs["issue_time"].to_numpy())) / np.timedelta64(1, "m")
    spacing = max(1, int(minutes.min())) if len(minutes) else 1
    edges = np.flatnonzero((np.diff(horizons) != 0) | (np.diff(places) != 0)) + 1
    for begin, end in zip([0, *edges], [*edges, len(pairs)], strict=True):
        if begin == end:
            continue
        horizon, own = int(horizons[begin]), slice(begin, end)
        overlap = -(-horizon // spacing)
        hits, errors = columns[COVERAGE][own], columns["absolute"][own]
        if by == DAY:
            coverage, error = mean_in_time(hits, overlap), mean_in_time(errors, overlap)
        else:
            coverage, error = _over_days(hits, days[own]), _over_days(errors, days[own])
        yield (
            *(pairs["series"][int(begin)], horizon, by, int(places[begin]), pairs["group"][int(begin)]),
            *(int(end - begin), len(np.unique(days[own]))),
            *(coverage.value, *_within(coverage, 1.0), error.value, *_within(error, np.inf)),
            *(float(columns[name][own].mean()) for name in MEANS),
        )


def _over_days(values: Floats, days: NDArray[np.int32]) -> Interval:
    _, day = np.unique(days, return_inverse=True)
    return block_ratio(np.bincount(day, values), np.bincount(day).astype(np.float64))


def _within(one: Interval, most: float) -> Sequence[float]:
    """The ends of an interval, no farther than the figure itself can go."""
    ends: Floats = np.clip([one.low, one.high], 0.0, most)
    return ends.tolist()  # type: ignore[no-any-return]
