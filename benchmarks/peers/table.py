"""Results as a table: as rows, and as Markdown for the terminal and the docs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from peers.registry import OURS
from peers.results import Result
from power_nowcast.scoring import protocol_table

COST = {"train_s": "train s", "predict_s": "predict s", "peak_mb": "MB"}


def scored(results: Sequence[Result], truth: pl.DataFrame) -> pl.DataFrame:
    """One row for each class, peer, series and horizon, in the order of `results`; failed peers have none."""
    parts = []
    for result in results:
        if result.predictions is not None:
            asked_for = {result.series, *result.predictions["series"]}
            rows = protocol_table(result.predictions, truth.filter(pl.col("series").is_in(asked_for)))
            parts.append(rows.select(pl.lit(result.inputs).alias("class"), pl.lit(result.name).alias("peer"), pl.all()))
    return pl.concat(parts) if parts else pl.DataFrame()


def markdown(results: Sequence[Result], rows: pl.DataFrame, series: str, horizons: Sequence[int]) -> str:
    """The table of a series: MAPE and pinball loss at every horizon, coverage of the 10-90 band, cost."""
    heads = ["library", *(f"{h} min" for h in horizons), *(f"pinball {h}" for h in horizons), "80 % band holds"]
    heads += COST.values()
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for result in results:
        name = f"**{result.title}**" if result.name == OURS else _named(result)
        if result.failed:
            lines.append(f"| {result.name} | failed: {result.failed.replace('|', '/')} |{' |' * (len(heads) - 2)}")
            continue
        own = rows.filter(pl.col("class") == result.inputs, pl.col("peer") == result.name, pl.col("series") == series)
        at = {row["horizon_min"]: row for row in own.iter_rows(named=True)}
        cells = [_figure(at[h]["MAPE"], 3) for h in horizons] + [_figure(at[h]["pinball"], 1) for h in horizons]
        held = [round(100 * at[h]["coverage"]) for h in horizons if at[h]["coverage"] is not None]
        cells.append(
            f"{min(held)} to {max(held)} %" if held and min(held) < max(held) else f"{held[0]} %" if held else ""
        )
        cells += [_figure(result.figures.get(key), 0) for key in COST]
        missing = sum(at[h]["missing"] for h in horizons)
        lines.append(f"| {name}{f' ({missing} missing)' if missing else ''} | {' | '.join(cells)} |")
    return "\n".join(lines)


def beaten(rows: pl.DataFrame) -> list[str]:
    """Messages for every figure (MAPE, pinball loss) in which our row does not beat a peer of its class."""
    if rows.is_empty() or rows.filter(pl.col("peer") != OURS).is_empty():
        return ["no row of a peer to compare with"]
    keys = ["class", "series", "horizon_min"]
    ours = rows.filter(pl.col("peer") == OURS).select(*keys, "MAPE", "pinball", "missing")
    both = rows.filter(pl.col("peer") != OURS).join(ours, on=keys, how="left", suffix="_ours", maintain_order="left")
    words = [
        f"class {row['class']}, {row['series']}, {row['horizon_min']} min: ours lacks {row['missing']} nowcasts"
        for row in ours.iter_rows(named=True)
        if row["missing"] != 0
    ]
    for row in both.iter_rows(named=True):
        for metric in ("MAPE", "pinball"):
            mine, theirs = row[f"{metric}_ours"], row[metric]
            if theirs is not None and not (mine is not None and mine < theirs):
                where = f"class {row['class']}, {row['series']}, {row['horizon_min']} min"
                own = _figure(mine, 3) or "nothing"
                words.append(f"{where}: {metric} {own}, {row['peer']} has {_figure(theirs, 3)}")
    return words


def _named(result: Result) -> str:
    versions = result.figures.get("versions") or {}
    return f"{result.title} {next(iter(versions.values()))}" if versions else result.title


def _figure(value: Any, digits: int) -> str:
    """A number in the form of the tables.

    >>> _figure(0.2345, 3)
    '.234'
    """
    if value is None or not np.isfinite(value):
        return ""
    return f"{value:,.{digits}f}".removeprefix("0") if digits > 1 else f"{value:,.{digits}f}"
