"""Verify the tables: bytes, digests, schema, times, sums, and plausible values."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import polars as pl

from power_nowcast.collect.findings import Finding, State
from power_nowcast.collect.rebuild import bytes_of, request_of
from power_nowcast.contracts import VALUES, Basis, Table
from power_nowcast.errors import MissingDataError, StoreError
from power_nowcast.regions import Region
from power_nowcast.store import Store

ROUNDED_MW = 1.0
"""Maximum rounding error of a sum, for each of its parts."""
USUAL_SHARE = 0.05
"""The usual values of a zone and local hour are between this quantile and its mirror, 1 - this; ..."""
FAR = 1.5
"""... a value outside by more than so many widths is far from the usual values."""
SUSPECT_SHARE = 0.0005
"""Share of such values from which the check warns."""
SHOWN = 5
"""Maximum number of republished vintages that a finding names."""


def verify(store: Store, region: Region) -> list[Finding]:
    """Findings of every check: a damaged file fails its own check only, and the other checks still run.

    `warn` marks values that a person should check; `fail` marks errors.
    """
    found = [_told("raw", partial(_raw, store, region)), _told("manifests", partial(_manifests, store, region))]
    for table in region.specs:
        looks = (_schema, _times) if table.is_weather else (_schema, _times, _total, _ranges)
        for look in (*looks, _republished) if table.is_forecast else looks:
            name = f"{table} {look.__name__.strip('_')}"
            found.append(_told(name, partial(look, name, store, region, table)))
    return found


def _told(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (StoreError, MissingDataError) as error:
        return Finding(name, State.FAIL, error.message, error.remedy)


def _raw(store: Store, region: Region) -> Finding:
    """The bytes of every delivery exist, with the recorded digest."""
    deliveries = store.deliveries(region.name).filter(pl.col("sha256").is_not_null())
    bad = []
    for row in deliveries.iter_rows(named=True):
        try:
            bytes_of(store, request_of(region, row), row)
        except (StoreError, MissingDataError) as error:
            bad.append(error.message)
    if bad:
        return Finding(
            "raw",
            State.FAIL,
            f"{len(bad)} of {len(deliveries)} deliveries cannot be read again: {bad[0]}",
            "Restore raw/ from a copy; tables cannot be rebuilt without it.",
        )
    return Finding("raw", State.OK, f"{len(deliveries)} deliveries with the digests that were noted")


def _manifests(store: Store, region: Region) -> Finding:
    """The versions named by manifests still have their digests."""
    kept = store.kept(region.name)
    for row in kept.iter_rows(named=True):
        now = store.manifest(Table(row["table"]), region.name, version=row["version"])
        # Only the span shows whether a manifest covers a part of a table or the whole table.
        if now.sha256 != row["sha256"] and row["first"] is not None:
            start, end = (pl.Series([row[name]]).str.to_datetime(time_zone="UTC")[0] for name in ("first", "last"))
            now = store.manifest(Table(row["table"]), region.name, start=start, end=end, version=row["version"])
        if now.sha256 != row["sha256"]:
            return Finding(
                "manifests",
                State.FAIL,
                f"{row['table']} in version {row['version']} has {now.rows:,} rows and another digest than "
                f"its manifest with {row['rows']:,}",
                "Compare with `nowcast data rebuild`; models that name this manifest cannot be reproduced from here.",
            )
    return Finding("manifests", State.OK, f"{len(kept)} manifests with the digests that were noted")


def _schema(name: str, store: Store, region: Region, table: Table) -> Finding:
    """There are no nulls, every value is finite, every series belongs to the region."""
    rows = store.versions(table, region.name)
    if rows.schema != VALUES:
        return Finding(name, State.FAIL, f"columns are {rows.schema}", "Rebuild: nowcast data rebuild.")
    empty = rows.select(pl.any_horizontal(pl.all().is_null()).sum()).item()
    infinite = rows.select((~pl.col("value").is_finite()).sum()).item()
    known = set(rows["series"]) if table.is_weather else set(region.series)
    strange = sorted(set(rows["series"]) - known)
    basis = sorted(set(rows["basis"]) - set(Basis))
    faults = [
        *([f"{empty:,} rows with nulls"] if empty else []),
        *([f"{infinite:,} values that are no number"] if infinite else []),
        *([f"series that the region does not have: {', '.join(strange)}"] if strange else []),
        *([f"unknown basis: {', '.join(basis)}"] if basis else []),
    ]
    return _verdict(name, faults, f"{len(rows):,} rows", "Rebuild: nowcast data rebuild.")


def _times(name: str, store: Store, region: Region, table: Table) -> Finding:
    """Times are on the grid, no measurement is known before its time, and versions are in the order of their times."""
    rows = store.versions(table, region.name)
    step = region.interval
    faults = []
    if table is Table.POWER and (off := rows.filter(pl.col("valid_at").dt.truncate(step) != pl.col("valid_at")).height):
        faults.append(f"{off:,} values off the grid of {region.interval_minutes} minutes")
    if not table.is_forecast and (early := rows.filter(pl.col("available_at") < pl.col("valid_at")).height):
        faults.append(f"{early:,} values known before their time")
    key = ["series", "valid_at", "available_at"]
    if double := rows.select(*key, "value").is_duplicated().sum() // 2:
        faults.append(f"{double:,} values stored twice")
    order = rows.sort("series", "valid_at", "first_seen_at", "available_at")
    back = pl.col("available_at").diff().over("series", "valid_at") < timedelta(0)
    if not table.is_forecast and (count := order.filter(back).height):
        faults.append(f"{count:,} corrections known before what they correct")
    return _verdict(name, faults, "in order", "Rebuild: nowcast data rebuild.")


def _republished(name: str, store: Store, region: Region, table: Table) -> Finding:
    """Vintages written after the first time that they describe: they may contain knowledge of the outcome."""
    written = store.versions(table, region.name).filter(pl.col("basis") == Basis.WRITTEN.value)
    vintages = written.group_by("available_at").agg(pl.col("valid_at").min()).sort("available_at")
    late = vintages.filter(pl.col("available_at") > pl.col("valid_at"))
    detail = f"{len(late)} of {len(vintages)} vintages were written after the first time that they describe"
    if len(late):
        days = ", ".join(f"{time:%Y-%m-%d}" for time in late["valid_at"][:SHOWN])
        detail += f" ({days}{', ...' if len(late) > SHOWN else ''}); none counts before it was written"
    return Finding(name, State.OK, detail)


def _total(name: str, store: Store, region: Region, table: Table) -> Finding:
    """A stored total equals the sum of the zones, for each vintage, within rounding."""
    zones = [zone.name for zone in region.zones]
    if region.total is None:
        return Finding(name, State.OK, "the region has none")
    rows = store.versions(table, region.name).filter(pl.col("series").is_in(region.series))
    if region.total not in set(rows["series"]):
        return Finding(name, State.OK, "none is stored: it is the sum of the zones wherever it is read")
    key = ["valid_at", "available_at"]
    wide = rows.unique([*key, "series"], keep="last").pivot("series", index=key, values="value").drop_nulls()
    if not set(zones) <= set(wide.columns):
        return Finding(name, State.WARN, "some zones have no value", "Compare the region file's zones.")
    difference = (wide[region.total] - wide.select(pl.sum_horizontal(zones)).to_series()).abs()
    wrong = int((difference > ROUNDED_MW * len(zones)).sum())
    most = difference.fill_null(0).sort(descending=True)[:1].sum()
    told = f"{len(wide):,} totals, at most {most:.1f} MW from the sum of the zones"
    if wrong:
        remedy = "Look at these times; a zone may be missing or counted twice."
        return Finding(name, State.WARN, f"{wrong:,} of {told}", remedy)
    return Finding(name, State.OK, told)


def _ranges(name: str, store: Store, region: Region, table: Table) -> Finding:
    """Values are within the plausible maximum, and not far from the zone's usual values at that local hour."""
    limits = {zone.name: zone.max_mw for zone in region.zones}
    if region.total:
        limits[region.total] = sum(limits.values())
    high = pl.DataFrame(
        {"series": list(limits), "high": list(limits.values())}, {"series": pl.String, "high": pl.Float64}
    )
    rows = store.as_of(table, region.name).join(high, on="series")
    beyond = rows.filter(pl.col("value") > pl.col("high"))
    if len(beyond):
        return Finding(
            name,
            State.FAIL,
            f"{len(beyond):,} values above max_mw, the first {beyond['value'][0]:,.0f} MW of {beyond['series'][0]}",
            "Correct max_mw in the region file, or rebuild: nowcast data rebuild.",
        )
    group = ("series", pl.col("valid_at").dt.convert_time_zone(region.timezone).dt.hour())
    low, top = (pl.col("value").quantile(share).over(*group) for share in (USUAL_SHARE, 1 - USUAL_SHARE))
    width = FAR * (top - low)
    far = rows.filter((pl.col("value") < low - width) | (pl.col("value") > top + width))
    told = f"{len(far):,} of {len(rows):,} values far from the usual of their zone and hour"
    if len(far) > SUSPECT_SHARE * len(rows):
        first = far.row(0, named=True)
        where = f", such as {first['value']:,.0f} MW of {first['series']} at {first['valid_at']:%Y-%m-%d %H:%M} UTC"
        return Finding(name, State.WARN, told + where, "Look at them; max_mw can be set closer.")
    return Finding(name, State.OK, told)


def _verdict(name: str, faults: list[str], good: str, remedy: str) -> Finding:
    return Finding(name, State.FAIL, "; ".join(faults), remedy) if faults else Finding(name, State.OK, good)
