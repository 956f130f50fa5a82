"""Observations that a caller brings, from the body's bytes to a panel; each fault with its column and row."""

import re
from collections.abc import Sequence
from datetime import UTC as _UTC
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from power_nowcast.contracts import UTC, Panel
from power_nowcast.errors import SourceFormatError
from power_nowcast.features.rows import from_rows
from power_nowcast.regions import Region
from power_nowcast.serve.schemas import EARLIEST, LATEST, Observations, Reading, Time
from power_nowcast.serve.screen import screen

MAX_SPAN_DAYS = 400
"""The longest span between the first and the last row: a grid of centuries would not fit into memory."""

_TIMES = TypeAdapter(list[Time])
_READINGS = TypeAdapter(list[Reading | None])

PLAIN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ$"
"""The usual form of a time."""
LOST_PLUS = re.compile(r"\d:\d\d\S* \d\d(:?\d\d)?$")
"""A time and an offset with a space between them: an address turns a plus sign into this space."""
LOST_PLUS_REMEDY = (
    "a + in an address is read as a space: write the offset's plus sign as %2B, as in 2019-06-30T23:55:00%2B02:00, or "
    "the time in UTC with a Z"
)


def read[Body: Observations](kind: type[Body], body: bytes) -> Body:
    """A request's body, validated except for its cells.

    Raises:
        RequestValidationError: the body is no JSON, or not of this form.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(_errors(error, ["body"])) from error


def parse_time(text: str, *where: str) -> Any:
    """An ISO time with an offset, as UTC.

    Raises:
        RequestValidationError: the text is no such time.
    """
    if LOST_PLUS.search(text):
        raise RequestValidationError([{"type": "lost_plus", "loc": where, "msg": LOST_PLUS_REMEDY}])
    try:
        return TypeAdapter(Time).validate_python(text)
    except ValidationError as error:
        raise RequestValidationError(_errors(error, where)) from error


def panel_of(region: Region, asked: Observations, now: datetime) -> tuple[Panel, tuple[str, ...]]:
    """The panel of the caller's observations, and flags that say which values were left out (`screen`).

    Raises:
        RequestValidationError: a cell is not a time or a finite number.
        SourceFormatError: a column is missing or unknown, a time repeated or off the grid, a value implausible or in
            another unit.
        HistoryError: there are no observations.
    """
    cells = asked.columns()
    columns: dict[str, pl.Series] = {}
    for name, values in cells.items():
        if name == "valid_at":
            times = _plain_times(values)
            columns[name] = _utc(_checked(_TIMES, values, name, asked)) if times is None else times
        else:
            columns[name] = pl.Series(name, _checked(_READINGS, values, name, asked), pl.Float64)
    frame = pl.DataFrame(columns)
    _check_span(frame)
    issue = np.datetime64(asked.issue_time.astimezone(_UTC).replace(tzinfo=None), "m") if asked.issue_time else None
    screened, flags = screen(region, frame, now, issue=issue)
    return from_rows(region, screened, until=issue), flags


def _plain_times(values: list[Any]) -> pl.Series | None:
    """Times that are all written like 2019-06-30T23:55:00Z, many times faster than by `_TIMES`; None otherwise."""
    if not all(type(value) is str for value in values):
        return None
    text = pl.Series("valid_at", values, pl.String)
    if not text.str.contains(PLAIN).all():
        return None
    times = text.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False)
    return times if times.is_between(EARLIEST, LATEST, closed="left").fill_null(value=False).all() else None


def _utc(times: list[datetime]) -> pl.Series:
    micros = np.array([round(time.timestamp() * 1e6) for time in times], np.int64)
    return pl.Series("valid_at", micros).cast(UTC)


def _checked(adapter: TypeAdapter[Any], values: list[Any], column: str, asked: Observations) -> list[Any]:
    try:
        return list(adapter.validate_python(values))
    except ValidationError as error:
        if asked.split is None:
            found = [{**one, "loc": ("body", "rows", one["loc"][0], column)} for one in _errors(error, ())]
        else:
            at = asked.split.columns.index(column)
            found = [{**one, "loc": ("body", "split", "data", one["loc"][0], at)} for one in _errors(error, ())]
        raise RequestValidationError(found) from error


def _errors(error: ValidationError, where: Sequence[str]) -> list[dict[str, Any]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{**one, "loc": (*where, *one["loc"])} for one in found[:20]]


def _check_span(frame: pl.DataFrame) -> None:
    if "valid_at" not in frame.columns or frame.is_empty():
        return
    first, last = frame.select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
    days = (last - first).days
    if days > MAX_SPAN_DAYS:
        raise SourceFormatError(
            f"The rows span {days} days, from {first:%Y-%m-%d} to {last:%Y-%m-%d}.",
            remedy=f"Send at most {MAX_SPAN_DAYS} days; /v1/models says how much history the model needs.",
            days=days,
        )
