"""Rolling-origin backtest: nowcasts of every issue time from what was known then, with the truth and the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import PREDICTIONS, UTC, FeatureBlock, Floats, Nowcasts, Panel, Times, from_table, to_table
from power_nowcast.contracts.times import aware, minute
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.features import plants
from power_nowcast.features.build_features import final_power
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions import Region

DELAYS = (0, 5, 10)
"""Delays of the data in minutes, in every published table."""

WRITTEN = pl.Schema({**PREDICTIONS, "valid_at": UTC, "actual_mw": pl.Float64(), "at_issue_mw": pl.Float64()})
"""The predictions of a backtest as a file: what was said, for when, what came, and the value at the issue time."""


class Forecaster(Protocol):
    """A model version or a baseline that is backtested, each with its own online calibration."""

    def replay(self, panel: Panel, issue_times: Times, *, delay_minutes: int = 0) -> tuple[Nowcasts, Any]:
        """Nowcasts of every issue time, learning only from outcomes already seen, and the calibration at the end."""
        ...


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest; arrays in MW.

    `actual` has shape (issue, series, step) and `at_issue` (issue, series), NaN where nothing was published. `late`
    holds the model's nowcasts by the delay of the data in minutes, and `late_baselines` those of each baseline. The
    data of `nowcasts` and `baselines` have a delay of `delay_minutes`.
    """

    region: Region
    nowcasts: Nowcasts
    actual: Floats
    at_issue: Floats
    baselines: Mapping[str, Nowcasts] = field(default_factory=dict)
    late: Mapping[int, Nowcasts] = field(default_factory=dict)
    late_baselines: Mapping[int, Mapping[str, Nowcasts]] = field(default_factory=dict)
    delay_minutes: int = 0

    def __post_init__(self) -> None:
        shape = self.nowcasts.values.shape[:3]
        if self.actual.shape != shape or self.at_issue.shape != shape[:2]:
            raise ConfigurationError(
                f"The truth has the shape {self.actual.shape}, the nowcasts {shape}.",
                remedy="Score nowcasts against the truth of their own issue times, series and steps.",
            )
        late = [one for group in self.late_baselines.values() for one in group.values()]
        for other in (*self.baselines.values(), *self.late.values(), *late):
            _check_alike(self.nowcasts, other)

    @property
    def first(self) -> datetime:
        """First issue time, UTC."""
        return aware(self.nowcasts.issue_times.min())

    @property
    def last(self) -> datetime:
        """Last issue time, UTC."""
        return aware(self.nowcasts.issue_times.max())

    def write_predictions(self, path: Path) -> Path:
        """The model's nowcasts as Parquet with the columns `WRITTEN`; returns the path.

        `actual_mw` and `at_issue_mw` are the truth at `valid_at` and at the issue time (with data on time, the last
        value that was known); they are null where nothing was published.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        answered = np.isfinite(self.nowcasts.values).all(axis=-1)
        at_issue = np.broadcast_to(self.at_issue[..., None], answered.shape)
        after = pl.duration(minutes="horizon_min", time_unit="us")
        told = to_table(self.nowcasts).with_columns(
            valid_at=pl.col("issue_time") + after,
            actual_mw=pl.Series(self.actual[answered], dtype=pl.Float64).fill_nan(None),
            at_issue_mw=pl.Series(at_issue[answered], dtype=pl.Float64).fill_nan(None),
        )
        told.match_to_schema(WRITTEN).write_parquet(path)
        return path

    @classmethod
    def read_predictions(cls, path: Path, region: Region) -> Self:
        """The model's part of a backtest from a file that `write_predictions` wrote: no baselines, no late data.

        Issue times at which no series was answered are not in the file.

        Raises:
            SourceFormatError: the file lacks a column.
        """
        table = pl.read_parquet(path)
        if missing := [name for name in WRITTEN if name not in table.columns]:
            raise SourceFormatError(
                f"The predictions {path.name} have no column {', '.join(missing)}.",
                remedy="Evaluate the version again: nowcast evaluate.",
                file=path.name,
                missing=missing,
            )
        there = set(table["series"])
        series = tuple(name for name in region.series if name in there)
        nowcasts = from_table(table.select(PREDICTIONS.names()), region.name, series=series)
        keys = ("series", "issue_time")
        # The truth has the form of a nowcast with a single level.
        actual = table.select(*keys, "horizon_min", q50="actual_mw")
        at_issue = table.group_by(keys, maintain_order=True).agg(pl.col("at_issue_mw").first())
        at_issue = at_issue.select(*keys, q50="at_issue_mw", horizon_min=pl.lit(0, pl.Int64))
        known = [
            from_table(one, region.name, issue_times=nowcasts.issue_times, series=series).values[..., 0]
            for one in (actual, at_issue)
        ]
        return cls(region, nowcasts, known[0], known[1][..., 0])


def issue_times(first: datetime, last: datetime, every_minutes: int) -> Times:
    """Issue times from `first` to `last`, both included where they fall on the spacing, shape (issue,)."""
    begin, end = minute(first), minute(last)
    return np.arange(begin, end + np.timedelta64(1, "m"), np.timedelta64(every_minutes, "m"))


def truth(
    panel: Panel, region: Region, issues: Times, steps_minutes: Sequence[int], *, nights: bool = False
) -> NDArray[np.float64]:
    """Value at each step after each issue time in MW, shape (issue, series, step); NaN where none was published and,
    without `nights`, for solar power in the dark.

    The truth is the panel's last state: late rows and corrections count.
    """
    power = final_power(panel, region)
    after = np.asarray(steps_minutes, "timedelta64[m]")
    minutes = (np.asarray(issues, "datetime64[m]")[:, None] + after - panel.start).astype(np.int64)
    slot = minutes // panel.step_minutes
    inside = (minutes % panel.step_minutes == 0) & (slot >= 0) & (slot < len(power))
    values = np.moveaxis(np.where(inside[..., None], power[np.where(inside, slot, 0)], np.nan), -1, 1)
    if nights:
        return values
    target = np.broadcast_to(panel.start + minutes[:, None].astype("timedelta64[m]"), values.shape)
    return np.where(plants.dark(region, panel.series, target), np.nan, values)


def run(
    model: Forecaster,
    baselines: Mapping[str, Forecaster],
    panel: Panel,
    region: Region,
    issues: Times,
    *,
    delays: Sequence[int] = DELAYS,
) -> Backtest:
    """Replay the model and the baselines at every issue time, with data on time and late.

    Args:
        model: the one that is judged.
        baselines: by the name that tables and plots show; the first one scales the errors of worst days.
        panel: all that was ever known of the period, of the weeks of history before it, and of the hour after it.
        region: the panel's region.
        issues: shape (issue,).
        delays: of the load, in minutes; 0 always runs.

    Raises:
        MissingDataError: no issue time has a truth.
    """
    together = [model, *baselines.values()]
    nowcasts, *others = _replayed(together, panel, issues, 0)
    columns = [panel.series.index(name) for name in nowcasts.series]
    issues = nowcasts.issue_times  # a replay sorts issue times
    actual = truth(panel, region, issues, nowcasts.steps_minutes)[:, columns]
    if not np.isfinite(actual).any():
        raise MissingDataError(
            "No issue time of the backtest has a value that it could be scored with.",
            remedy="Ingest the period, or choose issue times at least an hour before the end of the data.",
            region=region.name,
        )
    late = {delay: _replayed(together, panel, issues, delay) for delay in delays if delay}
    return Backtest(
        region=region,
        nowcasts=nowcasts,
        actual=actual,
        at_issue=truth(panel, region, issues, (0,), nights=True)[:, columns, 0],
        baselines=dict(zip(baselines, others, strict=True)),
        late={delay: told[0] for delay, told in late.items()},
        late_baselines={delay: dict(zip(baselines, told[1:], strict=True)) for delay, told in late.items()},
    )


def _replayed(forecasters: Sequence[Forecaster], panel: Panel, issues: Times, delay: int) -> list[Nowcasts]:
    """Nowcasts of each forecaster. Bundles that read the same features share them: they are half of a replay's work."""
    blocks: dict[tuple[FeatureSpec, tuple[str, ...]], FeatureBlock] = {}
    ascending, told = np.sort(np.asarray(issues, "datetime64[m]")), list[Nowcasts]()
    for one in forecasters:
        if isinstance(one, Bundle):
            key = one.spec, one.model.series
            if key not in blocks:
                blocks[key] = one.features(panel, ascending, delay)
            told.append(one.replay(panel, ascending, delay_minutes=delay, block=blocks[key])[0])
        else:
            told.append(one.replay(panel, issues, delay_minutes=delay)[0])
    return told


def _check_alike(one: Nowcasts, other: Nowcasts) -> None:
    alike = (
        one.series == other.series
        and one.steps_minutes == other.steps_minutes
        and one.quantiles == other.quantiles
        and np.array_equal(one.issue_times, other.issue_times)
    )
    if not alike:
        raise ConfigurationError(
            "Nowcasts of different issue times, series, steps or quantiles cannot be compared.",
            remedy="Run the model and every baseline over the same ones.",
        )
