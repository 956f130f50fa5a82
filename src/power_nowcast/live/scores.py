"""Scores of published nowcasts: a view of nowcasts and tables, against the first value and the corrected one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from power_nowcast.contracts import MEDIAN, QUANTILES, UTC, Floats, Table
from power_nowcast.contracts.times import minute
from power_nowcast.evaluate.operator_forecast import OperatorForecast
from power_nowcast.features.panel import history
from power_nowcast.live.records import Published, published
from power_nowcast.regions import Region
from power_nowcast.scoring import label, pinball_losses
from power_nowcast.store import Store

NAMES = tuple(f"q{label(level)}" for level in QUANTILES)
"""Columns of the quantiles, such as `q05`."""
SCORES = pl.Schema(
    {
        "issue_time": UTC,
        "series": pl.String(),
        "horizon_min": pl.Int64(),
        "valid_at": UTC,
        "published_at": UTC,
        "is_live": pl.Boolean(),
        "quality": pl.String(),
        "model_version": pl.String(),
        "origin_mw": pl.Float64(),
        "median_mw": pl.Float64(),
        **{name: pl.Float64() for name in NAMES},  # the quantiles in MW
        "first_mw": pl.Float64(),  # the value of `valid_at` that was published first
        "actual_mw": pl.Float64(),  # its newest value
        "error_mw": pl.Float64(),  # median minus `first_mw`
        "pinball_mw": pl.Float64(),  # mean over the quantiles, against `first_mw`
        "is_inside_80": pl.Boolean(),  # whether `first_mw` is within the band of 80 %
        "rung": pl.String(),  # by its quality if it was published before there were rungs
        "adjusted_mw": pl.Float64(),  # the median that a person has adjusted, null without an adjustment
        "adjusted_error_mw": pl.Float64(),  # it minus `first_mw`
    }
)
"""One row for each published issue time (in its last revision), series and step."""


SHADOW_SKILL = pl.Schema(
    {
        "series": pl.String(),
        "horizon_min": pl.Int64(),
        "version": pl.String(),
        "n": pl.Int64(),
        "mae_mw": pl.Float64(),
        "answered_mae_mw": pl.Float64(),
        "coverage_80": pl.Float64(),
        "answered_coverage_80": pl.Float64(),
    }
)
_STATEMENT = ("issue_time", "series", "horizon_min")
_OPERATOR_BEFORE = timedelta(hours=3)
"""The operator's forecast is interpolated: its values begin so long before the first moment."""


def scores(store: Store, region: Region, first: datetime, last: datetime) -> pl.DataFrame:
    """Rows of `SCORES` of the issue times from `first` to `last`; values are null as long as they are not known.

    Nothing is stored: a correction that comes later changes `actual_mw` only.

    Raises:
        StoreError: a table is damaged.
    """
    told = {one.issue_time: one for one in published(store, region.name, first, last)}  # the last revision remains
    if not told:
        return SCORES.to_frame()
    rows = _rows(list(told.values()))
    end = last + timedelta(minutes=max(region.steps_minutes))
    values = store.versions(Table.POWER, region.name, start=first, end=end).sort("available_at", "first_seen_at")
    known = values.group_by("series", "valid_at").agg(
        first_mw=pl.col("value").drop_nulls().first(), actual_mw=pl.col("value").last()
    )
    known = _with_total(known, region)
    joined = rows.join(known, on=["series", "valid_at"], how="left")
    scored = joined.with_columns(
        error_mw=pl.col("median_mw") - pl.col("first_mw"),
        adjusted_error_mw=pl.col("adjusted_mw") - pl.col("first_mw"),
        pinball_mw=_pinball(joined),
        is_inside_80=pl.col("first_mw").is_between("q10", "q90"),
    )
    return scored.select(pl.col(name).cast(dtype) for name, dtype in SCORES.items()).sort(
        "issue_time", "series", "horizon_min"
    )


def beside_operator(store: Store, region: Region, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `SCORES` with `operator_mw`: the operator's own forecast as it was known at the issue time; null without.

    Raises:
        StoreError: a table is damaged.
    """
    issues = rows["issue_time"].unique().sort()
    if region.forecast is None or issues.is_empty():
        return rows.with_columns(operator_mw=pl.lit(None, pl.Float64))
    first, last = issues[0], issues[-1] + timedelta(minutes=max(region.steps_minutes))
    times = np.array([minute(one) for one in issues])
    panel = history(store, region, first - _OPERATOR_BEFORE, last)
    told = OperatorForecast(region).told(panel, times, region.steps_minutes)
    shape = (len(issues), len(panel.series), len(region.steps_minutes))
    places = np.indices(shape).reshape(3, -1)
    operator = pl.DataFrame(
        {
            "issue_time": issues[places[0]],
            "series": np.array(panel.series)[places[1]],
            "horizon_min": np.array(region.steps_minutes, np.int64)[places[2]],
            "operator_mw": pl.Series(told.ravel()).fill_nan(None),
        }
    )
    return rows.join(operator, on=_STATEMENT, how="left")


def shadow_skill(store: Store, region: Region, rows: pl.DataFrame) -> pl.DataFrame:
    """The version that was in the shadow last beside what was published, for the same moments, by series and step.

    Args:
        store: the tables.
        region: the region.
        rows: rows of `SCORES`; those that were caught up, and those without a value yet, do not count.

    Returns:
        Columns `series`, `horizon_min`, `version`, `n`, `mae_mw`, `answered_mae_mw`, `coverage_80` and
        `answered_coverage_80`; no row if nothing was in the shadow.

    Raises:
        StoreError: a table is damaged.
    """
    issues = rows["issue_time"]
    made = [] if issues.is_empty() else published(store, region.name, issues.min(), issues.max(), is_shadow=True)  # type: ignore[arg-type]
    same = [one for one in made if one.nowcast.model_digest == made[-1].nowcast.model_digest]
    if not same:
        return SHADOW_SKILL.to_frame()
    own = _rows(same).select(*_STATEMENT, "model_version", "median_mw", "q10", "q90")
    known = rows.filter(pl.col("is_live") & pl.col("first_mw").is_not_null() & pl.col("median_mw").is_not_null())
    both = own.drop_nulls("median_mw").join(known, on=_STATEMENT, suffix="_answered")
    found = both.group_by("series", "horizon_min").agg(
        version=pl.col("model_version").last(),
        n=pl.len(),
        mae_mw=(pl.col("median_mw") - pl.col("first_mw")).abs().mean(),
        answered_mae_mw=pl.col("error_mw").abs().mean(),
        coverage_80=pl.col("first_mw").is_between("q10", "q90").mean(),
        answered_coverage_80=pl.col("is_inside_80").mean(),
    )
    return found.select(pl.col(name).cast(dtype) for name, dtype in SHADOW_SKILL.items()).sort("series", "horizon_min")


def skill(rows: pl.DataFrame) -> pl.DataFrame:
    """Errors of live nowcasts against those of the last known value and of the operator, by series and step.

    Args:
        rows: rows of `SCORES`, or of `beside_operator`; those that were caught up, and those without a value yet, do
            not count.

    Returns:
        Columns `series`, `horizon_min`, `n`, `mae_mw`, `persistence_mae_mw`, `skill` (1 minus their ratio; null if the
        last value has no error), `coverage_80` and `operator_mae_mw` (null without a forecast), by series and step.
    """
    if "operator_mw" not in rows.columns:
        rows = rows.with_columns(operator_mw=pl.lit(None, pl.Float64))
    known = rows.filter(pl.col("is_live") & pl.col("first_mw").is_not_null() & pl.col("median_mw").is_not_null())
    found = known.group_by("series", "horizon_min").agg(
        n=pl.len(),
        mae_mw=pl.col("error_mw").abs().mean(),
        persistence_mae_mw=(pl.col("origin_mw") - pl.col("first_mw")).abs().mean(),
        coverage_80=pl.col("is_inside_80").mean(),
        operator_mae_mw=(pl.col("operator_mw") - pl.col("first_mw")).abs().mean(),
    )
    ratio = pl.col("mae_mw") / pl.col("persistence_mae_mw")
    better = pl.when(pl.col("persistence_mae_mw") > 0).then(1 - ratio)
    told = ("series", "horizon_min", "n", "mae_mw", "persistence_mae_mw", "skill", "coverage_80", "operator_mae_mw")
    return found.with_columns(skill=better).select(told).sort("series", "horizon_min")


def adjusted_skill(rows: pl.DataFrame) -> pl.DataFrame:
    """Errors of adjusted series against those of the model for the same moments, by series and step.

    Args:
        rows: rows of `SCORES`; only those with an adjustment and a known value count.

    Returns:
        Columns `series`, `horizon_min`, `n`, `adjusted_mae_mw` and `model_mae_mw`.
    """
    known = rows.filter(pl.col("is_live") & pl.col("adjusted_error_mw").is_not_null())
    return (
        known.group_by("series", "horizon_min")
        .agg(
            n=pl.len(),
            adjusted_mae_mw=pl.col("adjusted_error_mw").abs().mean(),
            model_mae_mw=pl.col("error_mw").abs().mean(),
        )
        .sort("series", "horizon_min")
    )


def _rows(told: Sequence[Published]) -> pl.DataFrame:
    """The rows of publications in one frame, which is many times as fast as a frame for each of them."""
    counts = [len(one.nowcast.series) * len(one.nowcast.steps_minutes) for one in told]
    values = np.concatenate([one.nowcast.values.reshape(-1, len(QUANTILES)) for one in told])
    values = np.where(np.isfinite(values), values, np.nan)
    series = [name for one in told for name in one.nowcast.series for _ in one.nowcast.steps_minutes]
    quality = [level.value for one in told for level in one.nowcast.quality for _ in one.nowcast.steps_minutes]
    rung = [level.value for one in told for level in one.nowcast.rungs for _ in one.nowcast.steps_minutes]
    adjusted = np.concatenate([_adjusted(one) for one in told])
    horizon = np.concatenate([np.tile(one.nowcast.steps_minutes, len(one.nowcast.series)) for one in told])
    origin = np.concatenate([np.repeat(one.nowcast.origin_mw, len(one.nowcast.steps_minutes)) for one in told])
    place = np.repeat(np.arange(len(told)), counts)
    of_publication = pl.DataFrame(
        {
            "issue_time": [one.issue_time for one in told],
            "published_at": [one.published_at for one in told],
            "is_live": [one.is_live for one in told],
            "model_version": [one.version for one in told],
        },
        schema_overrides={"issue_time": UTC, "published_at": UTC},
    )
    columns = {name: values[:, n] for n, name in enumerate(NAMES)}
    numbers = pl.DataFrame({"horizon_min": horizon, "origin_mw": origin, "median_mw": values[:, MEDIAN], **columns})
    rows = (
        of_publication[place]
        .hstack(numbers)
        .with_columns(
            pl.Series("series", series, pl.String),
            pl.Series("quality", quality, pl.String),
            pl.Series("rung", rung, pl.String),
            pl.Series("adjusted_mw", adjusted, pl.Float64).fill_nan(None),
            pl.col("origin_mw", "median_mw", *columns).fill_nan(None),
        )
    )
    return rows.with_columns(valid_at=pl.col("issue_time") + pl.duration(minutes="horizon_min"))


def _adjusted(one: Published) -> Floats:
    """The adjusted medians of a publication by series and step, NaN without an adjustment."""
    steps = len(one.nowcast.steps_minutes)
    nothing = np.full(steps, np.nan)
    return np.concatenate(
        [one.adjusted[name].values[:, MEDIAN] if name in one.adjusted else nothing for name in one.nowcast.series]
    )


def _pinball(joined: pl.DataFrame) -> pl.Series:
    """Mean pinball loss of each row against `first_mw`; null where there is no value or no nowcast."""
    values = joined.select(NAMES).to_numpy()
    losses = pinball_losses(joined["first_mw"].to_numpy(), values, QUANTILES).mean(axis=1)
    return pl.Series(losses).fill_nan(None)


def _with_total(known: pl.DataFrame, region: Region) -> pl.DataFrame:
    """The values with those of the total, which exists where every zone does."""
    if region.total is None:
        return known
    zones = known.filter(pl.col("series") != region.total)
    whole = zones.group_by("valid_at").agg(
        pl.col("first_mw", "actual_mw").sum(),
        count=pl.len(),
        nulls=pl.any_horizontal(pl.col("first_mw", "actual_mw").is_null()).any(),
    )
    whole = whole.filter((pl.col("count") == len(region.zones)) & ~pl.col("nulls")).with_columns(
        series=pl.lit(region.total)
    )
    return pl.concat([zones, whole.select(zones.columns)])
