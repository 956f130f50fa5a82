"""Reads numbers from text, with the decimal and thousands separators that their publisher uses."""

from collections.abc import Mapping

import polars as pl

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.names import listed

DECIMALS = (".", ",")
THOUSANDS = (".", ",", " ", "'")
APART = 10
"""If the whole numbers below a thousand of a series are this many times larger than its numbers with three digits
behind a point, the point separates thousands."""
TINY_SHARE = 1 / 300
"""A load that never exceeds this share of its plausible maximum is a thousand times larger."""

_SPACES = r"[ \u00a0\u2009\u202f'\u2019]"
_GROUPED = {
    ",": r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$",
    ".": r"^[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?$",
    " ": rf"^[+-]?\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d*)?$",
}
_MARKS = {",": ",", ".": r"\.", " ": _SPACES, "'": _SPACES}
_IS_DECIMAL = {  # what cannot be a thousands separator
    sign: rf"^[+-]?(?:0*|\d{{4,}}|0\d+){mark}\d*(?:[eE][+-]?\d+)?$|"
    rf"^[+-]?\d*{mark}(?:\d{{1,2}}|\d{{4,}})(?:[eE][+-]?\d+)?$|"
    rf"^[+-]?\d{{1,3}}(?:{other}\d{{3}})+{mark}\d*$"
    for sign, mark, other in ((",", ",", r"\."), (".", r"\.", ","))
}
_IS_THOUSANDS = {  # what cannot be a decimal separator
    ",": r"^[+-]?\d{1,3}(?:,\d{3})+\.\d*$|^[+-]?\d{1,3}(?:,\d{3}){2,}$",
    ".": r"^[+-]?\d{1,3}(?:\.\d{3})+,\d*$|^[+-]?\d{1,3}(?:\.\d{3}){2,}$",
}
_NUMERIC = r"^[+-]?[\d.,]+(?:[eE][+-]?\d+)?$"
_MAY_BE_EITHER = {sign: rf"^[+-]?[1-9]\d{{0,2}}{mark}\d{{3}}$" for sign, mark in ((",", ","), (".", r"\."))}


def numbers(
    text: pl.Series,
    series: pl.Series,
    options: Mapping[str, object],
    origin: str,
    *,
    loads: Mapping[str, float] | None = None,
) -> pl.Series:
    """The numbers in the values, null where a value is no number.

    Options `decimal` and `thousands` name the separators. Without them a separator is found if the file's values allow
    one reading only: a comma with one digit behind it is a decimal comma. Spaces and apostrophes between groups of
    three digits can only separate thousands.

    Args:
        text: values of a file as received.
        series: name of the series that each belongs to.
        options: of the source.
        origin: name of the file.
        loads: plausible maximum of series of load, in the values' own unit.

    Raises:
        SourceFormatError: a separator may be of decimals or of thousands, and the values differ by a factor of 1,000.
    """
    frame = _ungrouped(text, series)
    decimal, thousands = options.get("decimal"), options.get("thousands")
    if decimal is None and thousands in (".", ","):
        decimal = "," if thousands == "." else "."
    if decimal is None:
        decimal = _found(frame, origin, loads or {})
    sign = str(decimal)
    other = "," if sign == "." else "."
    is_grouped = pl.col("text").str.contains(_GROUPED[other])
    value = pl.when(is_grouped).then(pl.col("text").str.replace_all(other, "", literal=True)).otherwise("text")
    if sign == ",":
        # A point that does not separate thousands does not separate decimals either.
        value = pl.when(is_grouped | ~pl.col("text").str.contains(r"\.")).then(
            value.str.replace(",", ".", literal=True)
        )
    return frame.select(value.cast(pl.Float64, strict=False).alias("value"))["value"]


def decimal_of(text: pl.Series, series: pl.Series, origin: str) -> str:
    """The decimal separator that the values of a file show, "." if none has a fraction.

    Raises:
        SourceFormatError: the values do not show it.
    """
    return _found(_ungrouped(text, series), origin, {})


def _ungrouped(text: pl.Series, series: pl.Series) -> pl.DataFrame:
    """Columns series and text, the values without spaces between groups of digits."""
    frame = pl.DataFrame(
        {
            "series": series,
            "text": text.cast(pl.String).str.strip_chars().str.replace("^\u2212", "-"),
        }
    )
    is_spaced = pl.col("text").str.contains(_GROUPED[" "])
    return frame.with_columns(
        text=pl.when(is_spaced).then(pl.col("text").str.replace_all(_SPACES, "")).otherwise("text")
    )


def _found(frame: pl.DataFrame, origin: str, loads: Mapping[str, float]) -> str:
    """The decimal separator, from the values.

    Raises:
        SourceFormatError: the values do not show it.
    """
    frame = frame.filter(pl.col("text").str.contains(_NUMERIC))
    has = {sign: frame.filter(pl.col("text").str.contains(sign, literal=True)) for sign in DECIMALS}
    if has[","].is_empty() and has["."].is_empty():
        return "."
    other = {".": ",", ",": "."}
    grouped = {sign: bool(has[sign]["text"].str.contains(_IS_THOUSANDS[sign]).any()) for sign in DECIMALS}
    tells = {
        sign: grouped[other[sign]] or bool(has[sign]["text"].str.contains(_IS_DECIMAL[sign]).any()) for sign in DECIMALS
    }
    if tells["."] and tells[","]:
        raise _unclear(origin, has[","].head(1), has["."].head(1))
    if tells[","]:
        return ","
    either = has[","].filter(pl.col("text").str.contains(_MAY_BE_EITHER[","]))
    if len(either) and not tells["."]:
        raise _unclear(origin, either.head(1), frame.filter(~pl.col("text").str.contains("[.,]")).head(1))
    if not grouped[","]:
        # A point separates decimals unless a series shows otherwise.
        _check_points(has["."], frame, origin, loads)
    return "."


def _check_points(pointed: pl.DataFrame, frame: pl.DataFrame, origin: str, loads: Mapping[str, float]) -> None:
    """Refuse series whose points may separate thousands: 987 and then 1.001.

    Raises:
        SourceFormatError: a series jumps by a thousand, or is a thousand times smaller than a load can be.
    """
    either = pl.col("text").str.contains(_MAY_BE_EITHER["."])
    suspects = pointed.group_by("series", maintain_order=True).agg(
        either.all().alias("either"),
        pl.col("text").filter(either).first().alias("example"),
        pl.col("text").cast(pl.Float64, strict=False).abs().median().alias("middle"),
        pl.col("text").cast(pl.Float64, strict=False).abs().max().alias("largest"),
    )
    whole = (
        frame.filter(pl.col("text").str.contains(r"^[+-]?\d{1,3}$"))
        .group_by("series")
        .agg(pl.col("text").cast(pl.Float64).abs().max().alias("whole"))
    )
    limits = pl.DataFrame(
        {"series": list(loads), "limit": list(loads.values())}, {"series": pl.String, "limit": pl.Float64}
    )
    joined = suspects.filter("either").join(whole, on="series", how="left").join(limits, on="series", how="left")
    jumps = pl.col("whole") >= APART * pl.col("middle")
    is_tiny = (pl.col("largest") < TINY_SHARE * pl.col("limit")) & (1000 * pl.col("largest") <= pl.col("limit"))
    found = joined.filter((jumps | is_tiny).fill_null(False))
    if len(found):
        one = frame.filter(pl.col("series") == found["series"][0])
        example = one.filter(pl.col("text") == found["example"][0]).head(1)
        whole_numbers = one.filter(pl.col("text").str.contains(r"^[+-]?\d{1,3}$"))
        raise _unclear(origin, example, whole_numbers.tail(1), found["series"])


def _unclear(
    origin: str, example: pl.DataFrame, beside: pl.DataFrame, series: pl.Series | None = None
) -> SourceFormatError:
    text = example["text"][0]
    sign = "," if "," in text else "."
    other = "." if sign == "," else ","
    names = listed((example["series"] if series is None else series).unique(maintain_order=True))
    next_to = f" beside {beside['text'][0]}" if len(beside) else ""
    return SourceFormatError(
        f"{origin}: {names} has values such as {text}{next_to}: {text!r} may be {text.replace(sign, '')} or "
        f"{text.replace(sign, '.')}, a thousand times less.",
        remedy=f'Set the source\'s option thousands = "{sign}" (and decimal = "{other}"), or decimal = "{sign}".',
        file=origin,
        series=names,
        value=text,
    )
