"""Looks at a file of power and says what it takes it for: fields, stamps, columns, spacing, unit."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.parsing.numbers import decimal_of, numbers
from power_nowcast.ingest.parsing.opening import members
from power_nowcast.ingest.parsing.stamp_forms import orders, read_clock, read_stamp
from power_nowcast.ingest.parsing.stamps import times
from power_nowcast.ingest.parsing.tabular import layout, table
from power_nowcast.regions.units import Unit

SAMPLE = 400
"""The rows, spread over the file, whose values tell what a column holds."""
MOST = 0.9
"""A column holds what so large a share of its values is."""
MOST_SERIES = 200
"""A column of text with more names than these does not name series."""
USUAL_SHARE = 0.999
"""Share of the values that the plausible maximum is taken from: the others may be faults."""
LARGEST_MW = 1e5
"""No zone has 100 GW: a larger value is in kW."""
EQUAL_SHARE = 0.005
"""A column is the sum of the others if it differs from it by so small a share of its mean: they may be rounded."""
_UNITS = re.compile(r"(?<![A-Za-z])([kMG]W)(h?)(?![A-Za-z])", re.IGNORECASE)
_WRITTEN: dict[str, Unit] = {"KW": "kW", "MW": "MW", "GW": "GW"}
_DAY = 1440
_NUMBER = r"^[+-]?[\d.,' \u00a0\u202f]*\d[\d.,]*(?:[eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Look:
    """What a file of power is taken for. Values are in the file's own unit.

    `separator` is None for Parquet. `stamp_format` is None where the stamps can mean one thing only; `order_is_known`
    is False where day and month may be the other way round. `series` is the column that names the series of a file with
    a row for each value, `value` that of the values; both are None where every series has a column. `names` are those
    of the series, without the `total`, which is the sum of the others. `levels` are their usual least and greatest
    values. `unit` is None where no title says it. `label` is what the first and last stamp of whole days show.
    """

    separator: str | None
    decimal: str
    stamp: tuple[str, ...]
    stamp_format: str | None
    order_is_known: bool
    has_offset: bool
    series: str | None
    value: str | None
    names: tuple[str, ...]
    total: str | None
    others: tuple[str, ...]
    spacing_minutes: int
    rows: int
    levels: Mapping[str, tuple[float, float]]
    unit: str | None
    label: str | None


def look(
    data: bytes,
    origin: str,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    form: str | None = None,
    columns: Sequence[str] = (),
) -> Look:
    """What the first file in these bytes is taken for.

    Args:
        data: CSV or Parquet, packed or not.
        origin: its name.
        separator: of fields; found from the lines where it is None.
        decimal: sign; found from the values where it is None.
        form: format of the stamps; found from them where it is None.
        columns: titles of the series; all columns of numbers where there are none.

    Raises:
        SourceFormatError: it is no table, has no titles, no column of stamps or of numbers, or its signs may mean
            several things.
    """
    member = next(iter(members(data, origin)))
    found, titles = layout(member.data, member.name, separator)
    _check_titles(titles, member.name)
    rows = table(member.data, member.name, is_header=lambda named: set(titles) <= set(named), separator=found)
    stamp = _stamp_columns(rows, member.name)
    rest = [name for name in rows.columns if name not in stamp]
    values = _value_columns(rows, rest, columns, stamp, member.name)
    text = rows.select(pl.concat_str([pl.col(name).str.strip_chars() for name in stamp], separator=" ").alias("stamp"))
    chosen, is_known = (form, True) if form else _form(text["stamp"])
    at, has_offset = _wall_clock(text["stamp"], chosen, member.name)
    series = _series_column(rows, rest, values, at)
    long = _long(rows, series, values)
    sign = decimal or decimal_of(long["text"], long["series"], member.name)
    long = long.with_columns(amount=numbers(long["text"], long["series"], {"decimal": sign}, member.name))
    total = None if series else _total(long, values)
    levels = _levels(long, total)
    distinct = at.drop_nulls().unique().sort()
    spacing = _spacing(distinct, member.name)
    read = {*stamp, *([series, values[0]] if series else values)}
    return Look(
        separator=found,
        decimal=sign,
        stamp=stamp,
        stamp_format=chosen,
        order_is_known=is_known,
        has_offset=has_offset,
        series=series,
        value=values[0] if series else None,
        names=tuple(levels),
        total=total,
        others=tuple(name for name in rows.columns if name not in read),
        spacing_minutes=spacing,
        rows=len(rows),
        levels=levels,
        unit=_unit(values, member.name),
        label=_label(distinct[0], distinct[-1], spacing),
    )


def by_size(one: Look) -> Unit:
    """The unit that the size of the values allows, where no title says it."""
    return "kW" if max(most for _, most in one.levels.values()) > LARGEST_MW else "MW"


def _check_titles(titles: Sequence[str], origin: str) -> None:
    if first := next((title for title in titles if _is_stamp(title)), None):
        raise SourceFormatError(
            f"{origin} has no titles: its first line has {first!r}.",
            remedy="Add a first line with a title for each column, such as time;load_kw.",
            file=origin,
        )


def _value_columns(
    rows: pl.DataFrame, rest: Sequence[str], asked: Sequence[str], stamp: tuple[str, ...], origin: str
) -> list[str]:
    """The columns of the values: those that are asked for, or all that hold numbers."""
    if unknown := [name for name in asked if name not in rest]:
        raise SourceFormatError(
            f"{origin} has no column {unknown[0]!r} of values; it has {listed(rest)}.",
            remedy="Name columns by their titles in the file.",
            file=origin,
        )
    values = list(asked) or [name for name in rest if _share(rows[name], _is_number) >= MOST]
    if not values:
        raise SourceFormatError(
            f"{origin}: no column holds numbers beside the stamps in {listed(stamp)}; it has {listed(rest)}.",
            remedy="Check that it is a table of power with one column of stamps.",
            file=origin,
        )
    return values


def _levels(long: pl.DataFrame, total: str | None) -> dict[str, tuple[float, float]]:
    """The usual least and greatest value of each series but the total."""
    rare = 1 - USUAL_SHARE
    levels = (
        long.filter(pl.col("series") != (total or ""), pl.col("amount").is_finite())
        .group_by("series", maintain_order=True)
        .agg(pl.col("amount").quantile(rare).alias("least"), pl.col("amount").quantile(USUAL_SHARE).alias("most"))
    )
    return {name: (least, most) for name, least, most in levels.iter_rows()}


def _total(long: pl.DataFrame, values: Sequence[str]) -> str | None:
    """The column that is the sum of all others, if there is one."""
    if len(values) < 3:
        return None
    wide = pl.DataFrame({name: long.filter(pl.col("series") == name)["amount"] for name in values}).drop_nulls()
    if wide.is_empty():
        return None
    for name in values:
        apart = wide.select((pl.sum_horizontal(values) - 2 * pl.col(name)).abs().mean()).item()
        if apart <= EQUAL_SHARE * wide.select(pl.col(name).abs().mean()).item():
            return name
    return None


def _stamp_columns(rows: pl.DataFrame, origin: str) -> tuple[str, ...]:
    for name in rows.columns:
        if _share(rows[name], _is_stamp) >= MOST:
            return (name,)
    days = [name for name in rows.columns if _share(rows[name], _is_date) >= MOST]
    clocks = [name for name in rows.columns if name not in days and _share(rows[name], _is_clock) >= MOST]
    if days and clocks:
        return days[0], clocks[0]
    raise SourceFormatError(
        f"{origin}: no column holds stamps with a date and a time of day; it has {listed(rows.columns)}.",
        remedy="Check that its first line has the titles, and that times are text such as 2024-05-01 00:15.",
        file=origin,
    )


def _share(values: pl.Series, holds: Callable[[str], bool]) -> float:
    known = values.drop_nulls()
    known = known.filter(known.str.strip_chars() != "").gather_every(max(1, len(known) // SAMPLE))
    return sum(map(holds, known)) / len(known) if len(known) else 0.0


def _is_stamp(text: str) -> bool:
    if (stamp := read_stamp(text)) is not None:
        return stamp.has_clock
    return any("%H" in form or "%I" in form for form in orders(text))


def _is_date(text: str) -> bool:
    return bool(orders(text)) or ((stamp := read_stamp(text)) is not None and not stamp.has_clock)


def _is_clock(text: str) -> bool:
    return ":" in text and read_clock(text) is not None


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text.strip()) is not None


def _form(stamps: pl.Series) -> tuple[str | None, bool]:
    """The format of stamps that need one, and whether the stamps show the order of day and month."""
    known = stamps.drop_nulls()
    longest = known.gather((known.str.len_chars() == known.str.len_chars().max()).arg_true())
    candidates = list(dict.fromkeys(form for text in longest.head(SAMPLE) for form in orders(text)))
    if not candidates:
        return None, True
    read = {form: known.str.to_datetime(form, strict=False, time_unit="us") for form in candidates}
    fewest = min(one.null_count() for one in read.values())
    left = [form for form, one in read.items() if one.null_count() == fewest]
    # Of two orders of day and month, the stamps of the right one follow one another.
    left.sort(key=lambda form: read[form].drop_nulls().unique().sort().diff().drop_nulls().n_unique())
    return left[0], len(left) == 1 or known.str.slice(0, 10).n_unique() > 12


def _wall_clock(stamps: pl.Series, form: str | None, origin: str) -> tuple[pl.Series, bool]:
    """Times as the stamps say them, UTC where they have an offset; and whether they have one."""
    options = {"stamp_format": form} if form else {}
    try:
        return times(stamps, options, origin, timezone="UTC")[0], True
    except SourceFormatError:
        return times(stamps, {**options, "time_zone": "UTC"}, origin, timezone="UTC")[0], False


def _series_column(rows: pl.DataFrame, rest: Sequence[str], values: Sequence[str], at: pl.Series) -> str | None:
    """The column that names series: stamps repeat, one column has numbers, and another has few names."""
    if len(values) != 1 or at.drop_nulls().n_unique() * 2 > len(at):
        return None
    names = [name for name in rest if name not in values and 1 < rows[name].n_unique() <= MOST_SERIES]
    return names[0] if names else None


def _long(rows: pl.DataFrame, series: str | None, values: Sequence[str]) -> pl.DataFrame:
    if series is not None:
        return rows.select(pl.col(series).str.strip_chars().alias("series"), pl.col(values[0]).alias("text"))
    return rows.select(values).unpivot(values, variable_name="series", value_name="text")


def _spacing(distinct: pl.Series, origin: str) -> int:
    steps = (distinct.diff().drop_nulls().dt.total_seconds() / 60).value_counts(sort=True)
    minutes = float(steps.to_series(0)[0]) if len(steps) else 0.0
    if minutes < 1 or minutes != int(minutes) or _DAY % int(minutes):
        raise SourceFormatError(
            f"{origin}: its stamps are {minutes:g} minutes apart most often, which does not divide a day.",
            remedy="Bring the values to a spacing of 1, 5, 10, 15, 30 or 60 minutes.",
            file=origin,
        )
    return int(minutes)


def _unit(titles: Sequence[str], origin: str) -> Unit | None:
    """The unit that titles name.

    Raises:
        SourceFormatError: they name energy, or several units.
    """
    found = [match for title in titles if (match := _UNITS.search(title))]
    if any(match[2] for match in found):
        raise SourceFormatError(
            f"{origin}: its titles name an energy ({found[0][0]}), not a power.",
            remedy="Divide the values by the hours of their interval (kWh in 15 minutes times 4 is kW), and rename.",
            file=origin,
        )
    units = {_WRITTEN[match[1].upper()] for match in found}
    if len(units) > 1:
        raise SourceFormatError(
            f"{origin}: its titles name several units: {listed(sorted(units))}.",
            remedy="Bring all columns to one unit.",
            file=origin,
        )
    return units.pop() if units else None


def _label(first: datetime, last: datetime, spacing: int) -> str | None:
    """What whole days show: they begin with 00:00 where stamps are starts, and end with it where they are ends."""
    begins, ends = (time.hour * 60 + time.minute for time in (first, last))
    if begins == 0 and ends == _DAY - spacing:
        return "start"
    return "end" if begins == spacing and ends == 0 else None
