"""Whether the tables can be true: their manifests, their times, and their values."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from power_nowcast.contracts import VALUES, Basis, Table
from power_nowcast.errors import StoreError
from power_nowcast.regions import Region
from power_nowcast.store import Store

SHARE_OF_TOTAL = 0.05
"""So far the operator's forecast of the total may lie from the sum of its zones."""
ODD_DEVIATIONS = 12
"""Values this many times the usual deviation from the median of their zone and local hour are odd."""


@dataclass(frozen=True)
class Finding:
    """One check of one table: `wrong` rows of `rows`; a sentence that says which, and what to do about it."""

    table: str
    check: str
    rows: int
    wrong: int
    detail: str = ""
    remedy: str = ""

    @property
    def good(self) -> bool:
        return self.wrong == 0


def verify(store: Store, region: Region, *, now: datetime) -> list[Finding]:
    """Every check of every table that holds something; nothing is changed."""
    found: list[Finding] = []
    for table in Table:
        try:
            rows = store.versions(table, region.name)
        except StoreError as error:
            found.append(Finding(table.value, "readable", 0, 1, error.message, error.remedy))
            continue
        if rows.is_empty():
            continue
        found += [_schema(table, rows), _times(table, rows, region, now), _plausible(table, rows, region)]
        if table is Table.POWER:
            found.append(_odd(rows, region))
        if table is Table.FORECAST and region.total:
            found.append(_total(rows, region))
    return [*found, *_manifests(store, region)]


def _schema(table: Table, rows: pl.DataFrame) -> Finding:
    right = rows.schema == VALUES
    empty = rows.null_count().sum_horizontal().item()
    detail = "" if right else f"columns {', '.join(rows.columns)}"
    return Finding(table.value, "schema", len(rows), 0 if right and not empty else max(1, empty), detail, _AGAIN)


def _times(table: Table, rows: pl.DataFrame, region: Region, now: datetime) -> Finding:
    """Known no earlier than measured, not of the future, on the grid."""
    wrong = pl.lit(False)
    if table is not Table.FORECAST:
        wrong |= (pl.col("available_at") < pl.col("valid_at")) & (pl.col("basis") != Basis.WRITTEN.value)
    if table is Table.POWER:
        wrong |= pl.col("valid_at") > now
        wrong |= pl.col("valid_at").dt.truncate(f"{region.interval_minutes}m") != pl.col("valid_at")
    bad = rows.filter(wrong)
    return Finding(table.value, "times", len(rows), len(bad), _example(bad), _AGAIN)


def _plausible(table: Table, rows: pl.DataFrame, region: Region) -> Finding:
    limits = {zone.name: zone.max_mw for zone in region.zones}
    if region.total:
        limits[region.total] = sum(limits.values())
    most = pl.col("series").replace_strict(limits, default=None, return_dtype=pl.Float64)
    least = 0.0 if not region.power.options.get("allow_negative") else None
    wrong = ~pl.col("value").is_finite() | (pl.col("value") > most)
    bad = rows.filter(wrong if least is None or table is Table.WEATHER else wrong | (pl.col("value") < least))
    return Finding(table.value, "plausible", len(rows), len(bad), _example(bad), "Correct max_mw, or ingest again.")


def _odd(rows: pl.DataFrame, region: Region) -> Finding:
    """Values far from what their zone usually has at that hour, by median and median absolute deviation."""
    hour = pl.col("valid_at").dt.convert_time_zone(region.timezone).dt.hour()
    centre = pl.col("value").median().over("series", "hour")
    spread = (pl.col("value") - centre).abs().median().over("series", "hour")
    far = (pl.col("value") - centre).abs() > ODD_DEVIATIONS * spread
    bad = rows.with_columns(hour=hour).filter(far & (spread > 0))
    detail = _example(bad)
    return Finding("power", "usual for the hour", len(rows), len(bad), detail, "Look at them: a fault, or a rare day.")


def _total(rows: pl.DataFrame, region: Region) -> Finding:
    zones = [zone.name for zone in region.zones]
    wide: pl.DataFrame = rows.pivot(
        "series", index=["valid_at", "available_at"], values="value", aggregate_function="last"
    )
    if not {region.total, *zones} <= set(wide.columns):
        return Finding("forecast", "total is the sum", 0, 0)
    whole = wide.drop_nulls().with_columns(total=pl.col(str(region.total)), sum=pl.sum_horizontal(zones))
    bad = whole.filter((pl.col("total") - pl.col("sum")).abs() > SHARE_OF_TOTAL * pl.col("total"))
    detail = "" if bad.is_empty() else f"first {bad['valid_at'].sort()[0]:%Y-%m-%dT%H:%MZ}"
    return Finding("forecast", "total is the sum", len(whole), len(bad), detail, "Ask the publisher, or ingest again.")


def _manifests(store: Store, region: Region) -> list[Finding]:
    """Versions that manifests name still hold what they held."""
    found = []
    for table, kept in store.kept(region.name).group_by("table", maintain_order=True):
        wrong = []
        for one in kept.iter_rows(named=True):
            start, end = (datetime.fromisoformat(one[name]) if one[name] else None for name in ("first", "last"))
            try:
                now_there = store.manifest(
                    Table(one["table"]), region.name, start=start, end=end, version=one["version"]
                ).sha256
            except StoreError as error:
                now_there = error.message
            if now_there != one["sha256"]:
                wrong.append(one["version"])
        detail = f"version {', '.join(map(str, wrong))}" if wrong else ""
        found.append(
            Finding(str(table[0]), "manifests", len(kept), len(wrong), detail, "Restore the folder from a copy.")
        )
    return found


def _example(bad: pl.DataFrame) -> str:
    if bad.is_empty():
        return ""
    row = bad.sort("valid_at").row(0, named=True)
    return f"first {row['series']} {row['valid_at']:%Y-%m-%dT%H:%MZ} {row['value']:,.1f}"


_AGAIN = "Ingest again into a new folder (NOWCAST_DATA)."
