"""The tables of a backtest that the report, MLflow and the promotion rule read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from power_nowcast import scoring
from power_nowcast.contracts import Floats, Nowcasts
from power_nowcast.errors import SourceFormatError
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.slices import slices, slopes
from power_nowcast.features import plants
from power_nowcast.regions import Region

WORST_DAYS = 10
PERSISTENCE = "persistence"
MOST_HORIZONS = 4
"""Horizons of `figures` and slices: with six figures each, a run still has few."""
HALF_A_DAY = 0.5
"""A day with a smaller share of its pairs than this is an edge of the period, not a bad day."""


@dataclass(frozen=True)
class Scorecard:
    """Tables in the columns of `scoring.summarise` unless said otherwise; MW, shares of 1, MAPE and nMAE in percent.

    Load has a MAPE. Wind and solar power, which come near zero, have the nMAE: the MAE in percent of the plausible
    maximum. Solar power is scored in daylight only.

    Hours, months and days are local to the region and those of the target time, not of the issue time.
    """

    region: str
    title: str
    timezone: str
    unit: str
    first: datetime
    last: datetime
    issues: int
    series: tuple[str, ...]
    steps_minutes: tuple[int, ...]
    baselines: tuple[str, ...]
    by_series: pl.DataFrame
    """(series, horizon_min)."""
    by_horizon: pl.DataFrame
    """horizon_min; the plain mean over series of the metrics without a unit: MAPE, nMAE, skills, coverages, tails."""
    by_hour: pl.DataFrame
    """(series, horizon_min, hour)."""
    by_month: pl.DataFrame
    """(series, horizon_min, month as YYYY-MM), with the number of `days`."""
    by_day: pl.DataFrame
    """(series, horizon_min, date)."""
    by_hour_weekday: pl.DataFrame
    """(series, hour, weekday from Monday = 1), all horizons together, with the number of `days`."""
    worst_days: pl.DataFrame
    """series, rank, date, weekday, scaled_error, MAE, coverage_80, worst_hour, worst_error, scaled_<baseline>; see
    `_by_error`."""
    typical_days: pl.DataFrame
    """The day of the median error of each series, in the columns of `worst_days`; its rank is among all whole days."""
    slices: pl.DataFrame
    """Coverage and error by hour, ramp and day at a few horizons, with sampling errors; see `slices.slices`."""
    slopes: pl.DataFrame
    """Observed ramps against predicted ones at a few horizons; see `slices.slopes`."""
    reliability: pl.DataFrame
    """series, horizon_min, level, share of truths at or below the quantile, n."""
    delays: pl.DataFrame
    """(delay_min, series, horizon_min), and MAE_change: percent above that of the backtest's own delay."""

    def row(self, series: str, horizon_min: int) -> dict[str, float | int | str | None]:
        """The row of `by_series`, empty if there is none."""
        found = self.by_series.filter((pl.col("series") == series) & (pl.col("horizon_min") == horizon_min))
        return found.row(0, named=True) if len(found) else {}

    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table by its name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, pl.DataFrame)}

    def write(self, folder: Path) -> list[Path]:
        """Every table as a CSV file of its name; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, table in self.tables().items():
            paths.append(folder / f"{name}.csv")
            table.write_csv(paths[-1])
        return paths

    @classmethod
    def read(cls, folder: Path, backtest: Backtest) -> Self:
        """The scorecard that `write` wrote into `folder`; `backtest` is the one that it is of, with or without its
        baselines.

        Raises:
            SourceFormatError: a table is missing.
        """
        names = [item.name for item in fields(cls) if item.type is pl.DataFrame]
        if missing := [name for name in names if not (folder / f"{name}.csv").is_file()]:
            raise SourceFormatError(
                f"The scorecard has no table {', '.join(missing)}.",
                remedy="Evaluate the version again: nowcast evaluate.",
                missing=missing,
            )
        tables: dict[str, Any] = {
            name: pl.read_csv(folder / f"{name}.csv", try_parse_dates=True, infer_schema_length=None) for name in names
        }
        baselines = [name.removeprefix("MAE_") for name in tables["by_series"].columns if name.startswith("MAE_")]
        return cls(**_facts(backtest), baselines=tuple(baselines), **tables)


def scorecard(backtest: Backtest) -> Scorecard:
    """Score the pairs of a backtest whose values at the issue time and at the target are both published."""
    model, region = backtest.nowcasts, backtest.region
    actual = np.where(np.isfinite(backtest.at_issue)[..., None], backtest.actual, np.nan)
    names = tuple(backtest.baselines)
    parts: dict[str, list[pl.DataFrame]] = {}
    for column in range(len(model.series)):
        # One series after the other: a table of all series at once would take gigabytes for a month.
        keys = _keys(backtest, column)
        others = {name: one.values[:, column] for name, one in backtest.baselines.items()}
        pairs = scoring.losses(keys, actual[:, column], model.values[:, column], model.quantiles, others)
        for name, by in {
            "by_series": ["series", "horizon_min"],
            "by_hour": ["series", "horizon_min", "hour"],
            "by_month": ["series", "horizon_min", "month"],
            "by_day": ["series", "horizon_min", "date"],
            "by_hour_weekday": ["series", "hour", "weekday"],
        }.items():
            table = scoring.summarise(pairs, by).sort(by)
            if name in ("by_month", "by_hour_weekday"):
                days = pairs.filter("answered").group_by(by).agg(days=pl.col("date").n_unique().cast(pl.Int64))
                table = table.join(days, on=by, how="left", maintain_order="left")
            parts.setdefault(name, []).append(table)
        ranked = _by_error(pairs, names)
        parts.setdefault("worst_days", []).append(ranked.head(WORST_DAYS))
        parts.setdefault("typical_days", []).append(ranked.slice(len(ranked) // 2, 1))
        chosen = pairs.filter(pl.col("horizon_min").is_in(_few(model.steps_minutes)))
        parts.setdefault("slices", []).append(slices(chosen))
        parts.setdefault("slopes", []).append(slopes(chosen))
        parts.setdefault("reliability", []).append(_reliability(model, actual, column))
        parts.setdefault("delays", []).append(_delays(backtest, keys, actual, column))
    tables: dict[str, Any] = {name: _relative(pl.concat(frames), region) for name, frames in parts.items()}
    return Scorecard(**_facts(backtest), baselines=names, by_horizon=_by_horizon(tables["by_series"]), **tables)


def _facts(backtest: Backtest) -> dict[str, Any]:
    """The fields of a scorecard that are no tables, without the names of the baselines."""
    model, region = backtest.nowcasts, backtest.region
    return {
        "region": region.name,
        "title": region.title,
        "timezone": region.timezone,
        "unit": region.unit,
        "first": backtest.first,
        "last": backtest.last,
        "issues": len(model.issue_times),
        "series": model.series,
        "steps_minutes": model.steps_minutes,
    }


def by_series(backtest: Backtest) -> pl.DataFrame:
    """The table `Scorecard.by_series` of a backtest without baselines: the values at the issue times are persistence.

    It is quick, so that every trained model can have one.
    """
    model, region = backtest.nowcasts, backtest.region
    last = np.repeat(backtest.at_issue[..., None], len(model.steps_minutes), axis=-1)
    actual = np.where(np.isfinite(last), backtest.actual, np.nan)
    by, tables = ["series", "horizon_min"], []
    for column, series in enumerate(model.series):
        keys = pl.DataFrame({by[1]: np.tile(np.array(model.steps_minutes, np.int64), len(last))})
        flat = np.repeat(last[:, column, :, None], len(model.quantiles), axis=-1)
        pairs = scoring.losses(
            keys.select(pl.lit(series).alias(by[0]), by[1]),
            actual[:, column],
            model.values[:, column],
            model.quantiles,
            {PERSISTENCE: flat},
        )
        tables.append(scoring.summarise(pairs, by).sort(by))
    return _relative(pl.concat(tables), region)


def figures(by_series: pl.DataFrame, horizons: Sequence[int]) -> dict[str, float]:
    """The few figures by which runs compare, from a table `by_series` that has persistence among its baselines.

    For the first series and each horizon: `MAE_60min`, `RMSE_60min` and `pinball_60min` in MW, `MAPE_60min` (of wind
    and solar power `nMAE_60min`) in percent, and as shares of 1 `coverage_80_60min` and `skill_60min`, the share of
    persistence's MAE that is saved. For all series and horizons together: `coverage_80`, and `loss`, the pinball loss
    in units of persistence's MAE; both are means over series and horizons.

    Args:
        by_series: figures by series and horizon.
        horizons: minutes ahead, of which `_few` count.

    Returns:
        The figures by name. A figure without a scored pair is left out.
    """
    few = _few(horizons)
    names = {name: name for name in ("MAE", "RMSE", "MAPE", "nMAE", "pinball", "coverage_80")}
    names["skill"] = f"skill_{PERSISTENCE}"
    first = by_series.filter(pl.col("series") == by_series["series"].first(), pl.col("horizon_min").is_in(few))
    found = {
        f"{name}_{row['horizon_min']}min": row[column]
        for row in first.iter_rows(named=True)
        for name, column in names.items()
    }
    moved = pl.when(pl.col(f"MAE_{PERSISTENCE}") > 0).then(f"MAE_{PERSISTENCE}")
    found |= by_series.select(loss=(pl.col("pinball") / moved).mean(), coverage_80=pl.col("coverage_80").mean()).row(
        0, named=True
    )
    return {name: float(value) for name, value in found.items() if value is not None}


def _few(horizons: Sequence[int]) -> list[int]:
    """The horizons, or of more than `MOST_HORIZONS` evenly chosen ones, with the last one."""
    count = min(MOST_HORIZONS, len(horizons))
    return [horizons[len(horizons) * (n + 1) // count - 1] for n in range(count)]


def _keys(backtest: Backtest, column: int) -> pl.DataFrame:
    """One row a pair of one series, in the order of (issue, step): the target's local time, and its ramps in MW."""
    nowcasts, region = backtest.nowcasts, backtest.region
    issues, steps = len(nowcasts.issue_times), len(nowcasts.steps_minutes)
    times = np.repeat(nowcasts.issue_times.astype("datetime64[us]"), steps)
    horizons = np.tile(np.array(nowcasts.steps_minutes, np.int64), issues)
    origin = backtest.at_issue[:, column, None]
    median = nowcasts.values[:, column, :, nowcasts.quantiles.index(0.5)]
    frame = pl.DataFrame(
        {
            "issue_time": times,
            "horizon_min": horizons,
            "predicted_ramp": (median - origin).ravel().astype(np.float64),
            "observed_ramp": (backtest.actual[:, column] - origin).ravel().astype(np.float64),
        }
    )
    target = (pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min"))).dt.replace_time_zone("UTC")
    local = target.dt.convert_time_zone(region.timezone)
    return frame.select(
        pl.lit(nowcasts.series[column]).alias("series"),
        "issue_time",
        "horizon_min",
        "predicted_ramp",
        "observed_ramp",
        weekday=local.dt.weekday().cast(pl.Int64),
        hour=local.dt.hour().cast(pl.Int64),
        month=local.dt.strftime("%Y-%m"),
        date=local.dt.date(),
    )


def _relative(table: pl.DataFrame, region: Region) -> pl.DataFrame:
    """The table with an `nMAE` in percent of the maximum for wind and solar power, in place of their MAPE."""
    if "MAPE" not in table.columns:
        return table
    kinds = plants.kinds(region, region.series)
    maxima = {
        name: maximum
        for name, kind, maximum in zip(region.series, kinds, plants.maxima(region, region.series), strict=True)
        if kind
    }
    maximum = pl.col("series").replace_strict(maxima, default=None, return_dtype=pl.Float64)
    return table.with_columns(MAPE=pl.when(maximum.is_null()).then("MAPE"), nMAE=100 * pl.col("MAE") / maximum)


def _by_horizon(by_series: pl.DataFrame) -> pl.DataFrame:
    starts = ("skill_", "pinball_skill_", "coverage_", "below_", "above_")
    means = [name for name in by_series.columns if name in ("MAPE", "nMAE") or name.startswith(starts)]
    return by_series.group_by("horizon_min").agg(pl.col("n").sum(), pl.col(means).mean()).sort("horizon_min")


def _by_error(pairs: pl.DataFrame, baselines: tuple[str, ...]) -> pl.DataFrame:
    """The whole days by their scaled error, the largest first.

    An error is scaled by the mean error, at its horizon, of the first baseline over the whole period (of the model
    where there is no baseline), so that short and long horizons weigh alike: 1 is an ordinary error of the baseline.
    """
    scale = f"absolute of {baselines[0]}" if baselines else "absolute"
    scaled = pairs.with_columns(scale=pl.col(scale).mean().over("horizon_min")).filter(pl.col("answered"))
    by_day = scaled.group_by("series", "date").agg(
        n=pl.len(),
        scaled_error=(pl.col("absolute") / pl.when(pl.col("scale") > 0).then("scale")).mean(),
        MAE=pl.col("absolute").mean(),
        coverage_80=pl.col("coverage_80").mean(),
        worst_hour=pl.col("hour").sort_by("absolute").last(),
        worst_error=pl.col("error").sort_by("absolute").last(),
        **{
            f"scaled_{name}": (pl.col(f"absolute of {name}") / pl.when(pl.col("scale") > 0).then("scale")).mean()
            for name in baselines
        },
    )
    return (
        by_day.filter((pl.col("n") >= HALF_A_DAY * pl.col("n").max()) & pl.col("scaled_error").is_not_null())
        .sort(["scaled_error", "date"], descending=[True, False])
        .with_row_index("rank", 1)
        .select(
            "series",
            pl.col("rank").cast(pl.Int64),
            "date",
            pl.col("date").dt.strftime("%A").alias("weekday"),
            pl.exclude("series", "rank", "date", "n"),
        )
    )


def _reliability(nowcasts: Nowcasts, actual: Floats, column: int) -> pl.DataFrame:
    rows = []
    for step, horizon in enumerate(nowcasts.steps_minutes):
        y, q = actual[:, column, step], nowcasts.values[:, column, step]
        scored = np.isfinite(y) & np.isfinite(q).all(axis=1)
        for i, level in enumerate(nowcasts.quantiles):
            share = float((y[scored] <= q[scored, i]).mean()) if scored.any() else None
            rows.append((nowcasts.series[column], horizon, level, share, int(scored.sum())))
    schema = {"series": pl.String, "horizon_min": pl.Int64, "level": pl.Float64, "share": pl.Float64, "n": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _delays(backtest: Backtest, keys: pl.DataFrame, actual: Floats, column: int) -> pl.DataFrame:
    runs: dict[int, tuple[Nowcasts, Mapping[str, Nowcasts]]] = {
        backtest.delay_minutes: (backtest.nowcasts, backtest.baselines)
    }
    runs |= {delay: (one, backtest.late_baselines.get(delay, {})) for delay, one in sorted(backtest.late.items())}
    frames = []
    for delay, (nowcasts, baselines) in runs.items():
        others = {name: one.values[:, column] for name, one in baselines.items()}
        pairs = scoring.losses(keys, actual[:, column], nowcasts.values[:, column], nowcasts.quantiles, others)
        table = scoring.summarise(pairs, ["series", "horizon_min"])
        frames.append(table.select(pl.lit(delay, pl.Int64).alias("delay_min"), pl.all()))
    every = pl.concat(frames, how="diagonal")
    on_time = every.filter(pl.col("delay_min") == backtest.delay_minutes).select(
        "series", "horizon_min", pl.col("MAE").alias("on_time")
    )
    change = 100 * (pl.col("MAE") / pl.when(pl.col("on_time") > 0).then("on_time") - 1)
    return (
        every.join(on_time, on=["series", "horizon_min"], how="left", maintain_order="left")
        .with_columns(change.alias("MAE_change"))
        .drop("on_time")
    )
