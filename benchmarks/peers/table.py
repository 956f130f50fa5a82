"""Results as a table: as rows, and as Markdown for the terminal and the docs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from peers.registry import CLASSES, OURS
from peers.results import Result
from power_nowcast.scoring import KEYS, PROTOCOL_QUANTILES, losses, protocol_table, summarise

COST = {"train_s": "train s", "predict_s": "predict s", "peak_mb": "MB"}
EDGE = 4
"""A month with less than one in so many of the fullest month's pairs is the edge of the period."""
NOT_KEPT = "not kept"


def scored(results: Sequence[Result], truth: pl.DataFrame) -> pl.DataFrame:
    """One row for each class, peer, series and horizon, in the order of `results`; failed peers have none."""
    parts = []
    for result in results:
        if result.predictions is not None:
            asked_for = {result.series, *result.predictions["series"]}
            rows = protocol_table(result.predictions, truth.filter(pl.col("series").is_in(asked_for)))
            parts.append(rows.select(pl.lit(result.inputs).alias("class"), pl.lit(result.name).alias("peer"), pl.all()))
    return pl.concat(parts) if parts else pl.DataFrame()


def by_month(result: Result, truth: pl.DataFrame, timezone: str) -> list[dict[str, Any]]:
    """Coverage of the 10-90 band in each local month of the target, over all horizons: `month`, `n`, `coverage`."""
    if result.predictions is None:
        return []
    rows = truth.filter(pl.col("series") == result.series)
    joined = rows.join(result.predictions, on=KEYS, how="inner", maintain_order="left")
    target = pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min"))
    month = joined.select(month=target.dt.convert_time_zone(timezone).dt.strftime("%Y-%m"))
    values = joined.select("q10", "q50", "q90").to_numpy()
    pairs = losses(month, joined["y"].to_numpy(), values, PROTOCOL_QUANTILES)
    found = summarise(pairs, ["month"]).select("month", "n", coverage="coverage_80").sort("month")
    return found.filter(pl.col("n") * EDGE >= pl.col("n").max()).to_dicts()


def markdown(
    results: Sequence[Result],
    rows: pl.DataFrame,
    series: str,
    horizons: Sequence[int],
    *,
    score: str = "MAPE",
    months: Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """The table of a class and series: error and pinball loss at every horizon, coverage of the 10-90 band, cost.

    `months` is coverage by month for each (class, series, peer). A peer of the class without a result has an empty row.
    """
    heads = ["library", *(f"{h} min" for h in horizons), f"pinball MW {_slashed(horizons, 0)}"]
    heads += ["80 % band holds", "by month", *COST.values()]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    empty = " |" * (len(heads) - 2)
    for result in results:
        if result.failed:
            lines.append(f"| {result.name} | failed: {result.failed.replace('|', '/')} |{empty}")
            continue
        own = rows.filter(pl.col("class") == result.inputs, pl.col("peer") == result.name, pl.col("series") == series)
        at = {row["horizon_min"]: row for row in own.iter_rows(named=True)}
        missing = sum(at[h]["missing"] for h in horizons)
        name = f"**{result.title}**" if result.name == OURS else _named(result)
        monthly = (months or {}).get((result.inputs, series, result.name), ())
        cells = [
            f"{name}{f' ({missing} missing)' if missing else ''}",
            *(_figure(at[h][score], 3) for h in horizons),
            _slashed([at[h]["pinball"] for h in horizons], 1),
            _range([at[h]["coverage"] for h in horizons]),
            _range([month["coverage"] for month in monthly]) or NOT_KEPT,
            *(_figure(result.figures.get(key), 0) for key in COST),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    asked = {result.name for result in results}
    absent = [name for name in CLASSES[results[0].inputs] if name not in asked] if results else []
    return "\n".join([*lines, *(f"| {name} | not run |{empty}" for name in absent)])


def beaten(rows: pl.DataFrame, score: str = "MAPE") -> list[str]:
    """Messages for every figure (`score`, pinball loss) in which our row does not beat a peer of its class."""
    if rows.is_empty() or rows.filter(pl.col("peer") != OURS).is_empty():
        return ["no row of a peer to compare with"]
    keys = ["class", "series", "horizon_min"]
    ours = rows.filter(pl.col("peer") == OURS).select(*keys, score, "pinball", "missing")
    both = rows.filter(pl.col("peer") != OURS).join(ours, on=keys, how="left", suffix="_ours", maintain_order="left")
    words = [
        f"class {row['class']}, {row['series']}, {row['horizon_min']} min: ours lacks {row['missing']} nowcasts"
        for row in ours.iter_rows(named=True)
        if row["missing"] != 0
    ]
    for row in both.iter_rows(named=True):
        for metric in (score, "pinball"):
            mine, theirs = row[f"{metric}_ours"], row[metric]
            if theirs is not None and not (mine is not None and mine < theirs):
                where = f"class {row['class']}, {row['series']}, {row['horizon_min']} min"
                own = _figure(mine, 3) or "nothing"
                words.append(f"{where}: {metric} {own}, {row['peer']} has {_figure(theirs, 3)}")
    return words


def _named(result: Result) -> str:
    versions = result.figures.get("versions") or {}
    return f"{result.title} {next(iter(versions.values()))}" if versions else result.title


def _slashed(values: Sequence[float | None], digits: int) -> str:
    """Figures of all horizons in one cell.

    >>> _slashed([13.46, 17.9], 1)
    '13.5/17.9'
    """
    return "/".join(_figure(value, digits) for value in values)


def _range(shares: Sequence[float | None]) -> str:
    """The least and the greatest share in percent.

    >>> _range([0.81, 0.77]), _range([0.8, 0.803]), _range([])
    ('77 to 81 %', '80 %', '')
    """
    held = sorted(round(100 * share) for share in shares if share is not None)
    if not held:
        return ""
    return f"{held[0]} to {held[-1]} %" if held[0] < held[-1] else f"{held[0]} %"


def _figure(value: Any, digits: int) -> str:
    """A number in the form of the tables.

    >>> _figure(0.2345, 3)
    '.234'
    """
    if value is None or not np.isfinite(value):
        return ""
    return f"{value:,.{digits}f}".removeprefix("0") if digits > 1 else f"{value:,.{digits}f}"
