"""Shared by sources that use other people's libraries: the import, keys, errors, and tables as bytes."""

import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from gzip import BadGzipFile
from importlib import import_module, metadata
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import polars as pl

from power_nowcast.errors import (
    ConfigurationError,
    DataError,
    NowcastError,
    SourceFormatError,
    SourceUnavailableError,
    install_remedy,
)
from power_nowcast.ingest.published import Request, check_options
from power_nowcast.ingest.web import Limits, redact
from power_nowcast.ingest.web.libraries import limited
from power_nowcast.ingest.web.limits import TooLargeError

NOT_FOUND = 404
REFUSED = (401, 403)
_LOGGERS = ("gridstatus", "entsoe.entsoe", "entsoe.decorators", "meteostat", "urllib3.connectionpool")
"""Loggers that were seen to log addresses and headers with keys."""
_LONGEST = 300


class _Hiding(logging.Filter):
    """Takes keys out of what libraries log."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = hidden(record.getMessage(), self.keys), ()
        return True


_hiding = _Hiding()
for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_hiding)


def hidden(text: str, keys: set[str]) -> str:
    """The text without these keys, and without other keys in its addresses."""
    for key in keys:
        text = text.replace(key, "***")
    return redact(text)


def library(name: str, *, source: str) -> Any:
    """A library of the extra `grids`.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        with _quiet():
            return import_module(name)
    except ImportError as error:
        raise _missing(error.name or name, source) from error


def check_library(name: str, *, source: str) -> None:
    """Check that a library of the extra `grids` is there, without importing it.

    Raises:
        ConfigurationError: it is not installed.
    """
    if find_spec(name) is None:
        raise _missing(name, source)


def _missing(package: str, source: str) -> ConfigurationError:
    return ConfigurationError(
        f"The source {source} needs the package {package}, which is not installed.",
        remedy=install_remedy("grids"),
        source=source,
        package=package,
    )


def not_raw(name: str, call: str) -> str:
    """The first line of a library's table as bytes, in place of an address."""
    return f"not raw: the table that {name} {metadata.version(name)} made of {call}"


def check_library_options(request: Request, *known: str) -> None:
    """Check that a source has no options but `known`.

    Raises:
        ConfigurationError: an option is unknown, or is an address, which the library would ignore.
    """
    if "url" in request.spec.options:
        source = request.spec.source
        raise ConfigurationError(
            f"{request.region.name}: the source {source} uses a library, which has its own addresses.",
            remedy="Leave out the option url; a proxy is named by HTTPS_PROXY.",
            region=request.region.name,
            source=source,
            option="url",
        )
    check_options(request, *known)


@dataclass(frozen=True)
class Asking:
    """One call of a library: its source, its question, its key, and its time.

    `absent` are the library's own errors that say that there is nothing for the requested time.
    """

    source: str
    what: str
    time: datetime
    key: str = field(default="", repr=False)
    variable: str = ""
    absent: tuple[type[Exception], ...] = ()
    limits: Limits = field(default_factory=Limits)

    def call[T](self, ask: Callable[[], T]) -> T:
        """The library's result; the key appears neither in logs nor in errors.

        Raises:
            SourceUnavailableError: the server refuses or does not answer; `status` is 404 where it has nothing.
            SourceFormatError: the library cannot read the answer.
        """
        if self.key:
            _hiding.keys.add(self.key)
        begun = time.monotonic()
        try:
            with _quiet(), limited(self.limits, has_key=bool(self.key)):
                return ask()
        except NowcastError:
            raise
        except Exception as error:
            took = time.monotonic() - begun
            failure = self._failure(error, is_late=took >= self.limits.whole.total_seconds())
        # Outside of the handler: the library's error, which may hold the key, must not become the context of this one.
        raise failure

    def _failure(self, error: Exception, *, is_late: bool = False) -> DataError:
        status = _status(error)
        said = " ".join(hidden(str(error), {self.key} if self.key else set()).split())[:_LONGEST]
        said = f"{type(error).__name__}{': ' * bool(said)}{said}"
        kind: type[DataError] = SourceUnavailableError
        remedy = "Run it again later; what has arrived is kept."
        if isinstance(error, TooLargeError):
            kind, reason, remedy = SourceFormatError, error.said, "Ask for fewer days at a time (--start, --end)."
        elif is_late:
            reason = f"took longer than {self.limits.whole.total_seconds():.0f} s ({said})"
        elif isinstance(error, self.absent):
            status, reason = NOT_FOUND, f"has nothing ({said})"
        elif status in REFUSED:
            reason = f"was refused with {status}"
            remedy = f"Check the key in {self.variable}." if self.variable else "The publisher refuses access."
        elif status is not None:
            reason = f"was answered {status}"
        elif isinstance(error, (OSError, RuntimeError)) and not isinstance(error, (ValueError, BadGzipFile)):
            reason = f"failed ({said})"
        else:
            kind, reason = SourceFormatError, f"was answered with something that the library cannot read ({said})"
            remedy = "Run it again later; if it stays, the publisher has changed the format: look for a newer library."
        return kind(
            f"{self.source}: {self.what} {reason} at {self.time:%Y-%m-%dT%H:%M:%SZ}.",
            remedy=remedy,
            source=self.source,
            url=self.what,
            time=self.time,
            status=status,
            attempts=1,
        )


def table_bytes(frame: Any, about: str) -> bytes:
    """A library's table as CSV, below a line that describes it; the same table gives the same bytes.

    Times are in ISO 8601 and UTC, numbers are written so that they read back the same.
    """
    frame = frame.copy()
    for column in frame.columns:
        values = frame[column]
        if values.dtype.kind == "M" or hasattr(values.dtype, "tz"):
            utc = values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
            frame[column] = utc.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return f"# {about}\n{text}".encode()


def read_table(data: bytes, origin: str) -> pl.DataFrame:
    """The text of `table_bytes`, all columns strings.

    Raises:
        SourceFormatError: the bytes are no such table.
    """
    try:
        return pl.read_csv(BytesIO(data), infer_schema=False, comment_prefix="#")
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(f"{origin} is no table: {reason}.", remedy="Fetch it again.", file=origin) from error


def time_of(column: str) -> pl.Expr:
    """The times of a column of `read_table`, null where unreadable."""
    return (
        pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence a library: its warnings are for its authors, and its prints would mix with this program's output."""
    printed = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(printed):
        warnings.simplefilter("ignore")
        yield


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of requests or urllib, whichever the library uses."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None
